//! Refusals name the line of the source: of the instruction that refers, of the variable, of both definitions.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Link, start};

/// Every call and access on a line of its own.
const CALLS: &str = "\
extern int data;
int one(void);
int two(int);
int three(void);

int answer(void) {
    int sum = one();
    sum += two(
        sum);
    if (sum > 3) {
        sum += data;
    }
    return sum + three();
}
";

/// `SYMBOL LINE` for each reference of a refusal.
fn lines_of(said: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut symbol = "";
    for line in said.lines() {
        if let Some(name) = line.strip_prefix("error: undefined symbol: ") {
            symbol = name;
        } else if let Some(source) = line.strip_prefix(">>> referenced by ") {
            found.push(format!("{symbol} {source}"));
        }
    }
    found
}

fn undefined_calls(isa: &str, by_clang: bool, flags: &[&str]) -> Vec<String> {
    let link = Link::plain(isa).c("start", &start());
    let link = if by_clang { link.by_clang(isa) } else { link };
    // Optimizers move instructions from one line to another, or to none.
    let flags = [&["-O0"], flags].concat();
    let said = link.c_with("calls", CALLS, [&flags]).refused(1);
    let lines = lines_of(&said);
    assert_eq!(lines.len(), 4, "{said}");
    lines
}

const LINES_OF_CALLS: [&str; 4] = [
    "data calls.c:11",
    "one calls.c:7",
    "three calls.c:13",
    "two calls.c:8",
];

#[test]
fn every_reference_has_the_line_of_its_instruction() {
    for isa in ["x86_64", "riscv64"] {
        for by_clang in [false, true] {
            let found = undefined_calls(isa, by_clang, &[]);
            assert_eq!(found, LINES_OF_CALLS, "{isa}, clang: {by_clang}");
        }
    }
}

/// With relaxation, rows stand at distances that only relocations know, and every address is a label's.
#[test]
fn riscv_code_that_may_be_relaxed_has_right_lines() {
    for by_clang in [false, true] {
        let found = undefined_calls("riscv64", by_clang, &["-mrelax"]);
        assert_eq!(found, LINES_OF_CALLS, "clang: {by_clang}");
    }
}

#[test]
fn older_versions_of_dwarf() {
    for flag in ["-gdwarf-4", "-gdwarf-3", "-gdwarf-2"] {
        for isa in ["x86_64", "riscv64"] {
            assert_eq!(
                undefined_calls(isa, false, &[flag]),
                LINES_OF_CALLS,
                "{isa} {flag}"
            );
        }
    }
}

#[test]
fn compressed_debug_information() {
    for isa in ["x86_64", "riscv64"] {
        let found = undefined_calls(isa, false, &["-gz=zlib"]);
        assert_eq!(found, LINES_OF_CALLS, "{isa}");
    }
}

/// An upper and a lower part refer to a label of the code: neither it nor a section is what people know.
#[test]
fn the_function_is_named_and_not_a_label() {
    for isa in ["x86_64", "riscv64"] {
        let said = Link::plain(isa)
            .c("start", &start())
            .c("calls", CALLS)
            .refused(1);
        assert_eq!(
            said.matches("(function answer: .text.answer+0x").count(),
            4,
            "{said}"
        );
        assert!(!said.contains(".Lpcrel") && !said.contains(".L0"), "{said}");
    }
}

