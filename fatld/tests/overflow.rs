//! Values that do not fit: refused with the number and the range in bytes, with the function and the variable that are
//! meant, and with the line of both.

mod common;

use common::{Link, start};

/// A plain link of `boot`, far below the image, with a variable in it.
fn far_apart(isa: &str, boot: &str) -> String {
    Link::plain(isa)
        .c("start", &start())
        .c(
            "main",
            "\nint value = 1;\nint answer(void) { return value; }",
        )
        .c_with("boot", boot, [&["-fno-unwind-tables"]])
        .arg("--section-start=.boot=0x1000")
        .arg("--image-base=0x800000000")
        .refused(1)
}

const BOOT: &str = "\
extern int value;
__attribute__((retain, section(\".boot\"))) int boot(void) {
    return 1
        + value;
}
";

#[test]
fn a_variable_too_far_from_code() {
    let said = ["x86_64", "riscv64", "aarch64"].map(|isa| far_apart(isa, BOOT));
    insta::assert_snapshot!(said.join("\n"), @r"
    error: x86_64/boot.o:(function boot: .boot+0x2): relocation R_X86_64_PC32 out of range: 34359738362 is not in [-2147483648, 2147483647]; references 'value'
    >>> referenced by boot.c:4
    >>> defined at main.c:2
    >>>            x86_64/main.o:(.data.value+0x0)

    error: riscv64/boot.o:(function boot: .boot+0x0): relocation R_RISCV_PCREL_HI20 out of range: 34359738368 is not in [-2147485696, 2147481599]; references 'value'
    >>> referenced by boot.c:4
    >>> defined at main.c:2
    >>>            riscv64/main.o:(.sdata.value+0x0)

    error: aarch64/boot.o:(function boot: .boot+0x0): relocation R_AARCH64_ADR_PREL_PG_HI21 out of range: 34359742464 is not in [-4294967296, 4294967295]; references 'value'
    >>> referenced by boot.c:4
    >>> defined at main.c:2
    >>>            aarch64/main.o:(.data.value+0x0)
    ");
}

#[test]
fn a_jump_too_far() {
    let boot = "__asm__(\".section .boot, \\\"axR\\\"\\n.globl boot\\n.type boot, %function\\n\
                boot:\\n  JUMP answer\\n.size boot, .-boot\\n\");";
    let said = [("x86_64", "jmp"), ("riscv64", "jal zero,")]
        .map(|(isa, jump)| far_apart(isa, &boot.replace("JUMP", jump)));
    insta::assert_snapshot!(said.join("\n"), @r"
    error: x86_64/boot.o:(function boot: .boot+0x1): relocation R_X86_64_PLT32 out of range: 34359734297 is not in [-2147483648, 2147483647]; references 'answer'
    >>> defined at main.c:3
    >>>            x86_64/main.o:(.text.answer+0x0)

    error: riscv64/boot.o:(function boot: .boot+0x0): relocation R_RISCV_JAL out of range: 34359734302 is not in [-1048576, 1048575]; references 'answer'
    >>> defined at main.c:3
    >>>            riscv64/main.o:(.text.answer+0x0)
    ");
}

/// The relocations name a section, because nobody outside of the file knows the variable.
#[test]
fn a_static_variable_is_named() {
    let main = "static int first = 2;\nstatic int second = 3;\n\
                int *volatile kept;\nint answer(void) {\n  kept = &first;\n  kept = &second;\n  return first++ + second++;\n}";
    let said = Link::plain("x86_64")
        .c("start", &start())
        .c_with(
            "main",
            main,
            [&["-fno-pie", "-mcmodel=small", "-fno-data-sections"]],
        )
        .arg("--image-base=0x100000000")
        .refused(1);
    let named: Vec<_> = said
        .lines()
        .filter_map(|line| line.split_once("R_X86_64_32S")?.1.split_once("references "))
        .map(|(_, name)| name)
        .collect();
    assert_eq!(named, ["'first'", "'second'"], "{said}");
    assert!(
        said.contains(">>> defined at main.c:2\n>>>            x86_64/main.o:(.data+0x"),
        "{said}"
    );
}

/// GNU ld and lld give the range of an upper part in units of 4096.
#[test]
fn upper_parts_are_told_in_bytes() {
    let main = "int value = 1;\nint answer(void) {\n  return value;\n}";
    let said = Link::plain("riscv64")
        .c("start", &start())
        .c_with("main", main, [&["-fno-pic", "-mcmodel=medlow"]])
        .arg("--image-base=0x100000000")
        .refused(1);
    let first = said.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("error: riscv64/main.o:(function answer: .text.answer+0x0): relocation R_RISCV_HI20 out of range: 4294")
            && first.ends_with(" is not in [-2147485696, 2147481599]; references 'value'"),
        "{said}"
    );
}

#[test]
fn a_field_of_data_too_small() {
    let main = "int value;\n__asm__(\".data\\n.globl small\\n.type small, %object\\n.size small, 1\\n\
                small: .byte value\\n\");\nextern char small;\nint answer(void) { return small; }";
    let said = Link::plain("x86_64")
        .c("start", &start())
        .c("main", main)
        .refused(1);
    let first = said.lines().next().unwrap_or_default();
    assert!(
        first.starts_with(
            "error: x86_64/main.o:(variable small: .data+0x0): relocation R_X86_64_8 out of range: "
        ) && first.ends_with(" is not in [-128, 255]; references 'value'"),
        "{said}"
    );
}

#[test]
fn a_value_that_is_no_multiple() {
    let main = "char bytes[9] = { 1 };\n__asm__(\".text\\n.globl load\\n.type load, %function\\n\
                load:\\n  adrp x0, bytes+1\\n  ldr x0, [x0, :lo12:bytes+1]\\n  ret\\n.size load, .-load\\n\");\n\
                int load(void);\nint answer(void) { return load(); }";
    let said = Link::plain("aarch64")
        .c("start", &start())
        .c("main", main)
        .refused(1);
    let first = said.lines().next().unwrap_or_default();
    assert!(
        first.starts_with(
            "error: aarch64/main.o:(function load: .text+0x4): improper alignment for relocation \
             R_AARCH64_LDST64_ABS_LO12_NC: 0x"
        ) && first.ends_with(" is not a multiple of 8; references 'bytes'"),
        "{said}"
    );
}

#[test]
fn an_address_is_not_told_to_be_a_distance() {
    let link = |flag: &str| {
        let said = far_apart("riscv64", BOOT);
        let main = "int value = 1;\nint answer(void) { return value; }";
        let absolute = Link::plain("riscv64")
            .c("start", &start())
            .c_with("main", main, [&["-fno-pic", flag]])
            .arg("--image-base=0x100000000")
            .refused(1);
        [said, absolute].map(|said| said.contains("--image-base"))
    };
    assert_eq!(link("-mcmodel=medlow"), [false, true]);
}
