//! Phase 8: what is stored once, and the proof that it may be.
//!
//! Read-only atoms without a name have no identity but their content: equal ones fall into one class, whatever slice or
//! object they come from, and a class that every slice has is shared. Named data is shared by name (the clusters), and
//! then everything about it must be equal: size, kind, bytes, and what its addresses refer to. A section's alignment is
//! the compiler's choice (C compilers align arrays by their own taste), so the strictest one holds for all; that a
//! *type's* alignment is the same is for `abi-check` to prove.

use std::collections::HashMap;
use std::hash::Hash;

use crate::clusters::{Cluster, Clusters};
use crate::error::{Problem, SliceView};
use crate::functions::Functions;
use crate::gc::{Live, Reference};
use crate::ids::{ClassId, ClusterId, GateId, SectionId, SliceId, SymbolId};
use crate::isa::Expression;
use crate::pair::Pairing;
use crate::program::{Program, Relocation, SectionKind};

/// Read-only atoms with the same content.
#[derive(Debug)]
pub struct Class {
    /// They; the first one's bytes are stored.
    pub members: Vec<SectionId>,
    /// Strictest alignment among them.
    pub align: u64,
    /// Every slice has one.
    pub shared: bool,
}

/// The result: classes, and clusters proved equal.
#[derive(Debug)]
pub struct Sharing {
    /// All classes.
    pub classes: Vec<Class>,
    class_of: Vec<Option<ClassId>>,
}

impl Sharing {
    /// Class of a section, if it is known by its content.
    pub fn class(&self, section: SectionId) -> Option<ClassId> {
        self.class_of[section.at()]
    }
}

/// What an address in data means, the same on every ISA if the ISAs share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Meaning {
    Nothing,
    Gate(GateId, i64),
    Cluster(ClusterId, i64),
    Class(ClassId, i64),
    /// Something that only one ISA has: never equal to anything of another.
    Own(SectionId, i64),
    Absolute(u64),
    ImageHeader(i64),
}

/// Content of a read-only atom.
#[derive(PartialEq, Eq, Hash)]
struct Content {
    size: u64,
    bytes: Vec<u8>,
    addresses: Vec<(u64, usize, Meaning)>,
    /// Set for content that depends on its own address, and so equals only itself.
    own: Option<SectionId>,
}

/// The tables that say what a reference means.
struct Context<'a, 'd> {
    program: &'a Program<'d>,
    pairing: &'a Pairing<'d>,
    clusters: &'a Clusters,
    live: &'a Live,
    functions: &'a Functions,
    class_of: Vec<Option<ClassId>>,
}

/// Classifies the unnamed and verifies the named.
pub fn share(
    program: &Program<'_>,
    pairing: &Pairing<'_>,
    clusters: &Clusters,
    live: &Live,
    functions: &Functions,
) -> Result<Sharing, Vec<Problem>> {
    let class_of = vec![None; program.sections.len()];
    let mut context = Context {
        program,
        pairing,
        clusters,
        live,
        functions,
        class_of,
    };
    let classes = context.classify();
    let problems: Vec<_> = clusters
        .clusters
        .iter()
        .flat_map(|cluster| context.verify(cluster))
        .collect();
    if problems.is_empty() {
        Ok(Sharing {
            classes,
            class_of: context.class_of,
        })
    } else {
        Err(problems)
    }
}

impl Context<'_, '_> {
    /// The section is known by its content alone.
    fn is_anonymous(&self, section: SectionId) -> bool {
        let found = &self.program.sections[section.at()];
        self.live.sections[section.at()]
            && found.kind == SectionKind::ReadOnly
            && !found.retained
            && !self.clusters.is_named(section)
    }

