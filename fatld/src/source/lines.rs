//! Lines of the source that instructions were made from, by the line tables of a relocatable object.
//!
//! In an object every section begins at address 0, so a table's addresses tell nothing until each section has a base of
//! its own: the relocations of `.debug_line` are applied with the section's index in the upper bits. That goes for
//! RISC-V, too, where rows stand at distances between labels that only relocations know.
//!
//! Invariant: an answer is the row that covers the offset; a damaged table costs the answer and nothing else. Time and
//! memory are linear in the table.

use std::borrow::Cow;
use std::collections::BTreeSet;

use gimli::{AttributeValue, DebugLine, DebugLineOffset, EndianSlice, LineRow, LittleEndian};
use object::elf;

use crate::elf::{ElfObject, Home};
use crate::error::SourceLine;
use crate::isa::Isa;
use crate::relocate::store_unchecked;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;
type Header<'a> = gimli::LineProgramHeader<Bytes<'a>>;

/// A byte of an object: header index of the section, and offset in it.
pub type Spot = (usize, u64);

/// Sections are smaller than this: the edge sees to it.
const SECTION_BITS: u32 = 41;

/// The line of each spot, in their order.
pub fn of_spots(object: &ElfObject<'_>, isa: &dyn Isa, spots: &[Spot]) -> Vec<Option<SourceLine>> {
    let addresses = spots.iter().enumerate();
    let wanted = addresses
        .filter_map(|(at, (section, offset))| Some((base(*section)?.checked_add(*offset)?, at)));
    let mut search = Search {
        wanted: wanted.collect(),
        found: vec![None; spots.len()],
    };
    if let Some(tables) = Tables::read(object, isa) {
        search.all_tables(&tables);
    }
    search.found
}

/// An address that tells the section.
fn base(section: usize) -> Option<u64> {
    let section = u64::try_from(section).ok()?;
    (section < 1 << (64 - SECTION_BITS)).then_some(section << SECTION_BITS)
}

/// What line tables are made of.
struct Tables<'d> {
    line: Cow<'d, [u8]>,
    line_str: Cow<'d, [u8]>,
    str: Cow<'d, [u8]>,
}

impl<'d> Tables<'d> {
    fn read(object: &ElfObject<'d>, isa: &dyn Isa) -> Option<Self> {
        let section = |name| match object.sections.iter().position(|s| s.name == name) {
            Some(index) => relocated(object, isa, index),
            None => Some(Cow::Borrowed(&[][..])),
        };
        Some(Self {
            line: section(".debug_line")?,
            line_str: section(".debug_line_str")?,
            str: section(".debug_str")?,
        })
    }
}

/// A debug section with its relocations applied, if all of them are known.
fn relocated<'d>(object: &ElfObject<'d>, isa: &dyn Isa, index: usize) -> Option<Cow<'d, [u8]>> {
    let mut bytes = object.sections[index].contents(&object.file).ok()?;
    for relocation in object.relocations(index).ok()? {
        let rule = isa.rule(relocation.kind)?;
        if rule.expression.is_mark() {
            continue;
        }
        let symbol = object.symbol(relocation.symbol);
        let start = match symbol.home {
            Home::Section(home) if object.sections[home].flags.contains(elf::SHF_ALLOC) => {
                base(home)?.wrapping_add(symbol.value)
            }
            Home::Section(_) | Home::Absolute => symbol.value,
            Home::Undefined | Home::Common => 0,
        };
        let from = usize::try_from(relocation.offset).ok()?;
        let field = from..from.checked_add(rule.field.bytes)?;
        let field = bytes.to_mut().get_mut(field)?;
        store_unchecked(rule, field, start.wrapping_add_signed(relocation.addend));
    }
    Some(bytes)
}

/// Spots, and what was found for them.
struct Search {
    /// Addresses and indexes of those that no row has covered yet. The first row that covers a spot settles it, so rows
    /// that overlap cost no more than others.
    wanted: BTreeSet<(u64, usize)>,
    found: Vec<Option<SourceLine>>,
}

impl Search {
    /// Goes through the tables one behind the other: units need not be read for that.
    fn all_tables(&mut self, tables: &Tables<'_>) {
        let section = DebugLine::new(&tables.line, LittleEndian);
        let mut at = 0;
        while at < tables.line.len() && !self.wanted.is_empty() {
            let Ok(program) = section.program(DebugLineOffset(at), 8, None, None) else {
                return;
            };
            let header = program.header();
            let length = usize::from(header.format().initial_length_size());
            let next = at.checked_add(length);
            let Some(next) = next.and_then(|n| n.checked_add(header.unit_length())) else {
                return;
            };
            let mut rows = program.rows();
            let mut before: Option<(u64, u64, u64)> = None;
            while let Ok(Some((header, row))) = rows.next_row() {
                if let Some((start, file, line)) = before {
                    self.covers(start..row.address(), || {
                        let file = file_name(header, tables, file)?;
                        Some(SourceLine { file, line })
                    });
                }
                before = start_of(row);
            }
            at = next;
        }
    }

    /// Settles the spots of a row.
    fn covers(
        &mut self,
        addresses: std::ops::Range<u64>,
        line: impl FnOnce() -> Option<SourceLine>,
    ) {
        if addresses.is_empty() {
            return;
        }
        let inside = self.wanted.range((addresses.start, 0)..(addresses.end, 0));
        let inside: Vec<_> = inside.copied().collect();
        if inside.is_empty() {
            return;
        }
        let line = line();
        for spot in inside {
            self.wanted.remove(&spot);
            self.found[spot.1].clone_from(&line);
        }
    }
}

/// Address, file and line of a row; none for code that no line was written for.
fn start_of(row: &LineRow) -> Option<(u64, u64, u64)> {
    if row.end_sequence() {
        return None;
    }
    Some((row.address(), row.file_index(), row.line()?.get()))
}

fn file_name(header: &Header<'_>, tables: &Tables<'_>, file: u64) -> Option<String> {
    let entry = header.file(file)?;
    let name = string(tables, entry.path_name())?;
    let directory = entry
        .directory(header)
        .and_then(|directory| string(tables, directory))
        .unwrap_or_default();
    // Directory 0 is the compilation's own, which the reader of a message is in anyway.
    let own = header
        .directory(0)
        .and_then(|directory| string(tables, directory));
    if name.starts_with('/')
        || directory.is_empty()
        || entry.directory_index() == 0
        || own.as_ref() == Some(&directory)
    {
        return Some(name);
    }
    Some(format!("{}/{name}", directory.trim_end_matches('/')))
}

fn string(tables: &Tables<'_>, value: AttributeValue<Bytes<'_>>) -> Option<String> {
    let terminated = |table: &[u8], offset: usize| {
        let text = table.get(offset..)?;
        let end = text.iter().position(|b| *b == 0)?;
        Some(String::from_utf8_lossy(&text[..end]).into_owned())
    };
    match value {
        AttributeValue::String(text) => Some(String::from_utf8_lossy(text.slice()).into_owned()),
        AttributeValue::DebugStrRef(offset) => terminated(&tables.str, offset.0),
        AttributeValue::DebugLineStrRef(offset) => terminated(&tables.line_str, offset.0),
        _ => None,
    }
}
