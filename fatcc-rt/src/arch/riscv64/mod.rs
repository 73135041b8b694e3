//! riscv64: the harts of QEMU's virt board, in supervisor mode without firmware; the last one only forwards interrupts.
//!
//! A hart's id is its CPU's place among those of this instruction set. All harts but the first are in the second NUMA
//! node, and each node has devices of its own.

mod boot;
mod linux;
mod pci;
mod plic;
mod stack;
mod traps;

use core::arch::asm;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicUsize};

use fat_image::machine::CPUS;

use crate::cpu::{Cpu, Role};
use crate::platform::MmioSlot;

pub(crate) use linux::{enter_linux, numbers, signal_action, system_call};
pub(crate) use plic::{line_complete, line_open};
pub(crate) use stack::{leave_stack, on_stack};

pub(crate) const AWAKE: u64 = 50_000;

/// Core-local interruptor: a word for each hart's machine software interrupt. The first hart has its own one.
const CLINT: usize = 0x0200_0000;
/// That of the other harts; its first word is hart 1's.
const OTHER_CLINT: usize = 0x0201_0000;
const UART: usize = 0x1000_0000;
/// `sifive_test`: ends QEMU.
const TEST: usize = 0x10_0000;
/// Nanoseconds per tick of the clock.
const TICK: u64 = 100;
/// Number of this folder among those of `arch`.
pub(crate) const ROOM: usize = 1;

/// What a hart finds at `tp`, from its start on.
#[repr(C)]
struct Local {
    index: AtomicUsize,
    /// End of its stack for faults.
    fault_stack: AtomicUsize,
    gates_mapped: AtomicBool,
}

/// By hart id.
static RISCV64_LOCALS: [Local; CPUS] = [const {
    Local {
        index: AtomicUsize::new(0),
        fault_stack: AtomicUsize::new(0),
        gates_mapped: AtomicBool::new(false),
    }
}; CPUS];

fn local() -> &'static Local {
    let local: *const Local;
    // SAFETY: reads a register, which no compiled code changes.
    unsafe { asm!("mv {}, tp", out(reg) local, options(nomem, nostack)) };
    // SAFETY: it was set before anything else.
    unsafe { &*local }
}

#[inline(always)]
pub(crate) fn cpu_index() -> usize {
    let index;
    // SAFETY: reads this hart's `Local`.
    unsafe { asm!("ld {}, 0(tp)", out(reg) index, options(nostack, readonly)) };
    index
}

/// Address of the word that raises a hart's machine software interrupt.
const fn software_interrupt(hart: usize) -> usize {
    if hart == 0 {
        CLINT
    } else {
        OTHER_CLINT + 4 * (hart - 1)
    }
}

fn interrupt(hart: usize) {
    // SAFETY: the register is there, as far as the machine has such a hart.
    unsafe { (software_interrupt(hart) as *mut u32).write_volatile(1) };
}

pub(crate) fn start_others() {
    let isa = Cpu::current().isa_index();
    let workers = Cpu::all().filter(|cpu| cpu.isa_index() == isa && cpu.role() == Role::Worker);
    workers.for_each(|cpu| boot::order(cpu.ordinal(), boot::WORK));
}

/// Harts of one board interrupt each other by the core-local interruptors.
pub(crate) fn doorbell_ring(cpu: Cpu) {
    if cpu.isa_index() == Cpu::current().isa_index() {
        interrupt(cpu.ordinal());
    } else {
        crate::ivshmem::ring(cpu);
    }
}

/// Machine mode, which cannot be kept out, looks at every interrupt whether it is this one.
pub(crate) fn restart(cpu: Cpu) -> bool {
    let same_board = cpu.isa_index() == Cpu::current().isa_index();
    if same_board {
        interrupt(cpu.ordinal());
    }
    same_board || crate::ivshmem::restart(cpu)
}

pub(crate) fn doorbell_start() -> bool {
    crate::ivshmem::start(&pci::Virt)
}

pub(crate) fn doorbell_join() -> bool {
    crate::ivshmem::join(&pci::Virt)
}

pub(crate) fn gates_mapped() -> bool {
    local().gates_mapped.load(Relaxed)
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

/// Turns the UART's queues on; without them it keeps one byte.
pub(crate) fn console_open() {
    // SAFETY: the UART is there: FIFO control.
    unsafe { ((UART + 2) as *mut u8).write_volatile(1) };
}

pub(crate) fn console_read() -> Option<u8> {
    // SAFETY: the UART is there: line status and receive registers.
    unsafe {
        let ready = ((UART + 5) as *const u8).read_volatile() & 1 != 0;
        ready.then(|| (UART as *const u8).read_volatile())
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
    interrupts_disable();
    loop {
        halt();
    }
}

/// Until an interrupt is pending, be they on or off.
pub(crate) fn halt() {
    // SAFETY: always good.
    unsafe { asm!("wfi") };
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
