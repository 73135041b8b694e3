//! abi-check.toml, comments in the source, and lints: what they suppress, add, and complain of.

mod support;

use std::process::{Command, Output};

use support::{Scratch, gcc};

/// Exit status, standard output and standard error.
fn run(scratch: &Scratch, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_abi-check"))
        .args(arguments)
        .current_dir(scratch.path())
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    let status = status.code().expect("the command exits");
    (status, text(stdout), text(stderr))
}

fn write(scratch: &Scratch, name: &str, text: &str) {
    std::fs::write(scratch.path().join(name), text).expect("the file can be written");
}

/// Two objects in which the field `n` of `ring` differs, and `only` is on one side.
fn differing(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let source = "struct ring {\n  // COMMENT\n  TYPE n;\n} ring;\nMORE";
    gcc(&scratch, "a", source, &["-DTYPE=int", "-DMORE=int only;"]);
    gcc(&scratch, "b", source, &["-DTYPE=float", "-DMORE="]);
    scratch
}

const RING: &str = "[[suppress]]\nid = \"ac0009\"\ntype = \"ring\"\nmember = \"n\"\nreason = \"n is unused\"\nexpires = 2999-01-31\n";
const ONLY: &str = "[[suppress]]\nid = [\"one-sided\"]\ntype = \"on*\"\nreason = \"host only\"\nexpires = 2999-01-31\n";

#[test]
fn what_is_suppressed_is_shown_and_does_not_count() {
    let scratch = differing("suppressed");
    assert_eq!(run(&scratch, &["a.o", "b.o"]).0, 1);
    write(&scratch, "abi-check.toml", RING);
    let (status, text, _) = run(&scratch, &["a.o", "b.o"]);
    assert_eq!(status, 2, "`only` is unproved: {text}");
    assert!(
        text.contains("suppressed[AC0009]: field `n` of `ring`"),
        "{text}"
    );
    assert!(
        text.contains("suppressed until 2999-01-31: n is unused (abi-check.toml:1)"),
        "{text}"
    );
    write(&scratch, "abi-check.toml", &(RING.to_owned() + ONLY));
    let (status, text, _) = run(&scratch, &["a.o", "b.o"]);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.ends_with("all proved equal but what is suppressed, 2 suppressed\n"),
        "{text}"
    );
    let (_, json, _) = run(&scratch, &["a.o", "b.o", "--format=json"]);
    assert!(json.contains("\"verdict\": \"suppressed\""), "{json}");
    assert!(json.contains("\"origin\": \"abi-check.toml:7\""), "{json}");
    let (_, sarif, _) = run(&scratch, &["a.o", "b.o", "--format=sarif"]);
    assert!(sarif.contains("\"kind\": \"external\""), "{sarif}");
    let (_, markdown, _) = run(&scratch, &["a.o", "b.o", "--format=markdown"]);
    assert!(markdown.contains("n is unused"), "{markdown}");
}

#[test]
fn a_suppression_that_expired_or_fits_nothing_is_told() {
    let scratch = differing("expired");
    write(&scratch, "abi-check.toml", &RING.replace("2999", "2020"));
    let (status, text, _) = run(&scratch, &["a.o", "b.o", "--root", "ring"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("warning: abi-check.toml:1: expired on 2020-01-31, and is void"),
        "{text}"
    );
    write(&scratch, "abi-check.toml", &RING.replace("ring", "rung"));
    let (status, text, _) = run(&scratch, &["a.o", "b.o", "--root", "ring"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("warning: abi-check.toml:1: nothing is suppressed by this"),
        "{text}"
    );
}

#[test]
fn a_comment_at_the_declaration_suppresses_until_its_day() {
    let scratch = Scratch::new("comment");
    let objects = |comment: &str| {
        let source = format!("struct ring {{\n  // {comment}\n  TYPE n;\n}} ring;\n");
        gcc(&scratch, "a", &source, &["-DTYPE=int"]);
        gcc(&scratch, "b", &source, &["-DTYPE=float"]);
        run(&scratch, &["a.o", "b.o"])
    };
    let (status, text, _) = objects("abi-check: allow(AC0009, until 2999-01-31) n is unused");
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("suppressed until 2999-01-31: n is unused (app.c:2)"),
        "{text}"
    );
    let (_, sarif, _) = run(&scratch, &["a.o", "b.o", "--format=sarif"]);
    assert!(sarif.contains("\"kind\": \"inSource\""), "{sarif}");
    let (status, text, _) = objects("abi-check: allow(AC0009, until 2020-01-31) n is unused");
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("warning: app.c:2: expired on 2020-01-31"),
        "{text}"
    );
    let (status, text, _) = objects("abi-check: allow(AC0001, until 2999-01-31) another kind");
    assert_eq!(status, 1, "{text}");
    let (status, text, _) = objects("abi-check: allow(AC0009) for ever");
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("warning: app.c:2: no day: expected"),
        "{text}"
    );
}

