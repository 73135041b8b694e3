//! `cargo xtask bench tasks`: random programs of tasks, for as long as one has time.

use clap::Args;
use fatcc::machine::Platform;
use fatcc::tools::Need;
use testsuite::processes;
use testsuite::tasks::Runs;

use crate::error::Error;
use crate::progress::say;
use crate::setup;

/// How long, and on what.
#[derive(Args)]
pub struct Options {
    /// Minutes
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// CPUs of each ISA
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// On emulated boards, instead of as Linux processes
    #[arg(long)]
    board: bool,
    /// Number of the first program
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs programs until the time is over or one goes wrong, which is then made small.
pub fn run(options: &Options) -> Result<(), Error> {
    setup::ensure(Need::Run)?;
    let folder = tempfile::tempdir().map_err(|source| Error::System {
        doing: "make a folder",
        source,
    })?;
    let runs = Runs {
        image: processes::image("tasks", "", folder.path()),
        platform: match options.board {
            true => Platform::Board,
            false => Platform::User,
        },
        cpus: options.cpus,
        words: Vec::new(),
    };
    match runs.for_seconds(options.seed, 60 * options.minutes) {
        Ok(count) => {
            say(&format!("{count} programs gave what they should"));
            Ok(())
        }
        Err(trouble) => {
            say("one program has gone wrong; looking for the smallest one");
            let smallest = runs.smallest(&trouble.suspects);
            let smallest =
                smallest.map_or("none of them does so alone".to_owned(), |s| s.to_string());
            Err(Error::Programs {
                said: format!("{trouble}\n{smallest}"),
            })
        }
    }
}
