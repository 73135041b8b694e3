//! The table: a block per size, ratios against lld, and the cost per byte.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::contestants::{Work, reference};
use super::measure::Cost;
use crate::error::Error;

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// A row per size and contestant.
    pub rows: Vec<Row>,
    /// What would have been measured if it were there.
    pub missing: Vec<String>,
    /// Who could not link a kernel of this size.
    pub refused: Vec<(u32, String)>,
}

/// One contestant at one size.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Copies of the units.
    pub size: u32,
    /// Bytes of all objects of all slices.
    pub bytes: u64,
    /// Who.
    pub contestant: String,
    /// What it makes.
    pub work: Work,
    /// Rounds that were measured.
    pub rounds: usize,
    /// Medians.
    pub cost: Cost,
    /// Instructions of one link, where they were counted.
    pub instructions: Option<u64>,
}

impl Report {
    fn find(&self, size: u32, contestant: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.size == size && row.contestant == contestant)
    }
}

/// Writes all figures.
pub fn write_json(report: &impl Serialize, path: &Path) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(report).map_err(|e| Error::System {
        doing: "write the figures",
        source: e.into(),
    })?;
    std::fs::write(path, text + "\n").map_err(|source| Error::System {
        doing: "write the figures",
        source,
    })
}

fn ratio(of: f64, to: Option<f64>) -> String {
    match to.filter(|to| *to > 0.0) {
        Some(to) => format!("{:.2}", of / to),
        None => "–".to_owned(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Ratios to lld's links of the same slices, summed, that make the same: 0.50 is half of what lld takes.\n"
        )?;
        let mut sizes: Vec<_> = self.rows.iter().map(|row| row.size).collect();
        sizes.dedup();
        for size in sizes {
            self.block(f, size)?;
        }
        if !self.missing.is_empty() {
            writeln!(
                f,
                "not measured because missing: {}",
                self.missing.join(", ")
            )?;
        }
        for (size, contestant) in &self.refused {
            writeln!(f, "could not link size {size}: {contestant}")?;
        }
        Ok(())
    }
}

impl Report {
    fn block(&self, f: &mut fmt::Formatter<'_>, size: u32) -> fmt::Result {
        let rows: Vec<_> = self.rows.iter().filter(|row| row.size == size).collect();
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let megabytes = first.bytes as f64 / 1e6;
        writeln!(
            f,
            "size {size}: {megabytes:.0} MB of objects, medians of {} rounds\n",
            first.rounds
        )?;
        writeln!(
            f,
            "| link | makes | CPU | wall | memory | instructions | CPU ms | wall ms | MB | CPU ns per byte |"
        )?;
        writeln!(
            f,
            "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |"
        )?;
        for work in [Work::Image, Work::Debug] {
            for row in rows.iter().filter(|row| row.work == work) {
                self.row(f, row)?;
            }
        }
        writeln!(f)
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
        let lld = self.find(row.size, reference(row.work));
        let of =
            |figure: fn(&Cost) -> f64| ratio(figure(&row.cost), lld.map(|lld| figure(&lld.cost)));
        let instructions = match (row.instructions, lld.and_then(|lld| lld.instructions)) {
            (Some(own), other) => ratio(own as f64, other.map(|n| n as f64)),
            (None, _) => "–".to_owned(),
        };
        let makes = match row.work {
            Work::Image => "image",
            Work::Debug => "image and debug information",
        };
        writeln!(
            f,
            "| {} | {makes} | {} | {} | {} | {instructions} | {:.0} | {:.0} | {:.0} | {:.2} |",
            row.contestant,
            of(|c| c.cpu),
            of(|c| c.wall),
            of(|c| c.memory),
            row.cost.cpu * 1e3,
            row.cost.wall * 1e3,
            row.cost.memory / 1e6,
            row.cost.cpu * 1e9 / row.bytes as f64,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ratios_of_what_makes_the_same() {
        let row = |contestant: &str, work, cpu| Row {
            size: 1,
            bytes: 2_000_000,
            contestant: contestant.to_owned(),
            work,
            rounds: 3,
            cost: Cost {
                cpu,
                wall: cpu,
                memory: cpu,
            },
            instructions: None,
        };
        let report = Report {
            rows: vec![
                row("fatld", Work::Image, 1.0),
                row(reference(Work::Image), Work::Image, 2.0),
                row(reference(Work::Debug), Work::Debug, 9.0),
            ],
            missing: vec!["mold".to_owned()],
            refused: vec![(1, "wild, sum".to_owned())],
        };
        let text = report.to_string();
        assert!(
            text.contains("| fatld | image | 0.50 | 0.50 | 0.50 | – |"),
            "{text}"
        );
        assert!(text.contains("missing: mold"), "{text}");
    }
}
