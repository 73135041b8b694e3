//! Exceptions and interrupts of supervisor mode.
//!
//! One entry saves the registers on the stack, or on the fault stack if the stack pointer is not within a stack, and
//! calls [`riscv64_trap`]. The entry is a label within an assembly function, so that no function's address is taken.

use core::arch::{asm, global_asm};

use fat_image::machine::{STACK_SIZE, STACKS_SIZE, STACKS_START};

use super::{plic, set_timer};
use crate::cpu::Cpu;
use crate::panic::{Cause, Fault};
use crate::{doorbell, heal, irq, panic, stacks};

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
    addi t0, sp, -272
    srli t0, t0, {area_shift}       // the area of all stacks is a multiple of its size
    addi t0, t0, -{area}
    bnez t0, .Lriscv64_fault_stack
    addi t0, sp, -272
    slli t0, t0, 64 - {stack_shift} // and so is a stack; its lowest page is not mapped
    srli t0, t0, 64 - {stack_shift} + 12
    beqz t0, .Lriscv64_fault_stack
    csrr t0, sscratch
    addi sp, sp, -272
    sd t0, 40(sp)
    addi t0, sp, 272
    sd t0, 16(sp)
    j .Lriscv64_save
.Lriscv64_fault_stack:              // also taken if a fault is handled on the fault stack, when it begins anew
    ld t0, 8(tp)
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
    area_shift = const STACKS_SIZE.ilog2(),
    area = const STACKS_START >> STACKS_SIZE.ilog2(),
    stack_shift = const STACK_SIZE.ilog2(),
    trap = sym riscv64_trap,
);

unsafe extern "C" {
    /// Returns the address of the trap vector.
    safe fn riscv64_trap_entry() -> usize;
}

/// What the entry leaves on the stack: `pc`, then x1 to x31 at their numbers, then `sstatus`.
#[repr(C)]
pub(super) struct Frame {
    pub(super) pc: usize,
    pub(super) registers: [usize; 31],
    pub(super) status: usize,
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
        _ => {
            let value: usize;
            // SAFETY: reads a register.
            unsafe { asm!("csrr {}, stval", out(reg) value) };
            let name = NAMES.get(cause).copied().unwrap_or("unknown exception");
            exception(frame, name, kind(cause), value);
        }
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

/// What an exception is about.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// An instruction that cannot be fetched.
    Jump,
    /// Data that cannot be reached.
    Access,
    Other,
}

fn kind(cause: usize) -> Kind {
    match cause {
        12 => Kind::Jump,
        13 | 15 => Kind::Access,
        _ => Kind::Other,
    }
}

/// `value` is the address that could not be reached. A jump into another ISA's code goes on in the own code; everything
/// else is a failure. The report is made by shared code: nothing here may be formatted by `dyn`, which would need it on
/// every ISA.
pub(super) fn exception(frame: &mut Frame, name: &'static str, kind: Kind, value: usize) {
    if !super::gates_mapped() {
        super::console_write(b"exception before the page tables are set\n");
        super::exit(101);
    }
    if matches!(kind, Kind::Jump)
        && let Some(own) = heal::own_code(value)
    {
        frame.pc = own;
        return;
    }
    let (cause, caller) = match kind {
        // Of a jump, who called is still in `ra`.
        Kind::Jump => (Cause::Jump(value), Some(frame.registers[0])),
        Kind::Access if stacks::is_guard(value) => (Cause::StackFull, None),
        Kind::Access => (Cause::Access(value), None),
        Kind::Other => (Cause::Other, None),
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
        name,
        code: value as u64,
        cause,
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
