//! The doorbell: QEMU's `ivshmem-doorbell`, whose server is `cargo fat run`.
//!
//! Each machine has one, with an id, and two vectors for each of its CPUs; writing another's id and a vector to a register
//! makes the other's device raise that vector's MSI, which is a store to an address that means an interrupt of that CPU. How PCI is reached and where an MSI goes differs per board.
//! Source: docs/specs/ivshmem-spec.rst of QEMU; PCI Local Bus 3.0, 6.2 and 6.8.2.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicUsize};

use fat_image::machine::{CPUS, ISAS, IVSHMEM_ID};

use crate::cpu::Cpu;
use crate::{arch, doorbell};

/// Access to the configuration space of bus 0, and what a board says of its MSIs.
pub(crate) trait Board {
    /// Reads the register at `offset`, a multiple of 4, of function 0 of `device`.
    fn read(&self, device: u8, offset: u8) -> u32;
    /// Writes it.
    fn write(&self, device: u8, offset: u8, value: u32);
    /// The address and value of the store that interrupts this CPU.
    fn message(&self) -> (u64, u32);
    /// Of the store that has this CPU look whether it is to [start anew](crate::health::restart), even if its interrupts are off.
    fn restart_message(&self) -> (u64, u32);
    /// Where BARs can be put, if no firmware has put them anywhere.
    fn window(&self) -> Option<u32>;
}

// Configuration registers.
const COMMAND: u8 = 0x04;
const MEMORY_AND_MASTER: u32 = 0x6;
const BAR0: u8 = 0x10;
const BAR1: u8 = 0x14;
const CAPABILITIES: u8 = 0x34;
const MSIX: u32 = 0x11;
const MSIX_ENABLE: u32 = 1 << 31;
const MSIX_FUNCTION_MASK: u32 = 1 << 30;

// Registers of the device, in BAR 0.
const IV_POSITION: usize = 8;
const DOORBELL: usize = 12;
/// Bytes of an entry of the MSI-X table.
const ENTRY_SIZE: usize = 16;

/// What the CPUs of a machine know of their device. Written by its first CPU before it starts the others.
struct Device {
    /// Address of its registers, or zero.
    registers: AtomicUsize,
    /// Address of its MSI-X table.
    table: AtomicUsize,
    id: AtomicU32,
}

/// By the instruction sets of the image.
static DEVICES: [Device; ISAS] = [const {
    Device {
        registers: AtomicUsize::new(0),
        table: AtomicUsize::new(0),
        id: AtomicU32::new(0),
    }
}; ISAS];

/// Finds and starts this machine's device, and lets it interrupt this CPU. False if there is none.
pub(crate) fn start(board: &impl Board) -> bool {
    let id = u32::from(IVSHMEM_ID.0) | u32::from(IVSHMEM_ID.1) << 16;
    let Some(place) = (0..32).find(|device| board.read(*device, 0) == id) else {
        return false;
    };
    let registers = bar(board, place, BAR0, 0);
    let table = bar(board, place, BAR1, 0x1000);
    let command = board.read(place, COMMAND) & 0xffff;
    board.write(place, COMMAND, command | MEMORY_AND_MASTER);
    if !enable_msix(board, place) {
        return false;
    }
    // The server tells the device its id; it may not have come to that yet.
    // SAFETY: BAR 0 is the device's registers.
    let Some(own) = in_time(|| u32::try_from(unsafe { read(registers + IV_POSITION) } as i32).ok())
    else {
        return false;
    };
    let device = &DEVICES[Cpu::current().isa_index()];
    device.table.store(table, Relaxed);
    device.id.store(own, Relaxed);
    device.registers.store(registers, Release);
    join(board)
}

