//! The first pass over a unit: where its types, scopes and statics are.
//!
//! Entries are passed over in the order of the file, with a stack of what they are nested in. Nothing of a type is read
//! but where it is. Code is passed over like all else and not skipped as subtrees: C declares types and statics inside
//! functions. Only variables that may be statics are read.
//!
//! Invariants: the stack lives on the heap, so no nesting is too deep; types and variables ascend by offset; the parent of a
//! scope comes before it.

use std::ops::Range;

use gimli::constants as dw;

use crate::abbreviation::{Abbreviation, Role};
use crate::attributes::Attributes;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::form;
use crate::location::{self, Placement};
use crate::model::DieOffset;
use crate::origins::Origins;
use crate::unit::UnitReader;

/// A declaration chain longer than this is a cycle.
const MAX_ORIGINS: usize = 8;
/// Qualified names are cut off beyond this depth, which no compiler reaches.
pub(crate) const MAX_SCOPES: usize = 128;

/// Types are found by the block of so many bytes that they start in, as a power of two.
const BLOCK: u32 = 5;

/// A namespace, type or function of one unit; 0 is the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct LocalScope(pub(crate) u32);

/// Where a reference leads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reference {
    /// To a type of the unit, as an index of its types.
    Type(usize),
    /// To something of the unit that is no type.
    Nothing,
    /// To another unit.
    Outside(DieOffset),
}

/// What an entry with contents is.
#[derive(Clone, Copy, Debug)]
struct Frame {
    scope: LocalScope,
    is_array: bool,
}

/// A variable in static memory.
#[derive(Debug)]
pub(crate) struct FoundStatic<'a> {
    /// What is written about it, here and at its declaration.
    pub(crate) attributes: Attributes<'a>,
    /// Where it is.
    pub(crate) placement: Placement,
    /// What it is declared in.
    pub(crate) scope: LocalScope,
    /// Names of what it is declared in, from the outermost, if that is in another unit.
    pub(crate) scope_elsewhere: Vec<&'a str>,
}

/// Where things are in one unit.
#[derive(Debug, Default)]
pub(crate) struct Index<'a> {
    /// Types, and what they are declared in.
    pub(crate) types: Vec<(DieOffset, LocalScope)>,
    /// For each block of the unit, the first type that starts in it or behind it.
    blocks: Vec<u32>,
    /// The unit, as offsets of entries.
    unit: Range<u32>,
    /// Typedefs, which may be the names of types that have none.
    pub(crate) typedefs: Vec<DieOffset>,
    /// Structures, unions and enumerations, as indexes of `types`.
    pub(crate) named: Vec<u32>,
    /// Variables in static memory, those with a declaration elsewhere last.
    pub(crate) statics: Vec<FoundStatic<'a>>,
    /// Parent and entry of each scope.
    scopes: Vec<(LocalScope, DieOffset)>,
    /// All variables and static members with their scopes: definitions elsewhere refer to them.
    variables: Vec<(DieOffset, LocalScope)>,
}

