//! Thread-local data: one template, and each ISA's own distance from its thread pointer.

mod common;

use common::{Link, start};

/// Sets the thread pointer of the process up, as a kernel would for each CPU.
const THREAD: &str = r#"
    extern char __tls_start[], __tls_data_end[], __tls_end[];
    static _Alignas(64) char block[4096];
    __attribute__((noinline)) static void thread(void) {
        unsigned long size = __tls_end - __tls_start, bytes = __tls_data_end - __tls_start;
    #if defined(__x86_64__)
        unsigned long end = (unsigned long)block + 2048, start = end - ((size + 63) & ~63ul);
        *(unsigned long *)end = end;
        long result;
        __asm__ volatile("syscall" : "=a"(result) : "0"(158L), "D"(0x1002L), "S"(end) : "rcx", "r11", "memory");
    #elif defined(__riscv)
        unsigned long start = (unsigned long)block;
        __asm__ volatile("mv tp, %0" :: "r"(start));
    #elif defined(__aarch64__)
        unsigned long start = (unsigned long)block + 64;
        __asm__ volatile("msr tpidr_el0, %0" :: "r"(block));
    #endif
        volatile char *to = (volatile char *)start;
        for (unsigned long i = 0; i < size; i++) to[i] = i < bytes ? __tls_start[i] : 0;
    }
"#;

#[test]
fn initial_values_zeros_and_alignment() {
    let main = format!(
        "{THREAD} extern __thread int first; extern __thread long zero; __thread _Alignas(64) char aligned[3];
         int answer(void) {{ thread(); first += 1; zero += 2; aligned[2] = 3;
             return first + zero + aligned[2] + ((unsigned long)aligned & 63); }}"
    );
    let link = Link::new().c("start", &start()).c("main", &main).c(
        "data",
        "__thread int first = 36; __thread long zero; __thread char tail = 9; char use(void) { return tail; }",
    );
    assert_eq!(link.ok().run_views(), [Some(42); 2]);
}

#[test]
fn another_initial_value_is_refused() {
    let main = "extern __thread int value; int answer(void) { return value; }";
    let link = Link::new()
        .c("start", &start())
        .c("main", main)
        .c_on(0, "data", "__thread int value = 1;")
        .c_on(1, "data", "__thread int value = 2;");
    let said = link.refused(1);
    assert!(
        said.contains("value is shared, but its initial value is not the same"),
        "{said}"
    );
}
