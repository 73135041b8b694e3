//! The generated corpus: a linked-looking object per machine, its DWARF written by `gimli::write`.
//!
//! Most units are C: each includes the core headers and some others, so that a type stands in many units, and has types,
//! variables and functions of its own. Some are like Rust's: namespaces, generics, enums with variant parts.
//!
//! Invariant: sides differ in addresses, in the machine, and in the types that the model changes; nothing else.

use std::collections::HashMap;
use std::path::Path;

use gimli::write::{
    Address, AttributeValue, Dwarf, EndianVec, Expression, LineProgram, LineString, Sections,
    StringTable, Unit, UnitEntryId,
};
use gimli::{Encoding, Format, LineEncoding, RunTimeEndian};
use object::write::{Object, StandardSection, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind};

use super::model::{BASES, CORE, Definition, Field, HEADERS, Meaning, Model, Named, Ref};
use super::rust;
use crate::bench::source::Random;
use crate::error::Error;

/// Every so manieth unit is like Rust's.
const RUST_UNITS: usize = 7;
const SEED: u64 = 0x0061_6269_2d63_6f72;

/// A side of the corpus.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its machine.
    pub architecture: Architecture,
    /// Bytes of a function.
    pub function: u64,
    /// Whether the types that may differ do.
    pub changed: bool,
}

/// A symbol to write.
struct Placed {
    name: String,
    kind: SymbolKind,
    address: u64,
    size: u64,
}

/// Writes one side of `units` units.
pub fn write(path: &Path, target: Target, units: usize) -> Result<(), Error> {
    let model = Model::new(SEED, target.changed);
    let encoding = Encoding {
        format: Format::Dwarf32,
        version: 5,
        address_size: 8,
    };
    let mut dwarf = Dwarf::new();
    let mut place = Place {
        code: 0,
        data: 0,
        function: target.function,
        symbols: Vec::new(),
    };
    for number in 0..units {
        let mut unit = Unit::new(encoding, lines(encoding, number));
        let mut writer = Writer::new(&mut unit, &mut dwarf.strings, &model, &mut place);
        // A unit is the same whatever the others are.
        let mut random = Random::new(SEED + 1 + number as u64);
        match number % RUST_UNITS == RUST_UNITS - 1 {
            true => rust::unit(&mut writer, &mut random, number),
            false => writer.c_unit(&mut random, number),
        }
        dwarf.units.add(unit);
    }
    let mut sections = Sections::new(EndianVec::new(RunTimeEndian::Little));
    dwarf.write(&mut sections).map_err(|source| Error::Corpus {
        said: source.to_string(),
    })?;
    let bytes = object(target, &place, &sections)?;
    std::fs::write(path, bytes).map_err(|source| Error::System {
        doing: "write the corpus",
        source,
    })
}

fn lines(encoding: Encoding, number: usize) -> LineProgram {
    let string = |text: String| LineString::String(text.into_bytes());
    let mut lines = LineProgram::new(
        encoding,
        LineEncoding::default(),
        string("/source".to_owned()),
        None,
        string(format!("unit_{number}.c")),
        None,
    );
    let folder = lines.default_directory();
    for header in 0..HEADERS {
        lines.add_file(string(format!("h{header:02}.h")), folder, None);
    }
    lines
}

fn object(
    target: Target,
    place: &Place,
    sections: &Sections<EndianVec<RunTimeEndian>>,
) -> Result<Vec<u8>, Error> {
    let mut out = Object::new(BinaryFormat::Elf, target.architecture, Endianness::Little);
    let text = out.section_id(StandardSection::Text);
    out.append_section_data(text, &vec![0; place.code as usize], 16);
    let data = out.section_id(StandardSection::UninitializedData);
    out.append_section_bss(data, place.data, 16);
    for symbol in &place.symbols {
        let section = match symbol.kind {
            SymbolKind::Text => text,
            _ => data,
        };
        out.add_symbol(Symbol {
            name: symbol.name.clone().into_bytes(),
            value: symbol.address,
            size: symbol.size,
            kind: symbol.kind,
            scope: object::SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        });
    }
    let add = |id: gimli::SectionId, bytes: &EndianVec<RunTimeEndian>| {
        if !bytes.slice().is_empty() {
            let name = id.name().as_bytes().to_vec();
            let section = out.add_section(Vec::new(), name, SectionKind::Debug);
            out.set_section_data(section, bytes.slice().to_vec(), 1);
        }
        Ok::<(), gimli::write::Error>(())
    };
    let added = sections.for_each(add);
    let written = added.map_err(|e| e.to_string());
    let written = written.and_then(|()| out.write().map_err(|e| e.to_string()));
    written.map_err(|said| Error::Corpus { said })
}

