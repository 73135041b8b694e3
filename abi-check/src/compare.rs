//! What differs between two types, looking at nothing but the two.
//!
//! Invariant: for every held type that both sides have, the pair of them is handed to the walk, whatever else differs;
//! so no difference hides another one further down.

mod members;
mod scalar;
mod words;

use crate::layout::Definition;
use crate::model::{Record, Shape, Target, TypeId, UnitId};
use crate::names::Stripped;
use crate::report::{Kind, Reason};
use crate::walk::{Diff, Gap, Label, Outcome, SourceLine, Walk};
use members::{compare_enumerators, compare_virtual_functions};
pub(crate) use words::bytes;
use words::dimensions;

/// A value for each of the two sides.
pub(crate) type Two<T> = [T; 2];

impl Diff {
    /// A difference of its own.
    pub(crate) fn new(kind: Kind, text: Two<String>) -> Diff {
        Diff {
            kind,
            derived: false,
            member: None,
            text,
            bytes: [None, None],
            at: [None, None],
        }
    }

    /// The same, about these numbers.
    fn of_bytes(self, bytes: Two<Option<u64>>) -> Diff {
        Diff { bytes, ..self }
    }

    /// The same, following from others if there are others.
    pub(crate) fn derived(self) -> Diff {
        Diff {
            derived: true,
            ..self
        }
    }

    /// The same, of a field, variant or enumerator.
    pub(crate) fn of_member(self, name: impl Into<String>) -> Diff {
        Diff {
            member: Some(name.into()),
            ..self
        }
    }

    /// The same, with places of its own in the source.
    pub(crate) fn at(self, at: Two<Option<SourceLine>>) -> Diff {
        Diff { at, ..self }
    }
}

