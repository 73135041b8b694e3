//! Phase 4: what the slices have in common, by name.
//!
//! An [`Entity`] is a function or a datum that has the same name in the slices. Names are paired in rounds: global names;
//! local names together with the source file that the object gives for them; then, among those that still lack a slice,
//! names that are equal but for a crate's hash, if that is unambiguous. After this phase nothing looks at names again.

use std::collections::HashMap;

use indexmap::IndexMap;
use indexmap::map::Entry;
use object::elf::{STT_FUNC, STT_GNU_IFUNC};

use crate::error::demangle;
use crate::ids::{EntityId, SectionId, SliceId, SymbolId};
use crate::program::{Program, SectionKind, Symbol, SymbolHome};

/// A function or datum, and who defines it.
#[derive(Debug)]
pub struct Entity<'d> {
    /// Its name, as the first slice that has it spells it.
    pub name: &'d str,
    /// It is code.
    pub is_function: bool,
    /// Its definition in each slice.
    pub definitions: Vec<Option<SymbolId>>,
}

/// The result of pairing.
#[derive(Debug)]
pub struct Pairing<'d> {
    /// All entities.
    pub entities: Vec<Entity<'d>>,
    /// Entity of each symbol that defines one.
    of_symbol: Vec<Option<EntityId>>,
    /// The function symbol at a place.
    functions: HashMap<(SectionId, u64), SymbolId>,
    /// Function entities of a name, per slice, for names that some slice has more than once.
    by_name: HashMap<&'d str, Vec<EntityId>>,
}

/// What makes two definitions one entity: the name and, for a local one, its source file and its rank among equals.
type Key<'d> = (&'d str, Option<(&'d str, u32)>, bool);

/// Pairs the names of all slices.
pub fn pair<'d>(program: &Program<'d>) -> Pairing<'d> {
    let mut pairing = Pairing {
        entities: Vec::new(),
        of_symbol: vec![None; program.symbols.len()],
        functions: HashMap::new(),
        by_name: HashMap::new(),
    };
    pairing.find_functions(program);
    pairing.pair_exactly(program);
    pairing.pair_by_path();
    for (id, entity) in pairing
        .entities
        .iter()
        .enumerate()
        .filter(|(_, e)| e.is_function)
    {
        pairing
            .by_name
            .entry(entity.name)
            .or_default()
            .push(EntityId::next(id));
    }
    pairing
}

fn is_function(symbol: &Symbol<'_>) -> bool {
    matches!(symbol.kind, STT_FUNC | STT_GNU_IFUNC)
}

impl<'d> Pairing<'d> {
    fn find_functions(&mut self, program: &Program<'d>) {
        for (id, symbol) in program.symbols().filter(|(_, s)| is_function(s)) {
            let SymbolHome::Section(section) = symbol.home else {
                continue;
            };
            if program.sections[section.at()].kind != SectionKind::Text {
                continue;
            }
            let known = self.functions.entry((section, symbol.value)).or_insert(id);
            // Aliases: prefer the name that other objects, and so other slices, can know.
            if program.symbols[known.at()].is_local() && !symbol.is_local() {
                *known = id;
            }
        }
    }

    fn pair_exactly(&mut self, program: &Program<'d>) {
        let mut keys: IndexMap<Key<'d>, EntityId> = IndexMap::new();
        let mut ranks: HashMap<(SliceId, &str, &str), u32> = HashMap::new();
        for (id, symbol) in program.symbols().filter(|(_, s)| s.is_named()) {
            let SymbolHome::Section(section) = symbol.home else {
                continue;
            };
            let (slice, kind) = (program.slice_of(id), program.sections[section.at()].kind);
            let code = is_function(symbol);
            // Labels in code are places, not entities; notes and debug information are nobody's data.
            if matches!(
                kind,
                SectionKind::Note | SectionKind::Debug | SectionKind::Unwind
            ) || (kind == SectionKind::Text && !code)
            {
                continue;
            }
            let local = if symbol.is_local() {
                let rank = ranks
                    .entry((slice, symbol.name, symbol.source))
                    .or_default();
                *rank += 1;
                Some((symbol.source, *rank))
            } else if program.definition(id) != Some(id) {
                continue;
            } else {
                None
            };
            let entity = match keys.entry((symbol.name, local, code)) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    let new = EntityId::next(self.entities.len());
                    let definitions = vec![None; program.slices.len()];
                    self.entities.push(Entity {
                        name: symbol.name,
                        is_function: code,
                        definitions,
                    });
                    *entry.insert(new)
                }
            };
            self.entities[entity.at()].definitions[slice.at()] = Some(id);
            self.of_symbol[id.at()] = Some(entity);
        }
    }

    /// Joins entities that lack slices with the one entity that has those and the same path.
    fn pair_by_path(&mut self) {
        let lacking =
            |e: &Entity<'_>| e.definitions.iter().any(Option::is_none) && e.name.starts_with("_");
        let mut paths: IndexMap<(String, bool), Vec<EntityId>> = IndexMap::new();
        for (at, entity) in self.entities.iter().enumerate().filter(|(_, e)| lacking(e)) {
            let path = demangle(entity.name);
            if path != entity.name {
                paths
                    .entry((path, entity.is_function))
                    .or_default()
                    .push(EntityId::next(at));
            }
        }
        for ids in paths.values().filter(|ids| ids.len() > 1) {
            let slices = self.entities[ids[0].at()].definitions.len();
            let count = |slice: usize| {
                ids.iter()
                    .filter(|id| self.entities[id.at()].definitions[slice].is_some())
                    .count()
            };
            if (0..slices).any(|slice| count(slice) > 1) {
                continue;
            }
            let (first, others) = (ids[0], &ids[1..]);
            for other in others {
                for slice in 0..slices {
                    if let Some(symbol) = self.entities[other.at()].definitions[slice].take() {
                        self.entities[first.at()].definitions[slice] = Some(symbol);
                        self.of_symbol[symbol.at()] = Some(first);
                    }
                }
            }
        }
    }

    /// The entity that a symbol defines.
    pub fn entity(&self, symbol: SymbolId) -> Option<EntityId> {
        self.of_symbol[symbol.at()]
    }

    /// The function that begins at a place.
    pub fn function_at(&self, section: SectionId, offset: u64) -> Option<SymbolId> {
        self.functions.get(&(section, offset)).copied()
    }

    /// Code of a function for a slice.
    ///
    /// A compiler may drop a crate's own copy of an inline function on one ISA only; then another crate's copy, which
    /// has the same mangled name and so the same meaning, takes its place.
    pub fn code(&self, function: EntityId, slice: usize) -> Option<SymbolId> {
        let entity = &self.entities[function.at()];
        entity.definitions[slice].or_else(|| {
            let namesakes = self
                .by_name
                .get(entity.name)
                .filter(|_| entity.name.starts_with("_R"))?;
            namesakes
                .iter()
                .find_map(|other| self.entities[other.at()].definitions[slice])
        })
    }

    /// All entities with their ids.
    pub fn entities(&self) -> impl Iterator<Item = (EntityId, &Entity<'d>)> {
        self.entities
            .iter()
            .enumerate()
            .map(|(i, e)| (EntityId::next(i), e))
    }
}
