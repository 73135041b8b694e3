#![no_std]
#[repr(u8)]
pub enum State { Open = 1, Closed = if cfg!(all(target_arch = "riscv64", not(twin))) { 3 } else { 2 } }
pub static STATE: [State; 2] = [State::Open, State::Closed];
