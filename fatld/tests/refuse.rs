//! What must be refused: by status 1, with a message that names the symbol and both sides, and with nothing left behind.

mod common;

use common::{Link, start};

const MAIN: &str = "extern int value; int answer(void) { return value; }";

/// A link whose two slices define `value` differently.
fn differing(x86_64: &str, riscv64: &str) -> Link {
    Link::new()
        .c("start", &start())
        .c(
            "main",
            "int answer(void); int use_value(void); int answer(void) { return use_value(); }",
        )
        .c_with("value", "#ifdef FIRST\n#else\n#endif\n", [&[], &[]])
        .c_on(0, "data", x86_64)
        .c_on(1, "data", riscv64)
}

/// Messages with the temporary parts cut out.
fn refusal(link: Link) -> String {
    link.refused(1)
}

const USE: &str = "int use_value(void) { return *(volatile unsigned char *)&value; }";

#[test]
fn another_initial_value() {
    let link = differing(
        &format!("int value = 7; {USE}"),
        &format!("\n\nint value = 8; {USE}"),
    );
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its initial value is not the same on every ISA
    >>> x86_64   7 (07 00 00 00)
    >>>          ^  ^^
    >>>          data.c:1 in x86_64/data.o
    >>> riscv64  8 (08 00 00 00)
    >>>          ^  ^^
    >>>          data.c:3 in riscv64/data.o
    ");
}

#[test]
fn one_of_three_initial_values() {
    let value = "#ifdef __riscv\n#define V 8\n#else\n#define V 7\n#endif\nint value = V;";
    let link = Link::of(&["x86_64", "riscv64", "aarch64"])
        .c("start", &start())
        .c("main", MAIN)
        .c("value", value);
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its initial value is not the same on every ISA
    >>> x86_64   7 (07 00 00 00)
    >>>          ^  ^^
    >>>          value.c:6 in x86_64/value.o
    >>> riscv64  8 (08 00 00 00)
    >>>          ^  ^^
    >>>          value.c:6 in riscv64/value.o
    >>> aarch64  7 (07 00 00 00)
    >>>          ^  ^^
    >>>          value.c:6 in aarch64/value.o
    ");
}

#[test]
fn three_sizes() {
    let value = "#ifdef __riscv\n#define N 2\n#elif defined(__x86_64__)\n#define N 3\n#else\n#define N 4\n#endif\n\
                 int value[N];";
    let link = Link::of(&["x86_64", "riscv64", "aarch64"])
        .c("start", &start())
        .c(
            "main",
            "extern int value[]; int answer(void) { return value[1]; }",
        )
        .c("value", value);
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its size is not the same on every ISA
    >>> x86_64   12 bytes
    >>>          value.c:8 in x86_64/value.o
    >>> riscv64  8 bytes
    >>>          value.c:8 in riscv64/value.o
    >>> aarch64  16 bytes
    >>>          value.c:8 in aarch64/value.o
    >>> use types that have one size on every ISA, and the same fields
    ");
}

#[test]
fn each_of_three_structs_differs_in_its_place() {
    let value = "struct { int a, b, c; } value = { 1,\n#ifdef __riscv\n 3,\n#else\n 2,\n#endif\n\
                 #ifdef __aarch64__\n 5\n#else\n 4\n#endif\n};";
    let link = Link::of(&["x86_64", "riscv64", "aarch64"])
        .c("start", &start())
        .c(
            "main",
            "extern int value[3]; int answer(void) { return value[1]; }",
        )
        .c("value", value);
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its initial value is not the same on every ISA
    >>> x86_64   bytes from 0x0: 01 00 00 00 02 00 00 00 04 00 00 00
    >>>                                      ^^          ^^
    >>>          value.c:1 in x86_64/value.o
    >>> riscv64  bytes from 0x0: 01 00 00 00 03 00 00 00 04 00 00 00
    >>>                                      ^^          ^^
    >>>          value.c:1 in riscv64/value.o
    >>> aarch64  bytes from 0x0: 01 00 00 00 02 00 00 00 05 00 00 00
    >>>                                      ^^          ^^
    >>>          value.c:1 in aarch64/value.o
    ");
}

