//! Findings from differences: causes first, what follows from them folded.
//!
//! A struct whose field grew is larger, its later fields move, and every struct that holds it changes too; one line of
//! source is at fault. So a difference of size, alignment or place is *derived*: it is reported only if nothing that
//! the type holds by value differs and no other difference within the type accounts for it.
//!
//! Where two types have different names, the place that holds them is at fault (`field: u32` here, `field: f32` there),
//! not the types: everything below that is renamed too belongs to it. If all that has the same layout, it is a warning.
//!
//! Invariant: a reachable pair with a difference always leads to a finding, its own or that of what it follows from.

mod reached;

use std::collections::BTreeSet;

use crate::collected::{Collected, Draft};
use crate::covered::{self, Covered};
use crate::lints::Lint;
use crate::matching::RootPair;
use crate::model::{Graph, Member, Shape, TypeId};
use crate::report::{Finding, Kind, Place, Reached, Reason, Severity, SideView};
use crate::walk::{Diff, Edge, Holders, Label, PairId, SourceLine, Walk};
use crate::ways::{self, Ways};

/// Renamed types that are searched for the difference that makes a renamed field an error.
const MAX_SEARCHED: usize = 4096;
/// Differences of two sides, on the way to findings.
pub(crate) struct Explain<'e, 'g, 'a> {
    graph: &'g Graph<'a>,
    walk: &'e Walk<'g, 'a>,
    roots: &'e [RootPair],
    /// Indexes of the two sides.
    sides: [usize; 2],
    holders: Holders,
    /// How each pair was first reached; empty if no chosen root reaches it.
    ways: Vec<Ways<'a>>,
    /// For the structs that hold a variant's fields: what of them the enum around accounts for.
    covered: Vec<Covered>,
    /// Pairs that hold by value a difference that follows from nothing else.
    causes: Vec<bool>,
    /// Pairs that hold a difference by value, and those with one.
    differs: Vec<bool>,
    /// Renamed pairs under which, through renamed pairs only, there is a difference.
    renamed_differs: Vec<bool>,
    counted: usize,
    /// Whether a finding is an error.
    found_error: bool,
}

impl<'e, 'g, 'a> Explain<'e, 'g, 'a> {
    /// Prepares what all findings need.
    pub(crate) fn new(walk: &'e Walk<'g, 'a>, roots: &'e [RootPair], sides: [usize; 2]) -> Self {
        let holders = walk.holders();
        let ways = ways::ways(walk, roots);
        let all = || ways::reached(&ways);
        let causes = covered::causes(walk, &holders, &ways);
        let covered = covered::coverage(walk, &causes, &ways);
        let counts = |id: &PairId| {
            let covered = covered[id.0 as usize];
            walk.pair(*id)
                .diffs
                .iter()
                .any(|diff| !covered.covers(diff))
        };
        let differs = holders.reaching(all().filter(counts).collect::<Vec<_>>(), |_, by_value| {
            by_value
        });
        let mut result = Explain {
            graph: walk.graph,
            walk,
            roots,
            sides,
            holders,
            ways: Vec::new(),
            covered,
            causes,
            differs,
            renamed_differs: Vec::new(),
            counted: 0,
            found_error: false,
        };
        let guilty = all().filter(|id| walk.pair(*id).renamed && !result.own(*id).is_empty());
        result.renamed_differs = result
            .holders
            .reaching(guilty.collect::<Vec<_>>(), |holder, _| {
                walk.pair(holder).renamed
            });
        result.ways = ways;
        result
    }

    /// Adds everything that was found.
    pub(crate) fn collect(mut self, to: &mut Collected) {
        for index in 0..self.roots.len() {
            self.root(index, to);
        }
        let reached: Vec<PairId> = ways::reached(&self.ways).collect();
        for id in &reached {
            self.gaps(*id, to);
            if self.walk.pair(*id).renamed {
                continue;
            }
            for diff in self.own(*id) {
                self.difference(*id, diff, to);
            }
            for edge in self.walk.edges(*id) {
                if self.walk.pair(edge.to).renamed && !self.is_moved_niche(*id, edge) {
                    let what = self.rename(edge.to, edge.label);
                    self.held(*id, edge, what, to);
                } else if self.graph.is_code(self.walk.pair(edge.to).a) {
                    self.code(*id, edge, to);
                }
            }
        }
        // Types that hold each other by value cannot be, but malformed input has them: there, every difference follows
        // from another one. It must not come out as equal.
        if !self.found_error {
            for id in reached {
                for diff in &self.walk.pair(id).diffs {
                    self.difference(id, diff, to);
                }
            }
        }
    }

