//! The command. Exit status: 0 linked, 1 refused, 2 a wrong command line.

use std::process::ExitCode;

use fatld::options::{Command, Presentation};

fn main() -> ExitCode {
    let mut presentation = Presentation::default();
    let result = match Command::parse_for(std::env::args_os().skip(1), &mut presentation) {
        Ok(Command::Print(text)) => fatld::say(&text),
        Ok(Command::Link(options)) => fatld::link_image(&options),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fatld::report::print(&error, presentation);
            ExitCode::from(error.exit_status())
        }
    }
}
