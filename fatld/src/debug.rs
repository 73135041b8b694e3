//! Debug information of one slice, for its view.
//!
//! Sections of one name are put one behind the other; sections of strings are merged string by string. References to
//! code and data that the image does not have get the value that readers of DWARF skip: 1 in `.debug_loc` and
//! `.debug_ranges`, where 0 ends a list, and 0 elsewhere.

use std::collections::HashMap;

use indexmap::IndexMap;
use object::elf;

use crate::error::{Place, Problem};
use crate::gc::Live;
use crate::ids::{SectionId, SliceId, SymbolId};
use crate::layout::Layout;
use crate::program::{Program, Relocation, SectionKind, SymbolHome, relocations, split};
use crate::relocate::store_unchecked;

/// A debug section: name, bytes, and whether it is made of strings.
pub type DebugSection = (String, Vec<u8>, bool);

/// Collects and relocates the debug information of a slice.
pub fn collect(
    program: &Program<'_>,
    live: &Live,
    layout: &Layout,
    slice: SliceId,
) -> Result<Vec<DebugSection>, Vec<Problem>> {
    let mut collector = Collector {
        program,
        live,
        layout,
        outputs: IndexMap::new(),
        bases: HashMap::new(),
        strings: HashMap::new(),
    };
    let mut problems = Vec::new();
    let sections: Vec<_> = collector.sections(slice).collect();
    for id in &sections {
        problems.extend(collector.add(*id).err());
    }
    for id in &sections {
        problems.extend(collector.relocate(*id).err());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let outputs = collector.outputs.into_iter();
    Ok(outputs
        .map(|(name, output)| (name.to_owned(), output.bytes, output.seen.is_some()))
        .collect())
}

#[derive(Default)]
struct Output<'d> {
    bytes: Vec<u8>,
    /// Offsets of the strings, for a section of strings.
    seen: Option<HashMap<&'d [u8], u64>>,
}

struct Collector<'a, 'd> {
    program: &'a Program<'d>,
    live: &'a Live,
    layout: &'a Layout,
    outputs: IndexMap<&'d str, Output<'d>>,
    /// Offset of each contribution in its output.
    bases: HashMap<SectionId, u64>,
    /// Of contributions of strings: where each string began and where it is now.
    strings: HashMap<SectionId, Vec<(u64, u64)>>,
}

impl<'a, 'd> Collector<'a, 'd> {
    /// Debug sections of objects that are in the image with something.
    fn sections(&self, slice: SliceId) -> impl Iterator<Item = SectionId> + use<'a, 'd> {
        let (program, live) = (self.program, self.live);
        let objects = program.objects.iter().filter(move |o| o.slice == slice);
        let used =
            objects.filter(move |o| o.sections.iter().flatten().any(|s| live.sections[s.at()]));
        let sections = used.flat_map(|o| o.sections.iter().flatten().copied());
        sections.filter(move |id| {
            let section = &program.sections[id.at()];
            section.kind == SectionKind::Debug && section.name.starts_with(".debug")
        })
    }

    fn add(&mut self, id: SectionId) -> Result<(), Problem> {
        let section = &self.program.sections[id.at()];
        let elf = self.program.objects[section.object.at()].elf;
        let input = &elf.sections[section.index];
        if input.flags.contains(elf::SHF_COMPRESSED) {
            let place = Place {
                file: elf.file.clone(),
                section: section.name.to_owned(),
                offset: 0,
            };
            return Err(Problem::Unsupported {
                place,
                what: "compressed debug information in a view".to_owned(),
            });
        }
        let output = self.outputs.entry(section.name).or_default();
        if input.flags.contains(elf::SHF_STRINGS) && input.entry_size == 1 {
            let seen = output.seen.get_or_insert_default();
            let moved = split(&elf.file, input)?.into_iter().map(|(start, string)| {
                let offset = *seen.entry(string).or_insert_with(|| {
                    let offset = output.bytes.len() as u64;
                    output.bytes.extend_from_slice(string);
                    offset
                });
                (start, offset)
            });
            self.strings.insert(id, moved.collect());
        } else {
            let align = section.align as usize;
            output
                .bytes
                .resize(output.bytes.len().next_multiple_of(align), 0);
            self.bases.insert(id, output.bytes.len() as u64);
            output.bytes.extend_from_slice(section.data);
        }
        Ok(())
    }

    fn relocate(&mut self, id: SectionId) -> Result<(), Problem> {
        let section = &self.program.sections[id.at()];
        let Some(base) = self.bases.get(&id).copied() else {
            return Ok(());
        };
        let object = &self.program.objects[section.object.at()];
        let isa = self.program.isa(section.slice);
        let tombstone = u64::from(matches!(section.name, ".debug_loc" | ".debug_ranges"));
        for relocation in relocations(isa, object.elf, section.index, object.first_symbol)? {
            if relocation.rule.expression.is_mark() {
                continue;
            }
            let value = self.value(&relocation).unwrap_or(tombstone);
            let at = (base + relocation.offset) as usize;
            let bytes = &mut self.outputs[section.name].bytes;
            store_unchecked(
                relocation.rule,
                &mut bytes[at..at + relocation.rule.field.bytes],
                value,
            );
        }
        Ok(())
    }

    /// `S + A`, or nothing if that is not in the image.
    fn value(&self, relocation: &Relocation) -> Option<u64> {
        let id: SymbolId = self.program.definition(relocation.symbol)?;
        let symbol = &self.program.symbols[id.at()];
        let SymbolHome::Section(section) = symbol.home else {
            return (symbol.home == SymbolHome::Absolute)
                .then(|| symbol.value.wrapping_add_signed(relocation.addend));
        };
        if self.program.sections[section.at()].kind != SectionKind::Debug {
            return self
                .layout
                .symbol_address(self.program, id)
                .map(|a| a.wrapping_add_signed(relocation.addend));
        }
        let offset = symbol.value.wrapping_add_signed(relocation.addend);
        match self.strings.get(&section) {
            Some(strings) => {
                let (start, moved) = strings.get(
                    strings
                        .partition_point(|(start, _)| *start <= offset)
                        .checked_sub(1)?,
                )?;
                Some(moved + (offset - start))
            }
            None => self
                .bases
                .get(&section)
                .map(|base| base.wrapping_add(offset)),
        }
    }
}
