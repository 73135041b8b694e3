//! `cargo xtask test`: every test there is.
//!
//! The demo's check runs even if tests have failed, so that one run tells all.

use std::process::{Command, ExitStatus, Stdio};

use fatcc::tools::Need;

use crate::demo;
use crate::error::Error;
use crate::fuzz;
use crate::miri;
use crate::progress::say;
use crate::setup;

/// What `cargo` is called with: the default members, and what of the examples runs on the host.
const CALLS: [&[&str]; 2] = [
    &["test", "--no-fail-fast"],
    &["test", "--package", "tcp", "--lib"],
];

/// The runtime's models: built for Loom, which tries the orders in which CPUs may see each other's accesses.
const MODELS: &[&str] = &[
    "test",
    "--package",
    "fatcc-rt",
    "--lib",
    "--release",
    "--target-dir",
    "target/loom",
    "models",
];

/// Sets up, runs `cargo test` on all that runs on the host, the models, Miri, then damaged inputs, then the demo's check.
pub fn run() -> Result<(), Error> {
    setup::ensure(Need::Test)?;
    let mut failed = None;
    let calls = CALLS.map(|arguments| (arguments, None));
    for (arguments, flags) in calls.into_iter().chain([(MODELS, Some("--cfg loom"))]) {
        let status = cargo(arguments, flags)?;
        failed = failed.or((!status.success()).then_some(status));
    }
    let interpreted = miri::run()?;
    failed = failed.or(interpreted.filter(|status| !status.success()));
    let fuzz = fuzz::link(&fuzz::Options::quick())
        .and_then(|()| fuzz::readers::run(&fuzz::readers::Options::quick()));
    say("demo check");
    let demo = demo::check(None);
    let Some(status) = failed else {
        return fuzz.and(demo);
    };
    for error in [fuzz, demo].into_iter().filter_map(Result::err) {
        anstream::eprintln!("{}", error.rendered());
    }
    Err(Error::Tests { status })
}

fn cargo(arguments: &[&str], flags: Option<&str>) -> Result<ExitStatus, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    say(&format!("cargo {}", arguments.join(" ")));
    let mut command = Command::new(&cargo);
    if let Some(flags) = flags {
        command.env("RUSTFLAGS", flags);
    }
    command
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Start {
            program: cargo.to_string_lossy().into_owned(),
            source,
        })
}
