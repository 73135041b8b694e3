//! Phase 5: collected arrays, sections whose elements come from many objects and are found through the array's bounds.
//!
//! `.init_array` and its kin, and every section with a C identifier as its name that code asks the bounds of
//! (`__start_NAME`, `__stop_NAME`). Their elements are read one after the other, so nothing may stand between them that one
//! ISA alone has: a collection is shared, element by element, if every slice has the same ones, and else each slice
//! has its own. Data that the program writes cannot be doubled so: there, other elements are an error.

use object::elf;

use crate::error::{Problem, SliceView};
use crate::hash::{HashMap, IndexMap};
use crate::ids::{CollectionId, EntityId, SectionId, SliceId};
use crate::pair::Pairing;
use crate::program::{Program, Section, SectionKind, SymbolHome};

/// An end of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// The address of its first byte.
    Start,
    /// The address behind its last byte.
    Stop,
}

/// A collected array.
#[derive(Debug)]
pub struct Collection<'d> {
    /// Name of its output section.
    pub name: &'d str,
    /// Its input sections in each slice, in the order of the array.
    pub sections: Vec<Vec<SectionId>>,
    /// Every slice has the same elements, stored once.
    pub shared: bool,
    /// Kept without a reference.
    pub retained: bool,
}

/// All collections.
#[derive(Debug, Default)]
pub struct Collections<'d> {
    /// They.
    pub collections: Vec<Collection<'d>>,
    of_section: HashMap<SectionId, CollectionId>,
    bounds: HashMap<String, (CollectionId, End)>,
}

impl Collections<'_> {
    /// The collection that a section is an element of.
    pub fn of(&self, section: SectionId) -> Option<CollectionId> {
        self.of_section.get(&section).copied()
    }

    /// The section is an element of a collection that each slice has for itself.
    pub fn is_private(&self, section: SectionId) -> bool {
        self.of(section)
            .is_some_and(|id| !self.collections[id.at()].shared)
    }

    /// What a symbol that nothing defines bounds.
    pub fn bound(&self, name: &str) -> Option<(CollectionId, End)> {
        self.bounds.get(name).copied()
    }
}

/// Arrays that programs run through at start and end, and the symbols that bound them.
const CONSTRUCTORS: [(&str, elf::SectionType, [&str; 2]); 3] = [
    (
        ".preinit_array",
        elf::SHT_PREINIT_ARRAY,
        ["__preinit_array_start", "__preinit_array_end"],
    ),
    (
        ".init_array",
        elf::SHT_INIT_ARRAY,
        ["__init_array_start", "__init_array_end"],
    ),
    (
        ".fini_array",
        elf::SHT_FINI_ARRAY,
        ["__fini_array_start", "__fini_array_end"],
    ),
];

/// Finds the collections of all slices.
pub fn collect<'d>(
    program: &Program<'d>,
    pairing: &Pairing<'d>,
) -> Result<Collections<'d>, Vec<Problem>> {
    let mut collections = Collections::default();
    for (name, _, bounds) in CONSTRUCTORS {
        collections.add(program, name, bounds.map(str::to_owned), true);
    }
    for name in bounded_names(program) {
        let bounds = ["__start_", "__stop_"].map(|prefix| format!("{prefix}{name}"));
        collections.add(program, name, bounds, false);
    }
    collections.fill(program);
    // Without an element, only the constructors' bounds have a meaning: an empty array.
    let mut problems = Vec::new();
    for collection in &mut collections.collections {
        collection.order(program);
        collection.shared = program.slices.len() > 1 && collection.is_alike(program, pairing);
        problems.extend(collection.check(program));
    }
    collections.shed_empty();
    if problems.is_empty() {
        Ok(collections)
    } else {
        Err(problems)
    }
}

/// A name that C could give to a variable: the linker makes bounds for sections of such a name.
pub fn is_c_identifier(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Names of sections that some code asks the bounds of, in alphabetical order.
fn bounded_names<'d>(program: &Program<'d>) -> Vec<&'d str> {
    let undefined = program
        .named_symbols()
        .filter(|(_, s)| s.home == SymbolHome::Undefined && !s.is_local());
    let names = undefined.filter_map(|(_, symbol)| {
        let name = symbol.name().strip_prefix("__start_");
        name.or_else(|| symbol.name().strip_prefix("__stop_"))
            .filter(|name| is_c_identifier(name))
    });
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl<'d> Collections<'d> {
    fn add(&mut self, program: &Program<'d>, name: &'d str, bounds: [String; 2], retained: bool) {
        let id = CollectionId::next(self.collections.len());
        for (bound, end) in bounds.into_iter().zip([End::Start, End::Stop]) {
            self.bounds.insert(bound, (id, end));
        }
        self.collections.push(Collection {
            name,
            sections: vec![Vec::new(); program.slices.len()],
            shared: false,
            retained,
        });
    }

    /// Puts every section into the collection that it belongs to.
    fn fill(&mut self, program: &Program<'d>) {
        let by_name: IndexMap<&str, usize> = self
            .collections
            .iter()
            .enumerate()
            .map(|(i, c)| (c.name, i))
            .collect();
        for (id, section) in program.sections() {
            if section.kind == SectionKind::Debug || !section.pieces.is_empty() {
                continue;
            }
            let object = program.objects[section.object.at()].elf;
            let input = &object.sections[section.index];
            let constructor = CONSTRUCTORS
                .iter()
                .position(|(_, kind, _)| *kind == input.kind);
            let found = constructor.or_else(|| by_name.get(section.name).copied());
            if let Some(at) = found {
                self.collections[at].sections[section.slice.at()].push(id);
                self.of_section.insert(id, CollectionId::next(at));
            }
        }
    }

    /// Bounds of a section that no slice has are undefined symbols like any.
    fn shed_empty(&mut self) {
        let collections = &self.collections;
        self.bounds.retain(|_, (id, _)| {
            let collection = &collections[id.at()];
            collection.retained || collection.sections.iter().any(|s| !s.is_empty())
        });
    }
}

