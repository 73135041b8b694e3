//! Phase 2: symbol resolution, slice by slice, as lld would resolve the slice alone.
//!
//! A name is undefined, lazy (an archive member that nothing needed yet defines it) or defined. A strong reference to a
//! lazy name takes the member in at once, before the next symbol is looked at; a weak one never does. Archives are
//! searched regardless of their position. An object's definitions count before its references.

use std::collections::HashMap;

use indexmap::map::Entry;
use object::elf::{STB_GNU_UNIQUE, STB_LOCAL, STB_WEAK, STV_DEFAULT, SymbolVisibility};

use crate::elf::{ElfObject, ElfSymbol, Home};
use crate::error::{self, Place, Problem};
use crate::inputs::{Inputs, Offer};
use crate::isa::Isa;
use crate::names::NameMap;
use crate::options::{Options, SymbolValue};
use crate::source;

/// A symbol of an object that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolRef {
    /// Index of the object in [`ResolvedSlice::objects`].
    pub object: usize,
    /// Index of the symbol in the object.
    pub symbol: usize,
}

/// What defines a name.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The symbol.
    pub by: SymbolRef,
    /// The most constraining visibility that any object gives the name.
    pub visibility: SymbolVisibility,
}

/// An object that takes part.
#[derive(Debug)]
pub struct ResolvedObject<'d> {
    /// The object.
    pub elf: &'d ElfObject<'d>,
    /// By header index: the section was dropped with a COMDAT group that an earlier object has too. Empty if none was.
    discarded: Vec<bool>,
    /// Index of its first symbol that is not local.
    first_global: usize,
    /// From there on, each symbol's name as an index in [`ResolvedSlice::definitions`].
    names: Vec<u32>,
}

/// Instead of a name's index: the symbol is local, or has no name.
const NO_NAME: u32 = u32::MAX;

impl ResolvedObject<'_> {
    /// A section was dropped, because an earlier object has its COMDAT group too.
    pub fn is_discarded(&self, section: usize) -> bool {
        self.discarded.get(section).is_some_and(|dropped| *dropped)
    }

    /// Index of a global symbol's name in [`ResolvedSlice::definitions`]; `None` for local symbols.
    pub fn name(&self, symbol: usize) -> Option<usize> {
        let name = self.names.get(symbol.checked_sub(self.first_global)?)?;
        (*name != NO_NAME).then_some(*name as usize)
    }
}

/// Objects of a slice that take part, and what its names mean.
#[derive(Debug)]
pub struct ResolvedSlice<'d> {
    /// ISA of the slice.
    pub isa: &'static dyn Isa,
    /// The objects, in the order in which they came in.
    pub objects: Vec<ResolvedObject<'d>>,
    /// Each global name and what it came to mean.
    names: NameMap<'d, Name>,
    /// Symbols of the command line whose value is that of another symbol.
    pub aliases: Vec<(SymbolRef, SymbolRef)>,
    /// Common symbols that must be aligned more strictly than their own object asks for.
    pub common_alignments: HashMap<SymbolRef, u64>,
}

impl ResolvedSlice<'_> {
    /// By index of a name: what defines it.
    pub fn definitions(&self) -> impl ExactSizeIterator<Item = Option<Definition>> {
        self.names.values().map(Name::definition)
    }

    /// Index of a name among the definitions, if any object or the command line has the name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.names.get_index_of(name)
    }
}

/// What a name means while objects come in.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Undefined { weak: bool },
    Lazy { candidate: usize },
    Defined { by: SymbolRef, strength: Strength },
}

/// Stronger definitions replace weaker ones; two strong ones are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Weak,
    Common {
        size: u64,
    },
    Strong,
    /// The command line's definitions replace those of objects.
    CommandLine,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    meaning: Meaning,
    visibility: SymbolVisibility,
}

impl Name {
    fn new(meaning: Meaning) -> Self {
        let visibility = STV_DEFAULT;
        Self {
            meaning,
            visibility,
        }
    }

