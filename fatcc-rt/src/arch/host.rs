//! The host as a machine: threads stand in for CPUs, parking for sleep, unparking for the doorbell.
//!
//! It exists for the tests. [`run_cpus`] runs one scenario at a time, because the CPUs' records are statics, as they
//! are in an image.

use core::cell::Cell;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::sync::Mutex;
use std::thread::{self, Thread};
use std::time::Instant;

use fat_image::{GATE_SIZE, Header, Isa, MAGIC, VERSION};

use crate::cpu::{self, Cpu};
use crate::platform::MmioSlot;

pub(crate) const AWAKE: u64 = 0;
pub(crate) const LOCAL_INTERRUPTS: bool = false;

/// Two ISAs, nothing else: enough for the CPUs to have names.
#[repr(C)]
struct HostImage {
    header: Header,
    isas: [Isa; 2],
}

static IMAGE: HostImage = HostImage {
    header: Header {
        magic: MAGIC,
        version: VERSION,
        isa_count: 2,
        region_count: 0,
        gate_size: GATE_SIZE as u32,
        gates: 0,
        functions: 0,
        function_count: 0,
        image_start: 0,
        image_end: 0,
    },
    isas: [
        isa(*b"x86_64\0\0\0\0\0\0\0\0\0\0"),
        isa(*b"riscv64\0\0\0\0\0\0\0\0\0"),
    ],
};

const fn isa(name: [u8; 16]) -> Isa {
    Isa {
        name,
        machine: 0,
        flags: 0,
        entry: 0,
        gates_phys: 0,
        symbols: 0,
        symbol_count: 0,
        names: 0,
        names_size: 0,
    }
}

std::thread_local! {
    static INDEX: Cell<usize> = const { Cell::new(0) };
    static ALARM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The threads that stand in for CPUs while a scenario runs.
static THREADS: Mutex<[Option<Thread>; cpu::MAX]> = Mutex::new([const { None }; cpu::MAX]);
/// Held while a scenario runs.
static SCENARIO: Mutex<()> = Mutex::new(());

/// Calls `main` on two threads that stand in for the CPUs and then runs their executors until no task is left.
pub(crate) fn run_cpus(main: impl Fn(Cpu) + Sync) {
    let _one_at_a_time = SCENARIO.lock().unwrap_or_else(|poison| poison.into_inner());
    crate::boot::reset();
    let (main, ready) = (&main, &std::sync::Barrier::new(2));
    thread::scope(|scope| {
        for index in 0..2 {
            scope.spawn(move || {
                INDEX.set(index);
                THREADS.lock().unwrap()[index] = Some(thread::current());
                ready.wait();
                let cpu = Cpu::current();
                cpu.record().doorbell_id.store(1 + index as u32, Relaxed);
                main(cpu);
                crate::boot::main_returned();
                crate::task::run(cpu);
            });
        }
    });
}

pub(crate) fn image() -> *const Header {
    (&raw const IMAGE).cast()
}

pub(crate) fn cpu_index() -> usize {
    INDEX.get()
}

pub(crate) fn interrupts_enabled() -> bool {
    false
}

pub(crate) fn interrupts_enable() {}

pub(crate) fn interrupts_disable() {}

pub(crate) fn relax() {
    thread::yield_now();
}

pub(crate) fn clock() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

pub(crate) fn set_timer(after: Option<u64>) {
    ALARM.set(after);
}

pub(crate) fn wait() {
    match ALARM.get() {
        Some(after) => thread::park_timeout(Duration::from_nanos(after)),
        None => thread::park(),
    }
}

pub(crate) fn console_write(bytes: &[u8]) {
    std::print!("{}", std::string::String::from_utf8_lossy(bytes));
}

pub(crate) fn exit(status: u8) -> ! {
    std::process::exit(status.into())
}

/// The host's doorbell: unparks the thread of `cpu`.
pub(crate) fn doorbell_ring(cpu: Cpu) {
    if let Some(thread) = &THREADS.lock().unwrap()[cpu.index()] {
        crate::doorbell::on_ring(cpu);
        thread.unpark();
    }
}

pub(crate) fn line_open(_line: u32) -> bool {
    false
}

pub(crate) fn line_complete(_line: u32) {}

pub(crate) fn virtio_mmio() -> &'static [MmioSlot] {
    &[]
}
