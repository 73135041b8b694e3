//! The local APIC, by memory (Intel SDM volume 3, chapter 11), and the silence of the old interrupt controllers.

use super::{boot, port, traps};
use crate::arch;
use crate::critical::Section;

const BASE: usize = 0xfee0_0000;
const ID: usize = 0x20;
const TASK_PRIORITY: usize = 0x80;
const END_OF_INTERRUPT: usize = 0xb0;
/// The first of eight registers with a bit for each interrupt that is handled now.
const IN_SERVICE: usize = 0x100;
const SPURIOUS: usize = 0xf0;
const TIMER: usize = 0x320;
const COMMAND: usize = 0x300;
const COMMAND_TO: usize = 0x310;
const LINT0: usize = 0x350;
const LINT1: usize = 0x360;
const INITIAL_COUNT: usize = 0x380;
const CURRENT_COUNT: usize = 0x390;
const DIVIDE: usize = 0x3e0;

const ENABLE: u32 = 0x100;
// Of `COMMAND`, chapter 11.6.
const ASSERT: u32 = 1 << 14;
/// As in an MSI's value.
pub(super) const UNMASKABLE: u32 = 4 << 8;
const INIT: u32 = 5 << 8;
const START: u32 = 6 << 8;
const PENDING: u32 = 1 << 12;
const ALL_OTHERS: u32 = 3 << 18;

const MASKED: u32 = 0x1_0000;
const BY_16: u32 = 0b0011;

fn read(register: usize) -> u32 {
    // SAFETY: the local APIC is there and mapped.
    unsafe { ((BASE + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as `read`; the registers used here touch no memory.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) };
}

/// The firmware uses the old controllers and leaves them running.
pub(super) fn silence_old_controllers() {
    port::write8(0x21, 0xff);
    port::write8(0xa1, 0xff);
}

/// Enables it, with a stopped timer. A CPU that starts again may have been in the middle of interrupts.
pub(super) fn start() {
    let in_service = || (0..8).any(|number| read(IN_SERVICE + 0x10 * number) != 0);
    while in_service() {
        end_of_interrupt();
    }
    write(TASK_PRIORITY, 0);
    write(LINT0, MASKED);
    write(LINT1, MASKED);
    write(SPURIOUS, ENABLE | u32::from(traps::SPURIOUS));
    write(DIVIDE, BY_16);
    write(TIMER, u32::from(traps::TIMER));
    write(INITIAL_COUNT, 0);
}

pub(super) fn id() -> u8 {
    (read(ID) >> 24) as u8
}

fn command(command: u32) {
    write(COMMAND, command);
    while read(COMMAND) & PENDING != 0 {
        arch::relax();
    }
}

/// Interrupts the CPU whose local APIC has that id.
pub(super) fn interrupt(id: u8, vector: u8) {
    send(id, vector.into());
}

/// As [`interrupt`], even if its interrupts are off.
pub(super) fn interrupt_unmaskably(id: u8) {
    send(id, UNMASKABLE);
}

fn send(id: u8, what: u32) {
    // Between the two writes no handler may write either.
    let _no_interrupts = Section::enter();
    write(COMMAND_TO, u32::from(id) << 24);
    command(ASSERT | what);
}

/// Starts all other CPUs in the trampoline (chapter 8.4.4.1); one that runs already ignores the second start.
pub(super) fn start_others() {
    let _no_interrupts = Section::enter();
    command(ALL_OTHERS | ASSERT | INIT);
    wait(10_000_000);
    for _ in 0..2 {
        command(ALL_OTHERS | ASSERT | START | (boot::TRAMPOLINE >> 12));
        wait(200_000);
    }
}

fn wait(nanoseconds: u64) {
    let start = arch::clock();
    while arch::clock().wrapping_sub(start) < nanoseconds {
        arch::relax();
    }
}

pub(super) fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// One interrupt in so many ticks; none if 0.
pub(super) fn set_timer(ticks: u32) {
    write(INITIAL_COUNT, ticks);
}

/// Ticks that are left.
pub(super) fn timer_left() -> u32 {
    read(CURRENT_COUNT)
}
