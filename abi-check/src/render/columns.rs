//! What the sides of a finding have, side by side: a column for each, a row for each field and each padding.
//!
//! Too wide types are shortened with `…`, other texts go on in the next line; both keep what differs.
//!
//! Invariant: no letter that differs between sides is ever left out, whatever the width.

use super::same;
use crate::report::{Cell, FieldRow, FieldTable, Finding, Report};

/// What stands left of the columns: four spaces and a mark.
const INDENT: usize = 6;
/// Between columns.
const GAP: usize = 3;
/// Columns are not made narrower than this.
const MIN_WIDTH: usize = 16;
/// Of the letters of a type that do not differ, so many may stay even if there is no room.
const MIN_TYPE: usize = 6;

/// Letters, each with whether it differs from what the other sides have.
type Letters = Vec<(char, bool)>;

/// What one side has in a row.
#[derive(Default)]
struct Entry {
    text: Letters,
    /// The type at its end, which may be shortened.
    type_name: Letters,
}

struct Row {
    /// Whether it is marked as differing.
    marked: bool,
    entries: Vec<Entry>,
}

/// The lines of a finding's columns; `paint` puts letters that differ in colour.
pub(super) fn lines(
    report: &Report,
    finding: &Finding,
    width: usize,
    paint: impl Fn(&str) -> String,
) -> Vec<String> {
    let rows = rows(report, finding);
    let widths = widths(&rows, finding.sides.len(), width);
    rows.iter()
        .flat_map(|row| row.lines(&widths, &paint))
        .collect()
}

fn rows(report: &Report, finding: &Finding) -> Vec<Row> {
    let views = || finding.sides.iter();
    let mut rows = vec![Row::of_texts(
        views().map(|view| report.side(view.side).to_owned()),
        false,
    )];
    if views().any(|view| view.place.is_some()) {
        let place = |place: Option<_>| {
            place.map_or(String::new(), |place: &crate::report::Place| {
                place.to_string()
            })
        };
        rows.push(Row::of_texts(
            views().map(|view| place(view.place.as_ref())),
            false,
        ));
    }
    let table = finding.table.as_ref();
    let in_table = |table: &FieldTable| {
        table
            .rows
            .iter()
            .any(|row| Some(&row.name) == finding.member.as_ref())
    };
    if !table.is_some_and(in_table) {
        rows.push(Row::of_texts(views().map(|view| view.text.clone()), true));
    }
    if let Some(table) = table {
        let column = |side: usize| table.sides.iter().position(|other| *other == side);
        let columns: Vec<Option<usize>> = views().map(|view| column(view.side)).collect();
        fields(table, &columns, &mut rows);
    }
    rows
}

/// A row for each field and each padding, in the order of the first side's memory; then the size of the whole.
fn fields(table: &FieldTable, columns: &[Option<usize>], to: &mut Vec<Row>) {
    let mut order: Vec<(usize, &FieldRow)> = table.rows.iter().enumerate().collect();
    if table.sequential {
        // What the first side lacks stays behind the field that it is declared after.
        let mut last = 0;
        let mut keyed = Vec::new();
        for (index, row) in order {
            if let Some(Some(cell)) = row.cells.first() {
                last = cell.bit_offset;
            }
            keyed.push((last, (index, row)));
        }
        keyed.sort_by_key(|(at, _)| *at);
        order = keyed.into_iter().map(|(_, row)| row).collect();
    }
    let gaps: Vec<Vec<Gap>> = columns
        .iter()
        .map(|column| match column {
            Some(column) if table.sequential => gaps(table, *column),
            _ => Vec::new(),
        })
        .collect();
    for (index, row) in order {
        padding(&gaps, Some(index), to);
        to.push(Row::of_field(row, columns));
    }
    padding(&gaps, None, to);
    let size = |column: &Option<usize>| match column {
        Some(column) => crate::compare::bytes(table.sizes.get(*column).copied().flatten()),
        None => String::new(),
    };
    to.push(Row::of_texts(columns.iter().map(size), true));
}

/// Padding before a field, or at the end of the type.
struct Gap {
    /// Index of the row of the field.
    before: Option<usize>,
    start: u64,
    bits: u64,
}

