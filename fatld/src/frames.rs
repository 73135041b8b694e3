//! `.eh_frame` (LSB 5.0, 10.6): taken apart into records when it is read, and its header when all has an address.
//!
//! Each record is a section of its own. A frame description is needed if the code that it describes is, a common entry
//! if one of its descriptions is; equal common entries of a slice are stored once. Which function a description belongs
//! to says the relocation of its `PC begin`.

use crate::error::{Place, Problem};
use crate::gc::{Live, Reference};
use crate::hash::HashMap;
use crate::ids::{SectionId, SliceId};
use crate::landmark::Landmark;
use crate::program::{Frame, Program, Section, SectionKind, SymbolHome};
use crate::relocate::Values;

/// A record in a section.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Offset of its length field.
    pub start: u64,
    /// Bytes, length field included.
    pub size: u64,
    /// For a frame description: offset of its common entry.
    pub common: Option<u64>,
}

/// Bytes of the record that ends `.eh_frame`.
pub const END: usize = 4;

/// Offset of `PC begin` in a frame description.
pub const PC_BEGIN: u64 = 8;

/// Takes a section apart. A terminator ends it.
pub fn records(file: &str, section: &str, data: &[u8]) -> Result<Vec<Record>, Problem> {
    let bad = |offset: usize, expected: &str| Problem::Malformed {
        place: Place {
            file: file.to_owned(),
            section: section.to_owned(),
            offset: offset as u64,
        },
        expected: expected.to_owned(),
    };
    let word = |at: usize| {
        let bytes = data.get(at..at + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let (mut records, mut commons, mut at) = (Vec::new(), Vec::new(), 0);
    while at < data.len() {
        let length = word(at).ok_or_else(|| bad(at, "a record's length"))? as usize;
        match length {
            0 => break,
            0xffff_ffff => return Err(bad(at, "a record shorter than 4 GiB")),
            _ => {}
        }
        let end = at + 4 + length;
        let id = word(at + 4).filter(|_| length >= 4 && end <= data.len());
        let id = id.ok_or_else(|| bad(at, "a record that ends within the section"))? as usize;
        let common = match id {
            0 => {
                commons.push(at);
                None
            }
            back => {
                let start = (at + 4).checked_sub(back);
                let known = start.filter(|start| commons.binary_search(start).is_ok());
                let start =
                    known.ok_or_else(|| bad(at + 4, "the distance to a common entry before it"))?;
                if length < 12 {
                    return Err(bad(at, "a frame description with a place in code"));
                }
                Some(start as u64)
            }
        };
        records.push(Record {
            start: at as u64,
            size: (end - at) as u64,
            common,
        });
        at = end;
    }
    Ok(records)
}

/// What a place in a section without records means: code brings a name for the first record in an empty one, and a name
/// for the last word in one that holds nothing else (gcc's `crtbegin.o` and `crtend.o`).
pub fn end(section: &Section<'_>) -> Option<Landmark> {
    if section.kind != SectionKind::Unwind || section.frame.is_some() {
        return None;
    }
    Some(match section.size {
        0 => Landmark::FramesStart,
        _ => Landmark::FramesEnd,
    })
}

/// The frame descriptions of each section of code, and the common entry of each.
pub fn of_code(program: &Program<'_>) -> HashMap<SectionId, Vec<(SectionId, SectionId)>> {
    let mut found: HashMap<_, Vec<_>> = HashMap::default();
    for (id, section) in program.sections() {
        let Some(Frame::Description(common)) = section.frame else {
            continue;
        };
        let begin = section.relocations.iter().find(|r| r.offset == PC_BEGIN);
        let Some(definition) = begin.and_then(|r| program.definition(r.symbol)) else {
            continue;
        };
        if let SymbolHome::Section(code) = program.symbol(definition).home {
            found.entry(code).or_default().push((id, common));
        }
    }
    found
}

/// What makes two common entries of a slice one.
type Common<'a> = (SliceId, &'a [u8], Vec<(u64, u32, Reference, i64)>);

/// For each live common entry, the first one that is equal to it.
pub fn fold(program: &Program<'_>, live: &Live) -> HashMap<SectionId, SectionId> {
    let mut first: HashMap<Common<'_>, SectionId> = HashMap::default();
    let mut folded = HashMap::default();
    let commons = program
        .sections()
        .filter(|(id, s)| s.frame == Some(Frame::Common) && live.sections[id.at()]);
    for (id, section) in commons {
        let references = section.relocations.iter().zip(&live.references[id.at()]);
        let references = references.map(|(r, to)| (r.offset, r.rule.raw, *to, r.addend));
        let key = (section.slice, section.data, references.collect());
        folded.insert(id, *first.entry(key).or_insert(id));
    }
    folded
}

/// Sets the pointer of a frame description to its common entry, which may stand anywhere before it.
pub fn point(
    values: Values<'_, '_>,
    common: SectionId,
    description: SectionId,
    out: &mut [u8],
) -> Option<Problem> {
    let address = |section| values.layout.address(section).unwrap_or_default();
    let distance = (address(description) + 4).wrapping_sub(address(common));
    let Ok(distance) = u32::try_from(distance) else {
        return Some(Problem::Unsupported {
            place: values.program.place(description, 0),
            what: "more than 4 GiB of .eh_frame".to_owned(),
        });
    };
    out[4..8].copy_from_slice(&distance.to_le_bytes());
    None
}

/// Bytes of the header before its table.
const HEADER: u64 = 12;

/// Bytes of `.eh_frame_hdr` for so many descriptions.
pub fn header_size(descriptions: u64) -> u64 {
    HEADER + 8 * descriptions
}

/// Writes `.eh_frame_hdr` (LSB 5.0, 10.6.2): a table of code addresses, sorted, for a search.
///
/// Fails with what is out of reach of the 32-bit distances, and the record that it is about.
pub fn write_header(
    values: Values<'_, '_>,
    slice: SliceId,
    address: u64,
    out: &mut [u8],
) -> Result<(), (SectionId, &'static str)> {
    const VERSION: u8 = 1;
    const PC_RELATIVE_S4: u8 = 0x1b;
    const UNSIGNED_4: u8 = 0x03;
    const HEADER_RELATIVE_S4: u8 = 0x3b;
    let distance = |to: u64, from: u64| i32::try_from(to.wrapping_sub(from) as i64).ok();
    let program = values.program;
    let mut table = Vec::new();
    for (id, section) in program.sections() {
        let described = section.slice == slice
            && section.kind == SectionKind::Unwind
            && values.live.sections[id.at()]
            && matches!(section.frame, Some(Frame::Description(_)));
        if !described {
            continue;
        }
        let begin = section
            .relocations
            .iter()
            .position(|r| r.offset == PC_BEGIN);
        let code = begin.map_or(0, |at| values.target(id, at));
        let record = values.layout.address(id).unwrap_or_default();
        let entry = distance(code, address).zip(distance(record, address));
        table.push(entry.ok_or((id, "code out of reach of .eh_frame_hdr"))?);
    }
    table.sort_unstable();
    let own = program.sections().filter(|(id, s)| {
        s.slice == slice && s.kind == SectionKind::Unwind && values.live.sections[id.at()]
    });
    let first = own.filter_map(|(id, _)| values.layout.address(id).zip(Some(id)));
    let first = first.min_by_key(|(at, _)| *at);
    out[..4].copy_from_slice(&[VERSION, PC_RELATIVE_S4, UNSIGNED_4, HEADER_RELATIVE_S4]);
    let frames = match first {
        Some((at, id)) => {
            distance(at, address + 4).ok_or((id, ".eh_frame out of reach of .eh_frame_hdr"))?
        }
        // Nothing is described: the distance leads to this header.
        None => -4,
    };
    out[4..8].copy_from_slice(&frames.to_le_bytes());
    out[8..12].copy_from_slice(&(table.len() as u32).to_le_bytes());
    for (entry, (code, record)) in out[HEADER as usize..].chunks_exact_mut(8).zip(table) {
        entry[..4].copy_from_slice(&code.to_le_bytes());
        entry[4..].copy_from_slice(&record.to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u32, id: u32, payload: usize) -> Vec<u8> {
        let mut bytes = [length.to_le_bytes(), id.to_le_bytes()].concat();
        bytes.resize(bytes.len() + payload, 0);
        bytes
    }

    #[test]
    fn descriptions_name_the_common_entry_before_them() {
        let data = [record(12, 0, 8), record(20, 20, 16), record(0, 0, 0)].concat();
        let found = records("a.o", ".eh_frame", &data);
        let expected = [(0, 16, None), (16, 24, Some(0))];
        let expected = expected.map(|(start, size, common)| Record {
            start,
            size,
            common,
        });
        assert_eq!(found, Ok(Vec::from(expected)));
    }

    #[test]
    fn damaged_records_are_refused() {
        for data in [
            vec![1, 0],
            record(12, 0, 4),
            record(12, 7, 8),
            record(u32::MAX, 0, 8),
            [record(4, 0, 0), record(4, 12, 0)].concat(),
        ] {
            assert!(records("a.o", ".eh_frame", &data).is_err(), "{data:?}");
        }
    }
}
