#![no_std]
#[cfg(twin)]
type Letter = u8;
#[cfg(not(twin))]
type Letter = core::ffi::c_char;
pub struct Text { pub first: Letter }
pub static TEXT: Text = Text { first: 65 };
