//! `RUSTC_WRAPPER`: makes the crates of one package equal on all ISAs, as far as their names go.
//!
//! cargo gives each target another `-C metadata`, and symbol names and `TypeId`s are made from it. The wrapper replaces
//! it by a hash of what is the same for all targets: package, version, crate and features. It notes beside the crate
//! how it was compiled (a [`Unit`]), for the comparison of the slices before the link.
//!
//! An invocation without `--target` of an ISA (build scripts, procedural macros), and one without `-C metadata` (a
//! question of cargo or of a build script), passes as it is.
//!
//! cargo does not know what the wrapper does: whoever changes it must change [`REVISION`], which is part of the flags
//! that cargo's fingerprints see.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::isa::Isa;
use crate::role::Role;

/// Counts the changes of the wrapper's doing and of the records' form.
pub const REVISION: u32 = 2;

/// Environment variable with the version of the compiler, `rustc -vV`, set by the build.
pub const RUSTC_VERSION: &str = "FATCC_RUSTC_VERSION";

/// How a crate was compiled, in all that must be equal on all ISAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Package's name.
    pub package: String,
    /// Package's version.
    pub version: String,
    /// Crate's name.
    pub crate_name: String,
    /// Features, sorted.
    pub features: Vec<String>,
    /// Panic strategy, or `unwind` if not given.
    pub panic: String,
    /// Optimization level, or `0` if not given.
    pub opt_level: String,
    /// Whether assertions are in.
    pub debug_assertions: bool,
    /// Edition.
    pub edition: String,
    /// `rustc -vV`.
    pub rustc: String,
}

/// A rewritten invocation.
#[derive(Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Arguments for rustc.
    pub arguments: Vec<OsString>,
    /// How the crate is compiled.
    pub unit: Unit,
    /// Where to note that.
    pub note: PathBuf,
}

/// What cargo says of the package by environment variables.
#[derive(Clone, Debug)]
pub struct Package {
    /// `CARGO_PKG_NAME`.
    pub name: String,
    /// `CARGO_PKG_VERSION`.
    pub version: String,
}

/// Where the note of the crate is kept whose output is `dir`/`stem`.*.
pub fn note_path(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.fat.json"))
}

/// The arguments of one rustc invocation as flags with their values, whichever way they are written.
struct Flags<'a> {
    arguments: &'a [OsString],
}

impl<'a> Flags<'a> {
    /// The values of `--NAME VALUE` and `--NAME=VALUE`.
    fn long(&self, name: &'a str) -> impl Iterator<Item = &'a str> + '_ {
        self.arguments
            .iter()
            .enumerate()
            .filter_map(move |(at, argument)| {
                let rest = argument.to_str()?.strip_prefix("--")?.strip_prefix(name)?;
                match rest.strip_prefix('=') {
                    Some(value) => Some(value),
                    None if rest.is_empty() => self.arguments.get(at + 1)?.to_str(),
                    None => None,
                }
            })
    }

    /// The values of `-LKEY=VALUE`, `-L KEY=VALUE`, `-LKEY` and `-L KEY`, with `L` the letter.
    fn short(&self, letter: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> + '_ {
        self.arguments
            .iter()
            .enumerate()
            .filter_map(move |(at, argument)| {
                let rest = argument.to_str()?.strip_prefix('-')?.strip_prefix(letter)?;
                let option = if rest.is_empty() {
                    self.arguments.get(at + 1)?.to_str()?
                } else {
                    rest
                };
                let rest = option.strip_prefix(key)?;
                if rest.is_empty() {
                    Some("")
                } else {
                    rest.strip_prefix('=')
                }
            })
    }
}

