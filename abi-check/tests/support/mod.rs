//! What the tests share: compilers, and a writer of small objects whose every byte of DWARF the test decides.
#![allow(dead_code, reason = "every test file uses another part of this module")]

pub mod objects;

use std::path::{Path, PathBuf};
use std::process::Command;

use abi_check::{Kind, ObjectFile, Report, Side, StaticRef};

/// A directory that is removed when the test ends.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the target's temporary directory can be written");
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compiles Rust for the host and returns the object and what the compiler printed.
pub fn rustc(scratch: &Scratch, name: &str, source: &str, flags: &[&str]) -> (Vec<u8>, String) {
    let input = scratch.path().join("app.rs");
    std::fs::write(&input, source).expect("the source can be written");
    let object = scratch.path().join(format!("{name}.o"));
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .env("RUSTC_BOOTSTRAP", "1")
        .args([
            "--edition=2024",
            "--crate-name=app",
            "--crate-type=lib",
            "--emit=obj",
            "-Cdebuginfo=2",
        ])
        .args([
            "-Zdebug-info-type-line-numbers=yes",
            "-Ccodegen-units=1",
            "-Awarnings",
        ])
        .args(flags)
        .arg("-o")
        .arg(&object)
        .arg("app.rs")
        .current_dir(scratch.path())
        .output()
        .expect("rustc runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let data = std::fs::read(&object).expect("rustc wrote the object");
    (data, String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Compiles C for the host.
pub fn gcc(scratch: &Scratch, name: &str, source: &str, flags: &[&str]) -> Vec<u8> {
    cc("gcc", scratch, name, source, flags)
}

/// Compiles C by a compiler that the test names.
pub fn cc(compiler: &str, scratch: &Scratch, name: &str, source: &str, flags: &[&str]) -> Vec<u8> {
    let input = scratch.path().join("app.c");
    std::fs::write(&input, source).expect("the source can be written");
    let object = scratch.path().join(format!("{name}.o"));
    let output = Command::new(compiler)
        .args(["-g", "-c", "app.c", "-o"])
        .arg(&object)
        .args(flags)
        .current_dir(scratch.path())
        .output()
        .unwrap_or_else(|error| panic!("{compiler} does not run: {error}"));
    assert!(
        output.status.success(),
        "{compiler}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(&object).expect("the compiler wrote the object")
}

/// Runs a command; its exit status, and all that it printed.
pub fn said(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("the command runs");
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (
        output.status.code().expect("the command exits"),
        text.concat(),
    )
}

/// `cargo abi-check`, whose builds share a folder: what is compiled of the standard library is compiled once.
pub fn cargo_abi_check() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-abi-check"));
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/cargo-abi-check");
    command.arg("abi-check").env("CARGO_TARGET_DIR", target);
    command.env_remove("RUSTC_BOOTSTRAP");
    command
}

/// Sides `a`, `b`, … of one object each.
pub fn sides<'a>(objects: &[&'a [u8]]) -> Vec<Side<'a>> {
    let side = |(name, data): (&str, &&'a [u8])| Side {
        name: name.to_owned(),
        objects: vec![ObjectFile {
            name: format!("{name}.o"),
            data,
        }],
    };
    ["a", "b", "c"].into_iter().zip(objects).map(side).collect()
}

/// Compares all statics and vtables of objects.
pub fn compare(objects: &[&[u8]]) -> Report {
    compare_if(objects, &|_| true)
}

/// Compares those that a filter selects.
pub fn compare_if(objects: &[&[u8]], select: &(dyn Fn(&StaticRef<'_>) -> bool + Sync)) -> Report {
    abi_check::compare(&sides(objects), select).expect("the objects can be read")
}

/// Kind, type and member of every finding.
pub fn summary(report: &Report) -> Vec<(Kind, &str, &str)> {
    report
        .findings
        .iter()
        .map(|finding| {
            (
                finding.kind,
                finding.type_name.as_str(),
                finding.member.as_deref().unwrap_or(""),
            )
        })
        .collect()
}
