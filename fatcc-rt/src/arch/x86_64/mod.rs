//! x86_64: one CPU of QEMU's q35 board.

mod apic;
mod boot;
mod clock;
mod pci;
mod port;
mod traps;

use core::arch::asm;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use fat_image::machine::{X86_64_EXIT_PORT, X86_64_EXIT_SUCCESS};

use crate::platform::MmioSlot;

pub(crate) use crate::ivshmem::ring as doorbell_ring;
pub(crate) use clock::{clock, set_timer};

pub(crate) const AWAKE: u64 = 50_000;
pub(crate) const LOCAL_INTERRUPTS: bool = true;

const COM1: u16 = 0x3f8;
const X86_64_STACK_SIZE: usize = 256 << 10;
const X86_64_FAULT_STACK_SIZE: usize = 32 << 10;

/// A stack. It lies in shared memory, so that what is on it can be shared; its lowest page is not mapped.
#[repr(C, align(4096))]
struct Stack<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: only used through the stack pointer of this CPU.
unsafe impl<const SIZE: usize> Sync for Stack<SIZE> {}

impl<const SIZE: usize> Stack<SIZE> {
    fn range(&self) -> Range<usize> {
        let start = self.0.get().addr() + 4096;
        start..start - 4096 + SIZE
    }
}

static X86_64_STACK: Stack<X86_64_STACK_SIZE> = Stack(UnsafeCell::new([0; _]));
/// For faults that a broken stack causes.
static X86_64_FAULT_STACK: Stack<X86_64_FAULT_STACK_SIZE> = Stack(UnsafeCell::new([0; _]));
static X86_64_INDEX: AtomicUsize = AtomicUsize::new(0);

/// The pages below the stacks, in order.
fn guards() -> [u64; 2] {
    let pages = [X86_64_STACK.range().start, X86_64_FAULT_STACK.range().start]
        .map(|start| start as u64 - 4096);
    [pages[0].min(pages[1]), pages[0].max(pages[1])]
}

#[inline(always)]
pub(crate) fn cpu_index() -> usize {
    X86_64_INDEX.load(Relaxed)
}

/// Always: the gates of the first ISA lie at their own address.
pub(crate) fn gates_mapped() -> bool {
    true
}

#[inline(always)]
pub(crate) fn interrupts_enabled() -> bool {
    let flags: u64;
    // SAFETY: reads the flags.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(preserves_flags)) };
    flags & 0x200 != 0
}

#[inline(always)]
pub(crate) fn interrupts_enable() {
    // SAFETY: the handlers are set before anybody comes here.
    unsafe { asm!("sti") };
}

#[inline(always)]
pub(crate) fn interrupts_disable() {
    // SAFETY: always good.
    unsafe { asm!("cli") };
}

#[inline(always)]
pub(crate) fn relax() {
    core::hint::spin_loop();
}

/// `sti` lets the next instruction begin before it takes an interrupt, so none comes between it and `hlt`.
pub(crate) fn wait() {
    // SAFETY: as `interrupts_enable` and `interrupts_disable`.
    unsafe { asm!("sti", "hlt", "cli") };
}

pub(crate) fn console_write(bytes: &[u8]) {
    for byte in bytes {
        while port::read8(COM1 + 5) & 0x20 == 0 {
            relax();
        }
        port::write8(COM1, *byte);
    }
}

pub(crate) fn exit(status: u8) -> ! {
    // QEMU ends with `value << 1 | 1`, of which 8 bits arrive.
    let value = match status & 0x7f {
        _ if status == 0 => X86_64_EXIT_SUCCESS,
        0 | X86_64_EXIT_SUCCESS => 0x7f,
        other => other,
    };
    port::write8(X86_64_EXIT_PORT, value);
    loop {
        // SAFETY: nothing is left to do.
        unsafe { asm!("cli", "hlt") };
    }
}

pub(crate) fn doorbell_start() -> bool {
    crate::ivshmem::start(&pci::Q35)
}

/// The board's devices are on PCI; none of their lines is used.
pub(crate) fn line_open(_line: u32) -> bool {
    false
}

pub(crate) fn line_complete(_line: u32) {}

pub(crate) fn virtio_mmio() -> &'static [MmioSlot] {
    &[]
}

#[inline(always)]
pub(crate) fn frame_pointer() -> usize {
    let frame;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame) };
    frame
}

/// Return address and caller's frame pointer.
///
/// # Safety
/// `frame` is in a mapped stack.
pub(crate) unsafe fn caller(frame: usize) -> (usize, usize) {
    let frame = frame as *const usize;
    // SAFETY: by the caller.
    unsafe { (frame.add(1).read(), frame.read()) }
}

pub(crate) fn stacks() -> [Range<usize>; 2] {
    [X86_64_STACK.range(), X86_64_FAULT_STACK.range()]
}
