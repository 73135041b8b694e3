//! From QEMU's reset vector in machine mode to supervisor mode with final page tables.
//!
//! `.boot` is at a fixed address in private memory; the image's text is too far from it for a relative jump, so its
//! address is a constant in memory. Machine mode keeps one job: the software interrupt that other CPUs' doorbells
//! raise, which it hands on to supervisor mode, unless the hart is to start anew. Everything else is delegated. All harts but the first wait for its order:
//! to be a CPU as well, or to forward interrupts of devices that QEMU leads to them. Until [`riscv64_start`] has set the page
//! tables, gates are not mapped and nothing may be called through a function pointer.
//! Source: the RISC-V privileged specification; QEMU's hw/riscv/virt.c for the addresses.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, fence};

use fat_image::machine::CPUS;

use super::{RISCV64_LOCALS, ROOM, plic, traps};
use crate::cpu::Cpu;
use crate::image::Image;
use crate::paging::{self, Plan, Table, Tables};
use crate::{boot, stacks};

global_asm!(
    r#"
    .section .boot,"awx",@progbits
    .globl _start
    .type _start, @function
    .option push
    .option norelax
    .option arch, +a, +m
_start:
    csrw mie, zero
    csrr t0, mhartid
    li t1, {cpus}
    bltu t1, t0, .Lpark
    lla t1, .Lmachine_save
    slli t2, t0, 5
    add t1, t1, t2
    csrw mscratch, t1
    li a1, 0
    slli t3, t0, 2                  // the address of this hart's software interrupt
    li t2, {other_msip} - 4
    add t2, t2, t3
    bnez t0, 1f
    li t2, {msip}
1:  sd t2, 16(t1)
    bnez t0, .Lawait

.Lsupervisor:                       // a CPU: to supervisor mode; a1 says whether again
    lla t0, .Lmachine_trap
    csrw mtvec, t0
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
    li t0, 0x1802                   // mstatus.MPP = supervisor, with its interrupts off
    csrc mstatus, t0
    li t0, 0x0800
    csrs mstatus, t0
    csrw satp, zero
    ld t0, .Lenter_address
    csrw mepc, t0
    csrr a0, mhartid
    mret

.Lawait:                            // what the first hart wants; software interrupts end wfi, but stay off in mstatus
    li t3, 8
    csrw mie, t3
    ld t3, .Lorders_address
    slli t0, t0, 3
    add t3, t3, t0
.Lawait_next:
    wfi
    sw zero, 0(t2)
    fence
    ld t4, 0(t3)
    beqz t4, .Lawait_next
    csrw mie, zero
    fence
    li t5, {work}
    beq t4, t5, .Lsupervisor

.Lforward:                          // see plic.rs
    li t0, 0xa00                    // external interrupts of either mode end wfi; they stay off in mstatus
    csrw mie, t0
    ld t0, .Lforwarded_address
    csrr t1, mhartid
    addi t1, t1, -1
    slli t1, t1, {claim_shift}
    li t2, {claim}
    add t1, t1, t2
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
    ld t1, 16(t0)
    sw zero, 0(t1)
    fence
    csrr t1, mhartid                // is this hart to start anew?
    slli t1, t1, 3
    ld t2, .Lanew_address
    add t1, t1, t2
    ld t1, 0(t1)
    beqz t1, .Lmachine_doorbell
    lw t2, 0(t1)
    bnez t2, .Lmachine_anew
.Lmachine_doorbell:
    csrsi mip, 2                    // supervisor software interrupt
    ld t1, 0(t0)
    ld t2, 8(t0)
    csrrw t0, mscratch, t0
    mret
.Lmachine_anew:
    amoswap.w.aq zero, zero, (t1)
    csrw mscratch, t0
    li a1, 1
    j .Lsupervisor
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
.Lmachine_save:                     // of each hart: t1, t2, the address of its software interrupt
    .fill 4 * ({cpus} + 1), 8, 0
.Lenter_address:
    .quad .Lriscv64_enter
.Lorders_address:
    .quad {orders}
.Lforwarded_address:
    .quad {forwarded}
.Lanew_address:
    .quad {anew}
    .size _start, . - _start

    .section .text.riscv64_enter,"ax",@progbits
    .globl riscv64_enter
    .type riscv64_enter, @function
riscv64_enter:
    unimp                           // nobody calls this; the entry is behind it, so that no function's address is taken
    .balign 4
.Lriscv64_enter:
    li sp, {first_stack}
    li t0, {stack_step}
    mul t0, t0, a0
    add sp, sp, t0
    li t0, {to_fault_stack}
    mul t0, t0, a1
    add sp, sp, t0
    li fp, 0
    li ra, 0
    call {start}
    unimp
    .size riscv64_enter, . - riscv64_enter
    .option pop
    "#,
    cpus = const CPUS,
    msip = const super::CLINT,
    other_msip = const super::OTHER_CLINT,
    work = const WORK,
    orders = sym RISCV64_ORDERS,
    claim = const plic::OTHER_CLAIM,
    claim_shift = const plic::OTHER_CLAIM_SHIFT,
    forwarded = sym plic::RISCV64_FORWARDED,
    uart = const super::UART,
    test = const super::TEST,
    anew = sym RISCV64_ANEW,
    first_stack = const stacks::boot(ROOM, 0),
    to_fault_stack = const stacks::fault(ROOM, 0) - stacks::boot(ROOM, 0),
    stack_step = const stacks::STEP,
    start = sym riscv64_start,
);

