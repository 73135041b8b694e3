//! Runs of `testsuite/programs/switch`: what ways from CPU to CPU cost, row by row.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fatcc::machine::{Config, Line, Machine, Platform};

use crate::processes;

/// The rows that the program prints, in that order.
pub const ROWS: [&str; 29] = [
    "clock",
    "polling",
    "call_on",
    "placed",
    "switch_to",
    "waker",
    "channel",
    "lock",
    "direct",
    "indirect",
    "array",
    "gate",
    "direct-there",
    "indirect-there",
    "array-there",
    "gate-there",
    "heap",
    "heap-there",
    "heap-both",
    "heap-both-there",
    "doorbell",
    "doorbell-polled",
    "call_on-asleep",
    "placed-asleep",
    "switch_to-asleep",
    "waker-asleep",
    "channel-asleep",
    "work",
    "work-moving",
];

/// What the program says once it has begun.
const BEGUN: &str = " measures, with ";
/// How long the machine may take to begin.
const BOOT: Duration = Duration::from_secs(60);

/// A run: on what, and how long.
#[derive(Clone, Debug)]
pub struct Run {
    /// The image.
    pub image: PathBuf,
    /// Boards or processes.
    pub platform: Platform,
    /// CPUs, as `cargo fat run --cpus` has them.
    pub cpus: String,
    /// Name of the CPU that the first one is measured with.
    pub peer: String,
    /// Rounds over all rows.
    pub rounds: u32,
    /// Samples of each row in a round.
    pub samples: u32,
    /// Whether each CPU gets a core of this computer, if it has as many.
    pub pinned: bool,
    /// When the machine is stopped.
    pub limit: Duration,
}

/// A row: what one operation takes, in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// One of [`ROWS`].
    pub name: String,
    /// Half of the samples are not longer.
    pub median: f64,
    /// 99 of 100 samples are not longer.
    pub p99: f64,
    /// Number of samples.
    pub samples: u32,
    /// Operations of a sample, which is their mean.
    pub batch: u32,
}

/// Why there are no figures.
#[derive(Debug)]
pub struct Trouble {
    /// How the machine ended, and its lines.
    pub said: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not all was measured:\n{}", self.said)
    }
}

impl Measured {
    /// Reads a line of the program; `None` if it is another one.
    pub fn read(line: &str) -> Option<Measured> {
        let (_, row) = line.split_once("measured ")?;
        let mut words = row.split_whitespace();
        let row = Measured {
            name: words.next()?.to_owned(),
            median: words.next()?.parse().ok()?,
            p99: words.next()?.parse().ok()?,
            samples: words.next()?.parse().ok()?,
            batch: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(row)
    }
}

impl Run {
    /// Runs it, and returns all [`ROWS`].
    pub fn measure(&self) -> Result<Vec<Measured>, Trouble> {
        let config = Config {
            platform: self.platform,
            cpus: self.cpus.parse().expect("numbers of CPUs"),
            command_line: vec![
                format!("peer={}", self.peer),
                format!("rounds={}", self.rounds),
                format!("samples={}", self.samples),
            ],
            ..Config::new(&self.image)
        };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let noted = lines.clone();
        let on_line = move |line: &Line<'_>| {
            noted
                .lock()
                .expect("no panic")
                .push(line.text.trim_end().to_owned());
        };
        let machine = Machine::start(&config, on_line).map_err(|error| Trouble {
            said: error.to_string(),
        })?;
        if machine.wait_for_line(BEGUN, BOOT).is_ok() && self.pinned {
            self.pin();
        }
        let outcome = machine.wait(Some(self.limit));
        let lines = lines.lock().expect("no panic");
        let rows: Vec<_> = lines
            .iter()
            .filter_map(|line| Measured::read(line))
            .collect();
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        if outcome.code() == 0 && names == ROWS {
            return Ok(rows);
        }
        Err(Trouble {
            said: format!("{}\n{outcome}", lines.join("\n")),
        })
    }

    /// Gives each of the two CPUs that are measured a core: if they shared one they would wait for each other's time slice.
    fn pin(&self) {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        for (isa, ordinal, thread) in self.threads() {
            let is_one_isa = self.peer.contains('.');
            let core = if is_one_isa { ordinal } else { isa } % cores;
            // Without it, the figures are only less steady.
            let _ = Command::new("taskset")
                .args(["-pc", &core.to_string(), &thread])
                .output();
        }
    }

    /// The threads that are CPUs: the ISA's place in the image, the CPU's among those of its ISA, the thread's number.
    fn threads(&self) -> Vec<(usize, usize, String)> {
        let mut processes = processes::of(&self.image);
        // A board's was started when those of the ISAs before it had been.
        processes.sort_by_key(|(process, _)| process.parse().unwrap_or(u64::MAX));
        let mut all = Vec::new();
        for (isa, (process, line)) in processes.into_iter().enumerate() {
            if self.platform == Platform::User {
                let mut words = line.split_whitespace().rev().map_while(|w| w.parse().ok());
                if let (Some(ordinal), Some(isa)) = (words.next(), words.next()) {
                    all.push((isa, ordinal, process));
                }
                continue;
            }
            let threads = std::fs::read_dir(format!("/proc/{process}/task"));
            for thread in threads.into_iter().flatten().flatten() {
                let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
                // CPU 0/TCG
                let ordinal = name.strip_prefix("CPU ").and_then(|name| {
                    let (ordinal, _) = name.split_once('/')?;
                    ordinal.parse().ok()
                });
                if let Some(ordinal) = ordinal {
                    all.push((
                        isa,
                        ordinal,
                        thread.file_name().to_string_lossy().into_owned(),
                    ));
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_consoles() {
        let line = "[x86_64] measured call_on 1020.625 28165.687 80 16";
        let row = Measured {
            name: "call_on".to_owned(),
            median: 1020.625,
            p99: 28165.687,
            samples: 80,
            batch: 16,
        };
        assert_eq!(Measured::read(line), Some(row));
        for other in [
            "measured",
            "measured a 1 2",
            "measured a 1 2 3 x",
            "a 1 2 3 4",
        ] {
            assert_eq!(Measured::read(other), None, "{other}");
        }
    }
}
