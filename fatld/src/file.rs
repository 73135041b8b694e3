//! The plan of an ELF file: which headers it has, and what makes each of its bytes.
//!
//! Image and views have the same bytes at the same addresses. The image's `e_machine` is the first ISA's. A view has one
//! ISA's symbols and debug information; the other ISAs' gates are left out (their address is taken by the own ones) and
//! their text is not executable. A plan gives every byte of its file to exactly one [`Work`].

use std::ops::Range;

use fat_image::{PAGE_SIZE, Region};
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};
use object::{U16, U32, U64, pod};

use crate::debug::DebugSection;
use crate::layout::OutputSection;
use crate::symtab::{ENTRY, Extent};

/// What the head of a file says.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// `e_machine`
    pub machine: elf::Machine,
    /// `e_flags`
    pub flags: elf::FileFlags,
    /// `e_entry`
    pub entry: u64,
}

/// What a file is made of.
pub struct Parts<'a, 'd> {
    /// What its head says.
    pub identity: Identity,
    /// The sections of the layout.
    pub layout: &'a [OutputSection],
    /// Index there of the table of the frame descriptions that a runtime of this file looks for.
    pub frame_header: Option<usize>,
    /// Those in memory that the file has.
    pub loaded: &'a [Loaded],
    /// Debug sections.
    pub debug: &'a [DebugSection<'d>],
    /// `.comment`
    pub comment: &'a [u8],
    /// Symbols, unless they are left out.
    pub symbols: Option<Extent>,
}

/// A section in memory.
#[derive(Debug)]
pub struct Loaded {
    /// Its index in the layout.
    pub index: usize,
    /// Name in this file.
    pub name: String,
    /// [`Region`] flags in this file.
    pub flags: u32,
}

/// What makes a range of bytes.
#[derive(Debug)]
pub enum Work {
    /// They are made already.
    Bytes(Vec<u8>),
    /// Items of a section of the layout.
    Items(usize, Range<usize>),
    /// Part of a debug section.
    Debug(usize, usize),
    /// Chunk of the symbol table.
    Symbols(usize),
    /// Chunk of the symbols' names.
    Names(usize),
}

/// The plan of a file.
#[derive(Debug)]
pub struct Plan {
    /// Bytes.
    pub size: u64,
    /// What makes them, with offsets, in the order of the file. What lies between is zero.
    pub works: Vec<(Range<u64>, Work)>,
    /// Where each section of the layout is, if it has bytes in the file.
    pub places: Vec<Option<u64>>,
    /// Header index of each section of the layout, for symbols.
    pub headers: Vec<u16>,
    /// The longest name table is beyond what a symbol can name.
    pub names_overflow: bool,
}

impl Plan {
    /// Hands out the bytes of each piece of work, and makes what lies between zero.
    pub fn cut<'f, 'w>(
        &'w self,
        bytes: &'f mut [u8],
        mut hand_out: impl FnMut(&'f mut [u8], &'w Work),
    ) {
        let (mut rest, mut at) = (bytes, 0);
        for (range, work) in &self.works {
            let (gap, behind) = rest.split_at_mut((range.start - at) as usize);
            gap.fill(0);
            let (out, behind) = behind.split_at_mut((range.end - range.start) as usize);
            hand_out(out, work);
            (rest, at) = (behind, range.end);
        }
        rest.fill(0);
    }
}

/// Bytes of items that are worth a piece of work of their own.
const ITEMS: u64 = 64 << 10;

/// Plans a file.
pub fn plan(parts: &Parts<'_, '_>) -> Plan {
    let layout = parts.layout;
    let segments = segments(layout, parts.loaded, parts.frame_header);
    let header_size = size_of::<FileHeader64<LE>>() + segments_size(&segments);
    let mut planner = Planner {
        layout,
        plan: Plan {
            size: header_size as u64,
            works: Vec::new(),
            places: vec![None; layout.len()],
            headers: vec![elf::SHN_ABS.0; layout.len()],
            names_overflow: false,
        },
        headers: vec![Header::default()],
        names: vec![0],
    };
    planner.load(parts.loaded, &segments);
    planner.debug(parts.debug);
    planner.comment(parts.comment);
    if let Some(symbols) = &parts.symbols {
        planner.symbols(symbols);
    }
    let (section_table, names_index) = planner.finish();
    let file = file_header(parts.identity, &segments, section_table, names_index);
    let mut head = pod::bytes_of(&file).to_vec();
    for segment in &segments {
        let header = program_header(layout, parts.loaded, segment, &planner.headers);
        head.extend_from_slice(pod::bytes_of(&header));
    }
    let mut plan = planner.plan;
    plan.works
        .insert(0, (0..header_size as u64, Work::Bytes(head)));
    plan
}

