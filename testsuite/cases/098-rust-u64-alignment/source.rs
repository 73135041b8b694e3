#![no_std]
#[cfg_attr(twin, repr(C, align(8)))]
#[cfg_attr(not(twin), repr(transparent))]
pub struct Time(pub u64);
#[repr(C)]
pub struct Sample { pub value: u32, pub time: Time }
pub static SAMPLE: Sample = Sample { value: 1, time: Time(2) };
