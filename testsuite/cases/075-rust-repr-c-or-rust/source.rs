#![no_std]
#[cfg_attr(any(twin, target_arch = "x86_64"), repr(C))]
pub struct Record { pub kind: u8, pub length: u32, pub flags: u8 }
pub static RECORD: Record = Record { kind: 1, length: 2, flags: 3 };
