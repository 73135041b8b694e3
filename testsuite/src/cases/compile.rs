//! The sources of cases as objects: which compiler speaks for which target.
//!
//! The language is that of the file: `source.c`, `source.cpp` or `source.rs`, of which a case has one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::core_library::CoreLibraries;

/// Targets, as `case.toml` calls them: the cross compiler's prefix, its flags, and rustc's name.
const TARGETS: [(&str, &str, &[&str], &str); 8] = [
    ("x86_64", "x86_64-linux-gnu", &[], "x86_64-unknown-none"),
    ("i686", "i686-linux-gnu", &[], "i686-unknown-linux-gnu"),
    ("aarch64", "aarch64-linux-gnu", &[], "aarch64-unknown-none"),
    ("arm", "arm-linux-gnueabihf", &[], "armv7a-none-eabihf"),
    (
        "riscv64",
        "riscv64-linux-gnu",
        &[],
        "riscv64imac-unknown-none-elf",
    ),
    (
        "riscv32",
        "riscv64-linux-gnu",
        &["-march=rv32imac", "-mabi=ilp32"],
        "riscv32imac-unknown-none-elf",
    ),
    ("s390x", "s390x-linux-gnu", &[], "s390x-unknown-linux-gnu"),
    (
        "powerpc64",
        "powerpc64-linux-gnu",
        &[],
        "powerpc64-unknown-linux-gnu",
    ),
];

/// The source of a case.
struct Source {
    path: PathBuf,
    language: Language,
}

#[derive(Clone, Copy, PartialEq)]
enum Language {
    C,
    Cpp,
    Rust,
}

impl Source {
    fn of(folder: &Path) -> Result<Source, String> {
        let names = [
            ("source.c", Language::C),
            ("source.cpp", Language::Cpp),
            ("source.rs", Language::Rust),
        ];
        let found = names.map(|(name, language)| {
            let path = folder.join(name);
            path.is_file().then_some(Source { path, language })
        });
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(source), None) => Ok(source),
            _ => Err("a case has one source.c, source.cpp or source.rs".to_owned()),
        }
    }
}

/// Runs a program; what it says if it fails.
pub(super) fn run(command: &mut Command) -> Result<Output, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    output.map_err(|error| format!("{program}: {error}"))
}

/// Compiles a case for a target; `twin` defines what takes the difference out.
pub(super) fn compile(
    libraries: &CoreLibraries,
    folder: &Path,
    target: &str,
    flags: &[String],
    twin: bool,
    object: &Path,
) -> Result<(), String> {
    let Some((_, prefix, own_flags, triple)) = TARGETS.iter().find(|(name, ..)| *name == target)
    else {
        return Err(format!("no target is called {target}"));
    };
    let source = Source::of(folder)?;
    let mut command = match source.language {
        Language::Rust => libraries.rustc(triple)?,
        language => {
            let name = if language == Language::C {
                "gcc"
            } else {
                "g++"
            };
            let mut command = Command::new(format!("{prefix}-{name}"));
            command
                .args(["-g", "-c", "-ffreestanding"])
                .args(*own_flags);
            command
        }
    };
    match (source.language, twin) {
        (_, false) => &mut command,
        (Language::Rust, true) => command.arg("--cfg=twin"),
        (_, true) => command.arg("-DTWIN"),
    };
    let output = run(command.args(flags).arg(&source.path).arg("-o").arg(object))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
