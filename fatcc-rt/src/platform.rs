//! Devices that the boards have at fixed places. A device belongs to the CPU whose board it is on: its registers can
//! only be reached from there, though its buffers lie in shared memory at the same address for device and CPUs.

use crate::arch;

/// A place where a virtio-mmio device may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioSlot {
    /// Address of its registers.
    pub base: usize,
    /// Bytes of registers.
    pub size: usize,
    /// Its interrupt line, for [`Line::new`](crate::irq::Line::new).
    pub line: u32,
}

/// The virtio-mmio slots of this CPU's board; most may be empty (device id 0).
pub fn virtio_mmio() -> impl Iterator<Item = MmioSlot> {
    arch::virtio_mmio().iter().copied()
}
