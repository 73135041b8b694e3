//! ELF objects with DWARF written by the test itself, for any machine, byte order and version.

use gimli::write::{
    Address, AttributeValue, DebugInfoRef, Dwarf, EndianVec, Expression, LineProgram,
    RelocateWriter, Relocation, RelocationTarget, Sections, Unit, UnitEntryId, UnitId, Writer,
};
use gimli::{DwAte, DwTag, Encoding, Format, RunTimeEndian, SectionId};
use object::elf::RelocationType;
use object::write::{
    Object, Relocation as ObjectRelocation, StandardSegment, Symbol, SymbolSection,
};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};

/// How an object is to be written.
#[derive(Clone, Copy)]
pub struct Target {
    pub architecture: Architecture,
    pub endian: Endianness,
    pub address_size: u8,
    pub version: u16,
    /// Relocation types of 4 and 8 bytes.
    pub relocations: [u32; 2],
}

pub const X86_64: Target = Target {
    architecture: Architecture::X86_64,
    endian: Endianness::Little,
    address_size: 8,
    version: 4,
    relocations: [10, 1],
};
pub const RISCV64: Target = Target {
    architecture: Architecture::Riscv64,
    relocations: [1, 2],
    ..X86_64
};
pub const AARCH64: Target = Target {
    architecture: Architecture::Aarch64,
    relocations: [258, 257],
    ..X86_64
};
pub const RISCV32: Target = Target {
    architecture: Architecture::Riscv32,
    address_size: 4,
    relocations: [1, 2],
    ..X86_64
};

/// Units while they are written.
pub struct Builder {
    dwarf: Dwarf,
    unit: UnitId,
    encoding: Encoding,
    statics: Vec<String>,
}

impl Builder {
    fn new(target: Target) -> Builder {
        let encoding = Encoding {
            format: Format::Dwarf32,
            version: target.version,
            address_size: target.address_size,
        };
        let mut dwarf = Dwarf::new();
        let unit = dwarf.units.add(Unit::new(encoding, LineProgram::none()));
        let mut builder = Builder {
            dwarf,
            unit,
            encoding,
            statics: Vec::new(),
        };
        builder.describe();
        builder
    }

    fn describe(&mut self) {
        let root = self.root();
        self.name(root, "unit");
        self.text(root, gimli::DW_AT_producer, "hand");
    }

    /// Ends a unit and begins another one; returns the one that ended.
    pub fn next_unit(&mut self) -> UnitId {
        let unit = Unit::new(self.encoding, LineProgram::none());
        let next = self.dwarf.units.add(unit);
        let ended = std::mem::replace(&mut self.unit, next);
        self.describe();
        ended
    }

    /// A pointer to a type of another unit.
    pub fn pointer_across(&mut self, unit: UnitId, to: UnitEntryId) -> UnitEntryId {
        let root = self.root();
        let id = self.entry(root, gimli::DW_TAG_pointer_type);
        let to = AttributeValue::DebugInfoRef(DebugInfoRef::Entry(unit, to));
        self.set(id, gimli::DW_AT_type, to);
        id
    }

    pub fn root(&self) -> UnitEntryId {
        self.dwarf.units.get(self.unit).root()
    }

    pub fn entry(&mut self, parent: UnitEntryId, tag: DwTag) -> UnitEntryId {
        self.dwarf.units.get_mut(self.unit).add(parent, tag)
    }

    pub fn set(&mut self, entry: UnitEntryId, name: gimli::DwAt, value: AttributeValue) {
        self.dwarf
            .units
            .get_mut(self.unit)
            .get_mut(entry)
            .set(name, value);
    }

    pub fn text(&mut self, entry: UnitEntryId, name: gimli::DwAt, text: &str) {
        let id = self.dwarf.strings.add(text);
        self.set(entry, name, AttributeValue::StringRef(id));
    }

    pub fn name(&mut self, entry: UnitEntryId, name: &str) {
        self.text(entry, gimli::DW_AT_name, name);
    }

    pub fn number(&mut self, entry: UnitEntryId, name: gimli::DwAt, value: u64) {
        self.set(entry, name, AttributeValue::Udata(value));
    }

    pub fn refer(&mut self, entry: UnitEntryId, name: gimli::DwAt, to: UnitEntryId) {
        self.set(entry, name, AttributeValue::UnitRef(to));
    }

    /// A type below the unit.
    pub fn ty(&mut self, tag: DwTag, name: &str, size: u64) -> UnitEntryId {
        let root = self.root();
        let id = self.entry(root, tag);
        self.name(id, name);
        self.number(id, gimli::DW_AT_byte_size, size);
        id
    }

    pub fn base(&mut self, name: &str, size: u64, encoding: DwAte) -> UnitEntryId {
        let id = self.ty(gimli::DW_TAG_base_type, name, size);
        self.set(
            id,
            gimli::DW_AT_encoding,
            AttributeValue::Encoding(encoding),
        );
        id
    }

