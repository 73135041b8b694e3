//! The proof that named data may be stored once: every slice's part of a cluster against the first slice's.
//!
//! Equal must be the kind, the size of each datum, the bytes where both have some, and the meaning of every address. A
//! section's alignment is the compiler's choice (C compilers align arrays by their own taste), so the strictest one
//! holds for all; that a *type's* alignment is the same is for `abi-check` to prove.

use std::collections::BTreeSet;

use crate::clusters::Cluster;
use crate::error::{Problem, SliceView, demangle};
use crate::ids::{EntityId, SectionId, SliceId, SymbolId};
use crate::meaning::{Context, Meaning};
use crate::program::{Relocation, SectionKind};

/// Compares every slice's part of a live cluster with the first slice's.
pub fn verify(context: &Context<'_, '_>, cluster: &Cluster) -> Vec<Problem> {
    let live = |(section, _): &(SectionId, u64)| context.live.sections[section.at()];
    if !cluster.members.iter().any(live) {
        return Vec::new();
    }
    let verifier = Verifier { context, cluster };
    let slices = (0..context.program.slices.len()).map(SliceId::next);
    let sides: Vec<_> = slices
        .map(|slice| verifier.side(slice))
        .filter(|side| !side.parts.is_empty())
        .collect();
    let Some((first, others)) = sides.split_first() else {
        return Vec::new();
    };
    let differences = others.iter().filter_map(|o| verifier.compare(first, o));
    let differences: BTreeSet<_> = differences.collect();
    differences
        .into_iter()
        .map(|difference| verifier.problem(difference, &sides))
        .collect()
}

/// Where two slices do not agree, and in what.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    Size(EntityId),
    /// At this offset of the cluster.
    Kind(u64),
    Value(u64),
    Address(u64),
}

struct Verifier<'a, 'd> {
    context: &'a Context<'a, 'd>,
    cluster: &'a Cluster,
}

/// One slice's part of a cluster.
struct Side {
    slice: SliceId,
    /// Its sections by their start.
    parts: Vec<Part>,
    addresses: Vec<(u64, Relocation, Meaning)>,
}

/// A section of a slice.
struct Part {
    start: u64,
    size: u64,
    kind: &'static str,
    /// Initial bytes, with zero where addresses go; what is behind them is zero.
    bytes: Vec<u8>,
}

impl Side {
    /// The byte at an offset of the cluster, if the slice has one there.
    fn byte(&self, at: u64) -> Option<u8> {
        let part = &self.parts[self
            .parts
            .partition_point(|p| p.start <= at)
            .checked_sub(1)?];
        let offset = at - part.start;
        (offset < part.size).then(|| part.bytes.get(offset as usize).copied().unwrap_or(0))
    }

    /// Offsets at which the slice has bytes in its files.
    fn offsets(&self) -> impl Iterator<Item = u64> {
        self.parts
            .iter()
            .flat_map(|p| p.start..p.start + p.bytes.len() as u64)
    }
}

/// Data up to this size is shown whole.
const SHOWN_BYTES: u64 = 16;

impl Verifier<'_, '_> {
    fn side(&self, slice: SliceId) -> Side {
        let program = self.context.program;
        let mut side = Side {
            slice,
            parts: Vec::new(),
            addresses: Vec::new(),
        };
        for (id, start) in &self.cluster.members {
            let section = &program.sections[id.at()];
            if section.slice != slice {
                continue;
            }
            let mut bytes = section.data.to_vec();
            let references = &self.context.live.references[id.at()];
            for (relocation, reference) in section.relocations.iter().zip(references) {
                if relocation.rule.expression.is_mark() {
                    continue;
                }
                let at = relocation.offset as usize;
                let field = relocation.rule.field.at(&bytes[at..]);
                bytes[at..at + field.map_or(0, |field| field.bytes)].fill(0);
                let meaning = self.context.meaning(reference, relocation.addend);
                side.addresses
                    .push((start + relocation.offset, *relocation, meaning));
            }
            side.parts.push(Part {
                start: *start,
                size: section.size,
                kind: self.kind_name(*id),
                bytes,
            });
        }
        side
    }