    /// For each pair, whether a root that was chosen reaches it.
    pub(crate) fn reaches(&self) -> Vec<bool> {
        self.ways.iter().map(|ways| !ways.is_empty()).collect()
    }

    /// Types of the first side that were compared, by name, and what lints are about them.
    pub(crate) fn compared(&self, to: &mut BTreeSet<String>, lints: &[Lint], all: &mut Collected) {
        for (index, (pair, ways)) in self.walk.pairs.iter().zip(&self.ways).enumerate() {
            if ways.is_empty() {
                continue;
            }
            let ids = [pair.a, pair.b];
            let orders = ids.map(|id| self.graph.byte_order(id));
            if orders[0] != orders[1] && ids.iter().any(|id| self.graph.has_byte_order(*id)) {
                all.met_number();
            }
            let name = self.graph.type_name(pair.a);
            for (lint, _) in lints
                .iter()
                .enumerate()
                .filter(|(_, lint)| lint.is_about(&name))
            {
                all.lint(lint, &name, self.reached(PairId(index as u32), None));
            }
            to.insert(name);
        }
    }

    /// Whether a type only lies within types that are alike, at one place: its alignment is then nobody's concern.
    fn is_enclosed(&self, id: PairId) -> bool {
        let mut holders = self.holders.of(id).iter().peekable();
        let alike = |holder: PairId| self.walk.pair(holder).diffs.is_empty();
        // The way from itself is the shortest one, which comes first.
        let shortest = self.ways[id.0 as usize].first();
        let is_root = shortest.is_some_and(|way| way.held.is_none());
        holders.peek().is_some()
            && holders.all(|(holder, by_value)| *by_value && alike(*holder))
            && !is_root
    }

