//! Phase 11: the bytes of every section in memory.
//!
//! An item's bytes are made by one function from what the former phases decided, straight where they belong. Items do
//! not depend on one another: they can be made by any number of threads.

use std::ops::Range;

use fat_image::{
    GATE_SIZE, Header, Isa as IsaRecord, MAGIC, NOTE_NAME, NOTE_TYPE, Symbol as SymbolRecord,
    VERSION,
};
use zerocopy::IntoBytes;

use crate::clusters::Clusters;
use crate::collect::Collections;
use crate::error::{Place, Problem};
use crate::frames;
use crate::ids::{ClusterId, GateId, SectionId, SliceId, ThunkId};
use crate::layout::{Item, OutputSection};
use crate::program::Frame;
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
    /// Collected arrays.
    pub collections: &'a Collections<'d>,
}

impl Sources<'_, '_> {
    /// Makes the bytes of consecutive items of a section, and of the padding between them. `out` begins and ends as
    /// [`OutputSection::start_of`] says.
    pub fn fill(
        &self,
        section: &OutputSection,
        items: Range<usize>,
        out: &mut [u8],
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (mut rest, mut offset) = (out, section.start_of(items.start));
        for at in items {
            let (item, own) = section.items[at];
            let end = section.start_of(at + 1);
            let (place, behind) = rest.split_at_mut((end - offset) as usize);
            let (before, place) = place.split_at_mut((own - offset) as usize);
            self.pad(section, offset, before);
            let made = self.item(item, section.address + own, place, &mut problems);
            self.pad(section, own + made as u64, &mut place[made..]);
            (rest, offset) = (behind, end);
        }
        problems
    }

    /// Between functions stand instructions, elsewhere zeros.
    fn pad(&self, section: &OutputSection, offset: u64, padding: &mut [u8]) {
        let code = section
            .slice
            .filter(|_| section.flags & fat_image::Region::EXECUTE != 0);
        let Some(slice) = code else {
            return padding.fill(0);
        };
        let pattern = self.values.program.isa(slice).padding();
        let shift = offset as usize % pattern.len();
        let pattern = pattern.iter().cycle().skip(shift);
        for (byte, pad) in padding.iter_mut().zip(pattern) {
            *byte = *pad;
        }
    }

    /// Makes an item, which has this address, at the start of `out`. Returns how many bytes it has.
    fn item(&self, item: Item, address: u64, out: &mut [u8], problems: &mut Vec<Problem>) -> usize {
        match item {
            Item::Section(id) => self.input(id, out, problems),
            Item::Class(id) => {
                let first = self.sharing.classes[id.at()].members[0];
                self.input(first, out, problems)
            }
            Item::Cluster(id) => self.cluster(id, out, problems),
            Item::ImageNote => self.note(out),
            Item::FunctionArrays => self.arrays(out),
            Item::Gates(slice) => {
                problems.extend(self.gates(slice, out));
                out.len()
            }
            Item::Got(slice) => self.got(slice, out),
            Item::Thunk(thunk) => self.thunk(thunk, out, problems),
            Item::FrameHeader(slice) => {
                let written = frames::write_header(self.values, slice, address, out);
                problems.extend(written.err().map(|(record, what)| Problem::Unsupported {
                    place: self.values.program.place(record, frames::PC_BEGIN),
                    what: what.to_owned(),
                }));
                out.len()
            }
            Item::FrameEnd => {
                out[..frames::END].fill(0);
                frames::END
            }
            Item::Symbols(slice) => self.symbols(slice, out),
            Item::Names(slice) => self.names(slice, out),
            Item::Trap(slice, _) => {
                let trap = self.values.program.isa(slice).trap();
                out[..trap.len()].copy_from_slice(trap);
                trap.len()
            }
        }
    }

    fn got(&self, slice: SliceId, out: &mut [u8]) -> usize {
        let got = &self.values.layout.gots[slice.at()];
        for ((kind, reference), offset) in &got.slots {
            let words = self.values.slot_words(slice, *kind, *reference);
            let slot = &mut out[*offset as usize..][..kind.size() as usize];
            for (to, word) in slot.chunks_exact_mut(8).zip(words) {
                to.copy_from_slice(&word.to_le_bytes());
            }
        }
        got.size as usize
    }

