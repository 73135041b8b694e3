//! `cargo xtask fuzz link`: damaged inputs are linked or refused by name; nothing crashes or hangs.
//!
//! A mutant is a function of seed and number: it can be made again alone. Mutants are linked in worker processes, so that
//! one that crashes, hangs or wants too much memory costs that process and is reported with the line that repeats it.

mod fixtures;
pub mod readers;
pub mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use clap::Args;

use crate::error::Error;
use crate::progress::{say, step};

/// Which mutants to link.
#[derive(Args)]
pub struct Options {
    /// How many
    #[arg(long, default_value_t = 20_000)]
    mutants: u64,
    /// Another seed makes other mutants
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first one
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Seconds that one mutant may take
    #[arg(long, default_value_t = 10)]
    timeout: u64,
    /// Keep the fixtures in this folder
    #[arg(long)]
    keep: Option<std::path::PathBuf>,
}

impl Options {
    /// As many as a test of every change can afford.
    pub fn quick() -> Self {
        Self {
            mutants: 20_000,
            seed: 1,
            first: 0,
            timeout: 10,
            keep: None,
        }
    }
}

/// How a mutant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Linked.
    Accepted,
    /// Refused, with file and place.
    Refused,
    /// Refused without saying where.
    Unplaced,
    /// Ended by a panic, a signal or a lack of memory.
    Crashed,
    /// Not ended in time.
    Hung,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Accepted,
        Self::Refused,
        Self::Unplaced,
        Self::Crashed,
        Self::Hung,
    ];

    /// As reports name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unplaced => "unplaced",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }

    fn is_failure(self) -> bool {
        self >= Self::Unplaced
    }
}

/// What has been seen so far.
#[derive(Default)]
struct Report {
    counts: BTreeMap<Outcome, u64>,
    failures: Vec<(u64, Outcome, String)>,
}

/// Failures that are shown, one of each kind: those whose messages differ in numbers only are of one.
const MOST_SHOWN: usize = 20;

/// Mutants that one worker process links.
const BATCH: u64 = 500;

/// Links the mutants and prints how they ended.
pub fn link(options: &Options) -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(system("make a folder"))?;
    let sound = options.keep.clone().unwrap_or(folder.path().join("sound"));
    std::fs::create_dir_all(&sound).map_err(system("make a folder"))?;
    let sound = sound.canonicalize().map_err(system("find the folder"))?;
    step("Compiling the fixtures", || {
        fixtures::make_in(&sound).map(|()| ((), String::new()))
    })?;
    let report = Mutex::new(Report::default());
    let batches = Mutex::new((0..options.mutants).step_by(BATCH as usize));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let what = format!("{} mutants of seed {}", options.mutants, options.seed);
    step(&what, || {
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..workers)
                .map(|number| {
                    let own = folder.path().join(format!("worker-{number}"));
                    let (sound, report, batches) = (&sound, &report, &batches);
                    scope.spawn(move || serve(options, sound, &own, batches, report))
                })
                .collect();
            let ends = runs.into_iter().map(|run| run.join().expect("no panic"));
            ends.collect::<Result<Vec<()>, Error>>()
        })
        .map(|_| ((), String::new()))
    })?;
    let report = report
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    report.finish(options)
}

impl Report {
    fn add(&mut self, mutant: u64, outcome: Outcome, said: &str) {
        *self.counts.entry(outcome).or_default() += 1;
        if outcome.is_failure() {
            self.failures.push((mutant, outcome, said.to_owned()));
        }
    }