/// Where the next function and variable go.
struct Place {
    code: u64,
    data: u64,
    function: u64,
    symbols: Vec<Placed>,
}

/// Writes the entries of one unit.
pub struct Writer<'w> {
    pub(super) unit: &'w mut Unit,
    strings: &'w mut StringTable,
    model: &'w Model,
    place: &'w mut Place,
    known: HashMap<Ref, UnitEntryId>,
}

impl<'w> Writer<'w> {
    fn new(
        unit: &'w mut Unit,
        strings: &'w mut StringTable,
        model: &'w Model,
        place: &'w mut Place,
    ) -> Self {
        Writer {
            unit,
            strings,
            model,
            place,
            known: HashMap::new(),
        }
    }

    fn c_unit(&mut self, random: &mut Random, number: usize) {
        let root = self.unit.root();
        self.text(root, gimli::DW_AT_producer, "GNU C11 14.2.0 -O2 -g");
        self.set(
            root,
            gimli::DW_AT_language,
            AttributeValue::Language(gimli::DW_LANG_C11),
        );
        self.text(root, gimli::DW_AT_name, &format!("unit_{number}.c"));
        let mut headers: Vec<usize> = (0..CORE).collect();
        headers.extend((CORE..HEADERS).filter(|_| random.below(4) == 0));
        let mut all = Vec::new();
        for header in headers {
            let types = 0..self.model.header(header).len();
            all.extend(types.map(|at| Named { header, at }));
        }
        for named in &all {
            let id = self.unit.reserve();
            self.known.insert(Ref::Named(*named), id);
        }
        for named in &all {
            self.define(*named);
        }
        for named in all.iter().filter(|named| named.at >= 60) {
            let name = self.model.get(*named).name.clone();
            self.variable(&format!("{name}_in_{number}"), Ref::Named(*named));
        }
        for variable in 0..20 {
            let ty = Ref::Named(all[random.below(all.len())]);
            self.variable(&format!("u{number:04}_variable_{variable}"), ty);
        }
        for function in 0..60 {
            let name = format!("u{number:04}_function_{function}");
            self.function(random, &name, &all);
        }
    }

    /// Adds an entry.
    pub(super) fn add(&mut self, parent: UnitEntryId, tag: gimli::DwTag) -> UnitEntryId {
        self.unit.add(parent, tag)
    }

    /// Sets an attribute.
    pub(super) fn set(&mut self, entry: UnitEntryId, name: gimli::DwAt, value: AttributeValue) {
        self.unit.get_mut(entry).set(name, value);
    }

    /// Sets an attribute that is a string.
    pub(super) fn text(&mut self, entry: UnitEntryId, name: gimli::DwAt, text: &str) {
        let value = match text.len() {
            // Compilers write what is no longer than a reference in place.
            0..4 => AttributeValue::String(text.as_bytes().to_vec()),
            _ => AttributeValue::StringRef(self.strings.add(text)),
        };
        self.set(entry, name, value);
    }

    /// Sets a number, as small as it may be.
    pub(super) fn number(&mut self, entry: UnitEntryId, name: gimli::DwAt, number: u64) {
        let value = match number {
            0..=0xff => AttributeValue::Data1(number as u8),
            0x100..=0xffff => AttributeValue::Data2(number as u16),
            _ => AttributeValue::Udata(number),
        };
        self.set(entry, name, value);
    }

    /// Sets what an entry is of.
    pub(super) fn of(&mut self, entry: UnitEntryId, ty: UnitEntryId) {
        self.set(entry, gimli::DW_AT_type, AttributeValue::UnitRef(ty));
    }

    /// Sets where the source declares it.
    fn declared(&mut self, entry: UnitEntryId, file: usize, line: usize) {
        self.number(entry, gimli::DW_AT_decl_file, file as u64 + 1);
        self.number(entry, gimli::DW_AT_decl_line, line as u64 * 20 + 3);
        self.number(entry, gimli::DW_AT_decl_column, 9);
    }

