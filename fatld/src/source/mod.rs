//! What the inputs tell about a refusal: the source line of each place, the function or variable around it, and what
//! could be meant by a symbol that is not defined (`suggest.rs`).
//!
//! Only a link that is refused asks: the debug information of the objects in question is read then. Declarations are
//! found by `abi-check`, instructions by the line tables (`lines.rs`). What is not told, or told in a damaged way, is
//! left out of the message.

mod lines;
mod suggest;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use abi_check::{Location, ObjectFile};
use indexmap::IndexMap;
use object::elf;

use crate::elf::{ElfObject, ElfSymbol, Home};
use crate::error::{Error, Place, Problem, SourceLine};
use crate::evidence::{Container, Evidence, Surroundings};
use crate::ids::SymbolId;
use crate::inputs::Inputs;
use crate::isa::Isa;
use crate::program::Program;

/// A symbol that an object defines.
#[derive(Clone, Copy, Debug)]
pub struct Definition<'a> {
    /// The object.
    pub object: &'a ElfObject<'a>,
    /// All its bytes.
    pub data: &'a [u8],
    /// Index of the symbol in it.
    pub symbol: usize,
}

/// File and line of each definition's declaration, in their order. Each object is read once.
pub fn declarations(definitions: &[Definition<'_>]) -> Vec<Option<SourceLine>> {
    let mut of_object: IndexMap<*const u8, Vec<usize>> = IndexMap::new();
    for (at, definition) in definitions.iter().enumerate() {
        let same = of_object.entry(definition.data.as_ptr()).or_default();
        same.push(at);
    }
    let mut lines = vec![None; definitions.len()];
    for same in of_object.values() {
        let first = &definitions[same[0]];
        let object = ObjectFile {
            name: first.object.file.clone(),
            data: first.data,
        };
        let wanted: Vec<_> = same.iter().map(|at| wanted(&definitions[*at])).collect();
        let found = abi_check::declarations(&object, &wanted).unwrap_or_default();
        for (at, place) in same.iter().zip(found) {
            lines[*at] = place.map(|place| SourceLine {
                file: place.file,
                line: place.line,
            });
        }
    }
    lines
}

fn wanted<'a>(definition: &Definition<'a>) -> abi_check::Definition<'a> {
    let symbol = &definition.object.symbols[definition.symbol];
    let location = match symbol.home {
        Home::Section(section) => Some(Location::Section {
            section,
            offset: symbol.value,
        }),
        Home::Absolute => Some(Location::Address(symbol.value)),
        Home::Common | Home::Undefined => None,
    };
    abi_check::Definition {
        name: symbol.name,
        location,
    }
}

/// Fills in the declarations that the problems' sides ask for.
pub fn declare(program: &Program<'_>, mut problems: Vec<Problem>) -> Vec<Problem> {
    let sides = problems.iter_mut().flat_map(|problem| match problem {
        Problem::Mismatch { sides, .. } => sides.as_mut_slice(),
        _ => &mut [],
    });
    let (asking, definitions): (Vec<_>, Vec<_>) = sides
        .filter_map(|side| side.definition.take().map(|symbol| (side, symbol)))
        .map(|(side, symbol)| (side, definition(program, symbol)))
        .unzip();
    for (side, line) in asking.into_iter().zip(declarations(&definitions)) {
        side.source = line;
    }
    problems
}

fn definition<'a>(program: &Program<'a>, symbol: SymbolId) -> Definition<'a> {
    let object = &program.objects[program.symbols[symbol.at()].object.at()];
    Definition {
        object: object.elf,
        data: object.data,
        symbol: symbol.at() - object.first_symbol.at(),
    }
}

/// Adds to a refusal what the inputs tell about it.
pub fn explain(error: Error, slices: &[Inputs<'_>]) -> Error {
    let (shown, _) = error.shown();
    let places: BTreeSet<&Place> = shown
        .iter()
        .flat_map(|problem| problem.places())
        .map(|(_, place)| place)
        .collect();
    let missing = shown.iter().filter_map(|problem| match problem {
        Problem::Undefined { symbol, isa, .. } => Some((symbol.clone(), isa.clone())),
        Problem::MissingCode { function, isa, .. } => Some((function.clone(), isa.clone())),
        _ => None,
    });
    let evidence = Evidence {
        fat: slices.len() > 1,
        places: surroundings(&places, slices),
        suggestions: suggest::suggest(&missing.collect::<Vec<_>>(), slices),
    };
    error.explained_by(evidence)
}

/// An object that has places.
#[derive(Clone, Copy)]
struct Owner<'a> {
    isa: &'static dyn Isa,
    object: &'a ElfObject<'a>,
}

