//! The part of the boot that is the same on all CPUs, and the end of the run.
//!
//! `arch` calls [`start`] on each CPU when its own page tables, traps and clock work. All CPUs' hardware starts at about
//! the same time and the image is in memory before either does; the first CPU makes the heap, the others wait for it,
//! and barriers separate the steps that need all CPUs.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Release, SeqCst};

use fat_image::{GATE_SIZE, MAGIC, VERSION};

use crate::cpu::Cpu;
use crate::{arch, image, println, task};
#[cfg(target_os = "none")]
use crate::{litmus, time};

/// What every CPU passes before one goes on.
pub(crate) struct Barrier {
    arrived: AtomicU32,
    /// How often all have arrived.
    passed: AtomicU32,
}

impl Barrier {
    pub(crate) const fn new() -> Barrier {
        Barrier {
            arrived: AtomicU32::new(0),
            passed: AtomicU32::new(0),
        }
    }

    /// Waits until `cpus` CPUs have come here; `waiting` is called again and again meanwhile.
    pub(crate) fn wait(&self, cpus: u32, mut waiting: impl FnMut()) {
        let passed = self.passed.load(Acquire);
        if self.arrived.fetch_add(1, SeqCst) + 1 == cpus {
            self.arrived.store(0, SeqCst);
            self.passed.store(passed.wrapping_add(1), Release);
            return;
        }
        while self.passed.load(Acquire) == passed {
            waiting();
            arch::relax();
        }
    }
}

static BARRIER: Barrier = Barrier::new();
/// CPUs whose `main` has returned.
static RETURNED: AtomicU32 = AtomicU32::new(0);

/// Notes that this CPU's `main` has returned.
pub(crate) fn main_returned() {
    RETURNED.fetch_add(1, SeqCst);
}

/// Whether there will never be anything to do again: every `main` has returned and no task is left.
pub(crate) fn finished() -> bool {
    RETURNED.load(SeqCst) as usize == image::isas().len() && task::live() == 0
}

/// Before a run on the host, where statics outlive it.
#[cfg(not(target_os = "none"))]
pub(crate) fn reset() {
    RETURNED.store(0, SeqCst);
}

/// From here on all CPUs do the same. Interrupts are off.
#[cfg(target_os = "none")]
pub(crate) fn start() -> ! {
    unsafe extern "Rust" {
        /// Defined by [`main!`](crate::main).
        safe fn __fat_main(cpu: Cpu);
    }
    check_image();
    let cpu = Cpu::current();
    let cpus = image::isas().len() as u32;
    prepare_heap(cpu);
    let doorbell = arch::doorbell_start();
    BARRIER.wait(cpus, patience(cpu, "for the other CPUs to boot"));
    time::synchronize(cpu);
    litmus::run(cpu, cpus);
    arch::interrupts_enable();
    if doorbell {
        crate::ivshmem::test(cpu);
    } else {
        println!("no doorbell device: this CPU polls");
    }
    BARRIER.wait(cpus, patience(cpu, "for the other CPUs' self-tests"));
    __fat_main(cpu);
    main_returned();
    task::run(cpu);
    arch::exit(0)
}

/// The contract that this code was compiled with is the one that the linker wrote.
fn check_image() {
    let header = image::header();
    assert!(
        header.magic == MAGIC && header.version == VERSION,
        "the image's note is not one of version {VERSION}"
    );
    assert_eq!(
        u64::from(header.gate_size),
        GATE_SIZE,
        "the linker's and the runtime's gates differ in size"
    );
    assert!(
        image::isas().len() <= crate::ISA_COUNT,
        "this runtime is built for {} ISAs",
        crate::ISA_COUNT
    );
    for isa in image::isas().iter().filter(|_| header.function_count > 0) {
        assert_ne!(isa.gates_phys, 0, "the gates of {} are nowhere", isa.name());
    }
}

#[cfg(target_os = "none")]
fn prepare_heap(cpu: Cpu) {
    static READY: AtomicU32 = AtomicU32::new(0);
    if cpu.index() == 0 {
        let end = fat_image::machine::SHARED_START + fat_image::machine::SHARED_SIZE;
        crate::heap::start(image::header().image_end as usize..end as usize);
        READY.store(1, Release);
    }
    let mut patience = patience(cpu, "for the first CPU to make the heap");
    while READY.load(Acquire) == 0 {
        patience();
        arch::relax();
    }
}

/// Says from time to time what this CPU waits for.
fn patience(cpu: Cpu, what: &'static str) -> impl FnMut() {
    const SECONDS: u64 = 10;
    let mut since = arch::clock();
    move || {
        let now = arch::clock();
        if now.wrapping_sub(since) > SECONDS * 1_000_000_000 {
            since = now;
            println!("{cpu} still waits {what}");
        }
    }
}
