//! Phase 9: addresses.
//!
//! The image's own sections follow one another from the image's base, every run of equal permissions on pages of its
//! own. The gates of all slices share one virtual address; the first slice's lie at it, the others' physical places
//! follow. Sections with an address of their own (`--section-start`) stand outside. After this phase every live
//! section has an address, and sizes do not change any more.

use std::collections::HashMap;

use fat_image::{
    GATE_SIZE, Header, Isa as IsaRecord, NOTE_HEADER, PAGE_SIZE, Region, Symbol as SymbolRecord,
};
use indexmap::IndexMap;
use object::elf::STT_FUNC;

use crate::clusters::Clusters;
use crate::error::{Error, Problem, SliceView, check};
use crate::functions::Functions;
use crate::gc::{Live, Reference};
use crate::ids::{ClassId, ClusterId, GateId, SectionId, SliceId, SymbolId, ThunkId};
use crate::isa::{Expression, Operand, Slot};
use crate::options::Options;
use crate::program::{Program, SectionKind, SymbolHome};
use crate::relax::Shapes;
use crate::share::Sharing;

/// What an output section is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// An input section of one slice.
    Section(SectionId),
    /// A cluster.
    Cluster(ClusterId),
    /// Read-only content.
    Class(ClassId),
    /// The descriptor and header of `.note.fat`.
    ImageNote,
    /// The function arrays.
    FunctionArrays,
    /// The gates of a slice.
    Gates(SliceId),
    /// The GOT of a slice.
    Got(SliceId),
    /// The symbol table of a slice for the runtime.
    Symbols(SliceId),
    /// The names of those symbols.
    Names(SliceId),
    /// What an array leads to on a slice that has no code for it.
    Trap(SliceId, GateId),
    /// A thunk.
    Thunk(ThunkId),
}

/// A section of the image.
#[derive(Debug)]
pub struct OutputSection {
    /// Name, with the ISA behind a dot if it is private.
    pub name: String,
    /// Slice that it is private to.
    pub slice: Option<SliceId>,
    /// Permissions, as [`Region`] flags.
    pub flags: u32,
    /// It has no bytes in the file.
    pub is_bss: bool,
    /// It is a note.
    pub is_note: bool,
    /// Virtual address.
    pub address: u64,
    /// Physical address.
    pub phys: u64,
    /// Bytes in memory.
    pub size: u64,
    /// Alignment.
    pub align: u64,
    /// Its parts with their offsets.
    pub items: Vec<(Item, u64)>,
}

/// Where everything is.
#[derive(Debug)]
pub struct Layout {
    /// The sections of the image in the order of the file.
    pub sections: Vec<OutputSection>,
    /// What page tables need to know.
    pub regions: Vec<Region>,
    /// First byte and end of the image, boot regions left out.
    pub image: (u64, u64),
    /// Address of the image's header (`__fat_image`).
    pub header: u64,
    /// Address of the gates.
    pub gates: u64,
    /// Address of the function arrays.
    pub functions: u64,
    /// GOT of each slice.
    pub gots: Vec<Got>,
    /// The TLS segment.
    pub tls: Tls,
    /// What became of instructions.
    pub shapes: Shapes,
    /// Addresses of thunks.
    pub thunks: Vec<u64>,
    /// Functions of each slice for the runtime, and where their table and names are.
    pub symbols: Vec<RuntimeSymbols>,
    /// Addresses of traps.
    pub traps: HashMap<(SliceId, GateId), u64>,
    addresses: Vec<Option<u64>>,
}

/// The GOT of a slice.
#[derive(Debug, Default)]
pub struct Got {
    /// Its slots with their offsets.
    pub slots: IndexMap<(Slot, Reference), u64>,
    /// Bytes of all.
    pub size: u64,
    /// Address of the first.
    pub address: u64,
}

/// The initial bytes of thread-local data.
#[derive(Debug)]
pub struct Tls {
    /// Address of the first byte.
    pub address: u64,
    /// Bytes in memory.
    pub size: u64,
    /// Alignment.
    pub align: u64,
}