impl<'a> Index<'a> {
    /// Passes over the entries of a unit. Without `statics`, only types and scopes are looked for.
    pub(crate) fn read(reader: &UnitReader<'a>, statics: bool) -> Result<Index<'a>, Error> {
        let (mut index, completions) = Index::scan(reader, statics)?;
        let mut origins = Origins::default();
        for found in completions {
            let found = index.complete(reader, found)?;
            index.statics.push(origins.complete(reader, found)?);
        }
        Ok(index)
    }

    /// The same, with the statics that have a declaration elsewhere apart and incomplete.
    pub(crate) fn scan(
        reader: &UnitReader<'a>,
        statics: bool,
    ) -> Result<(Index<'a>, Vec<FoundStatic<'a>>), Error> {
        let [start, end] = [reader.header.start, reader.header.end].map(u64::from);
        let mut index = Index {
            scopes: vec![(LocalScope(0), DieOffset::default())],
            unit: reader.number(start).0..reader.number(end).0,
            ..Index::default()
        };
        let mut frames: Vec<Frame> = Vec::new();
        let mut completions = Vec::new();
        let mut cursor = reader.entries();
        while !cursor.is_empty() {
            let at = cursor.at();
            let Some(abbreviation) = reader.kind(&mut cursor)? else {
                frames.pop();
                continue;
            };
            let outside = frames.last().copied().unwrap_or(Frame {
                scope: LocalScope(0),
                is_array: false,
            });
            let offset = reader.number(at);
            let mut inside = Frame {
                scope: outside.scope,
                is_array: false,
            };
            match abbreviation.role {
                Role::Other => {}
                Role::Static | Role::Variable | Role::StaticMember if !statics => {}
                Role::Variable => index.variables.push((offset, outside.scope)),
                Role::Static => {
                    index.variables.push((offset, outside.scope));
                    let found = static_at(reader, cursor, abbreviation, outside.scope)?;
                    match found {
                        Some(found) if found.attributes.origin.is_some() => completions.push(found),
                        found => index.statics.extend(found),
                    }
                }
                Role::StaticMember => {
                    let attributes = reader.attributes(&mut cursor.clone(), abbreviation)?;
                    if attributes.declaration || attributes.external {
                        index.variables.push((offset, outside.scope));
                    }
                }
                Role::Subrange if outside.is_array => {}
                role => inside = index.scope_or_type(role, abbreviation, offset, outside.scope),
            }
            reader.skip(&mut cursor, abbreviation)?;
            if abbreviation.has_children {
                frames.push(inside);
            }
        }
        index.divide();
        Ok((index, completions))
    }

    /// Makes the blocks.
    fn divide(&mut self) {
        for (at, (offset, _)) in self.types.iter().enumerate() {
            let block = (offset.0 - self.unit.start) >> BLOCK;
            self.blocks.resize(block as usize + 1, at as u32);
        }
    }

    fn scope_or_type(
        &mut self,
        role: Role,
        abbreviation: &Abbreviation,
        offset: DieOffset,
        scope: LocalScope,
    ) -> Frame {
        if role != Role::Scope {
            if matches!(role, Role::Record | Role::Enumeration) {
                self.named.push(self.types.len() as u32);
            }
            self.types.push((offset, scope));
        }
        if role == Role::Typedef {
            self.typedefs.push(offset);
        }
        let opens = abbreviation.has_children && matches!(role, Role::Scope | Role::Record);
        if opens {
            self.scopes.push((scope, offset));
        }
        Frame {
            scope: if opens {
                LocalScope(self.scopes.len() as u32 - 1)
            } else {
                scope
            },
            is_array: role == Role::Array,
        }
    }

    /// The type that starts at `offset`, as an index of `types`.
    pub(crate) fn type_at(&self, offset: DieOffset) -> Option<usize> {
        let block = offset.0.checked_sub(self.unit.start)? >> BLOCK;
        let first = *self.blocks.get(block as usize)? as usize;
        let mut near = self.types[first..].iter();
        let found = near.position(|(at, _)| *at >= offset)? + first;
        (self.types[found].0 == offset).then_some(found)
    }

    /// Where a reference leads.
    #[inline]
    pub(crate) fn reference(&self, offset: DieOffset) -> Reference {
        if !self.unit.contains(&offset.0) {
            return Reference::Outside(offset);
        }
        match self.type_at(offset) {
            Some(at) => Reference::Type(at),
            None => Reference::Nothing,
        }
    }

    /// Whether what starts at `offset` is a structure, union or enumeration.
    pub(crate) fn is_named(&self, offset: DieOffset) -> bool {
        let at = self.type_at(offset).map(|at| at as u32);
        at.is_some_and(|at| self.named.binary_search(&at).is_ok())
    }

    /// Whether a scope is a type.
    pub(crate) fn is_type(&self, scope: LocalScope) -> bool {
        let entry = self.scopes.get(scope.0 as usize);
        entry.is_some_and(|(_, offset)| scope != LocalScope(0) && self.type_at(*offset).is_some())
    }

    /// Scopes from the outermost to `scope`, at most [`MAX_SCOPES`].
    pub(crate) fn path(&self, mut scope: LocalScope) -> Vec<LocalScope> {
        let mut path = Vec::new();
        while scope != LocalScope(0) && path.len() < MAX_SCOPES {
            path.push(scope);
            scope = self.scopes[scope.0 as usize].0;
        }
        path.reverse();
        path
    }

    /// Name of a scope.
    pub(crate) fn scope_name(
        &self,
        reader: &UnitReader<'a>,
        scope: LocalScope,
    ) -> Result<Option<&'a str>, Error> {
        let Some((_, offset)) = self.scopes.get(scope.0 as usize) else {
            return Ok(None);
        };
        own_name(reader, *offset)
    }

