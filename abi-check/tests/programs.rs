//! Programs of several crates: two versions of one crate beside each other, and statics that lead through boxes.

mod support;

use std::path::Path;
use std::process::Command;

use abi_check::{Kind, ObjectFile, Report, Side, Verdict};
use support::{Scratch, summary};

/// A crate of a program.
struct Crate<'s> {
    name: &'s str,
    /// What tells versions of one name apart.
    metadata: &'s str,
    source: &'s str,
    /// What it is called in the program, and the metadata of it.
    uses: &'s [(&'s str, &'s str)],
}

/// Compiles a crate and returns its object.
fn compile(folder: &Path, each: &Crate<'_>) -> Vec<u8> {
    let stem = format!("{}-{}", each.name, each.metadata);
    std::fs::write(folder.join(format!("{stem}.rs")), each.source).expect("a source");
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    command.current_dir(folder);
    command.args(["--edition=2024", "--crate-type=lib", "-Cdebuginfo=2"]);
    command.args(["-Ccodegen-units=1", "-Awarnings", "--crate-name", each.name]);
    command.arg(format!("-Cmetadata={}", each.metadata));
    command.arg(format!("-Cextra-filename=-{}", each.metadata));
    command.arg(format!("--emit=metadata,obj={stem}.o"));
    for (name, metadata) in each.uses {
        command.arg("-L.");
        command.arg(format!("--extern={name}=libring-{metadata}.rmeta"));
    }
    let output = command
        .arg(format!("{stem}.rs"))
        .output()
        .expect("rustc runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    std::fs::read(folder.join(format!("{stem}.o"))).expect("an object")
}

const APP: &str = "
pub static OLD: old::Ring = old::Ring::EMPTY;
pub static NEW: new::Ring = new::Ring::EMPTY;
pub fn read() -> usize { &raw const OLD as usize ^ &raw const NEW as usize }";

fn ring(fields: &str, values: &str) -> String {
    format!(
        "pub struct Ring {{ {fields} }}
         impl Ring {{ pub const EMPTY: Ring = Ring {{ {values} }}; }}
         pub static SPARE: Ring = Ring::EMPTY;
         pub fn spare() -> usize {{ &raw const SPARE as usize }}"
    )
}

/// A program that uses `ring` in an old and a new version, whose sources are given; `target` is what cargo makes of a
/// build's target: part of every crate's metadata.
fn program(name: &str, target: &str, [old, new]: [&str; 2], is_turned: bool) -> Vec<Vec<u8>> {
    let scratch = Scratch::new(name);
    let (first, second) = (format!("1{target}"), format!("2{target}"));
    let of = |metadata, source| Crate {
        name: "ring",
        metadata,
        source,
        uses: &[],
    };
    let mut objects = vec![
        compile(scratch.path(), &of(&first, old)),
        compile(scratch.path(), &of(&second, new)),
    ];
    if is_turned {
        objects.reverse();
    }
    let app = Crate {
        name: "app",
        metadata: target,
        source: APP,
        uses: &[("old", &first), ("new", &second)],
    };
    objects.push(compile(scratch.path(), &app));
    objects
}

fn side<'a>(name: &str, objects: &'a [Vec<u8>]) -> Side<'a> {
    let object = |(number, data): (usize, &'a Vec<u8>)| ObjectFile {
        name: format!("{name}{number}.o"),
        data,
    };
    Side {
        name: name.to_owned(),
        objects: objects.iter().enumerate().map(object).collect(),
    }
}

fn compare([a, b]: [&[Vec<u8>]; 2]) -> Report {
    abi_check::compare(&[side("a", a), side("b", b)], &|_| true).expect("the objects can be read")
}

#[test]
fn two_versions_of_a_crate_are_two_things_though_they_have_one_name() {
    let old = ring("pub head: u32", "head: 0");
    let new = ring("pub head: u64, pub tail: u64", "head: 0, tail: 0");
    let a = program("versions-a", "x", [&old, &new], false);
    for (name, target) in [("versions-b", "x"), ("versions-c", "y")] {
        let b = program(name, target, [&old, &new], true);
        let report = compare([&a, &b]);
        assert_eq!(report.verdict(), Verdict::Equal, "{report}");
        assert!(report.findings.is_empty(), "{report}");
        // The program's own two, and that of each version.
        assert_eq!(report.compared_roots, 4, "{report}");
    }
}

#[test]
fn what_differs_in_one_version_of_a_crate_is_found_and_the_other_version_is_equal() {
    let old = ring("pub head: u32", "head: 0");
    let new = ring("pub head: u64, pub tail: u64", "head: 0, tail: 0");
    let other = ring("pub head: u64, pub tail: u16", "head: 0, tail: 0");
    let a = program("changed-a", "x", [&old, &new], false);
    let b = program("changed-b", "x", [&old, &other], true);
    let report = compare([&a, &b]);
    assert_eq!(
        summary(&report),
        [(Kind::FieldType, "ring::Ring", "tail")],
        "{report}"
    );
}

/// Rust sources with `COUNT` as `u32` and as `i32` have one finding: the member `count` of `app::Row`, reached through
/// what the path has.
fn finds_the_row(source: &str, way_has: &str) {
    let build = |count: &str| {
        let scratch = Scratch::new(&format!("row-{count}"));
        let each = Crate {
            name: "app",
            metadata: "x",
            source: &source.replace("COUNT", count),
            uses: &[],
        };
        vec![compile(scratch.path(), &each)]
    };
    let (a, b) = (build("u32"), build("i32"));
    assert!(compare([&a, &a]).findings.is_empty());
    let report = compare([&a, &b]);
    assert_eq!(report.findings.len(), 1, "{report}");
    let finding = &report.findings[0];
    assert_eq!(finding.type_name, "app::Row", "{report}");
    assert_eq!(finding.member.as_deref(), Some("count"), "{report}");
    let way = &finding.reached[0];
    assert!(
        way.path.starts_with("app::TABLE.") && way.path.contains(way_has),
        "{way:?}"
    );
}

#[test]
fn what_a_static_holds_in_a_box_is_compared() {
    finds_the_row(
        "use std::sync::Mutex;
         pub struct Table { pub rows: Option<Box<[Row; 2]>> }
         pub struct Row { pub name: Box<[u8]>, pub next: Option<Box<Row>>, pub count: COUNT }
         pub static TABLE: Mutex<Option<Box<Table>>> = Mutex::new(None);
         pub fn count() -> COUNT { TABLE.lock().unwrap().as_ref().unwrap().rows.as_ref().unwrap()[0].count }",
        "*",
    );
}

#[test]
fn what_a_static_holds_in_containers_without_typed_pointers_is_compared() {
    finds_the_row(
        "use std::{collections::HashMap, sync::Mutex};
         pub struct Row { pub count: COUNT }
         pub static TABLE: Mutex<Vec<Row>> = Mutex::new(Vec::new());
         pub fn count() -> COUNT { TABLE.lock().unwrap()[0].count }",
        "(T)",
    );
    finds_the_row(
        "use std::{collections::HashMap, sync::Mutex};
         pub struct Row { pub count: COUNT }
         pub static TABLE: Mutex<Option<HashMap<u8, Row>>> = Mutex::new(None);
         pub fn rows() -> usize { TABLE.lock().unwrap().as_ref().unwrap().len() }",
        "(T)",
    );
}
