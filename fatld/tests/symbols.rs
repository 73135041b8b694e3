//! What names mean: strong, weak and common definitions, COMDAT groups, and what the command line needs or defines.

mod common;

use std::collections::BTreeMap;

use common::{Link, Linked, start};
use goblin::elf::Elf;

/// Values of the symbols of a file.
fn values(bytes: &[u8]) -> BTreeMap<String, u64> {
    let elf = Elf::parse(bytes).expect("ELF");
    let named = elf
        .syms
        .iter()
        .filter_map(|s| Some((elf.strtab.get_at(s.st_name)?, s.st_value)));
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A program of one ISA, linked as by any static linker, that must end with `expected`.
fn answers(link: Link, expected: i32) -> Linked {
    let linked = link.ok();
    assert_eq!(linked.run_views(), [Some(expected)]);
    linked
}

#[test]
fn a_static_program_runs_and_needs_no_slice() {
    for isa in ["x86_64", "riscv64", "aarch64"] {
        let more = "int more(int x); int more(int x) { return x + 1; }\n\
                    int unneeded(void); int unneeded(void) { return 5; }";
        let link = Link::plain(isa)
            .c("start", &start())
            .c(
                "a",
                "int more(int); int answer(void); int answer(void) { return more(41); }",
            )
            .c("b", more);
        let linked = answers(link.arg("-static").arg("--gc-sections").arg("-e_start"), 42);
        assert!(!values(&linked.image).contains_key("unneeded"));
    }
}

#[test]
fn the_command_line_defines_numbers_and_other_names_in_every_slice() {
    let main = "extern char number[]; char *volatile pointer = number; int alias(void); int answer(void);\n\
                int answer(void) { return alias() + (pointer == (char *)0x1234567); }";
    let linked = Link::new()
        .c("start", &start())
        .c("main", main)
        .c("real", "int real(void); int real(void) { return 41; }")
        .arg("--defsym=number=0x1234567")
        .arg("--defsym")
        .arg("alias=middle")
        .arg("--defsym=middle=real")
        .ok();
    assert_eq!(linked.run_views(), [Some(42), Some(42)]);
}

#[test]
fn the_command_line_s_definitions_replace_those_of_objects_as_with_lld() {
    let link = Link::plain("x86_64")
        .c("start", &start())
        .c(
            "main",
            "extern int value; int answer(void); int answer(void) { return value; }",
        )
        .c("value", "int value = 1, other = 2;")
        .arg("--defsym=value=other");
    let linked = answers(link, 2);
    let found = values(&linked.image);
    assert_eq!(found["value"], found["other"]);
}

#[test]
fn a_definition_by_a_name_that_nothing_defines_is_refused() {
    let link = || {
        Link::plain("x86_64")
            .c("start", &start())
            .c("main", "int answer(void); int answer(void) { return 1; }")
    };
    let said = link().arg("--defsym=a=nowhere").refused(1);
    assert!(
        said.starts_with("error: undefined symbol: nowhere"),
        "{said}"
    );
    assert!(said.contains("command line:(--defsym a"), "{said}");
    let said = link().arg("--defsym=a=b").arg("--defsym=b=a").refused(1);
    assert!(
        said.contains("error: undefined symbol: a") && said.contains("error: undefined symbol: b"),
        "{said}"
    );
}

#[test]
fn what_is_named_by_u_is_kept() {
    let link = |name: &str| {
        let source = "int kept(void); int kept(void) { return 5; }\n\
                      int left(void); int left(void) { return 6; }\n\
                      int answer(void); int answer(void) { return 1; }";
        let link = Link::plain("x86_64").c("start", &start()).c("main", source);
        values(&answers(link.arg("--gc-sections").arg("-u").arg(name), 1).image)
    };
    let with = link("kept");
    assert!(with.contains_key("kept") && !with.contains_key("left"));
    assert!(!link("nowhere").contains_key("kept"));
}

#[test]
fn a_common_symbol_has_the_largest_size_and_the_strictest_alignment() {
    let flags: [&[&str]; 1] = [&["-fcommon"]];
    let main = "char shared[3] __attribute__((aligned(64))); extern char last; int answer(void);\n\
                int answer(void) { return (unsigned long)shared % 64 == 0 && &last; }";
    let other = "char small; char shared[5]; char last;";
    let linked = answers(
        Link::plain("x86_64")
            .c("start", &start())
            .c_with("main", main, flags)
            .c_with("other", other, flags),
        1,
    );
    let elf = Elf::parse(&linked.image).expect("ELF");
    let mut shared = elf
        .syms
        .iter()
        .filter(|s| elf.strtab.get_at(s.st_name) == Some("shared"));
    assert_eq!(
        shared.next().map(|s| (s.st_size, s.st_value % 64)),
        Some((5, 0))
    );
    assert!(shared.next().is_none());
}

#[test]
fn strong_definitions_replace_weak_and_common_ones_whatever_their_order() {
    let flags: [&[&str]; 1] = [&["-fcommon"]];
    let weak = "int f(void) __attribute__((weak)); int f(void) { return 1; } int common;";
    let strong = "int f(void); int f(void) { return 2; } int common = 40;";
    let main = "int f(void); extern int common; int answer(void); int answer(void) { return f() + common; }";
    for order in [[weak, strong], [strong, weak]] {
        let link = Link::plain("x86_64")
            .c("start", &start())
            .c_with("first", order[0], flags)
            .c_with("second", order[1], flags);
        answers(link.c("main", main), 42);
    }
}

#[test]
fn of_equal_comdat_groups_the_first_is_taken() {
    let group = |value: u32| {
        format!(
            "__asm__(\".section .text.f,\\\"axG\\\",@progbits,f,comdat\\n\
             .globl f\\n.type f,@function\\nf: mov ${value}, %eax\\nret\\n.size f, .-f\\n.text\\n\");"
        )
    };
    let link = Link::plain("x86_64")
        .c("start", &start())
        .c(
            "main",
            "int f(void); int answer(void); int answer(void) { return f(); }",
        )
        .c("one", &group(1))
        .c("two", &group(2));
    let linked = answers(link, 1);
    let functions = values(&linked.image);
    assert!(functions.contains_key("f"));
}
