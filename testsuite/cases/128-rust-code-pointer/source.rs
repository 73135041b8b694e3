#![no_std]
pub trait Device: Sync { fn ring(&self) -> u32; }
pub struct Bell(u32);
impl Device for Bell { fn ring(&self) -> u32 { self.0 } }
#[cfg(not(twin))]
#[unsafe(no_mangle)] pub static DEVICE: &dyn Device = &Bell(7);
#[cfg(twin)]
pub enum Any { Bell(&'static Bell) }
#[cfg(twin)]
#[unsafe(no_mangle)] pub static DEVICE: Any = Any::Bell(&Bell(7));
