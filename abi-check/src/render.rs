//! Text of a report: the only place that formats findings.
//!
//! Invariant: the text is a function of the report alone.

use std::fmt::{self, Display, Formatter};

use crate::report::{
    Cell, FieldTable, Finding, Kind, Reason, Report, RootKind, Severity, Unproved, Verdict,
};

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
        write!(
            f,
            "compared {} and {} of ",
            count(self.compared_roots, "root"),
            count(self.compared_types, "type")
        )?;
        writeln!(f, "{}", self.sides.join(", "))?;
        for (side, name) in self.sides.iter().enumerate() {
            let compilers: Vec<String> = self
                .producers
                .iter()
                .filter(|producer| producer.side == side)
                .map(|producer| format!("{} ({})", producer.text, count(producer.units, "unit")))
                .collect();
            writeln!(
                f,
                "  {name}: {}",
                if compilers.is_empty() {
                    "no types".to_owned()
                } else {
                    compilers.join(", ")
                }
            )?;
        }
        if self.compilers_differ() {
            writeln!(f, "warning: the sides were made by different compilers")?;
        }
        Ok(())
    }

    fn finding(&self, f: &mut Formatter<'_>, finding: &Finding) -> fmt::Result {
        let level = match finding.kind.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{level}[{}]: {}", finding.kind.id(), headline(finding))?;
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
        let sides: Vec<&str> = unproved.sides.iter().map(|side| self.side(*side)).collect();
        let sides = sides.join(", ");
        let subject = &unproved.subject;
        match unproved.reason {
            Reason::OneSided(kind) => {
                let noun = noun(kind);
                write!(f, "unproved: {noun} {subject} is only defined on {sides}")?
            }
            Reason::NoDefinition => write!(f, "unproved: {subject} is not defined on {sides}")?,
            Reason::Ambiguous => {
                write!(f, "unproved: {subject} has several definitions on {sides}")?
            }
            Reason::Unreadable(what) => write!(f, "unproved: {subject}: {what} on {sides}")?,
            Reason::NoTypes => write!(
                f,
                "unproved: {sides} has no type information (-Cdebuginfo=2, or -g)"
            )?,
            Reason::TooManyCandidates(kind) => write!(
                f,
                "unproved: {} {subject} has too many candidates on {sides}",
                noun(kind)
            )?,
        }
        match unproved.reached.first() {
            Some(reached) => writeln!(f, "  ({})", reached.path),
            None => writeln!(f),
        }
    }

    fn summary(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let severity = |wanted| {
            self.findings
                .iter()
                .filter(|finding| finding.kind.severity() == wanted)
                .count()
        };
        match self.verdict() {
            Verdict::Equal => write!(f, "all proved equal")?,
            Verdict::Mismatch => write!(f, "{}", count(severity(Severity::Error), "mismatch"))?,
            Verdict::Unproved => write!(f, "no mismatch, {} unproved", self.unproved.len())?,
            Verdict::NothingCompared => write!(f, "error: nothing was compared")?,
        }
        match severity(Severity::Warning) {
            0 => writeln!(f),
            warnings => writeln!(f, ", {}", count(warnings, "warning")),
        }
    }

    fn side(&self, index: usize) -> &str {
        self.sides.get(index).map_or("?", String::as_str)
    }
}

/// What a root is.
fn noun(root: RootKind) -> &'static str {
    match root {
        RootKind::Static => "static",
        RootKind::Vtable => "vtable",
        RootKind::Type => "type",
    }
}

fn headline(finding: &Finding) -> String {
    let ty = &finding.type_name;
    let member = finding.member.as_deref().unwrap_or("");
    let of = if ty.is_empty() {
        format!("static `{member}`")
    } else {
        format!("field `{member}` of `{ty}`")
    };
    let whole = if finding.member.is_some() {
        of.clone()
    } else {
        format!("`{ty}`")
    };
    match finding.kind {
        Kind::Size => format!("{whole} is not of the same size"),
        Kind::Alignment => format!("{whole} is not aligned alike"),
        Kind::FieldOffset => format!("{of} is not at the same place"),
        Kind::FieldMissing => format!("{of} is not on every side"),
        Kind::FieldType => format!("{of} has not the same type"),
        Kind::Enumerator => format!("enumerators of `{ty}` differ, the first is `{member}`"),
        Kind::Discriminant if finding.member.is_none() => {
            format!("`{ty}` does not tell its variants apart alike")
        }
        Kind::Discriminant => {
            format!("`{ty}` does not tell its variants apart alike, the first is `{member}`")
        }
        Kind::Variant => format!("variant `{member}` of `{ty}` is not on every side"),
        Kind::BaseEncoding => format!("{whole} is not encoded alike"),
        Kind::Kind => format!("{whole} is not the same kind of type"),
        Kind::ArrayLength => format!("{whole} has not the same number of elements"),
        Kind::PointerWidth => format!("{whole}: pointers are not of the same size"),
        Kind::FloatFormat => format!("{whole} is not in the same floating-point format"),
        Kind::ByteOrder if ty.is_empty() => "the sides have not the same byte order".to_owned(),
        Kind::ByteOrder => format!("{whole} has not the same byte order"),
        Kind::Bitfield => format!("bit {of} is not at the same place"),
        Kind::Signature => format!("{whole}: functions have not the same signature"),
        Kind::DifferentType => format!("{of} has types of different names and the same layout"),
    }
}

fn same(a: Option<&Cell>, b: Option<&Cell>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a.bit_offset == b.bit_offset && a.bit_size == b.bit_size && a.type_name == b.type_name
        }
        (a, b) => a.is_none() == b.is_none(),
    }
}

/// Offset and size of a field, in bytes unless it is a bit field.
fn extent(cell: &Cell) -> String {
    let in_bytes = cell.bit_offset.is_multiple_of(8)
        && cell.bit_size.is_none_or(|size| size.is_multiple_of(8));
    let size = |unit: u64| {
        cell.bit_size
            .map_or("?".to_owned(), |size| (size / unit).to_string())
    };
    if in_bytes {
        format!("{} [{}]", cell.bit_offset / 8, size(8))
    } else {
        format!("bit {} [{} bits]", cell.bit_offset, size(1))
    }
}

/// `1 root`, `2 roots`, `2 mismatches`.
fn count(number: usize, noun: &str) -> String {
    let plural = if noun.ends_with("ch") { "es" } else { "s" };
    format!("{number} {noun}{}", if number == 1 { "" } else { plural })
}
