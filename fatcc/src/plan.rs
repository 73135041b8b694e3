//! What is to be built: package, ISAs, programs and folders, from `cargo metadata`.

use std::path::PathBuf;

use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};
use serde::Deserialize;

use crate::error::Error;
use crate::isa::Isa;
use crate::toolchain::Toolchain;

/// What the user chose.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `Cargo.toml` of the workspace or package; that of the current folder if not given.
    pub manifest_path: Option<PathBuf>,
    /// Package; that of the current folder if not given.
    pub package: Option<String>,
    /// Program; all programs of the package if not given.
    pub bin: Option<String>,
    /// Build in release mode.
    pub release: bool,
    /// Features, as cargo takes them.
    pub features: Vec<String>,
    /// All features.
    pub all_features: bool,
    /// Without the default features.
    pub no_default_features: bool,
    /// Show the linker's command line.
    pub verbose: bool,
}

/// What is to be built.
#[derive(Debug)]
pub struct Plan {
    /// `Cargo.toml` of the package.
    pub manifest_path: PathBuf,
    /// Package.
    pub package: String,
    /// ISAs; the first is the first element.
    pub isas: Vec<&'static Isa>,
    /// Programs, at least one.
    pub programs: Vec<String>,
    /// `target/fat` of the workspace.
    pub target: PathBuf,
    /// `debug` or `release`.
    pub profile: &'static str,
}

impl Plan {
    /// Target folder of the cargo build.
    pub fn cargo_target(&self) -> PathBuf {
        self.target.join("build")
    }

    /// Where cargo leaves a program of one ISA, that is, its record.
    pub fn record(&self, isa: &Isa, program: &str) -> PathBuf {
        self.cargo_target()
            .join(isa.target)
            .join(self.profile)
            .join(program)
    }

    /// Folder of the images.
    pub fn images(&self) -> PathBuf {
        self.target.join(self.profile)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FatMetadata {
    isas: Vec<String>,
}

/// Finds out what is to be built.
pub fn plan(options: &Options, toolchain: &Toolchain) -> Result<Plan, Error> {
    let mut command = MetadataCommand::new();
    command
        .cargo_path(&toolchain.cargo)
        .env("RUSTC", &toolchain.rustc)
        .no_deps();
    if let Some(path) = &options.manifest_path {
        command.manifest_path(path);
    }
    let metadata = command.exec()?;
    let package = package(&metadata, options)?;
    Ok(Plan {
        manifest_path: package.manifest_path.clone().into(),
        package: package.name.to_string(),
        isas: isas(package)?,
        programs: programs(package, options)?,
        target: metadata.target_directory.as_std_path().join("fat"),
        profile: if options.release { "release" } else { "debug" },
    })
}

fn package<'a>(metadata: &'a Metadata, options: &Options) -> Result<&'a Package, Error> {
    let packages = metadata.workspace_packages();
    let fat = || -> Vec<String> {
        packages
            .iter()
            .filter(|package| !package.metadata["fat"].is_null())
            .map(|package| package.name.to_string())
            .collect()
    };
    if let Some(name) = &options.package {
        return packages
            .iter()
            .find(|package| package.name == name.as_str())
            .copied()
            .ok_or_else(|| Error::UnknownPackage {
                name: name.clone(),
                fat: fat(),
            });
    }
    let manifest = match &options.manifest_path {
        Some(path) => std::path::absolute(path),
        None => std::env::current_dir().map(|dir| dir.join("Cargo.toml")),
    }
    .map_err(|source| Error::System {
        doing: "find the current folder",
        source,
    })?;
    // The nearest package at or above the current folder, as cargo does it.
    manifest
        .ancestors()
        .skip(1)
        .find_map(|dir| {
            packages
                .iter()
                .find(|package| package.manifest_path.as_std_path() == dir.join("Cargo.toml"))
        })
        .copied()
        .ok_or_else(|| Error::NoPackage { fat: fat() })
}

fn isas(package: &Package) -> Result<Vec<&'static Isa>, Error> {
    let name = || package.name.to_string();
    let value = package.metadata["fat"].clone();
    if value.is_null() {
        return Err(Error::NoIsas { package: name() });
    }
    let fat: FatMetadata = serde_json::from_value(value).map_err(|source| Error::Manifest {
        package: name(),
        source,
    })?;
    let mut isas: Vec<&Isa> = Vec::new();
    for isa in &fat.isas {
        let isa = Isa::named(isa)?;
        if isas.iter().any(|seen| seen.name == isa.name) {
            return Err(Error::IsaTwice {
                package: name(),
                name: isa.name.to_owned(),
            });
        }
        isas.push(isa);
    }
    if isas.is_empty() {
        Err(Error::NoIsas { package: name() })
    } else {
        Ok(isas)
    }
}

fn programs(package: &Package, options: &Options) -> Result<Vec<String>, Error> {
    let programs: Vec<String> = package
        .targets
        .iter()
        .filter(|target| target.kind.contains(&TargetKind::Bin))
        .map(|target| target.name.clone())
        .collect();
    let chosen = match &options.bin {
        Some(asked) => programs
            .iter()
            .filter(|name| *name == asked)
            .cloned()
            .collect(),
        None => programs.clone(),
    };
    if chosen.is_empty() {
        return Err(Error::NoProgram {
            package: package.name.to_string(),
            asked: options.bin.clone(),
            programs,
        });
    }
    Ok(chosen)
}
