//! Which partner each static gets, when its name leaves a choice.
//!
//! First everything is compared as its name suggests. Only where that finds a difference and there are other partners,
//! these are compared too; a partner without a difference wins, otherwise the first choice is reported.
//!
//! Invariant: every static of a group ends up in a [`RootPair`], without a partner, or among those that had too many.

use crate::error::Error;
use crate::model::Graph;
use crate::names::Stripped;
use crate::pairing::{Group, Partners, StaticId};
use crate::walk::{PairId, Walk};

/// Sets of more combinations than this are left alone.
const MAX_COMBINATIONS: usize = 1024;

/// Two statics that were compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RootPair {
    /// Of the first side.
    pub(crate) a: StaticId,
    /// Of the other side.
    pub(crate) b: StaticId,
    /// Their types; `None` if one of them has none.
    pub(crate) pair: Option<PairId>,
}

/// Partners of all statics of two sides.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    /// Who was compared with whom.
    pub(crate) roots: Vec<RootPair>,
    /// Statics without a partner, neither by name nor by type.
    pub(crate) lonely: Vec<StaticId>,
    /// Statics with a difference and too many candidates to be sure of it; one of each name.
    pub(crate) undecided: Vec<StaticId>,
}

/// A group whose first choice does not settle it.
struct Contested<'p> {
    group: &'p Group,
    first: Vec<RootPair>,
    left: Vec<StaticId>,
    in_order: Vec<RootPair>,
    all: Vec<RootPair>,
}

/// Compares the statics of each group.
pub(crate) fn match_groups(
    graph: &Graph<'_>,
    walk: &mut Walk<'_, '_>,
    groups: &[Group],
) -> Result<Matching, Error> {
    let mut choices = Vec::new();
    for group in groups {
        let (pairs, left) = group.first_choice(graph);
        choices.push((enter_all(graph, walk, &pairs), left.concat()));
    }
    walk.run()?;
    let differs = differing(walk);
    let mut result = Matching::default();
    let mut contested = Vec::new();
    for (group, (first, left)) in groups.iter().zip(choices) {
        let has_choice = group.a.len() > 1 || group.b.len() > 1;
        let settled = left.is_empty() && first.iter().all(|root| root.is_equal(&differs));
        if settled || !has_choice {
            result.roots.extend(first);
        } else if group.a.len().saturating_mul(group.b.len()) > MAX_COMBINATIONS {
            result.undecided.extend(group.a.first());
        } else {
            let pairs: Vec<_> = group
                .a
                .iter()
                .flat_map(|a| group.b.iter().map(|b| (*a, *b)))
                .collect();
            let all = enter_all(graph, walk, &pairs);
            let in_order = enter_all(graph, walk, &group.in_order());
            contested.push(Contested {
                group,
                first,
                left,
                in_order,
                all,
            });
        }
    }
    walk.run()?;
    let differs = differing(walk);
    for group in contested {
        group.settle(graph, &differs, &mut result);
    }
    Ok(result)
}

impl Contested<'_> {
    fn settle(self, graph: &Graph<'_>, differs: &[bool], result: &mut Matching) {
        let strict = |root: &RootPair| self.group.is_strict(graph, (root.a, root.b));
        let bad = |roots: &[RootPair]| roots.iter().filter(|root| !root.is_equal(differs)).count();
        let stands = self
            .first
            .iter()
            .any(|root| !root.is_equal(differs) && strict(root));
        let renumbered =
            !self.in_order.is_empty() && !stands && bad(&self.in_order) < bad(&self.first);
        let (first, left) = match renumbered {
            true => (self.in_order, Vec::new()),
            false => (self.first, self.left),
        };
        let partner = |of: &dyn Fn(&RootPair) -> bool| {
            self.all
                .iter()
                .find(|other| of(other) && other.is_equal(differs))
                .copied()
        };
        for root in &first {
            if root.is_equal(differs) || strict(root) {
                result.roots.push(*root);
                continue;
            }
            match [
                partner(&|other| other.a == root.a),
                partner(&|other| other.b == root.b),
            ] {
                [Some(x), Some(y)] => result.roots.extend([x, y]),
                _ => result.roots.push(*root),
            }
        }
        for id in &left {
            match partner(&|other| other.a == *id || other.b == *id) {
                Some(root) => result.roots.push(root),
                None => result.lonely.push(*id),
            }
        }
    }
}

impl RootPair {
    fn is_equal(&self, differs: &[bool]) -> bool {
        self.pair.is_none_or(|pair| !differs[pair.0 as usize])
    }
}

fn enter_all(graph: &Graph<'_>, walk: &mut Walk<'_, '_>, pairs: &[Partners]) -> Vec<RootPair> {
    pairs
        .iter()
        .map(|(a, b)| enter(graph, walk, *a, *b))
        .collect()
}

fn enter(graph: &Graph<'_>, walk: &mut Walk<'_, '_>, a: StaticId, b: StaticId) -> RootPair {
    let types = [a, b].map(|id| graph.strip(graph.var(id).unit, graph.var(id).target));
    let pair = match types {
        [Stripped::Type(x), Stripped::Type(y)] => walk.enter_defined(x, y),
        _ => None,
    };
    RootPair { a, b, pair }
}

/// All pairs that hold a difference, however deep.
fn differing(walk: &Walk<'_, '_>) -> Vec<bool> {
    let bad = (0..walk.pairs.len() as u32)
        .map(PairId)
        .filter(|id| !walk.pair(*id).diffs.is_empty());
    walk.holders().reaching(bad, |_, _| true)
}
