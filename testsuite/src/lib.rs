//! Tests of the whole from outside: programs are built by the command that users run, and what comes out is read by
//! readers that are not ours. The tests are in `tests/`; this is what they share.

pub mod cases;
pub mod damage;
pub mod processes;
pub mod switch;
pub mod tasks;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

/// Root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Folder of release images.
pub fn images() -> PathBuf {
    workspace().join("target/fat/release")
}

/// One build at a time: builds share cargo's target folder, and a program of many features its outputs.
static BUILDING: Mutex<()> = Mutex::new(());

/// Runs `cargo fat` with these arguments.
pub fn fat(arguments: &[&str]) -> Output {
    let _one_at_a_time = BUILDING
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("fat").args(arguments).current_dir(workspace());
    command.output().expect("cargo runs")
}

/// Runs `cargo fat build --release` with more arguments.
pub fn fat_build(arguments: &[&str]) -> Output {
    fat(&[&["build", "--release"], arguments].concat())
}

/// Builds a package's image and returns its bytes.
pub fn built(package: &str) -> Vec<u8> {
    let output = fat_build(&["-p", package]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    read(&images().join(format!("{package}.fat")))
}

/// Bytes of a file that must be there.
pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The inputs that `cargo fat build` gave the linker for one slice of a package.
pub fn slice_inputs(package: &str, isa: &str) -> Vec<String> {
    let record = read(&images().join(format!("{package}.link.json")));
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let arguments = record["arguments"].as_array().expect("arguments");
    let mut arguments = arguments
        .iter()
        .filter_map(|a| a.as_str())
        .map(str::to_owned);
    arguments.by_ref().find(|a| a == isa).expect("the slice");
    arguments.take_while(|a| !a.starts_with('-')).collect()
}

/// The linker that comes with rustup's toolchain.
pub fn rust_lld() -> PathBuf {
    static LLD: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let output = Command::new("rustc").args(["--print", "sysroot"]).output();
        let root = String::from_utf8(output.expect("rustc runs").stdout).expect("a path");
        let targets = PathBuf::from(root.trim()).join("lib/rustlib");
        let mut hosts = std::fs::read_dir(targets).expect("targets").flatten();
        hosts
            .find_map(|host| Some(host.path().join("bin/rust-lld")).filter(|lld| lld.exists()))
            .expect("rust-lld comes with the toolchain")
    };
    LLD.get_or_init(find).clone()
}
