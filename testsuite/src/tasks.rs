//! Runs of `testsuite/programs/tasks`: random programs on all CPUs, and the smallest one that goes wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fatcc::machine::{Config, Line, Machine, Platform};

/// Operations of a program.
pub const SIZE: usize = 12;
/// What a run may take beyond the time for its programs: the boot, and the last ones.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a program is tried alone before it counts as right.
const TRIES: usize = 10;
/// Lines of a run in a report.
const SHOWN: usize = 200;

/// On what the programs run.
#[derive(Clone, Debug)]
pub struct Runs {
    /// The image.
    pub image: PathBuf,
    /// Boards or processes.
    pub platform: Platform,
    /// CPUs of each ISA.
    pub cpus: u32,
    /// Words for the program's command line besides those that choose programs.
    pub words: Vec<String>,
}

/// What went wrong.
#[derive(Debug)]
pub struct Trouble {
    /// Programs that had begun and not ended.
    pub suspects: Vec<u64>,
    /// The last lines.
    pub said: String,
    /// Whether nothing came any more.
    pub hung: bool,
}

/// A program that goes wrong alone, with as few operations as were found to be needed.
#[derive(Debug)]
pub struct Smallest {
    /// Its number.
    pub seed: u64,
    /// The operations of it that are needed.
    pub keep: Range<usize>,
    /// What it is and says.
    pub said: String,
}

/// Begun and not ended, and all lines.
#[derive(Default)]
struct Seen {
    begun: BTreeSet<u64>,
    lines: Vec<String>,
}

impl Seen {
    fn note(&mut self, line: &Line<'_>) {
        let text = line.text;
        let number = text.split_once("program ").and_then(|(_, rest)| {
            let (number, word) = rest.split_once(' ')?;
            Some((number.parse().ok()?, word))
        });
        match number {
            Some((seed, "begins")) => drop(self.begun.insert(seed)),
            Some((seed, "ended")) => drop(self.begun.remove(&seed)),
            _ => self.lines.push(line.to_string()),
        }
    }
}

impl Runs {
    /// Runs programs from `first` on for so long. How many, if all were right.
    pub fn for_seconds(&self, first: u64, seconds: u64) -> Result<u64, Trouble> {
        let words = [format!("seed={first}"), format!("seconds={seconds}")];
        self.run(&words, Duration::from_secs(seconds))
    }

    fn run(&self, words: &[String], time: Duration) -> Result<u64, Trouble> {
        let config = Config {
            platform: self.platform,
            cpus: self.cpus.to_string().parse().expect("a number"),
            command_line: [&[format!("size={SIZE}")], words, &self.words].concat(),
            ..Config::new(&self.image)
        };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = seen.clone();
        let on_line = move |line: &Line<'_>| noted.lock().expect("no panic").note(line);
        let machine = Machine::start(&config, on_line).expect("a machine");
        let outcome = machine.wait(Some(time + PATIENCE));
        let seen = seen.lock().expect("no panic");
        let count = seen.lines.iter().find_map(|line| {
            let (before, _) = line.split_once(" programs gave what they should")?;
            before.rsplit(' ').next()?.parse().ok()
        });
        match count {
            Some(count) if outcome.code() == 0 => Ok(count),
            _ => {
                let start = seen.lines.len().saturating_sub(SHOWN);
                Err(Trouble {
                    suspects: seen.begun.iter().copied().collect(),
                    said: format!("{}\n{outcome}", seen.lines[start..].join("\n")),
                    hung: outcome.timed_out,
                })
            }
        }
    }

    /// What a program says when it goes wrong alone, in one of a few tries.
    fn alone(&self, seed: u64, keep: &Range<usize>) -> Option<String> {
        let words = [
            format!("seed={seed}"),
            format!("keep={}..{}", keep.start, keep.end),
            "programs=1".to_owned(),
            "show".to_owned(),
        ];
        let run = |_| self.run(&words, Duration::ZERO).err();
        (0..TRIES).find_map(run).map(|trouble| trouble.said)
    }

    /// The smallest part of one of the suspects that goes wrong alone, if one does.
    pub fn smallest(&self, suspects: &[u64]) -> Option<Smallest> {
        suspects.iter().find_map(|seed| {
            let mut keep = 0..SIZE;
            let mut said = self.alone(*seed, &keep)?;
            // From both ends, ever smaller pieces.
            let mut piece = SIZE / 2;
            while piece > 0 {
                let shorter = [
                    keep.start + piece..keep.end,
                    keep.start..keep.end.saturating_sub(piece),
                ];
                let failing = shorter.into_iter().filter(|part| !part.is_empty());
                let failing = failing.map(|part| (self.alone(*seed, &part), part));
                let found = failing
                    .into_iter()
                    .find_map(|(said, part)| Some((said?, part)));
                match found {
                    Some((words, part)) => (said, keep) = (words, part),
                    None => piece /= 2,
                }
            }
            Some(Smallest {
                seed: *seed,
                keep,
                said,
            })
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.hung { "hung" } else { "went wrong" };
        let Trouble { suspects, said, .. } = self;
        write!(f, "one of the programs {suspects:?} {how}:\n{said}")
    }
}

impl fmt::Display for Smallest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Smallest { seed, keep, said } = self;
        write!(
            f,
            "it goes wrong alone: programs=1 seed={seed} size={SIZE} keep={}..{}\n{said}",
            keep.start, keep.end
        )
    }
}

/// Panics with the trouble, and with the smallest program that has it alone.
pub fn expect_right(runs: &Runs, result: Result<u64, Trouble>) -> u64 {
    result.unwrap_or_else(|trouble| match runs.smallest(&trouble.suspects) {
        Some(smallest) => panic!("{trouble}\n{smallest}"),
        None => panic!("{trouble}\nnone of them does so alone"),
    })
}
