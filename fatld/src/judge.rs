//! The judge: are the types of what is shared laid out alike?
//!
//! `abi-check` decides, by the slices' DWARF, for every static that is shared and, through its vtable, for every type
//! that can cross CPUs as a trait object. A vtable counts even if its bytes differ and so each ISA has its own: the
//! gates in it lead to code of the other ISA all the same, which would take the object for one of its own layout. What
//! is found different refuses the link; what cannot be proved is for the map.

use abi_check::{Location, ObjectFile, Report, Side, StaticRef};

use crate::clusters::Clusters;
use crate::error::{Place, Problem};
use crate::gc::Live;
use crate::identity::Identity;
use crate::ids::SectionId;
use crate::pair::Pairing;
use crate::program::Program;

/// Compares the types of everything that is shared. There is no report for a single slice.
pub fn judge(
    program: &Program<'_>,
    pairing: &Pairing<'_>,
    live: &Live,
    clusters: &Clusters,
) -> Result<Option<Report>, Vec<Problem>> {
    if program.slices.len() < 2 {
        return Ok(None);
    }
    let objects_of = |slice: usize| {
        program
            .objects
            .iter()
            .filter(move |o| o.slice.at() == slice && !o.elf.is_command_line())
    };
    let sides = program.slices.iter().enumerate().map(|(at, slice)| {
        let objects = objects_of(at).map(|o| ObjectFile {
            name: o.elf.file.clone(),
            data: o.data,
        });
        Side {
            name: slice.isa.name().to_owned(),
            objects: objects.collect(),
        }
    });
    let sides: Vec<_> = sides.collect();
    let tables: Vec<Vec<&[Option<SectionId>]>> = (0..sides.len())
        .map(|slice| objects_of(slice).map(|o| o.sections.as_slice()).collect())
        .collect();
    let identity = Identity::new(program, pairing, live);
    let crosses = |found: &StaticRef<'_>| {
        let Some(Location::Section { section, offset }) = found.location else {
            return false;
        };
        let id = tables
            .get(found.side)
            .and_then(|t| t.get(found.object))
            .and_then(|t| t.get(section).copied().flatten());
        let Some((id, offset)) = id.map(|id| program.locate(id, offset as i64)) else {
            return false;
        };
        identity.see(id, offset as u64, found.name);
        live.sections[id.at()] && (found.is_vtable() || clusters.of(id).is_some())
    };
    let report = abi_check::compare(&sides, &crosses).map_err(|error| {
        let (file, section, offset) = error.place();
        let place = Place {
            file: file.unwrap_or("debug information").to_owned(),
            section: section.to_owned(),
            offset,
        };
        let expected = format!("DWARF that can be read: {error}");
        vec![Problem::Malformed { place, expected }]
    })?;
    let problems = identity.problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    if report
        .findings
        .iter()
        .any(|f| f.kind.severity() == abi_check::Severity::Error)
    {
        return Err(vec![Problem::Layout(report.to_string())]);
    }
    Ok(Some(report))
}
