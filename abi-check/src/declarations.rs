//! Where the source declares what an object defines: for whoever has a symbol and must tell a person about it.
//!
//! A variable is known by its place in memory, or else by its name: common symbols have no place before they are linked. A function is known by the name of its symbol.
//!
//! Invariant: an answer is the line of an entry of the object's own debug information, never a guess.

use gimli::constants as dw;

use crate::error::Error;
use crate::input::{Location, ObjectFile, Side};
use crate::model::{Declared, Graph, Static, Unit};
use crate::object::Object;
use crate::report::Place;
use crate::unit::UnitReader;
use crate::{lines, read};

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
    let files = read::files(std::slice::from_ref(&side))?;
    let objects = read::objects(&files)?;
    let graph = read::statics(&objects)?;
    let mut places: Vec<_> = wanted.iter().map(|of| variable(&graph, of)).collect();
    if places.iter().any(Option::is_none) {
        for object in objects.iter().flatten() {
            functions(object, wanted, &mut places)?;
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
fn functions<'a>(
    object: &'a Object<'a>,
    wanted: &[Definition<'_>],
    places: &mut [Option<Place>],
) -> Result<(), Error> {
    for (part, header) in object.units() {
        let (reader, unit) = UnitReader::new(object, part, *header, (0, 0))?;
        let mut cursor = reader.entries();
        while !cursor.is_empty() {
            let Some(abbreviation) = reader.kind(&mut cursor)? else {
                continue;
            };
            if abbreviation.tag != dw::DW_TAG_subprogram {
                reader.skip(&mut cursor, abbreviation)?;
                continue;
            }
            let found = reader.attributes(&mut cursor, abbreviation)?;
            // Others of that name are local to another unit.
            let own = found.name.filter(|_| found.external);
            if let Some(name) = found.linkage_name.or(own) {
                name_function(object, &unit, name, found.declared, (wanted, &mut *places));
            }
        }
    }
    Ok(())
}

fn name_function<'a>(
    object: &'a Object<'a>,
    unit: &Unit<'_>,
    name: &str,
    declared: Declared,
    (wanted, places): (&[Definition<'_>], &mut [Option<Place>]),
) {
    let missing = wanted.iter().zip(places).filter(|(_, p)| p.is_none());
    for (_, place) in missing.filter(|(of, _)| of.name == name) {
        *place = lines::place(object.elf(unit.line_part), unit, declared);
    }
}
