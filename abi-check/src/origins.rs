//! Variables whose declarations other units have: link-time optimizers write the places of all variables into a unit of
//! their own, and refer to the units of the sources for the rest.
//!
//! Invariant: a unit is passed over once for each unit that refers to it, and what it refers to is not followed into a
//! third one.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::error::Error;
use crate::index::{FoundStatic, Index, LocalScope};
use crate::model::DieOffset;
use crate::object::PartId;
use crate::unit::UnitReader;

/// The units that one unit refers to, by where they are.
#[derive(Default)]
pub(crate) struct Origins<'a>(FxHashMap<(PartId, usize, u32), (UnitReader<'a>, Index<'a>)>);

impl<'a> Origins<'a> {
    /// Takes what a definition that `from` reads lacks from its declaration, if that is in another unit of the file.
    pub(crate) fn complete(
        &mut self,
        from: &UnitReader<'a>,
        found: FoundStatic<'a>,
    ) -> Result<FoundStatic<'a>, Error> {
        let elsewhere = |origin: &DieOffset| from.entry_at(*origin).is_none();
        let Some(origin) = found.attributes.origin.filter(elsewhere) else {
            return Ok(found);
        };
        let Some(object) = from.object else {
            return Ok(found);
        };
        let Some((part, header)) = object.unit_at(origin) else {
            return Ok(found);
        };
        let (reader, index) = match self.0.entry((part, header.section, header.start)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                // Of its side and object nothing is asked here.
                let (reader, _) = UnitReader::new(object, part, *header, (0, 0))?;
                let (index, _) = Index::scan(&reader, true)?;
                new.insert((reader, index))
            }
        };
        if !index.has_variable(origin) {
            return Ok(found);
        }
        // Files are numbered by unit, so the line there would be one of another file here.
        let declared = found.attributes.declared;
        let mut found = index.complete(reader, found)?;
        let mut names = Vec::new();
        for scope in index.path(found.scope) {
            names.extend(index.scope_name(reader, scope)?);
        }
        found.attributes.declared = declared;
        found.scope = LocalScope(0);
        found.scope_elsewhere = names;
        Ok(found)
    }
}
