//! From QEMU's PVH entry to 64-bit mode with final page tables.
//!
//! PVH (Xen's "x86/HVM direct boot ABI") enters `_start` in 32-bit protected mode without paging. The code in `.boot`
//! uses constants instead of relocations, since that section's address is part of the contract; it maps the first 8 GiB
//! as they are in pages of 1 GiB and goes on in the image's text. Everything runs on the first ISA's gates from the
//! start, because those lie at their own address.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::Relaxed;

use fat_image::machine::X86_64_BOOT;

use super::{X86_64_INDEX, X86_64_STACK, X86_64_STACK_SIZE, apic, clock, traps};
use crate::image::Image;
use crate::paging::{self, Plan, Table, Tables};

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
    leaq {stack}+{stack_size}(%rip), %rsp
    xorl %ebp, %ebp
    call {start}
    ud2
    .size x86_64_enter, . - x86_64_enter
    "#,
    boot = const X86_64_BOOT,
    stack = sym X86_64_STACK,
    stack_size = const X86_64_STACK_SIZE,
    start = sym x86_64_start,
    options(att_syntax)
);

/// Tables for 48 MiB of image and everything else.
struct Pool(UnsafeCell<[Table; 32]>);

// SAFETY: only touched by this CPU, once, at boot.
unsafe impl Sync for Pool {}

static X86_64_TABLES: Pool = Pool(UnsafeCell::new([Table::EMPTY; 32]));

extern "C" fn x86_64_start() -> ! {
    let image = Image::this();
    let index = image
        .isas()
        .iter()
        .position(|isa| isa.name() == "x86_64")
        .unwrap_or(0);
    X86_64_INDEX.store(index, Relaxed);
    let plan = Plan {
        isa: index as u32,
        low_end: 4 << 30,
        guards: super::guards(),
    };
    // SAFETY: nobody else touches the tables, and this runs once.
    let tables = unsafe { &mut *X86_64_TABLES.0.get() };
    match Tables::build(paging::X86_64, tables, image, &plan) {
        // SAFETY: the tables map what is mapped now, at the same addresses.
        Ok(root) => unsafe { asm!("mov cr3, {}", in(reg) root) },
        Err(error) => panic!("no page tables: {error:?}"),
    }
    // SAFETY: the global bit of page tables, which they use.
    unsafe { asm!("mov {0}, cr4", "or {0}, 0x80", "mov cr4, {0}", out(reg) _) };
    traps::start();
    apic::start();
    clock::start();
    crate::boot::start()
}