/// The padding of one side.
fn gaps(table: &FieldTable, column: usize) -> Vec<Gap> {
    let cells = table
        .rows
        .iter()
        .map(|row| row.cells.get(column)?.as_ref())
        .enumerate();
    let mut cells: Vec<(usize, &Cell)> = cells
        .filter_map(|(index, cell)| Some((index, cell?)))
        .collect();
    cells.sort_by_key(|(_, cell)| cell.bit_offset);
    let mut result = Vec::new();
    let mut end = 0;
    let mut add = |before: Option<usize>, end: u64, start: u64| {
        if start > end {
            result.push(Gap {
                before,
                start: end,
                bits: start - end,
            });
        }
    };
    for (index, cell) in cells {
        add(Some(index), end, cell.bit_offset);
        let Some(bits) = cell.bit_size else {
            // Where such a field ends is not known, so neither is what follows it padding.
            return result;
        };
        end = end.max(cell.bit_offset.saturating_add(bits));
    }
    if let Some(Some(size)) = table.sizes.get(column) {
        add(None, end, size.saturating_mul(8));
    }
    result
}

fn padding(gaps: &[Vec<Gap>], before: Option<usize>, to: &mut Vec<Row>) {
    let found = |of_side: &Vec<Gap>| {
        let gap = of_side.iter().find(|gap| gap.before == before);
        gap.map_or(String::new(), |gap| {
            format!("{} padding", extent(gap.start, Some(gap.bits)))
        })
    };
    let texts: Vec<String> = gaps.iter().map(found).collect();
    if texts.iter().any(|text| !text.is_empty()) {
        to.push(Row {
            marked: false,
            ..Row::of_texts(texts.into_iter(), true)
        });
    }
}

/// `offset[size]`, in bytes unless it is a bit field.
fn extent(bit_offset: u64, bit_size: Option<u64>) -> String {
    let in_bytes =
        bit_offset.is_multiple_of(8) && bit_size.is_none_or(|size| size.is_multiple_of(8));
    let size = |unit: u64| bit_size.map_or("?".to_owned(), |size| (size / unit).to_string());
    if in_bytes {
        format!("{}[{}]", bit_offset / 8, size(8))
    } else {
        format!("bit {bit_offset}[{} bits]", size(1))
    }
}

impl Row {
    /// A row of texts; `compared` ones are marked if they differ, and what differs in them is.
    fn of_texts(texts: impl Iterator<Item = String>, compared: bool) -> Row {
        let texts: Vec<String> = texts.collect();
        let marked = compared && texts.iter().any(|text| *text != texts[0]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let letters = if compared {
            differing(&texts)
        } else {
            texts.iter().map(|text| plain(text)).collect()
        };
        let entry = |text| Entry {
            text,
            type_name: Vec::new(),
        };
        Row {
            marked,
            entries: letters.into_iter().map(entry).collect(),
        }
    }

    fn of_field(row: &FieldRow, columns: &[Option<usize>]) -> Row {
        let cells: Vec<Option<&Cell>> = columns
            .iter()
            .map(|column| column.and_then(|column| row.cells.get(column)?.as_ref()))
            .collect();
        let marked = !cells.iter().all(|cell| same(*cell, cells[0]));
        let absent = cells.iter().any(Option::is_none);
        let present: Vec<&Cell> = cells.iter().flatten().copied().collect();
        let differs =
            |of: fn(&Cell) -> Option<u64>| present.iter().any(|cell| of(cell) != of(present[0]));
        let moved = differs(|cell| Some(cell.bit_offset));
        let resized = differs(|cell| cell.bit_size);
        let names: Vec<&str> = present.iter().map(|cell| cell.type_name.as_str()).collect();
        let mut types = differing(&names).into_iter();
        let entry = |cell: &Option<&Cell>| {
            let Some(cell) = cell else {
                return Entry {
                    text: letters("absent", true),
                    type_name: Vec::new(),
                };
            };
            let mut text = Letters::new();
            let place = extent(cell.bit_offset, cell.bit_size);
            let (offset, size) = place.split_at(place.find('[').unwrap_or(place.len()));
            text.extend(letters(offset, moved || absent));
            text.extend(letters(size, resized || absent));
            text.extend(letters(&format!(" {}", row.name), absent));
            text.extend(plain(": "));
            let mut type_name = types.next().unwrap_or_default();
            if absent {
                type_name
                    .iter_mut()
                    .for_each(|(_, differs)| *differs = true);
            }
            Entry { text, type_name }
        };
        Row {
            marked,
            entries: cells.iter().map(entry).collect(),
        }
    }

    fn lines(&self, widths: &[usize], paint: &impl Fn(&str) -> String) -> Vec<String> {
        let columns: Vec<Vec<Letters>> = self
            .entries
            .iter()
            .zip(widths)
            .map(|(entry, width)| entry.fit(*width))
            .collect();
        let height = columns.iter().map(Vec::len).max().unwrap_or(0);
        let line = |number: usize| {
            let mut line = if self.marked && number == 0 {
                "    * ".to_owned()
            } else {
                " ".repeat(INDENT)
            };
            for (column, width) in columns.iter().zip(widths) {
                let letters = column.get(number).map_or(&[][..], Vec::as_slice);
                for run in letters.chunk_by(|a, b| a.1 == b.1) {
                    let text: String = run.iter().map(|(letter, _)| letter).collect();
                    line += &if run[0].1 { paint(&text) } else { text };
                }
                line += &" ".repeat(width.saturating_sub(letters.len()) + GAP);
            }
            line.trim_end().to_owned()
        };
        (0..height).map(line).collect()
    }
}

impl Entry {
    fn len(&self) -> usize {
        self.text.len() + self.type_name.len()
    }

