//! The command `abi-check`: proves that statics and vtables of several compilations are laid out alike.
//!
//! It adds to the library what belongs to files and exit statuses; what is compared, `wanted` says.
#![deny(unsafe_code)]

mod by_name;
mod commands;
mod companions;
mod config;
mod emit;
mod files;
mod progress;
mod sections;
mod suppress;
mod wanted;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use abi_check::{Error, Look, Severity, Verdict};
use clap::{Parser, ValueEnum};
use companions::Inputs;
use config::Config;
use emit::Emitting;
use wanted::{Wanted, Wanting};

/// Prove that data is laid out alike in compilations for several CPUs.
///
/// Compared are, unless told otherwise, all statics and vtables with everything that they lead to; if the files have no
/// static in common, all types that they have in common.
///
/// Exit status: 0 if everything is proved equal, 1 if something differs, 2 if nothing differs but something could not
/// be compared (or nothing was), 3 if the input could not be read.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<commands::Command>,
    /// Objects, archives, rlibs or linked files, one for each CPU; build them with -Cdebuginfo=2 or -g.
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    /// How messages call the files, in their order, instead of by their paths.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Folder with debug information that is apart from the files, laid out as /usr/lib/debug is.
    #[arg(long = "debug-directory", value_name = "DIR")]
    debug_directories: Vec<PathBuf>,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    emitting: Emitting,
    /// Succeed if nothing differs, even if something could not be compared.
    #[arg(long)]
    allow_unproved: bool,
    /// Fail if there are warnings, as for errors.
    #[arg(long)]
    deny_warnings: bool,
    /// File that says what is compared and suppressed, and has lints [default: abi-check.toml here or in a folder above].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Colour what differs; `auto` does so on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// When text for people is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, as the environment says (NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM).
    Auto,
    /// Also in files and pipes.
    Always,
    /// Not at all.
    Never,
}

impl Color {
    fn is_wanted(self) -> bool {
        match self {
            Color::Auto => {
                let choice = anstream::AutoStream::choice(&std::io::stdout());
                choice != anstream::ColorChoice::Never
            }
            Color::Always => true,
            Color::Never => false,
        }
    }
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text for people.
    Human,
    /// One JSON document, described in docs/abi-check.md.
    Json,
    /// For comments on pull requests.
    Markdown,
    /// SARIF 2.1.0, for services that show findings in the source.
    Sarif,
}

/// Exit statuses.
const EQUAL: u8 = 0;
const MISMATCH: u8 = 1;
const UNPROVED: u8 = 2;
const FAILED: u8 = 3;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no failures. If even stderr is gone, there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { FAILED } else { EQUAL });
        }
    };
    let result = match &arguments.command {
        Some(command) => match command.output::<Arguments>() {
            Ok(text) => print(&text).map(|()| EQUAL).map_err(Failure::from),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(FAILED);
            }
        },
        None => run(arguments),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Input(#[from] Error),
    #[error(transparent)]
    Config(#[from] config::ConfigError),
}

fn run(arguments: Arguments) -> Result<u8, Failure> {
    let mut config = Config::find(arguments.config.as_deref())?;
    let lints = config.lints();
    let options = arguments.wanted.or(&mut config);
    let inputs = Inputs::read(&arguments.files, &arguments.debug_directories)?;
    // They explain errors that follow from them.
    for problem in inputs.problems() {
        eprintln!("warning: {problem}");
    }
    let sides = inputs.sides(&arguments.names)?;
    let wanted = Wanting::new(&options, &lints, &sides)?;
    let emitting = arguments.emitting.is_wanted();
    let (mut report, proved) = wanted.compare(&sides, emitting)?;
    let files = match emitting {
        true => arguments.emitting.make(&report, &proved)?,
        false => emit::Pending::default(),
    };
    let hidden = wanted.hide_one_sided(&mut report);
    by_name::add(&mut report);
    let void = suppress::apply(&config, &mut report);
    let unmatched: Vec<_> = wanted.unmatched().collect();
    let notes = notes(&hidden, &void, &unmatched);
    let text = match arguments.format {
        Format::Human => report.to_text(look(arguments.color)) + &notes,
        Format::Json => report.to_json(),
        Format::Markdown => report.to_markdown(),
        Format::Sarif => report.to_sarif(),
    };
    if arguments.format != Format::Human {
        // Beside a document for tools, there is no place for notes but here.
        eprint!("{notes}");
    }
    print(text.as_bytes())?;
    // Last, so that no file is new where the command fails.
    files.publish()?;
    let denies_warnings = arguments.deny_warnings || config.deny_warnings;
    let allows_unproved = arguments.allow_unproved || config.allow_unproved;
    Ok(match report.verdict() {
        _ if denies_warnings && report.number_of(Severity::Warning) > 0 => MISMATCH,
        Verdict::Mismatch => MISMATCH,
        Verdict::NothingCompared => UNPROVED,
        _ if !unmatched.is_empty() => UNPROVED,
        Verdict::Unproved if !allows_unproved => UNPROVED,
        Verdict::Unproved | Verdict::Suppressed | Verdict::Equal => EQUAL,
    })
}

/// What is to be said about the command line and the configuration: what is left out, void, or matches nothing.
fn notes(hidden: &[(&str, usize)], void: &[String], unmatched: &[(&str, &str)]) -> String {
    let mut notes = String::new();
    for (kind, number) in hidden {
        let are = if *number == 1 { " is" } else { "s are" };
        let advice = match *kind {
            "vtable" => " (--all-vtables names them)",
            _ => "",
        };
        notes += &format!("note: {number} {kind}{are} in some of the files only{advice}\n");
    }
    for line in void {
        notes += &format!("{line}\n");
    }
    for (option, pattern) in unmatched {
        notes += &format!("error: {option} {pattern}: nothing matches\n");
    }
    notes
}

/// As wide as the terminal, else as COLUMNS says, else as it comes.
fn look(color: Color) -> Look {
    let terminal = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0);
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    let width = terminal().or_else(columns).map(usize::from);
    Look {
        width: width.unwrap_or(Look::default().width),
        color: color.is_wanted(),
    }
}

fn print(text: &[u8]) -> Result<(), Error> {
    let written = std::io::stdout().write_all(text);
    written.map_err(|source| Error::Io {
        file: "standard output".to_owned(),
        source,
    })
}
