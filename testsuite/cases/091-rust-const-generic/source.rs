#![no_std]
const DEPTH: usize = if cfg!(all(target_arch = "riscv64", not(twin))) { 8 } else { 4 };
pub struct Ring<const N: usize> { pub slots: [u32; N], pub head: u32 }
pub struct Queue { pub ring: Ring<DEPTH> }
pub static QUEUE: Queue = Queue { ring: Ring { slots: [0; DEPTH], head: 0 } };
