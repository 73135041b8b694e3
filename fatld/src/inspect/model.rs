//! The facts of an image, ready to be shown.

use std::collections::HashMap;

use fat_image::Region;
use object::elf;
use serde::Serialize;

use crate::error::demangle;
use crate::image::{FatImage, ImageSection};
use crate::notation::{Address, permissions};
use crate::symtab::TRAP_PREFIX;

/// Name of the JSON form.
const FORMAT: &str = "fatld.inspect";
/// Version of the JSON form: raised when a field changes its meaning or goes away, not when one is added.
const VERSION: u32 = 1;

/// All that is known of an image.
#[derive(Debug, Serialize)]
pub struct Inspection {
    format: &'static str,
    version: u32,
    /// File, as the command line names it.
    pub file: String,
    /// The note's header.
    pub image: Header,
    /// The ISAs, first element first.
    pub isas: Vec<Isa>,
    /// The function arrays in the order of the gates.
    pub arrays: Vec<Array>,
    /// The sections in memory.
    pub sections: Vec<Section>,
    /// What takes how much memory.
    pub totals: Totals,
    /// What page tables need to know.
    pub regions: Vec<Mapping>,
    /// What each ISA sees.
    pub views: Vec<View>,
}

/// The note's header.
#[derive(Debug, Serialize)]
pub struct Header {
    /// Version of the image's format.
    pub version: u32,
    /// First byte, boot regions left out.
    pub start: Address,
    /// First byte behind it.
    pub end: Address,
    /// Address of the gates.
    pub gates: Address,
    /// Address of the function arrays.
    pub functions: Address,
    /// Number of functions whose address is taken: of arrays and gates, unless text is aliased.
    pub function_count: u64,
    /// All ISAs' text is at the same addresses, without gates (`--text=aliased`).
    pub aliased: bool,
}

/// An ISA.
#[derive(Debug, Serialize)]
pub struct Isa {
    /// Name.
    pub name: String,
    /// `e_machine`.
    pub machine: u32,
    /// Its name in the ELF specification, if known.
    pub machine_name: Option<&'static str>,
    /// `e_flags` of its objects.
    pub flags: u32,
    /// Address of the entry.
    pub entry: Address,
    /// Function at the entry.
    pub entry_symbol: Option<String>,
    /// Physical address of the gates.
    pub gates_physical: Address,
    /// Functions in its table for backtraces.
    pub function_count: usize,
}

/// A function array.
#[derive(Debug, Serialize)]
pub struct Array {
    /// The function, demangled.
    pub name: Option<String>,
    /// The function, as the compiler mangled it.
    pub symbol: Option<String>,
    /// Its gate: the value of the function pointer.
    pub gate: Address,
    /// The array.
    pub address: Address,
    /// An element per ISA.
    pub elements: Vec<Element>,
}

/// An element of a function array.
#[derive(Debug, Serialize)]
pub struct Element {
    /// ISA.
    pub isa: String,
    /// Address of the code.
    pub address: Address,
    /// What is there.
    pub leads_to: LeadsTo,
    /// Function there, demangled.
    pub name: Option<String>,
    /// Function there, as the compiler mangled it.
    pub symbol: Option<String>,
}

/// What an element leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeadsTo {
    /// The function that the array is named after.
    Function,
    /// A function of another name.
    OtherFunction,
    /// A trap in place of code that the ISA does not have.
    Trap,
    /// No function of the ISA begins there.
    Unknown,
}

/// A section in memory.
#[derive(Debug, Serialize)]
pub struct Section {
    /// Name.
    pub name: String,
    /// ISA that it belongs to, if it is not for all.
    pub isa: Option<String>,
    /// Virtual address.
    pub address: Address,
    /// Physical address.
    pub physical: Address,
    /// Bytes in memory.
    pub size: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// `rwx`, on its ISA.
    pub permissions: String,
    /// What it counts as in the totals.
    pub counts_as: Use,
}

/// What memory is for. Every section has one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Data of all ISAs, stored once.
    Shared,
    /// Code and data of one ISA.
    Private,
    /// Gates.
    Gates,
    /// Function arrays.
    Arrays,
    /// Functions for backtraces.
    Symbols,
    /// Notes.
    Notes,
}

