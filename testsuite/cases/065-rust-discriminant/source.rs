#![no_std]
#[repr(u8)]
pub enum Message { Read(u32) = 1, Write(u64) = if cfg!(all(target_arch = "riscv64", not(twin))) { 3 } else { 2 } }
pub static MESSAGES: [Message; 2] = [Message::Read(1), Message::Write(2)];
