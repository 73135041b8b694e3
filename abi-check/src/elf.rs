//! ELF: debug sections of one object file, with their relocations applied to a copy.
//!
//! Only relocations that mean *symbol plus addend* are applied; the others are remembered by their offset, and whoever
//! needs a value there gets an error (see [`Section::check`]). That is how RISC-V objects can be read at all: their
//! debug sections are full of ADD and SUB pairs, none of which touches a type.
//!
//! Invariant: the bytes of a [`Section`] are never longer than what the file (or its compression header) holds, and
//! both tables of a section are sorted by offset.

use std::borrow::Cow;

use gimli::RunTimeEndian;
use object::read::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolSection};
use object::{File, ObjectKind, RelocationFlags};

use crate::error::Error;
use crate::input::{Location, ObjectFile};
use crate::machine::{Apply, Machine};

/// No compressed debug section of a compiler comes near this ratio; a header that claims more is damaged.
const MAX_COMPRESSION: u64 = 1 << 12;

/// A debug section, relocated.
#[derive(Debug, Default)]
pub(crate) struct Section<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its bytes.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// Where a relocation put the address of something that is loaded.
    places: Vec<(u64, Location)>,
    /// Where a relocation was not applied, and its type.
    unapplied: Vec<(u64, u32)>,
}

impl Section<'_> {
    /// What the address at `offset` refers to, if a relocation says so.
    pub(crate) fn place(&self, offset: u64) -> Option<Location> {
        let index = self
            .places
            .binary_search_by_key(&offset, |(at, _)| *at)
            .ok()?;
        self.places.get(index).map(|(_, place)| *place)
    }

    /// The first relocation in `start..end` that was not applied.
    pub(crate) fn unapplied_in(&self, start: u64, end: u64) -> Option<(u64, u32)> {
        if self.unapplied.is_empty() {
            return None;
        }
        let first = self.unapplied.partition_point(|(at, _)| *at < start);
        self.unapplied
            .get(first)
            .copied()
            .filter(|(at, _)| *at < end)
    }
}

/// What is needed of one object file.
#[derive(Debug)]
pub(crate) struct Elf<'a> {
    /// How messages call the file.
    pub(crate) file: &'a str,
    /// Its ISA.
    pub(crate) machine: &'static Machine,
    /// Its `e_machine`, for messages about a machine that is not known.
    e_machine: u16,
    /// Its byte order.
    pub(crate) endian: RunTimeEndian,
    /// Whether addresses are relative to sections.
    pub(crate) relocatable: bool,
    /// `.debug_info`.
    pub(crate) info: Section<'a>,
    /// `.debug_abbrev`.
    pub(crate) abbrev: Section<'a>,
    /// `.debug_str`.
    pub(crate) str: Section<'a>,
    /// `.debug_line_str`.
    pub(crate) line_str: Section<'a>,
    /// `.debug_str_offsets`.
    pub(crate) str_offsets: Section<'a>,
    /// `.debug_addr`.
    pub(crate) addr: Section<'a>,
    /// `.debug_line`.
    pub(crate) line: Section<'a>,
}

impl<'a> Elf<'a> {
    /// Reads the debug sections of `object`.
    pub(crate) fn read(object: &'a ObjectFile<'_>) -> Result<Elf<'a>, Error> {
        let file = object.name.as_str();
        let parsed = File::parse(object.data).map_err(|source| Error::Elf {
            file: file.to_owned(),
            what: "the ELF header",
            source,
        })?;
        let e_machine = match object.data.get(18..20) {
            Some(&[low, high]) if parsed.is_little_endian() => u16::from_le_bytes([low, high]),
            Some(&[high, low]) => u16::from_le_bytes([low, high]),
            _ => 0,
        };
        let reader = Reader {
            file,
            relocatable: parsed.kind() == ObjectKind::Relocatable,
            machine: Machine::of(e_machine),
            endian: if parsed.is_little_endian() {
                RunTimeEndian::Little
            } else {
                RunTimeEndian::Big
            },
            parsed,
        };
        Ok(Elf {
            file,
            machine: reader.machine,
            e_machine,
            endian: reader.endian,
            relocatable: reader.relocatable,
            info: reader.section(".debug_info")?,
            abbrev: reader.section(".debug_abbrev")?,
            str: reader.section(".debug_str")?,
            line_str: reader.section(".debug_line_str")?,
            str_offsets: reader.section(".debug_str_offsets")?,
            addr: reader.section(".debug_addr")?,
            line: reader.section(".debug_line")?,
        })
    }

    /// An error if the value in `start..end` depends on a relocation that was not applied.
    pub(crate) fn check(&self, section: &Section<'_>, start: u64, end: u64) -> Result<(), Error> {
        match section.unapplied_in(start, end) {
            None => Ok(()),
            Some((offset, r_type)) => Err(Error::Relocation {
                file: self.file.to_owned(),
                section: section.name,
                offset,
                r_type,
                machine: match self.machine.e_machine {
                    0 => self.e_machine.to_string(),
                    _ => self.machine.name.to_owned(),
                },
            }),
        }
    }
}

