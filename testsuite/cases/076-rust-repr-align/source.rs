#![no_std]
#[cfg_attr(all(target_arch = "riscv64", not(twin)), repr(align(128)))]
#[cfg_attr(not(all(target_arch = "riscv64", not(twin))), repr(align(64)))]
pub struct Line(pub [u8; 64]);
pub struct Ring { pub head: Line, pub tail: Line }
pub static RING: Ring = Ring { head: Line([0; 64]), tail: Line([0; 64]) };
