#![no_std]
#[cfg(twin)]
type Count = u64;
#[cfg(not(twin))]
type Count = usize;
pub struct Counts { pub sent: Count, pub lost: Count }
pub static COUNTS: Counts = Counts { sent: 1, lost: 2 };
