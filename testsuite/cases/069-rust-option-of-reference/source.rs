#![no_std]
use core::sync::atomic::AtomicU32;
pub struct Head { pub first: Option<&'static AtomicU32>, pub last: Option<core::num::NonZero<u64>> }
pub static HEAD: Head = Head { first: None, last: None };
