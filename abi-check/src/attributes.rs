//! Attributes of one debugging information entry, read into a struct.
//!
//! Every attribute that a layout depends on is checked for relocations that could not be applied; the others may hold
//! anything. Strings and constants come in many forms in DWARF 4 and 5, all are reduced to one here.
//!
//! Invariant: reading consumes exactly the entry's attributes, whatever they are.

use gimli::{DwAt, Expression, RunTimeEndian, constants as dw};

use crate::abbreviation::Abbreviation;
use crate::cursor::Cursor;
use crate::elf::Elf;
use crate::error::Error;
use crate::form::{self, Value};
use crate::input::Location;
use crate::model::{Declared, DieOffset};
use crate::object::Object;
use crate::unit::{Slice, UnitReader};

/// Value of `DW_AT_data_member_location`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MemberLocation {
    /// Bytes.
    Bytes(u64),
    /// An expression that is no constant.
    Computed,
}

/// Number of elements or last index of an array.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// A constant.
    Constant(u128),
    /// Computed at run time.
    Computed,
}

/// The attributes that this crate reads.
#[derive(Debug, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) linkage_name: Option<&'a str>,
    pub(crate) target: Option<DieOffset>,
    pub(crate) containing: Option<DieOffset>,
    pub(crate) origin: Option<DieOffset>,
    pub(crate) signature: Option<DieOffset>,
    pub(crate) discriminant: Option<DieOffset>,
    pub(crate) byte_size: Option<u64>,
    pub(crate) bit_size: Option<u64>,
    pub(crate) bit_offset: Option<i64>,
    pub(crate) data_bit_offset: Option<u64>,
    pub(crate) alignment: Option<u64>,
    pub(crate) member_location: Option<MemberLocation>,
    pub(crate) encoding: Option<gimli::DwAte>,
    pub(crate) endianity: Option<gimli::DwEnd>,
    pub(crate) count: Option<Bound>,
    pub(crate) upper_bound: Option<Bound>,
    pub(crate) lower_bound: Option<Bound>,
    pub(crate) value: Option<u128>,
    pub(crate) value_list: Option<&'a [u8]>,
    pub(crate) location: Option<Expression<Slice<'a>>>,
    pub(crate) declared: Declared,
    pub(crate) declaration: bool,
    pub(crate) external: bool,
    pub(crate) vector: bool,
    pub(crate) vtable_index: Option<u64>,
    pub(crate) strided: bool,
}

/// Whether the value of an attribute goes into [`Attributes`].
pub(crate) fn is_read(name: DwAt) -> bool {
    matches!(
        name,
        dw::DW_AT_name
            | dw::DW_AT_linkage_name
            | dw::DW_AT_MIPS_linkage_name
            | dw::DW_AT_type
            | dw::DW_AT_containing_type
            | dw::DW_AT_specification
            | dw::DW_AT_abstract_origin
            | dw::DW_AT_signature
            | dw::DW_AT_discr
            | dw::DW_AT_byte_size
            | dw::DW_AT_bit_size
            | dw::DW_AT_bit_offset
            | dw::DW_AT_data_bit_offset
            | dw::DW_AT_alignment
            | dw::DW_AT_data_member_location
            | dw::DW_AT_encoding
            | dw::DW_AT_endianity
            | dw::DW_AT_count
            | dw::DW_AT_upper_bound
            | dw::DW_AT_lower_bound
            | dw::DW_AT_const_value
            | dw::DW_AT_discr_value
            | dw::DW_AT_discr_list
            | dw::DW_AT_location
            | dw::DW_AT_decl_file
            | dw::DW_AT_decl_line
            | dw::DW_AT_declaration
            | dw::DW_AT_external
            | dw::DW_AT_GNU_vector
            | dw::DW_AT_vtable_elem_location
            | dw::DW_AT_byte_stride
            | dw::DW_AT_bit_stride
    )
}

/// Whether types that differ in an attribute only may be different types. Where they are declared says nothing about them.
pub(crate) fn tells_apart(name: DwAt) -> bool {
    is_read(name)
        && !matches!(
            name,
            dw::DW_AT_decl_file
                | dw::DW_AT_decl_line
                | dw::DW_AT_location
                | dw::DW_AT_specification
                | dw::DW_AT_abstract_origin
                | dw::DW_AT_linkage_name
                | dw::DW_AT_MIPS_linkage_name
        )
}

/// Stands for a reference that leads nowhere: no section is as long as that.
const NOWHERE: DieOffset = DieOffset(u32::MAX);

