//! The RISC-V psABI.

use crate::common::{Link, start};
use crate::oracle::From::{Place, Zero};
use crate::oracle::{
    Bench, Row, address, any, bytes_at, fields_are_written_as_lld_does, row, same_as_lld, source,
    stricter, values_beside_ranges_are_refused,
};
use goblin::elf::Elf;

const ISA: &str = "riscv64";

const fn signed(bits: u32) -> (i64, i64) {
    (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
}

/// Even values.
const fn even(bits: u32) -> (i64, i64) {
    (signed(bits).0, signed(bits).1 - 1)
}

/// What an upper part reaches, rounded for a low part with a sign.
const fn upper(bits: u32) -> (i64, i64) {
    (signed(bits).0 - 0x800, signed(bits).1 - 0x800)
}

// A line per relocation, as a table.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    stricter(row("R_RISCV_32", ".word -1", Zero, (signed(32).0, (1 << 32) - 1), 1)),
    any("R_RISCV_64", ".quad -1", Zero, 1),
    row("R_RISCV_BRANCH", ".word 0x00b50063", Place, even(13), 2),
    row("R_RISCV_JAL", ".word 0x6f", Place, even(21), 2),
    row("R_RISCV_CALL", ".word 0x97, 0x80e7", Place, upper(32), 1),
    row("R_RISCV_CALL_PLT", ".word 0x97, 0x80e7", Place, upper(32), 1),
    row("R_RISCV_PCREL_HI20", ".word 0x517", Place, upper(32), 1),
    row("R_RISCV_HI20", ".word 0x537", Zero, upper(32), 1),
    any("R_RISCV_LO12_I", ".word 0x50513", Zero, 1),
    any("R_RISCV_LO12_S", ".word 0xb53023", Zero, 1),
    any("R_RISCV_ADD8", ".byte 1, 2, 3, 4", Zero, 1),
    any("R_RISCV_ADD16", ".hword 0x1234, 0", Zero, 1),
    any("R_RISCV_ADD32", ".word 0x12345678", Zero, 1),
    any("R_RISCV_ADD64", ".quad 0x123456789abcdef0", Zero, 1),
    any("R_RISCV_SUB8", ".byte 1, 2, 3, 4", Zero, 1),
    any("R_RISCV_SUB16", ".hword 0x1234, 0", Zero, 1),
    any("R_RISCV_SUB32", ".word 0x12345678", Zero, 1),
    any("R_RISCV_SUB64", ".quad 0x123456789abcdef0", Zero, 1),
    row("R_RISCV_RVC_BRANCH", ".hword 0xc101", Place, even(9), 2),
    row("R_RISCV_RVC_JUMP", ".hword 0xa001", Place, even(12), 2),
    any("R_RISCV_SUB6", ".byte 0x55, 0", Zero, 1),
    any("R_RISCV_SET6", ".byte 0x55, 0", Zero, 1),
    any("R_RISCV_SET8", ".byte 0x55, 0", Zero, 1),
    any("R_RISCV_SET16", ".hword 0x55", Zero, 1),
    // A distance comes out right whatever the addresses are: lld checks the first of them.
    Row { checked: false, ..row("R_RISCV_SET32", ".word 0x55", Zero, signed(32), 1) },
    row("R_RISCV_32_PCREL", ".word -1", Place, signed(32), 1),
];

/// lld has forgotten it.
const RVC_LUI: Row = stricter(row("R_RISCV_RVC_LUI", ".hword 0x6505", Zero, upper(18), 1));

const NO_RELAX: &[&str] = &["-mno-relax"];

#[test]
fn fields() {
    fields_are_written_as_lld_does(ISA, ROWS, NO_RELAX);
}

#[test]
fn ranges() {
    values_beside_ranges_are_refused(ISA, ROWS, NO_RELAX);
    values_beside_ranges_are_refused(ISA, &[RVC_LUI], NO_RELAX);
}

