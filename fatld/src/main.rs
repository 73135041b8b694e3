//! The command. Exit status: 0 done, 1 refused, 2 a wrong command line.

use std::ffi::OsString;
use std::process::ExitCode;

use fatld::Error;
use fatld::commands::Subcommand;
use fatld::options::{Command, Presentation};

/// A link makes millions of small tables in several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut presentation = Presentation::default();
    let result = match Subcommand::parse(&arguments) {
        // Help and wrong arguments, which clap words.
        Some(Err(error)) => error.exit(),
        Some(Ok(subcommand)) => subcommand.run(),
        None => link(arguments, &mut presentation),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fatld::report::print(&error, presentation);
            ExitCode::from(error.exit_status())
        }
    }
}

fn link(arguments: Vec<OsString>, presentation: &mut Presentation) -> Result<(), Error> {
    match Command::parse_for(arguments, presentation)? {
        Command::Print(text) => fatld::say(&text),
        Command::Link(options) => fatld::link_image(&options),
    }
}
