//! Units: their own entries, and how the entries in them are read.
//!
//! Invariant: what a [`UnitReader`] reads ends at the end of its unit.

use std::cell::Cell;

use gimli::{EndianSlice, RunTimeEndian, constants as dw};

use crate::abbreviation::{Abbreviation, Abbreviations};
use crate::cursor::Cursor;
use crate::elf::{Elf, UnitSection};
use crate::error::Error;
use crate::form::{self, Encoding, Value};
use crate::headers::Header;
use crate::model::{DieOffset, Unit};
use crate::object::{Object, PartId, Skeleton};

/// Types nested in types deeper than this, on the average of a unit's bytes, are refused: no source is like that.
const MAX_NESTING: u64 = 128;

/// How gimli reads sections.
pub(crate) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// What the units of a split file are called by, in their order; `None` for those of one type.
pub(crate) fn split_ids(elf: &Elf<'_>) -> Result<Vec<Option<u64>>, Error> {
    let id = |header: &Header| match header.id {
        _ if header.is_type_unit => Ok(None),
        Some(id) => Ok(Some(id)),
        None => Ok(UnitReader::bare(elf, *header)?.unit()?.id),
    };
    elf.headers.all.iter().map(id).collect()
}

/// What a unit calls its split unit by, if it is a skeleton.
pub(crate) fn skeleton<'a>(
    elf: &'a Elf<'a>,
    header: &Header,
) -> Result<Option<(u64, UnitReader<'a>, Unit<'a>)>, Error> {
    let is_old = header.encoding.version < 5 && !header.is_type_unit;
    let is_skeleton = header.skeleton || is_old && names_split_file(elf, header)?;
    if !is_skeleton {
        return Ok(None);
    }
    let mut reader = UnitReader::bare(elf, *header)?;
    let unit = reader.unit()?;
    Ok(unit.id.map(|id| (id, reader, unit)))
}

/// Whether a unit before DWARF 5 is a skeleton. Of its abbreviations, those up to that of its own entry are read.
fn names_split_file(elf: &Elf<'_>, header: &Header) -> Result<bool, Error> {
    let section = &elf.units[header.section].section;
    let fail = |source| Error::Dwarf {
        file: elf.file.to_owned(),
        section: elf.abbrev.name,
        offset: header.abbreviations,
        what: "abbreviations",
        source,
    };
    let mut root = Cursor::new(&section.bytes, header.root as usize, elf.endian);
    if root.is_empty() {
        return Ok(false);
    }
    let code = root.uleb().map_err(fail)?;
    let at = usize::try_from(header.abbreviations).unwrap_or(usize::MAX);
    let mut cursor = Cursor::new(&elf.abbrev.bytes, at, elf.endian);
    let has = Abbreviations::has(&mut cursor, code, dw::DW_AT_GNU_dwo_name);
    has.map_err(fail)
}

/// Reads the entries of one unit.
pub(crate) struct UnitReader<'a> {
    /// The sections that the unit refers to.
    pub(crate) elf: &'a Elf<'a>,
    /// The object that the unit is part of, unless only the unit's own entry is read.
    pub(crate) object: Option<&'a Object<'a>>,
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
    /// A reader of a unit, and what the unit says of itself.
    pub(crate) fn new(
        object: &'a Object<'a>,
        part: PartId,
        header: Header,
        indexes: (usize, usize),
    ) -> Result<(UnitReader<'a>, Unit<'a>), Error> {
        let mut reader = UnitReader::bare(object.elf(part), header)?;
        reader.object = Some(object);
        let mut unit = reader.unit()?;
        (unit.side, unit.object) = indexes;
        (unit.part, unit.line_part) = (part, part);
        unit.skeleton &= !header.is_split && !object.is_met(unit.start);
        if let Some(skeleton) = reader.skeleton() {
            reader.addr_base = skeleton.addr_base;
            if unit.directory.is_empty() {
                unit.directory = skeleton.directory;
            }
            if unit.line_table.is_none() {
                (unit.line_table, unit.line_part) = (skeleton.line_table, PartId::default());
            }
        }
        if unit.is_partial
            && let Some((part, header)) = object.importer(reader.number(header.start.into()))
        {
            let mut importer = UnitReader::bare(object.elf(part), *header)?;
            importer.object = Some(object);
            let importer = importer.unit()?;
            unit.producer = importer.producer;
            unit.is_rust = importer.is_rust;
            if unit.directory.is_empty() {
                unit.directory = importer.directory;
            }
        }
        Ok((reader, unit))
    }

    /// A reader of a unit of an object, where nothing is asked of its own entry.
    pub(crate) fn open(
        object: &'a Object<'a>,
        part: PartId,
        header: Header,
    ) -> Result<UnitReader<'a>, Error> {
        let mut reader = UnitReader::bare(object.elf(part), header)?;
        reader.object = Some(object);
        Ok(reader)
    }

    /// What the unit's own entry says; first the bases that its other attributes depend on.
    fn unit(&mut self) -> Result<Unit<'a>, Error> {
        let header = self.header;
        let mut unit = Unit {
            start: self.number(header.start.into()).0,
            end: self.number(header.end.into()).0,
            address_size: header.encoding.address_size,
            skeleton: header.skeleton,
            id: header.id,
            is_type_unit: header.is_type_unit,
            ..Unit::default()
        };
        self.root(&mut unit)?;
        Ok(unit)
    }

    /// The skeleton of a split unit.
    fn skeleton(&self) -> Option<&'a Skeleton<'a>> {
        self.object?.skeleton(self.header.skeleton_index?)
    }

    /// A reader of a unit of which nothing is known but the file that it is in.
    fn bare(elf: &'a Elf<'a>, header: Header) -> Result<UnitReader<'a>, Error> {
        let encoding = Encoding {
            version: header.encoding.version,
            address_size: header.encoding.address_size,
            offset_size: header.encoding.format.word_size(),
        };
        let at = usize::try_from(header.abbreviations).unwrap_or(usize::MAX);
        let mut cursor = Cursor::new(&elf.abbrev.bytes, at, elf.endian);
        let abbreviations = Abbreviations::read(&mut cursor, encoding);
        // The base of a split unit is the start of the table, behind its header.
        let str_offsets_base = match header.is_split && encoding.version >= 5 {
            true => 2 * u64::from(encoding.offset_size),
            false => 0,
        };
        Ok(UnitReader {
            elf,
            object: None,
            units: &elf.units[header.section],
            header,
            encoding,
            str_offsets_base,
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
        })
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
            unit.is_partial = abbreviation.tag == dw::DW_TAG_partial_unit;
            values = self.values(&mut cursor, abbreviation)?;
            if abbreviation.has_children && !cursor.is_empty() {
                let first = self.kind(&mut cursor)?;
                unit.imports = first.is_some_and(|entry| entry.tag == dw::DW_TAG_imported_unit);
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
                dw::DW_AT_GNU_dwo_id => {
                    if let Value::Unsigned(id) = value {
                        unit.id = Some(*id);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The attributes of the entry whose kind was just read, and where each is written.
    pub(crate) fn values(
        &self,
        cursor: &mut Cursor<'a>,
        abbreviation: &Abbreviation,
    ) -> Result<Vec<(dw::DwAt, u64, u64, Value<'a>)>, Error> {
        let mut values = Vec::new();
        for spec in &abbreviation.specs {
            let from = cursor.at();
            let value = form::read(cursor, spec.form, spec.implicit, self.encoding)
                .map_err(|source| self.malformed(from, "an attribute", source))?;
            values.push((spec.name, from, cursor.at(), value));
        }
        Ok(values)
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
