#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Item = u64;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Item = u32;
pub struct Slot<T> { pub item: T, pub full: bool }
pub struct Ring { pub slot: Slot<Item>, pub other: Slot<u16> }
pub static RING: Ring = Ring { slot: Slot { item: 1, full: true }, other: Slot { item: 1, full: true } };
