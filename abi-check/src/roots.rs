//! What is said about sides and roots as a whole: which were selected, which have no partner, who compiled them.
//!
//! Invariant: every selected static is compared, or named among what is unproved.

use std::collections::{BTreeMap, BTreeSet};

use crate::collected::Collected;
use crate::matching::Matching;
use crate::model::{Graph, Static, Unit};
use crate::names;
use crate::pairing::{Pairing, StaticId};
use crate::producer;
use crate::report::{CrateRoot, PanicStrategy, Producer, Reason};

/// The selected statics of each side.
pub(crate) fn by_side(graph: &Graph<'_>, sides: usize) -> Vec<Vec<StaticId>> {
    let mut result = vec![Vec::new(); sides];
    for (index, var) in graph.statics.iter().enumerate() {
        result[graph.unit(var.unit).side].push(StaticId(index as u32));
    }
    result
}

/// Reports statics with too many candidates.
pub(crate) fn undecided(
    graph: &Graph<'_>,
    matching: &Matching,
    sides: [usize; 2],
    to: &mut Collected,
) {
    for id in &matching.undecided {
        to.unproved(
            Reason::TooManyCandidates(graph.var(*id).kind),
            graph.var(*id).name.to_string(),
            sides.to_vec(),
            Vec::new(),
        );
    }
}

/// Reports statics that some side lacks, with the sides that have them.
pub(crate) fn one_sided(
    graph: &Graph<'_>,
    roots: &[Vec<StaticId>],
    paired: &[(Pairing, Matching)],
    to: &mut Collected,
) {
    let key = |var: &Static<'_>| (var.kind, names::without_numbers(&var.name).into_owned());
    let lonely = || {
        paired.iter().flat_map(|(pairing, matching)| {
            pairing
                .only_a
                .iter()
                .chain(&pairing.only_b)
                .chain(&matching.lonely)
        })
    };
    let wanted: BTreeSet<_> = lonely().map(|id| key(graph.var(*id))).collect();
    let mut having: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
    for (side, ids) in roots.iter().enumerate() {
        for key in ids
            .iter()
            .map(|id| key(graph.var(*id)))
            .filter(|key| wanted.contains(key))
        {
            having.entry(key).or_default().insert(side);
        }
    }
    for id in lonely() {
        let var = graph.var(*id);
        let own = graph.unit(var.unit).side;
        let all = having
            .get(&key(var))
            .filter(|sides| sides.len() < roots.len());
        // If every side has the name, then in different numbers: only this one's is without a partner.
        let sides = all.map_or(vec![own], |sides| sides.iter().copied().collect());
        to.unproved(
            Reason::OneSided(var.kind),
            var.name.to_string(),
            sides,
            Vec::new(),
        );
    }
}

/// Reports sides whose types are elsewhere or nowhere, and sides of another byte order.
pub(crate) fn whole_sides(graph: &Graph<'_>, sides: usize, to: &mut Collected) {
    for side in 0..sides {
        let units = || graph.units.iter().filter(move |unit| unit.side == side);
        for unit in units().filter(|unit| unit.skeleton) {
            let reason = Reason::Unreadable("split debug information in another file");
            let file = match (unit.directory, unit.dwo_name) {
                (_, "") => "a .dwo file".to_owned(),
                ("", name) => name.to_owned(),
                (_, name) if name.starts_with('/') => name.to_owned(),
                (directory, name) => format!("{}/{name}", directory.trim_end_matches('/')),
            };
            to.unproved(reason, file, vec![side], Vec::new());
        }
        if units().all(|unit| !unit.has_types) {
            to.unproved(Reason::NoTypes, "types".to_owned(), vec![side], Vec::new());
        }
    }
    to.byte_orders(graph, sides);
}

/// Number of roots of the first side that were compared with every other side.
pub(crate) fn compared(roots: &[Vec<StaticId>], paired: &[(Pairing, Matching)]) -> usize {
    let with: Vec<BTreeSet<StaticId>> = paired
        .iter()
        .map(|(_, matching)| matching.roots.iter().map(|root| root.a).collect())
        .collect();
    match (roots.first(), with.is_empty()) {
        (Some(first), false) => first
            .iter()
            .filter(|id| with.iter().all(|paired| paired.contains(id)))
            .count(),
        _ => 0,
    }
}

/// Compilers of each side, without the flags that say nothing of layouts (most name the CPU).
pub(crate) fn producers(graph: &Graph<'_>, sides: usize) -> Vec<Producer> {
    let mut result = Vec::new();
    for side in 0..sides {
        let mut count: BTreeMap<(&str, Vec<String>), usize> = BTreeMap::new();
        for unit in graph.units.iter().filter(|unit| {
            unit.side == side && unit.has_types && !unit.is_type_unit && !unit.is_partial
        }) {
            *count.entry(producer::split(unit.producer)).or_default() += 1;
        }
        let of_side = count.into_iter().map(|((text, flags), units)| Producer {
            side,
            text: text.to_owned(),
            flags,
            units,
        });
        result.extend(of_side);
    }
    result
}

/// How Rust code of each side panics. rustc does not say it: the runtime that was linked does, or landing pads, which
/// code that aborts does not have.
pub(crate) fn panics(graph: &Graph<'_>, sides: usize) -> Vec<Option<PanicStrategy>> {
    let of_side = |side: usize| {
        let rust = || {
            let units = graph.units.iter();
            units.filter(move |unit| unit.side == side && unit.is_rust)
        };
        let has = |part: &str| rust().any(|unit| unit.name.contains(part));
        let has_landing_pads = || {
            graph.objects[side]
                .iter()
                .any(|object| object.has_landing_pads())
        };
        match rust().next() {
            Some(_) if has("panic_abort/src") => Some(PanicStrategy::Abort),
            Some(_) if has("panic_unwind/src") || has_landing_pads() => Some(PanicStrategy::Unwind),
            _ => None,
        }
    };
    (0..sides).map(of_side).collect()
}

/// Rust crates of each side; rustc names a unit by the crate's root file, the crate and the number of the unit.
pub(crate) fn crates(graph: &Graph<'_>) -> Vec<CrateRoot> {
    let of = |unit: &Unit<'_>| {
        let (file, name) = unit.name.rsplit_once("/@/")?;
        Some(CrateRoot {
            side: unit.side,
            name: name.split('.').next()?.to_owned(),
            file: file.to_owned(),
            directory: unit.directory.to_owned(),
        })
    };
    let units = graph.units.iter().filter(|unit| unit.is_rust);
    let all: BTreeSet<CrateRoot> = units.filter_map(of).collect();
    all.into_iter().collect()
}
