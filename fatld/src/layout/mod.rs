//! Phase 9: addresses.
//!
//! The image's own sections follow one another from the image's base, every run of equal permissions on pages of its
//! own. The gates of all slices share one virtual address; the first slice's lie at it, the others' physical places
//! follow. Sections with an address of their own (`--section-start`) stand outside. After this phase every live
//! section has an address, and sizes do not change any more.
//!
//! [`plan`] decides which output section everything belongs to, [`place`] gives addresses, [`regions`] says what a page
//! table needs to know. A plain link (one slice) has neither gates nor tables, and its sections have plain names.

mod alias;
mod place;
mod plan;
mod regions;

use fat_image::{GATE_SIZE, Region};

use crate::clusters::Clusters;
use crate::collect::{Collections, End};
use crate::error::{Error, check};
use crate::functions::Functions;
use crate::gc::{Live, Reference};
use crate::hash::{HashMap, IndexMap};
use crate::ids::{ClassId, ClusterId, CollectionId, GateId, SectionId, SliceId, SymbolId, ThunkId};
use crate::isa::Slot;
use crate::landmark::Landmark;
use crate::options::Options;
use crate::pair::Pairing;
use crate::program::{Program, SymbolHome};
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
    /// The table of a slice's frame descriptions.
    FrameHeader(SliceId),
    /// The record that ends `.eh_frame`.
    FrameEnd,
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
    /// It is part of the TLS segment.
    pub is_tls: bool,
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

impl OutputSection {
    /// Offset where the bytes that belong to an item begin, padding included; behind the last item, the size.
    pub fn start_of(&self, item: usize) -> u64 {
        match self.items.get(item) {
            _ if item == 0 => 0,
            Some((_, offset)) => *offset,
            None => self.size,
        }
    }
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
    /// Without gates: the one address of each function whose address is taken (`--text=aliased`).
    pub aliases: Option<Vec<u64>>,
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
    bounds: HashMap<(CollectionId, SliceId), (u64, u64)>,
    landmarks: HashMap<(Landmark, SliceId), u64>,
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

impl Got {
    pub(crate) fn add(&mut self, kind: Slot, reference: Reference) {
        let slot = self.slots.entry(Self::key(kind, reference));
        slot.or_insert_with(|| {
            let offset = self.size;
            self.size += kind.size();
            offset
        });
    }

    /// A module has one slot, whatever variable it is asked for.
    fn key(kind: Slot, reference: Reference) -> (Slot, Reference) {
        match kind {
            Slot::TlsModule => (kind, Reference::Nothing),
            _ => (kind, reference),
        }
    }
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
        let found = program.symbol(symbol);
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
        let found = program.symbol(symbol);
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
            .get(&Got::key(kind, reference))
            .map(|offset| got.address + offset)
    }

    /// Address of an end of a collected array.
    pub fn bound(&self, collection: CollectionId, end: End, slice: SliceId) -> u64 {
        // An array without elements begins and ends anywhere.
        let bounds = self.bounds.get(&(collection, slice));
        let (start, stop) = bounds.copied().unwrap_or((self.image.0, self.image.0));
        match end {
            End::Start => start,
            End::Stop => stop,
        }
    }

    /// Address of a place that the linker names.
    pub fn landmark(&self, landmark: Landmark, slice: SliceId) -> u64 {
        let known = self.landmarks.get(&(landmark, slice));
        known.copied().unwrap_or(self.image.0)
    }

    /// Address of a thunk.
    pub fn thunk(&self, thunk: ThunkId) -> u64 {
        self.thunks[thunk.at()]
    }

    /// Address of a gate.
    pub fn gate(&self, gate: GateId) -> u64 {
        match &self.aliases {
            Some(aliases) => aliases[gate.at()],
            None => self.gates + u64::from(gate.0) * GATE_SIZE,
        }
    }
}

/// The results that layout builds on.
#[derive(Clone, Copy)]
pub struct Inputs<'a, 'd> {
    /// Tables.
    pub program: &'a Program<'d>,
    /// Entities.
    pub pairing: &'a Pairing<'d>,
    /// Clusters.
    pub clusters: &'a Clusters,
    /// Collected arrays.
    pub collections: &'a Collections<'d>,
    /// What is needed.
    pub live: &'a Live,
    /// Function arrays.
    pub functions: &'a Functions,
    /// What is stored once.
    pub sharing: &'a Sharing,
}

/// Gives everything an address.
pub fn lay_out(inputs: Inputs<'_, '_>, shapes: Shapes, options: &Options) -> Result<Layout, Error> {
    let plan = plan::plan(inputs, &shapes, options);
    let (layout, problems) = place::place(inputs, shapes, plan, options);
    check(problems).map(|()| layout)
}
