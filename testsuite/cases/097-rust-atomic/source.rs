#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Owner = core::sync::atomic::AtomicU64;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Owner = core::sync::atomic::AtomicU32;
pub struct Lock { pub owner: Owner }
pub static LOCK: Lock = Lock { owner: Owner::new(0) };