/// Lets this machine's device interrupt this CPU, and tells all CPUs how. False if there is none.
pub(crate) fn join(board: &impl Board) -> bool {
    let cpu = Cpu::current();
    let device = &DEVICES[cpu.isa_index()];
    if device.registers.load(Acquire) == 0 {
        return false;
    }
    let table = device.table.load(Relaxed);
    let messages = [
        (vector(cpu), board.message()),
        (restart_vector(cpu), board.restart_message()),
    ];
    for (vector, (address, value)) in messages {
        let entry = table + ENTRY_SIZE * vector;
        for (offset, value) in [
            (0, address as u32),
            (4, (address >> 32) as u32),
            (8, value),
            (12, 0),
        ] {
            // SAFETY: BAR 1 is the MSI-X table, and mapped; the entry is this CPU's.
            unsafe { write(entry + offset, value) };
        }
    }
    let id = device.id.load(Relaxed) + 1;
    cpu.record().doorbell_id.store(id, Release);
    true
}

/// The address in a BAR, which is put at `place` in the board's window if it is nowhere yet.
fn bar(board: &impl Board, device: u8, bar: u8, place: u32) -> usize {
    if let Some(window) = board.window() {
        board.write(device, bar, window + place);
    }
    (board.read(device, bar) & !0xf) as usize
}

fn enable_msix(board: &impl Board, device: u8) -> bool {
    let mut capability = board.read(device, CAPABILITIES) as u8 & !3;
    while capability != 0 {
        let head = board.read(device, capability);
        if head & 0xff == MSIX {
            board.write(
                device,
                capability,
                (head | MSIX_ENABLE) & !MSIX_FUNCTION_MASK,
            );
            return true;
        }
        capability = (head >> 8) as u8 & !3;
    }
    false
}

/// The vector that interrupts `cpu`.
fn vector(cpu: Cpu) -> usize {
    cpu.ordinal()
}

/// The one that starts it anew.
fn restart_vector(cpu: Cpu) -> usize {
    CPUS + cpu.ordinal()
}

/// Interrupts `cpu`, of another machine. False if not both have a doorbell.
pub(crate) fn ring(cpu: Cpu) -> bool {
    raise(cpu, vector(cpu))
}

/// Has `cpu`, of another machine, look whether it is to start anew. False if not both have a doorbell.
pub(crate) fn restart(cpu: Cpu) -> bool {
    raise(cpu, restart_vector(cpu))
}

fn raise(cpu: Cpu, vector: usize) -> bool {
    let registers = DEVICES[Cpu::current().isa_index()].registers.load(Acquire);
    let id = cpu.record().doorbell_id.load(Acquire);
    let reached = registers != 0 && id != 0;
    if reached {
        // SAFETY: `start` found the device's registers there.
        unsafe { write(registers + DOORBELL, (id - 1) << 16 | vector as u32) };
    }
    reached
}

/// Rings all other CPUs and waits until one has rung here; the servers may still be introducing the devices to each
/// other, so it rings again.
pub(crate) fn test(cpu: Cpu) {
    let others = || Cpu::all().filter(|other| *other != cpu);
    if others().next().is_none() || !doorbell::available() {
        return;
    }
    let mut tries = 0u32;
    let rung = in_time(|| {
        if tries.is_multiple_of(1000) {
            others().for_each(doorbell::ring);
        }
        tries += 1;
        (doorbell::received(cpu) > 0).then_some(())
    });
    // Once more for those that have not heard it yet.
    others().for_each(doorbell::ring);
    assert!(
        rung.is_some(),
        "the other CPUs' doorbells do not arrive here"
    );
}

fn in_time<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    const SECONDS: u64 = 5;
    let start = arch::clock();
    loop {
        let result = attempt();
        if result.is_some() || arch::clock().wrapping_sub(start) > SECONDS * 1_000_000_000 {
            return result;
        }
        arch::relax();
    }
}

/// # Safety
/// `address` is a device's register.
unsafe fn read(address: usize) -> u32 {
    // SAFETY: by the caller.
    unsafe { (address as *const u32).read_volatile() }
}

/// # Safety
/// `address` is a device's register.
unsafe fn write(address: usize, value: u32) {
    // SAFETY: by the caller.
    unsafe { (address as *mut u32).write_volatile(value) }
}
