#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Owner = u32;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Owner = core::num::NonZero<u32>;
pub struct Slot { pub owner: Option<Owner>, pub count: u32 }
pub static SLOT: Slot = Slot { owner: None, count: 0 };
