//! What differs between two enums of Rust: their discriminants and variants.
//!
//! A variant is known by its name, that of the one member which holds its fields. Discriminants are compared as the
//! bits in memory: DWARF writes them zero-extended, sign-extended or as a block, as it likes.
//!
//! Invariant: as in `compare`, every held type goes on to the walk.

use crate::compare::Two;
use crate::listed::{Listed, masked, match_by_name};
use crate::model::{Record, UnitId, Variant};
use crate::report::Kind;
use crate::walk::{Diff, Label, Outcome, Walk};

impl<'g, 'a> Walk<'g, 'a> {
    /// Discriminants and variants of two records; most records have none.
    pub(crate) fn compare_variant_parts(
        &mut self,
        out: &mut Outcome<'a>,
        units: Two<UnitId>,
        records: Two<&'g Record<'a>>,
    ) {
        let parts = records.map(|record| record.variant_parts.as_slice());
        if parts[0].len() != parts[1].len() {
            let text = parts.map(|parts| format!("{} variant parts", parts.len()));
            out.diffs.push(Diff::new(Kind::Discriminant, text));
        }
        for (x, y) in parts[0].iter().zip(parts[1]) {
            let discriminants = [(records[0], x), (records[1], y)].map(|(record, part)| {
                let offset = part.discriminant?;
                part.members
                    .iter()
                    .chain(&record.members)
                    .find(|member| member.offset == offset)
            });
            let mut width = [None, None];
            match discriminants {
                [Some(m), Some(n)] => {
                    let places = [
                        self.graph.bit_offset(units[0], m),
                        self.graph.bit_offset(units[1], n),
                    ];
                    if places[0] != places[1] {
                        let text = [(0, m), (1, n)]
                            .map(|(side, member)| self.graph.describe(units[side], member));
                        out.diffs
                            .push(Diff::new(Kind::Discriminant, text).derived());
                    }
                    self.hold(out, Label::Discriminant, true, units, [m.target, n.target]);
                    width = [(0, m), (1, n)]
                        .map(|(side, m)| self.graph.target_size(units[side], m.target));
                }
                [None, None] => {}
                one_sided => {
                    let text = [0, 1].map(|side| match one_sided[side] {
                        Some(member) => self.graph.describe(units[side], member),
                        None => "no discriminant".to_owned(),
                    });
                    out.diffs
                        .push(Diff::new(Kind::Discriminant, text).derived());
                }
            }
            self.compare_variants(out, units, [&x.variants, &y.variants], width);
        }
    }

    fn compare_variants(
        &mut self,
        out: &mut Outcome<'a>,
        units: Two<UnitId>,
        variants: Two<&'g [Variant<'a>]>,
        width: Two<Option<u64>>,
    ) {
        let name = |variant: &Variant<'a>| {
            variant
                .members
                .first()
                .and_then(|member| member.name)
                .unwrap_or("")
        };
        let mut differing = Listed::default();
        let mut missing = Listed::default();
        for matched in match_by_name(variants[0], variants[1], name) {
            let describe = |side: usize| match matched[side] {
                Some(variant) => values(&variant.values, width[side]),
                None => "absent".to_owned(),
            };
            let at =
                [0, 1].map(|side| matched[side].map(|variant| (units[side], variant.declared)));
            match matched {
                [Some(x), Some(y)] => {
                    let text = [describe(0), describe(1)];
                    if text[0] != text[1] {
                        differing.add(name(x), text, at);
                    }
                    self.compare_members(out, units, [&x.members, &y.members], Label::Variant);
                }
                [one, other] => {
                    let variant = one.or(other).map(name).unwrap_or("");
                    missing.add(variant, [describe(0), describe(1)], at);
                }
            }
        }
        out.diffs.extend(missing.into_diff(Kind::Variant));
        out.diffs
            .extend(differing.into_diff(Kind::Discriminant).map(Diff::derived));
    }
}

fn values(ranges: &[(u128, u128)], size: Option<u64>) -> String {
    if ranges.is_empty() {
        return "every other value".to_owned();
    }
    let mut ranges: Vec<_> = ranges
        .iter()
        .map(|(low, high)| (masked(*low, size), masked(*high, size)))
        .collect();
    ranges.sort_unstable();
    let texts: Vec<String> = ranges
        .iter()
        .map(|(low, high)| {
            if low == high {
                low.to_string()
            } else {
                format!("{low}..={high}")
            }
        })
        .collect();
    format!("value {}", texts.join(" or "))
}