/// The functions of a slice that a backtrace can name.
#[derive(Debug, Default)]
pub struct RuntimeSymbols {
    /// They, in no order of addresses yet.
    pub functions: Vec<SymbolId>,
    /// Address of the table.
    pub table: u64,
    /// Address of the names.
    pub names: u64,
    /// Bytes of names.
    pub names_size: u64,
}

impl Layout {
    /// Address of a live section.
    pub fn address(&self, section: SectionId) -> Option<u64> {
        self.addresses[section.at()]
    }

    /// Address of a symbol's definition.
    pub fn symbol_address(&self, program: &Program<'_>, symbol: SymbolId) -> Option<u64> {
        let found = &program.symbols[symbol.at()];
        match found.home {
            SymbolHome::Section(section) => {
                let (section, offset) = program.locate(section, found.value as i64);
                let offset = self.shapes.moved(section, offset);
                self.address(section).map(|a| a.wrapping_add_signed(offset))
            }
            SymbolHome::Absolute => Some(found.value),
            _ => None,
        }
    }

    /// Bytes of a symbol's definition.
    pub fn symbol_size(&self, program: &Program<'_>, symbol: SymbolId) -> u64 {
        let found = &program.symbols[symbol.at()];
        match found.home {
            SymbolHome::Section(section) => {
                let end = found.value.saturating_add(found.size) as i64;
                let moved = |offset| self.shapes.moved(section, offset);
                (moved(end) - moved(found.value as i64)) as u64
            }
            _ => found.size,
        }
    }

    /// Bytes of a live section in memory.
    pub fn section_size(&self, program: &Program<'_>, section: SectionId) -> u64 {
        self.shapes.size(program, section)
    }

    /// Address of a slice's GOT.
    pub fn got(&self, slice: SliceId) -> u64 {
        self.gots[slice.at()].address
    }

    /// Address of a slot of a slice's GOT.
    pub fn slot(&self, slice: SliceId, kind: Slot, reference: Reference) -> Option<u64> {
        let got = &self.gots[slice.at()];
        got.slots
            .get(&(kind, reference))
            .map(|offset| got.address + offset)
    }

    /// Address of a thunk.
    pub fn thunk(&self, thunk: ThunkId) -> u64 {
        self.thunks[thunk.at()]
    }

    /// Address of a gate.
    pub fn gate(&self, gate: GateId) -> u64 {
        self.gates + u64::from(gate.0) * GATE_SIZE
    }
}

/// The results that layout builds on.
#[derive(Clone, Copy)]
pub struct Inputs<'a, 'd> {
    /// Tables.
    pub program: &'a Program<'d>,
    /// Clusters.
    pub clusters: &'a Clusters,
    /// What is needed.
    pub live: &'a Live,
    /// Function arrays.
    pub functions: &'a Functions,
    /// What is stored once.
    pub sharing: &'a Sharing,
}

/// Gives everything an address.
pub fn lay_out(inputs: Inputs<'_, '_>, shapes: Shapes, options: &Options) -> Result<Layout, Error> {
    let program = inputs.program;
    let slices = program.slices.len();
    let layout = Layout {
        sections: Vec::new(),
        regions: Vec::new(),
        image: (options.image_base, options.image_base),
        header: 0,
        gates: 0,
        functions: 0,
        gots: (0..slices).map(|_| Got::default()).collect(),
        tls: Tls {
            address: 0,
            size: 0,
            align: 1,
        },
        thunks: vec![0; shapes.thunk_count()],
        shapes,
        symbols: (0..slices).map(|_| RuntimeSymbols::default()).collect(),
        traps: HashMap::new(),
        addresses: vec![None; program.sections.len()],
    };
    let mut planner = Planner {
        inputs,
        layout,
        groups: IndexMap::new(),
        problems: Vec::new(),
    };
    planner.collect_got();
    planner.collect_symbols();
    planner.plan();
    planner.place(options);
    check(planner.problems).map(|()| planner.layout)
}