    /// Visits the anonymous sections so that what one refers to comes before it; a reference back into the chain that
    /// is being visited stays one to that section alone.
    fn classify(&mut self) -> Vec<Class> {
        let mut classes: Vec<Class> = Vec::new();
        let mut known: HashMap<Content, ClassId> = HashMap::new();
        let mut entered = vec![false; self.program.sections.len()];
        for root in (0..self.program.sections.len()).map(SectionId::next) {
            let mut stack = vec![root];
            while let Some(&section) = stack.last() {
                if !self.is_anonymous(section) || self.class_of[section.at()].is_some() {
                    stack.pop();
                    continue;
                }
                if !std::mem::replace(&mut entered[section.at()], true) {
                    let references = self.live.references[section.at()].iter();
                    stack.extend(references.filter_map(|r| match r {
                        Reference::Place { section, .. } => {
                            (!entered[section.at()]).then_some(*section)
                        }
                        _ => None,
                    }));
                    continue;
                }
                stack.pop();
                let content = self.content(section);
                let id = *known.entry(content).or_insert_with(|| {
                    classes.push(Class {
                        members: Vec::new(),
                        align: 1,
                        shared: false,
                    });
                    ClassId::next(classes.len() - 1)
                });
                let class = &mut classes[id.at()];
                class.members.push(section);
                class.align = class.align.max(self.program.sections[section.at()].align);
                self.class_of[section.at()] = Some(id);
            }
        }
        for class in &mut classes {
            class.members.sort_unstable();
            let has = |slice| {
                class
                    .members
                    .iter()
                    .any(|m| self.program.sections[m.at()].slice == slice)
            };
            class.shared = (0..self.program.slices.len()).map(SliceId::next).all(has);
        }
        classes
    }

    fn content(&self, id: SectionId) -> Content {
        let section = &self.program.sections[id.at()];
        let (mut bytes, mut addresses, mut own) = (section.data.to_vec(), Vec::new(), None);
        for (relocation, reference) in section
            .relocations
            .iter()
            .zip(&self.live.references[id.at()])
        {
            match relocation.rule.expression {
                Expression::Mark => continue,
                Expression::Absolute => {}
                _ => own = Some(id),
            }
            let (at, width) = (relocation.offset as usize, relocation.rule.field.bytes);
            bytes[at..at + width].fill(0);
            addresses.push((
                relocation.offset,
                width,
                self.meaning(reference, relocation.addend),
            ));
        }
        Content {
            size: section.size,
            bytes,
            addresses,
            own,
        }
    }

    fn meaning(&self, reference: &Reference, addend: i64) -> Meaning {
        match *reference {
            Reference::Nothing => Meaning::Nothing,
            Reference::WeakUndefined => Meaning::Absolute(addend as u64),
            Reference::Gate { function, adjust } => {
                Meaning::Gate(self.functions.gate(function), adjust + addend)
            }
            Reference::Absolute(value) => Meaning::Absolute(value.wrapping_add_signed(addend)),
            Reference::ImageHeader => Meaning::ImageHeader(addend),
            Reference::Place { section, offset } => {
                let offset = offset.wrapping_add(addend);
                if let Some(cluster) = self.clusters.of(section) {
                    let members = &self.clusters.clusters[cluster.at()].members;
                    let start = members
                        .iter()
                        .find(|(s, _)| *s == section)
                        .map_or(0, |(_, start)| *start);
                    return Meaning::Cluster(cluster, start as i64 + offset);
                }
                match self.class_of[section.at()] {
                    Some(class) => Meaning::Class(class, offset),
                    None => Meaning::Own(section, offset),
                }
            }
        }
    }

    /// Compares every slice's part of a cluster with the first slice's.
    fn verify(&self, cluster: &Cluster) -> Vec<Problem> {
        if !cluster
            .members
            .iter()
            .any(|(section, _)| self.live.sections[section.at()])
        {
            return Vec::new();
        }
        let sides: Vec<_> = (0..self.program.slices.len())
            .map(|s| self.side(cluster, SliceId::next(s)))
            .collect();
        let Some((first, others)) = sides.split_first() else {
            return Vec::new();
        };
        others
            .iter()
            .filter_map(|other| self.compare(cluster, first, other))
            .collect()
    }

