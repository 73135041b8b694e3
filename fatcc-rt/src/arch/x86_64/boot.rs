//! From QEMU's PVH entry to 64-bit mode with final page tables.
//!
//! PVH (Xen's "x86/HVM direct boot ABI") enters `_start` in 32-bit protected mode without paging. The code in `.boot`
//! uses constants instead of relocations, since that section's address is part of the contract; it maps the first 8 GiB
//! as they are in pages of 1 GiB and goes on in the image's text. Everything runs on the first ISA's gates from the
//! start, because those lie at their own address.
//!
//! The other CPUs wait for the first one to start them (Intel SDM volume 3, 8.4.4). They begin in real mode, in a page
//! below 1 MiB where the first CPU has put a trampoline, whose end is the way that the first CPU has come.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};

use fat_image::machine::{CPUS, X86_64_BOOT};

use super::{ROOM, X86_64_LOCALS, apic, clock, traps};
use crate::cpu::Cpu;
use crate::image::Image;
use crate::paging::{self, Plan, Table, Tables};
use crate::{boot, stacks};

global_asm!(
    r#"
    .section .note.Xen,"a",@note
    .balign 4
    .long 4, 4, 18                  // sizes of name and value, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long {boot}

    .section .boot,"awx",@progbits
    .globl _start
    .type _start, @function
    .code32
_start:
    cli
    cld
    movl $({boot} + .Lboot_trampoline - _start), %esi
    movl ${trampoline}, %edi
    movl $(.Lboot_trampoline_end - .Lboot_trampoline), %ecx
    rep movsb
.Lboot_protected:
    movl %cr4, %eax
    orl $0x20, %eax                 // physical address extension
    movl %eax, %cr4
    movl $({boot} + .Lboot_pml4 - _start), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          // EFER: long mode, no-execute
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80010001, %eax           // paging, write protection, protection
    movl %eax, %cr0
    lgdt {boot} + .Lboot_gdt_pointer - _start
    ljmp $8, $({boot} + .Lboot_long - _start)
    .code64
.Lboot_long:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movabsq $.Lx86_64_enter, %rax
    jmpq *%rax
    .code16
.Lboot_trampoline:                  // its first byte is at {trampoline}
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl {trampoline} + .Lboot_flat_pointer - .Lboot_trampoline
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $8, $({trampoline} + .Lboot_flat - .Lboot_trampoline)
    .code32
.Lboot_flat:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $({boot} + .Lboot_protected - _start), %eax
    jmp *%eax
    .balign 8
.Lboot_flat_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
.Lboot_flat_pointer:
    .word 23
    .long {trampoline} + .Lboot_flat_gdt - .Lboot_trampoline
.Lboot_trampoline_end:
    .code64
    .balign 8
.Lboot_gdt:
    .quad 0, 0x00af9b000000ffff
.Lboot_gdt_pointer:
    .word 15
    .long {boot} + .Lboot_gdt - _start
    .balign 4096
.Lboot_pml4:
    .quad {boot} + .Lboot_pdpt - _start + 3
    .fill 511, 8, 0
.Lboot_pdpt:
    .quad 0x00000083, 0x40000083, 0x80000083, 0xc0000083
    .quad 0x100000083, 0x140000083, 0x180000083, 0x1c0000083
    .fill 504, 8, 0
    .size _start, . - _start

    .section .text.x86_64_enter,"ax",@progbits
    .globl x86_64_enter
    .type x86_64_enter, @function
x86_64_enter:
    ud2                             // nobody calls this; the entry is behind it, so that no function's address is taken
    .balign 16
.Lx86_64_enter:
    movl $1, %edi
    lock xaddl %edi, {started}(%rip)
    cmpl ${cpus}, %edi
    jae .Lx86_64_park
    imulq ${stack_step}, %rdi, %rsp
    movabsq ${first_stack}, %rax
    addq %rax, %rsp
    xorl %esi, %esi
.Lx86_64_begin:
    xorl %ebp, %ebp
    call {start}
    ud2
.Lx86_64_park:
    cli
    hlt
    jmp .Lx86_64_park
    .size x86_64_enter, . - x86_64_enter

    .globl x86_64_start_anew
    .type x86_64_start_anew, @function
x86_64_start_anew:                  // on the stack for faults, of which nothing is used any more
    imulq ${stack_step}, %rdi, %rsp
    movabsq ${first_fault_stack}, %rax
    addq %rax, %rsp
    movq %rsp, %rax
    movl $1, %esi
    pushq $0
    pushq %rax
    pushq $2                        // flags: all off
    pushq $8
    leaq .Lx86_64_begin(%rip), %rax
    pushq %rax
    iretq                           // which lets the next unmaskable interrupt in
    .size x86_64_start_anew, . - x86_64_start_anew
    "#,
    boot = const X86_64_BOOT,
    trampoline = const TRAMPOLINE,
    started = sym X86_64_STARTED,
    cpus = const CPUS,
    stack_step = const stacks::STEP,
    first_stack = const stacks::boot(ROOM, 0),
    first_fault_stack = const stacks::fault(ROOM, 0),
    start = sym x86_64_start,
    options(att_syntax)
);