    /// Whether a variable is declared at `offset`.
    pub(crate) fn has_variable(&self, offset: DieOffset) -> bool {
        let known = self.variables.binary_search_by_key(&offset, |(at, _)| *at);
        known.is_ok()
    }

    /// A definition takes what it lacks from its declaration, above all the scope. What it still lacks then has an
    /// origin in another unit.
    pub(crate) fn complete(
        &self,
        reader: &UnitReader<'a>,
        mut found: FoundStatic<'a>,
    ) -> Result<FoundStatic<'a>, Error> {
        for _ in 0..MAX_ORIGINS {
            let Some(origin) = found.attributes.origin else {
                break;
            };
            let known = self
                .variables
                .binary_search_by_key(&origin, |(offset, _)| *offset);
            let Ok(index) = known else {
                break;
            };
            found.scope = self.variables[index].1;
            let Some(declaration) = reader.attributes_at(origin)? else {
                break;
            };
            let attributes = &mut found.attributes;
            attributes.name = attributes.name.or(declaration.name);
            attributes.linkage_name = attributes.linkage_name.or(declaration.linkage_name);
            attributes.target = attributes.target.or(declaration.target);
            if attributes.declared.line == 0 {
                attributes.declared = declaration.declared;
            }
            attributes.origin = declaration.origin;
        }
        Ok(found)
    }
}

/// The name that the entry at `offset` has; nothing else of it is read.
pub(crate) fn own_name<'a>(
    reader: &UnitReader<'a>,
    offset: DieOffset,
) -> Result<Option<&'a str>, Error> {
    let Some(mut cursor) = reader.entry_at(offset) else {
        return Ok(None);
    };
    let Some(abbreviation) = reader.kind(&mut cursor)? else {
        return Ok(None);
    };
    for spec in &abbreviation.specs {
        let from = cursor.at();
        let value = form::read(&mut cursor, spec.form, spec.implicit, reader.encoding)
            .map_err(|source| reader.malformed(from, "an attribute", source))?;
        if spec.name == dw::DW_AT_name {
            return reader.string(from, cursor.at(), value);
        }
    }
    Ok(None)
}

/// A variable, if it is in static memory.
fn static_at<'a>(
    reader: &UnitReader<'a>,
    cursor: Cursor<'a>,
    abbreviation: &Abbreviation,
    scope: LocalScope,
) -> Result<Option<FoundStatic<'a>>, Error> {
    if !starts_static(reader, cursor, abbreviation)? {
        return Ok(None);
    }
    let attributes = reader.attributes(&mut cursor.clone(), abbreviation)?;
    let Some(expression) = &attributes.location else {
        return Ok(None);
    };
    let placement = reader.placement(expression)?;
    Ok((placement != Placement::NotStatic).then_some(FoundStatic {
        attributes,
        placement,
        scope,
        scope_elsewhere: Vec::new(),
    }))
}

/// Whether a variable's location begins as that of a static does; most do not.
fn starts_static<'a>(
    reader: &UnitReader<'a>,
    mut cursor: Cursor<'a>,
    abbreviation: &Abbreviation,
) -> Result<bool, Error> {
    for spec in &abbreviation.specs {
        let from = cursor.at();
        let value = form::read(&mut cursor, spec.form, spec.implicit, reader.encoding)
            .map_err(|source| reader.malformed(from, "an attribute", source))?;
        if spec.is_expression() {
            return Ok(match value {
                form::Value::Expression(bytes) | form::Value::Block(bytes) => {
                    location::may_be_static(bytes)
                }
                _ => false,
            });
        }
    }
    Ok(false)
}