fn surroundings(places: &BTreeSet<&Place>, slices: &[Inputs<'_>]) -> BTreeMap<Place, Surroundings> {
    let files: BTreeSet<&str> = places.iter().map(|place| place.file.as_str()).collect();
    let mut owners: HashMap<&str, Vec<Owner<'_>>> = HashMap::new();
    for slice in slices {
        for object in slice.objects() {
            let file = object.file.as_str();
            if files.contains(file) {
                let owner = Owner {
                    isa: slice.isa,
                    object,
                };
                owners.entry(file).or_default().push(owner);
            }
        }
    }
    let mut out = BTreeMap::new();
    for (file, owners) in owners {
        // Members of one name cannot be told apart by a place.
        let [owner] = owners[..] else { continue };
        let own: Vec<_> = places.iter().filter(|p| p.file == file).copied().collect();
        out.extend(
            own.iter()
                .map(|p| (*p).clone())
                .zip(owner.surroundings(&own)),
        );
    }
    out
}

impl Owner<'_> {
    fn surroundings(&self, places: &[&Place]) -> Vec<Surroundings> {
        let object = self.object;
        let spots: Vec<_> = places.iter().map(|place| self.spot(place)).collect();
        let around: Vec<_> = spots
            .iter()
            .map(|spot| spot.and_then(|spot| container(object, spot)))
            .collect();
        let known: Vec<_> = spots.iter().flatten().copied().collect();
        let mut rows = lines::of_spots(object, self.isa, &known).into_iter();
        // What no instruction covers is part of a variable, and that has a declaration.
        let variables: Vec<_> = around.iter().flatten().copied().collect();
        let variables = variables.iter().map(|symbol| Definition {
            object,
            data: object.data,
            symbol: *symbol,
        });
        let mut declared = declarations(&variables.collect::<Vec<_>>()).into_iter();
        let each = spots.iter().zip(around).map(|(spot, around)| {
            let row = spot.and_then(|_| rows.next().flatten());
            let declaration = around.and_then(|_| declared.next().flatten());
            let symbol = around.map(|at| &object.symbols[at]);
            let is_code = symbol.is_some_and(|s| is_function(object, s));
            Surroundings {
                isa: Some(self.isa.name()),
                part_of: symbol.map(|s| {
                    let name = s.name.to_owned();
                    if is_code {
                        Container::Function(name)
                    } else {
                        Container::Variable(name)
                    }
                }),
                source: row.or(declaration.filter(|_| !is_code)),
            }
        });
        each.collect()
    }

    /// The section of a place, if its name and size leave no doubt.
    fn spot(&self, place: &Place) -> Option<lines::Spot> {
        let sections = self.object.sections.iter().enumerate();
        let mut found = sections.filter(|(_, s)| s.name == place.section && place.offset < s.size);
        let (index, _) = found.next()?;
        found.next().is_none().then_some((index, place.offset))
    }
}

/// The symbol of the function or variable that contains a byte.
fn container(object: &ElfObject<'_>, (section, offset): lines::Spot) -> Option<usize> {
    let inside = object.symbols.iter().enumerate().filter(|(_, symbol)| {
        symbol.home == Home::Section(section)
            && is_named(symbol)
            && symbol.value <= offset
            && (symbol.size == 0 || offset - symbol.value < symbol.size)
    });
    // In assembly, a label that is no function stands for what follows it only if nothing else does.
    let rank = |symbol: &ElfSymbol<'_>| {
        (
            symbol.size > 0,
            symbol.kind != elf::STT_NOTYPE,
            symbol.value,
        )
    };
    inside
        .max_by_key(|(_, symbol)| rank(symbol))
        .map(|(at, _)| at)
}

/// People gave it the name: `.L…` and `$x` are an assembler's.
fn is_named(symbol: &ElfSymbol<'_>) -> bool {
    !symbol.name.is_empty()
        && !symbol.name.starts_with(".L")
        && !symbol.name.starts_with('$')
        && !matches!(symbol.kind, elf::STT_SECTION | elf::STT_FILE)
}

fn is_function(object: &ElfObject<'_>, symbol: &ElfSymbol<'_>) -> bool {
    match symbol.home {
        Home::Section(home) => object.sections[home].flags.contains(elf::SHF_EXECINSTR),
        _ => false,
    }
}
