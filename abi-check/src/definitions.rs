//! Where records and enumerations are defined, by name, in all units of all sides.
//!
//! Made when a type is needed that is only declared. It holds no text: who asks with a name gets what has the same hash.
//!
//! Invariant: definitions of one name are in the order of sides, units and offsets.

use std::collections::BTreeMap;

use gimli::constants as dw;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::error::Error;
use crate::hash::Hash;
use crate::index::{Index, LocalScope, own_name};
use crate::load::{Request, qualified, typedefs};
use crate::model::{DieOffset, Level, Unit, UnitId};
use crate::read::Source;
use crate::unit::UnitReader;

/// Definitions of all units, sorted.
#[derive(Debug)]
pub(crate) struct Definitions(Vec<(Hash, UnitId, DieOffset)>);

/// Definitions of one unit.
pub(crate) type OfUnit = Vec<(Hash, DieOffset)>;

impl Definitions {
    /// Finds them, except in units of which they are known.
    pub(crate) fn of(
        sources: &[Source<'_>],
        known: Vec<Option<OfUnit>>,
    ) -> Result<Definitions, Error> {
        let found: Vec<Result<OfUnit, Error>> = sources
            .par_iter()
            .zip(known)
            .with_max_len(1)
            .map(|(source, known)| match known {
                Some(known) => Ok(known),
                None => {
                    let (reader, _) = source.open()?;
                    in_unit(&reader, &Index::read(&reader, false)?)
                }
            })
            .collect();
        let mut all = Vec::new();
        for (unit, found) in (0..).map(UnitId).zip(found) {
            all.extend(found?.into_iter().map(|(name, at)| (name, unit, at)));
        }
        all.par_sort_unstable();
        Ok(Definitions(all))
    }

    /// Asks for the definitions of `name`, which `from` declares, on its side: for the surface of all if that is `new`, and
    /// for everything of those that may be taken: the first one, and the first one in the same object.
    pub(crate) fn requests(
        &self,
        name: Hash,
        from: &Unit<'_>,
        units: &[Unit<'_>],
        new: bool,
        to: &mut BTreeMap<UnitId, Vec<Request>>,
    ) {
        let unit = |id: UnitId| &units[id.0 as usize];
        let start = self.0.partition_point(|(key, id, _)| {
            (*key, unit(*id).side, unit(*id).object)
                < (name, from.side, if new { 0 } else { from.object })
        });
        let all = || {
            self.0[start..]
                .iter()
                .take_while(|(key, id, _)| *key == name && unit(*id).side == from.side)
        };
        let mut full = |id: UnitId, offset| to.entry(id).or_default().push((offset, Level::Full));
        if let Some((_, id, offset)) = all().find(|(_, id, _)| unit(*id).object >= from.object)
            && unit(*id).object == from.object
        {
            full(*id, *offset);
        }
        if !new {
            return;
        }
        if let Some((_, id, offset)) = all().next() {
            full(*id, *offset);
        }
        for (_, id, offset) in all() {
            to.entry(*id).or_default().push((*offset, Level::Surface));
        }
    }
}

/// Those of a unit.
pub(crate) fn in_unit<'a>(reader: &UnitReader<'a>, index: &Index<'a>) -> Result<OfUnit, Error> {
    let mut result = Vec::new();
    let mut given = None;
    let mut scopes: FxHashMap<LocalScope, Hash> = FxHashMap::default();
    for at in &index.named {
        let (offset, scope) = index.types[*at as usize];
        if is_declaration(reader, offset)? {
            continue;
        }
        let name = match own_name(reader, offset)? {
            Some(name) => Some(name),
            None => {
                if given.is_none() {
                    given = Some(typedefs(reader, index)?);
                }
                given.as_ref().and_then(|all| all.get(&offset).copied())
            }
        };
        let Some(name) = name else {
            continue;
        };
        let scope = match scopes.get(&scope) {
            Some(hash) => *hash,
            None => {
                let mut hash = Hash::NOTHING;
                for scope in index.path(scope) {
                    if let Some(name) = index.scope_name(reader, scope)? {
                        hash = qualified(hash, name);
                    }
                }
                scopes.insert(scope, hash);
                hash
            }
        };
        result.push((qualified(scope, name), offset));
    }
    Ok(result)
}

fn is_declaration(reader: &UnitReader<'_>, offset: DieOffset) -> Result<bool, Error> {
    let Some(mut cursor) = reader.entry_at(offset) else {
        return Ok(false);
    };
    match reader.kind(&mut cursor)? {
        Some(abbreviation) if abbreviation.has(dw::DW_AT_declaration) => {
            Ok(reader.attributes(&mut cursor, abbreviation)?.declaration)
        }
        _ => Ok(false),
    }
}
