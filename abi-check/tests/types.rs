//! Types that are compared for their own sake.

mod support;

use std::process::Command;

use abi_check::{CodePointers, Kind, Reason, Report, RootKind, Selection, TypeRef, Verdict};
use support::objects::{X86_64, object};
use support::{Scratch, gcc, rustc, sides, summary};

fn compare_types(objects: &[&[u8]], select: &(dyn Fn(&TypeRef<'_>) -> bool + Sync)) -> Report {
    let selection = Selection {
        statics: &|_| false,
        types: Some(select),
        code_pointers: CodePointers::Allowed,
        lints: &[],
        progress: None,
    };
    abi_check::compare_selected(&sides(objects), selection).expect("the objects can be read")
}

/// No static, but a function that uses the types, so that compilers describe them.
const RING: &str = "
    struct slot { WORD id; char name[4]; };
    typedef struct { struct slot *slots; unsigned head, tail; } ring_t;
    struct hidden;
    typedef WORD word_t;
    unsigned used(const ring_t *ring, struct hidden *hidden, word_t w) { return ring->head + w; }";

#[test]
fn types_without_a_static_are_compared_and_what_they_lead_to() {
    let scratch = Scratch::new("types-c");
    let a = gcc(&scratch, "a", RING, &["-DWORD=int"]);
    let b = gcc(&scratch, "b", RING, &["-DWORD=long"]);
    let ring = |ty: &TypeRef<'_>| ty.name == "ring_t" && !ty.is_alias;
    assert_eq!(compare_types(&[&a, &a], &ring).verdict(), Verdict::Equal);
    let report = compare_types(&[&a, &b], &ring);
    assert_eq!(
        summary(&report),
        [(Kind::FieldType, "slot", "id")],
        "{report}"
    );
    let reached = &report.findings[0].reached[0];
    assert_eq!(
        (reached.kind, reached.path.as_str()),
        (RootKind::Type, "ring_t.slots.*.id")
    );
}

#[test]
fn a_typedef_of_a_number_is_an_alias_and_a_declaration_is_nothing() {
    let scratch = Scratch::new("types-alias");
    let a = gcc(&scratch, "a", RING, &["-DWORD=int"]);
    let seen = std::sync::Mutex::new(Vec::new());
    compare_types(&[&a], &|ty| {
        let mut seen = seen.lock().expect("no test panicked");
        seen.push((ty.name.to_owned(), ty.is_alias));
        false
    });
    let mut seen = seen.into_inner().expect("no test panicked");
    seen.sort();
    let expected = [("ring_t", false), ("slot", false), ("word_t", true)];
    assert_eq!(seen, expected.map(|(name, alias)| (name.to_owned(), alias)));
    let b = gcc(&scratch, "b", RING, &["-DWORD=long"]);
    let report = compare_types(&[&a, &b], &|ty| ty.name == "word_t");
    assert_eq!(report.verdict(), Verdict::Mismatch, "{report}");
}

#[test]
fn a_name_with_several_layouts_needs_an_equal_one_for_each() {
    let scratch = Scratch::new("types-several");
    let unit = |name: &str, word: &str| {
        let word = format!("-DWORD={word}");
        let source = format!("struct s {{ WORD n; }}; int {name}(struct s *s) {{ return s->n; }}");
        gcc(&scratch, name, &source, &[&word])
    };
    let compare = |a: Vec<Vec<u8>>, b: Vec<Vec<u8>>| {
        let side = |name: &str, objects: &'_ [Vec<u8>]| -> Vec<(String, Vec<u8>)> {
            let named = objects.iter().enumerate();
            named
                .map(|(at, data)| (format!("{name}{at}.o"), data.clone()))
                .collect()
        };
        let owned = [side("a", &a), side("b", &b)];
        let sides = owned.each_ref().map(|objects| abi_check::Side {
            name: objects[0].0[..1].to_owned(),
            objects: objects
                .iter()
                .map(|(name, data)| abi_check::ObjectFile {
                    name: name.clone(),
                    data,
                })
                .collect(),
        });
        let selection = Selection {
            statics: &|_| false,
            types: Some(&|ty: &TypeRef<'_>| ty.name == "s"),
            code_pointers: CodePointers::Allowed,
            lints: &[],
            progress: None,
        };
        abi_check::compare_selected(&sides, selection).expect("the objects can be read")
    };
    let (int, long, short) = (
        || unit("f", "int"),
        || unit("g", "long"),
        || unit("h", "short"),
    );
    // In another order, and one of them twice.
    let report = compare(vec![int(), long()], vec![long(), int(), int()]);
    assert_eq!(report.verdict(), Verdict::Equal, "{report}");
    let report = compare(vec![int(), long()], vec![int(), short()]);
    assert_eq!(report.verdict(), Verdict::Mismatch, "{report}");
}

#[test]
fn a_type_that_one_side_lacks_is_unproved() {
    let scratch = Scratch::new("types-lonely");
    let a = gcc(&scratch, "a", RING, &["-DWORD=int"]);
    let b = gcc(&scratch, "b", "int used(void) { return 0; }", &[]);
    let report = compare_types(&[&a, &b], &|ty| ty.name == "slot");
    assert_eq!(report.verdict(), Verdict::NothingCompared);
    let reasons: Vec<_> = report.unproved.iter().map(|u| u.reason).collect();
    assert!(
        reasons.contains(&Reason::OneSided(RootKind::Type)),
        "{report}"
    );
}

#[test]
fn types_of_rust_have_paths_and_variants_belong_to_their_enums() {
    let source = "
        pub enum Packet { Empty, Data { length: Word, bytes: [u8; 4] } }
        #[cfg(a)] type Word = u32;
        #[cfg(b)] type Word = u64;
        pub mod inner { pub struct Pair<T>(pub T, pub T); }
        #[unsafe(no_mangle)] pub extern \"C\" fn f(p: &Packet, q: &inner::Pair<u16>) -> u64 {
            match p { Packet::Empty => q.0 as u64, Packet::Data { length, .. } => *length as u64 }
        }";
    let scratch = Scratch::new("types-rust");
    let (a, _) = rustc(&scratch, "a", source, &["--cfg=a"]);
    let (b, _) = rustc(&scratch, "b", source, &["--cfg=b"]);
    let own = |ty: &TypeRef<'_>| ty.name.starts_with("app::");
    let report = compare_types(&[&a, &b], &own);
    assert_eq!(
        summary(&report),
        [(Kind::FieldType, "app::Packet::Data", "length")],
        "{report}"
    );
    assert_eq!(report.compared_roots, 2, "Packet and Pair<u16>");
    assert_eq!(compare_types(&[&a, &a], &own).verdict(), Verdict::Equal);
}

/// Two units that refer to a type of the first one, and a unit of its own types: `outer` leads to `inner` without a name
/// in between, as Rust's slices and boxes do.
fn across(inner: &'static str) -> Vec<u8> {
    object(X86_64, move |b| {
        let int = b.base("int", 4, gimli::DW_ATE_signed);
        let shared = b.record("inner", 4, &[("n", int, 0)]);
        let first = b.next_unit();
        for _ in 0..2 {
            let pointer = b.pointer_across(first, shared);
            b.record("outer", 8, &[("p", pointer, 0)]);
            b.next_unit();
        }
        let own = b.base(inner, 4, gimli::DW_ATE_signed);
        let own = b.record("inner", 4, &[("n", own, 0)]);
        let pointer = b.pointer(own);
        b.record("outer", 8, &[("p", pointer, 0)]);
    })
}

#[test]
fn a_type_of_several_units_is_one_root_if_it_means_one_thing() {
    let outer = |ty: &TypeRef<'_>| ty.name == "outer";
    let same = across("int");
    let report = compare_types(&[&same, &same], &outer);
    assert_eq!(
        (report.verdict(), report.compared_roots),
        (Verdict::Equal, 1)
    );
    // What `inner` is depends on the unit: the name stands for two types, which are two roots.
    let other = across("INT");
    let report = compare_types(&[&other, &other], &outer);
    assert_eq!(
        (report.verdict(), report.compared_roots),
        (Verdict::Equal, 2)
    );
}

/// Exit status and text of the command.
fn run(scratch: &Scratch, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_abi-check"))
        .args(arguments)
        .current_dir(scratch.path())
        .output()
        .expect("the command runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().expect("the command exits"), text)
}

#[test]
fn the_command_selects_by_type_by_section_and_all() {
    let scratch = Scratch::new("types-command");
    let source = format!(
        "{RING} __attribute__((section(\".shared.ring\"))) ring_t ring; WORD other; struct lonely {{ int x; }};"
    );
    gcc(&scratch, "a", &source, &["-DWORD=int"]);
    let lonely = format!("{source} int more(struct lonely *l) {{ return l->x; }}");
    gcc(&scratch, "b", &lonely, &["-DWORD=int"]);
    gcc(&scratch, "c", &source, &["-DWORD=long"]);
    gcc(&scratch, "types_a", RING, &["-DWORD=int"]);
    gcc(&scratch, "types_c", RING, &["-DWORD=long"]);
    let status = |arguments: &[&str]| run(&scratch, arguments).0;
    assert_eq!(status(&["a.o", "c.o", "--type", "hidden"]), 2);
    assert_eq!(status(&["a.o", "c.o", "--type", "slot"]), 1);
    assert_eq!(
        status(&["a.o", "b.o", "--type", "s*", "--root", "other"]),
        0
    );
    assert_eq!(status(&["a.o", "b.o", "--type", "lonely"]), 2, "one-sided");
    assert_eq!(status(&["a.o", "b.o", "--section", ".shared.*"]), 0);
    let (code, text) = run(&scratch, &["a.o", "c.o", "--section", ".shared.*"]);
    assert!(code == 1 && !text.contains("`other`"), "{text}");
    assert_eq!(status(&["a.o", "b.o", "--section", ".nothing"]), 2);
    let (code, text) = run(&scratch, &["a.o", "b.o", "--all"]);
    assert!(code == 0 && text.contains("note: 1 type is in"), "{text}");
    assert_eq!(status(&["types_a.o", "types_a.o"]), 0, "no static: types");
    assert_eq!(status(&["types_a.o", "types_c.o"]), 1, "no static: types");
}