/// Bytes in memory by use.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// Of all ISAs.
    pub shared: u64,
    /// Of each ISA, in their order.
    pub private: Vec<u64>,
    /// Gates of all ISAs.
    pub gates: u64,
    /// Function arrays.
    pub arrays: u64,
    /// Tables for backtraces.
    pub symbols: u64,
    /// Notes.
    pub notes: u64,
    /// All of the above.
    pub total: u64,
    /// What a copy of the shared bytes for every ISA would take beyond the one copy.
    pub copies: u64,
}

/// A range of memory.
#[derive(Debug, Serialize)]
pub struct Mapping {
    /// First byte.
    pub start: Address,
    /// Bytes.
    pub size: u64,
    /// Physical address.
    pub physical: Address,
    /// `rwx`.
    pub permissions: String,
    /// ISA whose it is, if it is not for all.
    pub isa: Option<String>,
    /// Only its ISA maps it: others have their own at the same address.
    pub exclusive: bool,
    /// It stands at a fixed address, for the time before page tables.
    pub boot: bool,
    /// Sections in it.
    pub sections: Vec<String>,
}

/// What an ISA sees.
#[derive(Debug, Serialize)]
pub struct View {
    /// The ISA.
    pub isa: String,
    /// The memory that it maps.
    pub mappings: Vec<Mapping>,
}

/// Collects the facts. `file` is how the command line names the image.
pub fn inspect(file: &str, image: &FatImage<'_>) -> Inspection {
    let count = image.isas.len();
    let sections: Vec<_> = image
        .sections
        .iter()
        .map(|section| Section {
            name: section.name.to_owned(),
            isa: section.isa.map(|at| image.isas[at].name.to_owned()),
            address: Address(section.address),
            physical: Address(section.phys),
            size: section.size,
            file_size: section.data.len() as u64,
            permissions: permissions(section.flags),
            counts_as: counts_as(image, section),
        })
        .collect();
    Inspection {
        format: FORMAT,
        version: VERSION,
        file: file.to_owned(),
        image: Header {
            version: image.header.version,
            start: Address(image.header.image_start),
            end: Address(image.header.image_end),
            gates: Address(image.header.gates),
            functions: Address(image.header.functions),
            function_count: image.header.function_count,
            aliased: image.is_aliased(),
        },
        isas: isas(image),
        arrays: arrays(image),
        totals: totals(image, &sections),
        sections,
        regions: mappings(image, None),
        views: (0..count)
            .map(|isa| View {
                isa: image.isas[isa].name.to_owned(),
                mappings: mappings(image, Some(isa)),
            })
            .collect(),
    }
}

fn isas(image: &FatImage<'_>) -> Vec<Isa> {
    let isas = image.isas.iter().enumerate();
    let machine = |number: u32| u16::try_from(number).map(elf::Machine).ok();
    isas.map(|(at, isa)| Isa {
        name: isa.name.to_owned(),
        machine: isa.record.machine,
        machine_name: machine(isa.record.machine).and_then(elf::Machine::name),
        flags: isa.record.flags,
        entry: Address(isa.record.entry),
        entry_symbol: image
            .function_at(at, isa.record.entry, "")
            .map(|f| f.name.to_owned()),
        gates_physical: Address(isa.record.gates_phys),
        function_count: isa.functions.len(),
    })
    .collect()
}

fn arrays(image: &FatImage<'_>) -> Vec<Array> {
    let gates = image.symbols.iter().filter(|s| !s.local);
    let gates: HashMap<u64, &str> = gates.map(|s| (s.address, s.name)).collect();
    let traps = image
        .symbols
        .iter()
        .filter(|s| s.name.starts_with(TRAP_PREFIX));
    let traps: HashMap<_, _> = traps
        .filter_map(|s| Some(((s.isa?, s.address), s.name)))
        .collect();
    let of_array = |(at, elements): (usize, &Vec<u64>)| {
        let gate = image.gate(at);
        // A stripped image has no symbols: then the first element's function gives the name.
        let first = elements.first().copied().unwrap_or_default();
        let function = || image.function_at(0, first, "").map(|f| f.name);
        let symbol = gates.get(&gate).copied().or_else(function);
        let elements = elements.iter().enumerate().map(|(isa, address)| {
            let trap = traps.contains_key(&(isa, *address));
            element(image, isa, *address, symbol, trap)
        });
        Array {
            name: symbol.map(demangle),
            symbol: symbol.map(str::to_owned),
            gate: Address(gate),
            address: Address(image.header.functions + (at * image.isas.len() * 8) as u64),
            elements: elements.collect(),
        }
    };
    image.arrays.iter().enumerate().map(of_array).collect()
}

