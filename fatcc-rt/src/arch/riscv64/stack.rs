//! From one stack to another, and back: see `crate::attempt`.

use core::arch::global_asm;

use crate::attempt::{self, Start};

global_asm!(
    r#"
    .section .text.riscv64_stack,"ax",@progbits
    .globl riscv64_on_stack
    .type riscv64_on_stack, @function
riscv64_on_stack:
    addi sp, sp, -112
    sd ra, 104(sp)
    sd s0, 96(sp)
    .irp number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd s\number, 8*\number(sp)
    .endr
    addi s0, sp, 112
    sd sp, 0(a2)
    mv s1, sp
    addi sp, a0, -16                // a frame's end is in the stack
    mv a0, a1
    call {body}
    mv sp, s1
    li a0, 0
.Lriscv64_back:
    .irp number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ld s\number, 8*\number(sp)
    .endr
    ld s0, 96(sp)
    ld ra, 104(sp)
    addi sp, sp, 112
    ret
    .size riscv64_on_stack, . - riscv64_on_stack

    .globl riscv64_leave_stack
    .type riscv64_leave_stack, @function
riscv64_leave_stack:
    mv sp, a0
    li a0, 1
    j .Lriscv64_back
    .size riscv64_leave_stack, . - riscv64_leave_stack
    "#,
    body = sym attempt::body,
);

unsafe extern "C" {
    fn riscv64_on_stack(end: usize, start: *const u8, resume: *mut usize) -> bool;
    fn riscv64_leave_stack(resume: usize) -> !;
}

/// Runs `start` on the stack that ends at `end`. True if it was left before its end.
///
/// # Safety
/// The stack is mapped and nobody else's; `start` is good for one run.
pub(crate) unsafe fn on_stack(end: usize, start: &Start, resume: *mut usize) -> bool {
    // SAFETY: by the caller.
    unsafe { riscv64_on_stack(end, (&raw const *start).cast(), resume) }
}

/// Goes on where `on_stack` wrote `resume`.
///
/// # Safety
/// That call has not returned, and nothing that runs since then is used again.
pub(crate) unsafe fn leave_stack(resume: usize) -> ! {
    // SAFETY: by the caller.
    unsafe { riscv64_leave_stack(resume) }
}
