#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Count = u16;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Count = u32;
pub fn both() -> u64 {
    let first = {
        struct Local { count: u64 }
        static FIRST: Local = Local { count: 1 };
        FIRST.count
    };
    struct Local { count: Count }
    static SECOND: Local = Local { count: 2 };
    first + SECOND.count as u64
}
