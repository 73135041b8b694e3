//! What differs between the members of two records, their virtual functions, or two lists of enumerators.
//!
//! Members are matched by name and by how often that name came before: the locals that a coroutine saves may repeat a
//! name within one state. Their order alone is no layout; their places are.

use super::Two;
use crate::listed::{Listed, masked, match_by_name};
use crate::model::{Enumerator, Member, UnitId, VirtualFunction};
use crate::report::{Kind, Reason};
use crate::walk::{Diff, Label, Outcome, Walk};

impl<'g, 'a> Walk<'g, 'a> {
    /// Members of a record, or of a variant.
    pub(crate) fn compare_members(
        &mut self,
        out: &mut Outcome<'a>,
        units: Two<UnitId>,
        members: Two<&'g [Member<'a>]>,
        label: fn(Option<&'a str>) -> Label<'a>,
    ) {
        for matched in match_by_name(members[0], members[1], |member| member.name.unwrap_or("")) {
            match matched {
                [Some(x), Some(y)] => {
                    self.compare_places(out, units, [x, y]);
                    self.hold(out, label(x.name), true, units, [x.target, y.target]);
                }
                one_sided => {
                    let text = [0, 1].map(|side| match one_sided[side] {
                        Some(member) => self.graph.describe(units[side], member),
                        None => "absent".to_owned(),
                    });
                    let name = one_sided
                        .iter()
                        .flatten()
                        .find_map(|member| member.name)
                        .unwrap_or("(anonymous)");
                    let at = [0, 1]
                        .map(|side| one_sided[side].map(|member| (units[side], member.declared)));
                    out.diffs
                        .push(Diff::new(Kind::FieldMissing, text).of_member(name).at(at));
                }
            }
        }
    }

    fn compare_places(
        &mut self,
        out: &mut Outcome<'a>,
        units: Two<UnitId>,
        members: Two<&Member<'a>>,
    ) {
        let places = [0, 1].map(|side| self.graph.bit_offset(units[side], members[side]));
        let widths = members.map(|member| member.bit_size);
        if places == [None, None] {
            self.gap_named(
                out,
                Reason::Unreadable("a bit field in a storage unit of unknown size"),
                members[0].name,
            );
        }
        if places[0] == places[1] && widths[0] == widths[1] {
            return;
        }
        let kind = if widths == [None, None] {
            Kind::FieldOffset
        } else {
            Kind::Bitfield
        };
        let text = [0, 1].map(|side| self.graph.describe(units[side], members[side]));
        let at = [0, 1].map(|side| Some((units[side], members[side].declared)));
        let diff = Diff::new(kind, text)
            .of_member(members[0].name.unwrap_or("(anonymous)"))
            .at(at);
        out.diffs.push(if widths[0] == widths[1] {
            diff.derived()
        } else {
            diff
        });
    }
}

/// Functions by their indexes in the vtable: both sides call through the table that either has stored.
pub(super) fn compare_virtual_functions(out: &mut Outcome<'_>, lists: Two<&[VirtualFunction<'_>]>) {
    let mut differing = Listed::default();
    for matched in match_by_name(lists[0], lists[1], |function| function.name) {
        let indexes = matched.map(|function| function.map(|function| function.index));
        if indexes[0] != indexes[1] {
            let name = matched.into_iter().flatten().next();
            let text = indexes.map(|index| match index {
                Some(index) => format!("entry {index}"),
                None => "absent".to_owned(),
            });
            differing.add(
                name.map_or("", |function| function.name),
                text,
                [None, None],
            );
        }
    }
    out.diffs.extend(differing.into_diff(Kind::VirtualFunction));
}

pub(super) fn compare_enumerators(
    out: &mut Outcome<'_>,
    lists: Two<&[Enumerator<'_>]>,
    sizes: Two<Option<u64>>,
) {
    let mut differing = Listed::default();
    for matched in match_by_name(lists[0], lists[1], |enumerator| enumerator.name) {
        let text = [0, 1].map(|side| match matched[side] {
            Some(enumerator) => masked(enumerator.value, sizes[side]).to_string(),
            None => "absent".to_owned(),
        });
        if text[0] != text[1] {
            let name = matched
                .iter()
                .flatten()
                .next()
                .map_or("", |enumerator| enumerator.name);
            differing.add(name, text, [None, None]);
        }
    }
    out.diffs.extend(differing.into_diff(Kind::Enumerator));
}
