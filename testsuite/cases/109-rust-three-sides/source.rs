#![no_std]
pub struct Stats { pub hits: u32, #[cfg(all(target_arch = "aarch64", not(twin)))] pub cycles: u64 }
#[cfg(all(target_arch = "aarch64", not(twin)))]
pub static STATS: Stats = Stats { hits: 1, cycles: 2 };
#[cfg(not(all(target_arch = "aarch64", not(twin))))]
pub static STATS: Stats = Stats { hits: 1 };
