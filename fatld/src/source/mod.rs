//! What the inputs tell about a refusal: the source line of each place, the function or variable around it, and what
//! could be meant by a symbol that is not defined (`suggest.rs`).
//!
//! Only a link that is refused asks, and one whose compilers named variables differently: the debug information of the objects in question is read then. Declarations are
//! found by `abi-check`, instructions by the line tables (`lines.rs`). What is not told, or told in a damaged way, is
//! left out of the message.

mod lines;
mod parts;
mod suggest;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use abi_check::{Location, ObjectFile};
use indexmap::IndexMap;

use crate::elf::{ElfObject, Home};
use crate::error::{Error, Place, Problem, SourceLine};
use crate::evidence::{Container, Evidence, Surroundings};
use crate::ids::SymbolId;
use crate::inputs::Inputs;
use crate::isa::Isa;
use crate::program::Program;
use parts::Parts;

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
    let symbol = &definition.object.symbol(definition.symbol);
    let location = match symbol.home {
        Home::Section(section) => Some(Location::Section {
            section,
            offset: symbol.value,
        }),
        Home::Absolute => Some(Location::Address(symbol.value)),
        Home::Common | Home::Undefined => None,
    };
    abi_check::Definition {
        name: symbol.name(),
        location,
    }
}

/// File and line of each symbol's declaration, in their order.
pub fn declared(program: &Program<'_>, symbols: &[SymbolId]) -> Vec<Option<SourceLine>> {
    let definitions = symbols.iter().map(|symbol| definition(program, *symbol));
    declarations(&definitions.collect::<Vec<_>>())
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
    let object = &program.objects[program.symbol(symbol).object.at()];
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
        let parts = Parts::of(object);
        let spots: Vec<_> = places.iter().map(|place| parts.spot(place)).collect();
        let known: Vec<_> = spots.iter().flatten().copied().collect();
        let mut rows = lines::of_spots(object, self.isa, &known).into_iter();
        let mut found = Vec::with_capacity(places.len());
        // What no instruction covers is part of a variable, and that has a declaration.
        let (mut in_variables, mut variables) = (Vec::new(), Vec::new());
        for spot in spots {
            let source = spot.and_then(|_| rows.next().flatten());
            let symbol = spot.and_then(|spot| parts.container(spot));
            let part_of = symbol.map(|symbol| {
                let name = object.symbol(symbol).name().to_owned();
                if parts.is_code(symbol) {
                    return Container::Function(name);
                }
                in_variables.push(found.len());
                variables.push(Definition {
                    object,
                    data: object.data,
                    symbol,
                });
                Container::Variable(name)
            });
            found.push(Surroundings {
                isa: Some(self.isa.name()),
                part_of,
                source,
            });
        }
        for (at, declaration) in in_variables.iter().zip(declarations(&variables)) {
            let place: &mut Surroundings = &mut found[*at];
            place.source = place.source.take().or(declaration);
        }
        found
    }
}
