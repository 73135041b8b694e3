//! The command `abi-check`: proves that statics and vtables of several compilations are laid out alike.
//!
//! It adds to the library what belongs to files and exit statuses, and no judgement of its own but one: a vtable that
//! only some sides have is not counted as unproved, because where a vtable is made depends on what the optimizer
//! inlined. `--all-vtables` counts it.
#![forbid(unsafe_code)]

mod commands;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use abi_check::{Error, Glob, Look, Reason, Report, Side, StaticRef, Verdict};
use clap::{Parser, ValueEnum};

/// Prove that shared statics, and everything they reach, are laid out alike in compilations for several CPUs.
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
    /// Compare only statics (and vtables) whose qualified name matches; `*` and `?` are wildcards. May be repeated.
    #[arg(long = "static", value_name = "GLOB")]
    statics: Vec<String>,
    /// Leave out the types behind vtables.
    #[arg(long, conflicts_with = "all_vtables")]
    no_vtables: bool,
    /// Count vtables that only some of the files have as unproved.
    #[arg(long)]
    all_vtables: bool,
    /// Succeed if nothing differs, even if something could not be compared.
    #[arg(long)]
    allow_unproved: bool,
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
            Ok(text) => print(&text).map(|()| EQUAL),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(FAILED);
            }
        },
        None => run(&arguments),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8, Error> {
    let name = |path: &PathBuf| path.display().to_string();
    let mut contents = Vec::new();
    for path in &arguments.files {
        contents.push(std::fs::read(path).map_err(|source| Error::Io {
            file: name(path),
            source,
        })?);
    }
    let mut sides = Vec::new();
    for (path, data) in arguments.files.iter().zip(&contents) {
        sides.push(Side {
            name: name(path),
            objects: abi_check::objects(&name(path), data)?,
        });
    }
    let globs: Vec<(Glob, AtomicBool)> = arguments
        .statics
        .iter()
        .map(|pattern| (Glob::from(pattern.as_str()), AtomicBool::new(false)))
        .collect();
    let mut report = abi_check::compare(&sides, &|root| selects(arguments, &globs, root))?;
    let hidden = if arguments.all_vtables {
        0
    } else {
        hide_one_sided_vtables(&mut report)
    };

    let mut notes = String::new();
    if hidden > 0 {
        notes.push_str(&format!(
            "note: {hidden} vtables are in some of the files only (--all-vtables names them)\n"
        ));
    }
    let mut unmatched = false;
    for ((_, used), pattern) in globs.iter().zip(&arguments.statics) {
        if !used.load(Ordering::Relaxed) {
            notes.push_str(&format!(
                "error: --static {pattern}: no static has such a name\n"
            ));
            unmatched = true;
        }
    }
    let text = match arguments.format {
        Format::Human => report.to_text(look(arguments.color)) + &std::mem::take(&mut notes),
        Format::Json => report.to_json(),
        Format::Markdown => report.to_markdown(),
        Format::Sarif => report.to_sarif(),
    };
    // Beside a document for tools, there is no place for notes but here.
    eprint!("{notes}");
    print(text.as_bytes())?;
    Ok(match report.verdict() {
        Verdict::Mismatch => MISMATCH,
        Verdict::NothingCompared => UNPROVED,
        _ if unmatched => UNPROVED,
        Verdict::Unproved if !arguments.allow_unproved => UNPROVED,
        Verdict::Unproved | Verdict::Equal => EQUAL,
    })
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

fn selects(arguments: &Arguments, globs: &[(Glob, AtomicBool)], root: &StaticRef<'_>) -> bool {
    if arguments.no_vtables && root.is_vtable() {
        return false;
    }
    let mut selected = globs.is_empty();
    for (glob, used) in globs {
        if glob.matches(root.name) {
            used.store(true, Ordering::Relaxed);
            selected = true;
        }
    }
    selected
}

/// Removes vtables without a partner from what is unproved, and says how many.
fn hide_one_sided_vtables(report: &mut Report) -> usize {
    let before = report.unproved.len();
    report.unproved.retain(|unproved| {
        unproved.reason != Reason::OneSided || !unproved.subject.ends_with("::{vtable}")
    });
    before - report.unproved.len()
}
