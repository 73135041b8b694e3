//! Headers of units, of all sections of units of a file.
//!
//! Invariant: a header says no more than that the unit's bytes are in its section.

use std::cell::Cell;

use gimli::UnitType;
use rustc_hash::FxHashMap;

use crate::elf::{Elf, UnitSection};
use crate::error::Error;
use crate::model::DieOffset;
use crate::unit::Slice;

/// Where a unit is and how it is encoded. Offsets are those in its section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Index of the section among those of units.
    pub(crate) section: usize,
    /// Its first byte.
    pub(crate) start: u32,
    /// The byte after its last.
    pub(crate) end: u32,
    /// Its own entry.
    pub(crate) root: u32,
    /// Offset of its abbreviations.
    pub(crate) abbreviations: u64,
    /// For gimli.
    pub(crate) encoding: gimli::Encoding,
    /// Whether its types are in another file.
    pub(crate) skeleton: bool,
    /// Whether it is what a skeleton leaves out.
    pub(crate) is_split: bool,
    /// Index of its skeleton among those of the object.
    pub(crate) skeleton_index: Option<u32>,
    /// What DWARF 5 calls a split unit or its skeleton by.
    pub(crate) id: Option<u64>,
    /// Whether it holds one type that others refer to by its signature.
    pub(crate) is_type_unit: bool,
}

/// The units of an object.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    /// Their headers, in order.
    pub(crate) all: Vec<Header>,
    /// Types by signature.
    pub(crate) signatures: FxHashMap<u64, DieOffset>,
}

/// Reads all headers of an object.
pub(crate) fn headers(elf: &Elf<'_>) -> Result<Headers, Error> {
    let mut result = Headers::default();
    for (index, units) in elf.units.iter().enumerate() {
        let mut next = 0u64;
        let fail = |next, source| Error::Dwarf {
            file: elf.file.to_owned(),
            section: units.section.name,
            offset: next,
            what: "a unit header",
            source,
        };
        let slice = Slice::new(&units.section.bytes, elf.endian);
        let mut info = gimli::DebugInfo::from(slice).units();
        let mut types = gimli::DebugTypes::from(slice).units();
        loop {
            let header = if units.types {
                types.next()
            } else {
                info.next()
            };
            let Some(header) = header.map_err(|source| fail(next, source))? else {
                break;
            };
            let start = next;
            next = next.saturating_add(header.length_including_self() as u64);
            result.add(elf, (index, units), &header, start)?;
        }
    }
    Ok(result)
}

impl Headers {
    fn add(
        &mut self,
        elf: &Elf<'_>,
        (index, units): (usize, &UnitSection<'_>),
        header: &gimli::UnitHeader<Slice<'_>>,
        start: u64,
    ) -> Result<(), Error> {
        // The sections of units are known to be smaller than 4 GiB.
        let end = start.saturating_add(header.length_including_self() as u64) as u32;
        let root = start.saturating_add(header.root_offset().0 as u64) as u32;
        let encoding = header.encoding();
        let width = encoding.format.word_size();
        let version_at = start + if width == 8 { 12 } else { 4 };
        let at = version_at + if encoding.version >= 5 { 4 } else { 2 };
        let last = Cell::new(0);
        let word = elf.word(&units.section, at, width.into(), &last)?;
        let signature = match header.type_() {
            UnitType::Type {
                type_signature,
                type_offset,
            }
            | UnitType::SplitType {
                type_signature,
                type_offset,
            } => Some((type_signature.0, type_offset.0 as u64)),
            _ => None,
        };
        if let Some((signature, offset)) = signature {
            let offset = (u64::from(units.origin) + start).saturating_add(offset);
            if let Ok(offset) = u32::try_from(offset) {
                let types = &mut self.signatures;
                types.entry(signature).or_insert(DieOffset(offset));
            }
        }
        self.all.push(Header {
            section: index,
            start: start as u32,
            end,
            root,
            abbreviations: word.map_or(u64::MAX, |word| word.value),
            encoding,
            skeleton: matches!(header.type_(), UnitType::Skeleton(_)),
            is_split: units.section.name.ends_with(".dwo"),
            skeleton_index: None,
            id: match header.type_() {
                UnitType::Skeleton(id) | UnitType::SplitCompilation(id) => Some(id.0),
                _ => None,
            },
            is_type_unit: signature.is_some(),
        });
        Ok(())
    }
}
