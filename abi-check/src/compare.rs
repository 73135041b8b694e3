//! What differs between two types, looking at nothing but the two.
//!
//! Members are matched by name and by how often that name came before: the locals that a coroutine saves may repeat a
//! name within one state. Their order alone is no layout; their places are.
//!
//! Invariant: for every held type that both sides have, the pair of them is handed to the walk, whatever else differs;
//! so no difference hides another one further down.

use crate::layout::Definition;
use crate::listed::{Listed, masked, match_by_name};
use crate::model::{
    Enumerator, Member, Record, RecordKind, Shape, Target, TypeId, UnitId, VirtualFunction,
};
use crate::names::Stripped;
use crate::report::{Kind, Reason};
use crate::walk::{Diff, Gap, Label, Outcome, SourceLine, Walk};

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

    fn compare_bases(&mut self, out: &mut Outcome<'a>, ids: Two<TypeId>) {
        let graph = self.graph;
        let facts = ids.map(|id| {
            let ty = graph.ty(id);
            let unit = graph.unit_of(id);
            let machine = graph.elf(unit).machine;
            let name = ty.name.unwrap_or("");
            let encoding = match ty.shape {
                Shape::Base { encoding, .. } => encoding,
                _ => gimli::DwAte(0),
            };
            let complex = encoding == gimli::DW_ATE_complex_float;
            let part = ty.size.map(|size| if complex { size / 2 } else { size });
            let name = name.strip_prefix("complex ").unwrap_or(name);
            let format = (complex || encoding == gimli::DW_ATE_float)
                .then(|| machine.float_format(name, part.unwrap_or(0), unit.producer))
                .flatten();
            (ty.size, encoding, format)
        });
        let [(size, encoding, format), (size_b, encoding_b, format_b)] = facts;
        // Where both follow the CPU, the sides as a whole say it.
        let orders = ids.map(|id| graph.byte_order(id));
        let explicit = ids.map(|id| !graph.has_byte_order(id));
        if encoding != encoding_b {
            let text = [(encoding, size), (encoding_b, size_b)]
                .map(|(encoding, size)| format!("{}, {}", encoding_name(encoding), bytes(size)));
            out.diffs.push(Diff::new(Kind::BaseEncoding, text));
        } else if explicit.contains(&true) && orders[0] != orders[1] && size != Some(1) {
            let text = orders.map(|order| match order {
                gimli::DW_END_big => "big-endian".to_owned(),
                gimli::DW_END_little => "little-endian".to_owned(),
                _ => "an order of bytes of its own".to_owned(),
            });
            out.diffs.push(Diff::new(Kind::ByteOrder, text));
        } else if let (Some(format), Some(format_b)) = (format, format_b)
            && format != format_b
        {
            let text = [(format, size), (format_b, size_b)]
                .map(|(format, size)| format!("{}, {}", format.name(), bytes(size)));
            out.diffs.push(Diff::new(Kind::FloatFormat, text));
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
        if x.containing.is_some() && y.containing.is_some() {
            self.hold(
                out,
                Label::SelfType,
                false,
                units,
                [x.containing, y.containing],
            );
        }
    }

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

/// Functions by their indexes in the vtable: both sides call through the table that either has stored.
fn compare_virtual_functions(out: &mut Outcome<'_>, lists: Two<&[VirtualFunction<'_>]>) {
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

fn compare_enumerators(
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

fn dimensions(list: &[Option<u64>]) -> String {
    let texts: Vec<String> = list
        .iter()
        .map(|count| count.map_or("?".to_owned(), |count| count.to_string()))
        .collect();
    format!("{} elements", texts.join(" × "))
}

/// A size for people.
pub(crate) fn bytes(size: Option<u64>) -> String {
    match size {
        None => "unknown size".to_owned(),
        Some(1) => "1 byte".to_owned(),
        Some(size) => format!("{size} bytes"),
    }
}

fn encoding_name(encoding: gimli::DwAte) -> &'static str {
    match encoding {
        gimli::DW_ATE_address => "address",
        gimli::DW_ATE_boolean => "boolean",
        gimli::DW_ATE_complex_float => "complex floating point",
        gimli::DW_ATE_float => "floating point",
        gimli::DW_ATE_signed => "signed integer",
        gimli::DW_ATE_signed_char => "signed character",
        gimli::DW_ATE_unsigned => "unsigned integer",
        gimli::DW_ATE_unsigned_char => "unsigned character",
        gimli::DW_ATE_UTF => "Unicode character",
        gimli::DW_ATE_decimal_float => "decimal floating point",
        _ => "other encoding",
    }
}

impl Shape<'_> {
    fn noun(&self) -> &'static str {
        match self {
            Shape::Base { .. } => "scalar",
            Shape::Record(record) if record.kind == RecordKind::Union => "union",
            Shape::Record(_) => "struct",
            Shape::Enumeration { .. } => "enumeration",
            Shape::Array { .. } => "array",
            Shape::Pointer { .. } => "pointer",
            Shape::Function { .. } => "function",
            Shape::Alias { .. } => "alias",
            Shape::Unspecified => "unspecified type",
            Shape::Opaque(_) => "unknown type",
        }
    }
}

impl crate::model::Graph<'_> {
    /// Place, size and type of a member.
    pub(crate) fn describe(&self, unit: UnitId, member: &Member<'_>) -> String {
        let name = self.target_name(unit, member.target);
        let start = self.bit_offset(unit, member);
        match (start, member.bit_size) {
            (Some(start), Some(width)) => {
                format!("bits {start}..{}  {name}", start.saturating_add(width))
            }
            (None, _) => format!("unknown offset  {name}"),
            (Some(start), None) => {
                let size = self
                    .target_size(unit, member.target)
                    .map_or("?".to_owned(), |size| size.to_string());
                format!("offset {}  size {size}  {name}", start / 8)
            }
        }
    }
}
