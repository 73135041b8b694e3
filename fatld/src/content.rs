//! Phase 11: the bytes of every output section.
//!
//! A section's bytes are made by one function from what the former phases decided; sections do not depend on one
//! another, so they are made in parallel and stay the same at any number of threads.

use fat_image::{
    GATE_SIZE, Header, Isa as IsaRecord, MAGIC, NOTE_NAME, NOTE_TYPE, Symbol as SymbolRecord,
    VERSION,
};
use rayon::prelude::*;
use zerocopy::IntoBytes;

use crate::clusters::Clusters;
use crate::error::{Error, Place, Problem, check};
use crate::ids::{ClusterId, GateId, SectionId, SliceId, ThunkId};
use crate::layout::{Item, OutputSection};
use crate::relocate::Values;
use crate::share::Sharing;

/// What the bytes are made from.
#[derive(Clone, Copy)]
pub struct Sources<'a, 'd> {
    /// Values of references.
    pub values: Values<'a, 'd>,
    /// Clusters.
    pub clusters: &'a Clusters,
    /// Classes.
    pub sharing: &'a Sharing,
}

/// Makes the bytes of all sections, in the order of the layout. `.bss` has none.
pub fn make(sources: Sources<'_, '_>) -> Result<Vec<Vec<u8>>, Error> {
    let sections = &sources.values.layout.sections;
    let made: Vec<_> = sections
        .par_iter()
        .map(|section| sources.section(section))
        .collect();
    let (mut contents, mut problems) = (Vec::with_capacity(made.len()), Vec::new());
    for (bytes, wrong) in made {
        contents.push(bytes);
        problems.extend(wrong);
    }
    check(problems).map(|()| contents)
}

impl Sources<'_, '_> {
    fn section(&self, section: &OutputSection) -> (Vec<u8>, Vec<Problem>) {
        if section.is_bss {
            return (Vec::new(), Vec::new());
        }
        let mut bytes = vec![0; section.size as usize];
        if let Some(slice) = section
            .slice
            .filter(|_| section.flags & fat_image::Region::EXECUTE != 0)
        {
            let padding = self.values.program.isa(slice).padding();
            bytes
                .iter_mut()
                .zip(padding.iter().cycle())
                .for_each(|(byte, pad)| *byte = *pad);
        }
        let mut problems = Vec::new();
        for (item, offset) in &section.items {
            let out = &mut bytes[*offset as usize..];
            match *item {
                Item::Section(id) => problems.extend(self.input(id, out)),
                Item::Class(id) => {
                    problems.extend(self.input(self.sharing.classes[id.at()].members[0], out))
                }
                Item::Cluster(id) => problems.extend(self.cluster(id, out)),
                Item::ImageNote => self.note(out),
                Item::FunctionArrays => self.arrays(out),
                Item::Gates(slice) => problems.extend(self.gates(slice, out)),
                Item::Got(slice) => {
                    self.got(slice, out);
                }
                Item::Thunk(thunk) => problems.extend(self.thunk(thunk, out)),
                Item::Symbols(slice) => self.symbols(slice, out),
                Item::Names(slice) => self.names(slice, out),
                Item::Trap(slice, _) => {
                    let trap = self.values.program.isa(slice).trap();
                    out[..trap.len()].copy_from_slice(trap);
                }
            }
        }
        (bytes, problems)
    }

    fn input(&self, id: SectionId, out: &mut [u8]) -> Vec<Problem> {
        let section = &self.values.program.sections[id.at()];
        let size = self.values.layout.shapes.size(self.values.program, id);
        let out = &mut out[..size as usize];
        if section.data.is_empty() {
            out.fill(0);
            return Vec::new();
        }
        self.values.relocate(id, out)
    }

    fn got(&self, slice: SliceId, out: &mut [u8]) {
        for ((kind, reference), offset) in &self.values.layout.gots[slice.at()].slots {
            let words = self.values.slot_words(slice, *kind, *reference);
            let slot = &mut out[*offset as usize..][..kind.size() as usize];
            for (to, word) in slot.chunks_exact_mut(8).zip(words) {
                to.copy_from_slice(&word.to_le_bytes());
            }
        }
    }

    fn thunk(&self, thunk: ThunkId, out: &mut [u8]) -> Option<Problem> {
        let (section, at) = self.values.layout.shapes.thunk(thunk).branch;
        let program = self.values.program;
        let size = program
            .isa(program.sections[section.at()].slice)
            .thunk()?
            .size;
        let written = self.values.write_thunk(thunk, &mut out[..size as usize]);
        let relocation = &program.sections[section.at()].relocations[at];
        written.is_none().then(|| Problem::Unsupported {
            place: program.place(section, relocation.offset),
            what: "a branch to a target that no thunk reaches".to_owned(),
        })
    }

    /// Where slices overlap they were proved equal: the first one that has a byte gives it.
    fn cluster(&self, id: ClusterId, out: &mut [u8]) -> Vec<Problem> {
        let members = &self.clusters.clusters[id.at()].members;
        let program = self.values.program;
        let mut problems = Vec::new();
        let mut ordered: Vec<_> = members.iter().collect();
        // Later writes win: the first slice's come last.
        ordered.sort_by_key(|(section, _)| std::cmp::Reverse(program.sections[section.at()].slice));
        for (section, start) in ordered {
            problems.extend(self.input(*section, &mut out[*start as usize..]));
        }
        problems
    }

