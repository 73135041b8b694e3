//! Files and lines of the source, from the headers of line tables.
//!
//! Only findings ask for them, so a table's header is parsed when the first finding of its unit is written. A damaged
//! table costs the place in the message and nothing else.
//!
//! Invariant: nothing here can fail a comparison.

use gimli::{AttributeValue, DebugLine, DebugLineOffset, DebugStrOffset};

use crate::elf::Elf;
use crate::model::{Declared, Graph, Unit, UnitId};
use crate::report::Place;
use crate::unit::Slice;

impl Graph<'_> {
    /// The place that `DW_AT_decl_file` and `DW_AT_decl_line` of an entry name.
    pub(crate) fn place(&self, unit: UnitId, declared: Declared) -> Option<Place> {
        let unit = self.unit(unit);
        place(self.object(unit).elf(unit.line_part), unit, declared)
    }
}

/// The same for an entry of `unit`, whose line table is in `elf`.
pub(crate) fn place(elf: &Elf<'_>, unit: &Unit<'_>, declared: Declared) -> Option<Place> {
    if declared.line == 0 {
        return None;
    }
    Some(Place {
        file: file_name(elf, unit, declared.file)?,
        line: declared.line.into(),
        is_found_by_name: false,
    })
}

fn file_name(elf: &Elf<'_>, unit: &Unit<'_>, file: u32) -> Option<String> {
    let offset = usize::try_from(unit.line_table?).ok()?;
    let program = DebugLine::new(elf.line_bytes(), elf.endian)
        .program(DebugLineOffset(offset), unit.address_size, None, None)
        .ok()?;
    let header = program.header();
    let entry = header.file(file.into())?;
    let name = string(elf, entry.path_name())?;
    let directory = entry
        .directory(header)
        .and_then(|directory| string(elf, directory))
        .unwrap_or_default();
    // Directory 0 is the compilation's own, which the reader of a message is in anyway.
    if name.starts_with('/')
        || directory.is_empty()
        || entry.directory_index() == 0
        || directory == unit.directory
    {
        return Some(name);
    }
    Some(format!("{}/{name}", directory.trim_end_matches('/')))
}

fn string(elf: &Elf<'_>, value: AttributeValue<Slice<'_>>) -> Option<String> {
    let table = |bytes, offset: usize| {
        gimli::DebugStr::new(bytes, elf.endian)
            .get_str(DebugStrOffset(offset))
            .ok()
            .map(|slice| slice.slice().to_vec())
    };
    let bytes = match value {
        AttributeValue::String(slice) => slice.slice().to_vec(),
        AttributeValue::DebugStrRef(offset) => table(&elf.str.bytes, offset.0)?,
        AttributeValue::DebugLineStrRef(offset) => table(&elf.line_str.bytes, offset.0)?,
        _ => return None,
    };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
