//! Real output of gcc, compiled twice for the host with flags or macros that make the difference.

mod support;

use abi_check::{Definition, Kind, Location, ObjectFile, Place, Report, Verdict};
use object::{Object, ObjectSymbol};
use support::{Scratch, compare, gcc, summary};

fn flip(name: &str, source: &str, flags: &[&str]) -> Report {
    let scratch = Scratch::new(name);
    let a = gcc(&scratch, "a", source, &[]);
    let b = gcc(&scratch, "b", source, flags);
    let same = compare(&[&a, &a]);
    assert_eq!(same.verdict(), Verdict::Equal, "{same}");
    compare(&[&a, &b])
}

#[test]
fn the_sign_of_char_is_one_finding_for_all_who_use_it() {
    let report = flip(
        "char",
        "struct s { char c; int n; } one; struct t { char name[8]; struct s *s; } two;",
        &["-funsigned-char"],
    );
    assert_eq!(
        summary(&report),
        [(Kind::BaseEncoding, "char", "")],
        "{report}"
    );
    assert_eq!(report.findings[0].also_affects, ["s", "t"], "{report}");
}

#[test]
fn long_double_of_another_size_is_found() {
    let report = flip(
        "long_double",
        "long double x; struct s { int n; long double d; } y;",
        &["-mlong-double-64"],
    );
    assert_eq!(report.verdict(), Verdict::Mismatch, "{report}");
    assert!(
        summary(&report)
            .iter()
            .all(|(kind, ty, _)| (*kind, *ty) != (Kind::Size, "s")),
        "{report}"
    );
}

#[test]
fn long_double_of_another_format_and_the_same_size_is_found() {
    let report = flip("float_format", "long double x;", &["-mlong-double-128"]);
    assert_eq!(
        summary(&report),
        [(Kind::FloatFormat, "long double", "")],
        "{report}"
    );
}

#[test]
fn bit_fields_are_compared_by_their_bits() {
    let source =
        "struct s { unsigned a : 3; unsigned b : W; unsigned c : 2; } x = {0}; struct s y;";
    for dwarf in ["-gdwarf-3", "-gdwarf-4", "-gdwarf-5", "-gstrict-dwarf"] {
        let scratch = Scratch::new(&format!("bits{dwarf}"));
        let a = gcc(&scratch, "a", source, &["-DW=5", "-gdwarf-5"]);
        let b = gcc(&scratch, "b", source, &["-DW=6", dwarf]);
        let c = gcc(&scratch, "c", source, &["-DW=5", dwarf]);
        let report = compare(&[&a, &b]);
        assert_eq!(
            summary(&report),
            [(Kind::Bitfield, "s", "b")],
            "{dwarf}: {report}"
        );
        let report = compare(&[&a, &c]);
        assert_eq!(report.verdict(), Verdict::Equal, "{dwarf}: {report}");
    }
}

#[test]
fn unions_enums_and_arrays_are_compared() {
    let source = "
        union u { int a; M b; } x;
        enum e { ONE = 1, TWO = V } y;
        struct s { int n[2][L]; enum e e; } z;";
    let scratch = Scratch::new("unions");
    let a = gcc(&scratch, "a", source, &["-DM=float", "-DV=2", "-DL=3"]);
    let with = |flags: &[&str]| gcc(&scratch, "b", source, flags);
    let report = compare(&[&a, &with(&["-DM=int", "-DV=2", "-DL=3"])]);
    assert_eq!(
        summary(&report),
        [(Kind::BaseEncoding, "u", "b")],
        "{report}"
    );
    let report = compare(&[&a, &with(&["-DM=float", "-DV=4", "-DL=3"])]);
    assert_eq!(
        summary(&report),
        [(Kind::Enumerator, "e", "TWO")],
        "{report}"
    );
    let report = compare(&[&a, &with(&["-DM=float", "-DV=2", "-DL=4"])]);
    assert_eq!(
        summary(&report),
        [(Kind::ArrayLength, "s", "n")],
        "{report}"
    );
}

#[test]
fn packing_and_alignment_show_although_c_compilers_do_not_write_them() {
    let packed = flip(
        "packed",
        "#ifdef B\n#pragma pack(1)\n#endif\nstruct s { char a; int b; } x;",
        &["-DB"],
    );
    assert_eq!(summary(&packed), [(Kind::Alignment, "s", "")], "{packed}");
    let aligned = flip(
        "aligned",
        "#ifdef B\n#define A __attribute__((aligned(32)))\n#else\n#define A\n#endif\nstruct s { char a; } A; struct t { struct s s; } x;",
        &["-DB"],
    );
    assert_eq!(summary(&aligned), [(Kind::Alignment, "s", "")], "{aligned}");
}

#[test]
fn a_bare_declaration_behind_a_pointer_is_unproved() {
    let report = {
        let scratch = Scratch::new("opaque");
        let a = gcc(
            &scratch,
            "a",
            "struct hidden; struct s { struct hidden *p; } x;",
            &[],
        );
        compare(&[&a, &a])
    };
    assert_eq!(report.verdict(), Verdict::Unproved, "{report}");
    assert_eq!(report.unproved[0].subject, "hidden");
    assert_eq!(report.unproved[0].reached[0].path, "x.p");
}