/// A section header before it is put into ELF's form.
#[derive(Clone, Copy, Default)]
struct Header {
    name: u32,
    kind: elf::SectionType,
    flags: elf::SectionFlags,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
    align: u64,
    entry_size: u64,
}

impl Header {
    fn to_elf(self) -> SectionHeader64<LE> {
        SectionHeader64 {
            sh_name: U32::new(LE, self.name),
            sh_type: U32::new(LE, self.kind),
            sh_flags: U64::new(LE, self.flags),
            sh_addr: U64::new(LE, self.address),
            sh_offset: U64::new(LE, self.offset),
            sh_size: U64::new(LE, self.size),
            sh_link: U32::new(LE, self.link),
            sh_info: U32::new(LE, self.info),
            sh_addralign: U64::new(LE, self.align),
            sh_entsize: U64::new(LE, self.entry_size),
        }
    }
}

struct Planner<'a> {
    layout: &'a [OutputSection],
    plan: Plan,
    headers: Vec<Header>,
    /// `.shstrtab`
    names: Vec<u8>,
}

impl Planner<'_> {
    /// Takes the next `size` bytes of the file, and returns where they begin.
    fn reserve(&mut self, size: u64, align: u64) -> u64 {
        let start = self.plan.size.next_multiple_of(align);
        self.plan.size = start + size;
        start
    }

    fn work(&mut self, range: Range<u64>, work: Work) {
        if !range.is_empty() {
            self.plan.works.push((range, work));
        }
    }

    fn name(&mut self, name: &str) -> u32 {
        let offset = self.names.len() as u32;
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        offset
    }

    /// Sections in memory. A segment begins at the same place in a page of the file as in one of memory, and its
    /// sections keep their distances.
    fn load(&mut self, loaded: &[Loaded], segments: &[Segment]) {
        let starts_segment = |at: usize| {
            let loads = segments.iter().filter(|s| s.kind == elf::PT_LOAD);
            let mut starts = loads.map(|s| s.sections.start);
            starts.any(|start| start == at)
        };
        let mut run = (0, 0);
        for (at, file_section) in loaded.iter().enumerate() {
            let section = &self.layout[file_section.index];
            if starts_segment(at) {
                let behind = self.plan.size % PAGE_SIZE;
                let gap = (section.phys % PAGE_SIZE + PAGE_SIZE - behind) % PAGE_SIZE;
                run = (self.reserve(0, 1) + gap, section.phys);
            }
            let mut offset = self.plan.size;
            if is_loaded(section) {
                offset = run.0 + (section.phys - run.1);
            }
            if section.size > 0 && !section.is_bss {
                self.plan.size = offset + section.size;
                self.plan.places[file_section.index] = Some(offset);
                self.items(file_section.index, offset);
            }
            let header = Header {
                name: self.name(&file_section.name),
                kind: section_type(section),
                flags: section_flags(file_section.flags, section),
                address: section.address,
                offset,
                size: section.size,
                align: section.align,
                ..Header::default()
            };
            self.plan.headers[file_section.index] = self.headers.len() as u16;
            self.headers.push(header);
        }
    }

    fn items(&mut self, index: usize, offset: u64) {
        let section = &self.layout[index];
        let mut first = 0;
        for at in 0..section.items.len() {
            let (start, end) = (section.start_of(first), section.start_of(at + 1));
            if end - start >= ITEMS || at + 1 == section.items.len() {
                let work = Work::Items(index, first..at + 1);
                self.work(offset + start..offset + end, work);
                first = at + 1;
            }
        }
    }

    fn debug(&mut self, debug: &[DebugSection<'_>]) {
        for (index, section) in debug.iter().enumerate() {
            let offset = self.reserve(section.size, section.align);
            let starts: Vec<_> = section.parts().collect();
            for (part, start) in starts.iter().enumerate() {
                let end = starts.get(part + 1).copied().unwrap_or(section.size);
                self.work(offset + start..offset + end, Work::Debug(index, part));
            }
            let header = Header {
                name: self.name(section.name),
                kind: section.kind,
                flags: match section.is_strings {
                    true => elf::SHF_MERGE | elf::SHF_STRINGS,
                    false => elf::SectionFlags(0),
                },
                offset,
                size: section.size,
                align: section.align,
                entry_size: u64::from(section.is_strings),
                ..Header::default()
            };
            self.headers.push(header);
        }
    }

    fn comment(&mut self, comment: &[u8]) {
        let size = comment.len() as u64;
        let offset = self.reserve(size, 1);
        self.work(offset..offset + size, Work::Bytes(comment.to_vec()));
        let header = Header {
            name: self.name(".comment"),
            kind: elf::SHT_PROGBITS,
            flags: elf::SHF_MERGE | elf::SHF_STRINGS,
            offset,
            size,
            align: 1,
            entry_size: 1,
            ..Header::default()
        };
        self.headers.push(header);
    }

    fn symbols(&mut self, table: &Extent) {
        let (symbols, names) = (self.reserve(table.size, 8), table.names_size);
        for (chunk, (entries, _)) in table.chunks.iter().enumerate() {
            let range = symbols + entries.start..symbols + entries.end;
            self.work(range, Work::Symbols(chunk));
        }
        let strings = self.reserve(names, 1);
        for (chunk, (_, names)) in table.chunks.iter().enumerate() {
            self.work(
                strings + names.start..strings + names.end,
                Work::Names(chunk),
            );
        }
        self.plan.names_overflow = u32::try_from(names).is_err();
        let symtab = Header {
            name: self.name(".symtab"),
            kind: elf::SHT_SYMTAB,
            offset: symbols,
            size: table.size,
            link: self.headers.len() as u32 + 1,
            info: table.first_global,
            align: 8,
            entry_size: ENTRY,
            ..Header::default()
        };
        self.headers.push(symtab);
        let strtab = Header {
            name: self.name(".strtab"),
            kind: elf::SHT_STRTAB,
            offset: strings,
            size: names,
            align: 1,
            ..Header::default()
        };
        self.headers.push(strtab);
    }

    /// The names of the sections and their headers. Returns where the headers are, and the index of the names' section.
    fn finish(&mut self) -> (u64, u16) {
        let name = self.name(".shstrtab");
        let size = self.names.len() as u64;
        let offset = self.reserve(size, 1);
        let names = std::mem::take(&mut self.names);
        self.work(offset..offset + size, Work::Bytes(names));
        let index = self.headers.len() as u16;
        self.headers.push(Header {
            name,
            kind: elf::SHT_STRTAB,
            offset,
            size,
            align: 1,
            ..Header::default()
        });
        let headers = self.headers.iter();
        let table = headers.flat_map(|header| pod::bytes_of(&header.to_elf()).to_vec());
        let table: Vec<u8> = table.collect();
        let size = table.len() as u64;
        let offset = self.reserve(size, 8);
        self.work(offset..offset + size, Work::Bytes(table));
        (offset, index)
    }
}

