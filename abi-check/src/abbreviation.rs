//! Abbreviations: how the entries of a unit are encoded, with what is the same for all entries of a kind worked out once.
//!
//! Most entries are passed over, and of most others a few attributes are hashed. For both, each abbreviation has its
//! [`Step`]s: runs of attributes of known size as one number, between attributes that are read or say their size themselves.
//!
//! Invariant: what passes over an entry ends where reading all its attributes ends.

use gimli::{DwAt, DwForm, DwTag, constants as dw};
use rustc_hash::FxHashMap;

use crate::attributes::{is_read, tells_apart};
use crate::cursor::Cursor;
use crate::form::{self, Encoding};
use crate::shape::is_type;

/// An attribute of all entries of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Its name.
    pub(crate) name: DwAt,
    /// How it is encoded.
    pub(crate) form: DwForm,
    /// The value of `DW_FORM_implicit_const`.
    pub(crate) implicit: i64,
    /// Whether its value is of interest here.
    pub(crate) is_read: bool,
}

/// Bytes to pass over, and what follows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// So many.
    pub(crate) bytes: u64,
    /// What comes next.
    pub(crate) then: Next,
}

/// What follows bytes that are passed over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    /// The end of the entry.
    End,
    /// A value to pass over that says its own size.
    Pass(DwForm),
    /// A value to read.
    Read(Spec),
}

/// The steps through entries of which the attributes for which `reads` is true are read.
fn steps(specs: &[Spec], encoding: Encoding, reads: fn(DwAt) -> bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut bytes = 0;
    for spec in specs {
        let then = match form::size(spec.form, encoding) {
            _ if reads(spec.name) => Next::Read(*spec),
            None => Next::Pass(spec.form),
            Some(size) => {
                bytes += size;
                continue;
            }
        };
        steps.push(Step { bytes, then });
        bytes = 0;
    }
    if bytes > 0 {
        let then = Next::End;
        steps.push(Step { bytes, then });
    }
    steps
}

/// What an entry is to the pass that looks for statics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A namespace, module or function with contents.
    Scope,
    /// A variable that may have a static location.
    Static,
    /// A variable that has none: at most the declaration of one.
    Variable,
    /// A member that may be the declaration of a variable.
    StaticMember,
    /// A structure, class or union.
    Record,
    /// A type that names others.
    Typedef,
    /// An enumeration.
    Enumeration,
    /// An array.
    Array,
    /// A range, which is a type unless it is within an array.
    Subrange,
    /// Another type.
    Type,
    /// Anything else.
    Other,
}

/// One kind of entry.
#[derive(Debug)]
pub(crate) struct Abbreviation {
    /// Tag.
    pub(crate) tag: DwTag,
    /// Whether entries follow that are in it.
    pub(crate) has_children: bool,
    /// What it is for.
    pub(crate) role: Role,
    /// Its attributes.
    pub(crate) specs: Vec<Spec>,
    /// The way through those that tell types apart.
    pub(crate) telling: Vec<Step>,
    passing: Vec<Step>,
}

impl Abbreviation {
    /// Whether its entries have an attribute.
    pub(crate) fn has(&self, name: DwAt) -> bool {
        self.specs.iter().any(|spec| spec.name == name)
    }

    /// Whether its entries are functions with a place in their class's vtable.
    pub(crate) fn is_virtual(&self) -> bool {
        self.tag == dw::DW_TAG_subprogram && self.has(dw::DW_AT_vtable_elem_location)
    }

    /// Passes over an entry's attributes.
    #[inline]
    pub(crate) fn skip(&self, cursor: &mut Cursor<'_>, encoding: Encoding) -> gimli::Result<()> {
        for step in &self.passing {
            cursor.skip(step.bytes)?;
            if let Next::Pass(form) = step.then {
                form::skip(cursor, form, encoding)?;
            }
        }
        Ok(())
    }

    fn new(tag: DwTag, has_children: bool, specs: Vec<Spec>, encoding: Encoding) -> Abbreviation {
        let mut result = Abbreviation {
            tag,
            has_children,
            role: Role::Other,
            telling: steps(&specs, encoding, tells_apart),
            passing: steps(&specs, encoding, |_| false),
            specs,
        };
        result.role = result.role();
        result
    }

