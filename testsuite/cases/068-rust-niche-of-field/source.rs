#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Ready = u8;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Ready = bool;
#[repr(C)]
pub struct Flags { pub ready: Ready, pub count: u8 }
pub static FLAGS: Option<Flags> = None;
