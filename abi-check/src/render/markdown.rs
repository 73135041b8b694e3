//! The report as Markdown (GitHub's dialect), for comments on pull requests.
//!
//! Invariant: nothing from a report is taken for markup; every text of it goes through [`escape`].

use std::fmt::Write;

use super::{
    COMPILERS_DIFFER, compilers, count, doubt, excuse, extent, extent_of_comparison, flags,
    headline, hint::hint, level, reason_of, same, summary,
};
use crate::report::{Cell, FieldTable, Finding, Report, Severity};

/// What is unproved, and affected types, that are named before the rest is counted: comments have a largest size.
const MAX_NAMED: usize = 20;

impl Report {
    /// The report as Markdown: a line that sums it up, then a table for each finding with a column for each side.
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "**abi-check: {}** ({} of {})\n\n",
            escape(&summary(self)),
            extent_of_comparison(self),
            self.sides
                .iter()
                .map(|side| code(side))
                .collect::<Vec<_>>()
                .join(", ")
        );
        for (side, name) in self.sides.iter().enumerate() {
            text += &format!("- {}: {}\n", code(name), escape(&compilers(self, side)));
        }
        if self.compilers_differ() {
            text += &format!("- warning: {COMPILERS_DIFFER}\n");
        }
        for line in flags(self, code) {
            text += &format!("- warning: {line}\n");
        }
        for finding in &self.findings {
            self.markdown_finding(&mut text, finding);
        }
        if !self.unproved.is_empty() {
            text += "\n### Unproved\n\n";
        }
        for unproved in self.unproved.iter().take(MAX_NAMED) {
            let excuse = unproved.suppressed.as_ref().map(excuse);
            let excuse = excuse.map_or(String::new(), |text| format!("; {}", escape(&text)));
            text += &format!("- {}{excuse}\n", doubt(self, unproved, code));
        }
        if self.unproved.len() > MAX_NAMED {
            text += &format!("- and {} more\n", self.unproved.len() - MAX_NAMED);
        }
        text
    }

    fn markdown_finding(&self, text: &mut String, finding: &Finding) {
        let sign = match (&finding.suppressed, finding.kind.severity()) {
            (Some(_), _) => "🔕",
            (None, Severity::Error) => "❌",
            (None, Severity::Warning) => "⚠️",
        };
        *text += &format!(
            "\n### {sign} {} {}: {}\n\n",
            level(finding),
            finding.kind.id(),
            headline(finding, code)
        );
        let names = finding.sides.iter().map(|view| code(self.side(view.side)));
        line(text, std::iter::once(String::new()).chain(names));
        line(
            text,
            std::iter::repeat_n("---".to_owned(), finding.sides.len() + 1),
        );
        let places = || finding.sides.iter().map(|view| view.place.as_ref());
        if places().any(|place| place.is_some()) {
            let cells = places()
                .map(|place| place.map_or(String::new(), |place| escape(&place.to_string())));
            line(text, std::iter::once("source".to_owned()).chain(cells));
        }
        let texts: Vec<&str> = finding
            .sides
            .iter()
            .map(|view| view.text.as_str())
            .collect();
        let differ = texts.iter().any(|other| *other != texts[0]);
        let cells = texts.iter().map(|text| bold(&escape(text), differ));
        line(text, std::iter::once("found".to_owned()).chain(cells));
        if let Some(table) = &finding.table {
            self.markdown_table(text, table);
        }
        text.push('\n');
        for reached in &finding.reached {
            *text += &format!("- reached by {}\n", code(&reached.path));
        }
        if finding.more_roots > 0 && !finding.reached.is_empty() {
            *text += &format!("- and from {}\n", count(finding.more_roots, "more root"));
        }
        if !finding.also_affects.is_empty() {
            let all = &finding.also_affects;
            let shown: Vec<String> = all.iter().take(MAX_NAMED).map(|name| code(name)).collect();
            let more = if all.len() > MAX_NAMED { ", …" } else { "" };
            *text += &format!(
                "- also affects {}: {}{more}\n",
                count(all.len(), "type"),
                shown.join(", ")
            );
        }
        if let Some(note) = reason_of(finding) {
            *text += &format!("- reason: {}\n", escape(&note.what));
        }
        *text += &match &finding.suppressed {
            Some(suppressed) => format!("- {}\n", escape(&excuse(suppressed))),
            None => format!("- hint: {}\n", backticks_as_code(&hint(self, finding))),
        };
    }

    /// All fields; cells of a row that differs are bold.
    fn markdown_table(&self, text: &mut String, table: &FieldTable) {
        text.push('\n');
        let names = table.sides.iter().map(|side| code(self.side(*side)));
        line(text, std::iter::once("field".to_owned()).chain(names));
        line(
            text,
            std::iter::repeat_n("---".to_owned(), table.sides.len() + 1),
        );
        for row in &table.rows {
            let differs = row
                .cells
                .iter()
                .any(|cell| !same(cell.as_ref(), row.cells[0].as_ref()));
            let cells = row
                .cells
                .iter()
                .map(|cell| bold(&cell_text(cell.as_ref()), differs));
            line(text, std::iter::once(code(&row.name)).chain(cells));
        }
        if table.sizes.iter().any(|size| *size != table.sizes[0]) {
            let sizes = table
                .sizes
                .iter()
                .map(|size| bold(&crate::compare::bytes(*size), true));
            line(text, std::iter::once("whole".to_owned()).chain(sizes));
        }
    }
}

fn cell_text(cell: Option<&Cell>) -> String {
    match cell {
        None => "absent".to_owned(),
        Some(cell) => format!("{} {}", escape(&extent(cell)), code(&cell.type_name)),
    }
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(text, "| {cell} ");
    }
    text.push_str("|\n");
}

fn bold(text: &str, yes: bool) -> String {
    match yes && !text.is_empty() {
        true => format!("**{text}**"),
        false => text.to_owned(),
    }
}

/// A name in type of fixed width. Not between backticks: within those nothing can be escaped.
fn code(name: &str) -> String {
    format!("<code>{}</code>", escape(name))
}

/// A text of ours in which names stand between backticks.
fn backticks_as_code(text: &str) -> String {
    let part = |(index, part): (usize, &str)| match index % 2 {
        0 => escape(part),
        _ => code(part),
    };
    text.split('`').enumerate().map(part).collect()
}

/// Text without any markup in it, also within a table.
fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            // Else it would call somebody.
            '@' => result.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' | '!' => {
                result.push('\\');
                result.push(letter);
            }
            '\n' | '\r' | '\t' => result.push(' '),
            _ => result.push(letter),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_markup() {
        assert_eq!(
            escape("a|b`c` <img> &x\n@y"),
            r"a\|b\`c\` &lt;img&gt; &amp;x &#64;y"
        );
        assert_eq!(code("Option<__T>"), r"<code>Option&lt;\_\_T&gt;</code>");
        assert_eq!(
            backticks_as_code("use `#[x]` or <y>"),
            r"use <code>\#\[x\]</code> or &lt;y&gt;"
        );
    }
}
