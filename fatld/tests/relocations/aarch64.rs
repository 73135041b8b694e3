//! AAELF64.

use crate::common::{Link, start};
use crate::oracle::From::{Place, Zero};
use crate::oracle::{
    Bench, Row, any, fields_are_written_as_lld_does, row, values_beside_ranges_are_refused,
};

const ISA: &str = "aarch64";

const fn signed(bits: u32) -> (i64, i64) {
    (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
}

const fn unsigned(bits: u32) -> (i64, i64) {
    (0, (1 << bits) - 1)
}

const fn either(bits: u32) -> (i64, i64) {
    (signed(bits).0, unsigned(bits).1)
}

/// The highest value in steps.
const fn steps(range: (i64, i64), step: i64) -> (i64, i64) {
    (range.0, range.1 / step * step)
}

// A line per relocation, as a table.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    any("R_AARCH64_ABS64", ".quad -1", Zero, 1),
    row("R_AARCH64_ABS32", ".word -1", Zero, either(32), 1),
    row("R_AARCH64_ABS16", ".hword -1, 0", Zero, either(16), 1),
    any("R_AARCH64_PREL64", ".quad -1", Place, 1),
    row("R_AARCH64_PREL32", ".word -1", Place, either(32), 1),
    row("R_AARCH64_PREL16", ".hword -1, 0", Place, either(16), 1),
    row("R_AARCH64_MOVW_UABS_G0", "movz x1, #0", Zero, unsigned(16), 1),
    any("R_AARCH64_MOVW_UABS_G0_NC", "movk x1, #0", Zero, 1),
    row("R_AARCH64_MOVW_UABS_G1", "movz x1, #0, lsl 16", Zero, unsigned(32), 1),
    any("R_AARCH64_MOVW_UABS_G1_NC", "movk x1, #0, lsl 16", Zero, 1),
    row("R_AARCH64_MOVW_UABS_G2", "movz x1, #0, lsl 32", Zero, unsigned(48), 1),
    any("R_AARCH64_MOVW_UABS_G2_NC", "movk x1, #0, lsl 32", Zero, 1),
    any("R_AARCH64_MOVW_UABS_G3", "movz x1, #0, lsl 48", Zero, 1),
    row("R_AARCH64_MOVW_SABS_G0", "movz x1, #0", Zero, signed(17), 1),
    row("R_AARCH64_MOVW_SABS_G1", "movz x1, #0, lsl 16", Zero, signed(33), 1),
    row("R_AARCH64_MOVW_SABS_G2", "movn x1, #0, lsl 32", Zero, signed(49), 1),
    row("R_AARCH64_LD_PREL_LO19", "ldr x1, .", Place, steps(signed(21), 4), 4),
    row("R_AARCH64_ADR_PREL_LO21", "adr x1, .", Place, signed(21), 1),
    row("R_AARCH64_ADR_PREL_PG_HI21", "adrp x1, 0", Place, steps(signed(33), 4096), 4096),
    any("R_AARCH64_ADR_PREL_PG_HI21_NC", "adrp x1, 0", Place, 4096),
    any("R_AARCH64_ADD_ABS_LO12_NC", "add x1, x2, #0", Zero, 1),
    any("R_AARCH64_LDST8_ABS_LO12_NC", "ldrb w1, [x2]", Zero, 1),
    row("R_AARCH64_TSTBR14", "tbz x1, #33, .", Place, steps(signed(16), 4), 4),
    row("R_AARCH64_CONDBR19", "cbnz x1, .", Place, steps(signed(21), 4), 4),
    any("R_AARCH64_LDST16_ABS_LO12_NC", "ldrh w1, [x2]", Zero, 2),
    any("R_AARCH64_LDST32_ABS_LO12_NC", "ldr w1, [x2]", Zero, 4),
    any("R_AARCH64_LDST64_ABS_LO12_NC", "ldr x1, [x2]", Zero, 8),
    row("R_AARCH64_MOVW_PREL_G0", "movz x1, #0", Place, signed(17), 1),
    any("R_AARCH64_MOVW_PREL_G0_NC", "movk x1, #0", Place, 1),
    row("R_AARCH64_MOVW_PREL_G1", "movz x1, #0, lsl 16", Place, signed(33), 1),
    any("R_AARCH64_MOVW_PREL_G1_NC", "movk x1, #0, lsl 16", Place, 1),
    row("R_AARCH64_MOVW_PREL_G2", "movz x1, #0, lsl 32", Place, signed(49), 1),
    any("R_AARCH64_MOVW_PREL_G2_NC", "movk x1, #0, lsl 32", Place, 1),
    // Of a negative value lld writes `movz` where AAELF64 asks for `movn`: the same once three `movk` stand behind it.
    Row { checked: false, ..row("R_AARCH64_MOVW_PREL_G3", "movz x1, #0, lsl 48", Place, unsigned(62), 1) },
    any("R_AARCH64_LDST128_ABS_LO12_NC", "ldr q1, [x2]", Zero, 16),
];

