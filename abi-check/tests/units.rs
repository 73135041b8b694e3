//! Sides of many units: equal types of several units are compared once, and a name that means several things is looked at
//! in each of its meanings.

mod support;

use abi_check::{Kind, ObjectFile, Reason, Report, Side};
use support::{Scratch, gcc, summary};

/// Compares two sides of several objects.
fn compare(a: &[Vec<u8>], b: &[Vec<u8>]) -> Report {
    let side = |name: &str, objects: &[Vec<u8>]| -> Vec<(String, Vec<u8>)> {
        let named = |(at, data): (usize, &Vec<u8>)| (format!("{name}{at}.o"), data.clone());
        objects.iter().enumerate().map(named).collect()
    };
    let (a, b) = (side("a", a), side("b", b));
    let sides = [("a", &a), ("b", &b)].map(|(name, objects)| Side {
        name: name.to_owned(),
        objects: objects
            .iter()
            .map(|(name, data)| ObjectFile {
                name: name.clone(),
                data,
            })
            .collect(),
    });
    abi_check::compare(&sides, &|_| true).expect("the objects can be read")
}

/// Compiles sources with one line before each of them.
fn compile(name: &str, header: &str, sources: &[&str], flags: &[&str]) -> Vec<Vec<u8>> {
    let scratch = Scratch::new(name);
    let units = sources.iter().enumerate();
    units
        .map(|(at, source)| {
            let text = format!("{header}\n{source}\n");
            gcc(&scratch, &at.to_string(), &text, flags)
        })
        .collect()
}

const TREE: &str =
    "struct leaf { int key; long value; }; struct node { struct node *up; struct leaf leaf; };";

#[test]
fn a_type_of_many_units_is_found_once_with_roots_of_several() {
    let sources = [
        "struct node a1, a2;",
        "struct node b1;",
        "struct node c1;",
        "struct node d1;",
    ];
    let a = compile("many-a", TREE, &sources, &[]);
    let b = compile(
        "many-b",
        &TREE.replace("int key", "short key"),
        &sources,
        &[],
    );
    let report = compare(&a, &b);
    assert_eq!(summary(&report), [(Kind::FieldType, "leaf", "key")]);
    let finding = &report.findings[0];
    let roots: Vec<_> = finding
        .reached
        .iter()
        .map(|way| way.path.as_str())
        .collect();
    assert_eq!(roots, ["a1.leaf.key", "b1.leaf.key", "c1.leaf.key"]);
    assert_eq!(finding.more_roots, 2);
    assert_eq!(report.compared_roots, 5);
}

#[test]
fn a_name_with_several_meanings_is_compared_in_each() {
    let header = "struct state; struct owner { struct state *state; };";
    let sources = |last: &str| {
        [
            "struct state { int a; }; struct owner x;".to_owned(),
            "struct state { char b[3]; }; struct owner y;".to_owned(),
            format!("struct state {{ {last} c; }}; struct owner z;"),
        ]
    };
    let both = |name: &str, last: &str| {
        let sources = sources(last);
        compile(name, header, &sources.each_ref().map(String::as_str), &[])
    };
    let a = both("meanings-a", "long");
    assert!(compare(&a, &both("meanings-b", "long")).findings.is_empty());
    let report = compare(&a, &both("meanings-c", "char"));
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|f| f.reached[0].path.as_str())
        .collect();
    assert_eq!(found, ["z.state.*.c"], "{report}");
}

#[test]
fn what_refers_to_a_name_with_several_meanings_over_other_types_is_compared_in_each() {
    let header = "struct state; struct inner { struct state *state; };
        typedef struct { struct inner *inner; } outer; struct most { outer *outer; };";
    let both = |name: &str, second: &str| {
        let second = format!("struct state {{ {second} b; }}; struct most y;");
        compile(
            name,
            header,
            &["struct state { int a; }; struct most x;", &second],
            &[],
        )
    };
    let a = both("over-a", "long");
    assert!(compare(&a, &both("over-b", "long")).findings.is_empty());
    let report = compare(&a, &both("over-c", "char"));
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|f| f.reached[0].path.as_str())
        .collect();
    assert_eq!(found, ["y.outer.*.inner.*.state.*.b"], "{report}");
}