/// `.init_array.00100` runs before those of a greater number, and all of them before those without.
fn priority(name: &str) -> u32 {
    let number = name.rsplit_once('.').and_then(|(_, n)| n.parse().ok());
    number.unwrap_or(u32::MAX)
}

impl Collection<'_> {
    fn order(&mut self, program: &Program<'_>) {
        for sections in &mut self.sections {
            let section = |id: &SectionId| &program.sections[id.at()];
            sections.sort_by_key(|id| {
                let number = if self.retained {
                    priority(section(id).name)
                } else {
                    0
                };
                (number, section(id).linked_to)
            });
        }
    }

    /// Every slice has the same elements, as far as names and bytes tell.
    fn is_alike(&self, program: &Program<'_>, pairing: &Pairing<'_>) -> bool {
        let (first, others) = self.sections.split_first().expect("there is a slice");
        let section = |id: &SectionId| &program.sections[id.at()];
        others.iter().all(|other| {
            first.len() == other.len()
                && first
                    .iter()
                    .zip(other)
                    .all(|(a, b)| is_alike(program, pairing, section(a), section(b)))
        })
    }

    fn check(&self, program: &Program<'_>) -> Option<Problem> {
        let sections = |slice: usize| {
            self.sections[slice]
                .iter()
                .map(|id| &program.sections[id.at()])
        };
        let slices = 0..program.slices.len();
        // Position-independent code keeps constants with addresses in sections that are flagged as writable: only what
        // every slice flags so is written.
        let written = slices
            .clone()
            .all(|slice| sections(slice).any(|s| s.writable));
        if self.shared || !written || slices.len() < 2 {
            return None;
        }
        let sides = slices.map(|slice| SliceView {
            isa: program.slices[slice].isa.name().to_owned(),
            file: sections(slice)
                .next()
                .map(|s| program.objects[s.object.at()].elf.file.clone())
                .unwrap_or_default(),
            value: format!(
                "{} sections, {} bytes",
                self.sections[slice].len(),
                sections(slice).map(|s| s.size).sum::<u64>()
            ),
            source: None,
            definition: None,
        });
        Some(Problem::Mismatch {
            symbol: self.name.to_owned(),
            what: "list of elements",
            sides: sides.collect(),
            hint: Some(
                "an array that the program writes must have the same elements in the same order",
            ),
        })
    }
}

fn is_alike(
    program: &Program<'_>,
    pairing: &Pairing<'_>,
    a: &Section<'_>,
    b: &Section<'_>,
) -> bool {
    let text = a.kind == SectionKind::Text || b.kind == SectionKind::Text;
    let shape = |s: &Section<'_>| (s.size, s.data.len());
    if text || shape(a) != shape(b) {
        return false;
    }
    let (blank_a, blank_b) = (blank(a), blank(b));
    let targets = |s: &Section<'_>| -> Vec<_> {
        let real = s
            .relocations
            .iter()
            .filter(|r| !r.rule.expression.is_mark());
        real.map(|r| (r.offset, target(program, pairing, r)))
            .collect()
    };
    blank_a == blank_b
        && targets(a)
            .iter()
            .zip(&targets(b))
            .all(|((at, x), (also, y))| at == also && (x.is_none() || y.is_none() || x == y))
        && targets(a).len() == targets(b).len()
}

/// Bytes with zero where addresses go.
fn blank(section: &Section<'_>) -> Vec<u8> {
    let mut bytes = section.data.to_vec();
    for relocation in &section.relocations {
        let at = relocation.offset as usize;
        bytes[at..at + relocation.rule.field.bytes].fill(0);
    }
    bytes
}

/// The named function or datum that an element means; nothing for what is known by its content.
fn target(
    program: &Program<'_>,
    pairing: &Pairing<'_>,
    relocation: &crate::program::Relocation,
) -> Option<(EntityId, i64)> {
    let definition = program.definition(relocation.symbol)?;
    let symbol = program.symbol(definition);
    let SymbolHome::Section(section) = symbol.home else {
        return None;
    };
    let start = symbol.value.checked_add_signed(relocation.addend)?;
    match pairing.function_at(section, start) {
        Some(function) => Some((pairing.entity(function)?, 0)),
        None => Some((pairing.entity(definition)?, relocation.addend)),
    }
}

/// The slice whose copy of a collection a reference from `slice` means.
pub fn home(collection: &Collection<'_>, slice: SliceId) -> SliceId {
    if collection.shared { SliceId(0) } else { slice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_come_before_none() {
        assert!(priority(".init_array.00100") < priority(".init_array.65535"));
        assert!(priority(".init_array.65535") < priority(".init_array"));
    }

    #[test]
    fn names_that_have_bounds() {
        assert!(is_c_identifier("initcalls") && is_c_identifier("_x1"));
        assert!(!is_c_identifier(".text") && !is_c_identifier("1a") && !is_c_identifier(""));
    }
}
