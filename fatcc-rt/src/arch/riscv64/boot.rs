//! From QEMU's reset vector in machine mode to supervisor mode with final page tables.
//!
//! `.boot` is at a fixed address in private memory; the image's text is too far from it for a relative jump, so its
//! address is a constant in memory. Machine mode keeps one job: the software interrupt that other CPUs' doorbells
//! raise, which it hands on to supervisor mode. Everything else is delegated. The second hart forwards interrupts of
//! devices that QEMU leads to it. Until [`riscv64_start`] has set the page
//! tables, gates are not mapped and nothing may be called through a function pointer.
//! Source: the RISC-V privileged specification; QEMU's hw/riscv/virt.c for the addresses.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::{Relaxed, Release};

use super::{RISCV64_GATES_MAPPED, RISCV64_INDEX, RISCV64_STACK, RISCV64_STACK_SIZE, plic, traps};
use crate::image::Image;
use crate::paging::{self, Plan, Table, Tables};

global_asm!(
    r#"
    .section .boot,"awx",@progbits
    .globl _start
    .type _start, @function
    .option push
    .option norelax
    .option arch, +a
_start:
    csrw mie, zero
    csrr t0, mhartid
    bnez t0, .Lforward
    lla t0, .Lmachine_trap
    csrw mtvec, t0
    lla t0, .Lmachine_save
    csrw mscratch, t0
    li t0, -1                       // all of memory, to everybody below machine mode
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li t0, 0xb1ff                   // exceptions, but for calls from supervisor and machine mode
    csrw medeleg, t0
    li t0, 0x222                    // supervisor software, timer and external interrupts
    csrw mideleg, t0
    li t0, -1
    csrw mcounteren, t0
    li t0, 1
    slli t0, t0, 63                 // menvcfg.STCE: supervisor mode has a timer of its own, stimecmp
    csrs 0x30a, t0
    li t0, 8                        // machine software interrupts
    csrw mie, t0
    li t0, 0x1800                   // mstatus.MPP = supervisor
    csrc mstatus, t0
    li t0, 0x0800
    csrs mstatus, t0
    csrw satp, zero
    ld t0, .Lenter_address
    csrw mepc, t0
    mret

.Lforward:                          // the other hart: see plic.rs
    li t0, 0xa00                    // external interrupts of either mode end wfi; they stay off in mstatus
    csrw mie, t0
    ld t0, .Lforwarded_address
    li t1, {claim}
    li t2, {msip}
    li t3, 1
.Lforward_next:
    wfi
    lwu t4, 0(t1)
    beqz t4, .Lforward_next
    sll t4, t3, t4
    amoor.d.aqrl zero, t4, (t0)
    fence rw, o
    sw t3, 0(t2)
    j .Lforward_next

.Lpark:
    wfi
    j .Lpark

    .balign 4
.Lmachine_trap:
    csrrw t0, mscratch, t0
    sd t1, 0(t0)
    sd t2, 8(t0)
    csrr t1, mcause
    bgez t1, .Lmachine_fault
    andi t1, t1, 0xff
    li t2, 3
    bne t1, t2, .Lmachine_fault
    li t1, {msip}
    sw zero, 0(t1)
    csrsi mip, 2                    // supervisor software interrupt
    ld t1, 0(t0)
    ld t2, 8(t0)
    csrrw t0, mscratch, t0
    mret
.Lmachine_fault:                    // say "M!" and end the run with status 102
    li t0, {uart}
    li t1, 'M'
    sb t1, 0(t0)
    li t1, '!'
    sb t1, 0(t0)
    li t0, {test}
    li t1, (102 << 16) | 0x3333
    sw t1, 0(t0)
    j .Lpark
    .balign 8
.Lmachine_save:
    .quad 0, 0
.Lenter_address:
    .quad .Lriscv64_enter
.Lforwarded_address:
    .quad {forwarded}
    .size _start, . - _start

    .section .text.riscv64_enter,"ax",@progbits
    .globl riscv64_enter
    .type riscv64_enter, @function
riscv64_enter:
    unimp                           // nobody calls this; the entry is behind it, so that no function's address is taken
    .balign 4
.Lriscv64_enter:
    lla sp, {stack}
    li t0, {stack_size}
    add sp, sp, t0
    li fp, 0
    li ra, 0
    call {start}
    unimp
    .size riscv64_enter, . - riscv64_enter
    .option pop
    "#,
    msip = const super::CLINT,
    claim = const plic::OTHER_CLAIM,
    forwarded = sym plic::RISCV64_FORWARDED,
    uart = const super::UART,
    test = const super::TEST,
    stack = sym RISCV64_STACK,
    stack_size = const RISCV64_STACK_SIZE,
    start = sym riscv64_start,
);

/// Tables for 48 MiB of image and everything else.
struct Pool(UnsafeCell<[Table; 32]>);

// SAFETY: only touched by this CPU, once, at boot.
unsafe impl Sync for Pool {}

static RISCV64_TABLES: Pool = Pool(UnsafeCell::new([Table::EMPTY; 32]));

/// Mode field of `satp` for Sv39.
const SV39: u64 = 8 << 60;

extern "C" fn riscv64_start() -> ! {
    let image = Image::this();
    let mut index = 0;
    for (at, isa) in image.isas().iter().enumerate() {
        if isa.name == *b"riscv64\0\0\0\0\0\0\0\0\0" {
            index = at;
        }
    }
    RISCV64_INDEX.store(index, Relaxed);
    traps::start();
    let plan = Plan {
        isa: index as u32,
        low_end: 4 << 30,
        guards: super::guards(),
    };
    // SAFETY: nobody else touches the tables, and this runs once.
    let tables = unsafe { &mut *RISCV64_TABLES.0.get() };
    match Tables::build(paging::SV39, tables, image, &plan) {
        // SAFETY: the tables map what is used now at the same addresses.
        Ok(root) => unsafe {
            asm!("sfence.vma", "csrw satp, {}", "sfence.vma", in(reg) SV39 | root >> 12)
        },
        Err(_) => {
            super::console_write(b"no page tables: too few, or the image's regions overlap\n");
            super::exit(101)
        }
    }
    RISCV64_GATES_MAPPED.store(true, Release);
    plic::start();
    crate::boot::start()
}
