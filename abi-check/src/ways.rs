//! How pairs of types are reached from roots.
//!
//! Equal types of many units are one, so a pair may be reached from roots of many units. A message shows the ways from
//! some of them, one for each unit: the roots of one file that reach the same type are seldom worth telling apart.
//!
//! Invariant: ways are shortest ways, and in the order of their lengths and then of the roots.

use crate::matching::RootPair;
use crate::model::UnitId;
use crate::walk::{Label, PairId, Walk};

/// Roots that a message shows the way from.
pub(crate) const MAX_REACHED: usize = 3;

/// A way to a pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    /// Index of the root that it begins at.
    pub(crate) root: usize,
    /// The pair before it, which of that one's ways it goes on from, and how the pair is held there; `None` for a root.
    pub(crate) held: Option<(PairId, usize, Label<'a>)>,
}

/// The ways to one pair.
pub(crate) type Ways<'a> = Vec<Way<'a>>;

/// The pairs that some chosen root reaches.
pub(crate) fn reached(ways: &[Ways<'_>]) -> impl Iterator<Item = PairId> {
    let all = ways.iter().enumerate();
    let reached = all.filter(|(_, ways)| !ways.is_empty());
    reached.map(|(index, _)| PairId(index as u32))
}

/// How every pair is first reached from the chosen roots.
pub(crate) fn ways<'a>(walk: &Walk<'_, 'a>, roots: &[RootPair]) -> Vec<Ways<'a>> {
    let units = |root: usize| -> [UnitId; 2] {
        [roots[root].a, roots[root].b].map(|id| walk.graph.var(id).unit)
    };
    let name = |root: usize| &walk.graph.var(roots[root].a).name;
    let mut ways: Vec<Ways<'a>> = vec![Vec::new(); walk.pairs.len()];
    let mut order = Vec::new();
    let reach = |ways: &mut Vec<Ways<'a>>, order: &mut Vec<_>, id: PairId, way: Way<'a>| {
        let known = &mut ways[id.0 as usize];
        let is_new = |other: &Way<'_>| {
            units(other.root) != units(way.root) && name(other.root) != name(way.root)
        };
        if known.len() < MAX_REACHED && known.iter().all(is_new) {
            order.push((id, known.len()));
            known.push(way);
        }
    };
    for (root, pair) in roots.iter().enumerate() {
        if let Some(id) = pair.pair {
            reach(&mut ways, &mut order, id, Way { root, held: None });
        }
    }
    let mut next = 0;
    while let Some((id, index)) = order.get(next).copied() {
        next += 1;
        let root = ways[id.0 as usize][index].root;
        for edge in walk.edges(id) {
            let held = Some((id, index, edge.label));
            reach(&mut ways, &mut order, edge.to, Way { root, held });
        }
    }
    ways
}
