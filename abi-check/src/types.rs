//! One type's entry and the entries in it that are part of it.
//!
//! What is nested in a type without being part of it, other types above all, is passed over: it is read when it is needed
//! itself.
//!
//! Invariant: an entry that is a type gives exactly one type, if only an opaque one.

use gimli::{DwTag, constants as dw};

use crate::abbreviation::Abbreviation;
use crate::attributes::{Attributes, Bound};
use crate::cursor::Cursor;
use crate::error::Error;
use crate::model::{
    DieOffset, Enumerator, Level, Member, Record, ScopeId, Shape, Type, UnitId, Variant,
    VariantPart, VirtualFunction,
};
use crate::shape::{is_type, member_place, shape_of, stands_for_parameter};
use crate::unit::UnitReader;

/// What the children of an entry belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Nothing,
    Record,
    VariantPart,
    Variant,
    Enumeration,
    Array,
    Function,
}

/// Reads the type at `offset`, whose unit and scope the caller knows; `None` if there is none.
pub(crate) fn read<'a>(
    reader: &UnitReader<'a>,
    offset: DieOffset,
) -> Result<Option<Type<'a>>, Error> {
    let Some(mut cursor) = reader.entry_at(offset) else {
        return Ok(None);
    };
    let Some(abbreviation) = reader.kind(&mut cursor)? else {
        return Ok(None);
    };
    if !is_type(abbreviation.tag) {
        return Ok(None);
    }
    let attributes = reader.attributes(&mut cursor, abbreviation)?;
    let mut part = Part {
        reader,
        stands_for_parameter: stands_for_parameter(attributes.name),
        shape: shape_of(abbreviation.tag, &attributes),
    };
    let owner = match &part.shape {
        Shape::Record(_) => Owner::Record,
        Shape::Enumeration { .. } => Owner::Enumeration,
        Shape::Array { .. } => Owner::Array,
        Shape::Function { .. } => Owner::Function,
        _ => Owner::Nothing,
    };
    if abbreviation.has_children && owner != Owner::Nothing {
        part.children(&mut cursor, owner)?;
    }
    Ok(Some(Type {
        unit: UnitId::default(),
        offset,
        name: attributes.name,
        given: None,
        scope: ScopeId::default(),
        size: attributes.byte_size,
        alignment: attributes.alignment,
        declared: attributes.declared,
        level: Level::Name,
        shape: part.shape,
    }))
}

/// A type whose parts are being read.
struct Part<'r, 'a> {
    reader: &'r UnitReader<'a>,
    stands_for_parameter: bool,
    shape: Shape<'a>,
}

