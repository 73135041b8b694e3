//! Phase 4: what the slices have in common, by name.
//!
//! An [`Entity`] is a function or a datum that has the same name in the slices. Names are paired in rounds: global names;
//! local names together with the source file that the object gives for them; then, among those that still lack a slice,
//! names that are equal but for a crate's hash, or for what a compiler adds to a variable of a function, if that is
//! unambiguous, by the debug information if need be. After this phase nothing looks at names again.

use indexmap::map::Entry;
use object::elf::{STT_FILE, STT_FUNC, STT_GNU_IFUNC};

use crate::error::{SourceLine, demangle};
use crate::hash::{HashMap, IndexMap};
use crate::ids::{EntityId, ObjectId, SectionId, SliceId, SymbolId};
use crate::program::{Program, SectionKind, Symbol, SymbolHome};
use crate::source;

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
    of_symbol: HashMap<SymbolId, EntityId>,
    /// The function symbol at a place.
    functions: HashMap<(SectionId, u64), SymbolId>,
    /// Function entities of a name, per slice, for names that some slice has more than once.
    by_name: HashMap<&'d str, Vec<EntityId>>,
}

/// What makes two definitions one entity: the name and, for a local one, where it is.
type Key<'d> = (&'d str, Option<Local<'d>>, bool);

/// Source file, which one of the files of its name that is, and the rank among equals in it.
type Local<'d> = (&'d str, u32, u32);

/// Which one of the files of its name a source file of an object is.
type Files<'d> = HashMap<(ObjectId, &'d str), u32>;

/// Pairs the names of all slices.
pub fn pair<'d>(program: &Program<'d>) -> Pairing<'d> {
    let mut pairing = Pairing {
        entities: Vec::new(),
        of_symbol: HashMap::default(),
        functions: HashMap::default(),
        by_name: HashMap::default(),
    };
    pairing.find_functions(program);
    let files = rank_files(program);
    pairing.pair_exactly(program, &files);
    pairing.pair_by_path(program);
    pairing.pair_by_variable(program, &files);
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

/// Which one of the files of its name in its slice each source file of an object is. A file counts whether or not it has
/// a certain name: a compiler may drop a variable on one ISA, and the others' must not move up into its place.
fn rank_files<'d>(program: &Program<'d>) -> Files<'d> {
    let mut counts: HashMap<(SliceId, &str), u32> = HashMap::default();
    let mut ranks = HashMap::default();
    for (id, symbol) in program.named_symbols().filter(|(_, s)| s.kind == STT_FILE) {
        ranks
            .entry((symbol.object, symbol.name()))
            .or_insert_with(|| {
                let count = counts
                    .entry((program.slice_of(id), symbol.name()))
                    .or_default();
                *count += 1;
                *count
            });
    }
    ranks
}

fn is_function(symbol: &Symbol<'_>) -> bool {
    matches!(symbol.kind, STT_FUNC | STT_GNU_IFUNC)
}

impl<'d> Pairing<'d> {
    fn find_functions(&mut self, program: &Program<'d>) {
        for (id, symbol) in program.named_symbols().filter(|(_, s)| is_function(s)) {
            let SymbolHome::Section(section) = symbol.home else {
                continue;
            };
            if program.sections[section.at()].kind != SectionKind::Text {
                continue;
            }
            let known = self.functions.entry((section, symbol.value)).or_insert(id);
            // Aliases: prefer the name that other objects, and so other slices, can know.
            if program.symbol(*known).is_local() && !symbol.is_local() {
                *known = id;
            }
        }
    }