    fn definition(&self) -> Option<Definition> {
        match self.meaning {
            Meaning::Defined { by, .. } => Some(Definition {
                by,
                visibility: self.visibility,
            }),
            _ => None,
        }
    }

    /// The most constraining visibility wins: internal, hidden, protected, default.
    fn constrain(&mut self, other: SymbolVisibility) {
        if self.visibility == STV_DEFAULT || (other != STV_DEFAULT && other.0 < self.visibility.0) {
            self.visibility = other;
        }
    }
}

/// Resolves one slice.
pub fn resolve<'d>(
    inputs: &'d Inputs<'d>,
    options: &'d Options,
) -> Result<ResolvedSlice<'d>, Vec<Problem>> {
    let mut resolver = Resolver::new(inputs);
    for offer in &inputs.offers {
        match offer {
            Offer::Object(index) => resolver.include(*index),
            Offer::Lazy(index) => resolver.offer_object(*index),
            Offer::Archive(symbols) => {
                for (name, candidate) in symbols {
                    resolver.offer(name, *candidate);
                }
            }
        }
    }
    // The entry is looked for last: whatever else brings it in comes first.
    resolver.need(&options.entry);
    resolver.finish(options)
}

struct Resolver<'d> {
    inputs: &'d Inputs<'d>,
    names: NameMap<'d, Name>,
    groups: NameMap<'d, usize>,
    /// By candidate: it takes part, or was refused.
    taken: Vec<bool>,
    objects: Vec<ResolvedObject<'d>>,
    common_alignments: HashMap<usize, u64>,
    duplicates: Vec<(&'d str, [SymbolRef; 2])>,
    problems: Vec<Problem>,
}

/// An object whose references are being looked at.
struct Visit {
    object: usize,
    next: usize,
}

impl<'d> Resolver<'d> {
    fn new(inputs: &'d Inputs<'d>) -> Self {
        let tables = inputs.offers.iter().map(|offer| match offer {
            Offer::Archive(symbols) => symbols.len(),
            _ => 0,
        });
        Self {
            inputs,
            names: NameMap::with_capacity_and_hasher(tables.sum(), Default::default()),
            groups: NameMap::default(),
            taken: vec![false; inputs.candidates.len()],
            objects: Vec::new(),
            common_alignments: HashMap::new(),
            duplicates: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Notes that a lazy object could define a name; takes it in if something waits for that already.
    fn offer(&mut self, name: &'d str, candidate: usize) {
        let lazy = Meaning::Lazy { candidate };
        match self.names.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(Name::new(lazy));
            }
            Entry::Occupied(mut entry) => match entry.get().meaning {
                Meaning::Undefined { weak: false } => self.include(candidate),
                Meaning::Undefined { weak: true } => entry.get_mut().meaning = lazy,
                _ => {}
            },
        }
    }

