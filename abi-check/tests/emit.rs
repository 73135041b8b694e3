//! The assertions that are written: compilers are the judges, of the source as it is and of one that was changed.

mod support;

use std::process::{Command, Output};

use support::{Scratch, cc, gcc, rustc};

const C_COMPILERS: [&str; 3] = ["gcc", "aarch64-linux-gnu-gcc", "riscv64-linux-gnu-gcc"];

const CPLUSPLUS_COMPILERS: [&str; 2] = ["g++", "riscv64-linux-gnu-g++"];
const AS_CPLUSPLUS: &[&str] = &["-x", "c++", "-std=c++11"];

const RING: &str = "\
#include <stdint.h>
struct ring {
    uint32_t head, tail;
    struct { uint16_t a; union { uint8_t b; uint32_t c; }; } inner;
    union { uint64_t whole; uint8_t bytes[8]; };
    unsigned flag : 3;
    uint16_t last;
};
union either { uint64_t n; signed char text[12]; };
enum color { RED, GREEN = 5, BLUE = -2 };
typedef struct { int16_t x, y; } point;
struct ops { int (*open)(int); struct hidden *hidden; };
";

const STATICS: &str = "
struct ring r; union either e; enum color c; point p; struct ops ops;
void *f(void) { static struct local { uint8_t z; } l; return &l; }
";

fn run(scratch: &Scratch, program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(scratch.path())
        .output()
        .unwrap_or_else(|error| panic!("{program} does not run: {error}"))
}

fn abi_check(scratch: &Scratch, arguments: &[&str]) -> i32 {
    let output = run(scratch, env!("CARGO_BIN_EXE_abi-check"), arguments);
    output.status.code().expect("the command exits")
}

fn read(scratch: &Scratch, name: &str) -> String {
    std::fs::read_to_string(scratch.path().join(name)).expect("the file was written")
}

fn write(scratch: &Scratch, name: &str, text: &str) {
    std::fs::write(scratch.path().join(name), text).expect("the file can be written");
}