#[test]
fn without_debug_information_the_place_remains() {
    let said = Link::plain("riscv64")
        .c("start", &start())
        .c_with("calls", CALLS, [&["-g0"]])
        .refused(1);
    insta::assert_snapshot!(said.lines().take(2).collect::<Vec<_>>().join("\n"), @r"
    error: undefined symbol: data
    >>> referenced by riscv64/calls.o:(function answer: .text.answer+0x24)
    ");
}

#[test]
fn a_table_has_the_line_of_its_declaration() {
    let source = "int absent(void);\n\n\nint (*table[3])(void) = { 0, absent };\n\
                  int answer(void) { return table[1](); }";
    let said = Link::plain("x86_64")
        .c("start", &start())
        .c_with("table", source, [&["-O0"]])
        .refused(1);
    insta::assert_snapshot!(said, @r"
    error: undefined symbol: absent
    >>> referenced by table.c:4
    >>>               x86_64/table.o:(variable table: .data.rel.table+0x8)
    ");
}

#[test]
fn an_archive_is_named_with_its_member() {
    let link = Link::plain("riscv64").c("start", &start());
    let member = link.compile(
        0,
        "calls",
        "int absent(void);\nint answer(void) { return absent(); }",
        &[],
    );
    let archive = link.path("libcalls.a");
    run(Command::new("ar").arg("rc").arg(&archive).arg(&member));
    let said = link.input(0, archive).refused(1);
    insta::assert_snapshot!(said, @r"
    error: undefined symbol: absent
    >>> referenced by calls.c:2
    >>>               libcalls.a(calls.o):(function answer: .text.answer+0x4)
    ");
}

#[test]
fn references_of_one_line_and_function_are_one() {
    let source = "int absent(int);\nint answer(void) { return absent(absent(absent(1))); }\n\
                  int a(void) { return absent(1); }\nint b(void) { return absent(2); }\n\
                  int c(void) { return absent(3); }\nint d(void) { return absent(4); }\n\
                  int (*all[4])(void) __attribute__((retain)) = { a, b, c, d };\n";
    let said = Link::plain("x86_64")
        .c("start", &start())
        .c("calls", source)
        .refused(1);
    insta::assert_snapshot!(said, @r"
    error: undefined symbol: absent
    >>> referenced by calls.c:2
    >>>               x86_64/calls.o:(function answer: .text.answer+0xa)
    >>> referenced by calls.c:3
    >>>               x86_64/calls.o:(function a: .text.a+0xa)
    >>> referenced by calls.c:4
    >>>               x86_64/calls.o:(function b: .text.b+0xa)
    >>> referenced 2 more times
    ");
}

#[test]
fn an_entry_that_is_not_there_is_the_command_lines() {
    let said = Link::plain("x86_64")
        .c("start", &start())
        .c("main", "int answer(void) { return 1; }")
        .arg("--entry=begin")
        .refused(1);
    insta::assert_snapshot!(said, @r"
    error: undefined symbol: begin
    >>> referenced by the command line
    ");
}

#[test]
fn both_definitions_of_a_function() {
    let said = Link::plain("riscv64")
        .c("start", &start())
        .c("one", "\nint answer(void) {\n    return 1; }")
        .c("two", "\n\n\n\nint answer(void) { return 2; }")
        .refused(1);
    insta::assert_snapshot!(said, @r"
    error: duplicate symbol: answer
    >>> defined at one.c:2
    >>>            riscv64/one.o:(.text.answer+0x0)
    >>> defined at two.c:5
    >>>            riscv64/two.o:(.text.answer+0x0)
    ");
}

#[test]
fn both_definitions_of_labels_in_assembly() {
    let label = "\n.section .text.a, \"ax\"\n.globl answer\nanswer:\n  nop\n  nop\n";
    for isa in ["x86_64", "riscv64"] {
        let link = Link::plain(isa).c("start", &start());
        let objects = [
            link.compile(0, "one", label, &["-xassembler"]),
            link.compile(0, "two", &format!("\n\n\n{label}"), &["-xassembler"]),
        ];
        let [one, two] = objects;
        let said = link.input(0, one).input(0, two).refused(1);
        let expected = format!(
            "error: duplicate symbol: answer\n>>> defined at one.c:5\n>>>            {isa}/one.o:(.text.a+0x0)\n\
             >>> defined at two.c:8\n>>>            {isa}/two.o:(.text.a+0x0)\n"
        );
        assert_eq!(said, expected);
    }
}

/// rustc's path of the object: a library of the host that needs nothing of `core`.
fn rust(link: &Link, flags: &[&str]) -> PathBuf {
    let source = "\
#![no_std]
unsafe extern \"C\" {
    fn c_function(x: i32) -> i32;
}
pub mod inner {
    #[inline(never)]
    pub fn call(x: i32) -> i32 {
        unsafe {
            crate::c_function(x)
        }
    }
}
#[unsafe(no_mangle)]
pub extern \"C\" fn answer() -> i32 {
    inner::call(1)
}
";
    let (file, object) = (link.path("program.rs"), link.path("program.o"));
    std::fs::write(&file, source).expect("source written");
    run(Command::new("rustc")
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=obj",
            "-g",
            "-O",
        ])
        .args([
            "-Cpanic=abort",
            "-Ccodegen-units=1",
            "--target=x86_64-unknown-linux-gnu",
        ])
        .args(flags)
        .args(["program.rs", "-o", "program.o"])
        .current_dir(link.dir.path()));
    object
}

#[test]
fn rust_functions_are_named_by_their_path() {
    // Stable compilers know two schemes: their own choice, and v0 if asked for it.
    for mangling in [&[][..], &["-Csymbol-mangling-version=v0"]] {
        let link = Link::plain("x86_64").c("start", &start());
        let object = rust(&link, mangling);
        let said = link.input(0, object).refused(1);
        let mut lines = said.lines();
        let expected = [
            "error: undefined symbol: c_function",
            ">>> referenced by program.rs:9",
        ];
        assert_eq!([lines.next(), lines.next()], expected.map(Some), "{said}");
        let place = ">>>               program.o:(function program::inner::call: .text.";
        assert!(lines.next().is_some_and(|l| l.starts_with(place)), "{said}");
    }
}

/// Each byte of the line table in turn is spoilt, and all behind some are cut off by a length that claims more.
#[test]
fn damaged_line_tables_cost_the_line_only() {
    for isa in ["x86_64", "riscv64"] {
        let link = Link::plain(isa).c("start", &start());
        let object = link.compile(0, "calls", CALLS, &[]);
        let sound = std::fs::read(&object).expect("object");
        let (start, size) = section(&object, &sound, ".debug_line");
        let link = link.input(0, object.clone());
        for at in (0..size).step_by(3) {
            for value in [0x00, 0x7f, 0xff] {
                let mut damaged = sound.clone();
                damaged[start + at] = value;
                std::fs::write(&object, damaged).expect("object written");
                let said = link.refused(1);
                let named = ["data", "one", "three", "two"];
                for name in named {
                    let title = format!("error: undefined symbol: {name}\n");
                    assert!(said.contains(&title), "{isa} {at:#x} {value:#x}: {said}");
                }
                assert!(said.contains("(function answer: .text.answer+0x"), "{said}");
            }
        }
    }
}

/// File offset and size of a section.
fn section(object: &Path, data: &[u8], name: &str) -> (usize, usize) {
    let elf = goblin::elf::Elf::parse(data).expect("ELF");
    let found = elf.section_headers.iter();
    let mut found = found.filter(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(name));
    let found = found
        .next()
        .unwrap_or_else(|| panic!("{name} in {}", object.display()));
    (found.sh_offset as usize, found.sh_size as usize)
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
