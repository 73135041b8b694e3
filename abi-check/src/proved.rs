//! Types that a comparison proved equal, with what is proved of them.
//!
//! A type is proved if every side has it, it was compared with each of them, and nothing differs or is unknown in it or
//! in what it holds by value. What a pointer leads to is another type, if it has a name.
//!
//! Invariant: every number here is the same on all sides; one that is not, such as the alignment of an enumeration of C,
//! is left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::listed::masked;
use crate::model::{Graph, Member, Record, RecordKind, Shape, TypeId, UnitId};
use crate::nameable::{self, Access, Language, Nameable};
use crate::names::{self, Stripped};
use crate::report::{Finding, Severity};
use crate::walk::{PairId, Walk};

/// Records within records deeper than this have no members here.
const MAX_DEPTH: usize = 16;

/// What is proved equal on all sides.
#[derive(Clone, Debug, Default)]
pub struct Proved {
    /// Types with a name, by name.
    pub types: Vec<ProvedType>,
    /// Names of types that were met and are not proved equal, sorted.
    pub others: Vec<String>,
    /// How many types without a name were met.
    pub unnamed: usize,
    /// Rust crates that units of the sides are of, without those of the standard library.
    pub crates: Vec<String>,
}

/// A type that is laid out alike on all sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProvedType {
    /// Its name behind those of the namespaces, modules or types that it is in.
    pub path: Vec<String>,
    /// What kind of type.
    pub form: TypeForm,
    /// The language of the first side's unit that it was found in.
    pub language: Language,
    /// Whether only a typedef names it.
    pub is_typedef: bool,
    /// Whether a function encloses it.
    pub is_local: bool,
    /// Whether another type encloses it.
    pub in_type: bool,
    /// Whether no line of the source declares it.
    pub is_builtin: bool,
    /// Who may name it.
    pub access: Access,
    /// Bytes.
    pub size: Option<u64>,
    /// Bytes.
    pub alignment: Option<u64>,
    /// Members in the order of the source.
    pub fields: Vec<ProvedField>,
    /// Values of an enumeration.
    pub enumerators: Vec<ProvedEnumerator>,
}

/// What kind of type is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TypeForm {
    /// A structure or class.
    Struct,
    /// A union.
    Union,
    /// An enumeration, which holds a number.
    Enumeration,
    /// An enum of Rust whose variants hold more.
    Variants,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProvedField {
    /// Name, if it has one.
    pub name: Option<String>,
    /// Bits from the start of the type.
    pub bit_offset: Option<u64>,
    /// Whether it is a bit field.
    pub is_bit_field: bool,
    /// Who may name it.
    pub access: Access,
    /// The members of its type, if that has no name; their places count from its start.
    pub inner: Vec<ProvedField>,
}

/// A value of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProvedEnumerator {
    /// Name.
    pub name: String,
    /// Whether the value is less than 0.
    pub is_negative: bool,
    /// The value without its sign.
    pub magnitude: u128,
}

/// What is known of one type of the first side so far.
#[derive(Debug)]
struct Seen {
    with: BTreeSet<usize>,
    differs: bool,
    alignment: Option<u64>,
}

/// Types of the first side that were compared.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(BTreeMap<TypeId, Seen>);

impl Verdicts {
    /// Takes over what a walk found that compared the first side with `side`; `reached` are the pairs that count.
    pub(crate) fn add(&mut self, walk: &mut Walk<'_, '_>, reached: &[bool], side: usize) {
        let differing = differing(walk);
        for index in 0..walk.pairs.len() {
            let pair = &walk.pairs[index];
            let (a, b) = (pair.a, pair.b);
            if !reached[index] || pair.renamed || !walk.graph.ty(a).shape.is_nominal() {
                continue;
            }
            let [own, other] = [a, b].map(|id| walk.layouts.alignment(id));
            let seen = self.0.entry(a).or_insert_with(|| Seen {
                with: BTreeSet::new(),
                differs: false,
                alignment: own,
            });
            seen.with.insert(side);
            seen.differs |= differing[index];
            seen.alignment = seen.alignment.filter(|own| Some(*own) == other);
        }
    }

    /// What is proved on all sides, after all findings.
    pub(crate) fn finish(
        self,
        graph: &Graph<'_>,
        sides: usize,
        findings: &[Finding],
    ) -> Result<Proved, Error> {
        let errors = findings
            .iter()
            .filter(|finding| finding.kind.severity() == Severity::Error);
        // What is said of no type is said of the sides as a whole, or of a static.
        let whole = errors
            .clone()
            .any(|finding| finding.type_name.is_empty() && finding.member.is_none());
        let wrong: BTreeSet<&str> = errors.map(|finding| finding.type_name.as_str()).collect();
        let is_good = |id: TypeId, seen: &Seen| {
            let everywhere = seen.with.len() + 1 == sides;
            !whole && everywhere && !seen.differs && !wrong.contains(&*graph.type_name(id))
        };
        let (named, unnamed): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .partition(|(id, _)| graph.given_name(**id).is_some());
        let (good, bad): (Vec<_>, Vec<_>) = named
            .into_iter()
            .partition(|(id, seen)| is_good(**id, seen));
        let nameable = Nameable::read(graph, good.iter().map(|(id, _)| **id))?;
        let describe = Describe { graph, nameable };
        let mut types: Vec<ProvedType> = good
            .iter()
            .map(|(id, seen)| describe.of(**id, seen.alignment))
            .collect();
        types.sort();
        types.dedup();
        let others: BTreeSet<String> = bad.iter().map(|(id, _)| graph.type_name(**id)).collect();
        Ok(Proved {
            types,
            others: others.into_iter().collect(),
            unnamed: unnamed.len(),
            crates: nameable::crates(graph).into_iter().collect(),
        })
    }
}