fn section_type(section: &OutputSection) -> elf::SectionType {
    if section.is_bss {
        return elf::SHT_NOBITS;
    }
    if section.is_note {
        return elf::SHT_NOTE;
    }
    let arrays = [
        (".preinit_array", elf::SHT_PREINIT_ARRAY),
        (".init_array", elf::SHT_INIT_ARRAY),
        (".fini_array", elf::SHT_FINI_ARRAY),
    ];
    let array = arrays
        .iter()
        .find(|(stem, _)| crate::elf::belongs_to(&section.name, stem));
    array.map_or(elf::SHT_PROGBITS, |(_, kind)| *kind)
}

fn section_flags(region: u32, section: &OutputSection) -> elf::SectionFlags {
    let bits = [
        (region & Region::WRITE != 0, elf::SHF_WRITE),
        (region & Region::EXECUTE != 0, elf::SHF_EXECINSTR),
        (section.is_tls, elf::SHF_TLS),
    ];
    let set = bits.into_iter().filter(|(is_set, _)| *is_set);
    set.fold(elf::SHF_ALLOC, |all, (_, bit)| all | bit)
}

/// It is mapped: what a thread finds as zero in its own copy is not.
fn is_loaded(section: &OutputSection) -> bool {
    section.size > 0 && !(section.is_tls && section.is_bss)
}

/// Sections that are mapped together.
struct Segment {
    kind: elf::ProgramType,
    flags: elf::ProgramFlags,
    sections: Range<usize>,
}

fn segments_size(segments: &[Segment]) -> usize {
    segments.len() * size_of::<ProgramHeader64<LE>>()
}

/// What is mapped, what loaders and runtimes look for by itself, and the stack, which is data.
fn segments(
    layout: &[OutputSection],
    loaded: &[Loaded],
    frame_header: Option<usize>,
) -> Vec<Segment> {
    let home = |section: &Loaded| &layout[section.index];
    let mut segments = loads(layout, loaded);
    let mut special = |kind, sections: Range<usize>| {
        segments.push(Segment {
            kind,
            flags: elf::PF_R,
            sections,
        });
    };
    for (at, section) in loaded.iter().enumerate() {
        if home(section).size > 0 && home(section).is_note {
            special(elf::PT_NOTE, at..at + 1);
        } else if frame_header == Some(section.index) {
            special(elf::PT_GNU_EH_FRAME, at..at + 1);
        }
    }
    let is_tls = |section: &Loaded| home(section).is_tls && home(section).size > 0;
    let first = loaded.iter().position(is_tls);
    if let (Some(first), Some(last)) = (first, loaded.iter().rposition(is_tls)) {
        special(elf::PT_TLS, first..last + 1);
    }
    segments.push(Segment {
        kind: elf::PT_GNU_STACK,
        flags: elf::PF_R | elf::PF_W,
        sections: 0..0,
    });
    segments
}

