//! System calls of Linux, and the entry and the signals of a Linux process.
//!
//! The kernel's arguments are on the stack where the process is entered.

use core::arch::{asm, global_asm};
use core::sync::atomic::Ordering::{Relaxed, Release};

use super::traps::{self, Frame, Kind};
use super::{RISCV64_LOCALS, ROOM};
use crate::arch::linux;
use crate::cpu::Cpu;
use crate::{boot, stacks};

/// From include/uapi/asm-generic/unistd.h of Linux.
pub(crate) mod numbers {
    pub(crate) const WRITE: usize = 64;
    pub(crate) const EXIT_GROUP: usize = 94;
    pub(crate) const RECVFROM: usize = 207;
    pub(crate) const FUTEX: usize = 98;
    pub(crate) const CLOCK_GETTIME: usize = 113;
    pub(crate) const SCHED_YIELD: usize = 124;
    pub(crate) const SCHED_GETAFFINITY: usize = 123;
    pub(crate) const KILL: usize = 129;
    pub(crate) const GETPID: usize = 172;
    pub(crate) const SIGALTSTACK: usize = 132;
    pub(crate) const RT_SIGACTION: usize = 134;
    pub(crate) const MMAP: usize = 222;
    pub(crate) const MPROTECT: usize = 226;
}

global_asm!(
    r#"
    .section .text.riscv64_linux,"ax",@progbits
    .globl __fat_linux_start
    .type __fat_linux_start, @function
__fat_linux_start:
    mv a0, sp
    li fp, 0
    andi sp, sp, -16
    call {map}
    mv sp, a0
    li fp, 0
    li ra, 0
    call {start}
    unimp
    .size __fat_linux_start, . - __fat_linux_start

    .globl riscv64_signal_entry
    .type riscv64_signal_entry, @function
riscv64_signal_entry:
    lla a0, .Lriscv64_signal
    ret
    .balign 4
.Lriscv64_signal:                   // a call by the kernel: number, information, context
    tail {signal}
    .size riscv64_signal_entry, . - riscv64_signal_entry
    "#,
    map = sym linux::fat_linux_map,
    start = sym riscv64_linux_start,
    signal = sym riscv64_signal,
);

unsafe extern "C" {
    /// Returns the address of the signal handler.
    safe fn riscv64_signal_entry() -> usize;
}

/// The kernel's `struct sigaction` for the handler.
pub(crate) fn signal_action(flags: usize) -> [usize; 4] {
    [riscv64_signal_entry(), flags, 0, 0]
}

/// The beginning of `siginfo_t`.
#[repr(C)]
struct Information {
    signal: u32,
    error: u32,
    code: u32,
    /// Of a fault.
    address: usize,
}

/// `ucontext_t` of arch/riscv/include/uapi/asm of Linux, as far as it is used here.
#[repr(C)]
struct Context {
    flags_link_stack_and_masks: [usize; 22],
    pc: usize,
    /// x1 to x31.
    registers: [usize; 31],
}

/// An exception, as the kernel tells of it. It may change the context.
extern "C" fn riscv64_signal(_: usize, information: &Information, context: &mut Context) {
    const SIGILL: u32 = 4;
    const SIGTRAP: u32 = 5;
    const SIGSEGV: u32 = 11;
    let mut frame = Frame {
        pc: context.pc,
        registers: context.registers,
        status: 0,
    };
    let address = information.address;
    let (name, kind) = match information.signal {
        SIGSEGV if address == context.pc => ("instruction page fault", Kind::Jump),
        SIGSEGV => ("page fault", Kind::Access),
        SIGILL => ("illegal instruction", Kind::Other),
        SIGTRAP => ("breakpoint", Kind::Other),
        _ => ("exception", Kind::Other),
    };
    traps::exception(&mut frame, name, kind, address);
    context.pc = frame.pc;
}

/// On the CPU's own stack.
extern "C" fn riscv64_linux_start() -> ! {
    boot::start()
}

/// Makes this process the CPU at that place among those of this instruction set, if there is to be one.
pub(crate) fn enter_linux(isa: usize, ordinal: usize) -> Option<Cpu> {
    let local = RISCV64_LOCALS.get(ordinal)?;
    // SAFETY: compiled code leaves the register alone.
    unsafe { asm!("mv tp, {}", in(reg) &raw const *local) };
    let cpu = boot::identify(isa, ordinal)?;
    local.index.store(cpu.index(), Relaxed);
    local
        .fault_stack
        .store(stacks::fault(ROOM, ordinal), Relaxed);
    local.gates_mapped.store(true, Release);
    Some(cpu)
}

/// Calls the kernel; its errors are small negative numbers.
///
/// # Safety
/// The arguments are good for the call of that number.
pub(crate) unsafe fn system_call(number: usize, arguments: [usize; 6]) -> usize {
    let [a, b, c, d, e, f] = arguments;
    let result;
    // SAFETY: by the caller.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") a => result,
            in("a1") b, in("a2") c, in("a3") d, in("a4") e, in("a5") f,
            options(nostack)
        );
    }
    result
}
