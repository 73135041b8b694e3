//! The judge: are the types of what is shared laid out alike?
//!
//! `abi-check` decides, by the slices' DWARF, for every static that is shared and, through its vtable, for every type
//! that crosses CPUs as a trait object. What it finds different refuses the link; what it cannot prove is for the map.

use abi_check::{Location, ObjectFile, Report, Side, StaticRef};

use crate::clusters::Clusters;
use crate::error::{Place, Problem};
use crate::gc::Live;
use crate::ids::SectionId;
use crate::program::Program;
use crate::share::Sharing;

/// Compares the types of everything that is shared. There is no report for a single slice.
pub fn judge(
    program: &Program<'_>,
    live: &Live,
    clusters: &Clusters,
    sharing: &Sharing,
) -> Result<Option<Report>, Problem> {
    if program.slices.len() < 2 {
        return Ok(None);
    }
    let objects_of = |slice: usize| {
        program
            .objects
            .iter()
            .filter(move |o| o.slice.at() == slice)
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
    let is_shared = |found: &StaticRef<'_>| {
        let Some(Location::Section { section, offset }) = found.location else {
            return false;
        };
        let id = tables
            .get(found.side)
            .and_then(|t| t.get(found.object))
            .and_then(|t| t.get(section).copied().flatten());
        let Some((id, _)) = id.map(|id| program.locate(id, offset as i64)) else {
            return false;
        };
        let in_class = || {
            sharing
                .class(id)
                .is_some_and(|class| sharing.classes[class.at()].shared)
        };
        live.sections[id.at()] && (clusters.of(id).is_some() || in_class())
    };
    let report = abi_check::compare(&sides, &is_shared).map_err(|error| Problem::Malformed {
        place: Place {
            file: "debug information".to_owned(),
            section: ".debug_info".to_owned(),
            offset: 0,
        },
        expected: format!("DWARF that can be read: {error}"),
    })?;
    if report
        .findings
        .iter()
        .any(|f| f.kind.severity() == abi_check::Severity::Error)
    {
        return Err(Problem::Layout(report.to_string()));
    }
    Ok(Some(report))
}