    /// Its lines in a column: one if it ends with a type, which is shortened, else as many as it takes.
    fn fit(&self, width: usize) -> Vec<Letters> {
        if self.len() <= width {
            return vec![[self.text.as_slice(), &self.type_name].concat()];
        }
        if self.type_name.is_empty() {
            return wrap(&self.text, width);
        }
        let room = width.saturating_sub(self.text.len()).max(MIN_TYPE);
        vec![[self.text.as_slice(), &shorten(&self.type_name, room)].concat()]
    }
}

/// Widths of the columns: as much as each needs if there is room, else what is left after the narrow ones is divided.
fn widths(rows: &[Row], columns: usize, width: usize) -> Vec<usize> {
    let need = |column: usize| {
        rows.iter()
            .filter_map(|row| row.entries.get(column))
            .map(Entry::len)
            .max()
            .unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..columns).map(need).collect();
    let mut room = width.saturating_sub(INDENT + GAP * columns.saturating_sub(1));
    let mut by_need: Vec<usize> = (0..columns).collect();
    by_need.sort_by_key(|column| widths[*column]);
    for (done, column) in by_need.into_iter().enumerate() {
        let share = (room / (columns - done)).max(MIN_WIDTH);
        widths[column] = widths[column].min(share);
        room = room.saturating_sub(widths[column]);
    }
    widths
}

fn letters(text: &str, differs: bool) -> Letters {
    text.chars().map(|letter| (letter, differs)).collect()
}

fn plain(text: &str) -> Letters {
    letters(text, false)
}

/// Texts with what differs between them, which is all between what they begin and end with alike, in whole words.
fn differing(texts: &[&str]) -> Vec<Letters> {
    let all: Vec<Vec<char>> = texts.iter().map(|text| text.chars().collect()).collect();
    let Some(first) = all
        .first()
        .filter(|first| all.iter().any(|text| text != *first))
    else {
        return texts.iter().map(|text| plain(text)).collect();
    };
    let shortest = all.iter().map(Vec::len).min().unwrap_or(0);
    let alike = |limit: usize, at: &dyn Fn(&Vec<char>, usize) -> char| {
        (0..limit)
            .take_while(|index| all.iter().all(|text| at(text, *index) == at(first, *index)))
            .count()
    };
    let is_word = |letter: Option<&char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || *letter == '_')
    };
    let mut head = alike(shortest, &|text, index| text[index]);
    let cuts = |head: usize| {
        head > 0 && is_word(first.get(head - 1)) && all.iter().any(|text| is_word(text.get(head)))
    };
    while cuts(head) {
        head -= 1;
    }
    let mut tail = alike(shortest - head, &|text, index| text[text.len() - 1 - index]);
    let cuts = |tail: usize| {
        let before = |text: &Vec<char>| {
            is_word(text.len().checked_sub(tail + 1).and_then(|at| text.get(at)))
        };
        tail > 0 && is_word(first.get(first.len() - tail)) && all.iter().any(before)
    };
    while cuts(tail) {
        tail -= 1;
    }
    let mark = |text: &Vec<char>| {
        let end = text.len() - tail;
        // Of `long int` and `int`, the second one has nothing of its own: then all of it is what differs.
        let whole = head == end;
        let differs = |index: usize| whole || (head..end).contains(&index);
        text.iter()
            .enumerate()
            .map(|(index, letter)| (*letter, differs(index)))
            .collect()
    };
    all.iter().map(mark).collect()
}

