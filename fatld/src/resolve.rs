//! Phase 2: symbol resolution, slice by slice, as lld would resolve the slice alone.
//!
//! A name is undefined, lazy (an archive member that nothing needed yet defines it) or defined. A strong reference to a
//! lazy name takes the member in at once; a weak one never does. Archives are searched regardless of their position.

use indexmap::IndexMap;
use indexmap::map::Entry;
use object::elf::{STB_LOCAL, STB_WEAK};

use crate::elf::{ElfSymbol, Home};
use crate::error::{self, Place, Problem};
use crate::inputs::Candidate;
use crate::source::{self, Definition};

/// A symbol of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolRef {
    /// Index of the candidate in its slice.
    pub candidate: usize,
    /// Index of the symbol in the object.
    pub symbol: usize,
}

/// What a name means in a slice.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Undefined { weak: bool },
    Lazy { candidate: usize },
    Defined { by: SymbolRef, strength: Strength },
}

/// Stronger definitions replace weaker ones; two of the strongest are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Weak,
    Common { size: u64 },
    Strong,
}

/// Objects of a slice that take part, and what its names mean.
#[derive(Debug)]
pub struct Resolution<'d> {
    /// Indexes of the candidates that take part, in the order in which they came in.
    pub included: Vec<usize>,
    /// Definition of each global name.
    pub definitions: IndexMap<&'d str, SymbolRef>,
    /// Per included candidate, in that order: header indexes of sections dropped with a COMDAT group that an earlier
    /// object has too.
    pub discarded: Vec<Vec<usize>>,
}

/// Resolves one slice. `roots` are names that something outside of the objects needs.
pub fn resolve<'d>(
    isa: &str,
    candidates: &[Candidate<'d>],
    roots: &[&'d str],
) -> Result<Resolution<'d>, Vec<Problem>> {
    let mut resolver = Resolver::new(isa, candidates);
    for root in roots {
        resolver
            .names
            .insert(root, Meaning::Undefined { weak: false });
    }
    for (index, candidate) in candidates.iter().enumerate() {
        if candidate.lazy {
            resolver.offer(index)
        } else {
            resolver.include(index)
        }
        resolver.drain();
    }
    if resolver.duplicates.is_empty() {
        Ok(resolver.finish())
    } else {
        Err(resolver.refuse())
    }
}

struct Resolver<'a, 'd> {
    isa: &'a str,
    candidates: &'a [Candidate<'d>],
    names: IndexMap<&'d str, Meaning>,
    groups: IndexMap<&'d str, usize>,
    wanted: Vec<usize>,
    taken: Vec<bool>,
    included: Vec<usize>,
    discarded: Vec<Vec<usize>>,
    duplicates: Vec<(&'d str, [SymbolRef; 2])>,
}