#[test]
fn a_definition_in_a_unit_without_selected_statics_is_found() {
    let header = "struct hidden; struct root { struct hidden *hidden; };";
    let both = |name: &str, field: &str| {
        let definition = format!(
            "struct far {{ {field} x; }}; struct hidden {{ struct far far; }};
            long f(struct hidden *p) {{ return p->far.x; }}"
        );
        compile(name, header, &["struct root root;", &definition], &[])
    };
    let a = both("hidden-a", "int");
    let equal = compare(&a, &both("hidden-b", "int"));
    assert!(
        equal.findings.is_empty() && equal.unproved.is_empty(),
        "{equal}"
    );
    let report = compare(&a, &both("hidden-c", "long"));
    assert_eq!(summary(&report), [(Kind::FieldType, "far", "x")]);
    assert_eq!(report.findings[0].reached[0].path, "root.hidden.*.far.x");
}

#[test]
fn definitions_that_do_not_look_alike_are_no_definition() {
    let header = "struct hidden; struct root { struct hidden *hidden; };";
    let both = |name: &str| {
        let user = |field| {
            format!(
                "struct hidden {{ {field} x; }}; int f(struct hidden *p) {{ return p->x != 0; }}"
            )
        };
        let sources = ["struct root root;", &user("int"), &user("long")];
        compile(name, header, &sources, &[])
    };
    let report = compare(&both("ambiguous-a"), &both("ambiguous-b"));
    let found: Vec<_> = report
        .unproved
        .iter()
        .map(|u| (u.reason, u.subject.as_str()))
        .collect();
    assert_eq!(found, [(Reason::Ambiguous, "hidden")]);
}

#[test]
fn types_in_type_units_are_compared() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let flags = [version, "-fdebug-types-section"];
        let sources = ["struct node x;", "struct node *y;"];
        let a = compile("typeunits-a", TREE, &sources, &flags);
        let b = compile("typeunits-b", TREE, &sources, &flags);
        let equal = compare(&a, &b);
        assert!(
            equal.findings.is_empty() && equal.unproved.is_empty(),
            "{equal}"
        );
        let b = compile(
            "typeunits-c",
            &TREE.replace("int key", "char key"),
            &sources,
            &flags,
        );
        let report = compare(&a, &b);
        assert_eq!(
            summary(&report),
            [(Kind::BaseEncoding, "leaf", "key")],
            "{version}: {report}"
        );
    }
}

#[test]
fn type_units_and_plain_units_are_compared_with_each_other() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let sources = ["struct node x;"];
        let a = compile(
            "mixed-a",
            TREE,
            &sources,
            &[version, "-fdebug-types-section"],
        );
        let b = compile("mixed-b", TREE, &sources, &[version]);
        let report = compare(&a, &b);
        assert!(
            report.findings.is_empty() && report.unproved.is_empty(),
            "{report}"
        );
        // int, long, leaf, node and the pointer to it.
        assert_eq!(report.compared_types, 5);
    }
}

#[test]
fn compressed_sections_are_read() {
    // Compression that gains nothing is left out, so there must be something to gain.
    let many: String = (0..200).map(|at| format!("long member_{at};")).collect();
    let header = TREE.replace("long value;", &format!("long value; {many}"));
    let other = header.replace("long value", "char value");
    for kind in ["zlib-gnu", "zlib-gabi", "zstd"] {
        let compressed = |name: &str, header: &str| {
            let name = format!("compressed-{kind}-{name}");
            let plain = compile(&name, header, &["struct node x;"], &[]);
            vec![compress(&name, &plain[0], kind)]
        };
        let report = compare(&compressed("a", &header), &compressed("b", &other));
        assert_eq!(
            summary(&report),
            [(Kind::BaseEncoding, "leaf", "value")],
            "{kind}"
        );
    }
}

/// Lets binutils compress the debug sections of an object.
fn compress(name: &str, data: &[u8], kind: &str) -> Vec<u8> {
    let scratch = Scratch::new(name);
    let [from, to] = ["plain.o", "small.o"].map(|file| scratch.path().join(file));
    std::fs::write(&from, data).expect("the object can be written");
    let status = std::process::Command::new("objcopy")
        .arg(format!("--compress-debug-sections={kind}"))
        .args([&from, &to])
        .status();
    assert!(status.expect("objcopy runs").success());
    let result = std::fs::read(&to).expect("objcopy wrote the object");
    assert_ne!(result.len(), data.len(), "{kind}: something was compressed");
    result
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let sources: Vec<String> = (0..40)
        .map(|at| {
            format!("struct own{at} {{ struct node *n; int a[{at}]; }} x{at}; struct node n{at};")
        })
        .collect();
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let a = compile("threads-a", TREE, &sources, &[]);
    let b = compile(
        "threads-b",
        &TREE.replace("int key", "char key"),
        &sources,
        &[],
    );
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().expect("threads can be started");
        pool.install(|| compare(&a, &b).to_string())
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert_eq!(one, with(threads));
    }
}