impl<'a> UnitReader<'a> {
    /// All that is read of the entry at `offset`; `None` if there is none.
    pub(crate) fn attributes_at(&self, offset: DieOffset) -> Result<Option<Attributes<'a>>, Error> {
        let Some(mut cursor) = self.entry_at(offset) else {
            return Ok(None);
        };
        let Some(abbreviation) = self.kind(&mut cursor)? else {
            return Ok(None);
        };
        self.attributes(&mut cursor, abbreviation).map(Some)
    }

    /// Reads all attributes of the entry whose kind was just read.
    pub(crate) fn attributes(
        &self,
        cursor: &mut Cursor<'a>,
        abbreviation: &Abbreviation,
    ) -> Result<Attributes<'a>, Error> {
        let mut result = Attributes::default();
        let relocations = &self.units.section.relocations;
        let mut relocation = relocations.next_offset(cursor.at(), &self.last);
        for spec in &abbreviation.specs {
            let start = cursor.at();
            let fail = |source| self.malformed(start, "an attribute", source);
            if !spec.is_read {
                match form::size(spec.form, self.encoding) {
                    Some(bytes) => cursor.skip(bytes),
                    None => form::skip(cursor, spec.form, self.encoding),
                }
                .map_err(fail)?;
                continue;
            }
            let value =
                form::read(cursor, spec.form, spec.implicit, self.encoding).map_err(fail)?;
            let end = cursor.at();
            if relocation < start {
                relocation = relocations.next_offset(start, &self.last);
            }
            let value = AttributeAt {
                reader: self,
                start,
                end,
                relocated: relocation < end,
                value,
            };
            value.store(spec.name, &mut result)?;
        }
        Ok(result)
    }

    /// A string in any of its forms, which is written in `start..end`.
    pub(crate) fn string(
        &self,
        start: u64,
        end: u64,
        value: Value<'a>,
    ) -> Result<Option<&'a str>, Error> {
        let text = |bytes| {
            std::str::from_utf8(bytes).map_err(|_| self.unexpected(start, "a name", "UTF-8"))
        };
        self.string_bytes(start, end, value)?.map(text).transpose()
    }

    /// The same, whatever encoding it is in.
    pub(crate) fn string_bytes(
        &self,
        start: u64,
        end: u64,
        value: Value<'a>,
    ) -> Result<Option<&'a [u8]>, Error> {
        let elf = self.elf;
        let bytes = match value {
            Value::Text(bytes) => bytes,
            Value::Str(offset) => {
                let offset = self.offset(start, end, offset)?;
                self.text(&elf.str.bytes, offset, start, "a name in .debug_str")?
            }
            Value::LineStr(offset) => {
                let offset = self.offset(start, end, offset)?;
                self.text(
                    &elf.line_str.bytes,
                    offset,
                    start,
                    "a name in .debug_line_str",
                )?
            }
            Value::StrIndex(index) => {
                let width = u64::from(self.encoding.offset_size);
                let at = index
                    .saturating_mul(width)
                    .saturating_add(self.str_offsets_base);
                let last = std::cell::Cell::new(0);
                let word = elf.word(&elf.str_offsets, at, width as usize, &last)?;
                let Some(word) = word else {
                    let source = gimli::Error::UnexpectedEof(gimli::ReaderOffsetId(at));
                    let what = "a name's index in .debug_str_offsets";
                    return Err(self.malformed(start, what, source));
                };
                self.text(&elf.str.bytes, word.value, start, "a name in .debug_str")?
            }
            Value::StrElsewhere(offset) => {
                let table = &self
                    .supplement(start, "a name in a supplementary file")?
                    .str
                    .bytes;
                self.text(table, offset, start, "a name in a supplementary file")?
            }
            _ => return Ok(None),
        };
        Ok(Some(bytes))
    }

    fn text(
        &self,
        table: &'a [u8],
        offset: u64,
        start: u64,
        what: &'static str,
    ) -> Result<&'a [u8], Error> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        Cursor::new(table, at, self.elf.endian)
            .string()
            .map_err(|source| self.malformed(start, what, source))
    }
}

impl<'a> UnitReader<'a> {
    /// An error if the value in `start..end` depends on a relocation that cannot be applied.
    pub(crate) fn check(&self, start: u64, end: u64) -> Result<(), Error> {
        let section = &self.units.section;
        if section.relocations.is_empty() {
            return Ok(());
        }
        self.elf.check(section, start, end, &self.last)
    }

