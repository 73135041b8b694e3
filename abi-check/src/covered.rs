//! What the variants of an enum need not report, because the enum, or another variant, does.
//!
//! Invariant: what accounts for a difference is itself reported; only derived differences are accounted for.

use crate::model::{Graph, Member, Shape, TypeId, UnitId, VariantPart};
use crate::names::Stripped;
use crate::report::Kind;
use crate::walk::{Diff, Edge, Holders, Label, PairId, Walk};
use crate::ways::{self, Ways};

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
        // Variants share the bytes of their enum: what grows in one moves the fields of the others, as a tag does.
        let is_moved = |edge: &Edge<'_>| {
            let is_tag = || edge.label == Label::Discriminant && is_tag(walk, id);
            (matches!(edge.label, Label::Variant(_)) || is_tag()) && moved[edge.to.0 as usize]
        };
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

/// Pairs that hold by value a difference that follows from nothing else.
pub(crate) fn causes(walk: &Walk<'_, '_>, holders: &Holders, ways: &[Ways<'_>]) -> Vec<bool> {
    // Of types of other names, all differences belong to the place that holds them.
    let of_its_own = |id: &PairId| {
        let pair = walk.pair(*id);
        pair.diffs.iter().any(|diff| pair.renamed || !diff.derived)
    };
    let own: Vec<PairId> = ways::reached(ways).filter(of_its_own).collect();
    holders.reaching(own, |_, by_value| by_value)
}

/// What is accounted for, of every pair that is held as a variant; `moved` are the [`causes`].
pub(crate) fn coverage(walk: &Walk<'_, '_>, moved: &[bool], ways: &[Ways<'_>]) -> Vec<Covered> {
    let mut result: Vec<Option<Covered>> = vec![None; walk.pairs.len()];
    for id in ways::reached(ways) {
        let mut by_this = None;
        for edge in walk.edges(id) {
            let by = match edge.label {
                Label::Variant(_) => *by_this.get_or_insert_with(|| Covered::by(walk, id, moved)),
                _ => Covered::default(),
            };
            let slot = &mut result[edge.to.0 as usize];
            *slot = Some(slot.map_or(by, |old| old.and(by)));
        }
    }
    result.into_iter().map(Option::unwrap_or_default).collect()
}

/// Whether the discriminant of an enum has bytes of its own, and does not lie in a field of a variant, on both sides.
pub(crate) fn is_tag(walk: &Walk<'_, '_>, id: PairId) -> bool {
    let pair = walk.pair(id);
    [pair.a, pair.b].iter().all(|id| walk.graph.has_tag(*id))
}

impl Graph<'_> {
    fn has_tag(&self, id: TypeId) -> bool {
        let ty = self.ty(id);
        let Shape::Record(record) = &ty.shape else {
            return false;
        };
        let range = |unit: UnitId, member: &Member<'_>| {
            let start = self.bit_offset(unit, member)?;
            let bytes = self.target_size(unit, member.target)?;
            Some(start..start.saturating_add(bytes.saturating_mul(8)))
        };
        let of_part = |part: &VariantPart<'_>| {
            let tag = part
                .members
                .iter()
                .find(|member| Some(member.offset) == part.discriminant);
            let tag = tag.and_then(|tag| range(ty.unit, tag))?;
            let mut fields = part.variants.iter().flat_map(|variant| &variant.members);
            // A variant's member is a structure at the start of the enum, with the fields in it.
            Some(fields.all(|held| {
                let Stripped::Type(inner) = self.strip(ty.unit, held.target) else {
                    return false;
                };
                let Shape::Record(fields) = &self.ty(inner).shape else {
                    return false;
                };
                let unit = self.ty(inner).unit;
                fields.members.iter().all(|field| {
                    range(unit, field)
                        .is_some_and(|field| field.end <= tag.start || tag.end <= field.start)
                })
            }))
        };
        record
            .variant_parts
            .iter()
            .all(|part| of_part(part) == Some(true))
    }
}