    /// The differences of a pair that do not follow from others.
    fn own(&self, id: PairId) -> Vec<&'e Diff> {
        let covered = self.covered[id.0 as usize];
        let diffs = || {
            self.walk
                .pair(id)
                .diffs
                .iter()
                .filter(move |diff| !covered.covers(diff))
        };
        let primary: Vec<&Diff> = diffs().filter(|diff| !diff.derived).collect();
        let explained = || {
            let held = self.walk.edges(id).iter();
            held.filter(|edge| edge.by_value && edge.to != id)
                .any(|edge| self.moves(id, edge.to))
        };
        if !primary.is_empty() || explained() {
            return primary;
        }
        let rank = |diff: &Diff| match diff.kind {
            Kind::Alignment => 0,
            Kind::FieldOffset | Kind::Bitfield => 1,
            Kind::Discriminant => 2,
            _ => 3,
        };
        diffs().min_by_key(|diff| rank(diff)).into_iter().collect()
    }

    /// Whether a held type can be what moves others in its holder, or makes that larger: C places by sizes and alignments,
    /// Rust by niches too, of which only numbers have none.
    fn moves(&self, holder: PairId, held: PairId) -> bool {
        if !self.differs[held.0 as usize] {
            return false;
        }
        let pair = self.walk.pair(held);
        let is_rust = self.graph.unit_of(self.walk.pair(holder).a).is_rust;
        let is_number = matches!(self.graph.ty(pair.a).shape, Shape::Base { .. });
        (is_rust && !is_number)
            || pair.diffs.iter().any(|diff| {
                matches!(
                    diff.kind,
                    Kind::Size
                        | Kind::Alignment
                        | Kind::ArrayLength
                        | Kind::PointerWidth
                        | Kind::Kind
                )
            })
    }

    /// Whether a discriminant of another type follows from something else: it lies in a field that differs.
    fn is_moved_niche(&self, holder: PairId, discriminant: &Edge<'_>) -> bool {
        if discriminant.label != Label::Discriminant {
            return false;
        }
        // A tag that has bytes of its own is as wide as its neighbours leave room for, so only they can be a cause.
        let differing = match covered::is_tag(self.walk, holder) {
            true => &self.causes,
            false => &self.differs,
        };
        self.walk.edges(holder).iter().any(|edge| {
            edge.by_value && edge.label != Label::Discriminant && differing[edge.to.0 as usize]
        })
    }

    fn root(&mut self, index: usize, to: &mut Collected) {
        let root = self.roots[index];
        let var = self.graph.var(root.a);
        match root.pair {
            None => {
                let reason = Reason::Unreadable("without a defined type");
                to.unproved(
                    reason,
                    var.name.to_string(),
                    self.sides.to_vec(),
                    Vec::new(),
                );
            }
            Some(id) => {
                let what = if self.walk.pair(id).renamed {
                    self.rename(id, Label::Field(None))
                } else if self.graph.is_code(self.walk.pair(id).a)
                    && to.refuses_code(var.name.to_string())
                {
                    (Kind::CodePointer, self.types(id))
                } else {
                    return;
                };
                let at = [root.a, root.b].map(|id| {
                    let var = self.graph.var(id);
                    Some((var.unit, var.declared))
                });
                let reached = Reached {
                    kind: var.kind,
                    root: var.name.to_string(),
                    path: var.name.to_string(),
                };
                let name = var.name.to_string();
                let finding = self.finding(what, String::new(), Some(name), at, vec![reached]);
                to.finding(Draft {
                    finding,
                    types: Vec::new(),
                });
            }
        }
    }

    fn difference(&mut self, id: PairId, diff: &Diff, to: &mut Collected) {
        if diff.kind == Kind::Alignment && self.is_enclosed(id) {
            return;
        }
        let pair = self.walk.pair(id);
        let name = self.graph.type_name(pair.a);
        let whole = [pair.a, pair.b].map(|id| (self.graph.ty(id).unit, self.graph.ty(id).declared));
        let at = [0, 1].map(|side| {
            diff.at[side]
                .filter(|(_, at)| at.line != 0)
                .or(Some(whole[side]))
        });
        let reached = self.reached(id, diff.member.as_deref());
        let what = (diff.kind, diff.text.clone());
        let mut finding = self.finding(what, name, diff.member.clone(), at, reached);
        for (view, bytes) in finding.sides.iter_mut().zip(diff.bytes) {
            view.bytes = bytes;
        }
        self.context(id, &mut finding);
        to.finding(Draft {
            finding,
            types: self.table_types(id),
        });
    }

    /// A finding about the place where one type holds another, with texts about the types there.
    fn held(
        &mut self,
        holder: PairId,
        edge: &Edge<'a>,
        (kind, types): (Kind, [String; 2]),
        to: &mut Collected,
    ) {
        let pair = self.walk.pair(holder);
        let name = self.graph.type_name(pair.a);
        let member = place(edge.label);
        let found = [pair.a, pair.b].map(|id| self.member(id, &member));
        let at = [0, 1].map(|side| {
            let ty = self.graph.ty([pair.a, pair.b][side]);
            let own = found[side]
                .map(|member| member.declared)
                .filter(|at| at.line != 0);
            Some((ty.unit, own.unwrap_or(ty.declared)))
        });
        let [left, right] = types;
        let describe = |side: usize, otherwise: String| match found[side] {
            Some(member) => self
                .graph
                .describe(self.graph.ty([pair.a, pair.b][side]).unit, member),
            None => otherwise,
        };
        let text = [describe(0, left), describe(1, right)];
        let mut reached = self.reached(holder, None);
        for reached in &mut reached {
            reached.path.push_str(&reached::step(edge.label));
        }
        let mut finding = self.finding((kind, text), name, Some(member), at, reached);
        self.context(holder, &mut finding);
        to.finding(Draft {
            finding,
            types: self.table_types(holder),
        });
    }

    /// A place that holds a code pointer.
    fn code(&mut self, holder: PairId, edge: &Edge<'a>, to: &mut Collected) {
        let name = self.graph.type_name(self.walk.pair(holder).a);
        if to.refuses_code(format!("{name}.{}", place(edge.label))) {
            let what = (Kind::CodePointer, self.types(edge.to));
            self.held(holder, edge, what, to);
        }
    }

    /// Names and sizes of two types.
    fn types(&self, id: PairId) -> [String; 2] {
        let pair = self.walk.pair(id);
        [pair.a, pair.b].map(|id| {
            let size = crate::compare::bytes(self.graph.size(id));
            format!("{}  ({size})", self.graph.type_name(id))
        })
    }

    /// Kind and texts for a place that holds types of different names.
    fn rename(&self, id: PairId, label: Label<'_>) -> (Kind, [String; 2]) {
        let text = self.types(id);
        if !self.renamed_differs[id.0 as usize] {
            return (Kind::DifferentType, text);
        }
        let kind = match (label, self.first_difference(id)) {
            (Label::Discriminant, _) => Kind::Discriminant,
            (Label::Parameter(_) | Label::Result, _) => Kind::Signature,
            (_, Some(kind @ (Kind::BaseEncoding | Kind::FloatFormat | Kind::ArrayLength))) => kind,
            (
                _,
                Some(kind @ (Kind::PointerWidth | Kind::Signature | Kind::Kind | Kind::ByteOrder)),
            ) => kind,
            _ => Kind::FieldType,
        };
        (kind, text)
    }

    /// The kind of the nearest difference under a renamed pair, if no struct lies between.
    fn first_difference(&self, id: PairId) -> Option<Kind> {
        let mut todo = vec![id];
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            let shape = &self.graph.ty(self.walk.pair(id).a).shape;
            if matches!(shape, Shape::Function { .. }) {
                return Some(Kind::Signature);
            }
            if let Some(diff) = self.own(id).first() {
                return Some(diff.kind);
            }
            let record = matches!(shape, Shape::Record(_));
            if !record && seen.len() < MAX_SEARCHED && seen.insert(id) {
                todo.extend(
                    self.walk
                        .edges(id)
                        .iter()
                        .map(|edge| edge.to)
                        .filter(|id| self.walk.pair(*id).renamed),
                );
            }
        }
        None
    }

    fn member(&self, id: TypeId, name: &str) -> Option<&'g Member<'a>> {
        match &self.graph.ty(id).shape {
            Shape::Record(record) => record
                .members
                .iter()
                .find(|member| member.name == Some(name)),
            _ => None,
        }
    }

    fn finding(
        &mut self,
        (kind, text): (Kind, [String; 2]),
        type_name: String,
        member: Option<String>,
        at: [Option<SourceLine>; 2],
        reached: Vec<Reached>,
    ) -> Finding {
        // Whether data may hold pointers to code says nothing of its layout.
        self.found_error |= kind.severity() == Severity::Error && kind != Kind::CodePointer;
        let place = |at: Option<SourceLine>| -> Option<Place> {
            at.and_then(|(unit, at)| self.graph.place(unit, at))
        };
        let sides = self.sides.into_iter().zip(text.into_iter().zip(at));
        Finding {
            kind,
            type_name,
            member,
            reached,
            more_roots: 0,
            sides: sides
                .map(|(side, (text, at))| SideView {
                    side,
                    place: place(at),
                    text,
                    bytes: None,
                })
                .collect(),
            table: None,
            also_affects: Vec::new(),
            note: None,
            suppressed: None,
        }
    }

    fn table_types(&self, id: PairId) -> Vec<(usize, TypeId)> {
        let pair = self.walk.pair(id);
        match self.graph.ty(pair.a).shape {
            Shape::Record(_) => self.sides.into_iter().zip([pair.a, pair.b]).collect(),
            _ => Vec::new(),
        }
    }

    fn gaps(&self, id: PairId, to: &mut Collected) {
        for gap in &self.walk.pair(id).gaps {
            let sides = self
                .sides
                .into_iter()
                .zip(gap.on)
                .filter(|(_, on)| *on)
                .map(|(side, _)| side)
                .collect();
            to.unproved(
                gap.reason,
                gap.subject.clone(),
                sides,
                self.reached(id, None),
            );
        }
    }
}

/// What messages call the place where a type holds another one.
fn place(label: Label<'_>) -> String {
    match label {
        Label::Field(name) | Label::Variant(name) => name.unwrap_or("(anonymous)").to_owned(),
        Label::Discriminant => "(discriminant)".to_owned(),
        Label::Underlying => "(integer type)".to_owned(),
        Label::Element => "(element)".to_owned(),
        Label::Pointee => "(pointee)".to_owned(),
        Label::SelfType => "(Self)".to_owned(),
        Label::Owned => "(T)".to_owned(),
        Label::Parameter(number) => format!("(parameter {})", number + 1),
        Label::Result => "(result)".to_owned(),
    }
}