    pub fn member(
        &mut self,
        of: UnitEntryId,
        name: &str,
        ty: UnitEntryId,
        offset: u64,
    ) -> UnitEntryId {
        let id = self.entry(of, gimli::DW_TAG_member);
        if !name.is_empty() {
            self.name(id, name);
        }
        self.refer(id, gimli::DW_AT_type, ty);
        self.number(id, gimli::DW_AT_data_member_location, offset);
        id
    }

    pub fn record(
        &mut self,
        name: &str,
        size: u64,
        members: &[(&str, UnitEntryId, u64)],
    ) -> UnitEntryId {
        let id = self.ty(gimli::DW_TAG_structure_type, name, size);
        for (name, ty, offset) in members {
            self.member(id, name, *ty, *offset);
        }
        id
    }

    pub fn pointer(&mut self, to: UnitEntryId) -> UnitEntryId {
        let root = self.root();
        let id = self.entry(root, gimli::DW_TAG_pointer_type);
        self.refer(id, gimli::DW_AT_type, to);
        id
    }

    /// A variable in `.data`, at 16 times its number.
    pub fn place(&mut self, entry: UnitEntryId, symbol: &str) {
        let mut expression = Expression::new();
        expression.op_addr(Address::Symbol {
            symbol: self.statics.len(),
            addend: 0,
        });
        self.statics.push(symbol.to_owned());
        self.set(
            entry,
            gimli::DW_AT_location,
            AttributeValue::Exprloc(expression),
        );
    }

    pub fn variable(&mut self, name: &str, ty: UnitEntryId) -> UnitEntryId {
        let root = self.root();
        let id = self.entry(root, gimli::DW_TAG_variable);
        self.name(id, name);
        self.refer(id, gimli::DW_AT_type, ty);
        self.place(id, name);
        id
    }
}

#[derive(Clone)]
struct Recorder {
    bytes: EndianVec<RunTimeEndian>,
    relocations: Vec<Relocation>,
}

impl RelocateWriter for Recorder {
    type Writer = EndianVec<RunTimeEndian>;

    fn writer(&self) -> &Self::Writer {
        &self.bytes
    }

    fn writer_mut(&mut self) -> &mut Self::Writer {
        &mut self.bytes
    }

    fn relocate(&mut self, relocation: Relocation) {
        self.relocations.push(relocation);
    }
}

/// Writes an object; `build` adds types and variables.
pub fn object(target: Target, build: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let mut builder = Builder::new(target);
    build(&mut builder);
    let endian = match target.endian {
        Endianness::Little => RunTimeEndian::Little,
        Endianness::Big => RunTimeEndian::Big,
    };
    let mut sections = Sections::new(Recorder {
        bytes: EndianVec::new(endian),
        relocations: Vec::new(),
    });
    builder
        .dwarf
        .write(&mut sections)
        .expect("the test's DWARF can be written");

    let mut out = Object::new(BinaryFormat::Elf, target.architecture, target.endian);
    let data = out.add_section(
        out.segment_name(StandardSegment::Data).to_vec(),
        b".data".to_vec(),
        SectionKind::Data,
    );
    out.append_section_data(data, &vec![0; 16 * builder.statics.len().max(1)], 16);
    let symbols: Vec<_> = builder
        .statics
        .iter()
        .enumerate()
        .map(|(index, name)| {
            out.add_symbol(Symbol {
                name: name.clone().into_bytes(),
                value: 16 * index as u64,
                size: 16,
                kind: SymbolKind::Data,
                scope: SymbolScope::Linkage,
                weak: false,
                section: SymbolSection::Section(data),
                flags: SymbolFlags::None,
            })
        })
        .collect();
    let mut ids = Vec::new();
    let mut pending = Vec::new();
    sections
        .for_each(|id, recorder| {
            if recorder.bytes.len() > 0 {
                let section = out.add_section(
                    Vec::new(),
                    id.name().as_bytes().to_vec(),
                    SectionKind::Debug,
                );
                out.append_section_data(section, recorder.bytes.slice(), 1);
                ids.push((id, section));
                pending.extend(
                    recorder
                        .relocations
                        .iter()
                        .map(|relocation| (section, *relocation)),
                );
            }
            Ok::<(), gimli::write::Error>(())
        })
        .expect("the recorder does not fail");
    let section_of = |wanted: SectionId| {
        ids.iter()
            .find(|(id, _)| *id == wanted)
            .map(|(_, section)| *section)
    };
    for (section, relocation) in pending {
        let symbol = match relocation.target {
            RelocationTarget::Symbol(index) => symbols[index],
            RelocationTarget::Section(id) => out.section_symbol(
                section_of(id).expect("a relocation names a section that was written"),
            ),
        };
        let r_type = RelocationType(target.relocations[usize::from(relocation.size == 8)]);
        out.add_relocation(
            section,
            ObjectRelocation {
                offset: relocation.offset as u64,
                symbol,
                addend: relocation.addend,
                flags: RelocationFlags::Elf { r_type },
            },
        )
        .expect("the object can be relocated");
    }
    out.write().expect("the object can be written")
}
