//! Reads all objects of all sides, in parallel.
//!
//! Invariant: the result, and which error is returned if there are several, do not depend on the order of threads.

use rayon::prelude::*;

use crate::elf::Elf;
use crate::error::Error;
use crate::input::Side;
use crate::model::{Graph, ScannedUnit};
use crate::scan;

/// Debug sections of every object, by side.
pub(crate) fn elves<'a>(sides: &'a [Side<'_>]) -> Result<Vec<Vec<Elf<'a>>>, Error> {
    let read: Vec<Vec<Result<Elf<'a>, Error>>> = sides
        .par_iter()
        .map(|side| side.objects.par_iter().map(Elf::read).collect())
        .collect();
    read.into_iter()
        .map(|side| side.into_iter().collect())
        .collect()
}

/// Types and statics of every unit.
pub(crate) fn graph<'a>(elves: &'a [Vec<Elf<'a>>]) -> Result<Graph<'a>, Error> {
    let mut units = Vec::new();
    for (side, objects) in elves.iter().enumerate() {
        for (object, elf) in objects.iter().enumerate() {
            units.extend(
                scan::headers(elf)?
                    .into_iter()
                    .map(|header| (elf, header, side, object)),
            );
        }
    }
    let scanned: Vec<Result<ScannedUnit<'a>, Error>> = units
        .into_par_iter()
        .with_max_len(1)
        .map(|(elf, header, side, object)| scan::scan(elf, header, side, object))
        .collect();
    Graph::new(elves, scanned.into_iter().collect::<Result<_, _>>()?)
}
