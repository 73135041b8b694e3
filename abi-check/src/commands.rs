//! What the command does besides comparing files: explain a kind of finding, and write completions and the man page.
//!
//! Invariant: none of it reads a file.

use abi_check::{Kind, KindEntry};
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;

/// Instead of files: a file that is called like one of these can be given as `./explain`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what a kind of finding means, why it goes wrong between CPUs, and how to mend it.
    Explain {
        /// Ids such as AC0007; none lists all.
        ids: Vec<String>,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page, in roff.
    Man,
}

/// An id that no kind of finding has.
#[derive(Debug, thiserror::Error)]
#[error("{id}: no kind of finding has this id (`abi-check explain` lists all)")]
pub struct UnknownId {
    id: String,
}

impl Command {
    /// What it prints; `Arguments` are all that the command takes.
    pub fn output<Arguments: CommandFactory>(&self) -> Result<Vec<u8>, UnknownId> {
        let mut command = Arguments::command();
        let name = command.get_name().to_owned();
        let mut output = Vec::new();
        match self {
            Command::Explain { ids } => return explain(ids).map(String::into_bytes),
            Command::Completions { shell } => {
                clap_complete::generate(*shell, &mut command, name, &mut output);
            }
            Command::Man => clap_mangen::Man::new(command)
                .render(&mut output)
                .expect("a vector takes all that is written to it"),
        }
        Ok(output)
    }
}

fn explain(ids: &[String]) -> Result<String, UnknownId> {
    if ids.is_empty() {
        return Ok(Kind::ALL
            .iter()
            .map(|kind| headline(kind.entry()) + "\n")
            .collect());
    }
    let text = |id: &String| {
        let kind = Kind::from_id(id).ok_or_else(|| UnknownId { id: id.clone() })?;
        Ok(explanation(kind.entry()))
    };
    Ok(ids
        .iter()
        .map(text)
        .collect::<Result<Vec<_>, _>>()?
        .join("\n"))
}

fn headline(entry: &KindEntry) -> String {
    let severity = entry.severity.word();
    format!("{}  {severity:<7}  {}", entry.id, entry.title)
}

fn explanation(entry: &KindEntry) -> String {
    let example: String = entry
        .example
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!(
        "{}\n\n{}\n\n{}\n\n{example}\n{}\n",
        headline(entry),
        wrapped(entry.means),
        wrapped(entry.why),
        wrapped(entry.mend)
    )
}

/// Text in lines that a terminal of 80 columns holds.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 78;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