    fn define(&mut self, named: Named) {
        let model = self.model;
        let Definition {
            name,
            meaning,
            size,
            ..
        } = model.get(named);
        let id = self.known[&Ref::Named(named)];
        let tag = match meaning {
            Meaning::Struct(_) => gimli::DW_TAG_structure_type,
            Meaning::Union(_) => gimli::DW_TAG_union_type,
            Meaning::Enumeration(_) => gimli::DW_TAG_enumeration_type,
            Meaning::Alias(_) => gimli::DW_TAG_typedef,
        };
        self.unit.add_reserved(id, self.unit.root(), tag);
        self.text(id, gimli::DW_AT_name, name);
        self.declared(id, named.header, named.at);
        match meaning {
            Meaning::Alias(ty) => {
                let ty = self.reference(ty);
                self.of(id, ty);
                return;
            }
            Meaning::Struct(fields) => {
                let (offsets, ..) = model.offsets(fields);
                self.fields(id, named, fields, Some(&offsets));
            }
            Meaning::Union(fields) => self.fields(id, named, fields, None),
            Meaning::Enumeration(values) => {
                let unsigned = self.reference(&Ref::Base(5));
                self.of(id, unsigned);
                self.set(
                    id,
                    gimli::DW_AT_encoding,
                    AttributeValue::Encoding(gimli::DW_ATE_unsigned),
                );
                for (name, value) in values {
                    let entry = self.add(id, gimli::DW_TAG_enumerator);
                    self.text(entry, gimli::DW_AT_name, name);
                    self.number(entry, gimli::DW_AT_const_value, *value);
                }
            }
        }
        self.number(id, gimli::DW_AT_byte_size, *size);
    }

    fn fields(&mut self, id: UnitEntryId, named: Named, fields: &[Field], offsets: Option<&[u64]>) {
        for (at, field) in fields.iter().enumerate() {
            let ty = self.reference(&field.ty);
            let entry = self.add(id, gimli::DW_TAG_member);
            self.text(entry, gimli::DW_AT_name, &field.name);
            self.declared(entry, named.header, named.at + at);
            self.of(entry, ty);
            if let Some(offset) = offsets.and_then(|offsets| offsets.get(at)) {
                self.number(entry, gimli::DW_AT_data_member_location, *offset);
            }
        }
    }

    /// The entry of a type; unnamed ones are made when they are met first.
    pub(super) fn reference(&mut self, ty: &Ref) -> UnitEntryId {
        if let Some(id) = self.known.get(ty) {
            return *id;
        }
        let inner = match ty {
            Ref::Pointer(inner) | Ref::Const(inner) | Ref::Array(inner, _) => {
                Some(self.reference(inner))
            }
            _ => None,
        };
        let root = self.unit.root();
        let id = match ty {
            Ref::Base(base) => self.base(BASES[*base]),
            Ref::Pointer(_) => {
                let id = self.add(root, gimli::DW_TAG_pointer_type);
                self.number(id, gimli::DW_AT_byte_size, 8);
                id
            }
            // All named types of the unit were reserved before.
            Ref::Const(_) | Ref::Named(_) => self.add(root, gimli::DW_TAG_const_type),
            Ref::Array(_, number) => {
                let index = self.reference(&Ref::Base(7));
                let id = self.add(root, gimli::DW_TAG_array_type);
                let range = self.add(id, gimli::DW_TAG_subrange_type);
                self.of(range, index);
                self.number(range, gimli::DW_AT_upper_bound, number - 1);
                id
            }
            Ref::Function(takes) => self.function_type(takes),
        };
        if let Some(inner) = inner {
            self.of(id, inner);
        }
        self.known.insert(ty.clone(), id);
        id
    }

    /// A base type.
    pub(super) fn base(
        &mut self,
        (name, size, encoding): (&str, u64, gimli::DwAte),
    ) -> UnitEntryId {
        let id = self.add(self.unit.root(), gimli::DW_TAG_base_type);
        self.number(id, gimli::DW_AT_byte_size, size);
        self.set(
            id,
            gimli::DW_AT_encoding,
            AttributeValue::Encoding(encoding),
        );
        self.text(id, gimli::DW_AT_name, name);
        id
    }

    fn function_type(&mut self, takes: &[Ref]) -> UnitEntryId {
        let types: Vec<_> = takes.iter().map(|ty| self.reference(ty)).collect();
        let int = self.reference(&Ref::Base(4));
        let id = self.add(self.unit.root(), gimli::DW_TAG_subroutine_type);
        self.set(id, gimli::DW_AT_prototyped, AttributeValue::FlagPresent);
        self.of(id, int);
        for ty in types {
            let entry = self.add(id, gimli::DW_TAG_formal_parameter);
            self.of(entry, ty);
        }
        id
    }

