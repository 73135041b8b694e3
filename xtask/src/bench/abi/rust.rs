//! Units of the corpus that are like Rust's: generics, enums with variant parts, namespaces.
//!
//! Their types come from one pool, as those of a program's crates do; each unit has a part of it.

use gimli::write::{AttributeValue, UnitEntryId};

use super::corpus::Writer;
use crate::bench::source::Random;

/// Items of the pool; each is a struct, an `Option` and a `Vec` of it.
const ITEMS: usize = 240;

/// Scalars and namespaces of a unit.
struct Common {
    u8: UnitEntryId,
    u32: UnitEntryId,
    u64: UnitEntryId,
    option: UnitEntryId,
    vec: UnitEntryId,
    items: UnitEntryId,
}

/// Writes a unit.
pub fn unit(writer: &mut Writer<'_>, random: &mut Random, number: usize) {
    let root = writer.unit.root();
    writer.text(
        root,
        gimli::DW_AT_producer,
        "clang LLVM (rustc version 1.95.0)",
    );
    let language = AttributeValue::Language(gimli::DW_LANG_Rust);
    writer.set(root, gimli::DW_AT_language, language);
    writer.text(
        root,
        gimli::DW_AT_name,
        &format!("src/lib.rs/@/unit.{number}"),
    );
    let scalar = |writer: &mut Writer<'_>, name, size| {
        let ty = writer.base((name, size, gimli::DW_ATE_unsigned));
        writer.set(
            ty,
            gimli::DW_AT_encoding,
            AttributeValue::Encoding(gimli::DW_ATE_unsigned),
        );
        ty
    };
    let core = namespace(writer, root, "core");
    let alloc = namespace(writer, root, "alloc");
    let program = namespace(writer, root, "program");
    let common = Common {
        u8: scalar(writer, "u8", 1),
        u32: scalar(writer, "u32", 4),
        u64: scalar(writer, "u64", 8),
        option: namespace(writer, core, "option"),
        vec: namespace(writer, alloc, "vec"),
        items: namespace(writer, program, "items"),
    };
    let own = namespace(writer, program, &format!("unit_{number}"));
    for item in 0..ITEMS {
        if random.below(2) == 0 {
            continue;
        }
        let name = format!("program::items::Item{item}");
        let ty = plain(writer, &common, item);
        let option = option(writer, &common, &name, ty);
        let vec = vec(writer, &common, &name, ty);
        if random.below(8) == 0 {
            variable(writer, own, &format!("OPTION_{item}"), option, 40, number);
            variable(writer, own, &format!("VEC_{item}"), vec, 24, number);
        }
        let mut takes = vec![ty, option, vec];
        takes.truncate(1 + random.below(3));
        function(writer, own, (item, number), &takes);
    }
}

fn namespace(writer: &mut Writer<'_>, parent: UnitEntryId, name: &str) -> UnitEntryId {
    let entry = writer.add(parent, gimli::DW_TAG_namespace);
    writer.text(entry, gimli::DW_AT_name, name);
    entry
}

fn structure(writer: &mut Writer<'_>, parent: UnitEntryId, name: &str, size: u64) -> UnitEntryId {
    let entry = writer.add(parent, gimli::DW_TAG_structure_type);
    writer.text(entry, gimli::DW_AT_name, name);
    writer.number(entry, gimli::DW_AT_byte_size, size);
    let access = AttributeValue::Accessibility(gimli::DW_ACCESS_private);
    writer.set(entry, gimli::DW_AT_accessibility, access);
    writer.number(entry, gimli::DW_AT_alignment, 8);
    entry
}

fn member(
    writer: &mut Writer<'_>,
    parent: UnitEntryId,
    name: &str,
    ty: UnitEntryId,
    offset: u64,
) -> UnitEntryId {
    let entry = writer.add(parent, gimli::DW_TAG_member);
    if !name.is_empty() {
        writer.text(entry, gimli::DW_AT_name, name);
    }
    writer.of(entry, ty);
    writer.number(entry, gimli::DW_AT_alignment, 8);
    writer.number(entry, gimli::DW_AT_data_member_location, offset);
    entry
}

fn parameter(writer: &mut Writer<'_>, parent: UnitEntryId, ty: UnitEntryId) {
    let entry = writer.add(parent, gimli::DW_TAG_template_type_parameter);
    writer.text(entry, gimli::DW_AT_name, "T");
    writer.of(entry, ty);
}

