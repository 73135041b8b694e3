//! `cargo abi-check`: builds a crate's library for several targets and compares what comes out.
//!
//! The comparison is that of the command `abi-check`, which is called for it and whose exit status is passed on.
#![forbid(unsafe_code)]

mod build;
mod error;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

use crate::build::Library;
use crate::error::Error;

/// Build a crate's library for several targets and prove that its types are laid out alike on all of them.
///
/// Compared are all statics, vtables and types that the builds have in common; arguments behind `--` are those of
/// abi-check and may say something else. Exit status: 0 if everything is proved equal, 1 if something differs, 2 if
/// nothing differs but something could not be compared (or nothing was), 3 if there is nothing to compare because the
/// crate could not be built.
#[derive(Debug, Parser)]
#[command(
    name = "cargo-abi-check",
    bin_name = "cargo abi-check",
    version,
    max_term_width = 100
)]
struct Arguments {
    /// Target triples, two or more.
    #[arg(long, required = true, value_delimiter = ',', num_args = 1.., value_name = "A,B")]
    targets: Vec<String>,
    #[command(flatten)]
    what: What,
    /// Arguments of abi-check.
    #[arg(last = true)]
    rest: Vec<OsString>,
}

/// What is built.
#[derive(Debug, clap::Args)]
struct What {
    /// Package whose library is built [default: that of the current folder].
    #[arg(short, long, value_name = "PKG")]
    package: Option<String>,
    /// Path to Cargo.toml.
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,
    /// Build with optimizations.
    #[arg(short, long)]
    release: bool,
    /// Features to activate.
    #[arg(short = 'F', long, value_name = "FEATURES")]
    features: Vec<String>,
    /// Activate all features.
    #[arg(long)]
    all_features: bool,
    /// Do not activate the default features.
    #[arg(long)]
    no_default_features: bool,
}

const FAILED: u8 = 3;

fn main() -> ExitCode {
    // As `cargo abi-check …` the first argument is the name of the subcommand.
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "abi-check") {
        arguments.remove(1);
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // If even stderr is gone, there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { FAILED } else { 0 });
        }
    };
    match run(&arguments) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let mut targets: Vec<&str> = Vec::new();
    for target in &arguments.targets {
        if !targets.contains(&target.as_str()) {
            targets.push(target);
        }
    }
    if targets.len() < 2 {
        return Err(Error::OneTarget);
    }
    let library = Library::find(&arguments.what)?;
    let mut command = Command::new(judge()?);
    let mut archives = Vec::new();
    for target in targets {
        archives.push(library.build(&arguments.what, target)?);
        command.arg("--name").arg(target);
    }
    if !arguments.rest.iter().any(selects) {
        command.arg("--all");
    }
    command.args(&arguments.rest).args(archives);
    let status = command.status().map_err(|source| Error::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(FAILED)))
}

/// Whether an argument of abi-check says what is compared.
fn selects(argument: &OsString) -> bool {
    let argument = argument.to_string_lossy();
    let name = argument.split('=').next().unwrap_or_default();
    ["--root", "--static", "--type", "--section", "--all"].contains(&name)
}

/// The command `abi-check`, which is installed beside this one.
fn judge() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(|source| Error::Start {
        program: "abi-check".to_owned(),
        source,
    })?;
    Ok(own.with_file_name(format!("abi-check{}", std::env::consts::EXE_SUFFIX)))
}
