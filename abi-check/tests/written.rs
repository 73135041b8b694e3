//! Objects written by the tests: what no compiler here emits, and machines that no compiler here knows.

mod support;

use std::sync::Mutex;

use abi_check::{Error, Kind, Location, Reason, Verdict};
use gimli::write::AttributeValue;
use gimli::{DW_ATE_float, DW_ATE_signed, DW_ATE_unsigned};
use object::{Architecture, Endianness};
use support::objects::{AARCH64, Builder, RISCV32, RISCV64, Target, X86_64, object};
use support::{compare, sides, summary};

fn counter(builder: &mut Builder) {
    let u64_type = builder.base("u64", 8, DW_ATE_unsigned);
    let record = builder.record("S", 16, &[("a", u64_type, 0), ("b", u64_type, 8)]);
    let pointer = builder.pointer(record);
    builder.variable("FIRST", u64_type);
    builder.variable("SECOND", record);
    builder.variable("THIRD", pointer);
}

#[test]
fn one_type_is_equal_on_all_machines_and_in_both_versions() {
    let v5 = |target: Target| Target {
        version: 5,
        ..target
    };
    for target in [RISCV64, AARCH64, v5(X86_64), v5(RISCV64)] {
        let report = compare(&[&object(X86_64, counter), &object(target, counter)]);
        assert_eq!(
            (report.verdict(), report.compared_roots),
            (Verdict::Equal, 3),
            "{report}"
        );
    }
}

