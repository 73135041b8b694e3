//! Where the source declares what a refusal speaks of, from the objects' DWARF.
//!
//! Only a link that is refused asks: the debug information of the objects in question is read then, by `abi-check`.
//! What it does not tell, or tells in a damaged way, is left out of the message.

use abi_check::{Location, ObjectFile};
use indexmap::IndexMap;

use crate::elf::{ElfObject, Home};
use crate::error::Problem;
use crate::ids::SymbolId;
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
pub fn lines(definitions: &[Definition<'_>]) -> Vec<Option<String>> {
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
            lines[*at] = place.map(|place| place.to_string());
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
    for (side, line) in asking.into_iter().zip(lines(&definitions)) {
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
