//! What a comparison can start from: the statics and types of a unit, by their qualified names.
//!
//! Invariant: what has no name, and types that are only declared, are no candidates.

use std::borrow::Cow;

use crate::attributes::Attributes;
use crate::error::Error;
use crate::index::{FoundStatic, Index, LocalScope};
use crate::load::typedefs;
use crate::location::Placement;
use crate::model::{DieOffset, Static, Unit, UnitId};
use crate::report::RootKind;
use crate::unit::UnitReader;

/// A type that a caller may ask for.
pub(crate) struct NamedType<'a> {
    /// The type, as something to start from.
    pub(crate) root: Static<'a>,
    /// Whether it only gives another name to what has one, or to no structure at all.
    pub(crate) is_alias: bool,
}

/// A static with its qualified name; `None` if it has no name at all.
pub(crate) fn variable<'a>(
    reader: &UnitReader<'a>,
    index: &Index<'a>,
    found: &FoundStatic<'a>,
) -> Result<Option<Static<'a>>, Error> {
    let attributes = &found.attributes;
    let Some(name) = attributes.name.or(attributes.linkage_name) else {
        return Ok(None);
    };
    let outer = found.scope_elsewhere.clone();
    let name = qualified(reader, index, (outer, found.scope), name)?;
    let is_vtable = name.ends_with("::{vtable}");
    Ok(Some(Static {
        kind: if is_vtable {
            RootKind::Vtable
        } else {
            RootKind::Static
        },
        unit: UnitId::default(),
        name,
        linkage_name: attributes.linkage_name,
        target: attributes.target,
        location: match found.placement {
            Placement::At(location) => Some(location),
            _ => None,
        },
        declared: attributes.declared,
    }))
}

/// The structures, unions, enumerations and typedefs that a unit defines under a name.
pub(crate) fn types<'a>(
    reader: &UnitReader<'a>,
    unit: &Unit<'a>,
    index: &Index<'a>,
) -> Result<Vec<NamedType<'a>>, Error> {
    let given = typedefs(reader, index)?;
    let mut result = Vec::new();
    for at in &index.named {
        let (offset, scope) = index.types[*at as usize];
        // Rust nests no type in another one: these are what variants add to their enum.
        if unit.is_rust && index.is_type(scope) {
            continue;
        }
        let Some(attributes) = reader.attributes_at(offset)? else {
            continue;
        };
        let name = attributes.name.or_else(|| given.get(&offset).copied());
        let is_elsewhere = attributes.declaration || attributes.signature.is_some();
        if let Some(name) = name.filter(|_| !is_elsewhere) {
            let name = qualified(reader, index, (Vec::new(), scope), name)?;
            result.push(NamedType {
                root: root(name, offset, &attributes),
                is_alias: false,
            });
        }
    }
    for offset in &index.typedefs {
        let Some((at, attributes)) = index.type_at(*offset).zip(reader.attributes_at(*offset)?)
        else {
            continue;
        };
        let (Some(name), Some(target)) = (attributes.name, attributes.target) else {
            continue;
        };
        let names_it = given.get(&target) == Some(&name);
        let has_own_name = || {
            Ok(reader
                .attributes_at(target)?
                .is_none_or(|to| to.name.is_some()))
        };
        let is_known = names_it && index.is_named(target) && !has_own_name()?;
        if !is_known {
            let name = qualified(reader, index, (Vec::new(), index.types[at].1), name)?;
            result.push(NamedType {
                root: root(name, *offset, &attributes),
                is_alias: true,
            });
        }
    }
    Ok(result)
}

fn root<'a>(name: Cow<'a, str>, offset: DieOffset, attributes: &Attributes<'a>) -> Static<'a> {
    Static {
        kind: RootKind::Type,
        unit: UnitId::default(),
        name,
        linkage_name: None,
        target: Some(offset),
        location: None,
        declared: attributes.declared,
    }
}

fn qualified<'a>(
    reader: &UnitReader<'a>,
    index: &Index<'a>,
    (mut parts, scope): (Vec<&'a str>, LocalScope),
    name: &'a str,
) -> Result<Cow<'a, str>, Error> {
    for scope in index.path(scope) {
        parts.extend(index.scope_name(reader, scope)?);
    }
    if parts.is_empty() {
        return Ok(Cow::Borrowed(name));
    }
    parts.push(name);
    Ok(Cow::Owned(parts.join("::")))
}
