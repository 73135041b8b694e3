//! Miri over what of the runtime needs no hardware: an interpreter that notices each access to memory that Rust's rules
//! forbid, and each data race of the run, whatever the order that this computer's CPUs would have kept.
//!
//! Miri is a component of nightly toolchains only. Where rustup has none and can get none, that is said, and nothing else
//! can be.

use std::process::{Command, ExitStatus, Stdio};

use crate::error::Error;
use crate::progress::say;

/// rustup's name of the toolchain.
const TOOLCHAIN: &str = "nightly";
/// The runtime's tests: cpus are threads there.
const TESTS: &[&str] = &[
    "test",
    "--package",
    "fatcc-rt",
    "--lib",
    "--target-dir",
    "target/miri",
    "--",
    // Fill tables for gigabytes, alone: nothing that Miri could see there is worth its time.
    "--skip",
    "paging::",
];
/// Words of shared memory hold addresses as numbers, which is what shared memory is for; what only those lead to looks
/// like a leak.
const FLAGS: &str = "-Zmiri-permissive-provenance -Zmiri-ignore-leaks";

/// Runs the tests in it; none if it cannot be had.
pub fn run() -> Result<Option<ExitStatus>, Error> {
    if let Err(why) = ensure() {
        say(&format!(
            "Miri is not here, and the runtime was not run in it: {why}"
        ));
        return Ok(None);
    }
    say(&format!("cargo miri {}", TESTS.join(" ")));
    let mut command = miri();
    command.args(TESTS).env("MIRIFLAGS", FLAGS);
    let status = command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status();
    status.map(Some).map_err(|source| Error::Start {
        program: "rustup".to_owned(),
        source,
    })
}

/// Makes sure that it is there, or says why not.
fn ensure() -> Result<(), String> {
    let is_there = || output(miri().arg("--version"));
    if is_there().is_ok() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    let components = ["miri", "rust-src"];
    output(
        rustup
            .args(["component", "add", "--toolchain", TOOLCHAIN])
            .args(components),
    )?;
    is_there()
}

/// `cargo miri`. What this process has from its own toolchain's cargo would be the wrong one's.
fn miri() -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", TOOLCHAIN, "cargo", "miri"])
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null());
    command
}

/// Runs a command; an error is what it called one.
fn output(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("rustup: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.lines().find(|line| line.starts_with("error"));
    Err(error.unwrap_or("rustup fails").to_owned())
}