/// Calls, addresses and tables over padding, in code that may relax.
const RELAXING: &str = "
    .p2align 4
    one: call three
    tail three
    call begin0
    .p2align 5
    two: la a0, begin1
    lla a1, begin1 + 6
    lui a2, %hi(zero + 0x7f0)
    addi a2, a2, %lo(zero + 0x7f0)
    lw a3, %lo(zero + 0x7f4)(a2)
    beqz a0, two
    j one
    .p2align 3
    .option norvc
    three: la t0, three
    call one
    .p2align 4
    .option rvc
    jal x0, two
    .space 5000
    four: call one
    tail one
    jal t0, four
    .p2align 2
    .word four - one, three - two
    .byte three - two, four - four";

#[test]
fn padding_is_aligned_without_relaxation() {
    let bench = Bench::new(ISA);
    let objects = [
        bench.assemble(
            "code",
            &source([RELAXING, ".quad four - one", ".quad 0"]),
            &[],
        ),
        bench.assemble("zero", ".globl zero\nzero = 0\n", &[]),
    ];
    same_as_lld(&bench, &objects, RELAXING, &["--no-relax"]);
}

#[test]
fn calls_relax_as_by_lld() {
    let bench = Bench::new(ISA);
    let code = RELAXING.replace("la a0, begin1", "lla a0, begin1");
    let objects = [
        bench.assemble("code", &source([&code, ".quad four - one", ".quad 0"]), &[]),
        bench.assemble("zero", ".globl zero\nzero = 1 << 20\n", &[]),
    ];
    same_as_lld(&bench, &objects, &code, &[]);
}

#[test]
fn upper_parts_of_small_values_go() {
    let code = "
        .globl begin_of_end
        lui a2, %hi(small)
        addi a2, a2, %lo(small)
        lui a3, %hi(small)
        lw a4, %lo(small + 4)(a3)
        sw a4, %lo(small)(a3)
        lui a5, %hi(medium)
        addi a5, a5, %lo(medium)
        lui sp, %hi(medium)
        addi sp, sp, %lo(medium)
        lui a6, %hi(large)
        addi a6, a6, %lo(large)
        begin_of_end:";
    let bench = Bench::new(ISA);
    let numbers = ".globl small, medium, large\nsmall = -2000\nmedium = 0x1f7ff\nlarge = 0x1f800\n";
    let objects = [
        bench.assemble("code", &source([code, ".quad 0", ".quad 0"]), &[]),
        bench.assemble("numbers", numbers, &[]),
    ];
    let wanted = bench.assemble(
        "wanted",
        ".option norelax
        addi a2, zero, -2000
        lw a4, -1996(zero)
        sw a4, -2000(zero)
        c.lui a5, 0x1f
        addi a5, a5, 0x7ff
        .word 0x0001f137
        addi sp, sp, 0x7ff
        .word 0x00020837
        addi a6, a6, -0x800",
        &["-march=rv64imafdc"],
    );
    // What the assembler would shorten by itself is written out.
    let wanted = std::fs::read(wanted).expect("an object");
    let wanted = Elf::parse(&wanted)
        .map(|elf| text_of(&wanted, &elf))
        .expect("an ELF file");
    let linked = bench.fatld(&objects, &[]);
    let elf = Elf::parse(&linked).expect("an ELF file");
    let begin = address(&elf, "begin0");
    let size = address(&elf, "begin_of_end") - begin;
    assert_eq!(bytes_at(&linked, &elf, begin, size), wanted);
}

fn text_of(file: &[u8], elf: &Elf<'_>) -> Vec<u8> {
    let text = elf
        .section_headers
        .iter()
        .find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(".text"));
    file[text.expect("code").file_range().expect("bytes")].to_vec()
}