#[test]
fn the_file_selects_where_the_command_line_does_not() {
    let scratch = differing("selects");
    write(&scratch, "abi-check.toml", "roots = [\"only\"]\n");
    let (status, text, _) = run(&scratch, &["a.o", "b.o"]);
    assert_eq!(status, 2, "{text}");
    assert!(!text.contains("ring"), "{text}");
    assert_eq!(run(&scratch, &["a.o", "b.o", "--root", "ring"]).0, 1);
    write(
        &scratch,
        "other.toml",
        "roots = [\"only\"]\nallow-unproved = true\n",
    );
    std::fs::remove_file(scratch.path().join("abi-check.toml")).expect("it is there");
    let (status, text, _) = run(&scratch, &["a.o", "b.o", "--config", "other.toml"]);
    assert_eq!(status, 2, "nothing was compared: {text}");
}

#[test]
fn a_file_that_is_not_understood_is_an_error() {
    let scratch = differing("wrong");
    for (text, expected) in [
        ("root = [\"ring\"]", "unknown field `root`"),
        (
            "[[suppress]]\nid = \"AC0009\"\nexpires = 2999-01-31",
            "missing field `reason`",
        ),
        (
            "[[suppress]]\nid = \"AC0009\"\nreason = \"r\"",
            "missing field `expires`",
        ),
    ] {
        write(&scratch, "abi-check.toml", text);
        let (status, _, error) = run(&scratch, &["a.o", "b.o"]);
        assert_eq!(status, 3, "{error}");
        assert!(error.starts_with("error: abi-check.toml: "), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let (status, _, error) = run(&scratch, &["a.o", "b.o", "--config", "missing.toml"]);
    assert_eq!(status, 3, "{error}");
    assert!(error.starts_with("error: missing.toml: "), "{error}");
}

/// The same structure for two machines.
fn machines(name: &str, source: &str) -> Scratch {
    let scratch = Scratch::new(name);
    support::cc("x86_64-linux-gnu-gcc", &scratch, "a", source, &[]);
    support::cc("riscv64-linux-gnu-gcc", &scratch, "b", source, &[]);
    scratch
}

#[test]
fn a_lint_warns_of_equal_bytes_that_mean_something_else() {
    let scratch = machines(
        "lint",
        "typedef struct { unsigned long pte; } pte_t; pte_t entry;",
    );
    let (status, text, _) = run(&scratch, &["a.o", "b.o"]);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("warning[AC0019]: `pte_t` does not mean the same: its bits are those of"),
        "{text}"
    );
    assert_eq!(run(&scratch, &["a.o", "b.o", "--deny-warnings"]).0, 1);
    write(&scratch, "abi-check.toml", "deny-warnings = true");
    assert_eq!(run(&scratch, &["a.o", "b.o"]).0, 1);
}

#[test]
fn lints_of_the_file_are_asked_too() {
    let scratch = machines(
        "own",
        "struct clock { unsigned long ticks; } clock; struct tick_x86 { int x; };",
    );
    let lint = |meanings: &str| {
        let text = format!(
            "[[lint]]\nname = \"clock\"\ntypes = [\"clock\"]\nwhat = \"ticks have a unit of their own\"\nhint = \"use ns\"\n{meanings}"
        );
        write(&scratch, "abi-check.toml", &text);
        run(&scratch, &["a.o", "b.o"]).1
    };
    let text = lint("by-machine = { x86_64 = \"TSC\", \"*\" = \"10 MHz\" }");
    assert!(text.contains("warning[AC0019]: `clock`"), "{text}");
    assert!(text.contains("TSC") && text.contains("10 MHz"), "{text}");
    assert!(text.contains("hint: use ns"), "{text}");
    let text = lint("by-machine = { riscv = \"10 MHz\", \"*\" = \"10 MHz\" }");
    assert!(!text.contains("AC0019"), "{text}");
    let text = lint("by-type = [[\"clock\", \"ns\"], [\"nothing*\", \"µs\"]]");
    assert!(!text.contains("AC0019"), "{text}");
    let text = lint("by-type = [[\"nothing*\", \"ns\"]]");
    assert!(
        text.contains("AC0019"),
        "unknown meanings on other machines: {text}"
    );
}

#[test]
fn a_lint_adds_its_reason_to_a_difference_of_layout() {
    let scratch = machines(
        "reason",
        "#ifdef __riscv\n#define N 3\n#else\n#define N 4\n#endif\nstruct pt_regs { long r[N]; } saved;",
    );
    let (status, text, _) = run(&scratch, &["a.o", "b.o"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("reason: it holds registers of the CPU that wrote it"),
        "{text}"
    );
    assert!(!text.contains("AC0019"), "{text}");
}
