//! Devices that the boards have at fixed places. A device belongs to the first CPU of the board that it is on: its registers
//! can only be reached from there, though its buffers lie in shared memory at the same address for device and CPUs.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use crate::arch;
use crate::cpu::{Cpu, Role};

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

/// The virtio-mmio slots of this CPU's board; most may be empty (device id 0). None on a CPU that gets no interrupts of
/// devices.
pub fn virtio_mmio() -> impl Iterator<Item = MmioSlot> {
    let slots = match Cpu::current().role() {
        Role::First => arch::virtio_mmio(),
        Role::Worker => &[],
    };
    slots.iter().copied()
}

/// Index, plus one, of the first CPU that has found a network device on its board; 0 if none has.
static NETWORK: AtomicU32 = AtomicU32::new(0);

/// The CPU whose board has a network device, if one has. Known when `main` begins.
pub fn network_cpu() -> Option<Cpu> {
    let index = NETWORK.load(Relaxed).checked_sub(1)?;
    Some(Cpu::from_index(index as usize))
}

/// Looks for a network device on this CPU's board.
pub(crate) fn find_network_device() {
    /// VIRTIO 1.2, 5.1.
    const NETWORK_DEVICE: u32 = 1;
    if virtio_mmio().any(|slot| device_id(&slot) == Some(NETWORK_DEVICE)) {
        let own = Cpu::current().index() as u32 + 1;
        // One that was faster keeps it.
        let _ = NETWORK.compare_exchange(0, own, Relaxed, Relaxed);
    }
}

/// What kind of virtio device a slot has (VIRTIO 1.2, 4.2.2); 0: none.
fn device_id(slot: &MmioSlot) -> Option<u32> {
    const MAGIC: u32 = u32::from_le_bytes(*b"virt");
    let registers = core::ptr::with_exposed_provenance::<u32>(slot.base);
    // SAFETY: the board has registers there, mapped as device memory; reading these two changes nothing.
    let read = |number: usize| unsafe { registers.add(number).read_volatile() };
    (read(0) == MAGIC).then(|| read(2))
}