fn element(
    image: &FatImage<'_>,
    isa: usize,
    address: u64,
    array: Option<&str>,
    trap: bool,
) -> Element {
    let function = image.function_at(isa, address, array.unwrap_or_default());
    let name = function.map(|f| demangle(f.name));
    let leads_to = match &name {
        _ if trap => LeadsTo::Trap,
        None => LeadsTo::Unknown,
        Some(name) if array.is_some_and(|array| demangle(array) == *name) => LeadsTo::Function,
        Some(_) => LeadsTo::OtherFunction,
    };
    Element {
        isa: image.isas[isa].name.to_owned(),
        address: Address(address),
        leads_to,
        name,
        symbol: function.map(|f| f.name.to_owned()),
    }
}

fn counts_as(image: &FatImage<'_>, section: &ImageSection<'_>) -> Use {
    let name = section.name;
    let is_table = name.starts_with(".fat.symbols.") || name.starts_with(".fat.names.");
    let at_gates = section.address == image.header.gates;
    match section.isa {
        _ if section.kind == elf::SHT_NOTE => Use::Notes,
        _ if name == fat_image::FUNCTIONS_SECTION => Use::Arrays,
        Some(_) if section.flags & Region::GATES != 0 && at_gates => Use::Gates,
        Some(_) if is_table => Use::Symbols,
        Some(_) => Use::Private,
        None => Use::Shared,
    }
}

fn totals(image: &FatImage<'_>, sections: &[Section]) -> Totals {
    let mut totals = Totals {
        private: vec![0; image.isas.len()],
        ..Totals::default()
    };
    for (section, found) in sections.iter().zip(&image.sections) {
        let sum = match (section.counts_as, found.isa) {
            (Use::Shared, _) => &mut totals.shared,
            (Use::Private, isa) => &mut totals.private[isa.unwrap_or_default()],
            (Use::Gates, _) => &mut totals.gates,
            (Use::Arrays, _) => &mut totals.arrays,
            (Use::Symbols, _) => &mut totals.symbols,
            (Use::Notes, _) => &mut totals.notes,
        };
        *sum += section.size;
        totals.total += section.size;
    }
    totals.copies = totals.shared * (image.isas.len() as u64 - 1);
    totals
}

/// The regions as they are, or as an ISA sees them.
fn mappings(image: &FatImage<'_>, seen_by: Option<usize>) -> Vec<Mapping> {
    let mut sections = vec![Vec::new(); image.regions.len()];
    for section in &image.sections {
        if let Some(region) = section.region {
            sections[region].push(section.name.to_owned());
        }
    }
    let visible = image.regions.iter().zip(sections).filter_map(|(r, names)| {
        let owner = Some(r.isa as usize).filter(|_| r.isa != fat_image::ALL_ISAS);
        let foreign = seen_by.is_some() && owner.is_some() && owner != seen_by;
        if foreign && r.flags & Region::GATES != 0 {
            return None;
        }
        let flags = if foreign {
            r.flags & !Region::EXECUTE
        } else {
            r.flags
        };
        Some(Mapping {
            start: Address(r.start),
            size: r.size,
            physical: Address(r.phys),
            permissions: permissions(flags),
            isa: owner.map(|at| image.isas[at].name.to_owned()),
            exclusive: r.flags & Region::GATES != 0,
            boot: r.flags & Region::BOOT != 0,
            sections: names,
        })
    });
    let mut mappings: Vec<_> = visible.collect();
    if seen_by.is_some() {
        mappings.sort_by_key(|m| m.start);
    }
    mappings
}