/// Groups of output sections in the order of the image. Those of one rank have equal permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Rank {
    Boot,
    Note,
    Text,
    Gates,
    ReadOnly,
    Functions,
    Data,
    Bss,
}

impl Rank {
    fn flags(self) -> u32 {
        match self {
            Self::Boot => Region::READ | Region::WRITE | Region::EXECUTE | Region::BOOT,
            Self::Note | Self::ReadOnly => Region::READ,
            Self::Text => Region::READ | Region::EXECUTE,
            Self::Gates => Region::READ | Region::EXECUTE | Region::GATES,
            Self::Functions | Self::Data | Self::Bss => Region::READ | Region::WRITE,
        }
    }
}

/// Largest output section with bytes in the file: a damaged input must not ask for more memory than there is.
const MAX_FILE_SECTION: u64 = 1 << 32;

type GroupKey = (Rank, Option<SliceId>, String);

struct Planner<'a, 'd> {
    inputs: Inputs<'a, 'd>,
    layout: Layout,
    groups: IndexMap<GroupKey, Vec<(Item, u64, u64)>>,
    problems: Vec<Problem>,
}

fn align_up(value: u64, align: u64) -> u64 {
    value.next_multiple_of(align)
}

impl Planner<'_, '_> {
    fn collect_got(&mut self) {
        let (program, live) = (self.inputs.program, self.inputs.live);
        for (id, section) in program.sections().filter(|(id, _)| live.sections[id.at()]) {
            let references = section.relocations.iter().zip(&live.references[id.at()]);
            for (at, (relocation, reference)) in references.enumerate() {
                let form = self.layout.shapes.form(id, at);
                let expression = form.map_or(relocation.rule.expression, |form| form.expression);
                if let Expression::Value(Operand::Slot(kind), _) = expression {
                    let got = &mut self.layout.gots[section.slice.at()];
                    got.slots.entry((kind, *reference)).or_insert_with(|| {
                        let offset = got.size;
                        got.size += kind.size();
                        offset
                    });
                }
            }
        }
    }

    fn collect_symbols(&mut self) {
        let (program, live) = (self.inputs.program, self.inputs.live);
        for (id, symbol) in program
            .symbols()
            .filter(|(_, s)| s.kind == STT_FUNC && s.is_named())
        {
            let SymbolHome::Section(section) = symbol.home else {
                continue;
            };
            if live.sections[section.at()]
                && program.sections[section.at()].kind == SectionKind::Text
            {
                let table = &mut self.layout.symbols[program.slice_of(id).at()];
                table.functions.push(id);
                table.names_size += symbol.name.len() as u64 + 1;
            }
        }
    }

    /// Decides which output section everything goes to.
    fn plan(&mut self) {
        let inputs = self.inputs;
        let program = inputs.program;
        let slices: Vec<_> = (0..program.slices.len()).map(SliceId::next).collect();
        let header = size_of::<Header>() + slices.len() * size_of::<IsaRecord>();
        self.add(
            Rank::Note,
            None,
            fat_image::NOTE_SECTION,
            Item::ImageNote,
            header as u64,
            8,
        );
        for slice in &slices {
            let gates = inputs.functions.arrays.len() as u64 * GATE_SIZE;
            self.add(
                Rank::Gates,
                Some(*slice),
                ".gates",
                Item::Gates(*slice),
                gates,
                PAGE_SIZE,
            );
        }
        self.plan_inputs();
        for slice in &slices {
            self.plan_tables(*slice);
        }
        let arrays = &inputs.functions.arrays;
        let size = (arrays.len() * slices.len() * 8) as u64;
        self.add(
            Rank::Functions,
            None,
            fat_image::FUNCTIONS_SECTION,
            Item::FunctionArrays,
            size,
            8,
        );
        for (gate, array) in arrays.iter().enumerate() {
            for slice in slices
                .iter()
                .filter(|slice| array.elements[slice.at()].is_none())
            {
                let size = program.isa(*slice).trap().len() as u64;
                let item = Item::Trap(*slice, GateId::next(gate));
                self.add(Rank::Text, Some(*slice), ".text", item, size, 16);
            }
        }
    }

