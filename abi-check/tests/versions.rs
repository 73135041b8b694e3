//! One C file in every version of DWARF, by both compilers: what is equal must be found equal however it is written.

mod support;

use std::process::Command;

use abi_check::{Kind, Report, Severity, Verdict};
use support::{Scratch, cc, compare, gcc, summary};

const SOURCE: &str = "
    enum color { RED, GREEN = 7, BLUE = 0x7fffffff };
    enum sign { MINUS = -1, PLUS = 1 };
    struct bits { unsigned a : 3; unsigned b : 7; signed char c : 5; unsigned long d : WIDTH; int whole; };
    struct node { struct node *next; int (*call)(struct node *, char); enum color color; enum sign sign; };
    union either { unsigned word; unsigned char bytes[4]; float real; struct { short low, high; } halves; };
    struct far { char space[300]; struct node node; char more[70000]; long last; };
    struct all { struct bits bits; struct node nodes[3]; union either either; struct far far; long table[2][3];
                 _Bool flag; double real; const volatile char *text; union { int i; float f; }; };
    struct all value; enum color one; int (*callback)(int, ...); short open[4];
    struct all *use(void) { return &value; }";

/// Compilers with the flags that choose how they write.
const WAYS: &[(&str, &[&str])] = &[
    ("gcc", &["-gdwarf-2", "-gstrict-dwarf"]),
    ("gcc", &["-gdwarf-2"]),
    ("gcc", &["-gdwarf-3", "-gstrict-dwarf"]),
    ("gcc", &["-gdwarf-4", "-gstrict-dwarf"]),
    ("gcc", &["-gdwarf-4", "-fdebug-types-section"]),
    ("gcc", &["-gdwarf-5"]),
    ("gcc", &["-gdwarf-5", "-fdebug-types-section"]),
    ("gcc", &["-gdwarf-5", "-gdwarf64"]),
    ("clang", &["-gdwarf-2"]),
    ("clang", &["-gdwarf-3"]),
    ("clang", &["-gdwarf-4"]),
    ("clang", &["-gdwarf-5"]),
];

fn all(test: &str, width: u32) -> Vec<(String, Vec<u8>)> {
    let width = format!("-DWIDTH={width}");
    let build = |(index, (compiler, flags)): (usize, &(&str, &[&str]))| {
        let scratch = Scratch::new(&format!("{test}-{index}{width}"));
        let flags = [*flags, &[&width]].concat();
        let object = cc(compiler, &scratch, "a", SOURCE, &flags);
        (format!("{compiler} {flags:?}"), object)
    };
    WAYS.iter().enumerate().map(build).collect()
}

#[test]
fn every_version_of_both_compilers_is_equal_to_every_other() {
    let objects = all("versions", 33);
    for (name, a) in &objects {
        for (other, b) in &objects {
            let report = compare(&[a, b]);
            assert_eq!(report.verdict(), Verdict::Equal, "{name} {other}: {report}");
            assert_eq!(report.compared_roots, 4, "{name} {other}: {report}");
        }
    }
}

#[test]
fn a_difference_is_the_same_finding_in_every_version() {
    let objects = all("versions_differ", 33);
    let changed = all("versions_differ", 34);
    for (name, a) in &objects {
        for (other, b) in &changed {
            let report = compare(&[a, b]);
            // Compilers spell numbers in their own ways, `short` and `short int`, which is a warning.
            let mut found = summary(&report);
            found.retain(|(kind, ..)| kind.severity() == Severity::Error);
            assert_eq!(
                found,
                [(Kind::Bitfield, "bits", "d")],
                "{name} {other}: {report}"
            );
        }
    }
}

const SHARED: &str = "struct inner { int first; char second; double third[7]; };
    struct outer { struct inner inner; struct inner *others[4]; unsigned long number; int (*callback)(struct outer *); };";

