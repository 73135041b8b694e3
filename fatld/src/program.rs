//! Phase 3: the flat tables of everything that takes part in the link, all slices together.
//!
//! Objects and sections of all slices stand in one vector each and name one another by index; symbols are numbered, and
//! read from their objects whenever somebody asks for one. The tables do not change after this phase: later phases borrow
//! them and return results of their own.

mod symbols;

use object::elf;
use rustc_hash::FxHashMap;

use crate::classify::kind_of;
use crate::elf::ElfObject;
use crate::error::{Error, Place, Problem, check};
use crate::frames;
use crate::hash::HashMap;
use crate::ids::{ObjectId, SectionId, SliceId, SymbolId};
use crate::isa::{Isa, Rule};
use crate::merge::split;
use crate::resolve::{ResolvedObject, ResolvedSlice, SymbolRef};
use symbols::BLOCK;
pub use symbols::{Symbol, SymbolHome};

/// All that takes part.
#[derive(Debug)]
pub struct Program<'d> {
    /// The slices, first element first.
    pub slices: Vec<Slice<'d>>,
    /// All objects.
    pub objects: Vec<Object<'d>>,
    /// All sections, and pieces of mergeable ones.
    pub sections: Vec<Section<'d>>,
    /// Number of symbols. They are read from their objects whenever they are asked for.
    symbol_count: usize,
    /// The object of every symbol whose number divides by [`BLOCK`].
    object_of_block: Vec<ObjectId>,
    /// Sections of common symbols.
    commons: HashMap<SymbolId, SectionId>,
    /// Symbols of the command line that mean what another one means.
    aliases: HashMap<SymbolId, Symbol<'d>>,
}

/// One ISA's part.
#[derive(Debug)]
pub struct Slice<'d> {
    /// Its ISA.
    pub isa: &'static dyn Isa,
    /// Its global names.
    resolved: &'d ResolvedSlice<'d>,
    /// By index of a name: the symbol that defines it.
    definitions: Vec<Option<SymbolId>>,
    /// Visibility of those definitions that not everybody may see.
    pub visibilities: FxHashMap<SymbolId, elf::SymbolVisibility>,
    /// `e_flags` of an output of this slice.
    pub flags: elf::FileFlags,
}

impl Slice<'_> {
    /// The symbol that defines a global name.
    pub fn definition(&self, name: &str) -> Option<SymbolId> {
        self.definitions[self.resolved.index_of(name)?]
    }
}

/// An object that takes part.
#[derive(Debug)]
pub struct Object<'d> {
    /// Slice it belongs to.
    pub slice: SliceId,
    /// Its headers.
    pub elf: &'d ElfObject<'d>,
    /// Its bytes.
    pub data: &'d [u8],
    /// Its sections by header index; `None` for those that carry nothing into the link.
    pub sections: Vec<Option<SectionId>>,
    /// Its first symbol; the others follow in the file's order.
    pub first_symbol: SymbolId,
    /// What its global names are in its slice.
    resolved: &'d ResolvedObject<'d>,
}

impl Object<'_> {
    /// Its symbols with names.
    pub fn named(&self) -> impl Iterator<Item = SymbolId> {
        let named = self.elf.named.iter();
        named.map(|index| SymbolId(self.first_symbol.0 + index))
    }
}

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SectionKind {
    /// Instructions, and whatever else an assembler file puts beside them.
    Text,
    /// Constants.
    ReadOnly,
    /// Initialized variables.
    Data,
    /// Variables that begin as zero.
    Bss,
    /// Initial bytes of thread-local variables.
    Tls,
    /// Thread-local variables that begin as zero.
    TlsBss,
    /// How to unwind the stack (`.eh_frame`).
    Unwind,
    /// ELF notes for the loader.
    Note,
    /// Debug information and the like: not in memory.
    Debug,
}

/// A record of `.eh_frame`, a section of its own here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Common information entry.
    Common,
    /// Frame description entry, and the common entry it belongs to.
    Description(SectionId),
}