    /// One slice's bytes and addresses of a cluster.
    fn side(&self, cluster: &Cluster, slice: SliceId) -> Side {
        let mut side = Side {
            slice,
            bytes: Vec::new(),
            kinds: Vec::new(),
            addresses: Vec::new(),
        };
        let own = cluster
            .members
            .iter()
            .filter(|(s, _)| self.program.sections[s.at()].slice == slice);
        for (id, start) in own {
            let section = &self.program.sections[id.at()];
            let base = *start as usize;
            let end = base + section.size as usize;
            side.bytes.resize(side.bytes.len().max(end), None);
            side.bytes[base..end].fill(Some(0));
            for (byte, value) in side.bytes[base..].iter_mut().zip(section.data) {
                *byte = Some(*value);
            }
            side.kinds.push((section.writable, *start));
            for (relocation, reference) in section
                .relocations
                .iter()
                .zip(&self.live.references[id.at()])
            {
                if relocation.rule.expression == Expression::Mark {
                    continue;
                }
                let at = base + relocation.offset as usize;
                side.bytes[at..at + relocation.rule.field.bytes].fill(Some(0));
                side.addresses.push((
                    at as u64,
                    *relocation,
                    self.meaning(reference, relocation.addend),
                ));
            }
        }
        side
    }

    fn compare(&self, cluster: &Cluster, a: &Side, b: &Side) -> Option<Problem> {
        let report = |at: u64, what: &'static str, values: [String; 2], hint| {
            Some(self.mismatch(cluster, at, what, [a.slice, b.slice], values, hint))
        };
        let (Some(ka), Some(kb)) = (a.kinds.first(), b.kinds.first()) else {
            return None;
        };
        if let Some(problem) = self.compare_sizes(cluster, a.slice, b.slice) {
            return Some(problem);
        }
        if ka.0 != kb.0 {
            let name = |writable| if writable { "writable" } else { "read-only" }.to_owned();
            return report(ka.1, "kind", [name(ka.0), name(kb.0)], None);
        }
        let differing = a
            .bytes
            .iter()
            .zip(&b.bytes)
            .position(|(x, y)| matches!((x, y), (Some(x), Some(y)) if x != y));
        if let Some(at) = differing {
            return report(
                at as u64,
                "initial value",
                [a.show(self, cluster, at), b.show(self, cluster, at)],
                None,
            );
        }
        let in_both = |at: &u64| {
            let covered = |side: &Side| side.bytes.get(*at as usize).is_some_and(Option::is_some);
            covered(a) && covered(b)
        };
        let of = |side: &Side| -> Vec<(u64, usize, Meaning)> {
            let addresses = side.addresses.iter().filter(|(at, ..)| in_both(at));
            addresses
                .map(|(at, relocation, meaning)| (*at, relocation.rule.field.bytes, *meaning))
                .collect()
        };
        let (left, right) = (of(a), of(b));
        let differing = (0..left.len().max(right.len())).find(|i| left.get(*i) != right.get(*i))?;
        let at = [&left, &right]
            .iter()
            .filter_map(|l| l.get(differing))
            .map(|(at, ..)| *at)
            .min()?;
        report(
            at,
            "address",
            [self.show_address(a, at), self.show_address(b, at)],
            None,
        )
    }

    /// Data of one name must have one size.
    fn compare_sizes(&self, cluster: &Cluster, a: SliceId, b: SliceId) -> Option<Problem> {
        let data = cluster
            .members
            .iter()
            .flat_map(|(section, _)| self.clusters.data(*section));
        let shared = data.filter_map(|symbol| {
            let entity = &self.pairing.entities[self.pairing.entity(*symbol)?.at()];
            Some((
                entity.name,
                entity.definitions[a.at()]?,
                entity.definitions[b.at()]?,
            ))
        });
        let size = |symbol: SymbolId| self.program.symbols[symbol.at()].size;
        let (name, in_a, in_b) = shared
            .into_iter()
            .find(|(_, in_a, in_b)| size(*in_a) != size(*in_b))?;
        let side = |slice, symbol| {
            self.view(
                slice,
                self.program.file_of(symbol),
                format!("{} bytes", size(symbol)),
            )
        };
        Some(Problem::Mismatch {
            symbol: name.to_owned(),
            what: "size",
            sides: vec![side(a, in_a), side(b, in_b)],
            hint: Some("use types that have one size on every ISA, and the same fields"),
        })
    }

    fn view(&self, slice: SliceId, file: &str, value: String) -> SliceView {
        SliceView {
            isa: self.program.isa(slice).name().to_owned(),
            file: file.to_owned(),
            value,
        }
    }

    fn mismatch(
        &self,
        cluster: &Cluster,
        at: u64,
        what: &'static str,
        slices: [SliceId; 2],
        values: [String; 2],
        hint: Option<&'static str>,
    ) -> Problem {
        let sides = slices.iter().zip(values).map(|(slice, value)| {
            let file = self
                .member_at(cluster, *slice, at)
                .map(|(s, _)| self.program.place(s, 0).file);
            self.view(*slice, &file.unwrap_or_default(), value)
        });
        Problem::Mismatch {
            symbol: self.name_at(cluster, slices[0], at),
            what,
            sides: sides.collect(),
            hint,
        }
    }

    /// A slice's section at an offset of the cluster, and its start.
    fn member_at(&self, cluster: &Cluster, slice: SliceId, at: u64) -> Option<(SectionId, u64)> {
        let own = cluster
            .members
            .iter()
            .filter(|(s, _)| self.program.sections[s.at()].slice == slice);
        own.copied().rfind(|(_, start)| *start <= at)
    }

    /// The datum at an offset of the cluster, and its first byte and size.
    fn datum_at(&self, cluster: &Cluster, slice: SliceId, at: u64) -> Option<(&str, u64, u64)> {
        let (section, start) = self.member_at(cluster, slice, at)?;
        let data = self
            .clusters
            .data(section)
            .iter()
            .map(|symbol| &self.program.symbols[symbol.at()]);
        let found = data
            .filter(|s| start + s.value <= at)
            .max_by_key(|s| (s.value, s.size))?;
        Some((found.name, start + found.value, found.size))
    }

    fn name_at(&self, cluster: &Cluster, slice: SliceId, at: u64) -> String {
        self.datum_at(cluster, slice, at)
            .map_or_else(|| "?".to_owned(), |(name, ..)| name.to_owned())
    }

    fn show_address(&self, side: &Side, at: u64) -> String {
        let Some((_, relocation, meaning)) = side.addresses.iter().find(|(a, ..)| *a == at) else {
            return format!("at {at:#x}: a number");
        };
        let symbol = crate::error::demangle(self.program.symbols[relocation.symbol.at()].name);
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
}