/// An executable of three units that have a type in common, and the same types in one plain object.
fn linked(scratch: &Scratch, version: &str, flags: &[&str]) -> [Vec<u8>; 2] {
    let keep = "__attribute__((used)) struct outer";
    let source = format!("{SHARED} {keep} one, two, three;");
    let plain = gcc(scratch, "plain", &source, &[version]);
    for name in ["one", "two", "three"] {
        let path = scratch.path().join(format!("{name}.c"));
        let source = format!("{SHARED} {keep} {name}; int main_{name}(void) {{ return 0; }}");
        std::fs::write(path, source).expect("the source can be written");
    }
    let output = Command::new("gcc")
        .args(["-g", version, "one.c", "two.c", "three.c", "-o", "linked"])
        .args(flags)
        .current_dir(scratch.path())
        .output()
        .expect("gcc runs");
    assert!(output.status.success(), "{output:?}");
    [plain, linked_file(scratch)]
}

fn linked_file(scratch: &Scratch) -> Vec<u8> {
    std::fs::read(scratch.path().join("linked")).expect("gcc wrote the file")
}

fn compare_shared(a: &[u8], b: &[u8]) -> Report {
    support::compare_if(&[a, b], &|var| ["one", "two", "three"].contains(&var.name))
}

/// Whether readelf finds something in the debug information.
fn contains(scratch: &Scratch, name: &str) -> bool {
    let output = Command::new("readelf")
        .args(["--debug-dump=info", "linked"])
        .current_dir(scratch.path())
        .output()
        .expect("readelf runs");
    String::from_utf8_lossy(&output.stdout).contains(name)
}

const VERSIONS: [&str; 4] = ["-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5"];

#[test]
fn types_of_other_units_are_found_in_every_version() {
    for version in VERSIONS {
        let scratch = Scratch::new(&format!("lto{version}"));
        let [plain, linked] = linked(&scratch, version, &["-flto", "-shared", "-fPIC"]);
        // The unit of the link-time optimizer has the places, those of the sources have the rest.
        assert!(contains(&scratch, "DW_AT_abstract_origin"), "{version}");
        let report = compare_shared(&plain, &linked);
        assert_eq!(report.verdict(), Verdict::Equal, "{version}: {report}");
        assert_eq!(report.compared_roots, 3, "{version}: {report}");
    }
}

#[test]
fn the_namespaces_of_a_variable_of_another_unit_are_part_of_its_name() {
    let scratch = Scratch::new("lto_namespaces");
    let source =
        "namespace outer { namespace inner { struct s { int a; }; __attribute__((used)) s one; } }";
    std::fs::write(scratch.path().join("one.cc"), source).expect("the source can be written");
    let output = Command::new("g++")
        .args(["-g", "-flto", "-shared", "-fPIC", "one.cc", "-o", "linked"])
        .current_dir(scratch.path())
        .output()
        .expect("g++ runs");
    assert!(output.status.success(), "{output:?}");
    let linked = linked_file(&scratch);
    let report = support::compare_if(&[&linked, &linked], &|var| var.name == "outer::inner::one");
    assert_eq!(report.compared_roots, 1, "{report}");
    assert_eq!(report.verdict(), Verdict::Equal, "{report}");
}

#[test]
fn types_that_dwz_moved_to_partial_units_are_found() {
    for version in VERSIONS {
        let scratch = Scratch::new(&format!("dwz{version}"));
        let [plain, before] = linked(&scratch, version, &["-shared", "-fPIC"]);
        assert!(!contains(&scratch, "DW_TAG_partial_unit"), "{version}");
        let output = Command::new("dwz")
            .arg("linked")
            .current_dir(scratch.path())
            .output()
            .expect("dwz runs");
        assert!(output.status.success(), "{output:?}");
        assert!(contains(&scratch, "DW_TAG_partial_unit"), "{version}");
        let after = linked_file(&scratch);
        for (a, b) in [(&plain, &after), (&before, &after), (&after, &plain)] {
            let report = compare_shared(a, b);
            assert_eq!(report.verdict(), Verdict::Equal, "{version}: {report}");
            assert_eq!(report.compared_roots, 3, "{version}: {report}");
        }
    }
}
