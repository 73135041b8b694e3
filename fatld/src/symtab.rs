//! Symbol tables of image and views.
//!
//! A view, or the output of a link of one slice, has the symbols that its slice's objects have, with their binding. The
//! image names shared data once, function pointers by their gates, and each ISA's code as local symbols behind a
//! `STT_FILE` symbol with the ISA's name. Which symbols there are is decided first; the entries and names are made in
//! chunks that do not depend on one another.

use std::borrow::Cow;
use std::ops::Range;

use object::LittleEndian as LE;
use object::elf::{self, STT_COMMON, STT_FILE, STT_FUNC, STT_NOTYPE, STT_OBJECT, Sym64};
use object::{U16, U32, U64, pod};
use rayon::prelude::*;

use crate::collect::Collections;
use crate::content::Sources;
use crate::error::demangle;
use crate::gc::{self, Reference};
use crate::hash::{HashMap, HashSet};
use crate::ids::{GateId, ObjectId, SectionId, SliceId, SymbolId};
use crate::layout::{Item, OutputSection};
use crate::pair::Pairing;
use crate::program::{Object, Program, SectionKind, Symbol, SymbolHome};
use crate::relocate::Values;

/// Prefix of the symbols that name gates in views, where the plain name is the code's.
pub const GATE_PREFIX: &str = "__gate.";
/// Prefix of the symbols that name traps: what it stands before is a function without code for the ISA.
pub const TRAP_PREFIX: &str = "no code: ";

/// Which file the symbols are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The image.
    Image,
    /// A file of one slice.
    Slice(SliceId),
}

/// A symbol of a file.
#[derive(Clone, Copy, Debug)]
enum Entry {
    /// One that an object has.
    Own(SymbolId),
    /// The name of an ISA, before the symbols of its code.
    Isa(SliceId),
    /// One that the linker defines: an index into [`Table::defined`].
    Defined(u32),
    Gate(GateId),
    Trap(SliceId, GateId),
}

/// A symbol table, decided but not made.
pub struct Table<'a, 'd> {
    values: Values<'a, 'd>,
    collections: &'a Collections<'d>,
    pairing: &'a Pairing<'d>,
    homes: &'a Homes,
    scope: Scope,
    /// What the linker defines: who refers to it, and what it is.
    defined: Vec<(SymbolId, Reference)>,
    /// Local ones first, the null symbol left out.
    entries: Vec<Entry>,
    locals: usize,
    chunks: Vec<Chunk>,
    names_size: u64,
}

/// Symbols that are made at once.
struct Chunk {
    entries: Range<usize>,
    /// Offsets of their names.
    names: Range<u64>,
}

/// How much room a symbol table takes in a file.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Index of the first symbol that is not local.
    pub first_global: u32,
    /// Bytes of `.symtab`.
    pub size: u64,
    /// Bytes of `.strtab`.
    pub names_size: u64,
    /// Offsets in `.symtab` and `.strtab` of each chunk's entries and names. What stands before the first ones is zero.
    pub chunks: Vec<(Range<u64>, Range<u64>)>,
}

/// Symbols in a chunk.
const CHUNK: usize = 4096;

/// Bytes of an entry.
pub const ENTRY: u64 = size_of::<Sym64<LE>>() as u64;

impl<'a, 'd> Table<'a, 'd> {
    /// Decides which symbols a file has.
    pub fn plan(
        sources: Sources<'a, 'd>,
        pairing: &'a Pairing<'d>,
        homes: &'a Homes,
        scope: Scope,
    ) -> Self {
        let mut table = Self {
            values: sources.values,
            collections: sources.collections,
            pairing,
            homes,
            scope,
            defined: Vec::new(),
            entries: Vec::new(),
            locals: 0,
            chunks: Vec::new(),
            names_size: 1,
        };
        match scope {
            Scope::Image => table.collect_image(),
            Scope::Slice(slice) => table.collect_slice(slice),
        }
        let lengths: Vec<u64> = table
            .entries
            .par_chunks(CHUNK)
            .map(|entries| {
                let lengths = entries.iter().map(|e| table.name(*e).len() as u64 + 1);
                lengths.sum()
            })
            .collect();
        for (at, length) in lengths.into_iter().enumerate() {
            let (start, names) = (at * CHUNK, table.names_size);
            table.names_size += length;
            table.chunks.push(Chunk {
                entries: start..(start + CHUNK).min(table.entries.len()),
                names: names..table.names_size,
            });
        }
        table
    }

    /// How much room it takes.
    pub fn extent(&self) -> Extent {
        let chunks = self.chunks.iter().map(|chunk| {
            let start = (chunk.entries.start as u64 + 1) * ENTRY;
            let end = (chunk.entries.end as u64 + 1) * ENTRY;
            (start..end, chunk.names.clone())
        });
        Extent {
            first_global: self.locals as u32 + 1,
            size: (self.entries.len() as u64 + 1) * ENTRY,
            names_size: self.names_size,
            chunks: chunks.collect(),
        }
    }

