//! Who compares two files: abi-check, the tools of others, and a walk over all entries, below which nobody can be.
//!
//! The work of what takes one file at a time is that of both files, one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::Tool;
use crate::bench::measure::{self, Cost};
use crate::error::Error;

/// A program and how it is called.
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
/// Row of what reads each entry, and nothing else.
pub const WALK: &str = "gimli's walk over all entries";

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

/// The contestants, of the tools of others those that were found.
pub fn all(abi_check: &Path, tools: &[(Tool, PathBuf)]) -> Vec<Contestant> {
    let ours = |name, flags| Contestant {
        name,
        is_ours: true,
        program: abi_check.to_owned(),
        flags,
        is_single: false,
        // 3 is an error.
        is_answer: |status| (0..3).contains(&status),
    };
    let walk = Contestant {
        name: WALK,
        is_ours: false,
        program: std::env::current_exe().unwrap_or_else(|_| "xtask".into()),
        flags: &["bench", "abi", "--walk"],
        is_single: true,
        is_answer: |status| status == 0,
    };
    let others = tools.iter().map(|(tool, program)| Contestant {
        name: tool.row,
        is_ours: false,
        program: program.clone(),
        flags: tool.flags,
        is_single: tool.is_single,
        is_answer: tool.is_answer,
    });
    let mut all = vec![ours(DEFAULT, &[]), ours(ALL, &["--all"]), walk];
    all.extend(others);
    all
}
