#![no_std]
pub struct Header { pub length: u32, pub kind: u8 }
pub static HEADER: Header = Header { length: 1, kind: 1 };
