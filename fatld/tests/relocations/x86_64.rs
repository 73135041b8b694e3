//! The System V psABI.

use crate::oracle::From::{Place, Zero};
use crate::oracle::{
    Bench, Row, any, fields_are_written_as_lld_does, row, same_as_lld, source,
    values_beside_ranges_are_refused,
};

const ISA: &str = "x86_64";

const fn signed(bits: u32) -> (i64, i64) {
    (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
}

const fn either(bits: u32) -> (i64, i64) {
    (signed(bits).0, (1 << bits) - 1)
}

// A line per relocation, as a table.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    any("R_X86_64_64", ".quad -1", Zero, 1),
    row("R_X86_64_PC32", ".long -1", Place, signed(32), 1),
    row("R_X86_64_PLT32", ".long -1", Place, signed(32), 1),
    row("R_X86_64_32", ".long -1", Zero, (0, (1 << 32) - 1), 1),
    row("R_X86_64_32S", ".long -1", Zero, signed(32), 1),
    row("R_X86_64_16", ".short -1", Zero, either(16), 1),
    row("R_X86_64_PC16", ".short -1", Place, signed(16), 1),
    row("R_X86_64_8", ".byte -1", Zero, either(8), 1),
    row("R_X86_64_PC8", ".byte -1", Place, signed(8), 1),
    any("R_X86_64_PC64", ".quad -1", Place, 1),
];

#[test]
fn fields() {
    fields_are_written_as_lld_does(ISA, ROWS, &[]);
}

#[test]
fn ranges() {
    values_beside_ranges_are_refused(ISA, ROWS, &[]);
}

#[test]
fn sizes_are_those_of_symbols() {
    let data = ".globl object\n.type object, @object\n.size object, 24\nobject: .space 24\n\
                .long object@SIZE + 1\n.quad object@SIZE\n";
    let bench = Bench::new(ISA);
    let objects = [bench.assemble("sizes", &source(["nop", data, ".quad 0"]), &[])];
    same_as_lld(&bench, &objects, data, &[]);
}

/// Every instruction that assemblers give a relocation that may be rewritten.
fn through_the_got(symbol: &str) -> String {
    let mut code = String::new();
    for register in ["%rax", "%rsp", "%rdi", "%r8", "%r12", "%r15"] {
        for operation in ["mov", "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"] {
            code += &format!("{operation} {symbol}@GOTPCREL(%rip), {register}\n");
        }
        code += &format!("test {register}, {symbol}@GOTPCREL(%rip)\n");
    }
    code + &format!(
        "mov {symbol}@GOTPCREL(%rip), %esi\ncall *{symbol}@GOTPCREL(%rip)\njmp *{symbol}@GOTPCREL(%rip)\n"
    )
}

#[test]
fn loads_from_the_got_become_addresses_as_by_lld() {
    let code = through_the_got("begin0") + &through_the_got("begin1");
    let bench = Bench::new(ISA);
    let objects = [bench.assemble("code", &source([&code, ".quad 0", ".quad 0"]), &[])];
    same_as_lld(&bench, &objects, &code, &[]);
}

/// A program that ends with status 42 if every way to a datum and a function leads there.
const EVERY_WAY: &str = "
    .globl _start, datum, function
    .weak gone
    .section .text.function, \"axR\"
    function: mov $7, %eax
    ret
    .section .data.datum, \"awR\"
    .balign 8
    datum: .quad 5
    .text
    _start: mov $1, %ebx
    lea datum(%rip), %rcx
    mov datum@GOTPCREL(%rip), %rdx
    cmp %rcx, %rdx
    jne 1f
    mov $2, %ebx
    mov $0, %r13
    add datum@GOTPCREL(%rip), %r13
    cmp %rcx, %r13
    jne 1f
    mov $3, %ebx
    cmp datum@GOTPCREL(%rip), %rcx
    jne 1f
    mov $0, %esi
    add datum@GOTPCREL(%rip), %esi
    cmp %ecx, %esi
    jne 1f
    mov $4, %ebx
    xor %eax, %eax
    call *function@GOTPCREL(%rip)
    cmp $7, %eax
    jne 1f
    mov $5, %ebx
    xor %eax, %eax
    push %rax
    lea 2f(%rip), %rax
    mov %rax, (%rsp)
    jmp *function@GOTPCREL(%rip)
    2: cmp $7, %eax
    jne 1f
    mov $6, %ebx
    lea _GLOBAL_OFFSET_TABLE_(%rip), %r15
    movabs $_GLOBAL_OFFSET_TABLE_ - 3f, %r14
    3: lea 3b(%rip), %rax
    add %rax, %r14
    cmp %r14, %r15
    jne 1f
    mov $7, %ebx
    movabs $datum@GOTOFF, %rax
    add %r15, %rax
    cmp %rax, %rcx
    jne 1f
    mov $8, %ebx
    movabs $datum@GOT, %rax
    cmp (%r15, %rax), %rcx
    jne 1f
    mov $9, %ebx
    movabs $function@PLTOFF, %rax
    add %r15, %rax
    call *%rax
    cmp $7, %eax
    jne 1f
    mov $10, %ebx
    movabs $0, %r8
    5: .reloc 5b - 8, R_X86_64_GOTPCREL64, datum
    lea 5b - 8(%rip), %rax
    cmp (%r8, %rax), %rcx
    jne 1f
    mov $11, %ebx
    mov gone@GOTPCREL(%rip), %rax
    test %rax, %rax
    jne 1f
    test %rcx, gone@GOTPCREL(%rip)
    jne 1f
    lea gone(%rip), %r9
    test %r9, %r9
    jne 1f
    test %rax, %rax
    jne gone
    je 6f
    call gone
    jmp gone
    movl gone(%rip), %eax
    movb $1, gone(%rip)
    6: mov $42, %ebx
    1: mov %ebx, %edi
    mov $60, %eax
    syscall
";

#[test]
fn data_and_functions_are_reached_every_way() {
    for assembled in [
        &["-mrelax-relocations=yes"][..],
        &["-mrelax-relocations=no"],
    ] {
        for flags in [&[][..], &["--no-relax"]] {
            // Near 0, where addresses are immediate operands too, and far from it.
            for base in ["0x200000", "0x7000000000"] {
                let bench = Bench::new(ISA);
                let objects = [bench.assemble("main", EVERY_WAY, assembled)];
                let base = format!("--image-base={base}");
                let flags = [&["-e", "_start", &base][..], flags].concat();
                let linked = bench.fatld(&objects, &flags);
                assert_eq!(bench.run(&linked), Some(42), "{assembled:?} {flags:?}");
            }
        }
    }
}

#[test]
fn descriptors_that_are_loaded_in_another_way_are_refused() {
    let code = "mov variable@tlsdesc(%rip), %rax\ncall *variable@tlscall(%rax)";
    let data = ".section .tdata,\"awT\",@progbits\n.globl variable\nvariable: .quad 0";
    let bench = Bench::new(ISA);
    let code = code.replace(
        "mov variable@tlsdesc",
        ".byte 0x48, 0x8b, 5\n.reloc ., R_X86_64_GOTPC32_TLSDESC, variable - 4\n.long 0 #",
    );
    let objects = [bench.assemble("code", &(source([&code, ".quad 0", ".quad 0"]) + data), &[])];
    let refusal = bench.refusal(&objects);
    assert!(
        refusal.contains("expected the psABI's instructions for R_X86_64_GOTPC32_TLSDESC"),
        "{refusal}"
    );
}
