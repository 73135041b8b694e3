//! Phase 7: function arrays and their gates.
//!
//! There is one array per function whose address is taken, and one per first element: two functions that are the same
//! code on the first ISA get one gate, so comparing pointers is comparing first elements. Arrays are in the order of
//! their functions' names, which does not depend on the order of the inputs.

use crate::gc::Live;
use crate::hash::HashMap;
use crate::ids::{EntityId, GateId, SectionId, SymbolId};
use crate::pair::Pairing;
use crate::program::{Program, SymbolHome};

/// A function array.
#[derive(Debug)]
pub struct FunctionArray {
    /// The function it is named after.
    pub function: EntityId,
    /// Its code per slice; `None` is a trap.
    pub elements: Vec<Option<SymbolId>>,
}

/// All function arrays.
#[derive(Debug)]
pub struct Functions {
    /// The arrays, in the order of the gates.
    pub arrays: Vec<FunctionArray>,
    of_function: HashMap<EntityId, GateId>,
}

impl Functions {
    /// The gate of a function whose address is taken.
    pub fn gate(&self, function: EntityId) -> GateId {
        self.of_function[&function]
    }
}

/// Makes an array for every function whose address is taken.
pub fn build(program: &Program<'_>, pairing: &Pairing<'_>, live: &Live) -> Functions {
    let mut taken: Vec<EntityId> = live.taken.keys().copied().collect();
    taken.sort_by_key(|id| (pairing.entities[id.at()].name, *id));
    let mut functions = Functions {
        arrays: Vec::new(),
        of_function: HashMap::default(),
    };
    let mut first_elements: HashMap<(SectionId, u64), GateId> = HashMap::default();
    for function in taken {
        let elements: Vec<_> = (0..program.slices.len())
            .map(|slice| pairing.code(function, slice))
            .collect();
        let new = GateId::next(functions.arrays.len());
        let first = elements[0].and_then(|symbol| {
            let symbol = program.symbol(symbol);
            match symbol.home {
                SymbolHome::Section(section) => Some((section, symbol.value)),
                _ => None,
            }
        });
        let gate = first.map_or(new, |first| *first_elements.entry(first).or_insert(new));
        functions.of_function.insert(function, gate);
        if gate == new {
            functions.arrays.push(FunctionArray { function, elements });
        }
    }
    functions
}
