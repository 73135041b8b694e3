//! Exceptions and interrupts.
//!
//! 256 stubs of 16 bytes push the vector, one common part saves the registers and calls [`x86_64_trap`]. The stubs are
//! labels within one assembly function, whose address is made by code: no function's address is taken.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::Acquire;

use fat_image::machine::CPUS;

use super::{ROOM, apic, boot};
use crate::cpu::Cpu;
use crate::panic::{Cause, Fault};
use crate::{doorbell, heal, panic, stacks};

const UNMASKABLE: u8 = 2;
pub(super) const TIMER: u8 = 0x40;
pub(super) const DOORBELL: u8 = 0x41;
pub(super) const SPURIOUS: u8 = 0xff;

global_asm!(
    r#"
    .section .text.x86_64_traps,"ax",@progbits
    .globl x86_64_trap_stubs
    .type x86_64_trap_stubs, @function
x86_64_trap_stubs:
    leaq .Lx86_64_stubs(%rip), %rax
    ret
    .balign 16
.Lx86_64_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    // Exceptions with an error code of their own: 8, 10 to 14, 17, 21, 29, 30.
    .set has_error, 0
    .if vector < 32
    .set has_error, (0x60227d00 >> vector) & 1
    .endif
    .if has_error == 0
    pushq $0
    .endif
    pushq $vector
    jmp .Lx86_64_common
    .set vector, vector + 1
    .endr
.Lx86_64_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $-16, %rsp
    call {trap}
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq
    .size x86_64_trap_stubs, . - x86_64_trap_stubs
    "#,
    trap = sym x86_64_trap,
    options(att_syntax)
);

unsafe extern "C" {
    /// Returns the address of the first stub.
    safe fn x86_64_trap_stubs() -> usize;
}

/// What the stubs and the CPU leave on the stack, lowest address first.
#[repr(C)]
#[derive(Default)]
pub(super) struct Frame {
    pub(super) r15: u64,
    pub(super) r14: u64,
    pub(super) r13: u64,
    pub(super) r12: u64,
    pub(super) r11: u64,
    pub(super) r10: u64,
    pub(super) r9: u64,
    pub(super) r8: u64,
    pub(super) rbp: u64,
    pub(super) rdi: u64,
    pub(super) rsi: u64,
    pub(super) rdx: u64,
    pub(super) rcx: u64,
    pub(super) rbx: u64,
    pub(super) rax: u64,
    pub(super) vector: u64,
    pub(super) error: u64,
    pub(super) rip: u64,
    pub(super) cs: u64,
    pub(super) rflags: u64,
    pub(super) rsp: u64,
    pub(super) ss: u64,
}

/// A table that the CPU reads: descriptors, task state.
#[repr(C, align(16))]
struct Hardware<T>(UnsafeCell<T>);

// SAFETY: written once, at boot, by one CPU.
unsafe impl<T> Sync for Hardware<T> {}

const CODE: u64 = 0x00af_9b00_0000_ffff;
const TASK: u16 = 16;
/// Words of 32 bits in a task state segment without I/O map.
const TASK_STATE: usize = 26;

/// The tables that each CPU has for itself.
#[repr(C, align(16))]
struct Descriptors {
    gdt: [u64; 4],
    task_state: [u32; TASK_STATE],
}

static X86_64_DESCRIPTORS: [Hardware<Descriptors>; CPUS] = [const {
    Hardware(UnsafeCell::new(Descriptors {
        gdt: [0, CODE, 0, 0],
        task_state: [0; TASK_STATE],
    }))
}; CPUS];
/// Written by the first CPU, used by all.
static X86_64_IDT: Hardware<[[u64; 2]; 256]> = Hardware(UnsafeCell::new([[0; 2]; 256]));

/// Operand of `lgdt` and `lidt`.
#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

impl Pointer {
    fn to<T>(table: *const T) -> Pointer {
        Pointer {
            limit: (size_of::<T>() - 1) as u16,
            base: table.addr() as u64,
        }
    }
}

/// Installs descriptors, task state and handlers (Intel SDM volume 3, 6.14 and 8.7) of the CPU that has started as number
/// `ordinal`.
pub(super) fn start(ordinal: usize) {
    let descriptors = X86_64_DESCRIPTORS[ordinal].0.get();
    // SAFETY: nobody else has these, and their own CPU does not use them now.
    let (gdt, task_state) = unsafe { (&mut (*descriptors).gdt, &mut (*descriptors).task_state) };
    let fault_stack = stacks::fault(ROOM, ordinal) as u64;
    let task = task_state.as_ptr().addr() as u64;
    // The first interrupt stack is at byte 36; 25 is the offset of an I/O map, which is behind the end.
    (task_state[9], task_state[10]) = (fault_stack as u32, (fault_stack >> 32) as u32);
    task_state[25] = (TASK_STATE as u32 * 4) << 16;
    let limit = TASK_STATE as u64 * 4 - 1;
    gdt[2] = limit | (task & 0xff_ffff) << 16 | 0x89 << 40 | (task >> 24 & 0xff) << 56;
    gdt[3] = task >> 32;
    let gdt: *const [u64; 4] = gdt;
    // SAFETY: the tables are complete; the code segment is the same as before.
    unsafe {
        asm!("lgdt [{}]", in(reg) &Pointer::to(gdt));
        asm!("push 8", "lea {0}, [rip + 2f]", "push {0}", "retfq", "2:", out(reg) _);
        asm!("ltr {:x}", in(reg) TASK);
        asm!("lidt [{}]", in(reg) &Pointer::to(X86_64_IDT.0.get().cast_const()));
    }
}