    fn kind_name(&self, id: SectionId) -> &'static str {
        let section = &self.context.program.sections[id.at()];
        match section.kind {
            SectionKind::Tls | SectionKind::TlsBss => "thread-local",
            // Whether an array is written is for all of its elements to say.
            _ if self.context.collections.of(id).is_some() => "collected",
            _ if section.writable => "writable",
            _ => "read-only",
        }
    }

    fn compare(&self, a: &Side, b: &Side) -> Option<Difference> {
        let size = self.compare_sizes(a.slice, b.slice).map(Difference::Size);
        size.or_else(|| compare_kinds(a, b).map(Difference::Kind))
            .or_else(|| compare_bytes(a, b).map(Difference::Value))
            .or_else(|| compare_addresses(a, b).map(Difference::Address))
    }

    /// Data of one name must have one size.
    fn compare_sizes(&self, a: SliceId, b: SliceId) -> Option<EntityId> {
        let (program, pairing) = (self.context.program, self.context.pairing);
        let members = self.cluster.members.iter();
        let mut data = members.flat_map(|(section, _)| self.context.clusters.data(*section));
        data.find_map(|symbol| {
            let entity = pairing.entity(*symbol)?;
            let definitions = &pairing.entities[entity.at()].definitions;
            let size = |slice: SliceId| Some(program.symbol(definitions[slice.at()]?).size);
            (size(a)? != size(b)?).then_some(entity)
        })
    }

    /// The difference as every slice sees it.
    fn problem(&self, difference: Difference, sides: &[Side]) -> Problem {
        match difference {
            Difference::Size(entity) => self.sizes(entity),
            Difference::Kind(at) => {
                let kind = |side: &Side| side.parts.first().map(|part| part.kind.to_owned());
                self.mismatch(at, "kind", sides, kind)
            }
            Difference::Value(at) => {
                let value = |side: &Side| side.byte(at).map(|_| self.show(side, at));
                self.mismatch(at, "initial value", sides, value)
            }
            Difference::Address(at) => {
                let value = |side: &Side| side.byte(at).map(|_| self.show_address(side, at));
                self.mismatch(at, "address", sides, value)
            }
        }
    }

    fn sizes(&self, entity: EntityId) -> Problem {
        let (program, pairing) = (self.context.program, self.context.pairing);
        let entity = &pairing.entities[entity.at()];
        let defined = entity.definitions.iter().flatten();
        let sides = defined.map(|symbol| {
            let value = format!("{} bytes", program.symbol(*symbol).size);
            let slice = program.slice_of(*symbol);
            self.view(slice, program.file_of(*symbol), value, Some(*symbol))
        });
        Problem::Mismatch {
            symbol: entity.name.to_owned(),
            what: "size",
            sides: sides.collect(),
            hint: Some("use types that have one size on every ISA, and the same fields"),
        }
    }

    fn view(
        &self,
        slice: SliceId,
        file: &str,
        value: String,
        definition: Option<SymbolId>,
    ) -> SliceView {
        SliceView {
            isa: self.context.program.isa(slice).name().to_owned(),
            file: file.to_owned(),
            value,
            source: None,
            definition,
        }
    }

    fn mismatch(
        &self,
        at: u64,
        what: &'static str,
        sides: &[Side],
        value: impl Fn(&Side) -> Option<String>,
    ) -> Problem {
        let program = self.context.program;
        let views = sides.iter().filter_map(|side| {
            let file = self.member_at(side.slice, at);
            let file = file.map(|(section, _)| program.place(section, 0).file);
            let definition = self.datum_at(side.slice, at).map(|(symbol, _)| symbol);
            let file = file.unwrap_or_default();
            Some(self.view(side.slice, &file, value(side)?, definition))
        });
        let mut data = sides.iter().filter_map(|s| self.datum_at(s.slice, at));
        let symbol = data
            .next()
            .map_or("?", |(symbol, _)| program.symbol(symbol).name());
        Problem::Mismatch {
            symbol: symbol.to_owned(),
            what,
            sides: views.collect(),
            hint: None,
        }
    }

    /// A slice's section at an offset of the cluster, and its start.
    fn member_at(&self, slice: SliceId, at: u64) -> Option<(SectionId, u64)> {
        let own = self
            .cluster
            .members
            .iter()
            .filter(|(s, _)| self.context.program.sections[s.at()].slice == slice);
        own.copied().rfind(|(_, start)| *start <= at)
    }

    /// The datum at an offset of the cluster, and its first byte.
    fn datum_at(&self, slice: SliceId, at: u64) -> Option<(SymbolId, u64)> {
        let (section, start) = self.member_at(slice, at)?;
        let symbol = |id: &SymbolId| self.context.program.symbol(*id);
        let data = self.context.clusters.data(section).iter();
        let found = data
            .filter(|id| start + symbol(id).value <= at)
            .max_by_key(|id| (symbol(id).value, symbol(id).size))?;
        Some((*found, start + symbol(found).value))
    }

    fn show_address(&self, side: &Side, at: u64) -> String {
        let Some((_, relocation, meaning)) = side.addresses.iter().find(|(a, ..)| *a == at) else {
            return format!("at {at:#x}: a number");
        };
        let symbol = demangle(self.context.program.symbol(relocation.symbol).name());
        let own = if matches!(meaning, Meaning::Own(..)) {
            ", which only this ISA has"
        } else {
            ""
        };
        format!(
            "at {at:#x}: address of {symbol}{:+}{own}",
            relocation.addend
        )
    }

    /// The datum's value around a differing byte.
    fn show(&self, side: &Side, at: u64) -> String {
        let datum = self.datum_at(side.slice, at);
        let (start, size) = datum.map_or((0, u64::MAX), |(id, start)| {
            (start, self.context.program.symbol(id).size)
        });
        let (from, len) = if size <= SHOWN_BYTES {
            (start, size)
        } else {
            (start + ((at - start) & !7), 8)
        };
        let bytes: Vec<u8> = (from..from + len)
            .map(|at| side.byte(at).unwrap_or(0))
            .collect();
        let hex: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        match size {
            1 | 2 | 4 | 8 | 16 => {
                let digits = bytes.iter().rev();
                let number = digits.fold(0_u128, |n, b| n << 8 | u128::from(*b));
                format!("{number} ({})", hex.join(" "))
            }
            _ => format!("bytes from {:#x}: {}", from - start, hex.join(" ")),
        }
    }
}

fn compare_kinds(a: &Side, b: &Side) -> Option<u64> {
    let (first, other) = (a.parts.first()?, b.parts.first()?);
    (first.kind != other.kind).then_some(first.start)
}

fn compare_bytes(a: &Side, b: &Side) -> Option<u64> {
    let differ = |at: &u64| matches!((a.byte(*at), b.byte(*at)), (Some(x), Some(y)) if x != y);
    a.offsets().chain(b.offsets()).filter(differ).min()
}

fn compare_addresses(a: &Side, b: &Side) -> Option<u64> {
    let common = |side: &Side| -> Vec<(u64, usize, Meaning)> {
        let in_both = side
            .addresses
            .iter()
            .filter(|(at, ..)| a.byte(*at).is_some() && b.byte(*at).is_some());
        in_both
            .map(|(at, relocation, meaning)| (*at, relocation.rule.field.bytes, *meaning))
            .collect()
    };
    let (left, right) = (common(a), common(b));
    let differing = (0..left.len().max(right.len())).find(|i| left.get(*i) != right.get(*i))?;
    let sides = [&left, &right].into_iter();
    let at = sides.filter_map(|side| side.get(differing));
    at.map(|(at, ..)| *at).min()
}