    fn collect_image(&mut self) {
        let (values, pairing) = (self.values, self.pairing);
        let program = values.program;
        for slice in (0..program.slices.len()).map(SliceId::next) {
            self.entries.push(Entry::Isa(slice));
            let own = self.own_symbols(slice, |id, symbol| {
                // Data that an earlier slice has under the same address is the same data.
                symbol.is_named()
                    && matches!(symbol.home, SymbolHome::Section(_))
                    && (is_code(program, symbol) || !shared_with_earlier(values, pairing, id))
            });
            self.entries.extend(own.into_iter().map(Entry::Own));
            self.add_traps(slice);
        }
        self.locals = self.entries.len();
        self.add_gates();
    }

    fn collect_slice(&mut self, slice: SliceId) {
        let own = self.own_symbols(slice, |_, symbol| !symbol.name().starts_with(".L"));
        let program = self.values.program;
        // What no other module may see is local in a linked file (gABI, Symbol Visibility).
        let visibilities = &program.slices[slice.at()].visibilities;
        let is_local = |id: &SymbolId| {
            let visibility = visibilities.get(id);
            program.symbol(*id).is_local()
                || visibility.is_some_and(|v| matches!(*v, elf::STV_HIDDEN | elf::STV_INTERNAL))
        };
        let (local, global): (Vec<_>, Vec<_>) = own.into_iter().partition(is_local);
        self.entries.extend(local.into_iter().map(Entry::Own));
        self.add_traps(slice);
        self.locals = self.entries.len();
        self.entries.extend(global.into_iter().map(Entry::Own));
        self.add_undefined(slice);
        self.add_gates();
    }

    /// Symbols of a slice that mean something in the output, in the order of the inputs.
    fn own_symbols(
        &self,
        slice: SliceId,
        wanted: impl Fn(SymbolId, &Symbol<'d>) -> bool + Sync,
    ) -> Vec<SymbolId> {
        let program = self.values.program;
        let objects = self.homes.objects(program, slice);
        let found = objects.flat_map_iter(|object| {
            object.named().filter(|id| {
                let symbol = program.symbol(*id);
                self.is_present(*id, &symbol) && wanted(*id, &symbol)
            })
        });
        found.collect()
    }

    /// It is defined in the output: a global one by this definition.
    fn is_present(&self, id: SymbolId, symbol: &Symbol<'_>) -> bool {
        let program = self.values.program;
        if symbol.name().is_empty() || symbol.kind == elf::STT_SECTION {
            return false;
        }
        let is_there = match symbol.home {
            SymbolHome::Section(section) => {
                let (section, _) = program.locate(section, symbol.value as i64);
                self.homes.of(section).is_some()
            }
            SymbolHome::Absolute => true,
            SymbolHome::Discarded | SymbolHome::Undefined => false,
        };
        is_there && (symbol.is_local() || program.definition(id) == Some(id))
    }

    /// What the slice refers to and no input defines: the linker does, or it is weak.
    fn add_undefined(&mut self, slice: SliceId) {
        let program = self.values.program;
        let objects = self.homes.objects(program, slice);
        let undefined = objects.flat_map_iter(|object| {
            object.named().filter(|id| {
                let symbol = program.symbol(*id);
                symbol.home == SymbolHome::Undefined
                    && symbol.is_named()
                    && !symbol.is_local()
                    && program.definition(*id).is_none()
            })
        });
        let undefined: Vec<SymbolId> = undefined.collect();
        let mut seen = HashSet::default();
        for id in undefined {
            let symbol = program.symbol(id);
            if !seen.insert(symbol.name()) {
                continue;
            }
            if let Some(reference) = gc::defined(self.collections, symbol.name(), slice) {
                self.entries.push(Entry::Defined(self.defined.len() as u32));
                self.defined.push((id, reference));
            } else if symbol.binding() == elf::STB_WEAK {
                self.entries.push(Entry::Own(id));
            }
        }
    }

    /// Without gates, a view's functions have their own addresses already.
    fn add_gates(&mut self) {
        if self.values.layout.aliases.is_some() && self.scope != Scope::Image {
            return;
        }
        let gates = 0..self.values.functions.arrays.len();
        self.entries
            .extend(gates.map(|at| Entry::Gate(GateId::next(at))));
    }

    /// What is reached in place of code that an ISA does not have.
    fn add_traps(&mut self, slice: SliceId) {
        let traps = self.values.layout.traps.keys();
        let mut traps: Vec<_> = traps.filter(|(s, _)| *s == slice).collect();
        traps.sort();
        let traps = traps
            .into_iter()
            .map(|(slice, gate)| Entry::Trap(*slice, *gate));
        self.entries.extend(traps);
    }

    fn name(&self, entry: Entry) -> Cow<'d, str> {
        let program = self.values.program;
        let function = |gate: GateId| {
            let function = self.values.functions.arrays[gate.at()].function;
            self.pairing.entities[function.at()].name
        };
        match entry {
            Entry::Own(id) => program.symbol(id).name().into(),
            Entry::Isa(slice) => program.isa(slice).name().into(),
            Entry::Defined(at) => program.symbol(self.defined[at as usize].0).name().into(),
            Entry::Gate(gate) if self.scope == Scope::Image => function(gate).into(),
            Entry::Gate(gate) => format!("{GATE_PREFIX}{}", function(gate)).into(),
            // By the name of the function.
            Entry::Trap(_, gate) => format!("{TRAP_PREFIX}{}", demangle(function(gate))).into(),
        }
    }

