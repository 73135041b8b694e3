//! What the variants of an enum need not report, because the enum, or another variant, does.
//!
//! Invariant: what accounts for a difference is itself reported; only derived differences are accounted for.

use crate::report::Kind;
use crate::walk::{Diff, Edge, Holders, Label, PairId, Walk};
use crate::ways::Ways;

/// What a variant's struct need not report, because all enums that hold it do. DWARF gives it the size and alignment of
/// the whole enum, so an added variant or a repr changes the structs of all others.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Covered {
    size: bool,
    alignment: bool,
    everything_derived: bool,
}

impl Covered {
    /// By an enum; `moved` are the pairs that hold by value what moves others.
    fn by(walk: &Walk<'_, '_>, id: PairId, moved: &[bool]) -> Covered {
        let diffs = &walk.pair(id).diffs;
        let has = |kind| diffs.iter().any(|diff| diff.kind == kind);
        // Variants share the bytes of their enum: what grows in one moves the fields of the others.
        let is_moved =
            |edge: &Edge<'_>| matches!(edge.label, Label::Variant(_)) && moved[edge.to.0 as usize];
        Covered {
            size: has(Kind::Size),
            alignment: has(Kind::Alignment),
            everything_derived: diffs.iter().any(|diff| !diff.derived)
                || walk.edges(id).iter().any(is_moved),
        }
    }

    fn and(self, other: Covered) -> Covered {
        Covered {
            size: self.size && other.size,
            alignment: self.alignment && other.alignment,
            everything_derived: self.everything_derived && other.everything_derived,
        }
    }

    /// Whether a difference of a variant's struct need not be reported.
    pub(crate) fn covers(self, diff: &Diff) -> bool {
        diff.derived
            && (self.everything_derived
                || (self.size && diff.kind == Kind::Size)
                || (self.alignment && diff.kind == Kind::Alignment))
    }
}

/// What is accounted for, of every pair that is held as a variant.
pub(crate) fn coverage(walk: &Walk<'_, '_>, holders: &Holders, ways: &[Ways<'_>]) -> Vec<Covered> {
    let reached = || {
        let all = (0..walk.pairs.len() as u32).map(PairId);
        all.filter(|id| !ways[id.0 as usize].is_empty())
    };
    let of_its_own = |id: &PairId| walk.pair(*id).diffs.iter().any(|diff| !diff.derived);
    let moved = holders.reaching(
        reached().filter(of_its_own).collect::<Vec<_>>(),
        |_, by_value| by_value,
    );
    let mut result: Vec<Option<Covered>> = vec![None; walk.pairs.len()];
    for id in reached() {
        let mut by_this = None;
        for edge in walk.edges(id) {
            let by = match edge.label {
                Label::Variant(_) => *by_this.get_or_insert_with(|| Covered::by(walk, id, &moved)),
                _ => Covered::default(),
            };
            let slot = &mut result[edge.to.0 as usize];
            *slot = Some(slot.map_or(by, |old| old.and(by)));
        }
    }
    result.into_iter().map(Option::unwrap_or_default).collect()
}
