//! `cargo xtask test`: every test there is.
//!
//! The demo's check runs even if tests have failed, so that one run tells all.

use std::process::{Command, Stdio};

use fatcc::tools::Need;

use crate::demo;
use crate::error::Error;
use crate::progress::say;
use crate::setup;

/// Sets up, runs `cargo test` on the default members, then the demo's check.
pub fn run() -> Result<(), Error> {
    setup::ensure(Need::Test)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    say("cargo test");
    let status = Command::new(&cargo)
        .args(["test", "--no-fail-fast"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Start {
            program: cargo.to_string_lossy().into_owned(),
            source,
        })?;
    say("demo check");
    let demo = demo::check(None);
    if status.success() {
        return demo;
    }
    if let Err(error) = demo {
        anstream::eprintln!("{}", error.rendered());
    }
    Err(Error::Tests { status })
}
