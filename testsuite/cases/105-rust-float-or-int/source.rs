#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Value = u32;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Value = f32;
pub struct Sample { pub value: Value, pub scale: f64 }
pub static SAMPLE: Sample = Sample { value: 1 as Value, scale: 2.0 };