/// For each pair, whether it, or something that belongs to it, differs or could not be compared.
fn differing(walk: &Walk<'_, '_>) -> Vec<bool> {
    let ids = || (0..walk.pairs.len() as u32).map(PairId);
    let shape = |id: PairId| &walk.graph.ty(walk.pair(id).a).shape;
    // That nothing is known of what a pointer leads to says nothing of the pointer.
    let is_reference =
        |id: PairId| matches!(shape(id), Shape::Pointer { .. } | Shape::Function { .. });
    let mut holders: Vec<Vec<PairId>> = vec![Vec::new(); walk.pairs.len()];
    for holder in ids() {
        for edge in walk.edges(holder) {
            let pair = walk.pair(edge.to);
            let has_name = walk.graph.given_name(pair.a).is_some();
            let is_own = shape(edge.to).is_nominal() && has_name && !pair.renamed;
            if edge.by_value || !is_own {
                holders[edge.to.0 as usize].push(holder);
            }
        }
    }
    let mut result = vec![false; walk.pairs.len()];
    let mut todo: Vec<PairId> = ids()
        .filter(|id| {
            let pair = walk.pair(*id);
            !pair.diffs.is_empty() || (!pair.gaps.is_empty() && !is_reference(*id))
        })
        .collect();
    while let Some(id) = todo.pop() {
        if !std::mem::replace(&mut result[id.0 as usize], true) {
            todo.extend(&holders[id.0 as usize]);
        }
    }
    result
}

/// Makes the description of types.
struct Describe<'g, 'a> {
    graph: &'g Graph<'a>,
    nameable: Nameable,
}

impl Describe<'_, '_> {
    fn of(&self, id: TypeId, alignment: Option<u64>) -> ProvedType {
        let graph = self.graph;
        let ty = graph.ty(id);
        let facts = self.nameable.of(id);
        let mut path: Vec<String> = names::enclosing(&graph.scopes, ty.scope)
            .map(str::to_owned)
            .collect();
        path.reverse();
        path.push(graph.given_name(id).unwrap_or_default().to_owned());
        let (form, fields) = match &ty.shape {
            Shape::Record(record) => (form(record), self.fields(ty.unit, &record.members, 0)),
            _ => (TypeForm::Enumeration, Vec::new()),
        };
        ProvedType {
            path,
            form,
            language: facts.language,
            is_typedef: ty.name.is_none(),
            is_local: facts.is_local,
            in_type: facts.in_type,
            is_builtin: ty.declared.line == 0,
            access: facts.access,
            size: graph.size(id),
            alignment,
            fields,
            enumerators: self.enumerators(id),
        }
    }

    fn fields(&self, unit: UnitId, members: &[Member<'_>], depth: usize) -> Vec<ProvedField> {
        let graph = self.graph;
        let field = |member: &Member<'_>| ProvedField {
            name: member.name.map(str::to_owned),
            bit_offset: graph.bit_offset(unit, member),
            is_bit_field: member.bit_size.is_some(),
            access: self.nameable.of_member(unit, member.offset),
            inner: match graph.strip(unit, member.target) {
                Stripped::Type(inner) if depth < MAX_DEPTH && graph.given_name(inner).is_none() => {
                    let ty = graph.ty(inner);
                    match &ty.shape {
                        Shape::Record(record) => self.fields(ty.unit, &record.members, depth + 1),
                        _ => Vec::new(),
                    }
                }
                _ => Vec::new(),
            },
        };
        members.iter().map(field).collect()
    }

    fn enumerators(&self, id: TypeId) -> Vec<ProvedEnumerator> {
        let graph = self.graph;
        let ty = graph.ty(id);
        let Shape::Enumeration {
            underlying,
            enumerators,
            ..
        } = &ty.shape
        else {
            return Vec::new();
        };
        let size = graph.size(id).filter(|size| (1..=16).contains(size));
        let is_signed = match graph.strip(ty.unit, *underlying) {
            Stripped::Type(number) => match graph.ty(number).shape {
                Shape::Base { encoding, .. } => Some(matches!(
                    encoding,
                    gimli::DW_ATE_signed | gimli::DW_ATE_signed_char
                )),
                _ => None,
            },
            _ => None,
        };
        let one = |name: &str, value: u128| {
            let bits = masked(value, size);
            let sign = size.is_some_and(|size| (bits >> (8 * size - 1)) & 1 == 1);
            // Without an integer type, the form of the value is all that tells.
            let is_negative = match is_signed {
                Some(is_signed) => is_signed && sign,
                None => (value as i128) < 0,
            };
            let width = size.unwrap_or(16);
            let magnitude = match is_negative {
                true => masked(bits.wrapping_neg(), Some(width)),
                false => bits,
            };
            ProvedEnumerator {
                name: name.to_owned(),
                is_negative,
                magnitude,
            }
        };
        let all = enumerators.iter();
        all.map(|found| one(found.name, found.value)).collect()
    }
}

fn form(record: &Record<'_>) -> TypeForm {
    match record.kind {
        _ if !record.variant_parts.is_empty() => TypeForm::Variants,
        RecordKind::Union => TypeForm::Union,
        RecordKind::Struct => TypeForm::Struct,
    }
}
