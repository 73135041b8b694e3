#![no_std]
#[cfg(all(target_arch = "riscv64", not(twin)))]
type Baud = u64;
#[cfg(not(all(target_arch = "riscv64", not(twin))))]
type Baud = u32;
pub struct Uart { pub baud: Baud }
pub trait Device { fn speed(&self) -> u32; }
impl Device for Uart { fn speed(&self) -> u32 { self.baud as u32 } }
pub fn device(uart: &Uart) -> &dyn Device { uart }
