//! The host as a machine: threads stand in for CPUs, parking for sleep, unparking for the doorbell.
//!
//! It exists for tests, ours and users'. [`run_cpus`] runs one scenario at a time, because the CPUs' records are statics, as they
//! are in an image.

use core::cell::Cell;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::time::Duration;
use std::sync::Mutex;
use std::thread::{self, Thread};
use std::time::Instant;

use fat_image::{GATE_SIZE, Header, Isa, MAGIC, VERSION};

use crate::cpu::{self, Cpu};
use crate::platform::MmioSlot;
use crate::sync::{Held, Locker, MOST_CPUS};

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
    /// The CPU that the thread stands in for.
    static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
    /// Locks of a thread that is no CPU, and its number in their words while there are some.
    static LOCKS: (Held, Cell<u32>) = const { (Held::new(), Cell::new(0)) };
    static ALARM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The threads that stand in for CPUs while a scenario runs.
static THREADS: Mutex<[Option<Thread>; cpu::MAX]> = Mutex::new([const { None }; cpu::MAX]);
/// Held while a scenario runs.
static SCENARIO: Mutex<()> = Mutex::new(());

/// Calls `main` on threads that stand in for the CPUs and then runs their executors until no task is left.
pub(crate) fn run_cpus(cpus: usize, main: impl Fn(Cpu) + Sync) {
    assert!(cpus > 0 && cpus <= cpu::MAX, "1 to {} CPUs", cpu::MAX);
    let _one_at_a_time = SCENARIO.lock().unwrap_or_else(|poison| poison.into_inner());
    let cpus_of = |isa: usize| ((cpus + 1 - isa) / 2) as u32;
    cpu::configure([cpus_of(0), cpus_of(1), 0, 0]);
    crate::boot::reset();
    let (main, ready) = (&main, &std::sync::Barrier::new(cpus));
    thread::scope(|scope| {
        for index in 0..cpus {
            scope.spawn(move || {
                INDEX.set(Some(index));
                THREADS.lock().unwrap()[index] = Some(thread::current());
                let cpu = Cpu::current();
                cpu.record().doorbell_id.store(1 + index as u32, Relaxed);
                cpu.go_online();
                ready.wait();
                main(cpu);
                crate::boot::main_returned();
                crate::task::run(cpu);
            });
        }
    });
    let unseen = crate::task::unseen();
    assert_eq!(unseen, 0, "tasks have panicked, and nobody has seen it");
}

pub(crate) fn image() -> *const Header {
    (&raw const IMAGE).cast()
}

pub(crate) fn cpu_index() -> usize {
    INDEX.get().unwrap_or(0)
}

/// Numbers for locks that threads which are no CPUs use now, a bit each.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// Calls `act` with this thread at its locks. A thread that is no CPU has a number as long as it has a lock: there may
/// be more threads than numbers.
pub(crate) fn with_locker<R>(act: impl FnOnce(Locker) -> R) -> R {
    if let Some(index) = INDEX.get() {
        let held = &Cpu::from_index(index).record().locks;
        let cpu = index as u32;
        return act(Locker { cpu, held });
    }
    LOCKS.with(|(held, number)| {
        if held.is_empty() {
            number.set(free_number());
        }
        let cpu = number.get();
        let result = act(Locker { cpu, held });
        if held.is_empty() {
            NUMBERS.fetch_and(!(1 << cpu), Release);
        }
        result
    })
}

fn free_number() -> u32 {
    loop {
        let used = NUMBERS.load(Relaxed);
        let free = (cpu::MAX as u32..MOST_CPUS).find(|number| used >> number & 1 == 0);
        if let Some(number) = free {
            let now = used | 1 << number;
            if NUMBERS
                .compare_exchange(used, now, Acquire, Relaxed)
                .is_ok()
            {
                return number;
            }
        }
        thread::yield_now();
    }
}

pub(crate) fn interrupts_enabled() -> bool {
    false
}

pub(crate) fn interrupts_enable() {}

pub(crate) fn interrupts_disable() {}

pub(crate) fn relax() {
    thread::yield_now();
}

pub(crate) fn resume() {}

pub(crate) fn clock() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

pub(crate) fn one_clock() -> bool {
    true
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

pub(crate) fn console_open() {}

pub(crate) fn console_read() -> Option<u8> {
    None
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

/// A thread is not started twice.
pub(crate) fn restart(_cpu: Cpu) -> bool {
    false
}

pub(crate) fn line_open(_line: u32) -> bool {
    false
}

pub(crate) fn line_complete(_line: u32) {}

pub(crate) fn virtio_mmio() -> &'static [MmioSlot] {
    &[]
}