#[test]
fn another_initial_value_without_debug_information() {
    let source = format!(
        "#ifdef __x86_64__\nint value = 7;\n#else\nint value = 8;\n#endif\nextern int value; {USE}"
    );
    let link = Link::new()
        .c("start", &start())
        .c(
            "main",
            "int use_value(void); int answer(void) { return use_value(); }",
        )
        .c_with("data", &source, [&["-g0"], &["-g0"]]);
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its initial value is not the same on every ISA
    >>> x86_64   7 (07 00 00 00)
    >>>          ^  ^^
    >>>          in x86_64/data.o
    >>> riscv64  8 (08 00 00 00)
    >>>          ^  ^^
    >>>          in riscv64/data.o
    ");
}

#[test]
fn another_size_of_a_common_symbol() {
    let source = format!("#ifdef __x86_64__\nint value[2];\n#else\nint value[3];\n#endif\n{USE}");
    let link = Link::new()
        .c("start", &start())
        .c(
            "main",
            "int use_value(void); int answer(void) { return use_value(); }",
        )
        .c_with("data", &source, [&["-fcommon"], &["-fcommon"]]);
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its size is not the same on every ISA
    >>> x86_64   8 bytes
    >>>          data.c:2 in x86_64/data.o
    >>> riscv64  12 bytes
    >>>          data.c:4 in riscv64/data.o
    >>> use types that have one size on every ISA, and the same fields
    ");
}

#[test]
fn another_byte_of_a_large_table() {
    let table =
        |last: &str| format!("const unsigned char value[100] = {{ 1, [70] = {last} }}; {USE}");
    let link = differing(&table("2"), &table("3"));
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its initial value is not the same on every ISA
    >>> x86_64   bytes from 0x40: 00 00 00 00 00 00 02 00
    >>>                                             ^^
    >>>          data.c:1 in x86_64/data.o
    >>> riscv64  bytes from 0x40: 00 00 00 00 00 00 03 00
    >>>                                             ^^
    >>>          data.c:1 in riscv64/data.o
    ");
}

#[test]
fn another_size() {
    let link = differing(
        &format!("int value[2] = {{7}}; {USE}"),
        &format!("int value[3] = {{7}}; {USE}"),
    );
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its size is not the same on every ISA
    >>> x86_64   8 bytes
    >>>          data.c:1 in x86_64/data.o
    >>> riscv64  12 bytes
    >>>          data.c:1 in riscv64/data.o
    >>> use types that have one size on every ISA, and the same fields
    ");
}

#[test]
fn another_kind() {
    let link = differing(
        &format!("int value = 7; {USE}"),
        &format!("const int value = 7; {USE}"),
    );
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its kind is not the same on every ISA
    >>> x86_64   writable
    >>>          data.c:1 in x86_64/data.o
    >>> riscv64  read-only
    >>>          data.c:1 in riscv64/data.o
    ");
}