/// One slice's part of a cluster.
struct Side {
    slice: SliceId,
    /// Bytes by offset in the cluster; `None` where the slice has nothing. Fields with addresses are zero.
    bytes: Vec<Option<u8>>,
    /// Per section: writable, and its start.
    kinds: Vec<(bool, u64)>,
    addresses: Vec<(u64, Relocation, Meaning)>,
}

/// Data up to this size is shown whole.
const SHOWN_BYTES: u64 = 16;

impl Side {
    /// The datum's value around a differing byte.
    fn show(&self, context: &Context<'_, '_>, cluster: &Cluster, at: usize) -> String {
        let whole = context
            .datum_at(cluster, self.slice, at as u64)
            .filter(|(_, _, size)| *size <= SHOWN_BYTES);
        let from = whole.map_or(at as u64 & !7, |(_, start, _)| start);
        let len = whole.map_or(8, |(_, _, size)| size) as usize;
        let bytes: Vec<u8> = self
            .bytes
            .iter()
            .skip(from as usize)
            .take(len)
            .map(|b| b.unwrap_or(0))
            .collect();
        let hex: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let number = bytes
            .iter()
            .rev()
            .fold(0_u128, |n, b| n << 8 | u128::from(*b));
        match whole {
            Some(_) => format!("{number} ({})", hex.join(" ")),
            None => format!("bytes from {from:#x}: {}", hex.join(" ")),
        }
    }
}
