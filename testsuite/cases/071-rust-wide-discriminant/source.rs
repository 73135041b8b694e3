#![no_std]
#[repr(u128)]
pub enum Key { One(u8) = 1, Other(u8) = if cfg!(all(target_arch = "riscv64", not(twin))) { 1 << 127 } else { 1 << 126 } }
pub static KEYS: [Key; 2] = [Key::One(1), Key::Other(2)];
