//! The walk over pairs of types.
//!
//! A pair is two types that must be laid out alike because they stand at the same place in data that two sides share.
//! Pairs are visited once, breadth first, so the first way found to a pair is a shortest one, and cycles end at pairs
//! that are known already. What differs within one pair is found in `compare`; here is only the graph of pairs.
//!
//! Invariant: the edges of a pair lie together, in the order of the first side's debug information; pairs are numbered
//! in the order of their discovery, which depends on nothing but the input.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::error::Error;
use crate::layout::{Definition, Layouts};
use crate::model::{Declared, Graph, TypeId, UnitId};
use crate::report::{Kind, Reason};

/// More pairs than this for every type can only come from input that was made to be slow.
const MAX_PAIRS_PER_TYPE: u64 = 64;
/// Allowance of pairs for small inputs.
const MIN_MAX_PAIRS: u64 = 100_000;

/// A pair of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PairId(pub(crate) u32);

/// How one type holds another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label<'a> {
    /// As a member.
    Field(Option<&'a str>),
    /// As what a variant adds.
    Variant(Option<&'a str>),
    /// As the type of the discriminant.
    Discriminant,
    /// As the integer type of an enumeration.
    Underlying,
    /// As an element.
    Element,
    /// As what a pointer points to.
    Pointee,
    /// As the type that a vtable is for.
    SelfType,
    /// As what `PhantomData` stands for.
    Owned,
    /// As what a function takes, counted from 0.
    Parameter(usize),
    /// As what a function returns.
    Result,
}

/// One type holds another, on both sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge<'a> {
    /// How.
    pub(crate) label: Label<'a>,
    /// The pair that is held.
    pub(crate) to: PairId,
    /// Whether its bytes are part of the holder.
    pub(crate) by_value: bool,
}

/// A place in the source, still as DWARF writes it.
pub(crate) type SourceLine = (UnitId, Declared);

/// A difference within one pair.
#[derive(Clone, Debug)]
pub(crate) struct Diff {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Whether it follows if a held type differs, or a field is missing.
    pub(crate) derived: bool,
    /// Field, variant or enumerator.
    pub(crate) member: Option<String>,
    /// What each side has.
    pub(crate) text: [String; 2],
    /// The number that each text is about, of an alignment or a size.
    pub(crate) bytes: [Option<u64>; 2],
    /// Where each side has it, if that is not where the type is declared.
    pub(crate) at: [Option<SourceLine>; 2],
}

/// Something within one pair that could not be compared.
#[derive(Clone, Debug)]
pub(crate) struct Gap {
    /// Why.
    pub(crate) reason: Reason,
    /// The type.
    pub(crate) subject: String,
    /// On which of the two sides.
    pub(crate) on: [bool; 2],
}

/// Two types and what came out of comparing them.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Type of the first side.
    pub(crate) a: TypeId,
    /// Type of the other side.
    pub(crate) b: TypeId,
    /// Whether their names mean different types: then the place that holds them is what differs.
    pub(crate) renamed: bool,
    /// Types that they hold.
    edges: Range<u32>,
    /// What differs.
    pub(crate) diffs: Vec<Diff>,
    /// What could not be compared.
    pub(crate) gaps: Vec<Gap>,
}

/// What comparing one pair gives.
#[derive(Debug, Default)]
pub(crate) struct Outcome<'a> {
    /// What differs.
    pub(crate) diffs: Vec<Diff>,
    /// What could not be compared.
    pub(crate) gaps: Vec<Gap>,
    /// Types that are held and must be compared next.
    pub(crate) held: Vec<(Label<'a>, bool, TypeId, TypeId)>,
}

/// All pairs found so far.
#[derive(Debug)]
pub(crate) struct Walk<'g, 'a> {
    /// The types.
    pub(crate) graph: &'g Graph<'a>,
    /// Sizes and alignments.
    pub(crate) layouts: Layouts<'g, 'a>,
    /// Pairs by id.
    pub(crate) pairs: Vec<Pair>,
    edges: Vec<Edge<'a>>,
    known: FxHashMap<(TypeId, TypeId), PairId>,
    done: usize,
}

impl<'g, 'a> Walk<'g, 'a> {
    /// No pairs yet.
    pub(crate) fn new(graph: &'g Graph<'a>) -> Self {
        Walk {
            graph,
            layouts: Layouts::new(graph),
            pairs: Vec::new(),
            edges: Vec::new(),
            known: FxHashMap::default(),
            done: 0,
        }
    }

