//! Units: their headers, their own entries, and how the entries in them are read.
//!
//! Invariant: what a [`UnitReader`] reads ends at the end of its unit.

use std::cell::Cell;

use gimli::{EndianSlice, RunTimeEndian, UnitType, constants as dw};
use rustc_hash::FxHashMap;

use crate::abbreviation::{Abbreviation, Abbreviations};
use crate::cursor::Cursor;
use crate::elf::{Elf, UnitSection};
use crate::error::Error;
use crate::form::{self, Encoding, Value};
use crate::model::{DieOffset, Unit};

/// Types nested in types deeper than this, on the average of a unit's bytes, are refused: no source is like that.
const MAX_NESTING: u64 = 128;

/// How gimli reads sections.
pub(crate) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

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
    root: u32,
    /// Offset of its abbreviations.
    abbreviations: u64,
    /// For gimli.
    pub(crate) encoding: gimli::Encoding,
    /// Whether its types are in another file.
    skeleton: bool,
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
            is_type_unit: signature.is_some(),
        });
        Ok(())
    }
}

/// Reads the entries of one unit.
pub(crate) struct UnitReader<'a> {
    /// The object.
    pub(crate) elf: &'a Elf<'a>,
    /// The section that the unit is in.
    pub(crate) units: &'a UnitSection<'a>,
    /// The unit's header.
    pub(crate) header: Header,
    /// How values are encoded.
    pub(crate) encoding: Encoding,
    /// Base of `DW_FORM_strx`.
    pub(crate) str_offsets_base: u64,
    /// Base of `DW_FORM_addrx`.
    pub(crate) addr_base: u64,
    /// Where the last relocation was looked up.
    pub(crate) last: Cell<usize>,
    /// Bytes that were passed over within types.
    skipped: Cell<u64>,
    abbreviations: Abbreviations,
}

impl<'a> UnitReader<'a> {
    /// A reader of a unit, and what the unit says of itself: first the bases that its other attributes depend on.
    pub(crate) fn new(
        elf: &'a Elf<'a>,
        header: Header,
        side: usize,
        object: usize,
    ) -> Result<(UnitReader<'a>, Unit<'a>), Error> {
        let encoding = Encoding {
            version: header.encoding.version,
            address_size: header.encoding.address_size,
            offset_size: header.encoding.format.word_size(),
        };
        let at = usize::try_from(header.abbreviations).unwrap_or(usize::MAX);
        let mut cursor = Cursor::new(&elf.abbrev.bytes, at, elf.endian);
        let abbreviations = Abbreviations::read(&mut cursor, encoding);
        let mut reader = UnitReader {
            elf,
            units: &elf.units[header.section],
            header,
            encoding,
            str_offsets_base: 0,
            addr_base: 0,
            last: Cell::new(0),
            skipped: Cell::new(0),
            abbreviations: abbreviations.map_err(|source| Error::Dwarf {
                file: elf.file.to_owned(),
                section: elf.abbrev.name,
                offset: header.abbreviations,
                what: "abbreviations",
                source,
            })?,
        };
        let mut unit = Unit {
            side,
            object,
            start: reader.number(header.start.into()).0,
            end: reader.number(header.end.into()).0,
            address_size: header.encoding.address_size,
            skeleton: header.skeleton,
            is_type_unit: header.is_type_unit,
            ..Unit::default()
        };
        reader.root(&mut unit)?;
        Ok((reader, unit))
    }

    /// The number of the byte at `at` of the unit's section.
    pub(crate) fn number(&self, at: u64) -> DieOffset {
        DieOffset((u64::from(self.units.origin) + at).min(u64::from(u32::MAX)) as u32)
    }