    fn note(&self, out: &mut [u8]) {
        let (program, layout) = (self.values.program, self.values.layout);
        let descriptor = out.len() as u32 - fat_image::NOTE_HEADER as u32;
        let mut bytes = Vec::with_capacity(out.len());
        for word in [NOTE_NAME.len() as u32, descriptor, NOTE_TYPE] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(NOTE_NAME);
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            isa_count: program.slices.len() as u32,
            region_count: layout.regions.len() as u32,
            gate_size: GATE_SIZE as u32,
            gates: layout.gates,
            functions: layout.functions,
            function_count: self.values.functions.arrays.len() as u64,
            image_start: layout.image.0,
            image_end: layout.image.1,
        };
        bytes.extend_from_slice(header.as_bytes());
        for (at, slice) in program.slices.iter().enumerate() {
            let mut name = [0; 16];
            name.iter_mut()
                .zip(slice.isa.name().bytes())
                .for_each(|(to, from)| *to = from);
            let symbols = &layout.symbols[at];
            let gates = layout.sections.iter().find(|s| {
                s.items
                    .iter()
                    .any(|i| i.0 == Item::Gates(SliceId::next(at)))
            });
            let record = IsaRecord {
                name,
                machine: u32::from(slice.isa.machine().0),
                reserved: 0,
                entry: layout
                    .symbol_address(program, self.values.live.entries[at])
                    .unwrap_or_default(),
                gates_phys: gates.map_or(0, |s| s.phys),
                symbols: symbols.table,
                symbol_count: symbols.functions.len() as u64,
                names: symbols.names,
                names_size: symbols.names_size,
            };
            bytes.extend_from_slice(record.as_bytes());
        }
        layout
            .regions
            .iter()
            .for_each(|region| bytes.extend_from_slice(region.as_bytes()));
        out[..bytes.len()].copy_from_slice(&bytes);
    }

    fn arrays(&self, out: &mut [u8]) {
        let (program, layout) = (self.values.program, self.values.layout);
        let arrays = self.values.functions.arrays.iter().enumerate();
        let elements = arrays.flat_map(|(gate, array)| {
            array
                .elements
                .iter()
                .enumerate()
                .map(move |(slice, code)| match code {
                    Some(code) => layout.symbol_address(program, *code).unwrap_or_default(),
                    None => layout.traps[&(SliceId::next(slice), GateId::next(gate))],
                })
        });
        for (slot, element) in out.chunks_exact_mut(8).zip(elements) {
            slot.copy_from_slice(&element.to_le_bytes());
        }
    }

    fn gates(&self, slice: SliceId, out: &mut [u8]) -> Option<Problem> {
        let (program, layout) = (self.values.program, self.values.layout);
        let isa = program.isa(slice);
        for (at, gate) in out
            .chunks_exact_mut(GATE_SIZE as usize)
            .enumerate()
            .take(self.values.functions.arrays.len())
        {
            let address = layout.gate(GateId::next(at));
            let element = layout.functions + ((at * program.slices.len() + slice.at()) * 8) as u64;
            match isa.gate(address, element) {
                Some(code) => gate.copy_from_slice(&code),
                None => {
                    let section = format!(".gates.{}", isa.name());
                    let place = Place {
                        file: "image".to_owned(),
                        section,
                        offset: (at as u64) * GATE_SIZE,
                    };
                    return Some(Problem::Unsupported {
                        place,
                        what: "gates out of reach of .fat.functions".to_owned(),
                    });
                }
            }
        }
        None
    }

    /// Functions in the order of their addresses, each with the offset of its name among the names.
    fn sorted_functions(&self, slice: SliceId) -> Vec<SymbolRecord> {
        let (program, layout) = (self.values.program, self.values.layout);
        let mut offset = 0;
        let functions = layout.symbols[slice.at()].functions.iter().map(|id| {
            let symbol = &program.symbols[id.at()];
            let name = offset;
            offset += symbol.name.len() as u32 + 1;
            let address = layout.symbol_address(program, *id).unwrap_or_default();
            SymbolRecord {
                address,
                size: u32::try_from(layout.symbol_size(program, *id)).unwrap_or(u32::MAX),
                name,
            }
        });
        let mut functions: Vec<_> = functions.collect();
        functions.sort_by_key(|f| (f.address, f.name));
        functions
    }

    fn symbols(&self, slice: SliceId, out: &mut [u8]) {
        let records = self.sorted_functions(slice);
        for (slot, record) in out
            .chunks_exact_mut(size_of::<SymbolRecord>())
            .zip(&records)
        {
            slot.copy_from_slice(record.as_bytes());
        }
    }

    fn names(&self, slice: SliceId, out: &mut [u8]) {
        let mut at = 0;
        for id in &self.values.layout.symbols[slice.at()].functions {
            let name = self.values.program.symbols[id.at()].name.as_bytes();
            out[at..at + name.len()].copy_from_slice(name);
            out[at + name.len()] = 0;
            at += name.len() + 1;
        }
    }
}