/// One file while its sections are read.
struct Reader<'a> {
    file: &'a str,
    parsed: File<'a>,
    machine: &'static Machine,
    endian: RunTimeEndian,
    relocatable: bool,
}

impl<'a> Reader<'a> {
    fn section(&self, name: &'static str) -> Result<Section<'a>, Error> {
        let Some(section) = self.parsed.section_by_name(name) else {
            return Ok(Section {
                name,
                ..Section::default()
            });
        };
        let fail = |source| Error::Elf {
            file: self.file.to_owned(),
            what: name,
            source,
        };
        let compressed = section.compressed_data().map_err(fail)?;
        let limit = (compressed.data.len() as u64).saturating_mul(MAX_COMPRESSION);
        if compressed.uncompressed_size > limit {
            return Err(Error::Unexpected {
                file: self.file.to_owned(),
                section: name,
                offset: 0,
                what: "size in the compression header",
                expected: "a size that the data can have",
            });
        }
        let bytes = compressed.decompress().map_err(fail)?;
        let mut result = Section {
            name,
            bytes,
            ..Section::default()
        };
        if self.relocatable {
            for (offset, relocation) in section.relocations() {
                self.relocate(&mut result, offset, &relocation)?;
            }
            result.places.sort_unstable_by_key(|(offset, _)| *offset);
            result.unapplied.sort_unstable();
        }
        Ok(result)
    }

    fn relocate(
        &self,
        section: &mut Section<'a>,
        offset: u64,
        relocation: &object::read::Relocation,
    ) -> Result<(), Error> {
        let RelocationFlags::Elf { r_type } = relocation.flags() else {
            return Ok(());
        };
        let apply = match self.machine.apply(r_type.0) {
            None => {
                section.unapplied.push((offset, r_type.0));
                return Ok(());
            }
            Some(Apply::Nothing) => return Ok(()),
            Some(apply) => apply,
        };
        let bad = |problem| Error::BadRelocation {
            file: self.file.to_owned(),
            section: section.name,
            offset,
            problem,
        };
        let (value, place) = self.target(relocation, offset, section.name)?;
        let width = if apply == Apply::Word64 { 8 } else { 4 };
        let start = usize::try_from(offset).map_err(|_| bad("is out of the section"))?;
        let end = start
            .checked_add(width)
            .ok_or_else(|| bad("is out of the section"))?;
        let word = section
            .bytes
            .get(start..end)
            .ok_or_else(|| bad("is out of the section"))?;
        let implicit = if relocation.has_implicit_addend() {
            self.read_word(word)
        } else {
            0
        };
        let value = value
            .wrapping_add_signed(relocation.addend())
            .wrapping_add(implicit);
        let bytes = match self.endian {
            RunTimeEndian::Little => value.to_le_bytes(),
            RunTimeEndian::Big => value.to_be_bytes(),
        };
        let bytes = match (self.endian, width) {
            (RunTimeEndian::Big, 4) => &bytes[4..],
            (_, width) => &bytes[..width],
        };
        section.bytes.to_mut()[start..end].copy_from_slice(bytes);
        // Addresses are as wide as the class says; the many 32-bit offsets into other debug sections need no memory.
        if let Some(place) = place
            && (width == 8 || !self.parsed.is_64())
        {
            let place = match place {
                Location::Section { section, .. } => Location::Section {
                    section,
                    offset: value,
                },
                Location::Address(_) => Location::Address(value),
            };
            section.places.push((offset, place));
        }
        Ok(())
    }

    /// Value of a relocation's symbol, and what it points at if that is part of the program.
    fn target(
        &self,
        relocation: &object::read::Relocation,
        offset: u64,
        section: &'static str,
    ) -> Result<(u64, Option<Location>), Error> {
        let index = match relocation.target() {
            RelocationTarget::Symbol(index) => index,
            _ => return Ok((0, None)),
        };
        let symbol = self
            .parsed
            .symbol_by_index(index)
            .map_err(|_| Error::BadRelocation {
                file: self.file.to_owned(),
                section,
                offset,
                problem: "names a symbol that does not exist",
            })?;
        let place = match symbol.section() {
            SymbolSection::Section(index) => Some(Location::Section {
                section: index.0,
                offset: 0,
            }),
            SymbolSection::Absolute => Some(Location::Address(0)),
            _ => None,
        };
        let value = if place.is_some() { symbol.address() } else { 0 };
        Ok((value, place))
    }

    fn read_word(&self, bytes: &[u8]) -> u64 {
        let fold = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
        match self.endian {
            RunTimeEndian::Little => bytes.iter().rev().fold(0, fold),
            RunTimeEndian::Big => bytes.iter().fold(0, fold),
        }
    }
}
