//! The command. Exit status: 0 linked, 1 refused, 2 a wrong command line.

use std::process::ExitCode;

use fatld::options::Command;

fn main() -> ExitCode {
    let result = match Command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Print(text)) => fatld::say(&text),
        Ok(Command::Link(options)) => fatld::link_image(&options),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_status())
        }
    }
}
