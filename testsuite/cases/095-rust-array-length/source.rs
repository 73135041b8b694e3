#![no_std]
const SLOTS: usize = if cfg!(all(target_arch = "riscv64", not(twin))) { 8 } else { 4 };
#[repr(C)]
pub struct Table { pub slots: [u32; SLOTS], pub used: u8 }
#[repr(C)]
pub struct Process { pub table: Table, pub number: u32 }
pub static PROCESS: Process = Process { table: Table { slots: [0; SLOTS], used: 0 }, number: 1 };
