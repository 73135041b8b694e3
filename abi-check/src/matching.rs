//! Which partner each static gets, when its name leaves a choice.
//!
//! First everything is compared as its name suggests. Only where that finds a difference and there are other partners,
//! these are compared too; a partner without a difference wins, otherwise the first choice is reported.
//!
//! Invariant: every static of a group ends up in a [`RootPair`] or in the list of those that had too many candidates.

use crate::error::Error;
use crate::model::Graph;
use crate::names::Stripped;
use crate::pairing::{Group, StaticId};
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
    /// Statics with a difference and too many candidates to be sure of it; one of each name.
    pub(crate) undecided: Vec<StaticId>,
}

/// Compares the statics of each group.
pub(crate) fn match_groups(
    graph: &Graph<'_>,
    walk: &mut Walk<'_, '_>,
    groups: &[Group],
) -> Result<Matching, Error> {
    let choices: Vec<Vec<RootPair>> = groups
        .iter()
        .map(|group| {
            group
                .first_choice(graph)
                .into_iter()
                .map(|(a, b)| enter(graph, walk, a, b))
                .collect()
        })
        .collect();
    walk.run()?;
    let differs = differing(walk);
    let is_bad =
        |differs: &[bool], root: &RootPair| root.pair.is_some_and(|pair| differs[pair.0 as usize]);
    let mut result = Matching::default();
    let mut contested = Vec::new();
    for (group, roots) in groups.iter().zip(choices) {
        let has_choice = group.a.len() > 1 || group.b.len() > 1;
        if !has_choice || !roots.iter().any(|root| is_bad(&differs, root)) {
            result.roots.extend(roots);
        } else if group.a.len().saturating_mul(group.b.len()) > MAX_COMBINATIONS {
            result.undecided.extend(group.a.first());
        } else {
            let all: Vec<RootPair> = group
                .a
                .iter()
                .flat_map(|a| group.b.iter().map(|b| (*a, *b)))
                .map(|(a, b)| enter(graph, walk, a, b))
                .collect();
            contested.push((group, roots, all));
        }
    }
    walk.run()?;
    let differs = differing(walk);
    for (group, roots, all) in contested {
        for root in roots {
            let strict = group.is_strict(graph, root.a, root.b);
            let good = |of: &dyn Fn(&RootPair) -> bool| {
                all.iter()
                    .find(|other| of(other) && !is_bad(&differs, other))
            };
            if strict || !is_bad(&differs, &root) {
                result.roots.push(root);
                continue;
            }
            let partners = [
                good(&|other| other.a == root.a),
                good(&|other| other.b == root.b),
            ];
            match partners {
                [Some(x), Some(y)] => result.roots.extend([*x, *y]),
                _ => result.roots.push(root),
            }
        }
    }
    Ok(result)
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
