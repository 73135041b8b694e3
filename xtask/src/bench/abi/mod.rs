//! `cargo xtask bench abi`: what comparing all types of two large files costs, beside what other tools take.
//!
//! All contestants compare a pair in turn, round by round, so that all meet the same machine in the same state; one round
//! before does not count. What abi-check finds in the generated corpus is known, and anything else ends the run.

mod contestants;
mod corpus;
mod features;
mod model;
mod pairs;
mod rust;
mod table;
mod tools;
mod walk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;

use crate::bench::contestants::build_released;
use crate::bench::kernel::target_folder;
use crate::bench::measure::Cost;
use crate::error::Error;
use crate::progress::{say, step};
use contestants::Contestant;
use pairs::Pair;
use table::{Block, Report};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Units of the generated corpus: 400 are some 50 MB of .debug_info on each side; 0 leaves it out
    #[arg(long, default_value_t = 400)]
    units: usize,
    /// Leave out the project's own program, which is built twice for this
    #[arg(long)]
    no_program: bool,
    /// Leave out what each tool notices of the project's own cases, which is written into docs/abi-check-tools.md
    #[arg(long)]
    no_cases: bool,
    /// Two files to compare too, such as kernels with debug information
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    kernel: Vec<PathBuf>,
    /// Rounds per pair [default: as many as the budget allows, at most 15]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds for all of it, generation included; each pair has a round at least
    #[arg(long, default_value_t = 480)]
    budget: u64,
    /// Write a side of the corpus, and no more
    #[arg(long, hide = true)]
    write_side: Option<usize>,
    /// Go over all entries of a file, and no more
    #[arg(long, hide = true, value_name = "FILE")]
    walk: Option<PathBuf>,
    /// Also write the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// More rounds than this change no median.
const MOST_ROUNDS: usize = 15;

/// Generates, builds, compares, and prints the tables.
pub fn run(options: &Options) -> Result<(), Error> {
    if let Some(file) = &options.walk {
        println!("{} entries", walk::run(file)?);
        return Ok(());
    }
    let start = Instant::now();
    let folder = pairs::folder()?;
    if let Some(side) = options.write_side {
        return pairs::write_side(&folder, options.units, side);
    }
    let abi_check = step("Building abi-check", || {
        build_released("abi-check").map(|path| (path, String::new()))
    })?;
    let pairs = pairs_of(options, &folder)?;
    let (tools, missing) = tools::all(&folder);
    let contestants = contestants::all(&abi_check, &tools);
    if !options.no_cases {
        step("What tools notice of the cases", || {
            let (cases, page) = features::run(&abi_check, tools, missing.is_empty(), &folder)?;
            Ok::<_, Error>(((), format!("{cases} cases, {}", page.display())))
        })?;
    }
    let mut report = Report {
        missing,
        ..Report::default()
    };
    for (index, pair) in pairs.iter().enumerate() {
        let found = match &pair.differing {
            Some(expected) => Some(check(&abi_check, pair, expected)?),
            None => None,
        };
        let left = Duration::from_secs(options.budget).saturating_sub(start.elapsed());
        let share = left / (pairs.len() - index) as u32;
        let mut block = rounds(pair, &contestants, options.rounds, share, &folder)?;
        block.found = found;
        report.blocks.push(block);
    }
    println!("{report}");
    match &options.json {
        Some(path) => crate::bench::table::write_json(&report, path),
        None => Ok(()),
    }
}

fn pairs_of(options: &Options, folder: &Path) -> Result<Vec<Pair>, Error> {
    let shown = |pair: Pair| {
        let words = format!("{:.0} MB of .debug_info", pair.debug_info as f64 / 1e6);
        (pair, words)
    };
    let mut pairs = Vec::new();
    if options.units > 0 {
        pairs.push(step("Generating the corpus", || {
            pairs::corpus(folder, options.units).map(shown)
        })?);
    }
    if !options.no_program {
        pairs.push(step("Building cargo-fat twice", || {
            pairs::program(folder).map(shown)
        })?);
    }
    pairs.extend(pairs::given(&options.kernel)?);
    Ok(pairs)
}

/// That abi-check finds what the files were made with, and nothing else.
fn check(abi_check: &Path, pair: &Pair, expected: &[String]) -> Result<usize, Error> {
    let program = "abi-check".to_owned();
    let output = Command::new(abi_check)
        .args(["--all", "--format=json"])
        .args(&pair.files)
        .output();
    let output = output.map_err(|source| Error::Start {
        program: program.clone(),
        source,
    })?;
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|_| Error::Tool {
            program,
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        })?;
    let found = differing(&report);
    let is_known = found.iter().eq(expected) && report["counts"]["unproved"] == 0;
    match is_known {
        true => Ok(expected.len()),
        false => Err(Error::WrongFindings {
            found: format!(
                "{} ({} unproved)",
                found.into_iter().collect::<Vec<_>>().join(", "),
                report["counts"]["unproved"]
            ),
            expected: expected.join(", "),
        }),
    }
}

/// Names of the types that differ.
fn differing(report: &serde_json::Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().into_iter().flatten();
    let names = findings.map(|finding| finding["type"].as_str().unwrap_or_default().to_owned());
    names.collect()
}

/// Runs all contestants in turn, again and again, until the time is over.
fn rounds(
    pair: &Pair,
    contestants: &[Contestant],
    wanted: Option<usize>,
    budget: Duration,
    folder: &Path,
) -> Result<Block, Error> {
    let (start, log) = (Instant::now(), folder.join("log"));
    let (mut able, mut refused) = (Vec::new(), Vec::new());
    // One round that does not count warms the page cache, and shows who cannot compare these.
    for contestant in contestants {
        match contestant.run(&pair.files, &log) {
            Err(error) if contestant.is_ours => return Err(error),
            Err(error) => {
                let said = error.rendered();
                let first: Vec<_> = said.lines().take(2).collect();
                refused.push(format!("{}: {}", contestant.name, first.join(" ")));
            }
            Ok(_) => able.push((contestant, Vec::new())),
        }
    }
    let begun = Instant::now();
    let mut done = 0_usize;
    loop {
        for (contestant, costs) in &mut able {
            costs.push(contestant.run(&pair.files, &log)?);
        }
        done += 1;
        let next = begun.elapsed() / done as u32;
        let is_over = wanted.map_or(
            done == MOST_ROUNDS || start.elapsed() + next > budget,
            |wanted| done >= wanted,
        );
        if is_over {
            break;
        }
    }
    say(&format!("{done} rounds of {}", pair.name));
    let rows = able
        .into_iter()
        .map(|(contestant, costs)| (contestant.name.to_owned(), Cost::median(&costs)));
    Ok(Block {
        name: pair.name.to_owned(),
        debug_info: pair.debug_info,
        bytes: pair.bytes,
        rounds: done,
        rows: rows.collect(),
        refused,
        found: None,
    })
}
