#![no_std]
const LENGTH: usize = if cfg!(all(target_arch = "riscv64", not(twin))) { 12 } else { 8 };
pub union Payload { pub word: u32, pub bytes: [u8; LENGTH] }
pub static PAYLOAD: Payload = Payload { word: 1 };