    fn variable(&mut self, name: &str, ty: Ref) {
        let size = self.model.size(&ty).0;
        let ty = self.reference(&ty);
        let entry = self.add(self.unit.root(), gimli::DW_TAG_variable);
        self.text(entry, gimli::DW_AT_name, name);
        self.declared(entry, 0, 1);
        self.of(entry, ty);
        self.set(entry, gimli::DW_AT_external, AttributeValue::FlagPresent);
        self.allocate(entry, name, size);
    }

    /// Gives a variable its place and a symbol.
    pub(super) fn allocate(&mut self, entry: UnitEntryId, symbol: &str, size: u64) {
        let address = self.place.data;
        self.place.data += size.max(1).next_multiple_of(16);
        let mut location = Expression::new();
        location.op_addr(Address::Constant(address));
        self.set(
            entry,
            gimli::DW_AT_location,
            AttributeValue::Exprloc(location),
        );
        self.place.symbols.push(Placed {
            name: symbol.to_owned(),
            kind: SymbolKind::Data,
            address,
            size,
        });
    }

    /// An entry with code.
    pub(super) fn code(&mut self, entry: UnitEntryId, symbol: &str) -> u64 {
        let (address, size) = (self.place.code, self.place.function);
        self.place.code += size;
        self.range(entry, address, size);
        let mut frame = Expression::new();
        frame.op(gimli::DW_OP_call_frame_cfa);
        self.set(
            entry,
            gimli::DW_AT_frame_base,
            AttributeValue::Exprloc(frame),
        );
        self.place.symbols.push(Placed {
            name: symbol.to_owned(),
            kind: SymbolKind::Text,
            address,
            size,
        });
        address
    }

    fn range(&mut self, entry: UnitEntryId, address: u64, size: u64) {
        let low = AttributeValue::Address(Address::Constant(address));
        self.set(entry, gimli::DW_AT_low_pc, low);
        self.set(entry, gimli::DW_AT_high_pc, AttributeValue::Data8(size));
    }

    fn function(&mut self, random: &mut Random, name: &str, types: &[Named]) {
        let int = self.reference(&Ref::Base(4));
        let entry = self.add(self.unit.root(), gimli::DW_TAG_subprogram);
        self.set(entry, gimli::DW_AT_external, AttributeValue::FlagPresent);
        self.text(entry, gimli::DW_AT_name, name);
        self.declared(entry, 0, random.below(400));
        self.set(entry, gimli::DW_AT_prototyped, AttributeValue::FlagPresent);
        self.of(entry, int);
        let address = self.code(entry, name);
        let pick = |random: &mut Random| {
            let to = Ref::Named(types[random.below(types.len())]);
            Ref::Pointer(Box::new(to))
        };
        for at in 0..1 + random.below(4) {
            let ty = pick(random);
            self.local(
                entry,
                gimli::DW_TAG_formal_parameter,
                &format!("argument_{at}"),
                &ty,
                at,
            );
        }
        let block = self.add(entry, gimli::DW_TAG_lexical_block);
        self.range(block, address + 4, 16);
        for at in 0..1 + random.below(6) {
            let ty = pick(random);
            self.local(
                block,
                gimli::DW_TAG_variable,
                &format!("local_{at}"),
                &ty,
                at + 4,
            );
        }
        for at in 0..random.below(4) {
            let call = self.add(block, gimli::DW_TAG_call_site);
            let returns = AttributeValue::Address(Address::Constant(address + 8 + at as u64));
            self.set(call, gimli::DW_AT_call_return_pc, returns);
            self.set(
                call,
                gimli::DW_AT_call_origin,
                AttributeValue::UnitRef(entry),
            );
        }
    }

    fn local(&mut self, parent: UnitEntryId, tag: gimli::DwTag, name: &str, ty: &Ref, at: usize) {
        let ty = self.reference(ty);
        let entry = self.add(parent, tag);
        self.text(entry, gimli::DW_AT_name, name);
        self.declared(entry, 0, at);
        self.of(entry, ty);
        let mut location = Expression::new();
        location.op_fbreg(-16 - 8 * at as i64);
        self.set(
            entry,
            gimli::DW_AT_location,
            AttributeValue::Exprloc(location),
        );
    }
}
