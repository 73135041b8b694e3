//! ELF: debug sections of one object file, with their relocations applied where a value is read.
//!
//! Only relocations that mean *symbol plus addend* can be applied; whoever needs a value at another one gets an error
//! (see [`Elf::check`]). That is how RISC-V objects can be read at all: their debug sections are full of ADD and SUB
//! pairs, none of which touches a type.
//!
//! A relocatable object may have several sections of units, one for each type that other objects may have as well. They
//! are numbered through: the first byte of each follows the last byte of the one before it.
//!
//! Invariant: the bytes of a [`Section`] are never longer than what the file (or its compression header) holds.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::OnceLock;

use gimli::RunTimeEndian;
use object::read::{Object, ObjectSection};
use object::{File, ObjectKind};

use crate::error::Error;
use crate::headers::{self, Headers};
use crate::input::{Location, ObjectFile};
use crate::machine::{Apply, Machine};
use crate::relocation::{Relocation, Relocations, Tables, number};

/// No compressed debug section of a compiler comes near this ratio; a header that claims more is damaged.
const MAX_COMPRESSION: u64 = 1 << 12;

/// A debug section.
#[derive(Debug, Default)]
pub(crate) struct Section<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its bytes, as the file has them.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// What applies to them.
    pub(crate) relocations: Relocations<'a>,
    /// Its index in the file.
    index: usize,
}

impl Section<'_> {
    fn named(name: &'static str) -> Self {
        Section {
            name,
            ..Section::default()
        }
    }

    /// The same bytes, without relocations.
    pub(crate) fn view(&self) -> Section<'_> {
        Section {
            name: self.name,
            bytes: Cow::Borrowed(&self.bytes),
            relocations: Relocations::default(),
            index: self.index,
        }
    }
}

/// Which of a file's debug sections are read: split DWARF has a second set, in the same file or in one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// What linkers keep.
    Own,
    /// What `-gsplit-dwarf` takes out of the link: sections that are called `….dwo`.
    Split,
}

/// A section of units.
#[derive(Debug)]
pub(crate) struct UnitSection<'a> {
    /// The section.
    pub(crate) section: Section<'a>,
    /// Number of its first byte.
    pub(crate) origin: u32,
    /// Whether it is `.debug_types` of DWARF 4, in this file or a split one.
    pub(crate) types: bool,
}

/// A value as a relocation leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// The value.
    pub(crate) value: u64,
    /// What it refers to, if a relocation says so and that is part of the program.
    pub(crate) place: Option<Location>,
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
    tables: Option<Tables<'a>>,
    /// `.debug_info` and `.debug_types`.
    pub(crate) units: Vec<UnitSection<'a>>,
    /// What is in them.
    pub(crate) headers: Headers,
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
    /// `.debug_cu_index` of a package of split files.
    pub(crate) unit_index: Section<'a>,
    /// `.debug_tu_index` of a package of split files.
    pub(crate) type_index: Section<'a>,
    /// Whether the file has the split [`Half`] as well.
    pub(crate) has_split: bool,
    /// Whether its code has landing pads, which unwinding leads to.
    pub(crate) has_landing_pads: bool,
    /// Whether it may say that parts of it are in a supplementary file.
    pub(crate) has_link: bool,
    /// Number of the first byte of units.
    pub(crate) origin: u64,
    /// The same with its relocations applied.
    relocated_line: OnceLock<Vec<u8>>,
}

/// Names of what is read; the names of compressed sections may begin with `.z` instead of `.`.
const NAMES: [&str; 8] = [
    ".debug_info",
    ".debug_types",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line_str",
    ".debug_str_offsets",
    ".debug_addr",
    ".debug_line",
];

/// The same of split DWARF.
const SPLIT_NAMES: [&str; 9] = [
    ".debug_info.dwo",
    ".debug_types.dwo",
    ".debug_abbrev.dwo",
    ".debug_str.dwo",
    ".debug_line_str.dwo",
    ".debug_str_offsets.dwo",
    ".debug_line.dwo",
    ".debug_cu_index",
    ".debug_tu_index",
];

