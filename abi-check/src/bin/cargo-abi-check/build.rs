//! A package's library, and its builds for one target after the other.
//!
//! Builds go to a target folder of their own, because they have debug information whatever the profile says. Where the
//! toolchain lacks a target's standard library, `core` and `alloc` are compiled from source.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cargo_metadata::{CrateType, Message, MetadataCommand, Package, PackageId};

use crate::What;
use crate::error::Error;

/// What stands between arguments in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";
/// Makes rustc write where the source declares each type; not in stable compilers.
const TYPE_LINES: &str = "-Zdebug-info-type-line-numbers=yes";

/// The library of a package.
pub struct Library {
    package: String,
    id: PackageId,
    manifest: PathBuf,
    folder: PathBuf,
    rustc: Compiler,
}

impl Library {
    /// Finds what the command line asks for.
    pub fn find(what: &What) -> Result<Library, Error> {
        let mut command = MetadataCommand::new();
        command.no_deps();
        if let Some(path) = &what.manifest_path {
            command.manifest_path(path);
        }
        let metadata = command.exec()?;
        let members = metadata.workspace_packages();
        let names = || {
            members
                .iter()
                .map(|package| package.name.to_string())
                .collect()
        };
        let package: &Package = match (&what.package, metadata.root_package()) {
            (Some(name), _) => {
                let named = members.iter().find(|package| package.name.as_str() == name);
                named.ok_or_else(|| Error::NoPackage {
                    name: name.clone(),
                    known: names(),
                })?
            }
            (None, Some(root)) => root,
            (None, None) => match members.as_slice() {
                [only] => only,
                _ => return Err(Error::SeveralPackages(names())),
            },
        };
        let has_library = package.targets.iter().any(is_library);
        if !has_library {
            return Err(Error::NoLibrary(package.name.to_string()));
        }
        Ok(Library {
            package: package.name.to_string(),
            id: package.id.clone(),
            manifest: package.manifest_path.clone().into(),
            folder: metadata.target_directory.join("abi-check").into(),
            rustc: Compiler::ask()?,
        })
    }

    /// Builds it for a target and returns its archive.
    pub fn build(&self, what: &What, target: &str) -> Result<PathBuf, Error> {
        let from_source = !self.rustc.has_library(target)?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo
            .args(["rustc", "--lib", "--crate-type", "rlib", "--target", target])
            .arg("--message-format=json-render-diagnostics")
            .arg("--manifest-path")
            .arg(&self.manifest)
            .arg("--target-dir")
            .arg(&self.folder);
        if what.release {
            cargo.arg("--release");
        }
        if what.all_features {
            cargo.arg("--all-features");
        }
        if what.no_default_features {
            cargo.arg("--no-default-features");
        }
        for features in &what.features {
            cargo.arg("--features").arg(features);
        }
        let profile = if what.release { "RELEASE" } else { "DEV" };
        cargo
            .env(format!("CARGO_PROFILE_{profile}_DEBUG"), "2")
            .env(format!("CARGO_PROFILE_{profile}_STRIP"), "none")
            .env(format!("CARGO_PROFILE_{profile}_SPLIT_DEBUGINFO"), "off");
        if from_source {
            cargo
                .arg("-Zbuild-std=core,alloc")
                .env("RUSTC_BOOTSTRAP", "1");
        }
        if from_source || self.rustc.is_unstable {
            cargo.env("CARGO_ENCODED_RUSTFLAGS", flags());
        }
        self.run(cargo, target)
    }

    fn run(&self, mut cargo: Command, target: &str) -> Result<PathBuf, Error> {
        let start = |source| Error::Start {
            program: "cargo".to_owned(),
            source,
        };
        let output = cargo
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(start)?;
        if !output.status.success() {
            return Err(Error::Build {
                package: self.package.clone(),
                target: target.to_owned(),
            });
        }
        let messages = Message::parse_stream(output.stdout.as_slice()).filter_map(Result::ok);
        let artifacts = messages.filter_map(|message| match message {
            Message::CompilerArtifact(artifact) => Some(artifact),
            _ => None,
        });
        let own = artifacts.filter(|artifact| artifact.package_id == self.id);
        let mut files = own.flat_map(|artifact| artifact.filenames);
        let archive = files.find(|file| file.extension() == Some("rlib"));
        archive.map(PathBuf::from).ok_or_else(|| Error::NoArtifact {
            package: self.package.clone(),
            target: target.to_owned(),
        })
    }
}

fn is_library(target: &cargo_metadata::Target) -> bool {
    let kinds = [
        CrateType::Lib,
        CrateType::RLib,
        CrateType::DyLib,
        CrateType::CDyLib,
        CrateType::StaticLib,
    ];
    target.crate_types.iter().any(|kind| kinds.contains(kind))
        && !target.is_bin()
        && !target.is_example()
        && !target.is_test()
        && !target.is_bench()
}

/// The caller's flags and ours.
fn flags() -> OsString {
    let plain = || {
        let flags = std::env::var("RUSTFLAGS").ok()?;
        let words: Vec<&str> = flags.split_whitespace().collect();
        Some(words.join(SEPARATOR))
    };
    let encoded = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok().or_else(plain);
    let given = encoded.filter(|flags| !flags.is_empty());
    given.map_or(TYPE_LINES.into(), |flags| {
        format!("{flags}{SEPARATOR}{TYPE_LINES}").into()
    })
}

/// The compiler that cargo will call.
struct Compiler {
    program: OsString,
    /// It takes `-Z` flags.
    is_unstable: bool,
    /// The standard library's source is there.
    has_source: bool,
}

impl Compiler {
    fn ask() -> Result<Compiler, Error> {
        let mut compiler = Compiler {
            program: std::env::var_os("RUSTC").unwrap_or("rustc".into()),
            is_unstable: std::env::var_os("RUSTC_BOOTSTRAP").is_some(),
            has_source: false,
        };
        let (_, version, _) = compiler.run(&["--version"])?;
        compiler.is_unstable |= version.contains("-nightly") || version.contains("-dev");
        let (_, sysroot, _) = compiler.run(&["--print", "sysroot"])?;
        let source = PathBuf::from(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock");
        compiler.has_source = source.exists();
        Ok(compiler)
    }

    /// Whether a target's standard library is installed; if not, whether it can be compiled is checked.
    fn has_library(&self, target: &str) -> Result<bool, Error> {
        let (known, folder, said) = self.run(&["--print", "target-libdir", "--target", target])?;
        if !known {
            return Err(Error::UnknownTarget {
                target: target.to_owned(),
                said: said.lines().next().unwrap_or_default().to_owned(),
            });
        }
        let entries = std::fs::read_dir(folder.trim())
            .into_iter()
            .flatten()
            .flatten();
        let is_core = |name: OsString| name.to_string_lossy().starts_with("libcore-");
        let found = entries.map(|entry| entry.file_name()).any(is_core);
        if !found && !self.has_source {
            return Err(Error::NoStandardLibrary {
                target: target.to_owned(),
            });
        }
        Ok(found)
    }

    /// Whether it succeeds, and what it prints on both streams.
    fn run(&self, arguments: &[&str]) -> Result<(bool, String, String), Error> {
        let output = Command::new(&self.program).args(arguments).output();
        let output = output.map_err(|source| Error::Start {
            program: self.program.to_string_lossy().into_owned(),
            source,
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        ))
    }
}
