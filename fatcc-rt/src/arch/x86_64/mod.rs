//! x86_64: the CPUs of QEMU's q35 board.

mod apic;
mod boot;
mod clock;
mod linux;
mod pci;
mod port;
mod stack;
mod traps;

use core::arch::asm;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use fat_image::machine::{CPUS, X86_64_EXIT_PORT, X86_64_EXIT_SUCCESS};

use crate::cpu::Cpu;
use crate::platform::MmioSlot;

pub(crate) use clock::{clock, set_timer};
pub(crate) use linux::{enter_linux, numbers, signal_action, system_call};
pub(crate) use stack::{leave_stack, on_stack};

pub(crate) const AWAKE: u64 = 50_000;

const COM1: u16 = 0x3f8;
/// Number of this folder among those of `arch`.
pub(crate) const ROOM: usize = 0;

/// What a CPU finds at its `gs` base, from its start on.
#[repr(C)]
struct Local {
    index: AtomicU32,
    /// Id of its local APIC.
    apic: AtomicU32,
}

/// By the order in which they have started.
static X86_64_LOCALS: [Local; CPUS] = [const {
    Local {
        index: AtomicU32::new(0),
        apic: AtomicU32::new(0),
    }
}; CPUS];

#[inline(always)]
pub(crate) fn cpu_index() -> usize {
    let index: u64;
    // SAFETY: reads this CPU's `Local`.
    unsafe {
        asm!("mov {:e}, gs:[0]", out(reg) index, options(nostack, readonly, preserves_flags))
    };
    index as usize
}

pub(crate) fn start_others() {
    apic::start_others();
}

/// CPUs of one board interrupt each other by their local APICs.
pub(crate) fn doorbell_ring(cpu: Cpu) {
    if cpu.isa_index() == Cpu::current().isa_index() {
        let apic = X86_64_LOCALS[cpu.ordinal()].apic.load(Relaxed);
        apic::interrupt(apic as u8, traps::DOORBELL);
    } else {
        crate::ivshmem::ring(cpu);
    }
}

/// By an interrupt that is not maskable.
pub(crate) fn restart(cpu: Cpu) -> bool {
    let same_board = cpu.isa_index() == Cpu::current().isa_index();
    if same_board {
        let apic = X86_64_LOCALS[cpu.ordinal()].apic.load(Relaxed);
        apic::interrupt_unmaskably(apic as u8);
    }
    same_board || crate::ivshmem::restart(cpu)
}

pub(crate) fn doorbell_start() -> bool {
    crate::ivshmem::start(&pci::Q35)
}

pub(crate) fn doorbell_join() -> bool {
    crate::ivshmem::join(&pci::Q35)
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

/// Turns the UART's queues on; without them it keeps one byte.
pub(crate) fn console_open() {
    port::write8(COM1 + 2, 1);
}

pub(crate) fn console_read() -> Option<u8> {
    (port::read8(COM1 + 5) & 1 != 0).then(|| port::read8(COM1))
}

pub(crate) fn exit(status: u8) -> ! {
    // QEMU ends with `value << 1 | 1`, of which 8 bits arrive.
    let value = match status & 0x7f {
        _ if status == 0 => X86_64_EXIT_SUCCESS,
        0 | X86_64_EXIT_SUCCESS => 0x7f,
        other => other,
    };
    port::write8(X86_64_EXIT_PORT, value);
    interrupts_disable();
    loop {
        halt();
    }
}

/// Until an interrupt, for ever if they are off.
pub(crate) fn halt() {
    // SAFETY: always good.
    unsafe { asm!("hlt") };
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