/// `struct Item { id, bytes: [u8; n], next: *const Item }`, 32 bytes.
fn plain(writer: &mut Writer<'_>, common: &Common, item: usize) -> UnitEntryId {
    let ty = structure(writer, common.items, &format!("Item{item}"), 32);
    let array = writer.add(writer.unit.root(), gimli::DW_TAG_array_type);
    writer.of(array, common.u8);
    let range = writer.add(array, gimli::DW_TAG_subrange_type);
    writer.of(range, common.u64);
    writer.number(range, gimli::DW_AT_count, 1 + item as u64 % 12);
    let pointer = writer.add(writer.unit.root(), gimli::DW_TAG_pointer_type);
    writer.of(pointer, ty);
    member(writer, ty, "next", pointer, 0);
    member(writer, ty, "id", common.u32, 8);
    member(writer, ty, "bytes", array, 12);
    member(writer, ty, "count", common.u64, 24);
    ty
}

/// `Option<T>` with a tag.
fn option(writer: &mut Writer<'_>, common: &Common, name: &str, of: UnitEntryId) -> UnitEntryId {
    let ty = structure(writer, common.option, &format!("Option<{name}>"), 40);
    let part = writer.add(ty, gimli::DW_TAG_variant_part);
    let tag = member(writer, part, "", common.u64, 0);
    writer.set(tag, gimli::DW_AT_artificial, AttributeValue::FlagPresent);
    writer.set(part, gimli::DW_AT_discr, AttributeValue::UnitRef(tag));
    for (value, variant) in ["None", "Some"].into_iter().enumerate() {
        let entry = writer.add(part, gimli::DW_TAG_variant);
        writer.number(entry, gimli::DW_AT_discr_value, value as u64);
        let fields = structure(writer, ty, variant, 40);
        member(writer, entry, variant, fields, 0);
        parameter(writer, fields, of);
        if value == 1 {
            member(writer, fields, "__0", of, 8);
        }
    }
    parameter(writer, ty, of);
    ty
}

/// `Vec<T>`.
fn vec(writer: &mut Writer<'_>, common: &Common, name: &str, of: UnitEntryId) -> UnitEntryId {
    let ty = structure(writer, common.vec, &format!("Vec<{name}>"), 24);
    let pointer = writer.add(writer.unit.root(), gimli::DW_TAG_pointer_type);
    writer.text(pointer, gimli::DW_AT_name, &format!("*mut {name}"));
    writer.of(pointer, of);
    member(writer, ty, "capacity", common.u64, 0);
    member(writer, ty, "pointer", pointer, 8);
    member(writer, ty, "len", common.u64, 16);
    parameter(writer, ty, of);
    ty
}

fn variable(
    writer: &mut Writer<'_>,
    parent: UnitEntryId,
    name: &str,
    ty: UnitEntryId,
    size: u64,
    number: usize,
) {
    let entry = writer.add(parent, gimli::DW_TAG_variable);
    writer.text(entry, gimli::DW_AT_name, name);
    writer.of(entry, ty);
    writer.set(entry, gimli::DW_AT_external, AttributeValue::FlagPresent);
    let symbol = format!("_ZN7program8unit_{number}{}{name}E", name.len());
    writer.text(entry, gimli::DW_AT_linkage_name, &symbol);
    writer.allocate(entry, &symbol, size);
}

fn function(
    writer: &mut Writer<'_>,
    parent: UnitEntryId,
    (item, number): (usize, usize),
    takes: &[UnitEntryId],
) {
    let entry = writer.add(parent, gimli::DW_TAG_subprogram);
    let name = format!("work_{item}");
    writer.text(entry, gimli::DW_AT_name, &name);
    let symbol = format!("_ZN7program8unit_{number}{}{name}E", name.len());
    writer.text(entry, gimli::DW_AT_linkage_name, &symbol);
    writer.code(entry, &symbol);
    for (at, ty) in takes.iter().enumerate() {
        let taken = writer.add(entry, gimli::DW_TAG_formal_parameter);
        writer.text(taken, gimli::DW_AT_name, &format!("argument_{at}"));
        writer.of(taken, *ty);
    }
}
