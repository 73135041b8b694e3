#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Count = u32;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Count = u64;
pub static PAIR: (u8, Count) = (1, 2);