impl<'a, 'd> Resolver<'a, 'd> {
    fn new(isa: &'a str, candidates: &'a [Candidate<'d>]) -> Self {
        Self {
            isa,
            candidates,
            names: IndexMap::new(),
            groups: IndexMap::new(),
            wanted: Vec::new(),
            taken: vec![false; candidates.len()],
            included: Vec::new(),
            discarded: Vec::new(),
            duplicates: Vec::new(),
        }
    }

    /// Notes what a lazy object could define; takes it in if something waits for that already.
    fn offer(&mut self, index: usize) {
        for (_, symbol) in
            globals(&self.candidates[index]).filter(|(_, s)| s.home != Home::Undefined)
        {
            match self.names.entry(symbol.name) {
                Entry::Vacant(entry) => {
                    entry.insert(Meaning::Lazy { candidate: index });
                }
                Entry::Occupied(mut entry) => match entry.get() {
                    Meaning::Undefined { weak: false } => self.wanted.push(index),
                    Meaning::Undefined { weak: true } => {
                        entry.insert(Meaning::Lazy { candidate: index });
                    }
                    _ => {}
                },
            }
        }
    }

    /// Takes in everything that is wanted, and what that wants in turn.
    fn drain(&mut self) {
        while let Some(index) = self.wanted.pop() {
            self.include(index);
        }
    }

    fn include(&mut self, index: usize) {
        if std::mem::replace(&mut self.taken[index], true) {
            return;
        }
        self.included.push(index);
        let object = &self.candidates[index].object;
        let mut dropped = Vec::new();
        for group in &object.groups {
            if *self.groups.entry(group.signature).or_insert(index) != index {
                dropped.extend_from_slice(&group.members);
            }
        }
        for (at, symbol) in globals(&self.candidates[index]) {
            match symbol.home {
                Home::Undefined => self.refer(symbol),
                // The definition of a dropped group's section is the first group's.
                Home::Section(home) if dropped.contains(&home) => self.refer(symbol),
                _ => self.define(
                    SymbolRef {
                        candidate: index,
                        symbol: at,
                    },
                    symbol,
                ),
            }
        }
        self.discarded.push(dropped);
    }

    fn refer(&mut self, symbol: &ElfSymbol<'d>) {
        let weak = symbol.binding == STB_WEAK;
        match self.names.entry(symbol.name) {
            Entry::Vacant(entry) => {
                entry.insert(Meaning::Undefined { weak });
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Meaning::Undefined { weak: all_weak } => *all_weak &= weak,
                Meaning::Lazy { candidate } if !weak => self.wanted.push(*candidate),
                _ => {}
            },
        }
    }

    fn define(&mut self, by: SymbolRef, symbol: &ElfSymbol<'d>) {
        let strength = match (symbol.home, symbol.binding) {
            (Home::Common, _) => Strength::Common { size: symbol.size },
            (_, STB_WEAK) => Strength::Weak,
            _ => Strength::Strong,
        };
        let new = Meaning::Defined { by, strength };
        match self.names.entry(symbol.name) {
            Entry::Vacant(entry) => {
                entry.insert(new);
            }
            Entry::Occupied(mut entry) => match *entry.get() {
                Meaning::Defined {
                    by: old,
                    strength: Strength::Strong,
                } if strength == Strength::Strong => {
                    self.duplicates.push((symbol.name, [old, by]));
                }
                Meaning::Defined { strength: old, .. } if old >= strength => {}
                _ => {
                    entry.insert(new);
                }
            },
        }
    }

    fn refuse(self) -> Vec<Problem> {
        let all = self
            .duplicates
            .iter()
            .flat_map(|(_, definitions)| definitions);
        let symbols: Vec<_> = all
            .map(|by| Definition {
                object: &self.candidates[by.candidate].object,
                data: self.candidates[by.candidate].data,
                symbol: by.symbol,
            })
            .collect();
        let sources = source::declarations(&symbols);
        let definition = |at: usize, by| error::Definition {
            place: place_of(self.candidates, by),
            source: sources[at].clone(),
        };
        let numbered = self.duplicates.iter().enumerate();
        let problems = numbered.map(|(i, (name, [old, new]))| Problem::Duplicate {
            symbol: (*name).to_owned(),
            isa: self.isa.to_owned(),
            definitions: [definition(2 * i, *old), definition(2 * i + 1, *new)],
        });
        problems.collect()
    }

    fn finish(self) -> Resolution<'d> {
        let definitions = self
            .names
            .into_iter()
            .filter_map(|(name, meaning)| match meaning {
                Meaning::Defined { by, .. } => Some((name, by)),
                _ => None,
            });
        Resolution {
            included: self.included,
            definitions: definitions.collect(),
            discarded: self.discarded,
        }
    }
}

fn globals<'c, 'd>(
    candidate: &'c Candidate<'d>,
) -> impl Iterator<Item = (usize, &'c ElfSymbol<'d>)> {
    let all = candidate.object.symbols.iter().enumerate().skip(1);
    all.filter(|(_, s)| s.binding != STB_LOCAL && !s.name.is_empty())
}

fn place_of(candidates: &[Candidate<'_>], symbol: SymbolRef) -> Place {
    let object = &candidates[symbol.candidate].object;
    let definition = &object.symbols[symbol.symbol];
    let section = match definition.home {
        Home::Section(index) => object.sections[index].name.to_owned(),
        _ => "symbol table".to_owned(),
    };
    Place {
        file: object.file.clone(),
        section,
        offset: definition.value,
    }
}
