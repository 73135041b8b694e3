#![no_std]
pub enum Event { Tick(u32), #[cfg(not(all(target_arch = "riscv64", not(twin))))] Apic(u32), Key(u8) }
pub static EVENTS: [Event; 2] = [Event::Tick(1), Event::Key(2)];