/// At most `room` letters of a name, but all that differ: `…` stands for what is left out before and after those.
fn shorten(name: &[(char, bool)], room: usize) -> Letters {
    let start = name.iter().position(|(_, differs)| *differs).unwrap_or(0);
    let end = name
        .iter()
        .rposition(|(_, differs)| *differs)
        .map_or(start, |last| last + 1);
    let (head, middle, tail) = (&name[..start], &name[start..end], &name[end..]);
    let spare = room.saturating_sub(middle.len());
    // What comes before says more of a type than what comes after it.
    let for_tail = if head.is_empty() {
        spare
    } else {
        (spare / 3).max(1).max(spare.saturating_sub(head.len()))
    };
    let for_head = spare.saturating_sub(for_tail.min(tail.len()));
    let mut result = Letters::new();
    if head.len() > for_head {
        result.push(('…', false));
        result.extend(&head[head.len() - for_head.saturating_sub(1)..]);
    } else {
        result.extend(head);
    }
    result.extend(middle);
    if tail.len() > for_tail {
        result.extend(&tail[..for_tail.saturating_sub(1)]);
        result.push(('…', false));
    } else {
        result.extend(tail);
    }
    result
}

/// Lines of at most `width` letters, unless a word is longer.
fn wrap(text: &[(char, bool)], width: usize) -> Vec<Letters> {
    let mut lines: Vec<Letters> = Vec::new();
    for word in text.split_inclusive(|(letter, _)| *letter == ' ') {
        let length =
            word.len() - usize::from(word.last().is_some_and(|(letter, _)| *letter == ' '));
        match lines.last_mut() {
            Some(line) if line.len() + length <= width => line.extend(word),
            _ => lines.push(word.to_vec()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text with what differs between brackets.
    fn shown(letters: &[(char, bool)]) -> String {
        let runs = letters.chunk_by(|a, b| a.1 == b.1).map(|run| {
            let text: String = run.iter().map(|(letter, _)| letter).collect();
            if run[0].1 { format!("<{text}>") } else { text }
        });
        runs.collect()
    }

    fn marked(texts: &[&str]) -> Vec<String> {
        differing(texts)
            .iter()
            .map(|letters| shown(letters))
            .collect()
    }

    #[test]
    fn what_differs_is_marked_in_whole_words() {
        assert_eq!(marked(&["u32", "u64"]), ["<u32>", "<u64>"]);
        assert_eq!(
            marked(&["Cell<u32>", "Cell<f32>"]).concat(),
            "Cell<<u32>>Cell<<f32>>"
        );
        assert_eq!(
            marked(&["signed char", "unsigned char"]),
            ["<signed> char", "<unsigned> char"]
        );
        assert_eq!(marked(&["long int", "int"]), ["<long >int", "<int>"]);
        assert_eq!(marked(&["same", "same"]), ["same", "same"]);
        assert_eq!(marked(&["", "x"]), ["", "<x>"]);
        assert_eq!(marked(&["a a", "a"]), ["a< a>", "<a>"]);
    }

    #[test]
    fn shortening_keeps_what_differs() {
        let names = [
            "very::long::path::Holder<u32, some::other::Allocator>",
            "very::long::path::Holder<f64, some::other::Allocator>",
        ];
        for room in 0..60 {
            for (letters, word) in differing(&names).iter().zip(["u32", "f64"]) {
                let short = shorten(letters, room);
                assert!(
                    shown(&short).contains(&format!("<{word}>")),
                    "{room}: {}",
                    shown(&short)
                );
                assert!(
                    short.len() <= room.max(word.len() + 2),
                    "{room}: {}",
                    shown(&short)
                );
            }
        }
        let name = plain("abcdefgh");
        assert_eq!(shown(&shorten(&name, 5)), "abcd…");
        assert_eq!(shown(&shorten(&name, 8)), "abcdefgh");
    }

    #[test]
    fn texts_go_on_in_the_next_line() {
        let lines = wrap(&plain("one two three"), 8);
        assert_eq!(
            lines.iter().map(|line| shown(line)).collect::<Vec<_>>(),
            ["one two ", "three"]
        );
    }
}