#[test]
fn fields() {
    fields_are_written_as_lld_does(ISA, ROWS, &[]);
}

#[test]
fn ranges() {
    values_beside_ranges_are_refused(ISA, ROWS, &[]);
}

/// A program of one ISA whose exit status is `answer()`, or what assembly puts in place of it.
fn program(source: &str) -> Link {
    let link = Link::of(&[ISA]);
    let object = link.compile(0, "main", source, &[]);
    link.input(0, object)
}

#[test]
fn functions_are_called_and_passed_through_the_got_and_pages() {
    let source = format!(
        "{} typedef int (*op)(int); int twice(int x) {{ return 2 * x; }} int more(int x) {{ return x + 1; }}
        op volatile chosen = twice; short half = -3; char tiny = 5; long long whole = 7; __int128 wide = 9;
        __attribute__((weak)) int absent(void); __attribute__((weak)) extern int missing;
        int table(int x) {{ switch (x) {{ case 0: return 3; case 1: return more(7); case 2: return 11; case 3:
            return more(2); case 4: return 19; case 5: return twice(5); default: return 0; }} }}
        int answer(void) {{
            int sum = chosen(8) + more(half) + tiny + (int)whole + (int)wide + (chosen == twice);
            if (absent) return absent();
            if (&missing) return missing;
            return sum + table(1) - table(3);
        }}",
        start()
    );
    let expected = 16 - 2 + 5 + 7 + 9 + 1 + 8 - 3;
    for flags in [
        &["-O2"][..],
        &["-O2", "-fPIC"],
        &["-O0", "-mcmodel=large"],
        &["-mcmodel=tiny"],
    ] {
        let link = Link::of(&[ISA]);
        let object = link.compile(0, "main", &source, flags);
        // In the tiny model all is within 1 MiB.
        let linked = link.input(0, object).arg("--image-base=0x20000").ok();
        assert_eq!(linked.run_views(), [Some(expected)], "{flags:?}");
    }
}

#[test]
fn undefined_weak_symbols_are_zero_however_far() {
    let source = "
        .globl _start
        .weak gone
        _start: mov x0, #1
        bl gone
        cbnz x0, gone
        tbnz x0, #0, gone
        adrp x1, gone
        add x1, x1, :lo12:gone
        adr x2, gone
        adrp x3, gone + 0x1234
        add x3, x3, :lo12:gone + 0x1234
        ldr x4, gone_literal
        adrp x5, :got:gone
        ldr x5, [x5, :got_lo12:gone]
        orr x1, x1, x2
        orr x1, x1, x4
        orr x1, x1, x5
        mov x0, #2
        cbnz x1, 1f
        mov x0, #3
        mov x1, #0x1234
        cmp x1, x3
        b.ne 1f
        mov x0, #42
        1: mov x8, #94
        svc #0
        ldr x4, gone
        gone_literal: .quad gone";
    let bench = Bench::new(ISA);
    let objects = [bench.assemble("main", source, &[])];
    let linked = bench.fatld(&objects, &["-e", "_start", "--image-base=0x7000000000"]);
    assert_eq!(bench.run(&linked), Some(42));
}

#[test]
fn far_branches_go_over_thunks_there_and_back() {
    let link = program(
        "
        #define BOOT __attribute__((section(\".boot\"), noinline))
        int far(int), near(int); int far_pointer(int (*f)(int), int x);
        BOOT int near(int x) { return x + 2; }
        BOOT int middle(int x) { return far(x) + far(x + 1); }
        BOOT int answer(void) { return middle(3) + far_pointer(near, 4); }
        BOOT __attribute__((noreturn)) void _start(void) {
            register long x0 __asm__(\"x0\") = answer(); register long x8 __asm__(\"x8\") = 94;
            __asm__ volatile(\"svc #0\" :: \"r\"(x0), \"r\"(x8) : \"memory\"); for (;;) { }
        }
        int far(int x) { return near(x) * 3; }
        int far_pointer(int (*f)(int), int x) { return near(x) + f(x); }
        ",
    );
    let linked = link.arg("--section-start=.boot=0x80000000").ok();
    assert_eq!(linked.run_views(), [Some(5 * 3 + 6 * 3 + 6 + 6)]);
}

#[test]
fn branches_over_a_huge_section_go_over_thunks() {
    let source = "
        .section .text.one,\"ax\"
        .globl _start
        _start: mov x0, #1
        bl three
        bl three
        mov x8, #94
        svc #0
        back: add x0, x0, #1
        ret
        .section .text.two,\"axR\"
        .space 140 << 20
        .section .text.three,\"ax\"
        three: mov x9, x30
        add x0, x0, #10
        bl back
        mov x30, x9
        ret";
    let bench = Bench::new(ISA);
    let objects = [bench.assemble("main", source, &[])];
    let linked = bench.fatld(&objects, &["-e", "_start"]);
    assert_eq!(bench.run(&linked), Some(23));
}
