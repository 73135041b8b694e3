//! The table: a block per pair, ratios to abi-check, and the bars.

use std::fmt;

use serde::Serialize;

use super::contestants::{ALL, DEFAULT, WALK};
use crate::bench::measure::Cost;

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// A block for each pair.
    pub blocks: Vec<Block>,
    /// What would have been measured if it were there.
    pub missing: Vec<String>,
}

/// A pair of files.
#[derive(Debug, Serialize)]
pub struct Block {
    /// What they are.
    pub name: String,
    /// Bytes of `.debug_info` of both.
    pub debug_info: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Rounds that were measured.
    pub rounds: usize,
    /// Medians of each contestant.
    pub rows: Vec<(String, Cost)>,
    /// Who could not compare them, and what it said.
    pub refused: Vec<String>,
    /// In how many types abi-check found exactly the differences that the files were made with.
    pub found: Option<usize>,
}

/// Bytes of `.debug_info` that must be read in a CPU-second.
const SPEED: f64 = 100e6;
/// Bytes of memory beyond the files.
const MEMORY: f64 = 300e6;
/// By how much the CPU time of others must be larger.
const FACTORS: [(&str, f64); 2] = [("codiff -s", 10.0), ("abidiff", 30.0)];

impl Block {
    fn cost(&self, name: &str) -> Option<&Cost> {
        self.rows.iter().find(|row| row.0 == name).map(|row| &row.1)
    }

    /// Beyond the size of the files: they are mapped.
    fn beyond(&self, cost: &Cost) -> f64 {
        cost.memory - self.bytes as f64
    }

    /// Each bar, what was measured, and whether it is met.
    fn bars(&self) -> Vec<(String, String, bool)> {
        let mut bars = Vec::new();
        for name in [DEFAULT, ALL] {
            let Some(own) = self.cost(name) else { continue };
            let speed = self.debug_info as f64 / own.cpu;
            bars.push((
                format!("{name}: at least 100 MB of .debug_info per CPU-second"),
                format!("{:.0} MB", speed / 1e6),
                speed >= SPEED,
            ));
            let beyond = self.beyond(own);
            bars.push((
                format!("{name}: peak memory at most the files + 300 MB"),
                format!("files {:+.0} MB", beyond / 1e6),
                beyond <= MEMORY,
            ));
            for (other, factor) in FACTORS {
                if let Some(cost) = self.cost(other) {
                    let ratio = cost.cpu / own.cpu;
                    bars.push((
                        format!("{name}: {other} takes at least {factor} × its CPU time"),
                        format!("{ratio:.1} ×"),
                        ratio >= factor,
                    ));
                }
            }
        }
        bars
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {:.1} MB of .debug_info, files of {:.1} MB; medians of {} rounds\n",
            self.name,
            self.debug_info as f64 / 1e6,
            self.bytes as f64 / 1e6,
            self.rounds
        )?;
        writeln!(
            f,
            "| tool | CPU s | MB per CPU s | wall s | peak MB | peak − files, MB | CPU to {DEFAULT} | CPU to {ALL} | CPU to the walk |"
        )?;
        writeln!(f, "| --- | --: | --: | --: | --: | --: | --: | --: | --: |")?;
        for (name, cost) in &self.rows {
            let ratio = |to| match self.cost(to) {
                Some(to) if to.cpu > 0.0 => format!("{:.1}", cost.cpu / to.cpu),
                _ => "–".to_owned(),
            };
            writeln!(
                f,
                "| {name} | {:.2} | {:.0} | {:.2} | {:.0} | {:+.0} | {} | {} | {} |",
                cost.cpu,
                self.debug_info as f64 / 1e6 / cost.cpu,
                cost.wall,
                cost.memory / 1e6,
                self.beyond(cost) / 1e6,
                ratio(DEFAULT),
                ratio(ALL),
                ratio(WALK)
            )?;
        }
        writeln!(f, "\n| bar | measured | |\n| --- | --: | --- |")?;
        for (bar, measured, is_met) in self.bars() {
            let verdict = if is_met { "met" } else { "**not met**" };
            writeln!(f, "| {bar} | {measured} | {verdict} |")?;
        }
        writeln!(f)?;
        if let Some(found) = self.found {
            writeln!(
                f,
                "{ALL} finds exactly the {found} types that were made to differ."
            )?;
        }
        for refused in &self.refused {
            writeln!(f, "not measured: {refused}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for block in &self.blocks {
            writeln!(f, "{block}")?;
        }
        if !self.missing.is_empty() {
            writeln!(
                f,
                "not measured because missing: {}",
                self.missing.join(", ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_met_or_not_by_what_was_measured() {
        let cost = |cpu, memory| Cost {
            cpu,
            wall: cpu,
            memory,
        };
        let block = Block {
            name: "two".to_owned(),
            debug_info: 150_000_000,
            bytes: 200_000_000,
            rounds: 3,
            rows: vec![
                (DEFAULT.to_owned(), cost(1.0, 400e6)),
                (ALL.to_owned(), cost(2.0, 600e6)),
                (WALK.to_owned(), cost(0.5, 1e8)),
                ("codiff -s".to_owned(), cost(15.0, 1e9)),
            ],
            refused: Vec::new(),
            found: Some(3),
        };
        let met: Vec<bool> = block.bars().into_iter().map(|bar| bar.2).collect();
        assert_eq!(met, [true, true, true, false, false, false]);
        let text = block.to_string();
        assert!(
            text.contains("| codiff -s | 15.00 | 10 | 15.00 | 1000 | +800 | 15.0 | 7.5 | 30.0 |"),
            "{text}"
        );
        assert!(text.contains("| files +400 MB | **not met** |"), "{text}");
    }
}
