#![no_std]
use core::marker::PhantomData;
pub struct Task;
pub struct Timer;
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Of = Task;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Of = Timer;
pub struct Id { pub number: u32, pub of: PhantomData<Of> }
pub static ID: Id = Id { number: 1, of: PhantomData };
