//! Attributes of one debugging information entry, read into a struct.
//!
//! Every attribute that a layout depends on is checked for relocations that could not be applied; the others may hold
//! anything. Strings and constants come in many forms in DWARF 4 and 5, all are reduced to one here.
//!
//! Invariant: reading consumes exactly the entry's attributes, whatever they are.

use gimli::{
    Abbreviation, AttributeValue, DebugAddrBase, DebugStrOffsetsBase, DwAt, EndianSlice,
    EntriesRaw, Expression, Reader as _, RunTimeEndian, UnitHeader, constants as dw,
};

use crate::elf::Elf;
use crate::error::Error;
use crate::model::{Declared, DieOffset};

/// How sections are read.
pub(crate) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

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
    pub(crate) value_list: Option<Slice<'a>>,
    pub(crate) location: Option<Expression<Slice<'a>>>,
    pub(crate) declared: Declared,
    pub(crate) declaration: bool,
    pub(crate) external: bool,
    pub(crate) vector: bool,
    pub(crate) strided: bool,
}

/// What is needed to read attributes of one unit.
pub(crate) struct UnitReader<'a> {
    /// The object.
    pub(crate) elf: &'a Elf<'a>,
    /// The unit's header.
    pub(crate) header: UnitHeader<Slice<'a>>,
    /// Base of `DW_FORM_strx`.
    pub(crate) str_offsets_base: DebugStrOffsetsBase<usize>,
    /// Base of `DW_FORM_addrx`.
    pub(crate) addr_base: DebugAddrBase<usize>,
}

impl<'a> UnitReader<'a> {
    /// Offset of the unit in `.debug_info`.
    pub(crate) fn start(&self) -> u64 {
        self.header
            .debug_info_offset()
            .map_or(0, |offset| offset.0 as u64)
    }

    /// A parser's error at an offset in the unit.
    pub(crate) fn malformed(
        &self,
        offset: gimli::UnitOffset,
        what: &'static str,
        source: gimli::Error,
    ) -> Error {
        Error::Dwarf {
            file: self.elf.file.to_owned(),
            section: self.elf.info.name,
            offset: self.start().saturating_add(offset.0 as u64),
            what,
            source,
        }
    }

    fn unexpected(&self, offset: u64, what: &'static str, expected: &'static str) -> Error {
        Error::Unexpected {
            file: self.elf.file.to_owned(),
            section: self.elf.info.name,
            offset,
            what,
            expected,
        }
    }

    /// Reads all attributes of the entry whose abbreviation was just read.
    pub(crate) fn attributes(
        &self,
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        abbreviation: &Abbreviation,
    ) -> Result<Attributes<'a>, Error> {
        let mut result = Attributes::default();
        for spec in abbreviation.attributes() {
            let before = entries.next_offset();
            let attribute = entries
                .read_attribute(*spec)
                .map_err(|source| self.malformed(before, "an attribute", source))?;
            let start = self.start() + before.0 as u64;
            let end = self.start() + entries.next_offset().0 as u64;
            let value = AttributeAt {
                reader: self,
                start,
                end,
                value: attribute.raw_value(),
            };
            match attribute.name() {
                // Gives an expression a type of its own, whatever its form.
                dw::DW_AT_location => {
                    if let AttributeValue::Exprloc(expression) = attribute.value() {
                        result.location = Some(expression);
                    }
                }
                name => value.store(name, &mut result)?,
            }
        }
        Ok(result)
    }

    /// A string in any of its forms.
    pub(crate) fn string(
        &self,
        start: u64,
        value: AttributeValue<Slice<'a>>,
    ) -> Result<Option<&'a str>, Error> {
        let fail = |what| {
            move |source| Error::Dwarf {
                file: self.elf.file.to_owned(),
                section: self.elf.info.name,
                offset: start,
                what,
                source,
            }
        };
        let elf = self.elf;
        let table = |section: &'a [u8]| gimli::DebugStr::new(section, elf.endian);
        let slice = match value {
            AttributeValue::String(slice) => slice,
            AttributeValue::DebugStrRef(offset) => table(&elf.str.bytes)
                .get_str(offset)
                .map_err(fail("a name in .debug_str"))?,
            AttributeValue::DebugLineStrRef(offset) => table(&elf.line_str.bytes)
                .get_str(gimli::DebugStrOffset(offset.0))
                .map_err(fail("a name in .debug_line_str"))?,
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let word = self.header.format().word_size();
                let at = (index.0 as u64)
                    .saturating_mul(u64::from(word))
                    .saturating_add(self.str_offsets_base.0 as u64);
                elf.check(&elf.str_offsets, at, at.saturating_add(u64::from(word)))?;
                let offset =
                    gimli::DebugStrOffsets::from(Slice::new(&elf.str_offsets.bytes, elf.endian))
                        .get_str_offset(self.header.format(), self.str_offsets_base, index)
                        .map_err(fail("a name's index in .debug_str_offsets"))?;
                table(&elf.str.bytes)
                    .get_str(offset)
                    .map_err(fail("a name in .debug_str"))?
            }
            AttributeValue::DebugStrRefSup(_) => {
                return Err(self.unexpected(
                    start,
                    "a name in a supplementary file",
                    "a self-contained file",
                ));
            }
            _ => return Ok(None),
        };
        std::str::from_utf8(slice.slice())
            .map(Some)
            .map_err(|_| self.unexpected(start, "a name", "UTF-8"))
    }
}