    fn role(&self) -> Role {
        match self.tag {
            dw::DW_TAG_namespace | dw::DW_TAG_module | dw::DW_TAG_subprogram
                if self.has_children =>
            {
                Role::Scope
            }
            dw::DW_TAG_variable if self.specs.iter().any(Spec::is_expression) => Role::Static,
            dw::DW_TAG_variable => Role::Variable,
            dw::DW_TAG_member | dw::DW_TAG_inheritance
                if self.has(dw::DW_AT_declaration) || self.has(dw::DW_AT_external) =>
            {
                Role::StaticMember
            }
            dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_interface_type
            | dw::DW_TAG_union_type => Role::Record,
            dw::DW_TAG_typedef | dw::DW_TAG_template_alias => Role::Typedef,
            dw::DW_TAG_enumeration_type => Role::Enumeration,
            dw::DW_TAG_array_type => Role::Array,
            dw::DW_TAG_subrange_type => Role::Subrange,
            tag if is_type(tag) => Role::Type,
            _ => Role::Other,
        }
    }
}

impl Spec {
    /// Whether it is a location that is written in place, not one of a list by code address.
    pub(crate) fn is_expression(&self) -> bool {
        self.name == dw::DW_AT_location
            && !matches!(
                self.form,
                dw::DW_FORM_sec_offset | dw::DW_FORM_loclistx | dw::DW_FORM_data4
            )
    }
}

/// All kinds of entries of a unit.
#[derive(Debug, Default)]
pub(crate) struct Abbreviations {
    /// Codes from 1 on, as all compilers number them.
    dense: Vec<Abbreviation>,
    others: FxHashMap<u64, Abbreviation>,
}

impl Abbreviations {
    /// Reads a table up to its end.
    pub(crate) fn read(
        cursor: &mut Cursor<'_>,
        encoding: Encoding,
    ) -> gimli::Result<Abbreviations> {
        let mut result = Abbreviations::default();
        while !cursor.is_empty() {
            let code = cursor.uleb()?;
            if code == 0 {
                break;
            }
            let tag = DwTag(narrow(cursor.uleb()?)?);
            let has_children = match cursor.byte()? {
                0 => false,
                1 => true,
                other => {
                    let children = gimli::DwChildren(other);
                    return Err(gimli::Error::InvalidAbbreviationChildren(children));
                }
            };
            let specs = specs(cursor)?;
            let abbreviation = Abbreviation::new(tag, has_children, specs, encoding);
            if code == result.dense.len() as u64 + 1 && !result.others.contains_key(&code) {
                result.dense.push(abbreviation);
            } else if result.get(code).is_some() {
                return Err(gimli::Error::DuplicateAbbreviationCode(code));
            } else {
                result.others.insert(code, abbreviation);
            }
        }
        Ok(result)
    }

    /// Whether the kind of entry with a code has an attribute; nothing behind it is read.
    pub(crate) fn has(cursor: &mut Cursor<'_>, wanted: u64, name: DwAt) -> gimli::Result<bool> {
        while !cursor.is_empty() {
            let code = cursor.uleb()?;
            if code == 0 {
                break;
            }
            cursor.skip_leb()?;
            cursor.skip(1)?;
            let specs = specs(cursor)?;
            if code == wanted {
                return Ok(specs.iter().any(|spec| spec.name == name));
            }
        }
        Ok(false)
    }

    /// The kind of entry with a code.
    #[inline]
    pub(crate) fn get(&self, code: u64) -> Option<&Abbreviation> {
        match self.dense.get((code as usize).wrapping_sub(1)) {
            Some(abbreviation) => Some(abbreviation),
            None => self.others.get(&code),
        }
    }
}

fn specs(cursor: &mut Cursor<'_>) -> gimli::Result<Vec<Spec>> {
    let mut result = Vec::new();
    loop {
        let (name, form) = (cursor.uleb()?, cursor.uleb()?);
        if (name, form) == (0, 0) {
            return Ok(result);
        }
        let (name, form) = (DwAt(narrow(name)?), DwForm(narrow(form)?));
        result.push(Spec {
            name,
            form,
            implicit: if form == dw::DW_FORM_implicit_const {
                cursor.sleb()?
            } else {
                0
            },
            is_read: is_read(name),
        });
    }
}

fn narrow(value: u64) -> gimli::Result<u16> {
    u16::try_from(value).map_err(|_| gimli::Error::BadUnsignedLeb128)
}
