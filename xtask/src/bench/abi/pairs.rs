//! The pairs of files: generated, built, given.

use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Architecture, Object as _, ObjectSection as _};

use super::corpus::{self, Target};
use super::model::{CHANGES, changing_name};
use crate::bench::kernel::target_folder;
use crate::error::Error;

/// Two files to compare.
pub struct Pair {
    /// What they are.
    pub name: &'static str,
    /// Where they are.
    pub files: [PathBuf; 2],
    /// Bytes of `.debug_info` of both, uncompressed.
    pub debug_info: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// The types of which `abi-check --all` must find that they differ, if that is known.
    pub differing: Option<Vec<String>>,
}

impl Pair {
    fn new(name: &'static str, files: [PathBuf; 2]) -> Result<Pair, Error> {
        let (mut debug_info, mut bytes) = (0, 0);
        for file in &files {
            let size = sizes(file)?;
            debug_info += size.0;
            bytes += size.1;
        }
        Ok(Pair {
            name,
            files,
            debug_info,
            bytes,
            differing: None,
        })
    }
}

/// Bytes of a file's `.debug_info`, and of the file.
fn sizes(file: &Path) -> Result<(u64, u64), Error> {
    let fail = |said: String| Error::NoDebugInfo {
        file: file.to_owned(),
        said,
    };
    let bytes = std::fs::read(file).map_err(|e| fail(e.to_string()))?;
    let object = object::File::parse(&*bytes).map_err(|e| fail(e.to_string()))?;
    let section = object.section_by_name(".debug_info");
    let section = section.ok_or_else(|| fail("there is none".to_owned()))?;
    let range = section.compressed_file_range();
    let range = range.map_err(|e| fail(e.to_string()))?;
    Ok((range.uncompressed_size, bytes.len() as u64))
}

/// The sides of the generated pair, with the names of their files.
const SIDES: [(&str, Target); 2] = [
    (
        "x86_64",
        Target {
            architecture: Architecture::X86_64,
            function: 64,
            changed: false,
        },
    ),
    (
        "riscv64",
        Target {
            architecture: Architecture::Riscv64,
            function: 80,
            changed: true,
        },
    ),
];

fn side(folder: &Path, units: usize, name: &str) -> PathBuf {
    folder.join(format!("corpus-{units}-{name}.o"))
}

/// Writes a side of the generated pair.
pub fn write_side(folder: &Path, units: usize, index: usize) -> Result<(), Error> {
    match SIDES.get(index) {
        Some((name, target)) => corpus::write(&side(folder, units, name), *target, units),
        None => Ok(()),
    }
}

/// The generated pair. Each side is written by a process of its own: the memory that this one ever had counts as that of
/// all processes that it starts later.
pub fn corpus(folder: &Path, units: usize) -> Result<Pair, Error> {
    let own = std::env::current_exe().unwrap_or_else(|_| "xtask".into());
    let start = |index: usize| {
        let mut command = Command::new(&own);
        command.args(["bench", "abi", "--units", &units.to_string()]);
        command.args(["--write-side", &index.to_string()]);
        command.spawn()
    };
    let failed = |said: String| Error::Tool {
        program: own.display().to_string(),
        said,
    };
    let writers: Vec<_> = (0..SIDES.len()).map(start).collect();
    for writer in writers {
        let status = writer.and_then(|mut writer| writer.wait());
        let status = status.map_err(|error| failed(error.to_string()))?;
        if !status.success() {
            return Err(failed(status.to_string()));
        }
    }
    let files = SIDES.map(|(name, _)| side(folder, units, name));
    let mut pair = Pair::new("generated corpus, x86_64 and riscv64", files)?;
    let mut differing: Vec<_> = (0..CHANGES).map(changing_name).collect();
    differing.sort();
    pair.differing = Some(differing);
    Ok(pair)
}

/// A program of the project, built twice with full debug information.
pub fn program(folder: &Path) -> Result<Pair, Error> {
    let build = |level: &str| {
        let target = folder.join(format!("opt-{level}"));
        let mut command = Command::new(env!("CARGO"));
        command
            .args([
                "build",
                "--quiet",
                "--package",
                "fatcc",
                "--bin",
                "cargo-fat",
            ])
            .args(["--config", "profile.dev.debug=2"])
            .args(["--config", "profile.dev.package.\"*\".debug=2"])
            .arg("--target-dir")
            .arg(&target)
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", level);
        let output = command.output().map_err(|source| Error::Start {
            program: "cargo".to_owned(),
            source,
        })?;
        match output.status.success() {
            true => Ok(target.join("debug/cargo-fat")),
            false => Err(Error::Tool {
                program: "cargo build --package fatcc".to_owned(),
                said: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
        }
    };
    Pair::new("cargo-fat, opt-level 0 and 1", [build("0")?, build("1")?])
}

/// A pair that was given.
pub fn given(files: &[PathBuf]) -> Result<Option<Pair>, Error> {
    match files {
        [one, other] => Pair::new("given files", [one.clone(), other.clone()]).map(Some),
        _ => Ok(None),
    }
}

/// Where everything is generated.
pub fn folder() -> Result<PathBuf, Error> {
    let folder = target_folder()?.join("bench/abi");
    std::fs::create_dir_all(&folder).map_err(|source| Error::System {
        doing: "make the folder of the benchmark",
        source,
    })?;
    Ok(folder)
}