/// A section, or a piece of a mergeable one.
#[derive(Debug)]
pub struct Section<'d> {
    /// Slice it belongs to.
    pub slice: SliceId,
    /// Object it comes from.
    pub object: ObjectId,
    /// Its header index there.
    pub index: usize,
    /// Name.
    pub name: &'d str,
    /// Kind.
    pub kind: SectionKind,
    /// Offset in the input section: not zero for pieces only.
    pub start: u64,
    /// Alignment.
    pub align: u64,
    /// Bytes in memory.
    pub size: u64,
    /// Initial bytes; empty for [`SectionKind::Bss`].
    pub data: &'d [u8],
    /// May be written by the program.
    pub writable: bool,
    /// Kept without a reference.
    pub retained: bool,
    /// Relocations by offset.
    pub relocations: Vec<Relocation>,
    /// Pieces that took this section's place, by start.
    pub pieces: Vec<SectionId>,
    /// The section that this one is about (`SHF_LINK_ORDER`): needed and ordered with it.
    pub linked_to: Option<SectionId>,
    /// It is one string of bytes that ends with a zero.
    pub is_string: bool,
    /// For a piece of `.eh_frame`: which record it is.
    pub frame: Option<Frame>,
}

/// A relocation of known type.
#[derive(Clone, Copy, Debug)]
pub struct Relocation {
    /// Offset in the section.
    pub offset: u64,
    /// Its type.
    pub rule: &'static Rule,
    /// What it refers to.
    pub symbol: SymbolId,
    /// Addend.
    pub addend: i64,
}

