#![no_std]
use core::mem::MaybeUninit;
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Value = u64;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Value = u32;
pub struct Item { pub value: Value, pub next: u32 }
pub static ITEMS: [MaybeUninit<Item>; 4] = [const { MaybeUninit::uninit() }; 4];