/// What the first hart wants of a hart: to be a CPU.
pub(super) const WORK: u64 = 1;
/// Or to forward interrupts.
pub(super) const FORWARD: u64 = 2;

/// By hart id; 0 while there is none.
static RISCV64_ORDERS: [AtomicU64; CPUS + 1] = [const { AtomicU64::new(0) }; CPUS + 1];

/// Tells a hart that awaits it what to do.
pub(super) fn order(hart: usize, what: u64) {
    RISCV64_ORDERS[hart].store(what, Release);
    fence(SeqCst);
    super::interrupt(hart);
}

struct Pool(UnsafeCell<[Table; paging::POOL]>);

// SAFETY: only touched by the first hart, once, at boot.
unsafe impl Sync for Pool {}

static RISCV64_TABLES: Pool = Pool(UnsafeCell::new([Table::EMPTY; _]));
/// The value of `satp`, when the tables are complete.
static RISCV64_SATP: AtomicU64 = AtomicU64::new(0);

/// Mode field of `satp` for Sv39.
const SV39: u64 = 8 << 60;

/// By hart id: where is said whether it is to start anew, see `Record::starts_anew`.
static RISCV64_ANEW: [AtomicPtr<AtomicU32>; CPUS + 1] =
    [const { AtomicPtr::new(null_mut()) }; CPUS + 1];

/// Of a hart in supervisor mode; `again` if it has come here before.
extern "C" fn riscv64_start(hart: usize, again: bool) -> ! {
    let local = &RISCV64_LOCALS[hart];
    local.fault_stack.store(stacks::fault(ROOM, hart), Relaxed);
    // SAFETY: compiled code leaves the register alone.
    unsafe { asm!("mv tp, {}", in(reg) &raw const *local) };
    let mut isa = 0;
    for (at, candidate) in Image::this().isas().iter().enumerate() {
        if candidate.name == *b"riscv64\0\0\0\0\0\0\0\0\0" {
            isa = at;
        }
    }
    let Some(cpu) = boot::identify(isa, hart) else {
        super::console_write(b"a hart that no CPU was foreseen for\n");
        super::exit(101)
    };
    local.index.store(cpu.index(), Relaxed);
    let anew = &raw const cpu.record().starts_anew;
    RISCV64_ANEW[hart].store(anew.cast_mut(), Release);
    traps::start();
    // Of the whole board.
    let first = hart == 0 && !again;
    if first {
        RISCV64_SATP.store(page_tables(isa), Release);
    }
    let satp = RISCV64_SATP.load(Acquire);
    // SAFETY: the tables map what is used now at the same addresses.
    unsafe { asm!("sfence.vma", "csrw satp, {}", "sfence.vma", in(reg) satp) };
    local.gates_mapped.store(true, Release);
    if first {
        let harts = Cpu::all().filter(|cpu| cpu.isa_index() == isa).count();
        plic::start(harts);
    }
    boot::start()
}

/// Makes them and returns what `satp` says of them.
fn page_tables(isa: usize) -> u64 {
    let plan = Plan {
        isa: isa as u32,
        low_end: 4 << 30,
    };
    // SAFETY: nobody else touches the tables, and this runs once.
    let tables = unsafe { &mut *RISCV64_TABLES.0.get() };
    match Tables::build(paging::SV39, tables, Image::this(), &plan) {
        Ok(root) => SV39 | root >> 12,
        Err(_) => {
            super::console_write(b"no page tables: too few, or the image's regions overlap\n");
            super::exit(101)
        }
    }
}