    /// The type of a signature; `None` if another object has it. A declaration is as good then: its name leads to it.
    pub(crate) fn type_unit(&self, value: Value<'a>) -> Option<DieOffset> {
        let Value::Signature(signature) = value else {
            return None;
        };
        self.object?.signature(signature)
    }

    /// A reference to an entry, which is written in `start..end`, where relocations were checked.
    pub(crate) fn reference(
        &self,
        start: u64,
        end: u64,
        value: Value<'a>,
    ) -> Result<DieOffset, Error> {
        let offset = match value {
            Value::UnitReference(offset) => {
                let at = u64::from(self.header.start).saturating_add(offset);
                u64::from(self.units.origin).saturating_add(at)
            }
            Value::Reference(offset) => self.reference_in_object(start, end, offset)?,
            Value::ReferenceElsewhere(offset) => {
                let what = "a reference to a supplementary file";
                self.supplement(start, what)?.origin.saturating_add(offset)
            }
            Value::Signature(_) => return Ok(self.type_unit(value).unwrap_or(NOWHERE)),
            _ => {
                let expected = "one of the forms for references";
                return Err(self.unexpected(start, "a reference to an entry", expected));
            }
        };
        u32::try_from(offset).map(DieOffset).map_err(|_| {
            let expected = "an offset below 4 GiB";
            self.unexpected(start, "a reference to an entry", expected)
        })
    }

    /// The file that `dwz` moved to what the value at `start` refers to.
    fn supplement(&self, start: u64, what: &'static str) -> Result<&'a Elf<'a>, Error> {
        let other = self.object.and_then(Object::supplement);
        other.ok_or_else(|| self.unexpected(start, what, "the supplementary file beside this one"))
    }

    /// A reference from the start of a section; a relocation says which.
    fn reference_in_object(&self, start: u64, end: u64, offset: u64) -> Result<u64, Error> {
        let elf = self.elf;
        let section = &self.units.section;
        let mut offset = offset;
        let mut units = elf.units.iter().find(|units| !units.types);
        if !section.relocations.is_empty()
            && let Some(word) = elf.word(section, start, (end - start) as usize, &self.last)?
        {
            offset = word.value;
            if let Some(Location::Section { section, .. }) = word.place {
                units = elf.units_at(section).or(units);
            }
        }
        let origin = units.map_or(0, |units| units.origin);
        Ok(u64::from(origin).saturating_add(offset))
    }
}

/// One attribute's value and where it stands.
struct AttributeAt<'r, 'a> {
    reader: &'r UnitReader<'a>,
    start: u64,
    end: u64,
    /// Whether a relocation applies to it.
    relocated: bool,
    value: Value<'a>,
}

