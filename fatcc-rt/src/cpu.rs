//! The CPUs of the machine, and the record that each has in shared memory.
//!
//! There is one CPU per instruction set, so a CPU's index is the index of its instruction set in the image. Life of a
//! CPU; the arrows are functions:
//!
//! ```text
//!   reset ──_start──► boot code, no page tables ──arch start──► own page tables, gates work
//!         ──boot::start──► heap ready, doorbell ready ──barrier──► clocks agree, litmus passed
//!         ──barrier──► main ──boot::main_returned──► executor: task::run ⇄ asleep
//!         ──boot::finished──► exit
//! ```

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use crate::arch;
use crate::image;
use crate::sync::CacheAligned;
use crate::task::{RunQueue, Task, Timers};

/// Most CPUs that an image can have.
pub(crate) const MAX: usize = 4;

/// One CPU of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(u32);

impl Cpu {
    /// The CPU that runs this.
    pub fn current() -> Cpu {
        Cpu(arch::cpu_index() as u32)
    }

    /// All CPUs, in the order of the image's instruction sets.
    pub fn all() -> impl Iterator<Item = Cpu> {
        (0..image::isas().len() as u32).map(Cpu)
    }

    /// The CPU whose instruction set has this name, such as `x86_64`.
    pub fn of_isa(name: &str) -> Option<Cpu> {
        Cpu::all().find(|cpu| cpu.isa() == name)
    }

    /// Its place in [`Cpu::all`].
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Name of its instruction set.
    pub fn isa(self) -> &'static str {
        image::isas()[self.index()].name()
    }

    /// The CPU with this index; for numbers that come from [`Cpu::index`].
    pub(crate) fn from_index(index: usize) -> Cpu {
        debug_assert!(index < MAX);
        Cpu(index as u32)
    }

    /// What all CPUs know of it.
    pub(crate) fn record(self) -> &'static Record {
        &RECORDS[self.index()].0
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.isa())
    }
}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Cpu({})", self.isa())
    }
}

/// What all CPUs know of one CPU. Fields marked *own* are written by that CPU only.
pub(crate) struct Record {
    /// Own. Its id on the doorbell, plus one; zero while it has none.
    pub(crate) doorbell_id: AtomicU32,
    /// Own. Address of its doorbell device's registers, or zero.
    pub(crate) doorbell_registers: AtomicUsize,
    /// Doorbells rung from it.
    pub(crate) doorbells_sent: AtomicU64,
    /// Doorbells that interrupted it.
    pub(crate) doorbells_received: AtomicU64,
    /// It is asleep, or about to be: whoever clears this after giving it work must ring.
    pub(crate) sleeping: AtomicBool,
    /// Own. What to add to its clock for the time since boot; wraps.
    pub(crate) clock_offset: AtomicU64,
    /// Own. Open [sections without interrupts](crate::critical::Section).
    pub(crate) critical_depth: AtomicU32,
    /// Own. Interrupts were on before the first of them.
    pub(crate) critical_restores: AtomicBool,
    /// Own. The console is in the middle of a line.
    pub(crate) console_in_line: AtomicBool,
    /// Own. It reports a failure.
    pub(crate) panicking: AtomicBool,
    /// Own. The task that it runs, or null.
    pub(crate) current: AtomicPtr<Task>,
    /// Tasks that wait to be polled by it.
    pub(crate) queue: RunQueue,
    /// Wakers that wait for its clock.
    pub(crate) timers: Timers,
}

impl Record {
    const fn new() -> Record {
        Record {
            doorbell_id: AtomicU32::new(0),
            doorbell_registers: AtomicUsize::new(0),
            doorbells_sent: AtomicU64::new(0),
            doorbells_received: AtomicU64::new(0),
            sleeping: AtomicBool::new(false),
            clock_offset: AtomicU64::new(0),
            critical_depth: AtomicU32::new(0),
            critical_restores: AtomicBool::new(false),
            console_in_line: AtomicBool::new(false),
            panicking: AtomicBool::new(false),
            current: AtomicPtr::new(core::ptr::null_mut()),
            queue: RunQueue::new(),
            timers: Timers::new(),
        }
    }
}

static RECORDS: [CacheAligned<Record>; MAX] = [const { CacheAligned(Record::new()) }; MAX];