    /// What comes from the inputs: clusters and classes once, sections of one slice.
    fn plan_inputs(&mut self) {
        let inputs = self.inputs;
        let program = inputs.program;
        let mut clusters = vec![false; inputs.clusters.clusters.len()];
        let mut classes = vec![false; inputs.sharing.classes.len()];
        for (id, _) in program
            .sections()
            .filter(|(id, s)| inputs.live.sections[id.at()] && s.pieces.is_empty())
        {
            if let Some(cluster) = inputs.clusters.of(id) {
                if !std::mem::replace(&mut clusters[cluster.at()], true) {
                    self.add_cluster(cluster);
                }
            } else if let Some(class) = inputs.sharing.class(id) {
                if !std::mem::replace(&mut classes[class.at()], true) {
                    self.add_class(class);
                }
            } else {
                self.add_section(id);
            }
        }
    }

    /// What one slice's code and the runtime look up.
    fn plan_tables(&mut self, slice: SliceId) {
        let size = self.layout.gots[slice.at()].size;
        if size > 0 {
            self.add(
                Rank::ReadOnly,
                Some(slice),
                ".got",
                Item::Got(slice),
                size,
                8,
            );
        }
        let symbols = &self.layout.symbols[slice.at()];
        let (table, names) = (
            symbols.functions.len() * size_of::<SymbolRecord>(),
            symbols.names_size,
        );
        self.add(
            Rank::ReadOnly,
            Some(slice),
            ".fat.symbols",
            Item::Symbols(slice),
            table as u64,
            8,
        );
        self.add(
            Rank::ReadOnly,
            Some(slice),
            ".fat.names",
            Item::Names(slice),
            names,
            1,
        );
    }

    fn add(
        &mut self,
        rank: Rank,
        slice: Option<SliceId>,
        name: &str,
        item: Item,
        size: u64,
        align: u64,
    ) {
        self.groups
            .entry((rank, slice, name.to_owned()))
            .or_default()
            .push((item, size, align));
    }

    fn add_cluster(&mut self, id: ClusterId) {
        let program = self.inputs.program;
        let cluster = &self.inputs.clusters.clusters[id.at()];
        let sections = || {
            cluster
                .members
                .iter()
                .map(|(s, start)| (&program.sections[s.at()], *start))
        };
        let size = sections()
            .map(|(s, start)| start + s.size)
            .max()
            .unwrap_or(0);
        let align = sections().map(|(s, _)| s.align).max().unwrap_or(1);
        if let Some((odd, start)) = sections().find(|(s, start)| start % s.align != 0) {
            let value = format!("{start:#x} from the first datum, aligned to {}", odd.align);
            let isa = program.isa(odd.slice).name().to_owned();
            let file = program.objects[odd.object.at()].elf.file.clone();
            self.problems.push(Problem::Mismatch {
                symbol: odd.name.to_owned(),
                what: "place among the data of its section",
                sides: vec![SliceView {
                    isa,
                    file,
                    value,
                    source: None,
                    definition: None,
                }],
                hint: Some("compile with one section per datum (-fdata-sections)"),
            });
        }
        let (rank, name) = if sections().any(|(s, _)| !s.writable) {
            (Rank::ReadOnly, ".rodata")
        } else if sections().all(|(s, _)| s.kind == SectionKind::Bss) {
            (Rank::Bss, ".bss")
        } else {
            (Rank::Data, ".data")
        };
        self.add(rank, None, name, Item::Cluster(id), size, align);
    }

    fn add_class(&mut self, id: ClassId) {
        let class = &self.inputs.sharing.classes[id.at()];
        let first = &self.inputs.program.sections[class.members[0].at()];
        let slice = (!class.shared).then_some(first.slice);
        self.add(
            Rank::ReadOnly,
            slice,
            ".rodata",
            Item::Class(id),
            first.size,
            class.align,
        );
    }

