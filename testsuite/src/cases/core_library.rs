//! `core` for targets that the toolchain has no library for: its metadata, compiled from the toolchain's source.
//!
//! Metadata with all functions' MIR is enough, as nothing is linked; it takes a third of what code would. It is made
//! once for each target and compiler, and kept; a half-made one is never seen, as folders are renamed into place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use super::compile::run;

/// Nothing is linked, so of the compiler's run-time functions only the name is needed.
const COMPILER_BUILTINS: &str =
    "#![feature(compiler_builtins)]\n#![compiler_builtins]\n#![no_std]\n";

/// Toolchain and its compiler's version.
type Toolchain = Result<(fatcc::toolchain::Toolchain, String), String>;

/// A library that is made by the first who needs it; others wait.
type Made = Arc<OnceLock<Result<PathBuf, String>>>;

/// The libraries in a folder.
pub struct CoreLibraries {
    folder: PathBuf,
    toolchain: OnceLock<Toolchain>,
    made: Mutex<BTreeMap<String, Made>>,
}

impl CoreLibraries {
    /// Those in `folder`, which need not be there.
    pub fn new(folder: PathBuf) -> Self {
        CoreLibraries {
            folder,
            toolchain: OnceLock::new(),
            made: Mutex::default(),
        }
    }

    /// A command that compiles a library of Rust for a target to an object with debug information.
    pub fn rustc(&self, target: &str) -> Result<Command, String> {
        let made = {
            let mut all = self.made.lock().map_err(|e| e.to_string())?;
            Arc::clone(all.entry(target.to_owned()).or_default())
        };
        let sysroot = made.get_or_init(|| self.sysroot(target)).clone()?;
        let mut command = self.compiler(target, &sysroot)?;
        command.args(["--crate-name=app", "--emit=obj", "-Cdebuginfo=2"]);
        command.args(["-Zdebug-info-type-line-numbers=yes", "-Ccodegen-units=1"]);
        Ok(command)
    }

    fn toolchain(&self) -> Result<&(fatcc::toolchain::Toolchain, String), String> {
        let found = self.toolchain.get_or_init(|| {
            let toolchain = fatcc::toolchain::find().map_err(
                |_| "no toolchain has the standard library's source: rustup component add rust-src",
            )?;
            let output = run(Command::new(&toolchain.rustc).arg("-vV"))?;
            let version = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok((toolchain, version))
        });
        found.as_ref().map_err(Clone::clone)
    }

    fn compiler(&self, target: &str, sysroot: &Path) -> Result<Command, String> {
        let mut command = Command::new(&self.toolchain()?.0.rustc);
        command.env("RUSTC_BOOTSTRAP", "1");
        command.args(["--edition=2024", "--crate-type=lib", "-Awarnings"]);
        command.args(["--target", target, "--sysroot"]).arg(sysroot);
        Ok(command)
    }

    /// The folder in which rustc finds `core` for a target.
    fn sysroot(&self, target: &str) -> Result<PathBuf, String> {
        let (toolchain, version) = self.toolchain()?;
        let source = toolchain
            .std_source()
            .ok_or("the standard library's source is gone")?;
        let hash = version
            .lines()
            .find_map(|line| line.strip_prefix("commit-hash: "));
        let folder = self.folder.join(hash.unwrap_or("unknown"));
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
            let mut command = self.compiler(target, half.path())?;
            command.args(["--emit=metadata", "-Zalways-encode-mir"]);
            command.args(["--crate-name", name]);
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
}