/// The value that replaces `-C metadata`, for a crate of these names, types and features on every ISA. A package's
/// library and program may have one name: only the crate's type tells them apart.
fn metadata(
    package: &Package,
    crate_name: &str,
    crate_types: &[&str],
    features: &[String],
) -> String {
    let mut hash = Sha256::new();
    for part in [package.name.as_str(), &package.version, crate_name]
        .into_iter()
        .chain(crate_types.iter().copied())
        .chain(features.iter().map(String::as_str))
    {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The features that cargo has chosen, sorted. They come before `-C metadata`; what comes after is a build script's
/// doing, which may say another thing for each target (that of `compiler_builtins` adds a feature on x86_64).
fn features(arguments: &[OsString]) -> Vec<String> {
    let is_metadata = |argument: &OsString| {
        argument
            .to_str()
            .is_some_and(|text| text.starts_with("metadata=") || text.starts_with("-Cmetadata="))
    };
    let end = arguments
        .iter()
        .position(is_metadata)
        .unwrap_or(arguments.len());
    let flags = Flags {
        arguments: &arguments[..end],
    };
    let features: BTreeSet<&str> = flags
        .long("cfg")
        .filter_map(|cfg| cfg.strip_prefix("feature=\"")?.strip_suffix('"'))
        .collect();
    features.into_iter().map(str::to_owned).collect()
}

/// The invocation for an ISA, or `None` for one that passes as it is. `arguments` are rustc's, without its own name.
pub fn rewrite(
    arguments: &[OsString],
    package: &Package,
    linker: &OsStr,
    rustc: &str,
) -> Option<Rewritten> {
    let flags = Flags { arguments };
    flags.long("target").last().and_then(Isa::of_target)?;
    flags.short("C", "metadata").last()?;
    let crate_name = flags.long("crate-name").last()?.to_owned();
    let dir = flags.long("out-dir").last()?;
    let stem = format!(
        "{crate_name}{}",
        flags.short("C", "extra-filename").last().unwrap_or("")
    );

    let features = features(arguments);
    let crate_types: Vec<&str> = flags.long("crate-type").collect();
    let metadata = metadata(package, &crate_name, &crate_types, &features);
    let std = flags
        .short("Z", "force-unstable-if-unmarked")
        .next()
        .is_some();

    let mut rewritten: Vec<OsString> = arguments
        .iter()
        .map(|argument| match argument.to_str() {
            Some(text) if text.starts_with("metadata=") => format!("metadata={metadata}").into(),
            Some(text) if text.starts_with("-Cmetadata=") => {
                format!("-Cmetadata={metadata}").into()
            }
            _ => argument.clone(),
        })
        .collect();
    let mut linker_flag = OsString::from("-Clinker=");
    linker_flag.push(linker);
    rewritten.push(linker_flag);
    if !std {
        // The standard library does not build with it.
        rewritten.push("-Clink-dead-code".into());
    }

    let last = |flag: Option<&str>, default: &str| flag.unwrap_or(default).to_owned();
    Some(Rewritten {
        arguments: rewritten,
        note: note_path(Path::new(dir), &stem),
        unit: Unit {
            package: package.name.clone(),
            version: package.version.clone(),
            panic: last(flags.short("C", "panic").last(), "unwind"),
            opt_level: last(flags.short("C", "opt-level").last(), "0"),
            debug_assertions: flags
                .short("C", "debug-assertions")
                .last()
                .is_some_and(|value| value != "off"),
            edition: last(flags.long("edition").last(), "2015"),
            rustc: rustc.to_owned(),
            crate_name,
            features,
        },
    })
}

/// Becomes rustc. `arguments` are the wrapper's: first rustc's path, then its arguments. Returns only what failed.
pub fn run(arguments: &[OsString]) -> Error {
    match prepare(arguments) {
        Ok(mut command) => {
            let source = command.exec();
            Error::Start {
                program: command.get_program().into(),
                source,
            }
        }
        Err(error) => error,
    }
}

fn prepare(arguments: &[OsString]) -> Result<Command, Error> {
    let (rustc, arguments) = arguments.split_first().ok_or(Error::System {
        doing: "find rustc's path in the wrapper's arguments",
        source: std::io::ErrorKind::InvalidInput.into(),
    })?;
    let variable = |name| std::env::var(name).unwrap_or_default();
    let package = Package {
        name: variable("CARGO_PKG_NAME"),
        version: variable("CARGO_PKG_VERSION"),
    };
    let linker = std::env::current_exe().map_err(|source| Error::System {
        doing: "find our own program",
        source,
    })?;
    let mut command = Command::new(rustc);
    match rewrite(
        arguments,
        &package,
        linker.as_os_str(),
        &variable(RUSTC_VERSION),
    ) {
        Some(rewritten) => {
            crate::files::write_json(&rewritten.note, &rewritten.unit)?;
            command.args(&rewritten.arguments);
            Role::Linker.set(&mut command);
        }
        None => {
            command.args(arguments);
            Role::unset(&mut command);
        }
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        Package {
            name: "tcp".to_owned(),
            version: "0.1.0".to_owned(),
        }
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn rewritten(line: &str) -> Option<Rewritten> {
        rewrite(
            &words(line),
            &package(),
            OsStr::new("/bin/linker"),
            "rustc 1",
        )
    }

    fn line(target: &str, metadata: &str, rest: &str) -> String {
        format!(
            "--crate-name tcp --edition=2024 src/main.rs --crate-type bin -C opt-level=3 -C panic=abort {rest} \
             -C metadata={metadata} -C extra-filename=-{metadata} --out-dir /t/deps --target {target}"
        )
    }

    fn metadata_of(rewritten: &Rewritten) -> &str {
        let mut values = rewritten
            .arguments
            .iter()
            .filter_map(|argument| argument.to_str()?.strip_prefix("metadata="));
        let value = values.next().unwrap();
        assert_eq!(values.next(), None);
        value
    }

    #[test]
    fn metadata_does_not_depend_on_the_target() {
        let x86_64 = rewritten(&line("x86_64-unknown-none", "aaaa", "")).unwrap();
        let riscv64 = rewritten(&line("riscv64imac-unknown-none-elf", "bbbb", "")).unwrap();
        assert_eq!(metadata_of(&x86_64), metadata_of(&riscv64));
        assert_eq!(x86_64.unit, riscv64.unit);
        assert_eq!(x86_64.note, Path::new("/t/deps/tcp-aaaa.fat.json"));
    }

    #[test]
    fn metadata_depends_on_features_whatever_their_order() {
        let with =
            |features: &str| rewritten(&line("x86_64-unknown-none", "aaaa", features)).unwrap();
        let none = with("");
        let ab = with("--cfg feature=\"a\" --cfg feature=\"b\"");
        let ba = with("--cfg=feature=\"b\" --cfg feature=\"a\" --cfg other");
        assert_ne!(metadata_of(&none), metadata_of(&ab));
        assert_eq!(metadata_of(&ab), metadata_of(&ba));
        assert_eq!(ba.unit.features, ["a", "b"]);
    }

    #[test]
    fn a_library_and_a_program_of_one_name_are_told_apart() {
        let program = line("x86_64-unknown-none", "aaaa", "");
        let library = program.replace("--crate-type bin", "--crate-type lib");
        let [program, library] = [program, library].map(|line| rewritten(&line).unwrap());
        assert_ne!(metadata_of(&program), metadata_of(&library));
    }

    #[test]
    fn features_of_build_scripts_do_not_count() {
        let plain = rewritten(&line("x86_64-unknown-none", "aaaa", "--cfg feature=\"a\"")).unwrap();
        let line = line("x86_64-unknown-none", "aaaa", "--cfg feature=\"a\"");
        let script =
            rewritten(&(line + " --cfg feature=\"a\" --cfg feature=\"mem-unaligned\"")).unwrap();
        assert_eq!(script.unit.features, ["a"]);
        assert_eq!(metadata_of(&plain), metadata_of(&script));
    }

    #[test]
    fn host_crates_and_questions_pass() {
        assert_eq!(
            rewritten("--crate-name build_script_build build.rs -C metadata=1 --out-dir /t"),
            None
        );
        assert_eq!(
            rewritten(&line("x86_64-unknown-linux-gnu", "aaaa", "")),
            None
        );
        assert_eq!(
            rewritten("- --crate-name ___ --print=file-names --target x86_64-unknown-none"),
            None
        );
    }

    #[test]
    fn dead_code_is_kept_in_all_but_the_standard_library() {
        let has = |rewritten: Rewritten| rewritten.arguments.contains(&"-Clink-dead-code".into());
        assert!(has(
            rewritten(&line("x86_64-unknown-none", "aaaa", "")).unwrap()
        ));
        for std in [
            "-Z force-unstable-if-unmarked",
            "-Zforce-unstable-if-unmarked",
        ] {
            assert!(!has(
                rewritten(&line("x86_64-unknown-none", "aaaa", std)).unwrap()
            ));
        }
    }

    #[test]
    fn the_unit_says_how_it_was_compiled() {
        let unit = rewritten(&line(
            "x86_64-unknown-none",
            "aaaa",
            "-C debug-assertions=on",
        ))
        .unwrap()
        .unit;
        assert_eq!(
            (unit.panic.as_str(), unit.opt_level.as_str()),
            ("abort", "3")
        );
        assert_eq!(
            (
                unit.debug_assertions,
                unit.edition.as_str(),
                unit.rustc.as_str()
            ),
            (true, "2024", "rustc 1")
        );
    }
}