    /// Writes the names of a chunk.
    pub fn write_names(&self, chunk: usize, out: &mut [u8]) {
        let mut rest = out;
        for entry in &self.entries[self.chunks[chunk].entries.clone()] {
            let name = self.name(*entry);
            let (place, behind) = rest.split_at_mut(name.len() + 1);
            place[..name.len()].copy_from_slice(name.as_bytes());
            place[name.len()] = 0;
            rest = behind;
        }
    }

    /// Writes the entries of a chunk. `headers` has the header index of each section of the layout.
    pub fn write(&self, chunk: usize, headers: &[u16], out: &mut [u8]) {
        let Chunk { entries, names } = &self.chunks[chunk];
        let mut name = names.start;
        let places = out.chunks_exact_mut(ENTRY as usize);
        for (at, place) in entries.clone().zip(places) {
            let entry = self.entries[at];
            let mut symbol = self.symbol(entry, at < self.locals, headers);
            // Names of 4 GiB and more are refused by the plan of the file.
            symbol.st_name = U32::new(LE, name as u32);
            place.copy_from_slice(pod::bytes_of(&symbol));
            name += self.name(entry).len() as u64 + 1;
        }
    }

    fn symbol(&self, entry: Entry, local: bool, headers: &[u16]) -> Sym64<LE> {
        let Values {
            layout, program, ..
        } = self.values;
        let header = |home: Option<u16>| match home {
            Some(home) => elf::SymbolSection(headers[usize::from(home)]),
            None => elf::SHN_ABS,
        };
        let (kind, home, address, size) = match entry {
            Entry::Own(id) => return self.own_symbol(id, local, headers),
            Entry::Isa(_) => (STT_FILE, None, 0, 0),
            Entry::Defined(at) => {
                let address = self.values.symbol(self.defined[at as usize].1);
                (STT_NOTYPE, self.home_at(address), address, 0)
            }
            Entry::Gate(gate) => {
                let address = layout.gate(gate);
                let size = match layout.aliases {
                    None => fat_image::GATE_SIZE,
                    Some(_) => 0,
                };
                (STT_FUNC, self.home_at(address), address, size)
            }
            Entry::Trap(slice, gate) => {
                let size = program.isa(slice).trap().len() as u64;
                let home = self.homes.traps.get(&(slice, gate)).copied();
                (STT_FUNC, home, layout.traps[&(slice, gate)], size)
            }
        };
        make_symbol((bind(local), kind), header(home), address, size)
    }

    /// The section of the file that has an address or ends there.
    fn home_at(&self, address: u64) -> Option<u16> {
        let slice = match self.scope {
            Scope::Image => SliceId(0),
            Scope::Slice(slice) => slice,
        };
        let is_there = |section: &OutputSection, end: u64| {
            let is_own = section.slice.is_none_or(|of| of == slice);
            is_own && (section.address..section.address + end).contains(&address)
        };
        let sections = &self.values.layout.sections;
        let inside = sections.iter().position(|s| is_there(s, s.size));
        let home = inside.or_else(|| sections.iter().position(|s| is_there(s, s.size + 1)));
        home.map(|home| home as u16)
    }