/// Puts all slices' objects into one set of tables.
pub fn build<'d>(slices: &'d [ResolvedSlice<'d>]) -> Result<Program<'d>, Error> {
    let objects = slices.iter().flat_map(|slice| &slice.objects);
    let headers = objects.clone().map(|object| object.elf.sections.len());
    let mut program = Program {
        slices: Vec::new(),
        objects: Vec::with_capacity(objects.count()),
        sections: Vec::with_capacity(headers.sum()),
        symbol_count: 0,
        object_of_block: Vec::new(),
        commons: HashMap::default(),
        aliases: HashMap::default(),
    };
    let mut problems = Vec::new();
    for (index, resolved) in slices.iter().enumerate() {
        let slice = SliceId::next(index);
        let first_object = program.objects.len();
        for object in 0..resolved.objects.len() {
            problems.extend(program.add_object(slice, resolved, object));
        }
        program.add_commons(slice, resolved, first_object);
        program.define(resolved, first_object);
        let flags = merge_flags(resolved).unwrap_or_else(|problem| {
            problems.push(problem);
            elf::FileFlags(0)
        });
        program.slices[index].flags = flags;
    }
    check(problems).map(|()| program)
}

/// `e_flags` of an output of a slice.
fn merge_flags(resolved: &ResolvedSlice<'_>) -> Result<elf::FileFlags, Problem> {
    let objects = resolved.objects.iter().map(|object| object.elf);
    let objects = objects.filter(|elf| !elf.is_command_line());
    let flags: Vec<_> = objects.clone().map(|o| o.flags).collect();
    resolved
        .isa
        .merge_flags(&flags)
        .map_err(|(expected, found)| {
            let odd = objects.clone().find(|o| o.flags == found);
            Problem::Malformed {
                place: Place {
                    file: odd.map(|o| o.file.clone()).unwrap_or_default(),
                    section: "ELF header".to_owned(),
                    offset: 48,
                },
                expected: format!(
                    "e_flags that go with {expected:#x} of the other objects, found {found:#x}"
                ),
            }
        })
}

impl<'d> Program<'d> {
    fn add_object(
        &mut self,
        slice: SliceId,
        resolved: &'d ResolvedSlice<'d>,
        object: usize,
    ) -> Vec<Problem> {
        let id = ObjectId::next(self.objects.len());
        let (isa, own) = (resolved.isa, &resolved.objects[object]);
        let elf = own.elf;
        let first_symbol = SymbolId::next(self.symbol_count);
        let mut sections = vec![None; elf.sections.len()];
        let mut problems = Vec::new();
        for (index, input) in elf
            .sections
            .iter()
            .enumerate()
            .filter(|(i, _)| !own.is_discarded(*i))
        {
            match kind_of(&elf.file, input) {
                Ok(Some(kind)) => {
                    let added = SectionId::next(self.sections.len());
                    match self.add_section((slice, id, index), isa, elf, kind, first_symbol) {
                        Ok(()) => sections[index] = Some(added),
                        // It may not be there: nothing may mean it.
                        Err(problem) => problems.push(problem),
                    }
                }
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        for (index, input) in elf.sections.iter().enumerate() {
            let linked_to = input.linked_to.and_then(|to| sections[to]);
            if let Some(own) = sections[index] {
                self.sections[own.at()].linked_to = linked_to;
            }
        }
        self.symbol_count += elf.symbol_count();
        let blocks = self.symbol_count.div_ceil(BLOCK);
        self.object_of_block.resize(blocks, id);
        self.objects.push(Object {
            slice,
            elf,
            data: elf.data,
            sections,
            first_symbol,
            resolved: own,
        });
        problems
    }

    /// Makes a zeroed section of the largest common symbol of each name.
    fn add_commons(&mut self, slice: SliceId, resolved: &ResolvedSlice<'_>, first_object: usize) {
        let mut all: Vec<_> = resolved.common_alignments.iter().collect();
        all.sort();
        for (by, align) in all {
            let object = ObjectId::next(first_object + by.object);
            let section = SectionId::next(self.sections.len());
            self.sections.push(Section {
                kind: SectionKind::Bss,
                writable: true,
                align: *align,
                size: resolved.objects[by.object].elf.symbol(by.symbol).size,
                ..Section::empty(slice, object, 0, "COMMON")
            });
            let first_symbol = self.objects[object.at()].first_symbol;
            let symbol = SymbolId(first_symbol.0 + by.symbol as u32);
            self.commons.insert(symbol, section);
        }
    }

    /// Says of every symbol of a slice what defines it.
    fn define(&mut self, resolved: &'d ResolvedSlice<'d>, first_object: usize) {
        let id_of = |by: SymbolRef, objects: &[Object<'_>]| {
            SymbolId(objects[first_object + by.object].first_symbol.0 + by.symbol as u32)
        };
        let objects = &self.objects;
        let definitions: Vec<Option<SymbolId>> = resolved
            .definitions()
            .map(|definition| definition.map(|d| id_of(d.by, objects)))
            .collect();
        let seen = resolved.definitions().flatten();
        let restricted = seen.filter(|definition| definition.visibility != elf::STV_DEFAULT);
        let visibilities = restricted.map(|d| (id_of(d.by, objects), d.visibility));
        self.slices.push(Slice {
            isa: resolved.isa,
            resolved,
            definitions,
            visibilities: visibilities.collect(),
            flags: elf::FileFlags(0),
        });
        for (alias, target) in &resolved.aliases {
            let (alias, target) = (id_of(*alias, &self.objects), id_of(*target, &self.objects));
            let (own, meant) = (self.symbol(alias), self.symbol(target));
            let (input, object) = (own.input, own.object);
            self.aliases.insert(
                alias,
                Symbol {
                    input,
                    object,
                    ..meant
                },
            );
        }
    }

    fn add_section(
        &mut self,
        (slice, object, index): (SliceId, ObjectId, usize),
        isa: &'static dyn Isa,
        elf: &'d ElfObject<'d>,
        kind: SectionKind,
        first_symbol: SymbolId,
    ) -> Result<(), Problem> {
        let input = &elf.sections[index];
        let relocations = match kind {
            // Views read these on their own: most links have no use for them.
            SectionKind::Debug => Vec::new(),
            _ => relocations(isa, elf, index, first_symbol)?.collect::<Result<_, _>>()?,
        };
        let mergeable = input.flags.contains(elf::SHF_MERGE) && kind == SectionKind::ReadOnly;
        let whole = SectionId::next(self.sections.len());
        self.sections.push(Section {
            kind,
            align: input.align,
            size: input.size,
            data: input.data,
            writable: kind == SectionKind::Data
                || input.flags.contains(elf::SHF_WRITE) && kind != SectionKind::ReadOnly,
            retained: kind == SectionKind::Note || input.flags.contains(elf::SHF_GNU_RETAIN),
            relocations,
            ..Section::empty(slice, object, index, input.name)
        });
        if kind == SectionKind::Unwind {
            return self.add_frames(whole, elf);
        }
        if mergeable && self.sections[whole.at()].relocations.is_empty() && input.entry_size > 0 {
            let pieces = split(&elf.file, input)?;
            for (start, data) in pieces {
                let id = SectionId::next(self.sections.len());
                self.sections.push(Section {
                    kind,
                    start,
                    align: input.align,
                    size: data.len() as u64,
                    data,
                    is_string: input.flags.contains(elf::SHF_STRINGS) && input.entry_size == 1,
                    ..Section::empty(slice, object, index, input.name)
                });
                self.sections[whole.at()].pieces.push(id);
            }
        }
        Ok(())
    }

    /// Makes a section of every record of `.eh_frame`, with the relocations that lie in it.
    fn add_frames(&mut self, whole: SectionId, elf: &ElfObject<'_>) -> Result<(), Problem> {
        let section = &self.sections[whole.at()];
        let (slice, object, index, name) =
            (section.slice, section.object, section.index, section.name);
        let data = section.data;
        let relocations = std::mem::take(&mut self.sections[whole.at()].relocations);
        for record in frames::records(&elf.file, name, data)? {
            let range = record.start..record.start + record.size;
            let first = relocations.partition_point(|r| r.offset < range.start);
            let own = relocations[first..]
                .iter()
                .take_while(|r| range.contains(&r.offset));
            let own = own.map(|r| Relocation {
                offset: r.offset - record.start,
                ..*r
            });
            let common = record
                .common
                .map(|start| self.locate(whole, start as i64).0);
            let id = SectionId::next(self.sections.len());
            self.sections.push(Section {
                kind: SectionKind::Unwind,
                start: record.start,
                size: record.size,
                data: &data[range.start as usize..range.end as usize],
                relocations: own.collect(),
                frame: Some(common.map_or(Frame::Common, Frame::Description)),
                ..Section::empty(slice, object, index, name)
            });
            self.sections[whole.at()].pieces.push(id);
        }
        Ok(())
    }

    /// The section, or piece of it, at `offset`, and the offset in that.
    pub fn locate(&self, section: SectionId, offset: i64) -> (SectionId, i64) {
        let pieces = &self.sections[section.at()].pieces;
        let Some(last) = pieces
            .partition_point(|p| self.sections[p.at()].start as i64 <= offset)
            .checked_sub(1)
        else {
            return (section, offset);
        };
        (
            pieces[last],
            offset - self.sections[pieces[last].at()].start as i64,
        )
    }

    /// Where a byte of a section stands in the inputs.
    pub fn place(&self, section: SectionId, offset: u64) -> Place {
        let section = &self.sections[section.at()];
        Place {
            file: self.objects[section.object.at()].elf.file.clone(),
            section: crate::elf::shown(section.name).to_owned(),
            offset: section.start + offset,
        }
    }

    /// ISA of a slice.
    pub fn isa(&self, slice: SliceId) -> &'static dyn Isa {
        self.slices[slice.at()].isa
    }

    /// All sections with their ids.
    pub fn sections(&self) -> impl Iterator<Item = (SectionId, &Section<'d>)> {
        self.sections
            .iter()
            .enumerate()
            .map(|(i, s)| (SectionId::next(i), s))
    }
}

impl<'d> Section<'d> {
    fn empty(slice: SliceId, object: ObjectId, index: usize, name: &'d str) -> Self {
        Self {
            slice,
            object,
            index,
            name,
            kind: SectionKind::ReadOnly,
            start: 0,
            align: 1,
            size: 0,
            data: &[],
            writable: false,
            retained: false,
            relocations: Vec::new(),
            pieces: Vec::new(),
            linked_to: None,
            is_string: false,
            frame: None,
        }
    }
}

/// The relocations of a section, with their rules.
pub fn relocations<'e>(
    isa: &'static dyn Isa,
    elf: &'e ElfObject<'_>,
    index: usize,
    first_symbol: SymbolId,
) -> Result<impl Iterator<Item = Result<Relocation, Problem>> + use<'e>, Problem> {
    let section = &elf.sections[index];
    let place = move |offset| Place {
        file: elf.file.clone(),
        section: crate::elf::shown(section.name).to_owned(),
        offset,
    };
    // Most relocations are of one type, or of two in turn.
    let mut recent: [Option<&'static Rule>; 2] = [None; 2];
    let mut rule_of = move |kind: elf::RelocationType| {
        let known = recent.iter().flatten().find(|rule| rule.raw == kind.0);
        known.copied().or_else(|| {
            recent = [isa.rule(kind), recent[0]];
            recent[0]
        })
    };
    Ok(elf.relocations(index)?.map(move |r| {
        let rule = rule_of(r.kind).ok_or_else(|| Problem::Unsupported {
            place: place(r.offset),
            what: format!("relocation type {} of {}", r.kind, isa.name()),
        })?;
        let end = r.offset.checked_add(rule.field.bytes as u64);
        let rest = || section.data.get(r.offset as usize..);
        let is_open = || rule.field.open && rest().and_then(|rest| rule.field.at(rest)).is_none();
        if end.is_none_or(|end| end > section.size) || is_open() {
            return Err(Problem::Malformed {
                place: place(r.offset),
                expected: format!(
                    "a field of {} bytes for {} within the section",
                    rule.field.bytes, rule.name
                ),
            });
        }
        let symbol = SymbolId(first_symbol.0 + r.symbol as u32);
        Ok(Relocation {
            offset: r.offset,
            rule,
            symbol,
            addend: r.addend,
        })
    }))
}
