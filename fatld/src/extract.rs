//! A plain ELF file of one ISA, from a fat image alone.
//!
//! It is the view that the link could have written: the same bytes at the same addresses, that ISA's symbols and gates;
//! the other ISAs' text is not executable, their gates are left out. What an image does not have cannot come back: debug
//! sections, symbols that stand for no function or datum of it, which of the code's symbols were global, and the names
//! that later slices gave to shared data where they differ from the first slice's.

use std::borrow::Cow;

use fat_image::Region;
use object::{U32, elf, pod};

use crate::file::{self, Identity, Loaded, Parts, Plan, Work};
use crate::image::{FatImage, ImageSection, ImageSymbol};
use crate::layout::{Item, OutputSection};
use crate::symtab::{ENTRY, Extent, GATE_PREFIX, bind, make_symbol};

/// The file of one ISA, planned.
pub struct Extract<'a, 'd> {
    image: &'a FatImage<'d>,
    /// Local ones first.
    symbols: Vec<Symbol<'a>>,
    plan: Plan,
}

/// A symbol of the file.
struct Symbol<'a> {
    name: Cow<'a, str>,
    found: &'a ImageSymbol<'a>,
    /// Index of its section in the image. The image's gates are the first ISA's, the file's its own.
    section: Option<usize>,
}

/// Plans the file of ISA number `isa`.
pub fn extract<'a, 'd>(image: &'a FatImage<'d>, isa: usize) -> Extract<'a, 'd> {
    let record = &image.isas[isa].record;
    let suffix = format!(".{}", image.isas[isa].name);
    let frames = format!(".eh_frame_hdr{suffix}");
    let layout: Vec<_> = image.sections.iter().map(output_section).collect();
    let sections = image.sections.iter().enumerate();
    let loaded = sections.filter_map(|(index, section)| {
        let name = section.name.strip_suffix(&suffix).unwrap_or(section.name);
        Some(Loaded {
            index,
            name: name.to_owned(),
            flags: flags_for(section, isa)?,
        })
    });
    let loaded: Vec<_> = loaded.collect();
    let is_own_gates = |s: &ImageSection<'_>| s.isa == Some(isa) && s.flags & Region::GATES != 0;
    let gates = image.sections.iter().position(is_own_gates);
    let symbols = image.symbols.iter().filter_map(|found| {
        let section = if found.local { found.section } else { gates };
        let name = name_for(image, found, isa)?;
        Some(Symbol {
            name,
            found,
            section,
        })
    });
    let mut symbols: Vec<_> = symbols.collect();
    symbols.sort_by_key(|symbol| !symbol.found.local);
    let plan = file::plan(&Parts {
        identity: Identity {
            // The reader has checked that it fits.
            machine: elf::Machine(record.machine as u16),
            flags: elf::FileFlags(record.flags),
            entry: record.entry,
        },
        layout: &layout,
        frame_header: image.sections.iter().position(|s| s.name == frames),
        loaded: &loaded,
        debug: &[],
        comment: image.comment,
        symbols: (!image.symbols.is_empty()).then(|| extent(&symbols)),
    });
    Extract {
        image,
        symbols,
        plan,
    }
}

/// [`Region`] flags of a section in the file of an ISA. `None`: it is not there.
fn flags_for(section: &ImageSection<'_>, isa: usize) -> Option<u32> {
    if section.isa.is_none_or(|owner| owner == isa) {
        return Some(section.flags);
    }
    (section.flags & Region::GATES == 0).then_some(section.flags & !Region::EXECUTE)
}

fn output_section(section: &ImageSection<'_>) -> OutputSection {
    OutputSection {
        name: section.name.to_owned(),
        slice: None,
        flags: section.flags,
        is_bss: section.kind == elf::SHT_NOBITS,
        is_note: section.kind == elf::SHT_NOTE,
        is_tls: section.is_tls,
        address: section.address,
        phys: section.phys,
        size: section.size,
        align: section.align,
        // One item, whatever it was made of: its bytes are copied.
        items: vec![(Item::ImageNote, 0)],
    }
}

/// Name of an image's symbol in the file of an ISA: that of its own code and data, of shared data, which stands behind
/// the first slice that has it, and of gates. `None`: it is not there.
fn name_for<'a>(
    image: &FatImage<'_>,
    symbol: &'a ImageSymbol<'_>,
    isa: usize,
) -> Option<Cow<'a, str>> {
    if symbol.local {
        let section = &image.sections[symbol.section?];
        let wanted = symbol.isa == Some(isa) || section.isa.is_none();
        return wanted.then_some(symbol.name.into());
    }
    let gates = image.arrays.len() as u64 * fat_image::GATE_SIZE;
    let is_gate = symbol.address.wrapping_sub(image.header.gates) < gates;
    is_gate.then(|| format!("{GATE_PREFIX}{}", symbol.name).into())
}

fn extent(symbols: &[Symbol<'_>]) -> Extent {
    let size = (symbols.len() as u64 + 1) * ENTRY;
    let lengths = symbols.iter().map(|symbol| symbol.name.len() as u64 + 1);
    let names_size = 1 + lengths.sum::<u64>();
    Extent {
        first_global: 1 + symbols.iter().filter(|s| s.found.local).count() as u32,
        size,
        names_size,
        chunks: vec![(ENTRY..size, 1..names_size)],
    }
}

impl Extract<'_, '_> {
    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.plan.size
    }

    /// The names of its symbols are more than an ELF file can have.
    pub fn names_overflow(&self) -> bool {
        self.plan.names_overflow
    }

    /// Fills the file.
    pub fn write(&self, out: &mut [u8]) {
        self.plan.cut(out, |out, work| match work {
            Work::Bytes(bytes) => out.copy_from_slice(bytes),
            Work::Items(section, _) => out.copy_from_slice(self.image.sections[*section].data),
            Work::Symbols(_) => self.write_symbols(out),
            Work::Names(_) => self.write_names(out),
            Work::Debug(..) => unreachable!("no debug section was planned"),
        });
    }

    fn write_symbols(&self, out: &mut [u8]) {
        let mut name = 1;
        let places = out.chunks_exact_mut(ENTRY as usize);
        for (symbol, place) in self.symbols.iter().zip(places) {
            let found = symbol.found;
            let section = match symbol.section {
                Some(section) => elf::SymbolSection(self.plan.headers[section]),
                None => elf::SHN_ABS,
            };
            let kind = (bind(found.local), found.kind);
            let mut entry = make_symbol(kind, section, found.address, found.size);
            entry.st_name = U32::new(object::LittleEndian, name);
            place.copy_from_slice(pod::bytes_of(&entry));
            name = name.wrapping_add(symbol.name.len() as u32 + 1);
        }
    }

    fn write_names(&self, out: &mut [u8]) {
        let mut rest = out;
        for symbol in &self.symbols {
            let (place, behind) = rest.split_at_mut(symbol.name.len() + 1);
            let (name, end) = place.split_at_mut(symbol.name.len());
            name.copy_from_slice(symbol.name.as_bytes());
            end.fill(0);
            rest = behind;
        }
    }
}