impl<'a> AttributeAt<'_, 'a> {
    fn store(self, name: DwAt, to: &mut Attributes<'a>) -> Result<(), Error> {
        match name {
            dw::DW_AT_name => to.name = self.string()?,
            dw::DW_AT_linkage_name | dw::DW_AT_MIPS_linkage_name => {
                to.linkage_name = self.string()?
            }
            dw::DW_AT_type => to.target = Some(self.reference()?),
            dw::DW_AT_containing_type => to.containing = Some(self.reference()?),
            dw::DW_AT_specification | dw::DW_AT_abstract_origin => {
                to.origin = Some(self.reference()?)
            }
            // A type unit that another object has is as good as a declaration: its name leads to it.
            dw::DW_AT_signature => to.signature = self.reader.type_unit(self.value),
            dw::DW_AT_discr => to.discriminant = Some(self.reference()?),
            dw::DW_AT_byte_size => to.byte_size = self.unsigned()?,
            dw::DW_AT_bit_size => to.bit_size = self.unsigned()?,
            dw::DW_AT_bit_offset => to.bit_offset = self.constant()?.map(|value| value as i64),
            dw::DW_AT_data_bit_offset => to.data_bit_offset = self.unsigned()?,
            dw::DW_AT_alignment => {
                to.alignment = self.unsigned()?.filter(|alignment| *alignment != 0)
            }
            dw::DW_AT_data_member_location => to.member_location = Some(self.member_location()?),
            dw::DW_AT_encoding => {
                to.encoding = self
                    .unsigned()?
                    .and_then(|value| u8::try_from(value).ok())
                    .map(gimli::DwAte);
            }
            dw::DW_AT_endianity => {
                to.endianity = self
                    .unsigned()?
                    .and_then(|value| u8::try_from(value).ok())
                    .map(gimli::DwEnd);
            }
            dw::DW_AT_count => to.count = Some(self.bound()?),
            dw::DW_AT_upper_bound => to.upper_bound = Some(self.bound()?),
            dw::DW_AT_lower_bound => to.lower_bound = Some(self.bound()?),
            dw::DW_AT_const_value | dw::DW_AT_discr_value => to.value = self.constant()?,
            dw::DW_AT_discr_list => {
                self.check()?;
                to.value_list = self.block();
            }
            dw::DW_AT_location => to.location = self.expression(),
            dw::DW_AT_decl_file => to.declared.file = self.small(),
            dw::DW_AT_decl_line => to.declared.line = self.small(),
            dw::DW_AT_declaration => to.declaration = self.flag(),
            dw::DW_AT_external => to.external = self.flag(),
            dw::DW_AT_GNU_vector => to.vector = self.flag(),
            dw::DW_AT_vtable_elem_location => {
                to.vtable_index = match self.member_location()? {
                    MemberLocation::Bytes(index) => Some(index),
                    MemberLocation::Computed => None,
                };
            }
            dw::DW_AT_byte_stride | dw::DW_AT_bit_stride => to.strided = true,
            _ => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        if !self.relocated {
            return Ok(());
        }
        self.reader.check(self.start, self.end)
    }

    fn string(self) -> Result<Option<&'a str>, Error> {
        self.reader.string(self.start, self.end, self.value)
    }

    fn reference(self) -> Result<DieOffset, Error> {
        self.check()?;
        self.reader.reference(self.start, self.end, self.value)
    }

    /// A constant, sign-extended if its form is signed; `None` for expressions and blocks of more than 16 bytes.
    fn constant(&self) -> Result<Option<u128>, Error> {
        self.check()?;
        Ok(match self.value {
            Value::Unsigned(value) => Some(value.into()),
            Value::Signed(value) => Some(i128::from(value) as u128),
            Value::Flag(value) => Some(value.into()),
            Value::Wide(block) | Value::Block(block) if block.len() <= 16 => {
                let fold = |value: u128, byte: &u8| (value << 8) | u128::from(*byte);
                Some(match self.reader.elf.endian {
                    RunTimeEndian::Little => block.iter().rev().fold(0, fold),
                    RunTimeEndian::Big => block.iter().fold(0, fold),
                })
            }
            _ => None,
        })
    }

    fn unsigned(&self) -> Result<Option<u64>, Error> {
        match self.constant()? {
            None => Ok(None),
            Some(value) => u64::try_from(value).map(Some).map_err(|_| {
                self.reader.unexpected(
                    self.start,
                    "a size, offset or encoding",
                    "a number from 0 to 2^64 - 1",
                )
            }),
        }
    }

    fn bound(&self) -> Result<Bound, Error> {
        Ok(self.constant()?.map_or(Bound::Computed, Bound::Constant))
    }

    fn small(&self) -> u32 {
        match self.constant() {
            Ok(Some(value)) => u32::try_from(value).unwrap_or(0),
            _ => 0,
        }
    }

    fn flag(&self) -> bool {
        matches!(self.value, Value::Flag(true))
    }

    fn block(&self) -> Option<&'a [u8]> {
        match self.value {
            Value::Block(block) => Some(block),
            _ => None,
        }
    }

    /// A constant, or the expression that older compilers write instead.
    fn member_location(&self) -> Result<MemberLocation, Error> {
        if let Some(bytes) = self.unsigned().or_else(|error| {
            if self.expression().is_some() {
                Ok(None)
            } else {
                Err(error)
            }
        })? && self.expression().is_none()
        {
            return Ok(MemberLocation::Bytes(bytes));
        }
        let Some(expression) = self.expression() else {
            return Ok(MemberLocation::Computed);
        };
        let mut operations = expression.operations(self.reader.header.encoding);
        let first = operations.next();
        let rest = operations.next();
        Ok(match (first, rest) {
            (Ok(Some(gimli::Operation::PlusConstant { value })), Ok(None)) => {
                MemberLocation::Bytes(value)
            }
            (Ok(Some(gimli::Operation::UnsignedConstant { value })), Ok(None)) => {
                MemberLocation::Bytes(value)
            }
            _ => MemberLocation::Computed,
        })
    }

    fn expression(&self) -> Option<Expression<Slice<'a>>> {
        match self.value {
            Value::Expression(bytes) | Value::Block(bytes) => {
                Some(Expression(Slice::new(bytes, self.reader.elf.endian)))
            }
            _ => None,
        }
    }
}