    /// Offers all that an object defines.
    fn offer_object(&mut self, candidate: usize) {
        match self.inputs.candidates[candidate].object(self.inputs.isa) {
            Ok(object) => {
                let defined = globals(object).filter(|(_, s)| s.home != Home::Undefined);
                for (_, symbol) in defined {
                    self.offer(symbol.name(), candidate);
                }
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Takes in the object that defines a name, if it is lazy.
    fn need(&mut self, name: &'d str) {
        if let Some(Meaning::Lazy { candidate }) = self.names.get(name).map(|name| name.meaning) {
            self.include(candidate);
        }
    }

    /// Takes in an object and everything that it needs, depth first.
    fn include(&mut self, candidate: usize) {
        let mut visits: Vec<Visit> = self.enter(candidate).into_iter().collect();
        while let Some(visit) = visits.last_mut() {
            match self.next_wanted(visit) {
                Some(wanted) => visits.extend(self.enter(wanted)),
                None => {
                    visits.pop();
                }
            }
        }
    }

    /// Lets an object take part: its groups, then its definitions.
    fn enter(&mut self, candidate: usize) -> Option<Visit> {
        if std::mem::replace(&mut self.taken[candidate], true) {
            return None;
        }
        let elf = match self.inputs.candidates[candidate].object(self.inputs.isa) {
            Ok(elf) => elf,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let object = self.objects.len();
        let mut discarded = Vec::new();
        for group in &elf.groups {
            if *self.groups.entry(group.signature).or_insert(object) != object {
                discarded.resize(elf.sections.len(), false);
                group
                    .members
                    .iter()
                    .for_each(|member| discarded[*member] = true);
            }
        }
        let first_global = elf.first_global();
        self.objects.push(ResolvedObject {
            elf,
            discarded,
            first_global,
            names: vec![NO_NAME; elf.symbol_count() - first_global],
        });
        for (symbol, found) in globals(elf).filter(|(_, s)| s.home != Home::Undefined) {
            // The definition of a dropped group's section is the first group's.
            if !self.is_dropped(object, &found) {
                let name = self.define(SymbolRef { object, symbol }, &found);
                self.objects[object].names[symbol - first_global] = name as u32;
            }
        }
        Some(Visit {
            object,
            next: first_global,
        })
    }

    fn is_dropped(&self, object: usize, symbol: &ElfSymbol<'_>) -> bool {
        matches!(symbol.home, Home::Section(home) if self.objects[object].is_discarded(home))
    }

    /// Goes on with an object's references, up to one that wants a lazy object.
    fn next_wanted(&mut self, visit: &mut Visit) -> Option<usize> {
        let elf = self.objects[visit.object].elf;
        while visit.next < elf.symbol_count() {
            let (at, symbol) = (visit.next, elf.symbol(visit.next));
            visit.next += 1;
            let refers = is_global(&symbol)
                && (symbol.home == Home::Undefined || self.is_dropped(visit.object, &symbol));
            if refers {
                let (name, wanted) = self.refer(&symbol);
                let object = &mut self.objects[visit.object];
                object.names[at - object.first_global] = name as u32;
                if wanted.is_some() {
                    return wanted;
                }
            }
        }
        None
    }

    /// Notes a reference. Returns the name, and the lazy object that the reference wants.
    fn refer(&mut self, symbol: &ElfSymbol<'d>) -> (usize, Option<usize>) {
        let weak = symbol.binding == STB_WEAK;
        let entry = self.names.entry(symbol.name());
        let index = entry.index();
        let name = entry.or_insert(Name::new(Meaning::Undefined { weak }));
        name.constrain(symbol.visibility);
        match &mut name.meaning {
            Meaning::Undefined { weak: all_weak } => *all_weak &= weak,
            Meaning::Lazy { candidate } if !weak => {
                let candidate = *candidate;
                // The member may not define what the archive's symbol table promises.
                name.meaning = Meaning::Undefined { weak };
                return (index, Some(candidate));
            }
            _ => {}
        }
        (index, None)
    }

    /// Notes a definition. Returns the name.
    fn define(&mut self, by: SymbolRef, symbol: &ElfSymbol<'d>) -> usize {
        let strength = match (symbol.home, symbol.binding) {
            _ if self.objects[by.object].elf.is_command_line() => Strength::CommandLine,
            (Home::Common, _) => Strength::Common { size: symbol.size },
            (_, STB_WEAK | STB_GNU_UNIQUE) => Strength::Weak,
            _ => Strength::Strong,
        };
        let new = Meaning::Defined { by, strength };
        let entry = self.names.entry(symbol.name());
        let index = entry.index();
        let name = match entry {
            Entry::Vacant(entry) => entry.insert(Name::new(new)),
            Entry::Occupied(entry) => {
                let name = entry.into_mut();
                match name.meaning {
                    Meaning::Defined {
                        by: old,
                        strength: Strength::Strong,
                    } if strength == Strength::Strong => {
                        self.duplicates.push((symbol.name(), [old, by]));
                    }
                    Meaning::Defined { strength: old, .. } if old >= strength => {}
                    _ => name.meaning = new,
                }
                name
            }
        };
        name.constrain(symbol.visibility);
        if symbol.home == Home::Common {
            let align = self.common_alignments.entry(index).or_default();
            *align = symbol.value.max(*align);
        }
        index
    }

    fn finish(mut self, options: &'d Options) -> Result<ResolvedSlice<'d>, Vec<Problem>> {
        let aliases = self.aliases(options);
        if !self.duplicates.is_empty() {
            let duplicates = self.describe_duplicates();
            self.problems.extend(duplicates);
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let commons = self.common_alignments.iter();
        let common_alignments = commons
            .filter_map(|(name, align)| match self.names[*name].meaning {
                Meaning::Defined {
                    by,
                    strength: Strength::Common { .. },
                } => Some((by, *align)),
                _ => None,
            })
            .collect();
        Ok(ResolvedSlice {
            isa: self.inputs.isa,
            names: self.names,
            objects: self.objects,
            aliases,
            common_alignments,
        })
    }

    fn definition(&self, name: &str) -> Option<SymbolRef> {
        Some(self.names.get(name)?.definition()?.by)
    }

    /// What the command line's symbols stand for, through any number of each other.
    fn aliases(&mut self, options: &Options) -> Vec<(SymbolRef, SymbolRef)> {
        let values: HashMap<&str, &SymbolValue> = options
            .definitions
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        let mut aliases = Vec::new();
        for (name, value) in &options.definitions {
            let (mut value, mut last) = (value, name);
            for _ in 0..options.definitions.len() {
                let SymbolValue::Symbol(other) = value else {
                    break;
                };
                last = other;
                let Some(next) = values.get(other.as_str()) else {
                    break;
                };
                value = next;
            }
            let is_circle =
                matches!(value, SymbolValue::Symbol(_)) && values.contains_key(last.as_str());
            match (self.definition(name), self.definition(last)) {
                (Some(alias), Some(target)) if !is_circle => {
                    if alias != target {
                        aliases.push((alias, target));
                    }
                }
                _ => self.problems.push(Problem::Undefined {
                    symbol: last.clone(),
                    isa: self.inputs.isa.name().to_owned(),
                    references: vec![Place {
                        file: crate::elf::COMMAND_LINE.to_owned(),
                        section: format!("--defsym {name}"),
                        offset: 0,
                    }],
                }),
            }
        }
        aliases
    }

    fn describe_duplicates(&self) -> Vec<Problem> {
        let all = self
            .duplicates
            .iter()
            .flat_map(|(_, definitions)| definitions);
        let symbols: Vec<_> = all
            .map(|by| source::Definition {
                object: self.objects[by.object].elf,
                data: self.objects[by.object].elf.data,
                symbol: by.symbol,
            })
            .collect();
        let sources = source::declarations(&symbols);
        let definition = |at: usize, by| error::Definition {
            place: self.place_of(by),
            source: sources[at].clone(),
        };
        let numbered = self.duplicates.iter().enumerate();
        let problems = numbered.map(|(i, (name, [old, new]))| Problem::Duplicate {
            symbol: (*name).to_owned(),
            isa: self.inputs.isa.name().to_owned(),
            definitions: [definition(2 * i, *old), definition(2 * i + 1, *new)],
        });
        problems.collect()
    }

    fn place_of(&self, symbol: SymbolRef) -> Place {
        let object = self.objects[symbol.object].elf;
        let definition = object.symbol(symbol.symbol);
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
}

fn is_global(symbol: &ElfSymbol<'_>) -> bool {
    symbol.binding != STB_LOCAL && symbol.has_name()
}

fn globals<'d>(object: &ElfObject<'d>) -> impl Iterator<Item = (usize, ElfSymbol<'d>)> {
    let all = object.first_global()..object.symbol_count();
    let all = all.map(|index| (index, object.symbol(index)));
    all.filter(|(_, symbol)| is_global(symbol))
}