impl<'a> Elf<'a> {
    /// Reads one half of the debug sections of `object`.
    pub(crate) fn read(object: &'a ObjectFile<'_>, half: Half) -> Result<Elf<'a>, Error> {
        let file = object.name.as_str();
        let fail = |what| {
            move |source| Error::Elf {
                file: file.to_owned(),
                what,
                source,
            }
        };
        let parsed = File::parse(object.data).map_err(fail("the ELF header"))?;
        let e_machine = match object.data.get(18..20) {
            Some(&[low, high]) if parsed.is_little_endian() => u16::from_le_bytes([low, high]),
            Some(&[high, low]) => u16::from_le_bytes([low, high]),
            _ => 0,
        };
        let mut elf = Elf {
            file,
            machine: Machine::of(e_machine, if parsed.is_64() { 64 } else { 32 }),
            e_machine,
            endian: if parsed.is_little_endian() {
                RunTimeEndian::Little
            } else {
                RunTimeEndian::Big
            },
            relocatable: parsed.kind() == ObjectKind::Relocatable,
            tables: None,
            units: Vec::new(),
            headers: Headers::default(),
            abbrev: Section::named(".debug_abbrev"),
            str: Section::named(".debug_str"),
            line_str: Section::named(".debug_line_str"),
            str_offsets: Section::named(".debug_str_offsets"),
            addr: Section::named(".debug_addr"),
            line: Section::named(".debug_line"),
            unit_index: Section::named(".debug_cu_index"),
            type_index: Section::named(".debug_tu_index"),
            has_split: false,
            has_landing_pads: false,
            has_link: false,
            origin: 0,
            relocated_line: OnceLock::new(),
        };
        let mut sections = elf.sections(&parsed, half)?;
        if elf.relocatable {
            let wanted = |index| sections.iter().any(|section| section.index == index);
            let mut tables = Tables::read(&parsed, &wanted).map_err(fail("relocations"))?;
            for section in &mut sections {
                section.relocations = tables.take(section.index);
                if half == Half::Split && !section.relocations.is_empty() {
                    let expected = "none, as no linker reads it";
                    return Err(elf.unexpected(section.name, "relocations", expected));
                }
                if !tables.take(section.index).is_empty() {
                    let expected = "one table for a section";
                    return Err(elf.unexpected(section.name, "relocations", expected));
                }
            }
            elf.tables = Some(tables);
        }
        for section in sections {
            elf.keep(section)?;
        }
        if elf.unit_index.bytes.is_empty() {
            elf.headers = headers::headers(&elf)?;
        }
        Ok(elf)
    }

    /// The same sections without relocations, and no units yet, which are numbered from `origin`.
    pub(crate) fn view(&self, origin: u64) -> Elf<'_> {
        Elf {
            file: self.file,
            machine: self.machine,
            e_machine: self.e_machine,
            endian: self.endian,
            relocatable: self.relocatable,
            tables: None,
            units: Vec::new(),
            headers: Headers::default(),
            abbrev: self.abbrev.view(),
            str: self.str.view(),
            line_str: self.line_str.view(),
            str_offsets: self.str_offsets.view(),
            addr: self.addr.view(),
            line: self.line.view(),
            unit_index: self.unit_index.view(),
            type_index: self.type_index.view(),
            has_split: false,
            has_landing_pads: false,
            has_link: false,
            origin,
            relocated_line: OnceLock::new(),
        }
    }

    /// All sections that are read, in the order of the file.
    fn sections(&mut self, parsed: &File<'a>, half: Half) -> Result<Vec<Section<'a>>, Error> {
        let names = match half {
            Half::Own => &NAMES[..],
            Half::Split => &SPLIT_NAMES[..],
        };
        let mut result = Vec::new();
        for section in parsed.sections() {
            let Ok(bytes) = section.name_bytes() else {
                continue;
            };
            if !bytes.starts_with(b".debug_") && !bytes.starts_with(b".zdebug_") {
                self.has_link |= bytes == b".gnu_debugaltlink";
                self.has_landing_pads |= bytes.starts_with(b".gcc_except_table");
                continue;
            }
            self.has_link |= bytes == b".debug_sup";
            self.has_split |= bytes.ends_with(b".dwo");
            let name = names.iter().find(|name| {
                bytes == name.as_bytes() || bytes.strip_prefix(b".z") == Some(&name.as_bytes()[1..])
            });
            if let Some(name) = name {
                result.push(Section {
                    name,
                    bytes: self.bytes(&section, name)?,
                    relocations: Relocations::default(),
                    index: section.index().0,
                });
            }
        }
        Ok(result)
    }

    fn bytes(
        &self,
        section: &object::Section<'a, '_>,
        name: &'static str,
    ) -> Result<Cow<'a, [u8]>, Error> {
        let fail = |source| Error::Elf {
            file: self.file.to_owned(),
            what: name,
            source,
        };
        let compressed = section.compressed_data().map_err(fail)?;
        let limit = (compressed.data.len() as u64).saturating_mul(MAX_COMPRESSION);
        if compressed.uncompressed_size > limit {
            let expected = "a size that the data can have";
            return Err(self.unexpected(name, "size in the compression header", expected));
        }
        compressed.decompress().map_err(fail)
    }

    /// Puts a section where it belongs. Of those that exist once, the first one counts.
    fn keep(&mut self, section: Section<'a>) -> Result<(), Error> {
        let slot = match section.name.strip_suffix(".dwo").unwrap_or(section.name) {
            ".debug_info" | ".debug_types" => return self.keep_units(section),
            ".debug_abbrev" => &mut self.abbrev,
            ".debug_str" => &mut self.str,
            ".debug_line_str" => &mut self.line_str,
            ".debug_str_offsets" => &mut self.str_offsets,
            ".debug_addr" => &mut self.addr,
            ".debug_cu_index" => &mut self.unit_index,
            ".debug_tu_index" => &mut self.type_index,
            _ => &mut self.line,
        };
        if slot.index == 0 {
            *slot = section;
        }
        Ok(())
    }

    /// Number after that of the last byte of units.
    pub(crate) fn end(&self) -> u64 {
        self.units.last().map_or(self.origin, |before| {
            u64::from(before.origin) + before.section.bytes.len() as u64
        })
    }

    /// Adds a section of units.
    pub(crate) fn keep_units(&mut self, section: Section<'a>) -> Result<(), Error> {
        let origin = self.end();
        if origin + section.bytes.len() as u64 >= u64::from(u32::MAX) {
            return Err(Error::TooLarge {
                what: format!("{}: bytes of .debug_info", self.file),
                limit: u64::from(u32::MAX),
            });
        }
        self.units.push(UnitSection {
            types: section.name.starts_with(".debug_types"),
            section,
            origin: origin as u32,
        });
        Ok(())
    }

    /// An error about a section as a whole.
    pub(crate) fn unexpected(
        &self,
        section: &'static str,
        what: &'static str,
        expected: &'static str,
    ) -> Error {
        Error::Unexpected {
            file: self.file.to_owned(),
            section,
            offset: 0,
            what,
            expected,
        }
    }

    /// `.debug_line` with its relocations applied, as far as they are known. Only messages need it.
    pub(crate) fn line_bytes(&self) -> &[u8] {
        if self.line.relocations.is_empty() {
            return &self.line.bytes;
        }
        self.relocated_line.get_or_init(|| {
            let mut bytes = self.line.bytes.to_vec();
            let last = Cell::new(0);
            for relocation in self.line.relocations.within(0, u64::MAX, &last) {
                let width = match self.machine.apply(relocation.r_type) {
                    Some(Apply::Word32) => 4,
                    Some(Apply::Word64) => 8,
                    _ => continue,
                };
                if let Ok(Some(word)) = self.word(&self.line, relocation.offset, width, &last) {
                    // The value was read from there, so it is in range.
                    let start = relocation.offset as usize;
                    let little = word.value.to_le_bytes();
                    let big = word.value.to_be_bytes();
                    bytes[start..start + width].copy_from_slice(match self.endian {
                        RunTimeEndian::Little => &little[..width],
                        RunTimeEndian::Big => &big[8 - width..],
                    });
                }
            }
            bytes
        })
    }

    /// The section of units that has the index `index` in the file.
    pub(crate) fn units_at(&self, index: usize) -> Option<&UnitSection<'a>> {
        self.units.iter().find(|units| units.section.index == index)
    }

    /// An error if the value in `start..end` depends on a relocation that cannot be applied.
    pub(crate) fn check(
        &self,
        section: &Section<'_>,
        start: u64,
        end: u64,
        last: &Cell<usize>,
    ) -> Result<(), Error> {
        for relocation in section.relocations.within(start, end, last) {
            self.known(section, &relocation)?;
        }
        Ok(())
    }

    fn known(&self, section: &Section<'_>, relocation: &Relocation) -> Result<Apply, Error> {
        self.machine
            .apply(relocation.r_type)
            .ok_or_else(|| Error::Relocation {
                file: self.file.to_owned(),
                section: section.name,
                offset: relocation.offset,
                r_type: relocation.r_type,
                machine: match self.machine.e_machine {
                    0 => self.e_machine.to_string(),
                    _ => self.machine.name.to_owned(),
                },
            })
    }

    /// The number of `width` bytes at `offset`; `None` if it is out of the section.
    pub(crate) fn word(
        &self,
        section: &Section<'_>,
        offset: u64,
        width: usize,
        last: &Cell<usize>,
    ) -> Result<Option<Word>, Error> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| section.bytes.get(start..start.checked_add(width)?));
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let mut result = Word {
            value: number(bytes, self.endian),
            place: None,
        };
        let end = offset.saturating_add(width as u64);
        for relocation in section.relocations.within(offset, end, last) {
            let mask = match self.known(section, &relocation)? {
                Apply::Nothing => continue,
                _ if relocation.offset != offset => continue,
                Apply::Word32 => u64::from(u32::MAX),
                Apply::Word64 if width == 8 => u64::MAX,
                Apply::Word64 => {
                    return Err(self.bad_relocation(section, offset, "is wider than its value"));
                }
            };
            result = self.relocated(section, &relocation, result.value, mask)?;
        }
        Ok(Some(result))
    }

    /// Symbol plus addend.
    fn relocated(
        &self,
        section: &Section<'_>,
        relocation: &Relocation,
        written: u64,
        mask: u64,
    ) -> Result<Word, Error> {
        let symbol = self
            .tables
            .as_ref()
            .and_then(|tables| tables.symbol(relocation.symbol));
        let Some((symbol, place)) = symbol else {
            let problem = "names a symbol that does not exist";
            return Err(self.bad_relocation(section, relocation.offset, problem));
        };
        let addend = relocation.addend.unwrap_or(written as i64);
        let value = symbol.wrapping_add_signed(addend) & mask;
        let place = place.map(|place| match place {
            Location::Section { section, .. } => Location::Section {
                section,
                offset: value,
            },
            Location::Address(_) => Location::Address(value),
        });
        Ok(Word { value, place })
    }

    fn bad_relocation(&self, section: &Section<'_>, offset: u64, problem: &'static str) -> Error {
        Error::BadRelocation {
            file: self.file.to_owned(),
            section: section.name,
            offset,
            problem,
        }
    }
}
