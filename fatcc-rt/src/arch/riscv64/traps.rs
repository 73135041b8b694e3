//! Exceptions and interrupts of supervisor mode.
//!
//! One entry saves the registers on the stack, or on the fault stack if the stack pointer is not within the stack, and
//! calls [`riscv64_trap`]. The entry is a label within an assembly function, so that no function's address is taken.

use core::arch::{asm, global_asm};

use super::{
    RISCV64_FAULT_STACK, RISCV64_FAULT_STACK_SIZE, RISCV64_STACK, RISCV64_STACK_SIZE, plic,
    set_timer,
};
use crate::cpu::Cpu;
use crate::panic::{Cause, Fault};
use crate::{doorbell, irq, panic};

global_asm!(
    r#"
    .section .text.riscv64_traps,"ax",@progbits
    .globl riscv64_trap_entry
    .type riscv64_trap_entry, @function
    .option push
    .option norelax
riscv64_trap_entry:
    lla a0, .Lriscv64_trap
    ret
    .balign 4
.Lriscv64_trap:
    csrw sscratch, t0
    lla t0, {stack} + 4096 + 272    // the lowest page is not mapped
    bltu sp, t0, .Lriscv64_fault_stack
    lla t0, {stack} + {stack_size}
    bltu t0, sp, .Lriscv64_fault_stack
    csrr t0, sscratch
    addi sp, sp, -272
    sd t0, 40(sp)
    addi t0, sp, 272
    sd t0, 16(sp)
    j .Lriscv64_save
.Lriscv64_fault_stack:              // also taken if a fault is handled on the fault stack, when it begins anew
    lla t0, {fault_stack} + {fault_stack_size}
    addi t0, t0, -272
    sd sp, 16(t0)
    mv sp, t0
    csrr t0, sscratch
    sd t0, 40(sp)
.Lriscv64_save:
    .irp register, 1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd x\register, 8*\register(sp)
    .endr
    csrr t0, sepc
    sd t0, 0(sp)
    csrr t0, sstatus
    sd t0, 256(sp)
    mv a0, sp
    call {trap}
    ld t0, 256(sp)
    csrw sstatus, t0
    ld t0, 0(sp)
    csrw sepc, t0
    .irp register, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld x\register, 8*\register(sp)
    .endr
    ld sp, 16(sp)
    sret
    .option pop
    .size riscv64_trap_entry, . - riscv64_trap_entry
    "#,
    stack = sym RISCV64_STACK,
    stack_size = const RISCV64_STACK_SIZE,
    fault_stack = sym RISCV64_FAULT_STACK,
    fault_stack_size = const RISCV64_FAULT_STACK_SIZE,
    trap = sym riscv64_trap,
);

unsafe extern "C" {
    /// Returns the address of the trap vector.
    safe fn riscv64_trap_entry() -> usize;
}

/// What the entry leaves on the stack: `pc`, then x1 to x31 at their numbers, then `sstatus`.
#[repr(C)]
struct Frame {
    pc: usize,
    registers: [usize; 31],
    status: usize,
}

const SOFTWARE_INTERRUPT: usize = INTERRUPT | 1;
const TIMER_INTERRUPT: usize = INTERRUPT | 5;
const EXTERNAL_INTERRUPT: usize = INTERRUPT | 9;
const INTERRUPT: usize = 1 << 63;

/// Installs the entry and enables software, timer and external interrupts, which stay off in `sstatus`.
pub(super) fn start() {
    set_timer(None);
    let enable = 1usize << 1 | 1 << 5 | 1 << 9;
    // SAFETY: the entry is a good trap handler.
    unsafe { asm!("csrw stvec, {}", "csrw sie, {}", in(reg) riscv64_trap_entry(), in(reg) enable) };
}

/// With the CPU's interrupts off.
extern "C" fn riscv64_trap(frame: &mut Frame) {
    let cause: usize;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, scause", out(reg) cause) };
    match cause {
        SOFTWARE_INTERRUPT => {
            // SAFETY: clears the pending bit; a doorbell from here on sets it again.
            unsafe { asm!("csrci sip, 2") };
            software_interrupt();
        }
        TIMER_INTERRUPT => set_timer(None),
        EXTERNAL_INTERRUPT => plic::claim().for_each(irq::on_interrupt),
        _ => exception(frame, cause),
    }
}

/// A doorbell, or lines that the other hart has forwarded. If both come at once, the doorbell is not counted.
fn software_interrupt() {
    let mut lines = plic::forwarded();
    if lines == 0 {
        doorbell::on_ring(Cpu::current());
    }
    while lines != 0 {
        irq::on_interrupt(lines.trailing_zeros());
        lines &= lines - 1;
    }
}

const NAMES: [&str; 16] = [
    "misaligned instruction",
    "instruction access fault",
    "illegal instruction",
    "breakpoint",
    "misaligned load",
    "load access fault",
    "misaligned store",
    "store access fault",
    "call from user mode",
    "call from supervisor mode",
    "reserved 10",
    "call from machine mode",
    "instruction page fault",
    "load page fault",
    "reserved 14",
    "store page fault",
];

/// The report is made by shared code: nothing here may be formatted by `dyn`, which would need it on every ISA.
fn exception(frame: &Frame, cause: usize) -> ! {
    const INSTRUCTION_PAGE_FAULT: usize = 12;
    const PAGE_FAULTS: [usize; 2] = [13, 15];
    if !super::gates_mapped() {
        super::console_write(b"exception before the page tables are set\n");
        super::exit(101);
    }
    let value: usize;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, stval", out(reg) value) };
    let guard = super::guards().contains(&(value as u64 & !0xfff));
    let (cause_here, caller) = match cause {
        // Of a jump, who called is still in `ra`.
        INSTRUCTION_PAGE_FAULT => (Cause::Jump(value), Some(frame.registers[0])),
        _ if PAGE_FAULTS.contains(&cause) && guard => (Cause::StackFull, None),
        _ if PAGE_FAULTS.contains(&cause) => (Cause::Access(value), None),
        _ => (Cause::Other, None),
    };
    let mut registers = [("pc", frame.pc as u64); 33];
    for (register, (name, value)) in registers[1..]
        .iter_mut()
        .zip(REGISTERS.iter().zip(frame.registers))
    {
        *register = (*name, value as u64);
    }
    registers[32] = ("sst", frame.status as u64);
    panic::fault(&Fault {
        name: NAMES.get(cause).copied().unwrap_or("unknown exception"),
        code: value as u64,
        cause: cause_here,
        at: frame.pc,
        caller,
        frame: frame.registers[7],
        registers: &registers,
    })
}

const REGISTERS: [&str; 31] = [
    "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
    "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];