/// One attribute's value and where it stands.
struct AttributeAt<'r, 'a> {
    reader: &'r UnitReader<'a>,
    start: u64,
    end: u64,
    value: AttributeValue<Slice<'a>>,
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
            dw::DW_AT_decl_file => to.declared.file = self.small(),
            dw::DW_AT_decl_line => to.declared.line = self.small(),
            dw::DW_AT_declaration => to.declaration = self.flag(),
            dw::DW_AT_external => to.external = self.flag(),
            dw::DW_AT_GNU_vector => to.vector = self.flag(),
            dw::DW_AT_byte_stride | dw::DW_AT_bit_stride => to.strided = true,
            _ => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        self.reader
            .elf
            .check(&self.reader.elf.info, self.start, self.end)
    }

    fn string(self) -> Result<Option<&'a str>, Error> {
        self.check()?;
        self.reader.string(self.start, self.value)
    }

    fn reference(self) -> Result<DieOffset, Error> {
        self.check()?;
        let offset = match self.value {
            AttributeValue::UnitRef(offset) => self.reader.start().saturating_add(offset.0 as u64),
            AttributeValue::DebugInfoRef(offset) => offset.0 as u64,
            _ => {
                return Err(self.reader.unexpected(
                    self.start,
                    "a reference to an entry",
                    "one within .debug_info (not to a type unit or supplementary file)",
                ));
            }
        };
        u32::try_from(offset).map(DieOffset).map_err(|_| {
            self.reader.unexpected(
                self.start,
                "a reference to an entry",
                "an offset below 4 GiB",
            )
        })
    }

    /// A constant, sign-extended if its form is signed; `None` for expressions and blocks of more than 16 bytes.
    fn constant(&self) -> Result<Option<u128>, Error> {
        self.check()?;
        Ok(match self.value {
            AttributeValue::Data1(value) => Some(value.into()),
            AttributeValue::Data2(value) => Some(value.into()),
            AttributeValue::Data4(value) => Some(value.into()),
            AttributeValue::Data8(value) | AttributeValue::Udata(value) => Some(value.into()),
            AttributeValue::Data16(value) => Some(value),
            AttributeValue::Sdata(value) => Some(i128::from(value) as u128),
            AttributeValue::Flag(value) => Some(value.into()),
            AttributeValue::Block(block) if block.len() <= 16 => {
                let fold = |value: u128, byte: &u8| (value << 8) | u128::from(*byte);
                Some(match self.reader.elf.endian {
                    RunTimeEndian::Little => block.slice().iter().rev().fold(0, fold),
                    RunTimeEndian::Big => block.slice().iter().fold(0, fold),
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
        matches!(self.value, AttributeValue::Flag(true))
    }

    fn block(&self) -> Option<Slice<'a>> {
        match self.value {
            AttributeValue::Block(block) => Some(block),
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
        let mut operations = expression.operations(self.reader.header.encoding());
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
            AttributeValue::Exprloc(expression) => Some(expression),
            AttributeValue::Block(block) => Some(Expression(block)),
            _ => None,
        }
    }
}
