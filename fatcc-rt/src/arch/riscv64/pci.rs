//! PCI by memory-mapped configuration space. There is no firmware, so BARs are ours to place.

use super::software_interrupt;
use crate::cpu::Cpu;
use crate::ivshmem::Board;

pub(super) struct Virt;

const CONFIGURATION: usize = 0x3000_0000;
/// Where 32-bit BARs may be.
const WINDOW: u32 = 0x4000_0000;

fn register(device: u8, offset: u8) -> *mut u32 {
    (CONFIGURATION + (usize::from(device) << 15) + usize::from(offset & 0xfc)) as *mut u32
}

impl Board for Virt {
    fn read(&self, device: u8, offset: u8) -> u32 {
        // SAFETY: the bus's configuration space is there and mapped.
        unsafe { register(device, offset).read_volatile() }
    }

    fn write(&self, device: u8, offset: u8, value: u32) {
        // SAFETY: as `read`.
        unsafe { register(device, offset).write_volatile(value) };
    }

    /// An MSI is a store: to the hart's machine software interrupt, which the boot code hands on to supervisor mode.
    fn message(&self) -> (u64, u32) {
        (software_interrupt(Cpu::current().ordinal()) as u64, 1)
    }

    fn restart_message(&self) -> (u64, u32) {
        self.message()
    }

    fn window(&self) -> Option<u32> {
        Some(WINDOW)
    }
}