#[test]
fn three_sides_make_one_finding() {
    let wide = |builder: &mut Builder| {
        let number = builder.base("u64", 8, DW_ATE_unsigned);
        let record = builder.record("S", 8, &[("a", number, 0)]);
        builder.variable("X", record);
    };
    let narrow = |builder: &mut Builder| {
        let number = builder.base("u32", 4, DW_ATE_unsigned);
        let record = builder.record("S", 4, &[("a", number, 0)]);
        builder.variable("X", record);
    };
    let report = compare(&[
        &object(X86_64, wide),
        &object(RISCV64, narrow),
        &object(AARCH64, narrow),
    ]);
    assert_eq!(summary(&report), [(Kind::FieldType, "S", "a")], "{report}");
    assert_eq!(
        report.findings[0]
            .sides
            .iter()
            .map(|view| view.side)
            .collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(
        report.findings[0]
            .table
            .as_ref()
            .map(|table| table.sides.len()),
        Some(3)
    );
}

#[test]
fn the_place_of_a_static_is_that_of_its_symbol() {
    for target in [
        X86_64,
        RISCV64,
        Target {
            version: 5,
            ..AARCH64
        },
    ] {
        let data = object(target, counter);
        let places = Mutex::new(Vec::new());
        abi_check::compare(&sides(&[&data, &data]), &|root| {
            if root.side == 0 {
                places
                    .lock()
                    .expect("no panic")
                    .push((root.name.to_owned(), root.location));
            }
            true
        })
        .expect("the object can be read");
        let places = places.into_inner().expect("no panic");
        let offsets: Vec<_> = places
            .iter()
            .map(|(name, location)| match location {
                Some(Location::Section { section, offset }) => (name.as_str(), *section, *offset),
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        let data_section = offsets[0].1;
        assert_eq!(
            offsets,
            [
                ("FIRST", data_section, 0),
                ("SECOND", data_section, 16),
                ("THIRD", data_section, 32)
            ]
        );
    }
}

#[test]
fn pointers_of_another_width_are_one_finding() {
    let report = compare(&[&object(X86_64, counter), &object(RISCV32, counter)]);
    assert_eq!(report.verdict(), Verdict::Mismatch, "{report}");
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.kind == Kind::PointerWidth),
        "{report}"
    );
}

#[test]
fn another_byte_order_is_found() {
    let big = Target {
        architecture: Architecture::Aarch64,
        endian: Endianness::Big,
        ..AARCH64
    };
    let report = compare(&[&object(AARCH64, counter), &object(big, counter)]);
    assert_eq!(summary(&report), [(Kind::ByteOrder, "", "")], "{report}");
}

#[test]
fn long_double_is_not_shared_by_x86_64_and_riscv64() {
    let build = |builder: &mut Builder| {
        let float = builder.base("long double", 16, DW_ATE_float);
        let record = builder.record("S", 16, &[("d", float, 0)]);
        builder.variable("X", record);
    };
    let report = compare(&[&object(X86_64, build), &object(RISCV64, build)]);
    assert_eq!(
        summary(&report),
        [(Kind::FloatFormat, "long double", "")],
        "{report}"
    );
    let report = compare(&[&object(RISCV64, build), &object(AARCH64, build)]);
    assert_eq!(report.verdict(), Verdict::Equal, "{report}");
}

#[test]
fn an_unknown_relocation_matters_only_where_a_value_does() {
    // 64 is no relocation type of AArch64 data: all of them are unknown then.
    let unknown = Target {
        relocations: [64, 64],
        ..AARCH64
    };
    let data = object(unknown, counter);
    match abi_check::compare(&sides(&[&data, &data]), &|_| true) {
        Err(Error::Relocation {
            file,
            section,
            r_type,
            machine,
            ..
        }) => {
            assert_eq!(
                (file.as_str(), section, r_type, machine.as_str()),
                ("a.o", ".debug_info", 64, "aarch64")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_definition_is_named_by_its_declaration() {
    let build = |builder: &mut Builder| {
        let number = builder.base("i32", 4, DW_ATE_signed);
        let root = builder.root();
        let outer = builder.entry(root, gimli::DW_TAG_namespace);
        builder.name(outer, "outer");
        let declaration = builder.entry(outer, gimli::DW_TAG_variable);
        builder.name(declaration, "X");
        builder.text(declaration, gimli::DW_AT_linkage_name, "_ZX");
        builder.refer(declaration, gimli::DW_AT_type, number);
        builder.set(
            declaration,
            gimli::DW_AT_declaration,
            AttributeValue::Flag(true),
        );
        let definition = builder.entry(root, gimli::DW_TAG_variable);
        builder.refer(definition, gimli::DW_AT_specification, declaration);
        builder.place(definition, "_ZX");
    };
    let data = object(X86_64, build);
    let seen = Mutex::new(Vec::new());
    support::compare_if(&[&data, &data], &|root| {
        seen.lock()
            .expect("no panic")
            .push((root.name.to_owned(), root.linkage_name.map(str::to_owned)));
        true
    });
    let seen = seen.into_inner().expect("no panic");
    assert_eq!(seen[0], ("outer::X".to_owned(), Some("_ZX".to_owned())));
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_declaration_takes_its_definition_from_another_object() {
    let declares = |builder: &mut Builder| {
        let root = builder.root();
        let hidden = builder.entry(root, gimli::DW_TAG_structure_type);
        builder.name(hidden, "hidden");
        builder.set(hidden, gimli::DW_AT_declaration, AttributeValue::Flag(true));
        let pointer = builder.pointer(hidden);
        builder.variable("P", pointer);
    };
    let defines = |size: u64| {
        move |builder: &mut Builder| {
            let number = builder.base("n", size, DW_ATE_signed);
            builder.record("hidden", size, &[("n", number, 0)]);
        }
    };
    let user = object(X86_64, declares);
    let (four, eight) = (object(X86_64, defines(4)), object(X86_64, defines(8)));
    let with = |first: &[u8], second: &[u8]| {
        let mut sides = sides(&[&user, &user]);
        let both = [first, second];
        for (side, data) in sides.iter_mut().zip(both) {
            side.objects.push(abi_check::ObjectFile {
                name: "other.o".to_owned(),
                data: Box::leak(data.to_vec().into()),
            });
        }
        abi_check::compare(&sides, &|_| true).expect("the objects can be read")
    };
    let report = with(&four, &four);
    assert_eq!(report.verdict(), Verdict::Equal, "{report}");
    let report = with(&four, &eight);
    assert_eq!(report.verdict(), Verdict::Mismatch, "{report}");
    let alone = compare(&[&user, &user]);
    assert_eq!(alone.unproved[0].reason, Reason::NoDefinition, "{alone}");
}

#[test]
fn aliases_in_a_circle_are_unproved() {
    let build = |builder: &mut Builder| {
        let root = builder.root();
        let a = builder.entry(root, gimli::DW_TAG_typedef);
        let b = builder.entry(root, gimli::DW_TAG_typedef);
        builder.refer(a, gimli::DW_AT_type, b);
        builder.refer(b, gimli::DW_AT_type, a);
        builder.variable("X", a);
    };
    let data = object(X86_64, build);
    let report = compare(&[&data, &data]);
    assert_eq!(report.verdict(), Verdict::Unproved, "{report}");
}

#[test]
fn structs_that_hold_themselves_by_value_end_and_differ() {
    let build = |size: u64| {
        move |builder: &mut Builder| {
            let record = builder.record("S", size, &[]);
            builder.member(record, "again", record, 0);
            builder.variable("X", record);
        }
    };
    let (a, b) = (object(X86_64, build(8)), object(X86_64, build(16)));
    assert_eq!(compare(&[&a, &a]).verdict(), Verdict::Equal);
    assert_eq!(compare(&[&a, &b]).verdict(), Verdict::Mismatch);
}

#[test]
fn a_static_of_a_shared_name_may_have_any_equal_partner() {
    let build = |sizes: [u64; 2]| {
        move |builder: &mut Builder| {
            for size in sizes {
                let number = builder.base("n", size, DW_ATE_unsigned);
                let record = builder.record("T", size, &[("n", number, 0)]);
                builder.variable("<T as Tr>::{vtable}", record);
            }
        }
    };
    let (a, b) = (object(X86_64, build([4, 8])), object(X86_64, build([8, 4])));
    let report = compare(&[&a, &b]);
    assert_eq!(
        (report.verdict(), report.compared_roots),
        (Verdict::Equal, 2),
        "{report}"
    );
    let c = object(X86_64, build([8, 2]));
    assert_eq!(compare(&[&a, &c]).verdict(), Verdict::Mismatch);
}

#[test]
fn the_text_of_a_report_shows_both_sides() {
    let build = |offset: u64| {
        move |builder: &mut Builder| {
            let byte = builder.base("u8", 1, DW_ATE_unsigned);
            let number = builder.base("u64", 8, DW_ATE_unsigned);
            let inner =
                builder.record("Inner", 24, &[("flag", byte, 0), ("count", number, offset)]);
            let outer = builder.record("Outer", 32, &[("inner", inner, 8)]);
            builder.variable("STATS", outer);
        }
    };
    let report = compare(&[&object(X86_64, build(8)), &object(RISCV64, build(16))]);
    insta::assert_snapshot!(report, @r"
    compared 1 root and 4 types of a, b
      a: hand (1 unit)
      b: hand (1 unit)

    error[AC0003]: field `count` of `Inner` is not at the same place
      reached from  static STATS  (STATS.inner.count)
          a                 b
          0[1] flag: u8     0[1] flag: u8
          1[7] padding      1[15] padding
        * 8[8] count: u64   16[8] count: u64
          16[8] padding
          24 bytes          24 bytes
      also affects 1 type: Outer
      hint: #[repr(C)] fixes the order of fields in Rust

    1 mismatch
    ");
}
