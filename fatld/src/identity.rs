//! Whether local variables that are taken for one are one: debug information knows them by function and name.
//!
//! Compilers number variables of one name within functions (gcc's `n.0`, `n.1`), or name them after the function (clang's
//! `f.n`). If one ISA's source has a variable less, the numbers move, and names that are alike mean different variables.
//! What is only read does no harm then, as equal bytes are proved; what is written would be mixed up, or be doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::error::{Problem, SliceView};
use crate::gc::Live;
use crate::hash::HashMap;
use crate::ids::{EntityId, SectionId, SliceId, SymbolId};
use crate::pair::Pairing;
use crate::program::{Program, SymbolHome};

/// A local variable of a slice under a name of the source.
type Sighting = (EntityId, SliceId, String);

/// The names in the source that each slice has for an entity.
type Names<'s> = BTreeMap<EntityId, BTreeMap<SliceId, BTreeSet<&'s str>>>;

/// Local variables, and what debug information says of them.
pub struct Identity<'a, 'd> {
    program: &'a Program<'d>,
    pairing: &'a Pairing<'d>,
    /// Those that the program may write, by place.
    variables: HashMap<(SectionId, u64), EntityId>,
    seen: Mutex<Vec<Sighting>>,
}

const NUMBERED: &str = "compilers number variables of one name: give each a name of its own";

impl<'a, 'd> Identity<'a, 'd> {
    /// Finds the local variables that are in the image.
    pub fn new(program: &'a Program<'d>, pairing: &'a Pairing<'d>, live: &Live) -> Self {
        let mut variables = HashMap::default();
        for (id, entity) in pairing.entities().filter(|(_, e)| !e.is_function) {
            for definition in entity.definitions.iter().flatten() {
                let symbol = program.symbol(*definition);
                let SymbolHome::Section(section) = symbol.home else {
                    continue;
                };
                let is_written = program.sections[section.at()].writable;
                if symbol.is_local() && is_written && live.sections[section.at()] {
                    variables.insert((section, symbol.value), id);
                }
            }
        }
        Self {
            program,
            pairing,
            variables,
            seen: Mutex::default(),
        }
    }

    /// Debug information has a variable of this name here.
    pub fn see(&self, section: SectionId, offset: u64, name: &str) {
        if let Some(entity) = self.variables.get(&(section, offset)) {
            let slice = self.program.sections[section.at()].slice;
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push((*entity, slice, name.to_owned()));
        }
    }

    /// What is taken for one and is not, or the other way round.
    pub fn problems(self) -> Vec<Problem> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let mut names = Names::new();
        for (entity, slice, name) in &seen {
            let slices = names.entry(*entity).or_default();
            slices.entry(*slice).or_default().insert(name);
        }
        let mut problems: Vec<Problem> = names
            .iter()
            .filter_map(|(entity, slices)| self.mixed(*entity, slices))
            .collect();
        problems.extend(self.doubled(&names));
        problems
    }

    /// One entity that is another variable in each slice.
    fn mixed(&self, id: EntityId, slices: &BTreeMap<SliceId, BTreeSet<&str>>) -> Option<Problem> {
        let mut sets = slices.values();
        let first = sets.next()?.clone();
        let common = sets.fold(first, |common, set| &common & set);
        if !common.is_empty() {
            return None;
        }
        let entity = &self.pairing.entities[id.at()];
        let sides = slices.iter().filter_map(|(slice, names)| {
            let names: Vec<_> = names.iter().copied().collect();
            let symbol = entity.definitions[slice.at()]?;
            Some(self.view(*slice, symbol, names.join(", ")))
        });
        Some(Problem::Mismatch {
            symbol: entity.name.to_owned(),
            what: "variable in the source",
            sides: sides.collect(),
            hint: Some(NUMBERED),
        })
    }

    /// One variable of which slices have copies of their own, because their compilers name it differently.
    fn doubled(&self, names: &Names<'_>) -> Vec<Problem> {
        type Found = (EntityId, SliceId, SymbolId);
        let mut alone: BTreeMap<(&str, &str), Vec<Found>> = BTreeMap::new();
        for (id, slices) in names {
            let definitions = &self.pairing.entities[id.at()].definitions;
            if definitions.iter().all(Option::is_some) {
                continue;
            }
            for (slice, names) in slices {
                let Some(symbol) = definitions[slice.at()] else {
                    continue;
                };
                let source = self.program.source_of(symbol);
                for name in names {
                    let same = alone.entry((source, name)).or_default();
                    same.push((*id, *slice, symbol));
                }
            }
        }
        let doubled = alone.into_iter().filter(|(_, all)| {
            let entities: BTreeSet<_> = all.iter().map(|(id, ..)| id).collect();
            let slices: BTreeSet<_> = all.iter().map(|(_, slice, _)| slice).collect();
            entities.len() > 1 && slices.len() > 1
        });
        let problems = doubled.map(|((_, name), all)| {
            let sides = all.iter().map(|(_, slice, symbol)| {
                let own = self.program.symbol(*symbol).name().to_owned();
                self.view(*slice, *symbol, own)
            });
            Problem::Mismatch {
                symbol: name.to_owned(),
                what: "symbol",
                sides: sides.collect(),
                hint: Some(NUMBERED),
            }
        });
        problems.collect()
    }

    fn view(&self, slice: SliceId, symbol: SymbolId, value: String) -> SliceView {
        SliceView {
            isa: self.program.isa(slice).name().to_owned(),
            file: self.program.file_of(symbol).to_owned(),
            value,
            source: None,
            definition: Some(symbol),
        }
    }
}
