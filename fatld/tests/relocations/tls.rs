//! Thread-local variables by every access model, in programs that set their thread up by themselves.

use crate::common::Link;
use crate::oracle::Bench;

/// Sets up a thread and ends with `answer()` as status.
const START: &str = r#"
    #define ALIGN 64
    extern char __tls_start[], __tls_data_end[], __tls_end[];
    static _Alignas(ALIGN) char block[4096];
    int answer(void);
    #if defined(__x86_64__)
    static long call(long number, long a, long b) {
        long result;
        __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
        return result;
    }
    #endif
    __attribute__((used)) void run(void) {
        unsigned long size = __tls_end - __tls_start, rounded = (size + ALIGN - 1) & -(unsigned long)ALIGN;
    #if defined(__x86_64__)
        char *thread = block + 2048, *start = thread - rounded;
        *(char **)thread = thread;
        call(158, 0x1002, (long)thread);
    #elif defined(__riscv)
        char *thread = block, *start = block;
        __asm__ volatile("mv tp, %0" :: "r"(thread));
    #else
        char *thread = block, *start = block + ALIGN;
        __asm__ volatile("msr tpidr_el0, %0" :: "r"(thread));
    #endif
        (void)rounded;
        for (unsigned long i = 0; i < __tls_data_end - __tls_start; i++) start[i] = __tls_start[i];
        long status = answer();
    #if defined(__x86_64__)
        call(60, status, 0);
    #elif defined(__riscv)
        register long a0 __asm__("a0") = status; register long a7 __asm__("a7") = 94;
        __asm__ volatile("ecall" :: "r"(a0), "r"(a7));
    #else
        register long x0 __asm__("x0") = status; register long x8 __asm__("x8") = 94;
        __asm__ volatile("svc #0" :: "r"(x0), "r"(x8));
    #endif
        for (;;) { }
    }
    #if defined(__x86_64__)
    __asm__(".globl _start\n_start: and $-16, %rsp\ncall run");
    #elif defined(__riscv)
    __asm__(".globl _start\n_start: call run");
    struct index { unsigned long module, offset; };
    void *__tls_get_addr(struct index *index) {
        char *thread; __asm__("mv %0, tp" : "=r"(thread));
        return index->module == 1 ? thread + index->offset + 0x800 : 0;
    }
    #else
    __asm__(".globl _start\n_start: bl run");
    #endif
"#;

const MAIN: &str = r#"
    extern __thread int first; extern __thread long second; extern __thread char many[3000];
    static __thread int local = 4; static __thread short zero;
    __thread _Alignas(64) int aligned = 9;
    extern __thread int absent __attribute__((weak));
    int *address(void);
    __attribute__((noinline)) static int bump(void) { local += 1; zero += 2; return local + zero; }
    int answer(void) {
        if (((unsigned long)&aligned & 63) != 0) return 1;
        if (address() != &first) return 2;
        first += 1; second += first; many[2999] = 3; many[0] = 1;
        if (first != 8 || second != 18 || *address() != 8) return 3;
        if (bump() != 7 || bump() != 10) return 4;
        return (int)second + many[2999] + many[0] + many[1] + aligned + bump() - 2;
    }
"#;

const MORE: &str = r#"
    __thread int first = 7; __thread long second = 10; __thread char many[3000];
    int *address(void) { return &first; }
"#;

/// Links with the flags and runs.
fn check(isa: &'static str, clang: bool, flags: &[&str], options: &[&str]) {
    let mut link = Link::plain(isa);
    if clang {
        link = link.by_clang(isa);
    }
    for (name, source) in [("start", START), ("main", MAIN), ("more", MORE)] {
        let object = link.compile(0, name, source, flags);
        link = link.input(0, object);
    }
    for option in options {
        link = link.arg(*option);
    }
    assert_eq!(
        link.ok().run_views(),
        [Some(18 + 3 + 1 + 9 + 13 - 2)],
        "{isa} {flags:?} {options:?}"
    );
}

/// Flags of every access model.
const MODELS: [&[&str]; 4] = [
    &["-O2", "-fPIC", "-ftls-model=global-dynamic"],
    &["-O1", "-fPIC", "-ftls-model=local-dynamic"],
    &["-O2", "-fPIC", "-ftls-model=initial-exec"],
    &["-O2", "-ftls-model=local-exec"],
];

fn check_all(isa: &'static str, more: &[&[&str]]) {
    for model in MODELS {
        for more in more {
            for clang in [false, true] {
                let known = !clang || !more.iter().any(|flag| flag.starts_with("-mtls-dialect"));
                if known {
                    let flags = [model, *more].concat();
                    check(isa, clang, &flags, &[]);
                    check(isa, clang, &flags, &["--no-relax"]);
                }
            }
        }
    }
}

#[test]
fn x86_64() {
    check_all("x86_64", &[&[], &["-fno-plt"], &["-mtls-dialect=gnu2"]]);
    let large = ["-O2", "-fPIC", "-mcmodel=large"];
    check("x86_64", false, &large, &[]);
    check(
        "x86_64",
        false,
        &[&large[..], &["-ftls-model=local-dynamic"]].concat(),
        &[],
    );
}

#[test]
fn riscv64() {
    check_all(
        "riscv64",
        &[&[], &["-mrelax", "-march=rv64gc", "-mabi=lp64d"]],
    );
}

#[test]
fn aarch64() {
    check_all(
        "aarch64",
        &[&[], &["-mtls-dialect=trad"], &["-mcmodel=tiny"]],
    );
}

/// Types that binutils 2.40 and LLVM 14 cannot write.
#[test]
fn descriptors_of_riscv64() {
    let source = "
        .option norelax
        .globl _start
        _start: la tp, block
        desc: auipc a2, 0
        .reloc desc, R_RISCV_SET32, variable
        MARK
        1: ld a3, 0(a2)
        .reloc 1b, R_RISCV_SET32, desc
        MARK
        1: addi a0, a2, 0
        .reloc 1b, R_RISCV_SET16, desc
        MARK
        1: jalr t0, 0(a3)
        .reloc 1b, R_RISCV_SET8, desc
        MARK
        add a0, a0, tp
        la a1, block + OFFSET
        sub a0, a0, a1
        addi a0, a0, 42
        li a7, 94
        ecall
        .section .tbss,\"awT\",@nobits
        .balign 8
        .space OFFSET
        .globl variable
        variable: .space 8
        .bss
        .balign 8
        block: .space 0x4000";
    let types = [
        ("variable", 56, 62),
        ("desc", 56, 63),
        ("desc", 55, 64),
        ("desc", 54, 65),
    ];
    for offset in ["16", "0x1238"] {
        for mark in ["", ".reloc . - 4, R_RISCV_RELAX"] {
            let bench = Bench::new("riscv64");
            let source = source.replace("OFFSET", offset).replace("MARK", mark);
            let object = bench.assemble("main", &source, &[]);
            crate::riscv64::retyped(&object, &types);
            let linked = bench.fatld(&[object], &["-e", "_start"]);
            assert_eq!(bench.run(&linked), Some(42), "{offset} {mark}");
        }
    }
}
