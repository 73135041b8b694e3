//! The parts that one program plays in a build.
//!
//! cargo and rustc want a program to run as wrapper and as linker. It is the program that started the build, whichever
//! that is, so that nothing has to be installed beside it; an environment variable tells it what it is this time.
//! Every program that builds calls [`play`] first thing in `main`.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::error::{Error, render};
use crate::{record, wrapper};

/// Environment variable with the part.
const VARIABLE: &str = "FATCC_ROLE";

/// A part other than the program's own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// `RUSTC_WRAPPER`.
    Wrapper,
    /// rustc's linker.
    Linker,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Wrapper => "rustc-wrapper",
            Role::Linker => "linker",
        }
    }

    /// Has the command, or what it starts, play this part.
    pub(crate) fn set(self, command: &mut Command) {
        command.env(VARIABLE, self.name());
    }

    /// Has the command play no part.
    pub(crate) fn unset(command: &mut Command) {
        command.env_remove(VARIABLE);
    }
}

/// Plays the part that the environment asks for. `None` means that there is none: go on with `main`.
pub fn play() -> Option<ExitCode> {
    let asked = std::env::var(VARIABLE).ok()?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result: Result<(), Error> = [Role::Wrapper, Role::Linker]
        .into_iter()
        .find(|role| role.name() == asked)
        .map(|role| match role {
            Role::Wrapper => Err(wrapper::run(&arguments)),
            Role::Linker => record::run(&arguments),
        })
        .unwrap_or_else(|| {
            Err(Error::System {
                doing: "know the part that FATCC_ROLE asks for",
                source: std::io::Error::other(asked),
            })
        });
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", render(&error));
            ExitCode::FAILURE
        }
    })
}