    fn finish(mut self, options: &Options) -> Result<(), Error> {
        self.failures.sort();
        let mut kinds = BTreeSet::new();
        let is_new = |(_, outcome, said): &&(u64, Outcome, String)| {
            let words = said
                .split_once(": ")
                .map_or(said.as_str(), |(_, words)| words);
            kinds.insert((*outcome, words.replace(|c: char| c.is_ascii_digit(), "")))
        };
        for (mutant, outcome, said) in self.failures.iter().filter(is_new).take(MOST_SHOWN) {
            println!(
                "{}: {said}\n  cargo xtask fuzz link --mutants 1 --seed {} --first {mutant}",
                outcome.word(),
                options.seed
            );
        }
        let counts = Outcome::ALL.map(|outcome| {
            let count = self.counts.get(&outcome).copied().unwrap_or_default();
            format!("{count} {}", outcome.word())
        });
        println!("{} mutants: {}", options.mutants, counts.join(", "));
        match self.failures.len() {
            0 => Ok(()),
            failed => Err(Error::Fuzz { failed }),
        }
    }
}

fn system(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::System { doing, source }
}

/// Takes batches until none is left.
fn serve(
    options: &Options,
    sound: &Path,
    own: &Path,
    batches: &Mutex<impl Iterator<Item = u64>>,
    report: &Mutex<Report>,
) -> Result<(), Error> {
    loop {
        let batch = batches
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .next();
        let Some(start) = batch else { return Ok(()) };
        let mut next = options.first + start;
        let end = options.first + (start + BATCH).min(options.mutants);
        while next < end {
            copy(sound, own).map_err(system("copy the fixtures"))?;
            next = run_worker(options, own, next..end, report)?;
        }
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Has one process link mutants; returns the first that it did not come to.
fn run_worker(
    options: &Options,
    folder: &Path,
    mutants: std::ops::Range<u64>,
    report: &Mutex<Report>,
) -> Result<u64, Error> {
    let program = std::env::current_exe().map_err(system("find this program"))?;
    let mut child = Command::new(program)
        .args(["fuzz", "worker", "--folder"])
        .arg(folder)
        .args(["--seed", &options.seed.to_string()])
        .args(["--first", &mutants.start.to_string()])
        .args(["--mutants", &(mutants.end - mutants.start).to_string()])
        // One mutant at a time in each of as many workers as there are CPUs.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(if options.mutants == 1 {
            Stdio::inherit()
        } else {
            Stdio::piped()
        })
        .spawn()
        .map_err(system("start a worker"))?;
    let lines = child.stdout.take().map(lines_of);
    let Some(lines) = lines else {
        return Ok(mutants.start);
    };
    let mut next = mutants.start;
    let add = |mutant, outcome, said: &str| {
        let mut report = report
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        report.add(mutant, outcome, said);
    };
    while next < mutants.end {
        match lines.recv_timeout(Duration::from_secs(options.timeout)) {
            Ok(line) => {
                let mut words = line.splitn(3, ' ');
                let number = words.next().and_then(|word| word.parse::<u64>().ok());
                let outcome = words.next().and_then(Outcome::of);
                // A library may print; only reports count.
                if let (Some(number), Some(outcome)) = (number, outcome)
                    && number == next
                {
                    let said = words.next().unwrap_or_default();
                    if options.mutants == 1 {
                        say(&format!("{} {said}", outcome.word()));
                    }
                    add(next, outcome, said);
                    next += 1;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                child.kill().map_err(system("end a worker"))?;
                child.wait().map_err(system("await a worker"))?;
                add(next, Outcome::Hung, &format!("after {} s", options.timeout));
                return Ok(next + 1);
            }
            Err(RecvTimeoutError::Disconnected) => {
                let said = last_words(&mut child)?;
                add(next, Outcome::Crashed, &said);
                return Ok(next + 1);
            }
        }
    }
    child.wait().map_err(system("await a worker"))?;
    Ok(next)
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// How a process ended, and the last line it wrote.
fn last_words(child: &mut Child) -> Result<String, Error> {
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr
            .read_to_end(&mut said)
            .map_err(system("read of a worker"))?;
    }
    let status = child.wait().map_err(system("await a worker"))?;
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().rfind(|line| !line.trim().is_empty());
    Ok(format!("{status}: {}", line.unwrap_or_default()))
}
