#![no_std]
pub enum Door { #[cfg(not(all(target_arch = "riscv64", not(twin))))] Open(u32), #[cfg(all(target_arch = "riscv64", not(twin)))] Opened(u32), Closed(u8) }
pub static DOOR: Door = Door::Closed(1);