#[test]
fn statics_in_functions_and_files_are_told_apart() {
    let report = flip(
        "local",
        "int f(void) { static int n; return n += 1; } int g(void) { static char n; return n += 1; }",
        &["-O2"],
    );
    assert_eq!(report.verdict(), Verdict::Equal, "{report}");
}

#[test]
fn virtual_functions_are_compared_by_their_place_in_the_vtable() {
    let source = "struct port { virtual void open(int); virtual void open(char); FLUSH virtual int read(); int n; };
        void port::open(int) {} void port::open(char) {} int port::read() { return 1; } BODY port x;";
    let scratch = Scratch::new("virtual");
    let compile = |compiler, name, flush, body| {
        let flags = [
            "-xc++",
            &format!("-DFLUSH={flush}"),
            &format!("-DBODY={body}"),
        ];
        support::cc(compiler, &scratch, name, source, &flags)
    };
    let a = compile("g++", "a", "", "");
    let b = compile("g++", "b", "virtual void flush();", "void port::flush() {}");
    let report = compare(&[&a, &b]);
    assert_eq!(
        summary(&report),
        [(Kind::VirtualFunction, "port", "read")],
        "{report}"
    );
    assert_eq!(
        report.findings[0].sides[1].text,
        "read: entry 3, flush: entry 2"
    );
    let plain = compile("g++", "plain", "void flush();", "");
    assert_eq!(compare(&[&a, &plain]).verdict(), Verdict::Equal);
}

#[test]
fn function_pointers_are_compared_by_their_signature() {
    let source = "struct ops { int (*open)(int, ARGS); } x;";
    let scratch = Scratch::new("ops");
    let a = gcc(&scratch, "a", source, &["-DARGS=long"]);
    let b = gcc(&scratch, "b", source, &["-DARGS=long, long"]);
    let c = gcc(&scratch, "c", source, &["-DARGS=unsigned long"]);
    let report = compare(&[&a, &b]);
    assert_eq!(
        summary(&report),
        [(Kind::Signature, "ops", "open")],
        "{report}"
    );
    let report = compare(&[&a, &c]);
    assert_eq!(
        summary(&report),
        [(Kind::Signature, "ops", "open")],
        "{report}"
    );
}

#[test]
fn common_symbols_and_linked_files_can_be_read() {
    let scratch = Scratch::new("linked");
    let source = "int shared; struct s { long n; } both = { 1 }; int main(void) { return shared + (int)both.n; }";
    let common = gcc(&scratch, "common", source, &["-fcommon"]);
    let plain = gcc(&scratch, "plain", source, &[]);
    assert_eq!(compare(&[&common, &plain]).verdict(), Verdict::Equal);
    let output = scratch.path().join("linked");
    let status = std::process::Command::new("gcc")
        .arg(scratch.path().join("plain.o"))
        .arg("-o")
        .arg(&output)
        .status()
        .expect("gcc runs");
    assert!(status.success());
    let linked = std::fs::read(output).expect("gcc wrote the file");
    let report = compare(&[&plain, &linked]);
    assert_eq!(
        (report.verdict(), report.compared_roots),
        (Verdict::Equal, 2),
        "{report}"
    );
}

#[test]
fn symbols_are_found_in_the_source() {
    let scratch = Scratch::new("declared");
    let source =
        "int common;\n\nextern int x;\nint f(void) { static int x; return ++x; }\nint x = 1;
        static int g(int n) { return n + x + common; }\nint h(void) { return g(f()); }\n";
    let data = gcc(&scratch, "a", source, &["-fcommon", "-fdata-sections"]);
    let file = object::File::parse(&*data).expect("ELF");
    let object = ObjectFile {
        name: "a.o".to_owned(),
        data: &data,
    };
    let located = |name| {
        let symbol = file.symbol_by_name(name).expect("defined");
        let location = symbol.section_index().map(|section| Location::Section {
            section: section.0,
            offset: symbol.address(),
        });
        Definition { name, location }
    };
    let nowhere = Definition {
        name: "y",
        location: None,
    };
    let wanted = [
        located("common"),
        located("x"),
        located("f"),
        located("h"),
        // Local to the unit: another one may have a function of that name.
        located("g"),
        nowhere,
    ];
    let places = abi_check::declarations(&object, &wanted).expect("readable");
    let lines = places
        .iter()
        .map(|place| place.as_ref().map(Place::to_string));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        ["app.c:1", "app.c:5", "app.c:4", "app.c:7"]
            .map(|line| Some(line.to_owned()))
            .into_iter()
            .chain([None, None])
            .collect::<Vec<_>>()
    );
    let stripped = gcc(&scratch, "b", source, &["-g0"]);
    let object = ObjectFile {
        name: "b.o".to_owned(),
        data: &stripped,
    };
    assert_eq!(
        abi_check::declarations(&object, &wanted).expect("readable"),
        [const { None }; 6]
    );
}
