//! Where the source declares what an object defines: for whoever has a symbol and must tell a person about it.
//!
//! A variable is known by its place in memory, or else by its name: common symbols have no place before they are linked. A function is known by the name of its symbol.
//!
//! Invariant: an answer is the line of an entry of the object's own debug information, never a guess.

use gimli::constants as dw;

use crate::elf::Elf;
use crate::error::Error;
use crate::input::{Location, ObjectFile, Side};
use crate::model::{Declared, Graph, Static, Unit};
use crate::report::Place;
use crate::{lines, read, scan};

/// What an object defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition<'s> {
    /// Name of the symbol.
    pub name: &'s str,
    /// Where it is; `None` for a common symbol.
    pub location: Option<Location>,
}

/// The source's declaration of each definition, in their order; `None` where the debug information does not tell.
///
/// # Errors
/// As [`crate::compare`].
pub fn declarations(
    object: &ObjectFile<'_>,
    wanted: &[Definition<'_>],
) -> Result<Vec<Option<Place>>, Error> {
    let side = Side {
        name: String::new(),
        objects: vec![object.clone()],
    };
    let elves = read::elves(std::slice::from_ref(&side))?;
    let graph = read::graph(&elves)?;
    let mut places: Vec<_> = wanted.iter().map(|of| variable(&graph, of)).collect();
    if places.iter().any(Option::is_none) {
        for elf in elves.iter().flatten() {
            functions(elf, wanted, &mut places)?;
        }
    }
    Ok(places)
}

fn variable(graph: &Graph<'_>, wanted: &Definition<'_>) -> Option<Place> {
    let is_named = |var: &Static<'_>| {
        let own = var.name.rsplit("::").next();
        var.linkage_name.or(own) == Some(wanted.name)
    };
    let known = graph.statics.iter().filter(|var| match wanted.location {
        Some(_) => var.location == wanted.location,
        None => is_named(var),
    });
    // What has no bytes, and constants that the compiler made one, share a place.
    let best = known.max_by_key(|var| is_named(var))?;
    graph.place(best.unit, best.declared)
}

/// Fills in the places that are left with those of functions.
fn functions(
    elf: &Elf<'_>,
    wanted: &[Definition<'_>],
    places: &mut [Option<Place>],
) -> Result<(), Error> {
    for header in scan::headers(elf)? {
        let abbreviations = scan::abbreviations(elf, header)?;
        let (reader, unit) = scan::root(elf, header, &abbreviations, 0, 0)?;
        let at = header.root_offset();
        let mut entries = header
            .entries_raw(&abbreviations, None)
            .map_err(|source| reader.malformed(at, "entries", source))?;
        while !entries.is_empty() {
            let at = entries.next_offset();
            let fail = |source| reader.malformed(at, "an entry", source);
            let Some(abbreviation) = entries.read_abbreviation().map_err(fail)? else {
                continue;
            };
            if abbreviation.tag() != dw::DW_TAG_subprogram {
                entries
                    .skip_attributes(abbreviation.attributes())
                    .map_err(fail)?;
                continue;
            }
            let found = reader.attributes(&mut entries, abbreviation)?;
            // Others of that name are local to another unit.
            let own = found.name.filter(|_| found.external);
            if let Some(name) = found.linkage_name.or(own) {
                name_function(elf, &unit, name, found.declared, (wanted, &mut *places));
            }
        }
    }
    Ok(())
}

fn name_function(
    elf: &Elf<'_>,
    unit: &Unit<'_>,
    name: &str,
    declared: Declared,
    (wanted, places): (&[Definition<'_>], &mut [Option<Place>]),
) {
    let missing = wanted.iter().zip(places).filter(|(_, p)| p.is_none());
    for (_, place) in missing.filter(|(of, _)| of.name == name) {
        *place = lines::place(elf, unit, declared);
    }
}
