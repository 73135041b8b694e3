//! The report for people: as text of a given width, with or without colour.

use std::fmt::{self, Display, Formatter};

use anstyle::{AnsiColor, Style};

use super::{
    COMPILERS_DIFFER, columns, compilers, count, doubt, excuse, extent_of_comparison, flags,
    headline, hint::hint, level, noun, quoted, reason_of, summary,
};
use crate::report::{Finding, Report, Unproved};

/// Affected types and roots that are named before the rest is counted.
const MAX_NAMED: usize = 8;
/// One-sided roots that are named before the rest is counted.
const MAX_UNPROVED: usize = 200;
/// What differs.
const DIFFERS: Style = AnsiColor::Red.on_default().bold();

/// How text for people looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Letters in a line; longer types are shortened, but never in what differs.
    pub width: usize,
    /// Whether what differs is coloured, by escape sequences.
    pub color: bool,
}

impl Default for Look {
    /// Plain, as wide as most screens.
    fn default() -> Look {
        Look {
            width: 120,
            color: false,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.human(f, Look::default())
    }
}

impl Report {
    /// The report as text for people. As it is displayed, it has the default look.
    pub fn to_text(&self, look: Look) -> String {
        /// A report that is displayed with a look of its own.
        struct Looking<'r>(&'r Report, Look);
        impl Display for Looking<'_> {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                self.0.human(f, self.1)
            }
        }
        Looking(self, look).to_string()
    }

    fn human(&self, f: &mut Formatter<'_>, look: Look) -> fmt::Result {
        self.header(f)?;
        for finding in &self.findings {
            writeln!(f)?;
            self.finding(f, finding, look)?;
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

    fn finding(&self, f: &mut Formatter<'_>, finding: &Finding, look: Look) -> fmt::Result {
        let (level, id) = (level(finding), finding.kind.id());
        writeln!(f, "{level}[{id}]: {}", headline(finding, quoted))?;
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
        let paint = |text: &str| match look.color {
            true => format!("{DIFFERS}{text}{DIFFERS:#}"),
            false => text.to_owned(),
        };
        for line in columns::lines(self, finding, look.width, paint) {
            writeln!(f, "{line}")?;
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
        if let Some(note) = reason_of(finding) {
            writeln!(f, "  reason: {}", note.what)?;
        }
        match &finding.suppressed {
            Some(suppressed) => writeln!(f, "  {}", excuse(suppressed)),
            None => writeln!(f, "  hint: {}", hint(self, finding)),
        }
    }

    fn unproved(&self, f: &mut Formatter<'_>, unproved: &Unproved) -> fmt::Result {
        let text = doubt(self, unproved, str::to_owned);
        let way = unproved.reached.first();
        let way = way.map_or(String::new(), |reached| format!("  ({})", reached.path));
        match &unproved.suppressed {
            None => writeln!(f, "unproved: {text}{way}"),
            Some(suppressed) => writeln!(f, "{text}{way}; {}", excuse(suppressed)),
        }
    }

    fn summary(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", summary(self))
    }
}
