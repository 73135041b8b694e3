//! Variables whose declarations other units have: link-time optimizers write the places of all variables into a unit of
//! their own, and refer to the units of the sources for the rest.
//!
//! Invariant: a unit is passed over once for each unit that refers to it, and what it refers to is not followed into a
//! third one.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::elf::Elf;
use crate::error::Error;
use crate::index::{FoundStatic, Index, LocalScope};
use crate::model::DieOffset;
use crate::unit::UnitReader;

/// The units that one unit refers to, by the index of their header.
#[derive(Default)]
pub(crate) struct Origins<'a>(FxHashMap<usize, (UnitReader<'a>, Index<'a>)>);

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
        let elf = from.elf;
        let Some(unit) = unit_of(elf, origin) else {
            return Ok(found);
        };
        let (reader, index) = match self.0.entry(unit) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                // Of its side and object nothing is asked here.
                let (reader, _) = UnitReader::new(elf, elf.headers.all[unit], 0, 0)?;
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

/// Index of the header of the unit that an entry is in.
fn unit_of(elf: &Elf<'_>, offset: DieOffset) -> Option<usize> {
    let number = |section: usize, at: u32| u64::from(elf.units[section].origin) + u64::from(at);
    let headers = &elf.headers.all;
    let offset = u64::from(offset.0);
    let after = headers.partition_point(|header| number(header.section, header.start) <= offset);
    let unit = after.checked_sub(1)?;
    let header = headers.get(unit)?;
    (offset < number(header.section, header.end)).then_some(unit)
}
