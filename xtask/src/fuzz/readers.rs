//! `cargo xtask fuzz readers`: libFuzzer leads damage to where the readers of files have not been yet.
//!
//! The targets are in `fatld/fuzz`, laid out as cargo-fuzz wants them; nothing but a C++ compiler is needed to run them from
//! here. What they find interesting is kept under `target/fuzz`, so that the next run begins there.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::{fixtures, system};
use crate::error::Error;
use crate::progress::step;

/// What to read, and how long.
#[derive(Args)]
pub struct Options {
    /// Targets [default: all]
    #[arg(long, value_parser = TARGETS.map(|target| target.name))]
    target: Vec<String>,
    /// Seconds for each
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

impl Options {
    /// As long as a test of every change can afford.
    pub fn quick() -> Self {
        Self {
            target: Vec::new(),
            seconds: 5,
        }
    }
}

/// A reader, and the fixtures that it begins with, by the ends of their names.
struct Target {
    name: &'static str,
    seeds: &'static [&'static str],
}

const TARGETS: [Target; 5] = [
    Target {
        name: "object",
        seeds: &[".o"],
    },
    Target {
        name: "archive",
        seeds: &[".a", ".rlib"],
    },
    Target {
        name: "image",
        seeds: &[".fat"],
    },
    Target {
        name: "arguments",
        seeds: &[".rsp"],
    },
    Target {
        name: "dwarf",
        seeds: &[".o"],
    },
];

/// What cargo-fuzz passes too, but for the sanitizer: there is no unsafe code to watch.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";

/// The counters are for what is fuzzed, not for build scripts: a target keeps them apart.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Builds the targets and runs them, one after the other.
pub fn run(options: &Options) -> Result<(), Error> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let root = root.canonicalize().map_err(system("find the project"))?;
    let folder = root.join("target/fuzz");
    step("Building the readers with coverage", || {
        build(&root, &folder).map(|()| ((), String::new()))
    })?;
    let sound = tempfile::tempdir().map_err(system("make a folder"))?;
    fixtures::make_in(sound.path())?;
    let is_wanted = |target: &&Target| {
        options.target.is_empty() || options.target.iter().any(|t| t == target.name)
    };
    for target in TARGETS.iter().filter(is_wanted) {
        let seeds = seeds(target, sound.path(), &folder)?;
        step(&format!("Reading: {}", target.name), || {
            fuzz(target, &folder, &seeds, options.seconds).map(|runs| ((), runs))
        })?;
    }
    Ok(())
}

fn build(root: &Path, folder: &Path) -> Result<(), Error> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            HOST,
            "--target-dir",
        ])
        .arg(folder)
        .arg("--manifest-path")
        .arg(root.join("fatld/fuzz/Cargo.toml"))
        .env("RUSTFLAGS", COVERAGE);
    said(&mut cargo).map(|_| ())
}

/// A folder with the fixtures that a target begins with.
fn seeds(target: &Target, sound: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let seeds = folder.join("seeds").join(target.name);
    std::fs::create_dir_all(&seeds).map_err(system("make a folder"))?;
    for entry in std::fs::read_dir(sound).map_err(system("read the fixtures"))? {
        let entry = entry.map_err(system("read the fixtures"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if target.seeds.iter().any(|end| name.ends_with(end)) {
            std::fs::copy(entry.path(), seeds.join(&name)).map_err(system("copy the fixtures"))?;
        }
    }
    if target.name == "dwarf" {
        // Files that belong together follow each other, as the target takes them apart.
        for (name, files) in fixtures::DEBUG {
            let read = |file| std::fs::read(sound.join(file));
            let parts: Result<Vec<Vec<u8>>, _> = files.split(' ').map(read).collect();
            let parts = parts.map_err(system("read the fixtures"))?;
            std::fs::write(seeds.join(name), parts.concat()).map_err(system("write a seed"))?;
        }
    }
    Ok(seeds)
}

/// Runs a target. Returns how much it tried.
fn fuzz(target: &Target, folder: &Path, seeds: &Path, seconds: u64) -> Result<String, Error> {
    let make = |kind: &str| {
        let own = folder.join(kind).join(target.name);
        std::fs::create_dir_all(&own).map_err(system("make a folder"))?;
        Ok::<_, Error>(own)
    };
    let (corpus, artifacts) = (make("corpus")?, make("artifacts")?);
    let mut program = Command::new(folder.join(HOST).join("release").join(target.name));
    program
        .arg(format!("-max_total_time={seconds}"))
        .args([
            "-rss_limit_mb=2048",
            "-timeout=10",
            "-max_len=65536",
            "-print_final_stats=1",
        ])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([&corpus, seeds]);
    let said = said(&mut program)?;
    let figure = |name: &str| {
        let line = said.lines().find(|line| line.contains(name));
        let number = line.and_then(|line| line.split_whitespace().last());
        number.unwrap_or("?").to_owned()
    };
    Ok(format!("{} runs", figure("number_of_executed_units")))
}

/// Runs a command to its end. What it said last is the error's, if it fails.
fn said(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| Error::Start {
        program: program.clone(),
        source,
    })?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let lines: Vec<_> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(Error::Tool {
        program,
        said: last,
    })
}