    /// A cursor at `at` of the unit's section, which ends with the unit.
    pub(crate) fn cursor(&self, at: u64) -> Cursor<'a> {
        let bytes = &self.units.section.bytes;
        let end = (self.header.end as usize).min(bytes.len());
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        Cursor::new(&bytes[..end], at, self.elf.endian)
    }

    /// A cursor at the unit's own entry.
    pub(crate) fn entries(&self) -> Cursor<'a> {
        self.cursor(self.header.root.into())
    }

    /// A cursor at an entry; `None` if that is not in the unit.
    pub(crate) fn entry_at(&self, offset: DieOffset) -> Option<Cursor<'a>> {
        let at = offset.0.checked_sub(self.units.origin)?;
        let inside = (self.header.root..self.header.end).contains(&at);
        inside.then(|| self.cursor(at.into()))
    }

    /// The kind of the next entry; `None` at the end of a list of entries.
    #[inline]
    pub(crate) fn kind(&self, cursor: &mut Cursor<'a>) -> Result<Option<&Abbreviation>, Error> {
        let at = cursor.at();
        let fail = |source| self.malformed(at, "an entry", source);
        let code = cursor.uleb().map_err(fail)?;
        if code == 0 {
            return Ok(None);
        }
        match self.abbreviations.get(code) {
            Some(abbreviation) => Ok(Some(abbreviation)),
            None => Err(fail(gimli::Error::InvalidAbbreviationCode(code))),
        }
    }

    /// Passes over the attributes of an entry.
    #[inline]
    pub(crate) fn skip(
        &self,
        cursor: &mut Cursor<'a>,
        abbreviation: &Abbreviation,
    ) -> Result<(), Error> {
        let at = cursor.at();
        abbreviation
            .skip(cursor, self.encoding)
            .map_err(|source| self.malformed(at, "attributes", source))
    }

    /// Passes over all entries up to the end of the list that the cursor is in.
    ///
    /// What is nested is passed over once for each type around it that is read, so there is a limit.
    pub(crate) fn skip_children(&self, cursor: &mut Cursor<'a>) -> Result<(), Error> {
        let start = cursor.at();
        self.skip_list(cursor)?;
        let skipped = self.skipped.get().saturating_add(cursor.at() - start);
        self.skipped.set(skipped);
        let bytes = u64::from(self.header.end - self.header.start);
        if skipped > bytes.saturating_mul(MAX_NESTING) {
            return Err(Error::TooLarge {
                what: format!("{}: types nested in types", self.elf.file),
                limit: MAX_NESTING,
            });
        }
        Ok(())
    }

    fn skip_list(&self, cursor: &mut Cursor<'a>) -> Result<(), Error> {
        let mut depth = 1u64;
        while depth > 0 && !cursor.is_empty() {
            match self.kind(cursor)? {
                None => depth -= 1,
                Some(abbreviation) => {
                    self.skip(cursor, abbreviation)?;
                    depth += u64::from(abbreviation.has_children);
                }
            }
        }
        Ok(())
    }

    /// A parser's error at an offset in the unit's section.
    pub(crate) fn malformed(&self, offset: u64, what: &'static str, source: gimli::Error) -> Error {
        Error::Dwarf {
            file: self.elf.file.to_owned(),
            section: self.units.section.name,
            offset,
            what,
            source,
        }
    }

    /// An error about a value at an offset in the unit's section.
    pub(crate) fn unexpected(
        &self,
        offset: u64,
        what: &'static str,
        expected: &'static str,
    ) -> Error {
        Error::Unexpected {
            file: self.elf.file.to_owned(),
            section: self.units.section.name,
            offset,
            what,
            expected,
        }
    }

    /// Reads the unit's own entry.
    fn root(&mut self, unit: &mut Unit<'a>) -> Result<(), Error> {
        let mut values = Vec::new();
        let mut cursor = self.entries();
        if cursor.is_empty() {
            return Ok(());
        }
        if let Some(abbreviation) = self.kind(&mut cursor)? {
            for spec in &abbreviation.specs {
                let from = cursor.at();
                let value = form::read(&mut cursor, spec.form, spec.implicit, self.encoding)
                    .map_err(|source| self.malformed(from, "an attribute", source))?;
                values.push((spec.name, from, cursor.at(), value));
            }
        }
        for (name, from, to, value) in &values {
            let base = match (*name, value) {
                (
                    dw::DW_AT_str_offsets_base
                    | dw::DW_AT_addr_base
                    | dw::DW_AT_GNU_addr_base
                    | dw::DW_AT_stmt_list,
                    Value::SectionOffset(value) | Value::Unsigned(value),
                ) => self.offset(*from, *to, *value)?,
                _ => continue,
            };
            match *name {
                dw::DW_AT_str_offsets_base => self.str_offsets_base = base,
                dw::DW_AT_stmt_list => unit.line_table = Some(base),
                _ => self.addr_base = base,
            }
        }
        for (name, from, to, value) in &values {
            let text = || {
                self.string(*from, *to, *value)
                    .map(Option::unwrap_or_default)
            };
            match *name {
                dw::DW_AT_name => unit.name = text()?,
                dw::DW_AT_comp_dir => unit.directory = text()?,
                dw::DW_AT_producer => unit.producer = text()?,
                dw::DW_AT_language => {
                    unit.is_rust = matches!(value, Value::Unsigned(of) if *of == u64::from(dw::DW_LANG_Rust.0));
                }
                dw::DW_AT_dwo_name | dw::DW_AT_GNU_dwo_name => {
                    unit.skeleton = true;
                    unit.dwo_name = text()?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An offset of another section, which is written in `from..to` as `value`.
    pub(crate) fn offset(&self, from: u64, to: u64, value: u64) -> Result<u64, Error> {
        if self.units.section.relocations.is_empty() {
            return Ok(value);
        }
        let section = &self.units.section;
        let width = (to - from) as usize;
        let word = self.elf.word(section, from, width, &self.last)?;
        Ok(word.map_or(value, |word| word.value))
    }
}
