//! Which of the types that lead to a name with several meanings mean the same.
//!
//! A hash of such a type (`fingerprint`) says nothing of what the names in it mean. So classes are refined: two types stay
//! in one class as long as all that they refer to does, until a round splits no class any more. What is left together
//! cannot be told apart by following references, however far.
//!
//! Invariant: a class holds types of equal hashes only, and does not depend on the order of anything.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::hash::{Hash, Hasher};
use crate::load::targets_of;
use crate::model::{Graph, TypeId};

/// The class of every type, those of `apart` and their copies (which follow all others) refined.
pub(crate) fn classes(graph: &Graph<'_>, apart: &[bool], hashes: Vec<Hash>) -> Vec<Hash> {
    let is_refined = |index: &usize| apart.get(*index).copied().unwrap_or(true);
    let refined: Vec<usize> = (0..hashes.len()).filter(is_refined).collect();
    let own = |index: &usize| first_class(graph, TypeId(*index as u32), hashes[*index]);
    let own: Vec<Hash> = refined.par_iter().map(own).collect();
    let targets: Vec<Vec<Option<TypeId>>> = refined
        .par_iter()
        .map(|index| targets(graph, TypeId(*index as u32)))
        .collect();
    let mut classes = hashes;
    for (index, class) in refined.iter().zip(&own) {
        classes[*index] = *class;
    }
    let mut before = 0;
    loop {
        let number = refined
            .iter()
            .map(|index| classes[*index])
            .collect::<FxHashSet<Hash>>()
            .len();
        if number == before {
            return classes;
        }
        before = number;
        let next: Vec<Hash> = own
            .par_iter()
            .zip(&targets)
            .map(|(own, targets)| {
                let mut hasher = Hasher::new(4);
                hasher.hash(*own);
                for target in targets {
                    hasher.hash(target.map_or(Hash::NOTHING, |id| classes[id.0 as usize]));
                }
                hasher.finish()
            })
            .collect();
        for (index, class) in refined.iter().zip(next) {
            classes[*index] = class;
        }
    }
}

/// What a type says itself. A declaration means what its unit makes of it, so it is only like itself.
fn first_class(graph: &Graph<'_>, id: TypeId, hash: Hash) -> Hash {
    let ty = graph.ty(id);
    let mut hasher = Hasher::new(5);
    hasher.hash(hash);
    hasher.number(ty.level as u64);
    hasher.number(graph.unit(ty.unit).side as u64);
    if ty.shape.is_declaration() {
        hasher.number(ty.unit.0.into());
        hasher.number(ty.offset.0.into());
    }
    hasher.finish()
}

fn targets(graph: &Graph<'_>, id: TypeId) -> Vec<Option<TypeId>> {
    let ty = graph.ty(id);
    let mut result = Vec::new();
    targets_of(ty, ty.level, &mut |target, _| {
        result.push(target.and_then(|offset| graph.resolve(ty.unit, offset)));
    });
    result
}