/// Types that binutils 2.40 cannot write.
pub fn retyped(object: &std::path::Path, changes: &[(&str, u32, u32)]) {
    let mut bytes = std::fs::read(object).expect("an object");
    for (symbol, from, to) in changes {
        let elf = Elf::parse(&bytes).expect("an ELF file");
        let mut places = Vec::new();
        for (index, relocations) in &elf.shdr_relocs {
            let start = elf.section_headers[*index].sh_offset as usize;
            for (at, relocation) in relocations.iter().enumerate() {
                let name = elf
                    .syms
                    .get(relocation.r_sym)
                    .and_then(|s| elf.strtab.get_at(s.st_name));
                if name == Some(*symbol) && relocation.r_type == *from {
                    places.push(start + at * 24 + 8);
                }
            }
        }
        assert!(!places.is_empty(), "{symbol} {from}");
        for place in places {
            bytes[place..place + 4].copy_from_slice(&to.to_le_bytes());
        }
    }
    std::fs::write(object, bytes).expect("written");
}

/// An object with the distances `end - start` in numbers of one and of three bytes.
fn numbers(bench: &Bench, distance: u32) -> std::path::PathBuf {
    let code = format!(".option norelax\n.globl start, end\nstart: .space {distance}\nend: nop\n");
    let data = "
        .byte 0x80
        .reloc ., R_RISCV_SET8, end
        .reloc ., R_RISCV_SUB8, start
        .byte 0x55
        .byte 0xaa
        .reloc ., R_RISCV_SET8, end
        .reloc ., R_RISCV_SUB8, start
        .byte 0x80, 0x80, 0x00, 0xbb";
    let object = bench.assemble("numbers", &source([&code, data, ".quad 0"]), &[]);
    const SET8: u32 = 54;
    const SUB8: u32 = 37;
    retyped(&object, &[("end", SET8, 60), ("start", SUB8, 61)]);
    object
}

#[test]
fn distances_in_numbers_of_variable_length() {
    let bench = Bench::new(ISA);
    same_as_lld(&bench, &[numbers(&bench, 0x7e)], "", &[]);
    let refused = [numbers(&bench, 0x80)];
    let refusal = bench.refusal(&refused);
    assert!(
        refusal.contains(
            "relocation R_RISCV_SET_ULEB128 out of range: 128 is not in [0, 127]; references 'end'"
        ),
        "{refusal}"
    );
    assert!(bench.refusal_of_lld(&refused).contains("ULEB128"));
}

#[test]
fn distances_in_data_to_functions_and_slots() {
    let data = "
        .balign 4
        .word 1
        .reloc . - 4, R_RISCV_32_PCREL, begin0
        .word 1
        .reloc . - 4, R_RISCV_32_PCREL, begin2 + 4";
    let bench = Bench::new(ISA);
    let object = bench.assemble("data", &source(["nop", data, ".quad 0"]), &[]);
    const PCREL_32: u32 = 57;
    retyped(
        &object,
        &[("begin0", PCREL_32, 59), ("begin2", PCREL_32, 41)],
    );
    let linked = bench.fatld(&[object], &[]);
    let elf = Elf::parse(&linked).expect("an ELF file");
    let read = |address, size| {
        let bytes = bytes_at(&linked, &elf, address, size).iter().rev();
        bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))
    };
    let distance = |place: u64| place.wrapping_add_signed(i64::from(read(place, 4) as i32));
    let begin = address(&elf, "begin1");
    assert_eq!(distance(begin), address(&elf, "begin0"));
    assert_eq!(read(distance(begin + 4) - 4, 8), address(&elf, "begin2"));
}

#[test]
fn low_parts_without_an_upper_part_are_refused() {
    let code = "1: nop\n2: addi a0, a0, %pcrel_lo(1b)\nauipc a1, %pcrel_hi(begin1)\n";
    let bench = Bench::new(ISA);
    let objects = [bench.assemble("code", &source([code, ".quad 0", ".quad 0"]), NO_RELAX)];
    let refusal = bench.refusal(&objects);
    assert!(
        refusal
            .contains("expected a %pcrel_hi or %got_pcrel_hi at the label of R_RISCV_PCREL_LO12_I"),
        "{refusal}"
    );
}

