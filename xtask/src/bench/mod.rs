//! `cargo xtask bench link`: what a fat link costs, beside what other linkers take for its slices; `abi` is the other one.
//!
//! Everything is measured in one run, round by round, so that all contestants meet the same machine in the same state,
//! and shown as ratios against lld's links of the same inputs: figures of different machines can be compared.

pub mod abi;
mod contestants;
mod kernel;
mod measure;
mod source;
pub mod switch;
mod table;
pub mod tasks;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::error::Error;
use crate::progress::{say, step};
use contestants::Contestant;
use kernel::Kernel;
use measure::Cost;
use table::{Report, Row};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Sizes of the kernels: 100 is about 200 MB of objects per ISA
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100], value_parser = clap::value_parser!(u32).range(1..=kernel::MAX_SIZE))]
    size: Vec<u32>,
    /// ISAs, the first element first
    #[arg(long, value_delimiter = ',', default_values_t = ["x86_64".to_owned(), "riscv64".to_owned()])]
    isa: Vec<String>,
    /// Rounds per size [default: as many as the budget allows, at most 15]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds for all of it, generation included
    #[arg(long, default_value_t = 480)]
    budget: u64,
    /// Also write the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// More rounds than this change no median.
const MOST_ROUNDS: usize = 15;

/// Generates, links, and prints the table.
pub fn link(options: &Options) -> Result<(), Error> {
    let start = Instant::now();
    let folder = kernel::folder()?;
    let fatld = step("Building fatld", || {
        contestants::build_released("fatld").map(|path| (path, String::new()))
    })?;
    let units = step("Compiling the kernel's units", || {
        kernel::compile(&folder, &options.isa).map(|units| (units, String::new()))
    })?;
    let mut report = Report::default();
    let mut left = options.size.len() as u32;
    for size in &options.size {
        let kernel = step(&format!("A kernel of size {size}"), || {
            let kernel = kernel::generate(&folder, &units, *size)?;
            let words = format!("{} MB of objects", kernel.bytes() / 1_000_000);
            Ok::<_, Error>((kernel, words))
        })?;
        let (contestants, missing) = contestants::all(&fatld, &kernel)?;
        report.missing = missing;
        // The last size is the largest: what the others leave of their share is its.
        let budget = Duration::from_secs(options.budget).saturating_sub(start.elapsed());
        let share = if left == 1 {
            budget
        } else {
            budget / (left * left)
        };
        left -= 1;
        rounds(&kernel, &contestants, options.rounds, share, &mut report)?;
        if *size == 1 {
            instructions(&contestants, &mut report)?;
        }
    }
    println!("{report}");
    if let Some(path) = &options.json {
        table::write_json(&report, path)?;
    }
    Ok(())
}

/// Runs all contestants in turn, again and again, until the time is over.
fn rounds(
    kernel: &Kernel,
    contestants: &[Contestant],
    wanted: Option<usize>,
    budget: Duration,
    report: &mut Report,
) -> Result<(), Error> {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); contestants.len()];
    let (start, mut done) = (Instant::now(), 0_usize);
    // One round that does not count warms the page cache, and shows who cannot link this.
    let mut able = Vec::new();
    for contestant in contestants {
        match contestant.run() {
            Err(error) if contestant.is_ours => return Err(error),
            Err(error) => {
                say(&format!(
                    "{} is left out: {}",
                    contestant.name,
                    error.rendered()
                ));
                report.refused.push((kernel.size, contestant.name.clone()));
            }
            Ok(_) => able.push(contestant),
        }
    }
    let contestants = able;
    loop {
        for (contestant, costs) in contestants.iter().zip(&mut costs) {
            costs.push(contestant.run()?);
        }
        done += 1;
        let next = start.elapsed() / (done as u32 + 1);
        let over = wanted.map_or(
            done == MOST_ROUNDS || start.elapsed() + next > budget,
            |wanted| done >= wanted,
        );
        if over {
            break;
        }
    }
    say(&format!("{done} rounds at size {}", kernel.size));
    for (contestant, costs) in contestants.iter().zip(costs) {
        report.rows.push(Row {
            size: kernel.size,
            bytes: kernel.bytes(),
            contestant: contestant.name.clone(),
            work: contestant.work,
            rounds: done,
            cost: Cost::median(&costs),
            instructions: None,
        });
    }
    Ok(())
}

/// Counts the instructions of those who stand for something: callgrind is slow.
fn instructions(contestants: &[Contestant], report: &mut Report) -> Result<(), Error> {
    if !measure::has_callgrind() {
        report.missing.push("valgrind".to_owned());
        return Ok(());
    }
    let refused = |contestant: &&Contestant| {
        report
            .refused
            .iter()
            .all(|(_, name)| *name != contestant.name)
    };
    let able: Vec<_> = contestants.iter().filter(refused).collect();
    for contestant in able {
        let count = step(&format!("Instructions of {}", contestant.name), || {
            contestant
                .instructions()
                .map(|count| (count, String::new()))
        })?;
        let row = report
            .rows
            .iter_mut()
            .rfind(|row| row.contestant == contestant.name);
        if let Some(row) = row {
            row.instructions = Some(count);
        }
    }
    Ok(())
}