    /// The pair of two types; it is compared at the next [`Walk::run`] if it is new.
    pub(crate) fn enter(&mut self, a: TypeId, b: TypeId) -> PairId {
        let next = PairId(self.pairs.len() as u32);
        let id = *self.known.entry((a, b)).or_insert(next);
        if id == next {
            let renamed = !self.graph.names_alike(a, b);
            self.pairs.push(Pair {
                a,
                b,
                renamed,
                edges: 0..0,
                diffs: Vec::new(),
                gaps: Vec::new(),
            });
        }
        id
    }

    /// As [`Walk::enter`], for types that may only be declared; `None` if one is not defined.
    pub(crate) fn enter_defined(&mut self, a: TypeId, b: TypeId) -> Option<PairId> {
        match [a, b].map(|id| self.layouts.definition(id)) {
            [Definition::At(a), Definition::At(b)] => Some(self.enter(a, b)),
            _ => None,
        }
    }

    /// Compares all pairs that were entered, and those that they reach.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        let types: u64 = self
            .graph
            .units
            .iter()
            .map(|unit| unit.types.len() as u64)
            .sum();
        let limit = types
            .saturating_mul(MAX_PAIRS_PER_TYPE)
            .max(MIN_MAX_PAIRS)
            .min(u64::from(u32::MAX) / 4);
        while let Some(pair) = self.pairs.get(self.done) {
            if self.pairs.len() as u64 > limit || self.edges.len() as u64 > limit.saturating_mul(4)
            {
                return Err(Error::TooLarge {
                    what: "pairs of types".to_owned(),
                    limit,
                });
            }
            let outcome = self.compare_pair(pair.a, pair.b);
            let start = self.edges.len() as u32;
            for (label, by_value, a, b) in outcome.held {
                let to = self.enter(a, b);
                self.edges.push(Edge {
                    label,
                    to,
                    by_value,
                });
            }
            let end = self.edges.len() as u32;
            let pair = &mut self.pairs[self.done];
            pair.edges = start..end;
            pair.diffs = outcome.diffs;
            pair.gaps = outcome.gaps;
            self.done += 1;
        }
        Ok(())
    }

    /// A pair.
    pub(crate) fn pair(&self, id: PairId) -> &Pair {
        &self.pairs[id.0 as usize]
    }

    /// What a pair holds.
    pub(crate) fn edges(&self, id: PairId) -> &[Edge<'a>] {
        let range = &self.pair(id).edges;
        &self.edges[range.start as usize..range.end as usize]
    }

    /// Who holds a pair, and whether by value: the edges the other way round.
    pub(crate) fn holders(&self) -> Holders {
        let mut starts = vec![0u32; self.pairs.len() + 1];
        for edge in &self.edges {
            starts[edge.to.0 as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut holders = vec![(PairId(0), false); self.edges.len()];
        for index in 0..self.pairs.len() as u32 {
            for edge in self.edges(PairId(index)) {
                let slot = &mut next[edge.to.0 as usize];
                holders[*slot as usize] = (PairId(index), edge.by_value);
                *slot += 1;
            }
        }
        Holders { starts, holders }
    }
}

/// For each pair, who holds it.
#[derive(Debug)]
pub(crate) struct Holders {
    starts: Vec<u32>,
    holders: Vec<(PairId, bool)>,
}

impl Holders {
    /// Who holds a pair, and whether by value.
    pub(crate) fn of(&self, id: PairId) -> &[(PairId, bool)] {
        let index = id.0 as usize;
        &self.holders[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    /// Everything that reaches one of `from`, and `from` itself, over holders for which `passes` (holder, by value).
    pub(crate) fn reaching(
        &self,
        from: impl IntoIterator<Item = PairId>,
        passes: impl Fn(PairId, bool) -> bool,
    ) -> Vec<bool> {
        let mut found = vec![false; self.starts.len() - 1];
        let mut todo: Vec<PairId> = from.into_iter().collect();
        for id in &todo {
            found[id.0 as usize] = true;
        }
        while let Some(id) = todo.pop() {
            for (holder, value) in self.of(id) {
                if passes(*holder, *value)
                    && !std::mem::replace(&mut found[holder.0 as usize], true)
                {
                    todo.push(*holder);
                }
            }
        }
        found
    }
}
