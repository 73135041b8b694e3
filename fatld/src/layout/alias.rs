//! `--text=aliased`: each function at one address on all ISAs, so that its address needs no gate.
//!
//! The `.text` sections of all slices get one virtual address, and what belongs to one function gets one offset in them:
//! as far from the last one as the longest of them needs. Every ISA's page table maps its own text there. This is what
//! Popcorn and Unifico do; it costs padding where gates cost an indirection.

use super::plan::{Part, Plan, Rank};
use super::{Inputs, Item, Layout};
use crate::error::{Problem, SliceView};
use crate::functions::FunctionArray;
use crate::hash::{HashMap, IndexMap};
use crate::ids::{EntityId, GateId, SectionId, SliceId};
use crate::program::SymbolHome;

/// What the parts of several slices have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Slot {
    Function(EntityId),
    Own(SliceId, usize),
}

/// Gives the parts of all slices' `.text` common offsets.
pub(super) fn align(inputs: Inputs<'_, '_>, plan: &mut Plan) {
    let function_of = functions(inputs);
    let is_text = |rank, name: &str| rank == Rank::Text && name == ".text";
    let texts = plan.groups.iter_mut();
    let texts = texts.filter(|(key, _)| is_text(key.rank, &key.name));
    let mut slots: IndexMap<Slot, Vec<(SliceId, Part)>> = IndexMap::default();
    let mut groups = Vec::new();
    for (key, group) in texts {
        let slice = key.slice.unwrap_or(SliceId(0));
        for (at, part) in std::mem::take(&mut group.parts).into_iter().enumerate() {
            let function = match part.item {
                Item::Section(id) => function_of.get(&id).copied(),
                Item::Trap(_, gate) => Some(inputs.functions.arrays[gate.at()].function),
                _ => None,
            };
            let slot = function.map_or(Slot::Own(slice, at), Slot::Function);
            slots.entry(slot).or_default().push((slice, part));
        }
        group.aliased = true;
        groups.push((slice, group));
    }
    let mut cursor: u64 = 0;
    for parts in slots.into_values() {
        let align = parts.iter().map(|(_, p)| p.align).max().unwrap_or(1);
        let size = parts.iter().map(|(_, p)| p.size).max().unwrap_or(0);
        let at = cursor.next_multiple_of(align);
        cursor = at + size;
        for (slice, part) in parts {
            let group = groups.iter_mut().find(|(of, _)| *of == slice);
            let part = Part {
                at: Some(at),
                ..part
            };
            group.expect("the part's own group").1.parts.push(part);
        }
    }
}

/// The function at the first byte of each section of code: of several, the one whose address is taken.
fn functions(inputs: Inputs<'_, '_>) -> HashMap<SectionId, EntityId> {
    let taken = |entity: &EntityId| inputs.live.taken.contains_key(entity);
    let mut found = HashMap::default();
    for (id, entity) in inputs.pairing.entities().filter(|(_, e)| e.is_function) {
        for slice in 0..entity.definitions.len() {
            let Some(code) = inputs.pairing.code(id, slice) else {
                continue;
            };
            let symbol = inputs.program.symbol(code);
            if let (SymbolHome::Section(section), 0) = (symbol.home, symbol.value) {
                let known = found.entry(section).or_insert(id);
                if taken(&id) && !taken(known) {
                    *known = id;
                }
            }
        }
    }
    found
}

/// Notes the address of each function whose address is taken, which must be one.
pub(super) fn check(inputs: Inputs<'_, '_>, layout: &mut Layout, problems: &mut Vec<Problem>) {
    let mut aliases = Vec::with_capacity(inputs.functions.arrays.len());
    for (gate, array) in inputs.functions.arrays.iter().enumerate() {
        let gate = GateId::next(gate);
        let addresses: Vec<_> = array
            .elements
            .iter()
            .enumerate()
            .map(|(slice, code)| match code {
                Some(code) => layout.symbol_address(inputs.program, *code),
                None => layout.traps.get(&(SliceId::next(slice), gate)).copied(),
            })
            .map(Option::unwrap_or_default)
            .collect();
        if addresses.iter().any(|address| *address != addresses[0]) {
            problems.push(apart(inputs, array, &addresses));
        }
        aliases.push(addresses[0]);
    }
    layout.aliases = Some(aliases);
}

fn apart(inputs: Inputs<'_, '_>, array: &FunctionArray, addresses: &[u64]) -> Problem {
    let program = inputs.program;
    let sides = array.elements.iter().zip(addresses).enumerate();
    let sides = sides.map(|(slice, (code, address))| SliceView {
        isa: program.slices[slice].isa.name().to_owned(),
        file: code.map_or_else(String::new, |code| program.file_of(code).to_owned()),
        value: format!("at {address:#x}"),
        source: None,
        definition: *code,
    });
    Problem::Mismatch {
        symbol: inputs.pairing.entities[array.function.at()].name.to_owned(),
        what: "address",
        sides: sides.collect(),
        hint: Some("--text=aliased needs one section per function (-ffunction-sections)"),
    }
}