    fn add_section(&mut self, id: SectionId) {
        let section = &self.inputs.program.sections[id.at()];
        let slice = Some(section.slice);
        let (rank, name) = match section.kind {
            SectionKind::Text if section.name == ".text" || section.name.starts_with(".text.") => {
                (Rank::Text, ".text")
            }
            SectionKind::Text if section.writable => (Rank::Boot, stem(section.name)),
            SectionKind::Text => (Rank::Text, stem(section.name)),
            SectionKind::ReadOnly => (Rank::ReadOnly, ".rodata"),
            SectionKind::Data => (Rank::Data, ".data"),
            SectionKind::Bss => (Rank::Bss, ".bss"),
            SectionKind::Note => (Rank::Note, section.name),
            SectionKind::Debug => return,
        };
        self.add(
            rank,
            slice,
            name,
            Item::Section(id),
            self.layout.shapes.size(self.inputs.program, id),
            self.layout.shapes.align(self.inputs.program, id),
        );
        for thunk in self.layout.shapes.thunks_after(id).to_vec() {
            let kind = self.inputs.program.isa(section.slice).thunk();
            let size = kind.map_or(0, |kind| kind.size);
            self.add(rank, slice, name, Item::Thunk(thunk), size, size);
        }
    }

    /// Puts the groups one behind the other.
    fn place(&mut self, options: &Options) {
        let mut groups: Vec<_> = std::mem::take(&mut self.groups).into_iter().collect();
        // The sort is stable: sections of one rank and slice keep the order in which they came up.
        groups.sort_by_key(|((rank, slice, _), _)| (*rank, *slice));
        let regions = groups.len() * size_of::<Region>();
        let mut starts: IndexMap<&str, u64> = options
            .section_starts
            .iter()
            .map(|(n, a)| (n.as_str(), *a))
            .collect();
        let (mut cursor, mut run) = (options.image_base, None);
        for ((rank, slice, name), mut items) in groups {
            let name = match slice {
                Some(slice) if rank != Rank::Note => {
                    format!("{name}.{}", self.inputs.program.isa(slice).name())
                }
                _ => name,
            };
            if rank == Rank::Note && name == fat_image::NOTE_SECTION {
                // The region table stands behind the header; one region per section is the most there can be.
                items[0].1 += NOTE_HEADER + regions as u64;
            }
            let own_start = starts.shift_remove(name.as_str());
            if rank == Rank::Boot && own_start.is_none() {
                self.problems.push(Problem::Usage(format!(
                    "section {name} is writable and executable: it needs a place of its own, --section-start={name}=ADDRESS"
                )));
                continue;
            }
            // Notes are for whoever loads the image: they need no pages of their own.
            let owner = slice.filter(|_| rank != Rank::Note);
            if own_start.is_none() && run.replace((rank, owner)) != Some((rank, owner)) {
                cursor = align_up(cursor, PAGE_SIZE);
            }
            let address = own_start.unwrap_or(cursor);
            let (address, end) =
                self.place_section((rank, slice, name), items, address, own_start.is_some());
            if own_start.is_none() {
                cursor = end.max(address);
            }
        }
        self.layout.image.1 = align_up(cursor, PAGE_SIZE);
        for (name, _) in starts {
            self.problems.push(Problem::Usage(format!(
                "--section-start={name}: there is no such output section"
            )));
        }
        self.place_gates();
        self.make_regions();
        self.check_overlap();
    }

    /// Gives a section's items their offsets. Returns its first address and the one behind it.
    fn place_section(
        &mut self,
        (rank, slice, name): GroupKey,
        items: Vec<(Item, u64, u64)>,
        start: u64,
        fixed: bool,
    ) -> (u64, u64) {
        let align = items.iter().map(|(_, _, align)| *align).max().unwrap_or(1);
        let address = align_up(start, align);
        let mut section = OutputSection {
            name,
            slice,
            flags: rank.flags() | if fixed { Region::BOOT } else { 0 },
            is_bss: rank == Rank::Bss,
            is_note: rank == Rank::Note,
            address,
            phys: address,
            size: 0,
            align,
            items: Vec::with_capacity(items.len()),
        };
        for (item, size, align) in items {
            let offset = align_up(section.size, align);
            section.items.push((item, offset));
            section.size = offset + size;
            self.note_address(item, address + offset);
        }
        let end = address + section.size;
        if !section.is_bss && section.size > MAX_FILE_SECTION {
            let what = format!(
                "section {} of {:#x} bytes in a file",
                section.name, section.size
            );
            self.problems.push(Problem::Usage(what));
        }
        self.layout.sections.push(section);
        (address, end)
    }