impl<'g, 'a> Walk<'g, 'a> {
    /// Compares two types that are no aliases and no mere declarations.
    pub(crate) fn compare_pair(&mut self, a: TypeId, b: TypeId) -> Outcome<'a> {
        let mut out = Outcome::default();
        if !self.compare_references(&mut out, [a, b]) && self.compare_contents(&mut out, [a, b]) {
            self.compare_extent(&mut out, [a, b]);
        }
        out
    }

    /// Types that hold nothing by value, and types that cannot be compared; false if these are others.
    fn compare_references(&mut self, out: &mut Outcome<'a>, ids: Two<TypeId>) -> bool {
        let graph = self.graph;
        let types = ids.map(|id| graph.ty(id));
        match (&types[0].shape, &types[1].shape) {
            (Shape::Opaque(what), other) => {
                let on = [true, matches!(other, Shape::Opaque(_))];
                self.gap(out, Reason::Unreadable(what), ids[0], on);
            }
            (_, Shape::Opaque(what)) => {
                self.gap(out, Reason::Unreadable(what), ids[1], [false, true])
            }
            (Shape::Pointer { target: x }, Shape::Pointer { target: y }) => {
                let sizes = ids.map(|id| graph.size(id));
                if sizes[0] != sizes[1] {
                    out.diffs
                        .push(Diff::new(Kind::PointerWidth, sizes.map(bytes)));
                }
                let units = types.map(|ty| ty.unit);
                self.compare_pointees(out, units, [*x, *y]);
                self.hold(out, Label::Pointee, false, units, [*x, *y]);
            }
            (
                Shape::Function {
                    parameters: x,
                    variadic: v,
                    result: r,
                },
                Shape::Function {
                    parameters: y,
                    variadic: w,
                    result: s,
                },
            ) => {
                let units = types.map(|ty| ty.unit);
                if x.len() != y.len() || v != w || r.is_some() != s.is_some() {
                    let text = ids.map(|id| graph.type_name(id));
                    out.diffs.push(Diff::new(Kind::Signature, text));
                } else {
                    for (number, (x, y)) in x.iter().zip(y).enumerate() {
                        self.hold(out, Label::Parameter(number), false, units, [*x, *y]);
                    }
                    self.hold(out, Label::Result, false, units, [*r, *s]);
                }
            }
            _ => return false,
        }
        true
    }

    /// What the types consist of; false if they are of different kinds, so that nothing else is worth comparing.
    fn compare_contents(&mut self, out: &mut Outcome<'a>, ids: Two<TypeId>) -> bool {
        let graph = self.graph;
        let types = ids.map(|id| graph.ty(id));
        let units = types.map(|ty| ty.unit);
        match (&types[0].shape, &types[1].shape) {
            (Shape::Base { .. }, Shape::Base { .. }) => self.compare_bases(out, ids),
            (Shape::Record(x), Shape::Record(y)) if x.kind == y.kind => {
                for (side, record) in [x, y].into_iter().enumerate() {
                    if let Some(what) = record.opaque {
                        self.gap(
                            out,
                            Reason::Unreadable(what),
                            ids[side],
                            [side == 0, side == 1],
                        );
                    }
                }
                self.compare_records(out, units, [x, y]);
            }
            (
                Shape::Enumeration {
                    underlying: x,
                    enumerators: m,
                    ..
                },
                Shape::Enumeration {
                    underlying: y,
                    enumerators: n,
                    ..
                },
            ) => {
                if x.is_some() && y.is_some() {
                    self.hold(out, Label::Underlying, true, units, [*x, *y]);
                }
                compare_enumerators(out, [m, n], ids.map(|id| graph.size(id)));
            }
            (
                Shape::Array {
                    element: x,
                    dimensions: m,
                    ..
                },
                Shape::Array {
                    element: y,
                    dimensions: n,
                    ..
                },
            ) => {
                if m != n {
                    let text = [m, n].map(|list| dimensions(list));
                    out.diffs.push(Diff::new(Kind::ArrayLength, text));
                }
                self.hold(out, Label::Element, true, units, [*x, *y]);
            }
            (Shape::Unspecified, Shape::Unspecified) => {}
            _ => {
                let text = ids.map(|id| {
                    format!("{} of {}", graph.ty(id).shape.noun(), bytes(graph.size(id)))
                });
                out.diffs.push(Diff::new(Kind::Kind, text));
                return false;
            }
        }
        true
    }

    /// Whether the alignment of types tells of more than the places that they get. That of a number shows in the
    /// records that hold it, if it makes a difference at all: members may have alignments of their own.
    fn has_own_alignment(&self, id: TypeId) -> bool {
        matches!(self.graph.ty(id).shape, Shape::Record(_))
    }

    /// Alignment of what is no record and is pointed to: who points to it relies on it.
    fn compare_pointees(&mut self, out: &mut Outcome<'a>, units: Two<UnitId>, to: Two<Target>) {
        let stripped = [0, 1].map(|side| self.graph.strip(units[side], to[side]));
        if let [Stripped::Type(x), Stripped::Type(y)] = stripped
            && ![x, y].map(|id| self.has_own_alignment(id)).contains(&true)
            && self.graph.size(x) == self.graph.size(y)
        {
            let text = |n| format!("points to alignment {n}");
            self.compare_alignments(out, [x, y], &text);
        }
    }

    fn compare_alignments(
        &mut self,
        out: &mut Outcome<'a>,
        ids: Two<TypeId>,
        text: &dyn Fn(u64) -> String,
    ) {
        if let [Some(x), Some(y)] = ids.map(|id| self.layouts.alignment(id))
            && x != y
        {
            let diff = Diff::new(Kind::Alignment, [x, y].map(text));
            out.diffs.push(diff.of_bytes([Some(x), Some(y)]).derived());
        }
    }

    /// Size and alignment.
    fn compare_extent(&mut self, out: &mut Outcome<'a>, ids: Two<TypeId>) {
        let alignments = ids.map(|id| self.layouts.alignment(id));
        if ids.iter().any(|id| self.has_own_alignment(*id)) {
            self.compare_alignments(out, ids, &|n| format!("alignment {n}"));
        }
        for side in [0, 1] {
            // Of what consists of others, these say it.
            let leaf = matches!(
                self.graph.ty(ids[side]).shape,
                Shape::Base { .. } | Shape::Array { vector: true, .. }
            );
            if leaf && alignments[side].is_none() && self.graph.size(ids[side]).is_some() {
                let reason = Reason::Unreadable("a type whose alignment the psABI leaves open");
                self.gap(out, reason, ids[side], [side == 0, side == 1]);
            }
        }
        let sizes = ids.map(|id| self.graph.size(id));
        let open = |id| matches!(self.graph.ty(id).shape, Shape::Array { .. });
        if sizes[0] != sizes[1] {
            out.diffs.push(
                Diff::new(
                    Kind::Size,
                    sizes.map(|size| format!("size {}", bytes(size))),
                )
                .of_bytes(sizes)
                .derived(),
            );
        } else if sizes[0].is_none() && !open(ids[0]) {
            self.gap(
                out,
                Reason::Unreadable("a type without a size"),
                ids[0],
                [true, true],
            );
        }
    }

    fn compare_records(
        &mut self,
        out: &mut Outcome<'a>,
        units: Two<UnitId>,
        records: Two<&'g Record<'a>>,
    ) {
        let [x, y] = records;
        self.compare_members(out, units, [&x.members, &y.members], Label::Field);
        self.compare_variant_parts(out, units, records);
        compare_virtual_functions(out, [&x.virtual_functions, &y.virtual_functions]);
        let contained = [x.containing, y.containing];
        if contained.iter().all(Option::is_some) {
            // A vtable has members.
            let label = match x.members.is_empty() {
                true => Label::Owned,
                false => Label::SelfType,
            };
            self.hold(out, label, false, units, contained);
        }
    }

    /// Hands two held types to the walk, or says why they cannot be compared.
    pub(crate) fn hold(
        &mut self,
        out: &mut Outcome<'a>,
        label: Label<'a>,
        by_value: bool,
        units: Two<UnitId>,
        targets: Two<Target>,
    ) {
        let stripped = [0, 1].map(|side| self.graph.strip(units[side], targets[side]));
        let [x, y] = match stripped {
            [Stripped::Type(x), Stripped::Type(y)] => [x, y],
            [Stripped::Void, Stripped::Void] => return,
            [Stripped::Type(id), Stripped::Void] => {
                return self.gap(out, Reason::NoDefinition, id, [false, true]);
            }
            [Stripped::Void, Stripped::Type(id)] => {
                return self.gap(out, Reason::NoDefinition, id, [true, false]);
            }
            nowhere => {
                let on = nowhere.map(|side| side == Stripped::Nowhere);
                let name = match label {
                    Label::Field(name) | Label::Variant(name) => name,
                    _ => None,
                };
                let reason = Reason::Unreadable("a reference that leads to no type");
                out.gaps.push(Gap {
                    reason,
                    subject: name.unwrap_or("(unnamed)").to_owned(),
                    on,
                });
                return;
            }
        };
        match [x, y].map(|id| self.layouts.definition(id)) {
            [Definition::At(x), Definition::At(y)] => out.held.push((label, by_value, x, y)),
            found => {
                let missing = found.map(|definition| definition == Definition::Missing);
                if missing.contains(&true) {
                    self.gap(out, Reason::NoDefinition, x, missing);
                } else {
                    let on = found.map(|definition| definition == Definition::Ambiguous);
                    self.gap(out, Reason::Ambiguous, x, on);
                }
            }
        }
    }

    fn gap(&self, out: &mut Outcome<'a>, reason: Reason, id: TypeId, on: Two<bool>) {
        out.gaps.push(Gap {
            reason,
            subject: self.graph.type_name(id),
            on,
        });
    }

    fn gap_named(&self, out: &mut Outcome<'a>, reason: Reason, name: Option<&str>) {
        out.gaps.push(Gap {
            reason,
            subject: name.unwrap_or("(anonymous)").to_owned(),
            on: [true, true],
        });
    }
}
