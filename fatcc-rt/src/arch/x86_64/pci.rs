//! PCI by ports 0xCF8 and 0xCFC. SeaBIOS has placed the BARs.

use super::{apic, port, traps};
use crate::ivshmem::Board;

pub(super) struct Q35;

fn select(device: u8, offset: u8) {
    port::write32(
        0xcf8,
        1 << 31 | u32::from(device) << 11 | u32::from(offset & 0xfc),
    );
}

impl Board for Q35 {
    fn read(&self, device: u8, offset: u8) -> u32 {
        select(device, offset);
        port::read32(0xcfc)
    }

    fn write(&self, device: u8, offset: u8, value: u32) {
        select(device, offset);
        port::write32(0xcfc, value);
    }

    /// Intel SDM volume 3, 11.11: fixed delivery to the local APIC with that id.
    fn message(&self) -> (u64, u32) {
        (
            0xfee0_0000 | u64::from(apic::id()) << 12,
            u32::from(traps::DOORBELL),
        )
    }

    fn restart_message(&self) -> (u64, u32) {
        (self.message().0, apic::UNMASKABLE)
    }

    fn window(&self) -> Option<u32> {
        None
    }
}
