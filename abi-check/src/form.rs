//! Values of attributes, in all forms of DWARF 2 to 5.
//!
//! Invariant: [`skip`] passes over exactly the bytes that [`read`] reads, and [`size`] is their number where it says one.

use gimli::{DwForm, constants as dw};

use crate::cursor::Cursor;

/// What the sizes of values depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Encoding {
    /// Version of DWARF.
    pub(crate) version: u16,
    /// Bytes of an address.
    pub(crate) address_size: u8,
    /// Bytes of an offset: 4, or 8 in the 64-bit format.
    pub(crate) offset_size: u8,
}

/// A value, as it is written.
///
/// Its discriminant is a word: a value is copied by words, and a CPU that reads a word of which it has just written a byte waits
/// until that is in the cache, at every attribute.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Value<'a> {
    /// An unsigned number, or one of which nothing says whether it is.
    Unsigned(u64),
    /// A signed number.
    Signed(i64),
    /// A number of 16 bytes.
    Wide(&'a [u8]),
    /// Yes or no.
    Flag(bool),
    /// A string in place.
    Text(&'a [u8]),
    /// Offset in `.debug_str`.
    Str(u64),
    /// Offset in `.debug_line_str`.
    LineStr(u64),
    /// Index in `.debug_str_offsets`.
    StrIndex(u64),
    /// Offset of a string in a supplementary file.
    StrElsewhere(u64),
    /// A block of bytes.
    Block(&'a [u8]),
    /// A location expression.
    Expression(&'a [u8]),
    /// An entry, from the start of the unit.
    UnitReference(u64),
    /// An entry, from the start of `.debug_info`.
    Reference(u64),
    /// A type unit.
    Signature(u64),
    /// An entry of a supplementary file, from the start of its `.debug_info`.
    ReferenceElsewhere(u64),
    /// Offset in a section that the attribute names.
    SectionOffset(u64),
    /// Anything else.
    Other,
}

type Result<T> = std::result::Result<T, gimli::Error>;

/// Bytes of a value; `None` if it says so itself.
pub(crate) fn size(form: DwForm, encoding: Encoding) -> Option<u64> {
    Some(match form {
        dw::DW_FORM_implicit_const | dw::DW_FORM_flag_present => 0,
        dw::DW_FORM_data1 | dw::DW_FORM_ref1 | dw::DW_FORM_flag => 1,
        dw::DW_FORM_strx1 | dw::DW_FORM_addrx1 => 1,
        dw::DW_FORM_data2 | dw::DW_FORM_ref2 => 2,
        dw::DW_FORM_strx2 | dw::DW_FORM_addrx2 => 2,
        dw::DW_FORM_strx3 | dw::DW_FORM_addrx3 => 3,
        dw::DW_FORM_data4 | dw::DW_FORM_ref4 | dw::DW_FORM_ref_sup4 => 4,
        dw::DW_FORM_strx4 | dw::DW_FORM_addrx4 => 4,
        dw::DW_FORM_data8 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_sup8 | dw::DW_FORM_ref_sig8 => 8,
        dw::DW_FORM_data16 => 16,
        dw::DW_FORM_addr => encoding.address_size.into(),
        dw::DW_FORM_ref_addr if encoding.version <= 2 => encoding.address_size.into(),
        dw::DW_FORM_strp
        | dw::DW_FORM_line_strp
        | dw::DW_FORM_strp_sup
        | dw::DW_FORM_sec_offset
        | dw::DW_FORM_ref_addr
        | dw::DW_FORM_GNU_ref_alt
        | dw::DW_FORM_GNU_strp_alt => encoding.offset_size.into(),
        _ => return None,
    })
}

/// Passes over a value that says its own size.
pub(crate) fn skip(cursor: &mut Cursor<'_>, form: DwForm, encoding: Encoding) -> Result<()> {
    match form {
        dw::DW_FORM_udata
        | dw::DW_FORM_sdata
        | dw::DW_FORM_ref_udata
        | dw::DW_FORM_strx
        | dw::DW_FORM_addrx
        | dw::DW_FORM_loclistx
        | dw::DW_FORM_rnglistx
        | dw::DW_FORM_GNU_addr_index
        | dw::DW_FORM_GNU_str_index => cursor.skip_leb(),
        dw::DW_FORM_block | dw::DW_FORM_exprloc => {
            let length = cursor.uleb()?;
            cursor.skip(length)
        }
        dw::DW_FORM_block1 | dw::DW_FORM_block2 | dw::DW_FORM_block4 => {
            let length = cursor.number(block_width(form))?;
            cursor.skip(length)
        }
        dw::DW_FORM_string => cursor.string().map(|_| ()),
        dw::DW_FORM_indirect => {
            let form = indirect(cursor)?;
            skip(cursor, form, encoding)
        }
        _ => match size(form, encoding) {
            Some(bytes) => cursor.skip(bytes),
            None => Err(gimli::Error::UnknownForm(form)),
        },
    }
}

/// Reads a value.
#[inline(always)]
pub(crate) fn read<'a>(
    cursor: &mut Cursor<'a>,
    form: DwForm,
    implicit: i64,
    encoding: Encoding,
) -> Result<Value<'a>> {
    let offset_size = u64::from(encoding.offset_size);
    Ok(match form {
        dw::DW_FORM_data1 => Value::Unsigned(cursor.number(1)?),
        dw::DW_FORM_data2 => Value::Unsigned(cursor.number(2)?),
        dw::DW_FORM_data4 => Value::Unsigned(cursor.number(4)?),
        dw::DW_FORM_data8 => Value::Unsigned(cursor.number(8)?),
        dw::DW_FORM_udata => Value::Unsigned(cursor.uleb()?),
        dw::DW_FORM_sdata => Value::Signed(cursor.sleb()?),
        dw::DW_FORM_implicit_const => Value::Signed(implicit),
        dw::DW_FORM_data16 => Value::Wide(cursor.take(16)?),
        dw::DW_FORM_flag => Value::Flag(cursor.byte()? != 0),
        dw::DW_FORM_flag_present => Value::Flag(true),
        dw::DW_FORM_string => Value::Text(cursor.string()?),
        dw::DW_FORM_strp => Value::Str(cursor.number(offset_size)?),
        dw::DW_FORM_line_strp => Value::LineStr(cursor.number(offset_size)?),
        dw::DW_FORM_strx | dw::DW_FORM_GNU_str_index => Value::StrIndex(cursor.uleb()?),
        dw::DW_FORM_strx1 => Value::StrIndex(cursor.number(1)?),
        dw::DW_FORM_strx2 => Value::StrIndex(cursor.number(2)?),
        dw::DW_FORM_strx3 => Value::StrIndex(cursor.number(3)?),
        dw::DW_FORM_strx4 => Value::StrIndex(cursor.number(4)?),
        dw::DW_FORM_ref1 => Value::UnitReference(cursor.number(1)?),
        dw::DW_FORM_ref2 => Value::UnitReference(cursor.number(2)?),
        dw::DW_FORM_ref4 => Value::UnitReference(cursor.number(4)?),
        dw::DW_FORM_ref8 => Value::UnitReference(cursor.number(8)?),
        dw::DW_FORM_ref_udata => Value::UnitReference(cursor.uleb()?),
        dw::DW_FORM_ref_addr => {
            let width = size(form, encoding).unwrap_or(offset_size);
            Value::Reference(cursor.number(width)?)
        }
        dw::DW_FORM_ref_sig8 => Value::Signature(cursor.number(8)?),
        dw::DW_FORM_sec_offset => Value::SectionOffset(cursor.number(offset_size)?),
        dw::DW_FORM_exprloc => {
            let length = cursor.uleb()?;
            Value::Expression(cursor.take(length)?)
        }
        dw::DW_FORM_block => {
            let length = cursor.uleb()?;
            Value::Block(cursor.take(length)?)
        }
        dw::DW_FORM_block1 | dw::DW_FORM_block2 | dw::DW_FORM_block4 => {
            let length = cursor.number(block_width(form))?;
            Value::Block(cursor.take(length)?)
        }
        dw::DW_FORM_indirect => {
            let form = indirect(cursor)?;
            return read_indirect(cursor, form, encoding);
        }
        dw::DW_FORM_strp_sup | dw::DW_FORM_GNU_strp_alt => {
            Value::StrElsewhere(cursor.number(offset_size)?)
        }
        dw::DW_FORM_ref_sup4 | dw::DW_FORM_ref_sup8 | dw::DW_FORM_GNU_ref_alt => {
            let width = size(form, encoding).unwrap_or(offset_size);
            Value::ReferenceElsewhere(cursor.number(width)?)
        }
        _ => {
            skip(cursor, form, encoding)?;
            Value::Other
        }
    })
}

/// Reads a value whose form stands before it.
fn read_indirect<'a>(
    cursor: &mut Cursor<'a>,
    form: DwForm,
    encoding: Encoding,
) -> Result<Value<'a>> {
    read(cursor, form, 0, encoding)
}

/// The form that stands before the value.
fn indirect(cursor: &mut Cursor<'_>) -> Result<DwForm> {
    let form = cursor.uleb()?;
    let form = u16::try_from(form).map(DwForm);
    match form {
        // The value of an implicit constant would be in the abbreviation; another indirection helps nobody.
        Ok(form @ (dw::DW_FORM_implicit_const | dw::DW_FORM_indirect)) => {
            Err(gimli::Error::UnknownForm(form))
        }
        Ok(form) => Ok(form),
        Err(_) => Err(gimli::Error::UnknownForm(dw::DW_FORM_indirect)),
    }
}

fn block_width(form: DwForm) -> u64 {
    match form {
        dw::DW_FORM_block1 => 1,
        dw::DW_FORM_block2 => 2,
        _ => 4,
    }
}
