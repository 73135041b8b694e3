//! Who compares two files: abi-check, and tools that look for differences of types in DWARF.
//!
//! Each gets the options by which it compares types. pahole compares nothing: it prints the types of one file, so its
//! work is that of both files, one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;

use fatcc::tools::which;

use crate::bench::measure::{self, Cost};
use crate::error::Error;

/// A tool and how it is called.
pub struct Contestant {
    /// Name in the table.
    pub name: &'static str,
    /// Its failure is the benchmark's.
    pub is_ours: bool,
    program: PathBuf,
    flags: &'static [&'static str],
    /// It takes one file at a time.
    is_single: bool,
    /// Exit statuses that are answers.
    is_answer: fn(i32) -> bool,
}

/// Row of `abi-check` as it is by default: the others are shown as ratios of it.
pub const DEFAULT: &str = "abi-check";
/// Row of all types and statics: what the other tools do.
pub const ALL: &str = "abi-check --all";

impl Contestant {
    /// Compares two files once.
    pub fn run(&self, files: &[PathBuf; 2], log: &Path) -> Result<Cost, Error> {
        if !self.is_single {
            return self.measure(files, log);
        }
        let [one, other] = files;
        let costs = [one, other].map(|file| self.measure(std::slice::from_ref(file), log));
        let [one, other] = costs;
        let (one, other) = (one?, other?);
        Ok(Cost {
            cpu: one.cpu + other.cpu,
            wall: one.wall + other.wall,
            memory: one.memory.max(other.memory),
        })
    }

    fn measure(&self, files: &[PathBuf], log: &Path) -> Result<Cost, Error> {
        let mut command = Command::new(&self.program);
        command.args(self.flags).args(files);
        measure::run_judged(&mut command, log, self.is_answer)
    }
}

/// A tool of others.
struct Other {
    name: &'static str,
    program: &'static str,
    flags: &'static [&'static str],
    is_single: bool,
    is_answer: fn(i32) -> bool,
    /// What installs it.
    install: &'static str,
}

const OTHERS: [Other; 4] = [
    Other {
        name: "codiff -s",
        program: "codiff",
        flags: &["-s"],
        is_single: false,
        // It ends with 1 if the files differ.
        is_answer: |status| status <= 1,
        install: "apt-get install dwarves",
    },
    Other {
        name: "pahole, both files",
        program: "pahole",
        flags: &["-F", "dwarf"],
        is_single: true,
        is_answer: |status| status == 0,
        install: "apt-get install dwarves",
    },
    Other {
        name: "abidiff",
        program: "abidiff",
        flags: &["--no-architecture"],
        is_single: false,
        // Bits 1 and 2 are errors, 4 and 8 say that something changed.
        is_answer: |status| status & 3 == 0,
        install: "apt-get install abigail-tools",
    },
    Other {
        name: "ddbug",
        program: "ddbug",
        flags: &["-c", "type", "--diff"],
        is_single: false,
        is_answer: |status| status == 0,
        install: "cargo install ddbug",
    },
];

/// The contestants that are here, and what is missing with what installs it. `folder` may have programs too.
pub fn all(abi_check: &Path, folder: &Path) -> (Vec<Contestant>, Vec<String>) {
    let ours = |name, flags| Contestant {
        name,
        is_ours: true,
        program: abi_check.to_owned(),
        flags,
        is_single: false,
        // 3 is an error.
        is_answer: |status| (0..3).contains(&status),
    };
    let mut all = vec![ours(DEFAULT, &[]), ours(ALL, &["--all"])];
    let mut missing = Vec::new();
    for other in OTHERS {
        let own = folder.join("bin").join(other.program);
        let found = which(other.program).or_else(|| own.is_file().then_some(own));
        let Some(program) = found else {
            missing.push(format!("{} ({})", other.program, other.install));
            continue;
        };
        all.push(Contestant {
            name: other.name,
            is_ours: false,
            program,
            flags: other.flags,
            is_single: other.is_single,
            is_answer: other.is_answer,
        });
    }
    (all, missing)
}
