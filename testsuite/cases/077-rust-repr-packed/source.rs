#![no_std]
#[cfg_attr(all(target_arch = "riscv64", not(twin)), repr(C, packed))]
#[cfg_attr(not(all(target_arch = "riscv64", not(twin))), repr(C))]
pub struct Header { pub kind: u8, pub length: u32 }
pub static HEADER: Header = Header { kind: 1, length: 2 };
