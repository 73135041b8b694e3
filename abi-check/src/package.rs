//! Split units of one file: those of a `.dwo`, or of a `.dwp`, which holds many such files and an index of them.
//!
//! A row of the index names the parts of the sections that were one `.dwo` file; offsets count from their starts.
//!
//! Invariant: what a row names lies within the sections.

use std::borrow::Cow;

use gimli::{DebugCuIndex, DebugTuIndex, IndexSectionId, UnitIndex};

use crate::elf::{Elf, Section};
use crate::error::Error;
use crate::headers;
use crate::unit::{self, Slice};

/// What one file has of split units.
pub(crate) struct Package<'a> {
    elf: &'a Elf<'a>,
    index: Option<(UnitIndex<Slice<'a>>, UnitIndex<Slice<'a>>)>,
}

impl<'a> Package<'a> {
    /// Reads the index, if there is one.
    pub(crate) fn read(elf: &'a Elf<'a>) -> Result<Package<'a>, Error> {
        if elf.unit_index.bytes.is_empty() {
            return Ok(Package { elf, index: None });
        }
        let slice = |section: &'a Section<'_>| Slice::new(&section.bytes, elf.endian);
        let units = DebugCuIndex::from(slice(&elf.unit_index)).index();
        let types = DebugTuIndex::from(slice(&elf.type_index)).index();
        Ok(Package {
            elf,
            index: Some((
                units.map_err(|source| malformed(elf, elf.unit_index.name, source))?,
                types.map_err(|source| malformed(elf, elf.type_index.name, source))?,
            )),
        })
    }

    /// Whether it is a package of many files.
    pub(crate) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// The ids of its units.
    pub(crate) fn ids(&self) -> Result<Vec<u64>, Error> {
        let Some((units, _)) = &self.index else {
            return Ok(unit::split_ids(self.elf)?.into_iter().flatten().collect());
        };
        // An id that the table has and cannot find again is of no use.
        let bytes = &self.elf.unit_index.bytes;
        let slots = bytes.get(16..).unwrap_or(&[]).chunks_exact(8);
        let ids = slots.take(units.slot_count() as usize);
        let ids = ids.map(|id| crate::relocation::number(id, self.elf.endian));
        Ok(ids
            .filter(|id| units.find(*id).is_some_and(|row| row != 0))
            .collect())
    }

    /// The sections of a unit, numbered from `first`.
    pub(crate) fn unit(&self, id: u64, first: u64) -> Result<Elf<'a>, Error> {
        match &self.index {
            None => self.whole(first),
            Some((units, _)) => {
                let row = units.find(id).unwrap_or(0);
                self.row(units, (row, self.elf.unit_index.name), first)
            }
        }
    }

    /// The rows of its type units.
    pub(crate) fn type_rows(&self) -> std::ops::RangeInclusive<u32> {
        1..=self
            .index
            .as_ref()
            .map_or(0, |(_, types)| types.unit_count())
    }

    /// The sections of the type units in a row.
    pub(crate) fn type_units(&self, row: u32, first: u64) -> Result<Elf<'a>, Error> {
        match &self.index {
            None => self.whole(first),
            Some((_, types)) => self.row(types, (row, self.elf.type_index.name), first),
        }
    }

    fn whole(&self, first: u64) -> Result<Elf<'a>, Error> {
        let mut view = self.elf.view(first);
        for units in &self.elf.units {
            view.keep_units(units.section.view())?;
        }
        view.headers = headers::headers(&view)?;
        Ok(view)
    }

    fn row(
        &self,
        index: &UnitIndex<Slice<'a>>,
        (row, name): (u32, &'static str),
        first: u64,
    ) -> Result<Elf<'a>, Error> {
        let mut view = self.elf.view(first);
        let parts = index.sections(row);
        for part in parts.map_err(|source| malformed(self.elf, name, source))? {
            let range = (part.offset as usize, part.size as usize);
            let slot = match part.section {
                IndexSectionId::DebugAbbrev => &mut view.abbrev,
                IndexSectionId::DebugStrOffsets => &mut view.str_offsets,
                IndexSectionId::DebugLine => &mut view.line,
                IndexSectionId::DebugInfo | IndexSectionId::DebugTypes => {
                    let is_types = part.section == IndexSectionId::DebugTypes;
                    // Of packages there is one section of each kind.
                    let mut units = self.elf.units.iter();
                    if let Some(units) = units.find(|units| units.types == is_types) {
                        let mut section = units.section.view();
                        cut(self.elf, &mut section, range)?;
                        view.keep_units(section)?;
                    }
                    continue;
                }
                _ => continue,
            };
            cut(self.elf, slot, range)?;
        }
        view.headers = headers::headers(&view)?;
        Ok(view)
    }
}

/// Leaves of a section what a row of the index names.
fn cut(elf: &Elf<'_>, section: &mut Section<'_>, range: (usize, usize)) -> Result<(), Error> {
    let (start, size) = range;
    let end = start.saturating_add(size);
    let part = match &section.bytes {
        Cow::Borrowed(bytes) => bytes.get(start..end),
        Cow::Owned(_) => None,
    };
    let Some(part) = part else {
        let expected = "a part that the index of the package names";
        return Err(elf.unexpected(section.name, "the end of the section", expected));
    };
    section.bytes = Cow::Borrowed(part);
    Ok(())
}

fn malformed(elf: &Elf<'_>, section: &'static str, source: gimli::Error) -> Error {
    Error::Dwarf {
        file: elf.file.to_owned(),
        section,
        offset: 0,
        what: "the index of the package",
        source,
    }
}
