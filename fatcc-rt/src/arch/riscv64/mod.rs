//! riscv64: hart 0 of QEMU's virt board, in supervisor mode without firmware; hart 1 forwards its interrupts.

mod boot;
mod pci;
mod plic;
mod traps;

use core::arch::asm;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::sync::atomic::{AtomicBool, AtomicUsize};

use crate::platform::MmioSlot;

pub(crate) use crate::ivshmem::ring as doorbell_ring;
pub(crate) use plic::{line_complete, line_open};

pub(crate) const AWAKE: u64 = 50_000;
pub(crate) const LOCAL_INTERRUPTS: bool = true;

/// Core-local interruptor; its first word is hart 0's machine software interrupt.
const CLINT: usize = 0x0200_0000;
const UART: usize = 0x1000_0000;
/// `sifive_test`: ends QEMU.
const TEST: usize = 0x10_0000;
const RISCV64_STACK_SIZE: usize = 256 << 10;
const RISCV64_FAULT_STACK_SIZE: usize = 32 << 10;
/// Nanoseconds per tick of the clock.
const TICK: u64 = 100;

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

static RISCV64_STACK: Stack<RISCV64_STACK_SIZE> = Stack(UnsafeCell::new([0; _]));
/// For faults that a broken stack causes.
static RISCV64_FAULT_STACK: Stack<RISCV64_FAULT_STACK_SIZE> = Stack(UnsafeCell::new([0; _]));
static RISCV64_INDEX: AtomicUsize = AtomicUsize::new(0);
static RISCV64_GATES_MAPPED: AtomicBool = AtomicBool::new(false);

/// The pages below the stacks, in order.
fn guards() -> [u64; 2] {
    let first = RISCV64_STACK.range().start as u64 - 4096;
    let second = RISCV64_FAULT_STACK.range().start as u64 - 4096;
    if first < second {
        [first, second]
    } else {
        [second, first]
    }
}

#[inline(always)]
pub(crate) fn cpu_index() -> usize {
    RISCV64_INDEX.load(Relaxed)
}

pub(crate) fn gates_mapped() -> bool {
    RISCV64_GATES_MAPPED.load(Acquire)
}

#[inline(always)]
pub(crate) fn interrupts_enabled() -> bool {
    let status: usize;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, sstatus", out(reg) status) };
    status & 2 != 0
}

#[inline(always)]
pub(crate) fn interrupts_enable() {
    // SAFETY: the handler is set before anybody comes here.
    unsafe { asm!("csrsi sstatus, 2") };
}

#[inline(always)]
pub(crate) fn interrupts_disable() {
    // SAFETY: always good.
    unsafe { asm!("csrci sstatus, 2") };
}

#[inline(always)]
pub(crate) fn relax() {
    core::hint::spin_loop();
}

/// `wfi` also ends by an interrupt that is pending while they are off; it is taken behind it.
pub(crate) fn wait() {
    // SAFETY: as `interrupts_enable` and `interrupts_disable`.
    unsafe { asm!("wfi", "csrsi sstatus, 2", "csrci sstatus, 2") };
}

pub(crate) fn clock() -> u64 {
    let ticks: u64;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, time", out(reg) ticks) };
    ticks * TICK
}

pub(crate) fn set_timer(after: Option<u64>) {
    let deadline = match after {
        None => u64::MAX,
        Some(after) => (clock() / TICK).saturating_add(after.div_ceil(TICK)),
    };
    // SAFETY: stimecmp; the timer interrupt has a handler.
    unsafe { asm!("csrw 0x14d, {}", in(reg) deadline) };
}

pub(crate) fn console_write(bytes: &[u8]) {
    for byte in bytes {
        // SAFETY: the UART is there: line status and transmit registers.
        unsafe {
            while ((UART + 5) as *const u8).read_volatile() & 0x20 == 0 {
                relax();
            }
            (UART as *mut u8).write_volatile(*byte);
        }
    }
}

pub(crate) fn exit(status: u8) -> ! {
    let value = if status == 0 {
        0x5555
    } else {
        u32::from(status) << 16 | 0x3333
    };
    // SAFETY: the device ends QEMU.
    unsafe { (TEST as *mut u32).write_volatile(value) };
    loop {
        interrupts_disable();
        // SAFETY: nothing is left to do.
        unsafe { asm!("wfi") };
    }
}

pub(crate) fn doorbell_start() -> bool {
    crate::ivshmem::start(&pci::Virt)
}

const SLOT_SIZE: usize = 0x1000;
const SLOTS: [MmioSlot; 8] = {
    let mut slots = [MmioSlot {
        base: 0,
        size: SLOT_SIZE,
        line: 0,
    }; 8];
    let mut index = 0;
    while index < 8 {
        slots[index].base = 0x1000_1000 + index * SLOT_SIZE;
        slots[index].line = 1 + index as u32;
        index += 1;
    }
    slots
};

pub(crate) fn virtio_mmio() -> &'static [MmioSlot] {
    &SLOTS
}

#[inline(always)]
pub(crate) fn frame_pointer() -> usize {
    let frame;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, s0", out(reg) frame) };
    frame
}

/// Return address and caller's frame pointer.
///
/// # Safety
/// `frame` is in a mapped stack.
pub(crate) unsafe fn caller(frame: usize) -> (usize, usize) {
    let frame = frame as *const usize;
    // SAFETY: by the caller.
    unsafe { (frame.sub(1).read(), frame.sub(2).read()) }
}

pub(crate) fn stacks() -> [Range<usize>; 2] {
    [RISCV64_STACK.range(), RISCV64_FAULT_STACK.range()]
}