    fn pair_exactly(&mut self, program: &Program<'d>, files: &Files<'d>) {
        let mut keys: IndexMap<Key<'d>, EntityId> = IndexMap::default();
        let mut ranks: HashMap<(SliceId, Option<ObjectId>, &str, &str), u32> = HashMap::default();
        for (id, symbol) in program.named_symbols().filter(|(_, s)| s.is_named()) {
            let SymbolHome::Section(section) = symbol.home else {
                continue;
            };
            let (slice, kind) = (program.slice_of(id), program.sections[section.at()].kind);
            let code = is_function(&symbol);
            // Labels in code are places, not entities; notes and debug information are nobody's data.
            if matches!(
                kind,
                SectionKind::Note | SectionKind::Debug | SectionKind::Unwind
            ) || (kind == SectionKind::Text && !code)
            {
                continue;
            }
            let local = if symbol.is_local() {
                let source = program.source_of(id);
                let file = files.get(&(symbol.object, source)).copied();
                // Without a file's name, all objects of a slice are one.
                let object = file.map(|_| symbol.object);
                let rank = ranks
                    .entry((slice, object, symbol.name(), source))
                    .or_default();
                *rank += 1;
                Some((source, file.unwrap_or_default(), *rank))
            } else if program.definition(id) != Some(id) {
                continue;
            } else {
                None
            };
            let entity = match keys.entry((symbol.name(), local, code)) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    let new = EntityId::next(self.entities.len());
                    let definitions = vec![None; program.slices.len()];
                    self.entities.push(Entity {
                        name: symbol.name(),
                        is_function: code,
                        definitions,
                    });
                    *entry.insert(new)
                }
            };
            self.entities[entity.at()].definitions[slice.at()] = Some(id);
            self.of_symbol.insert(id, entity);
        }
    }

    /// Joins entities that lack slices with the one entity that has those and the same path.
    fn pair_by_path(&mut self, program: &Program<'d>) {
        let lacking =
            |e: &Entity<'_>| e.definitions.iter().any(Option::is_none) && e.name.starts_with("_");
        let mut paths: IndexMap<(String, Option<&str>, bool), Vec<EntityId>> = IndexMap::default();
        for (at, entity) in self.entities.iter().enumerate().filter(|(_, e)| lacking(e)) {
            let path = demangle(entity.name);
            if path != entity.name {
                let key = (path, home_crate(entity, program), entity.is_function);
                paths.entry(key).or_default().push(EntityId::next(at));
            }
        }
        for ids in paths.values() {
            self.join(ids);
        }
    }

    /// Joins variables of functions whose names compilers make differently: what has one name in a file, or, where a file
    /// has several, stands in one line of it by the debug information.
    fn pair_by_variable(&mut self, program: &Program<'d>, files: &Files<'d>) {
        let mut variables: IndexMap<(&str, u32, &str), Vec<EntityId>> = IndexMap::default();
        for (at, entity) in self.entities.iter().enumerate() {
            let is_lacking = entity.definitions.iter().any(Option::is_none) && !entity.is_function;
            let Some(symbol) = entity.definitions.iter().flatten().next() else {
                continue;
            };
            let name = variable_of_function(entity.name).filter(|_| is_lacking);
            let Some(name) = name.filter(|_| program.symbol(*symbol).is_local()) else {
                continue;
            };
            let source = program.source_of(*symbol);
            let file = files.get(&(program.symbol(*symbol).object, source));
            let key = (source, file.copied().unwrap_or_default(), name);
            variables.entry(key).or_default().push(EntityId::next(at));
        }
        for ids in variables.values().filter(|ids| ids.len() > 1) {
            if self.join(ids) {
                continue;
            }
            let definition = |id: &EntityId| self.entities[id.at()].definitions.iter().flatten();
            let symbols = ids.iter().filter_map(|id| definition(id).next().copied());
            let lines = source::declared(program, &symbols.collect::<Vec<_>>());
            let mut of_line: IndexMap<SourceLine, Vec<EntityId>> = IndexMap::default();
            for (id, line) in ids.iter().zip(lines) {
                if let Some(line) = line {
                    of_line.entry(line).or_default().push(*id);
                }
            }
            for ids in of_line.values() {
                self.join(ids);
            }
        }
    }

    /// Makes one entity of several, unless a slice has more than one of them: then nothing is done.
    fn join(&mut self, ids: &[EntityId]) -> bool {
        let slices = self.entities[ids[0].at()].definitions.len();
        let count = |slice: usize| {
            ids.iter()
                .filter(|id| self.entities[id.at()].definitions[slice].is_some())
                .count()
        };
        if (0..slices).any(|slice| count(slice) > 1) {
            return false;
        }
        let (first, others) = (ids[0], &ids[1..]);
        for other in others {
            for slice in 0..slices {
                if let Some(symbol) = self.entities[other.at()].definitions[slice].take() {
                    self.entities[first.at()].definitions[slice] = Some(symbol);
                    self.of_symbol.insert(symbol, first);
                }
            }
        }
        true
    }

    /// The entity that a symbol defines.
    pub fn entity(&self, symbol: SymbolId) -> Option<EntityId> {
        self.of_symbol.get(&symbol).copied()
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

/// Name in the source of a variable of a function: gcc's `n.0`, clang's `f.n` and `f.n.1`.
fn variable_of_function(name: &str) -> Option<&str> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (first, rest) = name.split_once('.')?;
    if is_number(rest) {
        return Some(first);
    }
    match rest.split_once('.') {
        None => Some(rest),
        Some((variable, number)) => is_number(number).then_some(variable),
    }
}

