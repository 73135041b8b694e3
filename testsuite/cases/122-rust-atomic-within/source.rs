#![no_std]
use core::sync::atomic::AtomicU64;
#[repr(C)]
pub struct Sample {
    value: u32,
    time: AtomicU64,
}
#[unsafe(no_mangle)]
pub static SAMPLE: Sample = Sample { value: 1, time: AtomicU64::new(2) };
