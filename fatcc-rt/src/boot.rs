//! The part of the boot that is the same on all CPUs, what the run was started with, and the end of the run.
//!
//! `arch` calls [`start`] on each CPU when its own page tables, traps and clock work. All CPUs' hardware starts at about
//! the same time and the image is in memory before either does; the first CPU makes the heap, the others wait for it,
//! and barriers separate the steps that need all CPUs.

mod parameters;

pub use parameters::{parameter, parameters};

use core::sync::atomic::Ordering::{Acquire, Release, SeqCst};

use fat_image::machine::{ISAS, Parameters};
use fat_image::{GATE_SIZE, MAGIC, VERSION};

use crate::atomic::{AtomicU32, const_fn};
use crate::cpu::{self, Cpu};
use crate::{arch, image, println, task};
#[cfg(target_os = "none")]
use crate::{attempt, litmus, time};

/// What every CPU passes before one goes on.
pub(crate) struct Barrier {
    arrived: AtomicU32,
    /// How often all have arrived.
    passed: AtomicU32,
}

impl Barrier {
    const_fn! {
        pub(crate) fn new() -> Barrier {
            Barrier {
                arrived: AtomicU32::new(0),
                passed: AtomicU32::new(0),
            }
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

#[cfg(target_os = "none")]
static BARRIER: Barrier = Barrier::new();

/// Notes that this CPU's `main` has returned.
pub(crate) fn main_returned() {
    Cpu::current().record().returned.store(true, SeqCst);
}

/// Whether there will never be anything to do again: every `main` has returned, or its CPU is
/// offline, and no task is left.
pub(crate) fn finished() -> bool {
    let returned =
        |cpu: Cpu| cpu.record().returned.load(SeqCst) || cpu.state() == cpu::State::Offline;
    // In this order: a `main` that has not returned may spawn a task, and return, behind a look at the tasks.
    Cpu::all().all(returned) && task::live() == 0
}

/// Before a run on the host, where statics outlive it.
#[cfg(not(target_os = "none"))]
pub(crate) fn reset() {
    crate::health::reset();
    task::forget_unseen();
    Cpu::all().for_each(|cpu| cpu.record().returned.store(false, SeqCst));
}

/// Status of a run in which a task has panicked, and nobody has seen it.
#[cfg(target_os = "none")]
const FAILED: u8 = 101;

/// Gives this CPU, of the instruction set with index `isa` in the image, its index. Needs no page tables.
#[cfg_attr(
    not(target_os = "none"),
    allow(dead_code, reason = "threads have no reset")
)]
pub(crate) fn identify(isa: usize, ordinal: usize) -> Option<Cpu> {
    // SAFETY: the runner has written it before any CPU ran; any bytes are good, and nobody writes them now.
    let parameters = unsafe { (Parameters::ADDRESS as *const Parameters).read_volatile() };
    let mut counts = [0; ISAS];
    for (isa, count) in counts.iter_mut().enumerate() {
        if isa < image::Image::this().isas().len() {
            *count = match parameters.magic {
                Parameters::MAGIC => parameters.cpus[isa],
                _ => 1,
            };
        }
    }
    cpu::configure(counts);
    Cpu::at(isa, ordinal)
}

/// From here on all CPUs do the same, but that the first one of an instruction set starts the others. Interrupts are off.
#[cfg(target_os = "none")]
pub(crate) fn start() -> ! {
    unsafe extern "Rust" {
        /// Defined by [`main!`](crate::main).
        safe fn __fat_main(cpu: Cpu);
    }
    let cpu = Cpu::current();
    if cpu.is_joining() {
        join(cpu);
    }
    check_image();
    let cpus = Cpu::all().count() as u32;
    prepare_heap(cpu);
    let doorbell = match cpu.role() {
        cpu::Role::First => {
            let doorbell = arch::doorbell_start();
            arch::start_others();
            doorbell
        }
        cpu::Role::Worker => arch::doorbell_join(),
    };
    crate::platform::find_network_device();
    BARRIER.wait(cpus, patience(cpu, "for the other CPUs to boot"));
    time::synchronize(cpu);
    litmus::run(cpu, cpus);
    time::adopt(cpu);
    arch::interrupts_enable();
    if doorbell {
        crate::ivshmem::test(cpu);
    } else {
        println!("no doorbell device: this CPU polls");
    }
    if cpu.index() == 0 {
        crate::placed::place_by_parameters();
    }
    cpu.go_online();
    BARRIER.wait(cpus, patience(cpu, "for the other CPUs' self-tests"));
    __fat_main(cpu);
    main_returned();
    run(cpu)
}

/// Takes the place of a CPU that has died. Time and memory are there, and `main` was called. It is on the stack for faults: what
/// was on the one that it has booted on may still be borrowed.
#[cfg(target_os = "none")]
fn join(cpu: Cpu) -> ! {
    cpu.take_over_record();
    arch::doorbell_join();
    main_returned();
    arch::interrupts_enable();
    cpu.go_online();
    attempt::on_new_stack(|| run(cpu))
}

#[cfg(target_os = "none")]
fn run(cpu: Cpu) -> ! {
    task::run(cpu);
    if !cpu.is_online() {
        arch::stop();
    }
    arch::exit(if task::unseen() == 0 { 0 } else { FAILED })
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
        let end = fat_image::machine::STACKS_START;
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