/// Name of the crate that made this copy of what may have copies in several: as the name says, or, for a local name, as
/// rustc names the object's source (`alloc.bdb4a28a94d7e55c-cgu.0`).
fn home_crate<'d>(entity: &Entity<'d>, program: &Program<'d>) -> Option<&'d str> {
    instantiating_crate(entity.name).or_else(|| {
        let symbol = entity.definitions.iter().flatten().next()?;
        let own = program.symbol(*symbol);
        let source = own.is_local().then(|| program.source_of(*symbol))?;
        Some(source.split_once('.').map_or(source, |(name, _)| name))
    })
}

/// Name of the crate at the end of a v0 name: the one that made this copy of a generic function.
///
/// Each crate that uses a generic function may have a copy of it, all of one path. The crate is written out with its
/// hash (`Cs1zXXWzD5WLg_4core`), or as a reference to where the name has it already (`B4_`, counted behind `_R`).
fn instantiating_crate(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("_R")?;
    if let Some((_, digits)) = rest.strip_suffix('_').and_then(|r| r.rsplit_once('B')) {
        let (at, end) = (base_62(digits)?, rest.len());
        return crate_root(rest.get(at..end)?).map(|(name, _)| name);
    }
    // A crate's name may hold a C of its own: the one that leaves nothing behind it is meant.
    let roots = rest.match_indices('C').map(|(at, _)| &rest[at..]);
    roots
        .filter_map(crate_root)
        .find(|(_, behind)| behind.is_empty())
        .map(|(name, _)| name)
}

/// `C`, a hash, and a name with its length before it; returns the name and what is behind it.
fn crate_root(text: &str) -> Option<(&str, &str)> {
    let (hash, rest) = text.strip_prefix("Cs")?.split_once('_')?;
    base_62(hash)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (length, name) = rest.split_at_checked(digits)?;
    // A `_` stands before a name that begins with a digit or a `_`.
    let name = name.strip_prefix('_').unwrap_or(name);
    name.split_at_checked(length.parse().ok()?)
}

/// v0's numbers: nothing is 0, `0` is 1.
fn base_62(digits: &str) -> Option<usize> {
    if digits.is_empty() {
        return Some(0);
    }
    let value = digits.bytes().try_fold(0usize, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'z' => digit - b'a' + 10,
            b'A'..=b'Z' => digit - b'A' + 36,
            _ => return None,
        };
        Some(value.wrapping_mul(62).wrapping_add(usize::from(digit)))
    })?;
    Some(value.wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_functions_are_known_by_their_names_in_the_source() {
        assert_eq!(variable_of_function("count.0"), Some("count"));
        assert_eq!(variable_of_function("next.count"), Some("count"));
        assert_eq!(variable_of_function("next.count.17"), Some("count"));
        assert_eq!(variable_of_function("count"), None);
        assert_eq!(variable_of_function("next.part.0.cold"), None);
    }

    #[test]
    fn copies_of_a_generic_function_are_told_apart_by_crate() {
        let written =
            "_RNvXs1s_NtCs1zXXWzD5WLg_4core3fmtRtNtB6_7Display3fmtCsfVHcwPZnMYQ_9selfcheck";
        assert_eq!(instantiating_crate(written), Some("selfcheck"));
        let referred = "_RNvXs1s_NtCs1zXXWzD5WLg_4core3fmtRtNtB6_7Display3fmtB8_";
        assert_eq!(instantiating_crate(referred), Some("core"));
        let of_a_c = "_RNvXs1s_NtCs1zXXWzD5WLg_4core3fmtRtNtB6_7Display3fmtCsfVHcwPZnMYQ_4aC_C";
        assert_eq!(instantiating_crate(of_a_c), Some("aC_C"));
        assert_eq!(instantiating_crate("_RNvCs4HyXdRH8Z4o_4kern5twice"), None);
        assert_eq!(
            instantiating_crate("_RNvCs4HyXdRH8Z4o_4kern5twiceBzzzzzzzzzzzzzzzz_"),
            None
        );
        assert_eq!(instantiating_crate("_Z5twicei"), None);
    }
}