    fn note_address(&mut self, item: Item, address: u64) {
        match item {
            Item::Section(id) => self.layout.addresses[id.at()] = Some(address),
            Item::Cluster(id) => {
                for (member, start) in &self.inputs.clusters.clusters[id.at()].members {
                    self.layout.addresses[member.at()] = Some(address + start);
                }
            }
            Item::Class(id) => {
                for member in &self.inputs.sharing.classes[id.at()].members {
                    self.layout.addresses[member.at()] = Some(address);
                }
            }
            Item::ImageNote => self.layout.header = address + NOTE_HEADER,
            Item::FunctionArrays => self.layout.functions = address,
            Item::Gates(_) => {}
            Item::Got(slice) => self.layout.gots[slice.at()].address = address,
            Item::Thunk(thunk) => self.layout.thunks[thunk.at()] = address,
            Item::Symbols(slice) => self.layout.symbols[slice.at()].table = address,
            Item::Names(slice) => self.layout.symbols[slice.at()].names = address,
            Item::Trap(slice, gate) => {
                self.layout.traps.insert((slice, gate), address);
            }
        }
    }

    /// All gates go to the first ones' virtual address; the places they were given stay their physical ones.
    fn place_gates(&mut self) {
        let gates: Vec<_> = (0..self.layout.sections.len())
            .filter(|i| self.layout.sections[*i].flags & Region::GATES != 0)
            .collect();
        let Some(first) = gates.first() else { return };
        self.layout.gates = self.layout.sections[*first].address;
        for at in gates {
            self.layout.sections[at].address = self.layout.gates;
        }
    }

    /// One region per run of sections with one permission and owner.
    fn make_regions(&mut self) {
        let mut regions: Vec<Region> = Vec::new();
        for section in self.layout.sections.iter().filter(|s| s.size > 0) {
            let isa = section
                .slice
                .filter(|_| !section.is_note)
                .map_or(fat_image::ALL_ISAS, |s| s.0);
            let (start, end) = (
                section.phys & !(PAGE_SIZE - 1),
                align_up(section.phys + section.size, PAGE_SIZE),
            );
            match regions.last_mut() {
                Some(last)
                    if last.isa == isa
                        && last.flags == section.flags
                        && (last.phys..=last.phys + last.size).contains(&start)
                        && section.flags & (Region::GATES | Region::BOOT) == 0 =>
                {
                    last.size = end - last.phys;
                }
                _ => regions.push(Region {
                    start: section.address & !(PAGE_SIZE - 1),
                    size: end - start,
                    phys: start,
                    isa,
                    flags: section.flags,
                }),
            }
        }
        self.layout.regions = regions;
    }

    fn check_overlap(&mut self) {
        let mut places: Vec<_> = self
            .layout
            .sections
            .iter()
            .filter(|s| s.size > 0)
            .map(|s| (s.phys, s.phys + s.size, &s.name))
            .collect();
        places.sort();
        for pair in places.windows(2) {
            if pair[0].1 > pair[1].0 {
                self.problems.push(Problem::Usage(format!(
                    "section {} at {:#x}..{:#x} overlaps {} at {:#x}",
                    pair[0].2, pair[0].0, pair[0].1, pair[1].2, pair[1].0
                )));
            }
        }
    }
}

/// `.boot.data` → `.boot`
fn stem(name: &str) -> &str {
    let end = name
        .get(1..)
        .and_then(|rest| rest.find('.'))
        .map_or(name.len(), |dot| dot + 1);
    &name[..end]
}
