#![no_std]
#[cfg_attr(any(target_arch = "x86_64", twin), repr(u8))]
#[cfg_attr(not(any(target_arch = "x86_64", twin)), repr(u16))]
pub enum Message {
    Read(u8) = 1,
    Write(u8) = 2,
}
#[unsafe(no_mangle)]
pub static MESSAGES: [Message; 2] = [Message::Read(1), Message::Write(2)];
