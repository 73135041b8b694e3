//! Which statics of two sides belong together.
//!
//! Three rounds, each over what the former left: the linkage name, the qualified name, the qualified name without the
//! numbers of closures and impl blocks. Several statics of one name on a side form a set: two units may both emit a
//! vtable, two versions of a crate both have a `CONFIG`. Within a set, statics of units with the same name are tried
//! first, and any partner with an equal type will do.
//!
//! Invariant: a static is in at most one [`Group`]; groups are sorted by name.

use std::collections::BTreeMap;

use crate::model::{Graph, Static};
use crate::names;

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
    result.round(
        |id| graph.var(id).linkage_name.map(str::to_owned),
        |_, _| true,
    );
    result.round(|id| Some(graph.var(id).name.clone()), |_, _| true);
    let number = |id: &StaticId| names::numbers(&graph.var(*id).name);
    for rest in [&mut result.only_a, &mut result.only_b] {
        rest.sort_by_cached_key(|id| (number(id), *id));
    }
    let shape = |id: StaticId| {
        let name = &graph.var(id).name;
        name.contains('#')
            .then(|| names::without_numbers(name).into_owned())
    };
    result.round(shape, |a, b| a.len() == b.len());
    result
        .groups
        .sort_by_cached_key(|group| group.a.first().map(|id| graph.var(*id).name.clone()));
    result.only_a.sort_unstable();
    result.only_b.sort_unstable();
    result
}

impl Pairing {
    /// Groups what has the same key on both sides, if `fits`; keeps the rest, in order.
    fn round(
        &mut self,
        key: impl Fn(StaticId) -> Option<String>,
        fits: impl Fn(&[StaticId], &[StaticId]) -> bool,
    ) {
        let mut keys: BTreeMap<String, [Vec<StaticId>; 2]> = BTreeMap::new();
        let mut rest = [Vec::new(), Vec::new()];
        for (side, list) in [
            std::mem::take(&mut self.only_a),
            std::mem::take(&mut self.only_b),
        ]
        .into_iter()
        .enumerate()
        {
            for id in list {
                match key(id) {
                    Some(key) => keys.entry(key).or_default()[side].push(id),
                    None => rest[side].push(id),
                }
            }
        }
        for [a, b] in keys.into_values() {
            if !a.is_empty() && !b.is_empty() && fits(&a, &b) {
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
    /// Partners to try first: each static with one of a unit of the same name, else with the one at the same place in
    /// the list. Every static of both sides occurs.
    pub(crate) fn first_choice(&self, graph: &Graph<'_>) -> Vec<(StaticId, StaticId)> {
        let unit = |id: StaticId| graph.unit(graph.var(id).unit).name;
        let partner = |id: StaticId, index: usize, others: &[StaticId]| {
            let same = others
                .iter()
                .copied()
                .find(|other| unit(*other) == unit(id) && others.len() > 1);
            same.or(others.get(index.min(others.len() - 1)).copied())
        };
        let mut pairs = Vec::new();
        for (index, a) in self.a.iter().enumerate() {
            pairs.extend(partner(*a, index, &self.b).map(|b| (*a, b)));
        }
        for (index, b) in self.b.iter().enumerate() {
            if !pairs.iter().any(|(_, taken)| taken == b) {
                pairs.extend(partner(*b, index, &self.a).map(|a| (a, *b)));
            }
        }
        pairs
    }

    /// Whether the first choice stands even if another partner would be equal: C's file-local statics of one name are
    /// different variables, told apart by the file they are in.
    pub(crate) fn is_strict(&self, graph: &Graph<'_>, a: StaticId, b: StaticId) -> bool {
        let (x, y) = (graph.var(a), graph.var(b));
        let same_unit = graph.unit(x.unit).name == graph.unit(y.unit).name
            && !graph.unit(x.unit).name.is_empty();
        let in_unit = |list: &[StaticId]| {
            list.iter()
                .filter(|id| graph.unit(graph.var(**id).unit).name == graph.unit(x.unit).name)
                .count()
        };
        same_unit && in_unit(&self.a) == 1 && in_unit(&self.b) == 1 && !x.name.ends_with("{vtable}")
    }
}