    fn own_symbol(&self, id: SymbolId, local: bool, headers: &[u16]) -> Sym64<LE> {
        let Values {
            layout, program, ..
        } = self.values;
        let symbol = program.symbol(id);
        let home = match symbol.home {
            SymbolHome::Section(section) => {
                let (section, _) = program.locate(section, symbol.value as i64);
                let home = self.homes.of(section).map(usize::from);
                home.map_or(elf::SHN_ABS, |home| elf::SymbolSection(headers[home]))
            }
            SymbolHome::Absolute => elf::SHN_ABS,
            SymbolHome::Discarded | SymbolHome::Undefined => elf::SHN_UNDEF,
        };
        let kind = match symbol.kind {
            STT_COMMON => STT_OBJECT,
            // Assemblers leave it open what a label is; for data it does not matter to anyone.
            STT_NOTYPE if self.scope == Scope::Image && !is_code(program, &symbol) => STT_OBJECT,
            kind => kind,
        };
        let binding = if local {
            elf::STB_LOCAL
        } else {
            symbol.binding()
        };
        let address = layout.symbol_address(program, id).unwrap_or_default();
        // The value of a thread-local symbol is its offset in the segment (gABI, Thread-Local Storage).
        let address = match kind {
            elf::STT_TLS => address.wrapping_sub(layout.tls.address),
            _ => address,
        };
        make_symbol(
            (binding, kind),
            home,
            address,
            layout.symbol_size(program, id),
        )
    }
}

/// `STB_…` of a symbol that is not weak.
pub fn bind(local: bool) -> elf::SymbolBind {
    if local {
        elf::STB_LOCAL
    } else {
        elf::STB_GLOBAL
    }
}

/// An entry whose name is not known yet.
pub fn make_symbol(
    (binding, kind): (elf::SymbolBind, elf::SymbolType),
    section: elf::SymbolSection,
    value: u64,
    size: u64,
) -> Sym64<LE> {
    Sym64 {
        st_name: U32::new(LE, 0),
        st_info: elf::SymbolInfo::new(binding, kind),
        st_other: elf::SymbolOther(0),
        st_shndx: U16::new(LE, section),
        st_value: U64::new(LE, value),
        st_size: U64::new(LE, size),
    }
}

fn is_code(program: &Program<'_>, symbol: &Symbol<'_>) -> bool {
    match symbol.home {
        SymbolHome::Section(section) => program.sections[section.at()].kind == SectionKind::Text,
        _ => false,
    }
}

fn shared_with_earlier(values: Values<'_, '_>, pairing: &Pairing<'_>, symbol: SymbolId) -> bool {
    let slice = values.program.slice_of(symbol);
    let Some(entity) = pairing.entity(symbol) else {
        return false;
    };
    pairing.entities[entity.at()].definitions[..slice.at()]
        .iter()
        .any(Option::is_some)
}

/// Which section of the layout everything went to, by its index there.
#[derive(Debug)]
pub struct Homes {
    of_section: Vec<u16>,
    traps: HashMap<(SliceId, GateId), u16>,
    /// Per object: something of it is in the output, or there is nothing of it to be in memory.
    objects: Vec<bool>,
}

const NOWHERE: u16 = u16::MAX;

impl Homes {
    /// Finds the homes of all sections.
    pub fn find(sources: Sources<'_, '_>) -> Self {
        let Values {
            layout, program, ..
        } = sources.values;
        let mut homes = Self {
            of_section: vec![NOWHERE; program.sections.len()],
            traps: HashMap::default(),
            objects: vec![true; program.objects.len()],
        };
        for section in &program.sections {
            if section.kind != SectionKind::Debug && section.size > 0 {
                homes.objects[section.object.at()] = false;
            }
        }
        for (home, section) in layout.sections.iter().enumerate() {
            // The headers of a file are counted by 16 bits, and those of an image by hundreds.
            let home = home as u16;
            for (item, _) in &section.items {
                match *item {
                    Item::Section(id) => homes.set(program, id, home),
                    Item::Cluster(id) => {
                        let members = &sources.clusters.clusters[id.at()].members;
                        members
                            .iter()
                            .for_each(|(id, _)| homes.set(program, *id, home));
                    }
                    Item::Class(id) => {
                        let members = &sources.sharing.classes[id.at()].members;
                        members.iter().for_each(|id| homes.set(program, *id, home));
                    }
                    Item::Trap(slice, gate) => {
                        homes.traps.insert((slice, gate), home);
                    }
                    _ => {}
                }
            }
        }
        homes
    }

    fn set(&mut self, program: &Program<'_>, section: SectionId, home: u16) {
        self.of_section[section.at()] = home;
        self.objects[program.sections[section.at()].object.at()] = true;
    }

    /// The section of the layout that an input section went to.
    fn of(&self, section: SectionId) -> Option<u16> {
        Some(self.of_section[section.at()]).filter(|home| *home != NOWHERE)
    }

    /// Something of an object is in the output, or there is nothing of it to be in memory.
    pub fn has(&self, object: ObjectId) -> bool {
        self.objects[object.at()]
    }

    /// The symbols with names of each object of a slice that has a part in the output.
    fn objects<'p>(
        &'p self,
        program: &'p Program<'_>,
        slice: SliceId,
    ) -> impl ParallelIterator<Item = &'p Object<'p>> {
        let objects = program.objects.par_iter().enumerate();
        let own = objects.filter(move |(at, object)| self.objects[*at] && object.slice == slice);
        own.map(|(_, object)| object)
    }
}
