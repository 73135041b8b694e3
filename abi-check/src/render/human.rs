//! The report as plain text.

use std::fmt::{self, Display, Formatter};

use super::{
    COMPILERS_DIFFER, compilers, count, doubt, extent, extent_of_comparison, flags, headline,
    hint::hint, noun, quoted, same, severity, summary,
};
use crate::report::{FieldTable, Finding, Report, Unproved};

/// Affected types, unproved items and roots that are named before the rest is counted.
const MAX_NAMED: usize = 8;
/// One-sided roots that are named before the rest is counted.
const MAX_UNPROVED: usize = 200;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.header(f)?;
        for finding in &self.findings {
            writeln!(f)?;
            self.finding(f, finding)?;
        }
        if !self.unproved.is_empty() {
            writeln!(f)?;
        }
        for unproved in self.unproved.iter().take(MAX_UNPROVED) {
            self.unproved(f, unproved)?;
        }
        if self.unproved.len() > MAX_UNPROVED {
            writeln!(
                f,
                "unproved: and {} more",
                self.unproved.len() - MAX_UNPROVED
            )?;
        }
        writeln!(f)?;
        self.summary(f)
    }
}

impl Report {
    fn header(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sides = self.sides.join(", ");
        writeln!(f, "{} of {sides}", extent_of_comparison(self))?;
        for (side, name) in self.sides.iter().enumerate() {
            writeln!(f, "  {name}: {}", compilers(self, side))?;
        }
        if self.compilers_differ() {
            writeln!(f, "warning: {COMPILERS_DIFFER}")?;
        }
        for line in flags(self, str::to_owned) {
            writeln!(f, "warning: {line}")?;
        }
        Ok(())
    }

    fn finding(&self, f: &mut Formatter<'_>, finding: &Finding) -> fmt::Result {
        let level = severity(finding.kind.severity());
        writeln!(
            f,
            "{level}[{}]: {}",
            finding.kind.id(),
            headline(finding, quoted)
        )?;
        for (index, reached) in finding.reached.iter().enumerate() {
            let label = if index == 0 { "reached from" } else { "" };
            let path = if reached.path == reached.root {
                String::new()
            } else {
                format!("  ({})", reached.path)
            };
            writeln!(
                f,
                "  {label:<12}  {} {}{path}",
                noun(reached.kind),
                reached.root
            )?;
        }
        let hidden = (finding.more_roots + 1).saturating_sub(finding.reached.len());
        if hidden > 0 && !finding.reached.is_empty() {
            writeln!(f, "  {:<12}  and {}", "", count(hidden, "more root"))?;
        }
        let names = || finding.sides.iter().map(|view| self.side(view.side));
        let places: Vec<String> = finding
            .sides
            .iter()
            .map(|view| {
                view.place
                    .as_ref()
                    .map_or(String::new(), |place| place.to_string())
            })
            .collect();
        let width = names().map(|name| name.chars().count()).max().unwrap_or(0);
        let place_width = places
            .iter()
            .map(|place| place.chars().count())
            .max()
            .unwrap_or(0);
        for ((view, name), place) in finding.sides.iter().zip(names()).zip(&places) {
            let gap = if place_width == 0 { "" } else { "  " };
            writeln!(
                f,
                "  {name:<width$}{gap}{place:<place_width$}  {}",
                view.text
            )?;
        }
        if let Some(table) = &finding.table {
            self.table(f, table)?;
        }
        if !finding.also_affects.is_empty() {
            let all = &finding.also_affects;
            let shown = all[..all.len().min(MAX_NAMED)].join(", ");
            let more = if all.len() > MAX_NAMED { ", …" } else { "" };
            writeln!(
                f,
                "  also affects {}: {shown}{more}",
                count(all.len(), "type")
            )?;
        }
        writeln!(f, "  hint: {}", hint(self, finding))?;
        Ok(())
    }

    fn table(&self, f: &mut Formatter<'_>, table: &FieldTable) -> fmt::Result {
        let mut lines = vec![vec!["  field".to_owned()]];
        lines[0].extend(table.sides.iter().map(|side| self.side(*side).to_owned()));
        lines[0].push("type".to_owned());
        for row in &table.rows {
            let mut names = row
                .cells
                .iter()
                .flatten()
                .map(|cell| cell.type_name.as_str());
            let first = names.next().unwrap_or("");
            let one_type = names.all(|name| name == first);
            let differs = row
                .cells
                .iter()
                .any(|cell| !same(cell.as_ref(), row.cells[0].as_ref()));
            let mut line = vec![format!("{}{}", if differs { "* " } else { "  " }, row.name)];
            line.extend(row.cells.iter().map(|cell| match cell {
                None => "absent".to_owned(),
                Some(cell) if one_type => extent(cell),
                Some(cell) => format!("{} {}", extent(cell), cell.type_name),
            }));
            line.push(if one_type {
                first.to_owned()
            } else {
                String::new()
            });
            lines.push(line);
        }
        let columns = table.sides.len() + 2;
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for line in &lines {
            let cells: Vec<String> = line
                .iter()
                .zip(&widths)
                .map(|(text, width)| format!("{text:<width$}", width = *width))
                .collect();
            writeln!(f, "    {}", cells.join("   ").trim_end())?;
        }
        Ok(())
    }

    fn unproved(&self, f: &mut Formatter<'_>, unproved: &Unproved) -> fmt::Result {
        write!(f, "unproved: {}", doubt(self, unproved, str::to_owned))?;
        match unproved.reached.first() {
            Some(reached) => writeln!(f, "  ({})", reached.path),
            None => writeln!(f),
        }
    }

    fn summary(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", summary(self))
    }
}
