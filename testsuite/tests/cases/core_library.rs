//! `core` for targets that the toolchain has no library for: its metadata, compiled from the toolchain's source.
//!
//! Metadata with all functions' MIR is enough, as nothing is linked; it takes a third of what code would. It is made
//! once for each target and compiler, and kept in `target/`; a half-made one is never seen, as folders are renamed into
//! place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use crate::compile::run;

/// Nothing is linked, so of the compiler's run-time functions only the name is needed.
const COMPILER_BUILTINS: &str =
    "#![feature(compiler_builtins)]\n#![compiler_builtins]\n#![no_std]\n";

/// Toolchain and its compiler's version.
static TOOLCHAIN: LazyLock<Result<(fatcc::toolchain::Toolchain, String), String>> =
    LazyLock::new(|| {
        let toolchain = fatcc::toolchain::find().map_err(
            |_| "no toolchain has the standard library's source: rustup component add rust-src",
        )?;
        let output = run(Command::new(&toolchain.rustc).arg("-vV"))?;
        Ok((
            toolchain,
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ))
    });

/// A library that is made by the first who needs it; others wait.
type Made = Arc<OnceLock<Result<PathBuf, String>>>;

static MADE: Mutex<BTreeMap<String, Made>> = Mutex::new(BTreeMap::new());

/// A command that compiles a library of Rust for a target to an object with debug information.
pub fn rustc(target: &str) -> Result<Command, String> {
    let made = {
        let mut all = MADE.lock().map_err(|e| e.to_string())?;
        Arc::clone(all.entry(target.to_owned()).or_default())
    };
    let sysroot = made.get_or_init(|| sysroot(target)).clone()?;
    let mut command = compiler(target, &sysroot)?;
    command.args(["--crate-name=app", "--emit=obj", "-Cdebuginfo=2"]);
    command.args(["-Zdebug-info-type-line-numbers=yes", "-Ccodegen-units=1"]);
    Ok(command)
}

fn compiler(target: &str, sysroot: &Path) -> Result<Command, String> {
    let (toolchain, _) = TOOLCHAIN.as_ref().map_err(Clone::clone)?;
    let mut command = Command::new(&toolchain.rustc);
    command.env("RUSTC_BOOTSTRAP", "1");
    command.args(["--edition=2024", "--crate-type=lib", "-Awarnings"]);
    command.args(["--target", target, "--sysroot"]).arg(sysroot);
    Ok(command)
}

/// The folder in which rustc finds `core` for a target.
fn sysroot(target: &str) -> Result<PathBuf, String> {
    let (toolchain, version) = TOOLCHAIN.as_ref().map_err(Clone::clone)?;
    let source = toolchain
        .std_source()
        .ok_or("the standard library's source is gone")?;
    let hash = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("core")
        .join(hash.unwrap_or("unknown"));
    let finished = folder.join(target);
    if finished.is_dir() {
        return Ok(finished);
    }
    let text = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(&folder).map_err(text)?;
    let half = tempfile::tempdir_in(&folder).map_err(text)?;
    let libraries = half.path().join(format!("lib/rustlib/{target}/lib"));
    std::fs::create_dir_all(&libraries).map_err(text)?;
    let builtins = half.path().join("compiler_builtins.rs");
    std::fs::write(&builtins, COMPILER_BUILTINS).map_err(text)?;
    for (name, path) in [
        ("core", source.join("core/src/lib.rs")),
        ("compiler_builtins", builtins),
    ] {
        let mut command = compiler(target, half.path())?;
        command.args([
            "--emit=metadata",
            "-Zalways-encode-mir",
            "--crate-name",
            name,
        ]);
        let output = libraries.join(format!("lib{name}.rmeta"));
        let output = run(command.arg(path).arg("-o").arg(output))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name} for {target}: {said}"));
        }
    }
    // Another process may have been faster.
    match std::fs::rename(half.path(), &finished) {
        Err(error) if !finished.is_dir() => Err(text(error)),
        _ => Ok(finished),
    }
}