    fn thunk(&self, thunk: ThunkId, out: &mut [u8], problems: &mut Vec<Problem>) -> usize {
        let (section, at) = self.values.layout.shapes.thunk(thunk).branch;
        let program = self.values.program;
        let isa = program.isa(program.sections[section.at()].slice);
        let size = isa.thunk().map_or(0, |thunk| thunk.size as usize);
        if self.values.write_thunk(thunk, &mut out[..size]).is_none() {
            let relocation = &program.sections[section.at()].relocations[at];
            problems.push(Problem::Unsupported {
                place: program.place(section, relocation.offset),
                what: "a branch to a target that no thunk reaches".to_owned(),
            });
        }
        size
    }

    fn input(&self, id: SectionId, out: &mut [u8], problems: &mut Vec<Problem>) -> usize {
        let Values {
            program, layout, ..
        } = self.values;
        let out = &mut out[..layout.section_size(program, id) as usize];
        if program.sections[id.at()].data.is_empty() {
            out.fill(0);
        } else {
            problems.extend(self.values.relocate(id, out));
        }
        if let Some(Frame::Description(common)) = program.sections[id.at()].frame {
            problems.extend(frames::point(self.values, common, id, out));
        }
        out.len()
    }

    /// Where slices overlap they were proved equal: the first one that has a byte gives it.
    fn cluster(&self, id: ClusterId, out: &mut [u8], problems: &mut Vec<Problem>) -> usize {
        let members = &self.clusters.clusters[id.at()].members;
        let program = self.values.program;
        let end = |(section, start): &(SectionId, u64)| {
            *start as usize + program.sections[section.at()].size as usize
        };
        let size = members.iter().map(end).max().unwrap_or(0);
        let mut ordered: Vec<_> = members.iter().collect();
        ordered.sort_by_key(|(section, _)| program.sections[section.at()].slice);
        // With one datum per section, the first slice's is all there is to it.
        match ordered[0] {
            first if first.1 == 0 && end(first) == size => ordered.truncate(1),
            _ => out[..size].fill(0),
        }
        // Later writes win: the first slice's come last.
        for (section, start) in ordered.into_iter().rev() {
            self.input(*section, &mut out[*start as usize..], problems);
        }
        size
    }

    fn note(&self, out: &mut [u8]) -> usize {
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
                flags: slice.flags.0,
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
        bytes.len()
    }

    fn arrays(&self, out: &mut [u8]) -> usize {
        let isas = self.values.program.slices.len();
        for (at, slot) in out.chunks_exact_mut(8).enumerate() {
            let (gate, slice) = (GateId::next(at / isas), SliceId::next(at % isas));
            slot.copy_from_slice(&self.values.element(gate, slice).to_le_bytes());
        }
        out.len()
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
                    let code = self.values.functions.arrays[at].elements.iter().flatten();
                    let symbol = code.copied().next()?;
                    let place = Place {
                        file: program.file_of(symbol).to_owned(),
                        section: format!(".gates.{}", isa.name()),
                        offset: (at as u64) * GATE_SIZE,
                    };
                    let name = program.symbol(symbol).name();
                    let what = format!("a gate of {name} out of reach of .fat.functions");
                    return Some(Problem::Unsupported { place, what });
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
            let symbol = program.symbol(*id);
            let name = offset;
            offset += symbol.name().len() as u32 + 1;
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

    fn symbols(&self, slice: SliceId, out: &mut [u8]) -> usize {
        let records = self.sorted_functions(slice);
        for (slot, record) in out
            .chunks_exact_mut(size_of::<SymbolRecord>())
            .zip(&records)
        {
            slot.copy_from_slice(record.as_bytes());
        }
        records.len() * size_of::<SymbolRecord>()
    }

    fn names(&self, slice: SliceId, out: &mut [u8]) -> usize {
        let mut at = 0;
        for id in &self.values.layout.symbols[slice.at()].functions {
            let name = self.values.program.symbol(*id).name().as_bytes();
            out[at..at + name.len()].copy_from_slice(name);
            out[at + name.len()] = 0;
            at += name.len() + 1;
        }
        at
    }
}
