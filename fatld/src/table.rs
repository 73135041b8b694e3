//! Tables of text: columns as wide as their widest cell, the last one broken to the terminal's width.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left.
    Left,
    /// At the right, as numbers are read.
    Right,
}

/// A cell: text, and how it looks on a terminal.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            style: Style::new(),
        }
    }
}

impl Cell {
    /// The same with another look.
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// Rows under a heading.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<Cell>>,
}

/// Columns of the last cell that are left however narrow the terminal is.
const LEAST: usize = 20;

impl Table {
    /// A table with these headings.
    pub fn new(columns: impl IntoIterator<Item = (String, Align)>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, a cell per column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table, two spaces between columns. Cells of the last column continue on lines of their own where `width` (of
    /// the terminal, if it is one) ends.
    pub fn render(&self, width: Option<usize>, heading: Style) -> String {
        let count = self.columns.len();
        let widths: Vec<usize> = (0..count)
            .map(|at| {
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                let widest = cells.map(|cell| cell.text.width()).max().unwrap_or(0);
                widest.max(self.columns[at].0.width())
            })
            .collect();
        let before: usize = widths
            .iter()
            .take(count.saturating_sub(1))
            .map(|w| w + 2)
            .sum();
        let last = width.map(|width| width.saturating_sub(before).max(LEAST));
        let mut out = String::new();
        let head = self
            .columns
            .iter()
            .map(|(name, _)| Cell::from(name.as_str()).styled(heading));
        self.line(&mut out, &head.collect::<Vec<_>>(), &widths, None);
        for row in &self.rows {
            self.line(&mut out, row, &widths, last.map(|last| (last, before)));
        }
        out
    }

    fn line(
        &self,
        out: &mut String,
        cells: &[Cell],
        widths: &[usize],
        last: Option<(usize, usize)>,
    ) {
        let end = cells.len().saturating_sub(1);
        for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let padding = " ".repeat(width.saturating_sub(cell.text.width()));
            let (style, text) = (cell.style, cell.text.as_str());
            let _ = match (self.columns[at].1, last.filter(|_| at == end)) {
                (Align::Right, _) => write!(out, "{padding}{style}{text}{style:#}"),
                (Align::Left, Some((width, indent))) => {
                    let text = broken(text, width, indent);
                    write!(out, "{style}{text}{style:#}")
                }
                // No spaces at the end of a line.
                (Align::Left, None) if at == end => write!(out, "{style}{text}{style:#}"),
                (Align::Left, None) => write!(out, "{style}{text}{style:#}{padding}"),
            };
            out.push_str(if at == end { "" } else { "  " });
        }
        let kept = out.trim_end_matches(' ').len();
        out.truncate(kept);
        out.push('\n');
    }
}

/// Breaks text behind every `width` columns, with `indent` spaces before what follows.
fn broken(text: &str, width: usize, indent: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width {
            let _ = write!(out, "\n{:indent$}", "");
            used = 0;
        }
        out.push(c);
        used += wide;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            ("size".to_owned(), Align::Right),
            ("name".to_owned(), Align::Left),
        ]);
        table.row(vec!["8".into(), "short".into()]);
        table.row(vec![
            "12345".into(),
            "a name that is longer than it may be".into(),
        ]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let expected = " size  name\n    8  short\n12345  a name that is longer than it may be\n";
        assert_eq!(table().render(None, Style::new()), expected);
    }

    #[test]
    fn the_last_column_goes_on_under_itself() {
        let expected =
            " size  name\n    8  short\n12345  a name that is longe\n       r than it may be\n";
        assert_eq!(table().render(Some(27), Style::new()), expected);
    }
}