/// Where the trampoline is copied to: a page that a start interrupt can name, and that the firmware does not need any more.
pub(super) const TRAMPOLINE: u32 = 0x8000;

/// CPUs that have come so far; the first one comes alone.
static X86_64_STARTED: AtomicU32 = AtomicU32::new(0);
/// The address of the page tables, when they are complete.
static X86_64_ROOT: AtomicU64 = AtomicU64::new(0);

struct Pool(UnsafeCell<[Table; paging::POOL]>);

// SAFETY: only touched by the first CPU, once, at boot.
unsafe impl Sync for Pool {}

static X86_64_TABLES: Pool = Pool(UnsafeCell::new([Table::EMPTY; _]));

unsafe extern "C" {
    fn x86_64_start_anew(ordinal: usize) -> !;
}

/// Has this CPU do what it did when it came, but for what is done once.
pub(super) fn start_anew() -> ! {
    // SAFETY: what the CPU was doing is given up, with all that is on its stacks.
    unsafe { x86_64_start_anew(Cpu::current().ordinal()) }
}

/// Of the CPU that has come as number `ordinal`; `again` if it has done so before.
extern "C" fn x86_64_start(ordinal: usize, again: bool) -> ! {
    const GS_BASE: u32 = 0xc000_0101;
    let local = &raw const X86_64_LOCALS[ordinal] as u64;
    // SAFETY: nobody uses the register but `cpu_index`.
    unsafe {
        asm!("wrmsr", in("ecx") GS_BASE, in("eax") local as u32, in("edx") (local >> 32) as u32)
    };
    let isas = Image::this().isas();
    let isa = isas.iter().position(|isa| isa.name() == "x86_64");
    let isa = isa.unwrap_or(0);
    let Some(cpu) = boot::identify(isa, ordinal) else {
        park()
    };
    X86_64_LOCALS[ordinal]
        .index
        .store(cpu.index() as u32, Relaxed);
    // Of the whole board.
    let first = ordinal == 0 && !again;
    if first {
        X86_64_ROOT.store(page_tables(isa), Release);
        traps::prepare_handlers();
    }
    // SAFETY: the tables map what is mapped now, at the same addresses.
    unsafe { asm!("mov cr3, {}", in(reg) X86_64_ROOT.load(Acquire)) };
    // SAFETY: the global bit of page tables, which they use.
    unsafe { asm!("mov {0}, cr4", "or {0}, 0x80", "mov cr4, {0}", out(reg) _) };
    traps::start(ordinal);
    if first {
        apic::silence_old_controllers();
    }
    apic::start();
    X86_64_LOCALS[ordinal]
        .apic
        .store(apic::id().into(), Relaxed);
    if first {
        clock::start();
    }
    boot::start()
}

/// Makes them and returns their address.
fn page_tables(isa: usize) -> u64 {
    let plan = Plan {
        isa: isa as u32,
        low_end: 4 << 30,
    };
    // SAFETY: nobody else touches the tables, and this runs once.
    let tables = unsafe { &mut *X86_64_TABLES.0.get() };
    match Tables::build(paging::X86_64, tables, Image::this(), &plan) {
        Ok(root) => root,
        Err(error) => panic!("no page tables: {error:?}"),
    }
}

/// For a CPU that the machine has beyond what its runner has said.
fn park() -> ! {
    loop {
        // SAFETY: nothing is left to do.
        unsafe { asm!("cli", "hlt") };
    }
}