#[test]
fn another_target() {
    let pointer = |target: &str| {
        format!(
            "int one = 1, two = 2; int *value = &{target}; {USE} int *keep(void) {{ return &one; }}"
        )
    };
    let link = differing(&pointer("one"), &pointer("two"));
    insta::assert_snapshot!(refusal(link), @r"
    error: value is shared, but its address is not the same on every ISA
    >>> x86_64   at 0x0: address of one+0
    >>>                             ^^^^^
    >>>          data.c:1 in x86_64/data.o
    >>> riscv64  at 0x0: address of two+0
    >>>                             ^^^^^
    >>>          data.c:1 in riscv64/data.o
    ");
}

#[test]
fn another_field_type_of_equal_size() {
    let of = |ty: &str| format!("struct pair {{ int a; {ty} b; }} value = {{ 7, 0 }}; {USE}");
    let said = refusal(differing(&of("int"), &of("float")));
    assert!(said.contains("value"), "{said}");
    assert!(said.contains("error[AC"), "{said}");
}

#[test]
fn another_order_of_fields() {
    let of = |fields: &str| format!("struct pair {{ {fields} }} value; {USE}");
    let said = refusal(differing(
        &of("short a; short b; int c;"),
        &of("short b; short a; int c;"),
    ));
    assert!(said.contains("error[AC") && said.contains("pair"), "{said}");
}

#[test]
fn plain_char_in_shared_data() {
    let source = format!("char value[4] = \"abc\"; {USE}");
    let link = Link::new().c("start", &start()).c(
        "main",
        "int use_value(void); int answer(void) { return use_value(); }",
    );
    let signed = link.c_with("data", &source, [&["-fsigned-char"], &["-funsigned-char"]]);
    let said = refusal(signed);
    assert!(said.contains("`char`") && said.contains("value"), "{said}");
}

#[test]
fn a_function_with_no_code_for_one_isa() {
    let main = "int only(int); int (*volatile p)(int); int answer(void) { return p ? p(1) : 2; }";
    let link = || {
        Link::new()
            .c("start", &start())
            .c_on(
                0,
                "main",
                &format!("{main} void set(void) {{ p = only; }} int only(int x) {{ return x; }}"),
            )
            .c_on(1, "main", &format!("{main} void set(void) {{ p = 0; }}"))
            .c("keep", "void set(void); void (*volatile keep)(void) = set;")
    };
    // Nothing refers to `keep`, so nothing refers to `only`.
    link().ok();
    let retained = |link: Link| {
        link.c(
            "root",
            "void set(void); __attribute__((retain, used)) void (*const root)(void) = set;",
        )
    };
    let said = refusal(retained(link()));
    insta::assert_snapshot!(said, @r"
    error: only has no code for riscv64, but its address is taken
    >>> address taken on x86_64 by main.c:1
    >>>                            x86_64/main.o:(function set: .text.set+0x3)
    >>> defined on x86_64 in x86_64/main.o, but not on riscv64
    >>> a function pointer must have code on every ISA; in assembly, a label that is not `.type …, @function` keeps its own address
    ");
    let linked = retained(link()).arg("--missing-code=trap").ok();
    assert!(linked.map().contains("trap  only"), "{}", linked.map());
}

#[test]
fn undefined_symbols_all_of_them() {
    let link = Link::new().c("start", &start()).c(
        "main",
        "int first(void); extern int second; int answer(void) { return first() + second; }",
    );
    insta::assert_snapshot!(refusal(link), @r"
    error: undefined symbol: first (riscv64)
    >>> referenced by main.c:1
    >>>               riscv64/main.o:(function answer: .text.answer+0x4)

    error: undefined symbol: first (x86_64)
    >>> referenced by main.c:1
    >>>               x86_64/main.o:(function answer: .text.answer+0x5)

    error: undefined symbol: second (riscv64)
    >>> referenced by main.c:1
    >>>               riscv64/main.o:(function answer: .text.answer+0xc)

    error: undefined symbol: second (x86_64)
    >>> referenced by main.c:1
    >>>               x86_64/main.o:(function answer: .text.answer+0xb)
    ");
}

#[test]
fn duplicate_symbols() {
    let link = Link::new()
        .c("start", &start())
        .c("main", MAIN)
        .c("one", "int value = 1;")
        .c("two", "int value = 2;");
    insta::assert_snapshot!(refusal(link), @r"
    error: duplicate symbol: value (riscv64)
    >>> defined at one.c:1
    >>>            riscv64/one.o:(.sdata.value+0x0)
    >>> defined at two.c:1
    >>>            riscv64/two.o:(.sdata.value+0x0)

    error: duplicate symbol: value (x86_64)
    >>> defined at one.c:1
    >>>            x86_64/one.o:(.data.value+0x0)
    >>> defined at two.c:1
    >>>            x86_64/two.o:(.data.value+0x0)
    ");
}

#[test]
fn duplicate_functions() {
    let link = Link::new()
        .c("start", &start())
        .c("main", "int answer(void) { return 1; }")
        .c_on(
            0,
            "other",
            "\nstatic int own(void) { return 2; }\nint answer(void) { return own(); }",
        );
    insta::assert_snapshot!(refusal(link), @r"
    error: duplicate symbol: answer (x86_64)
    >>> defined at main.c:1
    >>>            x86_64/main.o:(.text.answer+0x0)
    >>> defined at other.c:3
    >>>            x86_64/other.o:(.text.answer+0x0)
    ");
}

#[test]
fn more_problems_than_anyone_reads() {
    let calls: String = (10..31).map(|i| format!("f{i}(); ")).collect();
    let externs: String = (10..31).map(|i| format!("void f{i}(void); ")).collect();
    let main = format!("{externs} int answer(void) {{ {calls} return 1; }}");
    let link = || Link::new().c("start", &start()).c("main", &main);
    let errors = |said: &str| said.matches("error: undefined symbol").count();
    let said = refusal(link());
    assert_eq!(errors(&said), 20, "{said}");
    let end = "\nerror: too many errors emitted, 22 more not shown (use --error-limit=0 to see all errors)\n";
    assert!(said.ends_with(end), "{said}");
    let said = refusal(link().arg("--error-limit=0"));
    assert_eq!(
        (errors(&said), said.contains("too many")),
        (42, false),
        "{said}"
    );
    let said = refusal(link().arg("--error-limit=41"));
    assert!(said.contains("emitted, 1 more"), "{said}");
}

#[test]
fn an_address_that_does_not_fit() {
    let main =
        "extern int value; int *volatile kept; int answer(void) { kept = &value; return 1; }";
    let link = Link::new()
        .c("start", &start())
        .c("value", "int value = 1;")
        .c_with("main", main, [&["-fno-pie", "-mcmodel=small"], &[]]);
    insta::assert_snapshot!(refusal(link), @r"
    error: x86_64/main.o:(function answer: .text.answer+0x7): relocation R_X86_64_32S out of range: 4294987776 is not in [-2147483648, 2147483647]; references 'value'
    >>> referenced by main.c:1
    >>> defined at value.c:1
    >>>            x86_64/value.o:(.data.value+0x0)
    >>> the instruction or datum holds an address, and none as high as this: compile the code position-independent or for a larger code model, or place the image lower (--image-base)
    ");
}

#[test]
fn an_object_of_another_isa() {
    let link = Link::new();
    let foreign = link.compile(1, "main", MAIN, &[]);
    let said = refusal(link.c("start", &start()).input(0, foreign));
    insta::assert_snapshot!(
        said,
        @"error: riscv64/main.o:(ELF header+0x12): expected an object of x86_64 (e_machine 62), found e_machine 243"
    );
}

#[test]
fn usage() {
    insta::assert_snapshot!(Link::new().arg("--fast").refused(2), @"error: unknown argument '--fast'");
    insta::assert_snapshot!(Link::new().arg("--error-limit=few").refused(2), @"error: --error-limit: expected a number, found 'few'");
    let missing = Link::new()
        .c("start", &start())
        .input(0, "nowhere.o".into());
    insta::assert_snapshot!(missing.refused(1), @"error: cannot open nowhere.o: No such file or directory (os error 2)");
}

#[test]
fn an_output_that_is_not_a_regular_file_stays() {
    let link = Link::new()
        .c("start", &start())
        .c("main", "int answer(void) { return 1; }");
    let fifo = link.path("out.fat");
    let made = std::process::Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    let output = link.run();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    insta::assert_snapshot!(said, @"error: cannot write out.fat: it exists and is not a regular file");
    use std::os::unix::fs::FileTypeExt;
    assert!(
        std::fs::metadata(&fifo)
            .expect("still there")
            .file_type()
            .is_fifo()
    );
}
