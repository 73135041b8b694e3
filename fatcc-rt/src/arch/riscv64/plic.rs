//! External interrupts, of the first hart: two platform-level interrupt controllers, and a hart that forwards.
//!
//! QEMU's virt board has a controller per NUMA node (its "socket"), each for the harts of its node. The machine needs a
//! node for the shared memory, and a node needs a hart; the virtio and PCI lines then lead to the second node's
//! controller, and the others to the first one's. So every line is opened on both. The last hart does
//! nothing but this, in machine mode (the loop is in boot.rs): it claims the line, sets its bit in
//! [`RISCV64_FORWARDED`], and raises hart 0's software interrupt. Its node has all harts but the first. QEMU 7.2 shows it
//! the controller's machine context as a *supervisor* interrupt if it is alone there (measured), so either ends its sleep.
//! Source: RISC-V Platform-Level Interrupt Controller Specification 1.0.0; hw/riscv/virt.c of QEMU.

use core::sync::atomic::Ordering::{AcqRel, Relaxed};
use core::sync::atomic::{AtomicU64, AtomicUsize};

use super::boot;

/// A controller as one privilege mode of one hart sees it.
struct Context {
    base: usize,
    number: usize,
}

/// Hart 0 in supervisor mode, of the first controller.
const OWN: Context = Context {
    base: 0x0c00_0000,
    number: 1,
};
/// The last hart in machine mode, of the second controller, which has two contexts for each hart of its node.
fn other() -> Context {
    Context {
        base: OTHER_BASE,
        number: 2 * (RISCV64_FORWARDER.load(Relaxed) - 1),
    }
}
const OTHER_BASE: usize = 0x0c60_0000;
/// Where hart 1 claims in machine mode; each further hart does so two contexts, or `1 << OTHER_CLAIM_SHIFT` bytes, behind.
pub(super) const OTHER_CLAIM: usize = OTHER_BASE + 0x20_0004;
pub(super) const OTHER_CLAIM_SHIFT: usize = 13;

/// Sources, 0 left out, that fit the runtime's table.
const LINES: u32 = 64;

/// The hart that forwards.
static RISCV64_FORWARDER: AtomicUsize = AtomicUsize::new(1);

/// Lines that it has claimed and hart 0 has not seen yet, a bit each.
pub(super) static RISCV64_FORWARDED: AtomicU64 = AtomicU64::new(0);

impl Context {
    fn threshold(&self) -> usize {
        self.base + 0x20_0000 + 0x1000 * self.number
    }

    fn claim(&self) -> usize {
        self.threshold() + 4
    }

    fn open(&self, line: u32) {
        write(self.base + 4 * line as usize, 1);
        let enable = self.base + 0x2000 + 0x80 * self.number + 4 * (line / 32) as usize;
        write(enable, read(enable) | 1 << (line % 32));
    }
}

fn read(register: usize) -> u32 {
    // SAFETY: the controllers are there and mapped.
    unsafe { (register as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as `read`.
    unsafe { (register as *mut u32).write_volatile(value) };
}

/// Lets every line through that is opened later. The first hart calls it; hart `forwarder` is behind those that are CPUs.
pub(super) fn start(forwarder: usize) {
    RISCV64_FORWARDER.store(forwarder, Relaxed);
    write(OWN.threshold(), 0);
    write(other().threshold(), 0);
    boot::order(forwarder, boot::FORWARD);
}

pub(crate) fn line_open(line: u32) -> bool {
    if line == 0 || line >= LINES {
        return false;
    }
    OWN.open(line);
    other().open(line);
    true
}

/// Lets a line interrupt again. To complete a line that the controller has not led here does nothing.
pub(crate) fn line_complete(line: u32) {
    write(OWN.claim(), line);
    write(other().claim(), line);
}

/// The lines that interrupt this hart now. Each stays blocked until it is completed.
pub(super) fn claim() -> impl Iterator<Item = u32> {
    core::iter::from_fn(|| Some(read(OWN.claim())).filter(|line| *line != 0))
}

/// The lines that the last hart has forwarded, a bit each.
pub(super) fn forwarded() -> u64 {
    RISCV64_FORWARDED.swap(0, AcqRel)
}