#[test]
fn undefined_weak_symbols_are_zero_however_far() {
    let source = "
        .globl _start
        .weak gone
        _start: li a0, 1
        beqz a0, gone
        bnez a0, 2f
        call gone
        tail gone
        j gone
        jal gone
        c.j gone
        c.beqz a0, gone
        2: lla a1, gone
        la a2, gone
        or a1, a1, a2
        lla a2, gone + 0x12345
        li a0, 2
        bnez a1, 1f
        li a0, 3
        li a1, 0x12345
        bne a1, a2, 1f
        li a0, 42
        1: li a7, 94
        ecall";
    for flags in [&[][..], NO_RELAX] {
        let bench = Bench::new(ISA);
        let objects = [bench.assemble("main", source, flags)];
        let linked = bench.fatld(&objects, &["-e", "_start", "--image-base=0x2000000000"]);
        assert_eq!(bench.run(&linked), Some(42));
    }
}

/// Calls over aligned code near the edge of what `jal` reaches: what one call saves, padding gives back.
#[test]
fn relaxation_at_the_edge_ends() {
    for around in (-24..24).step_by(2) {
        let space = (1 << 20) + around - 64;
        let calls = "call far\n.p2align 4\ncall near\n".repeat(4);
        let code = format!(
            ".globl _start
            _start: li a0, 0
            {calls}
            li a7, 94
            ecall
            .p2align 5
            near: addi a0, a0, 1
            ret
            .space {space}
            .p2align 4
            far: mv s1, ra
            addi a0, a0, 4
            call near
            mv ra, s1
            ret"
        );
        let bench = Bench::new(ISA);
        let linked = bench.fatld(&[bench.assemble("main", &code, &[])], &["-e", "_start"]);
        assert_eq!(bench.run(&linked), Some(4 * 6), "{around}");
    }
}

#[test]
fn relaxed_programs_with_tables_and_debug_information_give_the_same_answer() {
    let source = r#"
        typedef int (*op)(int);
        static volatile int seed = 3;
        static int one(int x) { return 3 * x + 1; }
        int two(int x) { return x ^ 0x55; }
        extern int three(int);
        const op table[] = { one, two, three };
        static int choose(int x) {
            switch (x & 15) {
                case 0: return two(x); case 1: return one(x); case 2: return three(x); case 3: return one(x) + 7;
                case 4: return two(one(x)); case 5: return three(two(x)); case 6: return x * x; case 7: return -x;
                case 8: return one(three(x)); default: return x + 1;
            }
        }
        int answer(void) {
            unsigned sum = seed;
            for (int i = 0; i < 200; i++) sum = sum * 31 + choose(i + seed) + table[i % 3](i);
            return sum % 251;
        }
    "#;
    let more = "int hidden = 9; int three(int x) { hidden += x; return hidden % 1000; }";
    let flags: [&[&str]; 2] = [
        &["-O2"],
        &[
            "-O2",
            "-march=rv64gc",
            "-mabi=lp64d",
            "-mrelax",
            "-fasynchronous-unwind-tables",
        ],
    ];
    let started: [&[&str]; 2] = [&[], &["-march=rv64gc", "-mabi=lp64d", "-mrelax"]];
    for clang in [false, true] {
        let link = Link::new();
        let link = if clang {
            link.by_clang("riscv64")
        } else {
            link
        };
        let linked = link
            .c_with("start", &start(), started)
            .c_with("main", source, flags)
            .c_with("more", more, flags)
            .ok();
        let answers = linked.run_views();
        assert!(
            answers[0].is_some() && answers[0] == answers[1],
            "{answers:?}"
        );
    }
}
