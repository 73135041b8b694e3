//! `cargo xtask bench switch`: what it costs to get from one CPU to another, beside what the machine takes for it.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use fatcc::machine::Platform;
use fatcc::tools::Need;
use testsuite::processes;
use testsuite::switch::{Measured, Run};

use crate::error::Error;
use crate::progress::step;
use crate::setup;

/// On what, and how often.
#[derive(Args)]
pub struct Options {
    /// Only as Linux processes
    #[arg(long, conflicts_with = "board")]
    user: bool,
    /// Only on emulated boards
    #[arg(long)]
    board: bool,
    /// Rounds over all rows
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Samples of each row in a round
    #[arg(long, default_value_t = 20)]
    samples: u32,
    /// Let the system choose the cores on which the CPUs run
    #[arg(long)]
    unpinned: bool,
    /// Seconds after which a machine is stopped
    #[arg(long, default_value_t = 300)]
    limit: u64,
}

/// A machine that is measured.
struct Machine {
    title: &'static str,
    platform: Platform,
    cpus: &'static str,
    peer: &'static str,
    /// The first CPU executes what the image holds, without an emulator.
    is_native: bool,
}

const MACHINES: [Machine; 4] = [
    Machine {
        title: "Linux processes, x86_64 and x86_64",
        platform: Platform::User,
        cpus: "x86_64=2",
        peer: "x86_64.1",
        is_native: true,
    },
    Machine {
        title: "Linux processes, x86_64 and riscv64 by qemu-riscv64",
        platform: Platform::User,
        cpus: "1",
        peer: "riscv64",
        is_native: true,
    },
    Machine {
        title: "One board, x86_64 and x86_64",
        platform: Platform::Board,
        cpus: "x86_64=2",
        peer: "x86_64.1",
        is_native: false,
    },
    Machine {
        title: "Two boards, x86_64 and riscv64",
        platform: Platform::Board,
        cpus: "1",
        peer: "riscv64",
        is_native: false,
    },
];

/// What a row is compared with.
struct Floor {
    row: &'static str,
    floor: &'static str,
    /// The ratio of the medians that is allowed, and whether it counts on emulated CPUs.
    bar: Option<(f64, bool)>,
}

const fn floor(row: &'static str, floor: &'static str, bar: Option<(f64, bool)>) -> Floor {
    Floor { row, floor, bar }
}

const FLOORS: [Floor; 20] = [
    floor("call_on", "polling", Some((3.0, true))),
    floor("placed", "polling", None),
    floor("switch_to", "polling", Some((3.0, true))),
    floor("waker", "polling", None),
    floor("channel", "polling", None),
    floor("lock", "polling", None),
    floor("direct", "indirect", None),
    floor("array", "indirect", None),
    floor("gate", "indirect", Some((1.15, false))),
    floor("direct-there", "indirect-there", None),
    floor("array-there", "indirect-there", None),
    floor("gate-there", "indirect-there", None),
    floor("heap-both", "heap", None),
    floor("heap-both-there", "heap-there", None),
    floor("call_on-asleep", "doorbell", Some((1.5, true))),
    floor("placed-asleep", "doorbell", None),
    floor("switch_to-asleep", "doorbell", Some((1.5, true))),
    floor("waker-asleep", "doorbell", None),
    floor("channel-asleep", "doorbell", None),
    // A twentieth of the throughput.
    floor("work-moving", "work", Some((1.0 / 0.95, true))),
];

/// Measures, and prints a table for each machine.
pub fn run(options: &Options) -> Result<(), Error> {
    setup::ensure(Need::Run)?;
    let folder = tempfile::tempdir().map_err(|source| Error::System {
        doing: "make a folder",
        source,
    })?;
    let image = step("Building the program", || {
        let image = processes::image("switch", "", folder.path());
        Ok::<_, Error>((image, String::new()))
    })?;
    let chosen = MACHINES.iter().filter(|machine| match machine.platform {
        Platform::User => !options.board,
        Platform::Board => !options.user,
    });
    for machine in chosen {
        let run = Run {
            image: image.clone(),
            platform: machine.platform,
            cpus: machine.cpus.to_owned(),
            peer: machine.peer.to_owned(),
            rounds: options.rounds,
            samples: options.samples,
            pinned: !options.unpinned,
            limit: Duration::from_secs(options.limit),
        };
        let rows = step(machine.title, || {
            let rows = run.measure().map_err(|trouble| Error::Programs {
                said: trouble.to_string(),
            })?;
            Ok::<_, Error>((rows, String::new()))
        })?;
        println!("{}", table(machine, &rows));
    }
    Ok(())
}

/// The table of a machine, as Markdown.
fn table(machine: &Machine, rows: &[Measured]) -> String {
    let mut text = format!(
        "{}:\n\n| row | median | p99 | samples × operations | to its floor | bar |\n\
         | --- | --: | --: | --: | --: | --- |\n",
        machine.title
    );
    for row in rows {
        let (ratio, bar) = compared(machine, rows, row).unwrap_or_default();
        let (median, p99) = (time(row.median), time(row.p99));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {median} | {p99} | {} × {} | {ratio} | {bar} |",
            row.name, row.samples, row.batch
        );
    }
    text
}

/// The ratio to the floor, and what the bar says of it; empty where there is none.
fn compared(machine: &Machine, rows: &[Measured], row: &Measured) -> Option<(String, String)> {
    let floor = FLOORS.iter().find(|floor| floor.row == row.name)?;
    let below = rows.iter().find(|other| other.name == floor.floor)?;
    let ratio = row.median / below.median;
    let bar = match floor.bar {
        Some((most, emulated)) if machine.is_native || emulated => {
            let met = if ratio <= most { "met" } else { "**not met**" };
            format!("{most:.2}: {met}")
        }
        _ => String::new(),
    };
    Some((format!("{ratio:.2} × {}", floor.floor), bar))
}

/// Nanoseconds, for people.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n => format!("{:.1} ms", n / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testsuite::switch::ROWS;

    fn row(name: &str, median: f64) -> Measured {
        Measured {
            name: name.to_owned(),
            median,
            p99: 2.0 * median,
            samples: 400,
            batch: 16,
        }
    }

    #[test]
    fn every_floor_is_a_row() {
        for floor in &FLOORS {
            assert!(ROWS.contains(&floor.row) && ROWS.contains(&floor.floor));
        }
    }

    #[test]
    fn bars_are_judged_by_medians() {
        let rows = [
            row("polling", 100.0),
            row("call_on", 300.0),
            row("switch_to", 1234.5),
            row("indirect", 2.0),
            row("gate", 3.0),
        ];
        let [native, .., emulated] = &MACHINES;
        let text = table(native, &rows);
        assert!(
            text.contains("| polling | 100.0 ns | 200.0 ns | 400 × 16 |  |  |"),
            "{text}"
        );
        assert!(text.contains("| 3.00 × polling | 3.00: met |"), "{text}");
        assert!(text.contains("| switch_to | 1.2 µs | 2.5 µs |"), "{text}");
        assert!(
            text.contains("| 12.35 × polling | 3.00: **not met** |"),
            "{text}"
        );
        assert!(
            text.contains("| 1.50 × indirect | 1.15: **not met** |"),
            "{text}"
        );
        assert!(table(emulated, &rows).contains("| 1.50 × indirect |  |"));
    }
}