/// What a C compiler says of `declarations` with the header `layout.h`.
fn judged(
    scratch: &Scratch,
    compiler: &str,
    declarations: &str,
    flags: &[&str],
) -> Result<(), String> {
    write(
        scratch,
        "judged.c",
        &format!("{declarations}\n#include \"layout.h\"\n"),
    );
    let mut arguments = vec!["-fsyntax-only", "-Wall", "-Wextra", "-Werror"];
    arguments.extend(flags);
    arguments.push("judged.c");
    let output = run(scratch, compiler, &arguments);
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn c_layouts(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let source = format!("{RING}{STATICS}");
    for compiler in C_COMPILERS {
        cc(compiler, &scratch, compiler, &source, &[]);
    }
    let files = C_COMPILERS.map(|compiler| format!("{compiler}.o"));
    let mut arguments: Vec<&str> = files.iter().map(String::as_str).collect();
    arguments.extend(["--emit-c-header=layout.h", "--emit-rust-asserts=layout.rs"]);
    // What `hidden` is nobody defines, so that much is unproved.
    assert_eq!(abi_check(&scratch, &arguments), 2);
    scratch
}

#[test]
fn the_header_compiles_with_the_source_for_every_side_and_in_cplusplus() {
    let scratch = c_layouts("emit-c");
    for compiler in C_COMPILERS.iter().chain(&["clang"]) {
        judged(&scratch, compiler, RING, &["-std=c11"]).expect("the layouts are asserted right");
    }
    for compiler in CPLUSPLUS_COMPILERS {
        judged(&scratch, compiler, RING, AS_CPLUSPLUS).expect("C++ has the same layouts");
    }
    let header = read(&scratch, "layout.h");
    for part in [
        "sizeof(union either) == 16",
        "ABI_CHECK_ALIGNOF(struct ring) == 8",
        "offsetof(struct ring, inner.c) == 12",
        "offsetof(struct ring, whole) == 16",
        "(long long)BLUE == -2ll",
        "sizeof(point) == 4",
        "/* flag: a bit field",
        "local: a function encloses it",
    ] {
        assert!(header.contains(part), "{part}\n{header}");
    }
}

#[test]
fn the_header_refuses_what_was_changed() {
    let scratch = c_layouts("emit-c-changed");
    for (from, to) in [
        ("uint32_t head, tail;", "uint32_t tail, head;"),
        ("uint32_t c; };", "uint8_t c; };"),
        ("uint64_t whole;", "uint32_t whole[4];"),
        ("text[12]", "text[20]"),
        ("GREEN = 5", "GREEN = 6"),
        ("int16_t x, y;", "int16_t y, x;"),
        (
            "struct hidden *hidden;",
            "char more; struct hidden *hidden;",
        ),
        ("unsigned flag : 3;", "uint64_t flag : 40;"),
    ] {
        let changed = RING.replace(from, to);
        assert_ne!(changed, RING);
        for compiler in C_COMPILERS {
            let refused = judged(&scratch, compiler, &changed, &[]).expect_err(to);
            assert!(refused.contains("static assertion failed"), "{refused}");
        }
        for compiler in CPLUSPLUS_COMPILERS {
            let refused = judged(&scratch, compiler, &changed, AS_CPLUSPLUS).expect_err(to);
            assert!(refused.contains("static assertion failed"), "{refused}");
        }
    }
}

const MIRROR: &str = "
#![allow(non_camel_case_types, dead_code)]
#[repr(C)] pub struct Inner { a: u16, u: u32 }
#[repr(C, align(8))] pub struct ring { head: u32, tail: u32, inner: Mixed, bytes: [u8; 8], flag: u16, last: u16 }
#[repr(C)] pub struct Mixed { a: u16, c: u32 }
#[repr(C)] pub union either { n: u64, text: [u8; 12] }
#[repr(i32)] pub enum color { RED, GREEN = 5, BLUE = -2 }
#[repr(C)] pub struct point { x: i16, y: i16 }
#[repr(C)] pub struct ops { open: usize, hidden: usize }
include!(\"layout.rs\");
";

fn judged_rust(scratch: &Scratch, source: &str, flags: &[&str]) -> Result<(), String> {
    write(scratch, "judged.rs", source);
    let mut arguments = vec![
        "--edition=2024",
        "--crate-type=lib",
        "--emit=metadata",
        "-Awarnings",
    ];
    arguments.extend(flags);
    arguments.push("judged.rs");
    let output = run(scratch, "rustc", &arguments);
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn mirrors_in_rust_are_held_to_the_layouts_of_c() {
    let scratch = c_layouts("emit-mirror");
    judged_rust(&scratch, MIRROR, &[]).expect("the mirrors are right");
    for (from, to) in [
        ("flag: u16", "flag: u32"),
        ("GREEN = 5", "GREEN = 4"),
        ("x: i16, y: i16", "y: i16, x: i16"),
        ("a: u16, c: u32", "c: u32, a: u16"),
    ] {
        let changed = MIRROR.replace(from, to);
        assert_ne!(changed, MIRROR);
        let refused = judged_rust(&scratch, &changed, &[]).expect_err(to);
        assert!(refused.contains("E0080"), "{refused}");
    }
}

const APP: &str = r#"
#[cfg(judged)] mod layout { include!("layout.rs"); }
pub mod a {
    pub struct Open { pub x: u32, y: u8, pub(crate) z: u16 }
    pub(crate) struct Half { pub h: u64 }
    struct Hidden { q: u64 }
    #[repr(i8)] pub enum Small { A = -1, B = 100 }
    pub enum Data { Unit, Tuple(u8, u32), Struct { x: u64, y: u16 } }
    pub union Either { pub a: u64, pub b: [u8; 12] }
    pub struct Gen<T>(pub T, u8);
    #[unsafe(no_mangle)] pub static OPEN: Open = Open { x: 1, y: 2, z: 3 };
    #[unsafe(no_mangle)] static HALF: Half = Half { h: 1 };
    #[unsafe(no_mangle)] static HIDDEN: Hidden = Hidden { q: 1 };
    #[unsafe(no_mangle)] pub static SMALL: Small = Small::A;
    #[unsafe(no_mangle)] pub static DATA: Data = Data::Unit;
    #[unsafe(no_mangle)] pub static EITHER: Either = Either { a: 1 };
    #[unsafe(no_mangle)] pub static OF_OPEN: Gen<[Open; 1]> = Gen([Open { x: 1, y: 2, z: 3 }], 3);
    #[unsafe(no_mangle)] static OF_HIDDEN: Gen<Hidden> = Gen(Hidden { q: 1 }, 3);
    #[unsafe(no_mangle)] pub static OF_CODE: Gen<fn(u8) -> u8> = Gen(id, 3);
    fn id(x: u8) -> u8 { x }
    pub fn f() -> usize { struct Local { a: u8 } static L: Local = Local { a: 3 }; &raw const L as usize }
}
#[repr(C)] struct Root { r#type: u8, pub count: u32 }
#[repr(C)] pub enum Color { Red, Green = 7 }
#[unsafe(no_mangle)] static ROOT: Root = Root { r#type: 1, count: 3 };
#[unsafe(no_mangle)] static COLOR: Color = Color::Red;
"#;

fn rust_layouts(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    rustc(&scratch, "a", APP, &[]);
    let status = abi_check(
        &scratch,
        &[
            "a.o",
            "a.o",
            "--emit-rust-asserts=layout.rs",
            "--emit-c-header=layout.h",
        ],
    );
    assert_eq!(status, 0);
    scratch
}

#[test]
fn the_crate_itself_is_held_to_its_layouts() {
    let scratch = rust_layouts("emit-rust");
    let of_app = ["--crate-name=app", "--cfg=judged"];
    judged_rust(&scratch, APP, &of_app).expect("the layouts are asserted right");
    for (from, to) in [
        ("pub x: u32, y: u8", "pub x: u64, y: u8"),
        ("A = -1", "A = -3"),
        ("Tuple(u8, u32)", "Tuple(u8, u128)"),
        ("r#type: u8, pub count: u32", "count: u32, pub r#type: u8"),
        ("pub b: [u8; 12]", "pub b: [u8; 20]"),
        ("pub h: u64", "pub h: u32"),
        ("Green = 7", "Green = 8"),
    ] {
        let changed = APP.replace(from, to);
        assert_ne!(changed, APP);
        let refused = judged_rust(&scratch, &changed, &of_app).expect_err(to);
        assert!(refused.contains("E0080"), "{refused}");
    }
}

#[test]
fn what_rust_cannot_name_is_listed_with_the_reason() {
    let scratch = rust_layouts("emit-listed");
    let text = read(&scratch, "layout.rs");
    for line in [
        "//   app::a::Hidden: private to its module",
        "//   app::a::Gen<app::a::Hidden>: `app::a::Hidden` is private to its module",
        "//   app::a::f::Local: a function encloses it",
        "// y: private",
        "// the fields of its variants: offset_of! names none of them",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("//   app::a::Gen<fn(u8) -> u8>: "), "{text}");
    assert!(
        text.contains("size_of::<crate::a::Gen<[crate::a::Open; 1]>>()"),
        "{text}"
    );
}

#[test]
fn mirrors_in_c_are_held_to_the_layouts_of_rust() {
    let scratch = rust_layouts("emit-c-mirror");
    let only = [
        "a.o",
        "a.o",
        "--emit-c-header=layout.h",
        "--emit-type=app::Root",
        "--emit-type=app::Color",
    ];
    assert_eq!(abi_check(&scratch, &only), 0);
    let mirror = "#include <stdint.h>\nstruct Root { uint8_t type; uint32_t count; };\nenum Color { Red, Green = 7 };";
    judged(&scratch, "gcc", mirror, &[]).expect("the mirrors are right");
    for (from, to) in [
        ("uint8_t type", "uint64_t type"),
        ("Green = 7", "Green = 8"),
    ] {
        judged(&scratch, "gcc", &mirror.replace(from, to), &[]).expect_err(to);
    }
}

#[test]
fn the_prefix_says_what_a_module_is_called() {
    let scratch = rust_layouts("emit-prefix");
    let arguments = [
        "a.o",
        "a.o",
        "--emit-rust-asserts=layout.rs",
        "--emit-prefix=app::a=self",
    ];
    assert_eq!(abi_check(&scratch, &arguments), 0);
    let inside = APP.replace("mod a {", "mod a { #[cfg(judged)] include!(\"layout.rs\");");
    let inside = inside.replace("#[cfg(judged)] mod layout { include!(\"layout.rs\"); }", "");
    judged_rust(&scratch, &inside, &["--crate-name=app", "--cfg=judged"])
        .expect("seen from inside");
    let text = read(&scratch, "layout.rs");
    assert!(text.contains("size_of::<self::Hidden>()"), "{text}");
    assert!(
        text.contains("//   app::Root: of another crate; --emit-prefix asserts it"),
        "{text}"
    );
    let wrong = [
        "a.o",
        "a.o",
        "--emit-rust-asserts=x.rs",
        "--emit-prefix=app::a",
    ];
    assert_eq!(abi_check(&scratch, &wrong), 3);
}

#[test]
fn of_sides_that_differ_only_what_is_equal_is_asserted() {
    let scratch = Scratch::new("emit-mismatch");
    let source = |of_bad: &str| {
        format!(
            "struct bad {{ {of_bad} n; }} b; struct holds {{ struct bad b; }} h; struct points {{ struct bad *b; }} p; struct good {{ int n; }} g;"
        )
    };
    gcc(&scratch, "x", &source("int"), &[]);
    gcc(&scratch, "y", &source("long"), &[]);
    assert_eq!(
        abi_check(&scratch, &["x.o", "y.o", "--emit-c-header=layout.h"]),
        1
    );
    let header = read(&scratch, "layout.h");
    let asserted = |name: &str| header.contains(&format!("sizeof(struct {name})"));
    assert!(asserted("good") && asserted("points"), "{header}");
    assert!(!asserted("bad") && !asserted("holds"), "{header}");
    for name in ["bad", "holds"] {
        let line = format!(" *   {name}: is not proved equal on all sides");
        assert!(header.lines().any(|found| found == line), "{header}");
    }
}

#[test]
fn nothing_is_written_where_the_command_fails() {
    let scratch = Scratch::new("emit-failure");
    gcc(&scratch, "x", "struct s { int n; } x;", &[]);
    write(&scratch, "layout.h", "as before");
    let fails = |arguments: &[&str]| assert_eq!(abi_check(&scratch, arguments), 3);
    fails(&["x.o", "missing.o", "--emit-c-header=layout.h"]);
    fails(&["x.o", "app.c", "--emit-c-header=layout.h"]);
    fails(&[
        "x.o",
        "x.o",
        "--emit-c-header=layout.h",
        "--emit-rust-asserts=missing/layout.rs",
    ]);
    fails(&[
        "x.o",
        "x.o",
        "--emit-rust-asserts=layout.rs",
        "--emit-c-header=.",
    ]);
    assert_eq!(read(&scratch, "layout.h"), "as before");
    let mut names: Vec<_> = std::fs::read_dir(scratch.path())
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["app.c", "layout.h", "x.o"]);
}