impl<'a> Part<'_, 'a> {
    fn children(&mut self, cursor: &mut Cursor<'a>, owner: Owner) -> Result<(), Error> {
        let mut owners = vec![owner];
        while let Some(owner) = owners.last().copied()
            && !cursor.is_empty()
        {
            let at = cursor.at();
            let Some(abbreviation) = self.reader.kind(cursor)? else {
                owners.pop();
                continue;
            };
            let offset = self.reader.number(at);
            let inside = self.child(cursor, abbreviation, owner, offset)?;
            if abbreviation.has_children && inside == Owner::Nothing {
                self.reader.skip_children(cursor)?;
            } else if abbreviation.has_children {
                owners.push(inside);
            }
        }
        Ok(())
    }

    /// Reads one entry, and says what its children belong to.
    fn child(
        &mut self,
        cursor: &mut Cursor<'a>,
        abbreviation: &Abbreviation,
        owner: Owner,
        offset: DieOffset,
    ) -> Result<Owner, Error> {
        let at = cursor.at();
        let tag = abbreviation.tag;
        let is_read = matches!(
            (tag, owner),
            (
                dw::DW_TAG_member | dw::DW_TAG_inheritance,
                Owner::Record | Owner::VariantPart | Owner::Variant
            ) | (dw::DW_TAG_variant_part | dw::DW_TAG_variant, _)
                | (dw::DW_TAG_enumerator, Owner::Enumeration)
                | (dw::DW_TAG_subrange_type, Owner::Array)
                | (dw::DW_TAG_formal_parameter, Owner::Function)
        ) || (owner == Owner::Record && abbreviation.is_virtual())
            || (tag == dw::DW_TAG_template_type_parameter && self.stands_for_parameter);
        if !is_read {
            self.reader.skip(cursor, abbreviation)?;
            self.unread(tag, owner);
            return Ok(Owner::Nothing);
        }
        let attributes = self.reader.attributes(cursor, abbreviation)?;
        match tag {
            dw::DW_TAG_member | dw::DW_TAG_inheritance => {
                if !attributes.declaration && !attributes.external {
                    self.member(owner, tag, offset, attributes);
                }
            }
            dw::DW_TAG_variant_part | dw::DW_TAG_variant => {
                return self.variant_entry(owner, tag, &attributes, at);
            }
            dw::DW_TAG_subprogram => self.virtual_function(&attributes),
            dw::DW_TAG_template_type_parameter => {
                if let Some(record) = self.record() {
                    record.containing = attributes.target;
                }
            }
            dw::DW_TAG_enumerator => self.enumerator(&attributes),
            dw::DW_TAG_subrange_type => self.dimension(&attributes),
            _ => {
                if let Shape::Function { parameters, .. } = &mut self.shape {
                    parameters.push(attributes.target);
                }
            }
        }
        Ok(Owner::Nothing)
    }

    /// Entries whose presence says enough.
    fn unread(&mut self, tag: DwTag, owner: Owner) {
        match (tag, owner) {
            (dw::DW_TAG_generic_subrange, Owner::Array) => {
                self.shape = Shape::Opaque("an array of unknown rank");
            }
            (tag, Owner::Array) if is_type(tag) => {
                self.shape = Shape::Opaque("an array that is indexed by a type");
            }
            (dw::DW_TAG_unspecified_parameters, Owner::Function) => {
                if let Shape::Function { variadic, .. } = &mut self.shape {
                    *variadic = true;
                }
            }
            _ => {}
        }
    }

    fn record(&mut self) -> Option<&mut Record<'a>> {
        match &mut self.shape {
            Shape::Record(record) => Some(record),
            _ => None,
        }
    }

    fn member(&mut self, owner: Owner, tag: DwTag, offset: DieOffset, attributes: Attributes<'a>) {
        let (place, computed) = member_place(&attributes);
        let member = Member {
            offset,
            name: attributes
                .name
                .or((tag == dw::DW_TAG_inheritance).then_some("<base>")),
            target: attributes.target,
            place,
            bit_size: attributes.bit_size,
            alignment: attributes.alignment,
            declared: attributes.declared,
        };
        let Some(record) = self.record() else {
            return;
        };
        if computed {
            record.opaque = Some("a member at an offset that is computed at run time");
        }
        let part = record.variant_parts.last_mut();
        match (owner, part) {
            (Owner::Record, _) => record.members.push(member),
            (Owner::VariantPart, Some(part)) => part.members.push(member),
            (_, Some(part)) => {
                if let Some(variant) = part.variants.last_mut() {
                    variant.members.push(member);
                }
            }
            (_, None) => {}
        }
    }

    fn virtual_function(&mut self, attributes: &Attributes<'a>) {
        let (name, index) = (attributes.name, attributes.vtable_index);
        if let (Some(record), Some(name), Some(index)) = (self.record(), name, index) {
            record
                .virtual_functions
                .push(VirtualFunction { name, index });
        }
    }

    /// A variant part or a variant, and what its children are in.
    fn variant_entry(
        &mut self,
        owner: Owner,
        tag: DwTag,
        attributes: &Attributes<'a>,
        at: u64,
    ) -> Result<Owner, Error> {
        match (tag, owner) {
            (dw::DW_TAG_variant_part, Owner::Record) => {
                if let Some(record) = self.record() {
                    record.variant_parts.push(VariantPart {
                        discriminant: attributes.discriminant,
                        ..VariantPart::default()
                    });
                }
                Ok(Owner::VariantPart)
            }
            (dw::DW_TAG_variant_part, Owner::Variant) => {
                if let Some(record) = self.record() {
                    record.opaque = Some("a variant part within a variant");
                }
                Ok(Owner::Nothing)
            }
            (dw::DW_TAG_variant, Owner::VariantPart) => {
                let values = self.values(attributes, at)?;
                let part = self.record().and_then(|r| r.variant_parts.last_mut());
                if let Some(part) = part {
                    part.variants.push(Variant {
                        values,
                        members: Vec::new(),
                        declared: attributes.declared,
                    });
                }
                Ok(Owner::Variant)
            }
            _ => Ok(Owner::Nothing),
        }
    }

    /// Discriminants of a variant: one value, or a list of labels and ranges (DWARF 5, section 5.7.10).
    fn values(&self, attributes: &Attributes<'a>, at: u64) -> Result<Vec<(u128, u128)>, Error> {
        let mut values: Vec<_> = attributes
            .value
            .map(|value| (value, value))
            .into_iter()
            .collect();
        let Some(list) = attributes.value_list else {
            return Ok(values);
        };
        let fail = |source| self.reader.malformed(at, "a list of discriminants", source);
        let mut rest = Cursor::new(list, 0, self.reader.elf.endian);
        while !rest.is_empty() {
            let kind = gimli::DwDsc(rest.byte().map_err(fail)?);
            let low = rest.uleb().map_err(fail)?;
            let high = if kind == gimli::DW_DSC_range {
                rest.uleb().map_err(fail)?
            } else {
                low
            };
            values.push((low.into(), high.into()));
        }
        Ok(values)
    }

    fn enumerator(&mut self, attributes: &Attributes<'a>) {
        let (Some(name), Some(value)) = (attributes.name, attributes.value) else {
            self.shape = Shape::Opaque("an enumerator whose value is wider than 128 bits");
            return;
        };
        if let Shape::Enumeration { enumerators, .. } = &mut self.shape {
            enumerators.push(Enumerator { name, value });
        }
    }

    fn dimension(&mut self, attributes: &Attributes<'a>) {
        let constant = |bound| match bound {
            Some(Bound::Constant(value)) => Some(value),
            _ => None,
        };
        let lower = constant(attributes.lower_bound).unwrap_or(0);
        let count = match (attributes.count, attributes.upper_bound) {
            (Some(count), _) => constant(Some(count)),
            // -1, in whatever width it was written, is an array of no elements.
            (None, Some(Bound::Constant(upper))) if is_minus_one(upper) => Some(0),
            (None, upper) => constant(upper)
                .and_then(|upper| upper.checked_sub(lower))
                .and_then(|last| last.checked_add(1)),
        };
        if let Shape::Array { dimensions, .. } = &mut self.shape {
            dimensions.push(count.and_then(|count| u64::try_from(count).ok()));
        }
    }
}

fn is_minus_one(value: u128) -> bool {
    value == u128::MAX || value == u128::from(u64::MAX) || value == u128::from(u32::MAX)
}
