//! Which statics of two sides belong together.
//!
//! First by linkage name, then by qualified name without the numbers of closures and impl blocks. Several statics of one
//! name on a side form a set: two units may both emit a vtable, two versions of a crate both have a `CONFIG`, one
//! function makes several closures. Within a set, statics of equal names are tried first, those of equal names in
//! units of equal names before others, and any partner with an equal type will do.
//!
//! Invariant: a static is in exactly one [`Group`], or in one of the lists of those without a partner; groups are
//! sorted by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Graph, Static};
use crate::names;
use crate::report::RootKind;

/// A static, by its index in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StaticId(pub(crate) u32);

/// Statics of two sides that have the same name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Those of the first side.
    pub(crate) a: Vec<StaticId>,
    /// Those of the other side.
    pub(crate) b: Vec<StaticId>,
}

/// What belongs together and what is left.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    /// Statics that both sides have.
    pub(crate) groups: Vec<Group>,
    /// Statics that only the first side has.
    pub(crate) only_a: Vec<StaticId>,
    /// Statics that only the other side has.
    pub(crate) only_b: Vec<StaticId>,
}

/// Two statics, of the first side and of the other.
pub(crate) type Partners = (StaticId, StaticId);

impl Graph<'_> {
    /// A static.
    pub(crate) fn var(&self, id: StaticId) -> &Static<'_> {
        &self.statics[id.0 as usize]
    }
}

/// Pairs the statics `a` of one side with the statics `b` of another.
pub(crate) fn pair(graph: &Graph<'_>, a: &[StaticId], b: &[StaticId]) -> Pairing {
    let mut result = Pairing {
        groups: Vec::new(),
        only_a: a.to_vec(),
        only_b: b.to_vec(),
    };
    result.round(|id| Some((RootKind::Static, graph.var(id).linkage_name?.to_owned())));
    result.round(|id| {
        let var = graph.var(id);
        // A type and a static of one name have nothing to do with each other.
        let kind = match var.kind {
            RootKind::Type => RootKind::Type,
            RootKind::Static | RootKind::Vtable => RootKind::Static,
        };
        Some((kind, names::without_numbers(&var.name).into_owned()))
    });
    for group in &mut result.groups {
        for list in [&mut group.a, &mut group.b] {
            list.sort_by_cached_key(|id| (names::numbers(&graph.var(*id).name), *id));
        }
    }
    let name = |group: &Group| {
        let first = group.a.first().map(|id| graph.var(*id));
        first.map(|var| (var.name.to_string(), var.kind))
    };
    result.groups.sort_by_cached_key(name);
    result
}

impl Pairing {
    /// Groups what has the same key on both sides; keeps the rest, in order.
    fn round(&mut self, key: impl Fn(StaticId) -> Option<(RootKind, String)>) {
        let mut keys: BTreeMap<(RootKind, String), [Vec<StaticId>; 2]> = BTreeMap::new();
        let mut rest = [Vec::new(), Vec::new()];
        let lists = [
            std::mem::take(&mut self.only_a),
            std::mem::take(&mut self.only_b),
        ];
        for (side, list) in lists.into_iter().enumerate() {
            for id in list {
                match key(id) {
                    Some(key) => keys.entry(key).or_default()[side].push(id),
                    None => rest[side].push(id),
                }
            }
        }
        for [a, b] in keys.into_values() {
            if !a.is_empty() && !b.is_empty() {
                self.groups.push(Group { a, b });
            } else {
                rest[0].extend(a);
                rest[1].extend(b);
            }
        }
        rest.iter_mut().for_each(|list| list.sort_unstable());
        let [a, b] = rest;
        self.only_a = a;
        self.only_b = b;
    }
}

impl Group {
    /// Partners to try first, by name and unit; and those that have none by that. If as many are left on both sides,
    /// they belong together in order.
    pub(crate) fn first_choice(&self, graph: &Graph<'_>) -> (Vec<Partners>, [Vec<StaticId>; 2]) {
        if let ([a], [b]) = (self.a.as_slice(), self.b.as_slice()) {
            return (vec![(*a, *b)], [Vec::new(), Vec::new()]);
        }
        let named = |id: StaticId| graph.var(id).name.as_ref();
        let unit = |id: StaticId| graph.unit(graph.var(id).unit).name;
        let partner = |id: StaticId, others: &[StaticId]| {
            let same_name = || {
                others
                    .iter()
                    .copied()
                    .filter(|other| named(*other) == named(id))
            };
            same_name()
                .find(|other| unit(*other) == unit(id))
                .or_else(|| same_name().next())
        };
        let mut pairs = Vec::new();
        let mut left = [Vec::new(), Vec::new()];
        for a in &self.a {
            match partner(*a, &self.b) {
                Some(b) => pairs.push((*a, b)),
                None => left[0].push(*a),
            }
        }
        let taken: BTreeSet<StaticId> = pairs.iter().map(|(_, b)| *b).collect();
        for b in self.b.iter().filter(|b| !taken.contains(b)) {
            match partner(*b, &self.a) {
                Some(a) => pairs.push((a, *b)),
                None => left[1].push(*b),
            }
        }
        if left[0].len() == left[1].len() {
            let [a, b] = std::mem::take(&mut left);
            pairs.extend(a.into_iter().zip(b));
        }
        (pairs, left)
    }

    /// Partners in order, if both sides have as many: right if only the numbering differs.
    pub(crate) fn in_order(&self) -> Vec<Partners> {
        if self.a.len() != self.b.len() {
            return Vec::new();
        }
        self.a.iter().copied().zip(self.b.iter().copied()).collect()
    }

    /// Whether the first choice stands even if another partner would be equal: C's file-local statics of one name are
    /// different variables, told apart by the file they are in.
    pub(crate) fn is_strict(&self, graph: &Graph<'_>, (a, b): Partners) -> bool {
        let (x, y) = (graph.var(a), graph.var(b));
        let unit = |id: StaticId| graph.unit(graph.var(id).unit).name;
        let in_unit = |list: &[StaticId]| list.iter().filter(|id| unit(**id) == unit(a)).count();
        unit(a) == unit(b)
            && !unit(a).is_empty()
            && x.name == y.name
            && x.kind == RootKind::Static
            && !x.name.contains('#')
            && in_unit(&self.a) == 1
            && in_unit(&self.b) == 1
    }
}