/// One segment per run of sections that lie behind one another with equal flags.
fn loads(layout: &[OutputSection], loaded: &[Loaded]) -> Vec<Segment> {
    let mut loads: Vec<Segment> = Vec::new();
    for (at, file_section) in loaded.iter().enumerate() {
        let section = &layout[file_section.index];
        if !is_loaded(section) {
            continue;
        }
        let flags = protection(file_section.flags);
        match loads.last_mut() {
            Some(last)
                if last.flags == flags
                    && continues(layout, &loaded[last.sections.end - 1], section) =>
            {
                last.sections.end = at + 1;
            }
            _ => loads.push(Segment {
                kind: elf::PT_LOAD,
                flags,
                sections: at..at + 1,
            }),
        }
    }
    loads
}

/// A section can share a segment with the one before it.
fn continues(layout: &[OutputSection], last: &Loaded, here: &OutputSection) -> bool {
    let last = &layout[last.index];
    let special = Region::GATES | Region::BOOT;
    (last.flags | here.flags) & special == 0
        && (!last.is_bss || here.is_bss)
        && here
            .phys
            .checked_sub(last.phys + last.size)
            .is_some_and(|gap| gap < PAGE_SIZE)
}

fn protection(flags: u32) -> elf::ProgramFlags {
    let bits = [
        (Region::READ, elf::PF_R),
        (Region::WRITE, elf::PF_W),
        (Region::EXECUTE, elf::PF_X),
    ];
    let set = bits.into_iter().filter(|(flag, _)| flags & flag != 0);
    set.fold(elf::ProgramFlags::default(), |all, (_, bit)| all | bit)
}

fn program_header(
    layout: &[OutputSection],
    loaded: &[Loaded],
    segment: &Segment,
    headers: &[Header],
) -> ProgramHeader64<LE> {
    let sections = &loaded[segment.sections.clone()];
    let home = |section: &Loaded| &layout[section.index];
    let (mut offset, mut address, mut phys) = (0, 0, 0);
    let (mut in_file, mut in_memory) = (0, 0);
    if let (Some(first), Some(last)) = (sections.first(), sections.last()) {
        // The null header comes before those of the sections.
        offset = headers[segment.sections.start + 1].offset;
        (address, phys) = (home(first).address, home(first).phys);
        in_memory = home(last).phys + home(last).size - phys;
        let has_bytes = |s: &&Loaded| home(s).size > 0 && !home(s).is_bss;
        let filled = sections.iter().rev().find(has_bytes);
        in_file = filled.map_or(0, |last| home(last).phys + home(last).size - phys);
    }
    let align = match segment.kind {
        elf::PT_LOAD => PAGE_SIZE,
        elf::PT_TLS => sections.iter().map(|s| home(s).align).max().unwrap_or(1),
        elf::PT_GNU_STACK => 16,
        _ => 4,
    };
    ProgramHeader64 {
        p_type: U32::new(LE, segment.kind),
        p_flags: U32::new(LE, segment.flags),
        p_offset: U64::new(LE, offset),
        p_vaddr: U64::new(LE, address),
        p_paddr: U64::new(LE, phys),
        p_filesz: U64::new(LE, in_file),
        p_memsz: U64::new(LE, in_memory),
        p_align: U64::new(LE, align),
    }
}

fn file_header(
    identity: Identity,
    segments: &[Segment],
    section_table: u64,
    names_index: u16,
) -> FileHeader64<LE> {
    let header_size = size_of::<FileHeader64<LE>>() as u16;
    FileHeader64 {
        e_ident: elf::Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LE, elf::ET_EXEC),
        e_machine: U16::new(LE, identity.machine),
        e_version: U32::new(LE, elf::EV_CURRENT.0.into()),
        e_entry: U64::new(LE, identity.entry),
        e_phoff: U64::new(LE, header_size.into()),
        e_shoff: U64::new(LE, section_table),
        e_flags: U32::new(LE, identity.flags),
        e_ehsize: U16::new(LE, header_size),
        e_phentsize: U16::new(LE, size_of::<ProgramHeader64<LE>>() as u16),
        e_phnum: U16::new(LE, segments.len() as u16),
        e_shentsize: U16::new(LE, size_of::<SectionHeader64<LE>>() as u16),
        e_shnum: U16::new(LE, names_index + 1),
        e_shstrndx: U16::new(LE, elf::SymbolSection(names_index)),
    }
}