/// Makes the handlers of all CPUs.
pub(super) fn prepare_handlers() {
    let stubs = x86_64_trap_stubs() as u64;
    // SAFETY: only the first CPU comes here, before it starts the others, and the table is not in use yet.
    let idt = unsafe { &mut *X86_64_IDT.0.get() };
    for (vector, gate) in idt.iter_mut().enumerate() {
        let stub = stubs + 16 * vector as u64;
        // Double fault, non-maskable interrupt and machine check get the stack that is always good.
        let stack = u64::from(matches!(vector, 2 | 8 | 18));
        gate[0] =
            stub & 0xffff | 8 << 16 | stack << 32 | 0x8e00 << 32 | (stub >> 16 & 0xffff) << 48;
        gate[1] = stub >> 32;
    }
}

/// With the CPU's interrupts off. It may change the frame.
extern "C" fn x86_64_trap(frame: &mut Frame) {
    match frame.vector as u8 {
        UNMASKABLE if Cpu::current().record().starts_anew.swap(0, Acquire) != 0 => {
            boot::start_anew()
        }
        vector if vector < 32 => {
            let cr2: u64;
            // SAFETY: reads a register.
            unsafe { asm!("mov {}, cr2", out(reg) cr2) };
            exception(frame, cr2);
        }
        DOORBELL => {
            apic::end_of_interrupt();
            doorbell::on_ring(Cpu::current());
        }
        TIMER => apic::end_of_interrupt(),
        SPURIOUS => (),
        vector => panic!("interrupt {vector:#x} that nobody asked for"),
    }
}

const NAMES: [&str; 32] = [
    "divide error",
    "debug exception",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid task state",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved 15",
    "floating point error",
    "alignment check",
    "machine check",
    "SIMD error",
    "virtualization exception",
    "control protection",
    "reserved 22",
    "reserved 23",
    "reserved 24",
    "reserved 25",
    "reserved 26",
    "reserved 27",
    "hypervisor injection",
    "VMM communication",
    "security exception",
    "reserved 31",
];

/// Of a page fault, `address` is what could not be reached. A jump into another ISA's code goes on in the own code;
/// everything else is a failure. The report is made by shared code: nothing here may be formatted by `dyn`, which would
/// need it on every ISA.
pub(super) fn exception(frame: &mut Frame, address: u64) {
    const PAGE_FAULT: u64 = 14;
    const DOUBLE_FAULT: u64 = 8;
    let jump = frame.vector == PAGE_FAULT && address == frame.rip;
    if jump && let Some(own) = heal::own_code(address as usize) {
        frame.rip = own as u64;
        return;
    }
    let guard = stacks::is_guard(address as usize);
    let (cause, caller) = match frame.vector {
        // A process's handler has a stack of its own.
        DOUBLE_FAULT | PAGE_FAULT if guard => (Cause::StackFull, None),
        PAGE_FAULT if jump => (Cause::Jump(address as usize), top_of_stack(frame)),
        PAGE_FAULT => (Cause::Access(address as usize), None),
        _ => (Cause::Other, None),
    };
    panic::fault(&Fault {
        name: NAMES[frame.vector as usize],
        code: frame.error,
        cause,
        at: frame.rip as usize,
        caller,
        frame: frame.rbp as usize,
        registers: &[
            ("rip", frame.rip),
            ("rsp", frame.rsp),
            ("rfl", frame.rflags),
            ("rax", frame.rax),
            ("rbx", frame.rbx),
            ("rcx", frame.rcx),
            ("rdx", frame.rdx),
            ("rsi", frame.rsi),
            ("rdi", frame.rdi),
            ("rbp", frame.rbp),
            ("r8", frame.r8),
            ("r9", frame.r9),
            ("r10", frame.r10),
            ("r11", frame.r11),
            ("r12", frame.r12),
            ("r13", frame.r13),
            ("r14", frame.r14),
            ("r15", frame.r15),
        ],
    })
}

/// Where a jump came from whose target could not be executed: the call has put that there.
fn top_of_stack(frame: &Frame) -> Option<usize> {
    let rsp = frame.rsp as usize;
    let good = rsp.is_multiple_of(8) && stacks::contains(rsp..rsp.wrapping_add(8));
    // SAFETY: those 8 bytes are in a mapped stack.
    good.then(|| unsafe { (rsp as *const usize).read() })
}
