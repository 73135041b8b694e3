//! What could be meant by a symbol that is not defined: lld's suggestions, and those that only a linker of several ISAs
//! can make.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Link, start};

/// The suggestions of a refused plain link of `answer`, which calls `called`, with another object.
fn suggested(called: &str, other: &str) -> String {
    let main = format!("int {called}(void);\nint answer(void) {{ return {called}(); }}");
    let said = Link::plain("x86_64")
        .c("start", &start())
        .c("main", &main)
        .c("other", other)
        .refused(1);
    advice(&said)
}

/// What stands behind the references.
fn advice(said: &str) -> String {
    let lines = said.lines();
    let lines = lines.filter(|l| !l.starts_with(">>> referenced") && !l.starts_with(">>>    "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_symbol_of_another_slice() {
    let said = Link::new()
        .c("start", &start())
        .c(
            "main",
            "int port(void);\nint answer(void) { return port(); }",
        )
        .c_on(0, "port", "int port(void) { return 1; }")
        .refused(1);
    insta::assert_snapshot!(said, @r"
    error: undefined symbol: port (riscv64)
    >>> referenced by main.c:2
    >>>               riscv64/main.o:(function answer: .text.answer+0x4)
    >>> defined on x86_64 in x86_64/port.o, but not on riscv64
    ");
}

#[test]
fn a_symbol_of_another_slices_archive_that_nothing_needed() {
    let link = Link::new()
        .c("start", &start())
        .c_on(0, "main", "int answer(void) { return 1; }");
    let link = link.c_on(
        1,
        "main",
        "int port(void);\nint answer(void) { return port(); }",
    );
    let member = link.compile(0, "port", "int port(void) { return 1; }", &[]);
    let archive = archive(&link, "libport.a", &[member]);
    let said = link.input(0, archive).refused(1);
    insta::assert_snapshot!(advice(&said), @r"
    error: undefined symbol: port (riscv64)
    >>> defined on x86_64 in libport.a(port.o), but not on riscv64
    ");
}

#[test]
fn a_symbol_of_two_other_slices() {
    let said = Link::of(&["x86_64", "riscv64", "aarch64"])
        .c("start", &start())
        .c(
            "main",
            "int port(void);\nint answer(void) { return port(); }",
        )
        .c_on(0, "port", "int port(void) { return 1; }")
        .c_on(2, "port", "int port(void) { return 1; }")
        .refused(1);
    insta::assert_snapshot!(advice(&said), @r"
    error: undefined symbol: port (riscv64)
    >>> defined on aarch64 in aarch64/port.o, but not on riscv64
    >>> defined on x86_64 in x86_64/port.o, but not on riscv64
    ");
}

#[test]
fn a_function_without_code_exists_elsewhere_only() {
    let main = "int port(void); int (*volatile table[1])(void) = { port };\n\
                int answer(void) { return table[0](); }";
    let said = Link::new()
        .c("start", &start())
        .c("main", main)
        .c_on(1, "port", "int port(void) { return 1; }")
        .refused(1);
    assert!(
        said.contains(">>> defined on riscv64 in riscv64/port.o, but not on x86_64"),
        "{said}"
    );
}

#[test]
fn one_character_is_wrong() {
    for near in [
        "initialize_",
        "initialise",
        "initialiez",
        "nitialize",
        "iinitialize",
    ] {
        let said = suggested("initialize", &format!("int {near}(void) {{ return 1; }}"));
        let expected = format!(
            "error: undefined symbol: initialize\n>>> did you mean: {near}\n>>> defined in: x86_64/other.o"
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn other_case_or_underscores_at_the_start() {
    for near in [
        "_start_timer",
        "__start_timer",
        "Start_Timer",
        "START_TIMER",
    ] {
        let said = suggested("start_timer", &format!("int {near}(void) {{ return 1; }}"));
        assert!(
            said.contains(&format!("\n>>> did you mean: {near}\n")),
            "{said}"
        );
    }
}

#[test]
fn names_that_have_nothing_in_common_are_not_suggested() {
    let said = suggested(
        "initialize",
        "int finish(void) { return 1; } int init(void) { return 2; }",
    );
    assert_eq!(said, "error: undefined symbol: initialize");
    let said = suggested("ab", "int ac(void) { return 1; }");
    assert_eq!(said, "error: undefined symbol: ab");
}

#[test]
fn a_static_function_of_that_name() {
    let other = "static int hidden(void) { return 1; } int (*kept)(void) = hidden;";
    insta::assert_snapshot!(suggested("hidden", other), @r"
    error: undefined symbol: hidden
    >>> hidden is local to the file that defines it (static)
    >>> defined in: x86_64/other.o
    ");
}

#[test]
fn a_variable_of_an_archive_that_nothing_needed() {
    let link = Link::plain("riscv64").c("start", &start()).c(
        "main",
        "extern int counter;\nint answer(void) { return counter; }",
    );
    let member = link.compile(0, "counters", "int counters = 3;", &[]);
    let archive = archive(&link, "libcounters.a", &[member]);
    let said = link.input(0, archive).refused(1);
    insta::assert_snapshot!(advice(&said), @r"
    error: undefined symbol: counter
    >>> did you mean: counters
    >>> defined in: libcounters.a(counters.o)
    ");
}

/// The C++ compiler's object.
fn cpp(link: &Link, name: &str, source: &str) -> PathBuf {
    link.compile(0, name, source, &["-xc++"])
}

#[test]
fn a_definition_that_lacks_extern_c() {
    let link = Link::plain("x86_64").c("start", &start()).c(
        "main",
        "int helper(void);\nint answer(void) { return helper(); }",
    );
    let other = cpp(
        &link,
        "other",
        "namespace n { int helper(int) { return 1; } }",
    );
    insta::assert_snapshot!(advice(&link.input(0, other).refused(1)), @r#"
    error: undefined symbol: helper
    >>> did you mean to declare n::helper(int) as extern "C"?
    >>> defined in: x86_64/other.o
    "#);
}

#[test]
fn a_declaration_that_lacks_extern_c() {
    let link = Link::plain("x86_64").c("start", &start());
    let main = cpp(
        &link,
        "main",
        "int helper(int);\nextern \"C\" int answer(void) { return helper(1); }",
    );
    let link = link
        .input(0, main)
        .c("other", "int helper(int x) { return x; }");
    insta::assert_snapshot!(advice(&link.refused(1)), @r#"
    error: undefined symbol: helper(int)
    >>> did you mean: extern "C" helper
    >>> defined in: x86_64/other.o
    "#);
}

/// Names of one crate that was built twice, as `-C metadata` makes them.
#[test]
fn another_build_of_a_crate() {
    let [missing, defined] = ["_RNvCs1234_5crate4work", "_RNvCs5678_5crate4work"];
    insta::assert_snapshot!(
        suggested(missing, &format!("int {defined}(void) {{ return 1; }}")),
        @r"
    error: undefined symbol: crate::work
    >>> another build of its crate is linked, whose symbol is _RNvCs5678_5crate4work, not _RNvCs1234_5crate4work
    >>> defined in: x86_64/other.o
    "
    );
    let [missing, defined] =
        ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"].map(|hash| format!("_ZN5crate4work17h{hash}E"));
    let said = suggested(&missing, &format!("int {defined}(void) {{ return 1; }}"));
    assert!(said.contains("another build of its crate"), "{said}");
}

#[test]
fn a_rust_function_that_is_not_exported() {
    let defined = "_RNvCs5678_5crate4work";
    insta::assert_snapshot!(
        suggested("work", &format!("int {defined}(void) {{ return 1; }}")),
        @r#"
    error: undefined symbol: work
    >>> did you mean to declare crate::work as #[unsafe(no_mangle)] extern "C"?
    >>> defined in: x86_64/other.o
    "#
    );
}

fn archive(link: &Link, name: &str, members: &[PathBuf]) -> PathBuf {
    let path = link.path(name);
    let output = Command::new("ar")
        .arg("rcs")
        .arg(&path)
        .args(members)
        .output();
    assert!(output.expect("ar runs").status.success());
    path
}
