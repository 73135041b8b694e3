//! Who links: fatld both slices at once, the others one slice after the other.
//!
//! A fat image carries no debug information, so what does the same work is a link with `--strip-debug`; an image with a
//! view of each ISA carries all of it, and is held against links that keep it. All links are static, start at `_start`
//! and collect garbage.

use std::path::{Path, PathBuf};
use std::process::Command;

use fatcc::tools::which;
use serde::Serialize;

use super::kernel::{Kernel, Slice};
use super::measure::{self, Cost};
use crate::error::Error;

/// What a link makes: only what does the same work is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// What is in memory.
    Image,
    /// Debug information too.
    Debug,
}

/// A linker and what it is asked for.
pub struct Contestant {
    /// Name in the table.
    pub name: String,
    /// What it makes.
    pub work: Work,
    /// Its failure is the benchmark's.
    pub is_ours: bool,
    /// The links whose sum counts.
    links: Vec<Link>,
}

struct Link {
    command: Vec<String>,
    outputs: Vec<PathBuf>,
    log: PathBuf,
}

impl Link {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        command
    }

    /// Every run finds what the first one finds: no output to write over.
    fn clear(&self) {
        for output in &self.outputs {
            // It may not be there.
            let _ = std::fs::remove_file(output);
        }
    }
}

impl Contestant {
    /// Links once.
    pub fn run(&self) -> Result<Cost, Error> {
        let runs = self.links.iter().map(|link| {
            link.clear();
            let cost = measure::run(&mut link.command(), &link.log);
            link.clear();
            cost
        });
        runs.sum()
    }

    /// Instructions of all links.
    pub fn instructions(&self) -> Result<u64, Error> {
        let runs = self.links.iter().map(|link| {
            let folder = link.log.parent().unwrap_or(Path::new("."));
            let count = measure::instructions(&link.command(), folder);
            link.clear();
            count
        });
        runs.sum()
    }
}

/// Name of lld's row for a work: the others are shown as ratios of it.
pub fn reference(work: Work) -> &'static str {
    match work {
        Work::Image => "lld --strip-debug, sum",
        Work::Debug => "lld, sum",
    }
}

/// Builds a package as it is released, and returns its command of the same name.
pub fn build_released(package: &str) -> Result<PathBuf, Error> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package", package])
        .status();
    let status = status.map_err(|source| Error::Start {
        program: "cargo".to_owned(),
        source,
    })?;
    if !status.success() {
        return Err(Error::Tool {
            program: format!("cargo build --release --package {package}"),
            said: status.to_string(),
        });
    }
    Ok(super::kernel::target_folder()?
        .join("release")
        .join(package))
}

/// A linker of single slices, how it is called, and what it needs beside the flags of all.
struct Other {
    name: &'static str,
    program: String,
    flags: &'static [&'static str],
}

/// The linkers that are here, and the names of those that are not.
fn others() -> (Vec<Other>, Vec<String>) {
    // What forks would leave its work uncounted.
    let known: [(&str, &str, &[&str]); 3] = [
        ("lld of the distribution", "ld.lld", &[]),
        ("mold", "mold", &["--no-fork"]),
        ("wild", "wild", &["--no-fork"]),
    ];
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    match toolchain_lld() {
        Some(path) => found.push(Other {
            name: "lld",
            program: path.display().to_string(),
            flags: &["-flavor", "gnu"],
        }),
        None => missing.push("rust-lld".to_owned()),
    }
    for (name, program, flags) in known {
        match which(program) {
            Some(path) => found.push(Other {
                name,
                program: path.display().to_string(),
                flags,
            }),
            None => missing.push(program.to_owned()),
        }
    }
    (found, missing)
}

/// lld of the Rust toolchain.
fn toolchain_lld() -> Option<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir"])
        .output()
        .ok()?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let path = libraries.parent()?.join("bin/rust-lld");
    path.is_file().then_some(path)
}

/// All contestants for a kernel, and what is missing.
pub fn all(fatld: &Path, kernel: &Kernel) -> Result<(Vec<Contestant>, Vec<String>), Error> {
    let outputs = kernel.folder.join("out");
    std::fs::create_dir_all(&outputs).map_err(|source| Error::System {
        doing: "make the folder of the benchmark",
        source,
    })?;
    let (others, missing) = others();
    let mut all = vec![
        fat("fatld", Work::Image, fatld, kernel, &outputs),
        fat("fatld with views", Work::Debug, fatld, kernel, &outputs),
    ];
    for work in [Work::Image, Work::Debug] {
        for other in &others {
            let name = match work {
                Work::Image => format!("{} --strip-debug, sum", other.name),
                Work::Debug => format!("{}, sum", other.name),
            };
            let links = kernel
                .slices
                .iter()
                .map(|slice| plain(other, work, slice, &outputs));
            all.push(Contestant {
                name,
                work,
                is_ours: false,
                links: links.collect(),
            });
        }
    }
    Ok((all, missing))
}

fn fat(name: &str, work: Work, fatld: &Path, kernel: &Kernel, outputs: &Path) -> Contestant {
    let image = outputs.join("image");
    let mut command = vec![
        fatld.display().to_string(),
        "-o".to_owned(),
        image.display().to_string(),
    ];
    let mut made = vec![image];
    for slice in &kernel.slices {
        command.extend(["--slice".to_owned(), slice.isa.clone()]);
        command.push(format!("@{}", slice.inputs.display()));
        if work == Work::Debug {
            let view = outputs.join(&slice.isa);
            command.push(format!("--view={}={}", slice.isa, view.display()));
            made.push(view);
        }
    }
    let links = vec![Link {
        command,
        outputs: made,
        log: outputs.join("log"),
    }];
    Contestant {
        name: name.to_owned(),
        work,
        is_ours: true,
        links,
    }
}

fn plain(linker: &Other, work: Work, slice: &Slice, outputs: &Path) -> Link {
    let output = outputs.join(format!("{}.plain", slice.isa));
    let mut command = vec![linker.program.clone()];
    command.extend(linker.flags.iter().map(|flag| (*flag).to_owned()));
    let flags = [
        "-m",
        slice.emulation,
        "-static",
        "--gc-sections",
        "-e",
        "_start",
    ];
    command.extend(flags.map(str::to_owned));
    if work == Work::Image {
        command.push("--strip-debug".to_owned());
    }
    command.extend(["-o".to_owned(), output.display().to_string()]);
    command.push(format!("@{}", slice.inputs.display()));
    Link {
        command,
        outputs: vec![output],
        log: outputs.join("log"),
    }
}
