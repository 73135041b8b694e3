//! System calls of Linux, and the entry and the signals of a Linux process.
//!
//! The kernel's arguments are on the stack where the process is entered (System V psABI, x86-64, 3.4.1).

use core::arch::{asm, global_asm};
use core::sync::atomic::Ordering::Relaxed;

use super::X86_64_LOCALS;
use super::traps::{self, Frame};
use crate::arch::linux;
use crate::boot;
use crate::cpu::Cpu;

/// From arch/x86/entry/syscalls/syscall_64.tbl of Linux.
pub(crate) mod numbers {
    pub(crate) const WRITE: usize = 1;
    pub(crate) const MMAP: usize = 9;
    pub(crate) const MPROTECT: usize = 10;
    pub(crate) const RT_SIGACTION: usize = 13;
    pub(crate) const SCHED_YIELD: usize = 24;
    pub(crate) const SCHED_GETAFFINITY: usize = 204;
    pub(crate) const GETPID: usize = 39;
    pub(crate) const KILL: usize = 62;
    pub(crate) const SIGALTSTACK: usize = 131;
    pub(super) const ARCH_PRCTL: usize = 158;
    pub(crate) const FUTEX: usize = 202;
    pub(crate) const RECVFROM: usize = 45;
    pub(crate) const CLOCK_GETTIME: usize = 228;
    pub(crate) const EXIT_GROUP: usize = 231;
}

global_asm!(
    r#"
    .section .text.x86_64_linux,"ax",@progbits
    .globl __fat_linux_start
    .type __fat_linux_start, @function
__fat_linux_start:
    movq %rsp, %rdi
    xorl %ebp, %ebp
    andq $-16, %rsp
    call {map}
    movq %rax, %rsp
    xorl %ebp, %ebp
    call {start}
    ud2
    .size __fat_linux_start, . - __fat_linux_start

    .globl x86_64_signal_entry
    .type x86_64_signal_entry, @function
x86_64_signal_entry:
    leaq .Lx86_64_signal(%rip), %rax
    leaq .Lx86_64_signal_return(%rip), %rdx
    ret
    .balign 16
.Lx86_64_signal:                    // a call by the kernel: number, information, context
    jmp {signal}
    .balign 16
.Lx86_64_signal_return:
    movl $15, %eax                  // rt_sigreturn
    syscall
    .size x86_64_signal_entry, . - x86_64_signal_entry
    "#,
    map = sym linux::fat_linux_map,
    start = sym x86_64_linux_start,
    signal = sym x86_64_signal,
    options(att_syntax)
);

/// Two addresses, as C returns them.
#[repr(C)]
struct Handler {
    entry: usize,
    end: usize,
}

unsafe extern "C" {
    /// Returns the addresses of the signal handler and of what it returns to.
    safe fn x86_64_signal_entry() -> Handler;
}

/// The kernel's `struct sigaction` for the handler.
pub(crate) fn signal_action(flags: usize) -> [usize; 4] {
    const SA_RESTORER: usize = 0x0400_0000;
    let handler = x86_64_signal_entry();
    [handler.entry, flags | SA_RESTORER, handler.end, 0]
}

/// `ucontext_t` of arch/x86/include/uapi/asm of Linux, as far as it is used here.
#[repr(C)]
struct Context {
    flags_link_and_stack: [u64; 5],
    /// r8 to r15.
    upper: [u64; 8],
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    rax: u64,
    rcx: u64,
    rsp: u64,
    rip: u64,
    rflags: u64,
    segments: u64,
    error: u64,
    vector: u64,
    old_mask: u64,
    cr2: u64,
}

/// An exception, as the kernel tells of it. It may change the context.
extern "C" fn x86_64_signal(_: u64, _: *const u64, context: &mut Context) {
    let [r8, r9, r10, r11, r12, r13, r14, r15] = context.upper;
    let mut frame = Frame {
        r15,
        r14,
        r13,
        r12,
        r11,
        r10,
        r9,
        r8,
        rbp: context.rbp,
        rdi: context.rdi,
        rsi: context.rsi,
        rdx: context.rdx,
        rcx: context.rcx,
        rbx: context.rbx,
        rax: context.rax,
        vector: context.vector & 31,
        error: context.error,
        rip: context.rip,
        rflags: context.rflags,
        rsp: context.rsp,
        ..Frame::default()
    };
    traps::exception(&mut frame, context.cr2);
    context.rip = frame.rip;
}

/// On the CPU's own stack.
extern "C" fn x86_64_linux_start() -> ! {
    boot::start()
}

/// Makes this process the CPU at that place among those of this instruction set, if there is to be one.
pub(crate) fn enter_linux(isa: usize, ordinal: usize) -> Option<Cpu> {
    const ARCH_SET_GS: usize = 0x1001;
    let local = X86_64_LOCALS.get(ordinal)?;
    let base = [ARCH_SET_GS, (&raw const *local).addr(), 0, 0, 0, 0];
    // SAFETY: nobody uses the register but `cpu_index`.
    unsafe { system_call(numbers::ARCH_PRCTL, base) };
    let cpu = boot::identify(isa, ordinal)?;
    local.index.store(cpu.index() as u32, Relaxed);
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
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    result
}
