//! From one stack to another, and back: see `crate::attempt`.

use core::arch::global_asm;

use crate::attempt::{self, Start};

global_asm!(
    r#"
    .section .text.x86_64_stack,"ax",@progbits
    .globl x86_64_on_stack
    .type x86_64_on_stack, @function
x86_64_on_stack:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdx)
    movq %rsp, %rbx
    movq %rdi, %rsp
    movq %rsi, %rdi
    call {body}
    movq %rbx, %rsp
    xorl %eax, %eax
.Lx86_64_back:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size x86_64_on_stack, . - x86_64_on_stack

    .globl x86_64_leave_stack
    .type x86_64_leave_stack, @function
x86_64_leave_stack:
    movq %rdi, %rsp
    movl $1, %eax
    cld
    jmp .Lx86_64_back
    .size x86_64_leave_stack, . - x86_64_leave_stack
    "#,
    body = sym attempt::body,
    options(att_syntax)
);

unsafe extern "C" {
    fn x86_64_on_stack(end: usize, start: *const u8, resume: *mut usize) -> bool;
    fn x86_64_leave_stack(resume: usize) -> !;
}

/// Runs `start` on the stack that ends at `end`. True if it was left before its end.
///
/// # Safety
/// The stack is mapped and nobody else's; `start` is good for one run.
pub(crate) unsafe fn on_stack(end: usize, start: &Start, resume: *mut usize) -> bool {
    // SAFETY: by the caller.
    unsafe { x86_64_on_stack(end, (&raw const *start).cast(), resume) }
}

/// Goes on where `on_stack` wrote `resume`.
///
/// # Safety
/// That call has not returned, and nothing that runs since then is used again.
pub(crate) unsafe fn leave_stack(resume: usize) -> ! {
    // SAFETY: by the caller.
    unsafe { x86_64_leave_stack(resume) }
}
