//! The CPUs of the machine, and the record that each has in shared memory.
//!
//! There are one or more CPUs per instruction set. The CPUs of one instruction set are one machine with its own devices;
//! the first of them boots it and starts the others. The first CPUs of all instruction sets have the first indexes, in the
//! order of the image, then come the second ones, and so on. Life of a CPU; the arrows are functions:
//!
//! ```text
//!   reset ──_start──► boot code, no page tables ──arch start──► own page tables, gates work
//!         ──boot::start──► heap ready, doorbell ready ──barrier──► clocks agree, litmus passed
//!         ──barrier──► main ──boot::main_returned──► executor: task::run ⇄ asleep
//!         ──boot::finished──► exit
//!   online ──health::declare_offline──► offline, left things behind ──health::settle──► offline
//!   online ──health::resign (it panics)──► offline, left things behind
//!   offline ──health::restart──► joining ──boot::join──► online
//! ```

use alloc::string::ToString;
use core::fmt;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};

use fat_image::machine::ISAS;

use crate::arch;
use crate::atomic::{AtomicBool, const_fn};
use crate::call::Calls;
use crate::health::Watch;
use crate::image;
use crate::sync::{CacheAligned, Held};
use crate::task::{Habits, Registry, RunQueue, Task, Timers};

/// Most CPUs that a machine can have, of all instruction sets together.
pub const MAX: usize = fat_image::machine::CPUS;

/// One CPU of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(u32);

/// What a CPU has to do with its machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The first CPU of its instruction set, which has booted it. Interrupts of its devices come here.
    First,
    /// A further one.
    Worker,
}

/// Whether a CPU takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It has not booted yet, or not again.
    Booting,
    /// It runs tasks and takes calls.
    Online,
    /// It has failed or stopped answering.
    Offline,
}

/// The CPU that runs this.
///
/// ```
/// use fatcc_rt::{cpu, host};
///
/// host::run(2, |own| assert_eq!(cpu::current(), own));
/// ```
pub fn current() -> Cpu {
    Cpu::current()
}

/// All CPUs, by their indexes: the first CPU of each instruction set, in the order of the image, then the second ones.
///
/// ```
/// use fatcc_rt::cpu::{self, Role};
/// use fatcc_rt::host;
///
/// host::run(3, |_| {
///     let roles: Vec<Role> = cpu::all().map(|cpu| cpu.role()).collect();
///     assert_eq!(roles, [Role::First, Role::First, Role::Worker]);
/// });
/// ```
pub fn all() -> impl Iterator<Item = Cpu> {
    Cpu::all()
}

impl Cpu {
    /// As [`current`].
    pub fn current() -> Cpu {
        Cpu(arch::cpu_index() as u32)
    }

    /// As [`all`].
    pub fn all() -> impl Iterator<Item = Cpu> {
        (0..COUNT.load(Relaxed)).map(Cpu)
    }

    /// The first CPU whose instruction set has this name, such as `x86_64`.
    pub fn of_isa(name: &str) -> Option<Cpu> {
        Cpu::all().find(|cpu| cpu.isa() == name)
    }

    /// The CPU with this name: as it is displayed (`riscv64`, `riscv64.1`), its index, or `nic` for the one that has a
    /// network device.
    pub fn named(name: &str) -> Option<Cpu> {
        if name == "nic" {
            return crate::platform::network_cpu();
        }
        let index = name.parse().ok();
        Cpu::all().find(|cpu| index == Some(cpu.index()) || cpu.to_string() == name)
    }

    /// Its place in [`all`].
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Name of its instruction set.
    pub fn isa(self) -> &'static str {
        image::isas()[self.isa_index()].name()
    }

    /// The place of its instruction set in the image.
    pub fn isa_index(self) -> usize {
        self.record().isa.load(Relaxed) as usize
    }

    /// What it has to do with its machine.
    pub fn role(self) -> Role {
        match self.ordinal() {
            0 => Role::First,
            _ => Role::Worker,
        }
    }

    /// Whether it takes part.
    pub fn state(self) -> State {
        match self.record().state.load(Acquire) & STATE {
            ONLINE => State::Online,
            OFFLINE => State::Offline,
            _ => State::Booting,
        }
    }

    /// Whether it runs tasks and takes calls.
    pub fn is_online(self) -> bool {
        self.state() == State::Online
    }

    /// Whether it sleeps or is about to, at this moment: it has nothing to do, and a doorbell would wake it.
    pub fn is_asleep(self) -> bool {
        self.record().sleeping.load(Relaxed)
    }

    /// Its place among the CPUs of its instruction set.
    pub fn ordinal(self) -> usize {
        self.record().ordinal.load(Relaxed) as usize
    }

    /// The CPU with this index; for numbers that come from [`Cpu::index`].
    pub(crate) const fn from_index(index: usize) -> Cpu {
        debug_assert!(index < MAX);
        Cpu(index as u32)
    }

    /// The CPU at this place among those of an instruction set.
    pub(crate) fn at(isa: usize, ordinal: usize) -> Option<Cpu> {
        Cpu::all().find(|cpu| (cpu.isa_index(), cpu.ordinal()) == (isa, ordinal))
    }

    /// What all CPUs know of it.
    pub(crate) fn record(self) -> &'static Record {
        &RECORDS[self.index()].0
    }

    /// Lets all know that it takes part no more, and that `heir` settles what it has left. False if they know.
    pub(crate) fn go_offline(self, heir: Cpu) -> bool {
        let state = &self.record().state;
        let after = |before| (before & STATE != OFFLINE).then_some(OFFLINE | heir.as_heir());
        state.fetch_update(AcqRel, Acquire, after).is_ok()
    }

    /// Who settles what it has left behind, until that is done.
    pub(crate) fn heir(self) -> Option<Cpu> {
        let state = self.record().state.load(Acquire);
        (state >> HEIR).checked_sub(1).map(Cpu)
    }

    /// Makes `heir` the heir if `before` is. False if it is not.
    pub(crate) fn inherit(self, before: Cpu, heir: Cpu) -> bool {
        let [from, to] = [before, heir].map(|cpu| OFFLINE | cpu.as_heir());
        let state = &self.record().state;
        state.compare_exchange(from, to, AcqRel, Acquire).is_ok()
    }

    /// Nothing is left to settle.
    pub(crate) fn settled(self) {
        self.record().state.store(OFFLINE, Release);
    }

    /// What it signs with: three bytes, other ones after each restart, and never 0.
    pub(crate) fn signature(self) -> u32 {
        const LAST: u32 = (1 << 24) / MAX as u32 - 2;
        let restarts = self.record().restarts.load(Relaxed) % LAST;
        restarts * MAX as u32 + self.0 + 1
    }

    fn as_heir(self) -> u32 {
        (self.0 + 1) << HEIR
    }

    /// Lets all know that it takes part.
    pub(crate) fn go_online(self) {
        // Whoever has watched it before begins anew.
        let beats = &self.record().beats;
        beats.store(beats.load(Relaxed).wrapping_add(1), Relaxed);
        self.record().state.store(ONLINE, Release);
    }

    /// Whoever gets true starts it again: it was offline, and nothing is left to settle.
    pub(crate) fn begin_to_join(self) -> bool {
        let state = &self.record().state;
        state
            .compare_exchange(OFFLINE, JOINING, AcqRel, Relaxed)
            .is_ok()
    }

    /// Makes the record that its predecessor has left its own. Called by the CPU itself, when nothing of that runs any more.
    #[cfg(target_os = "none")]
    pub(crate) fn take_over_record(self) {
        let record = self.record();
        record.starts_anew.store(0, Relaxed);
        record.sleeping.store(false, Relaxed);
        record.critical_depth.store(0, Relaxed);
        record.panicking.store(false, Relaxed);
        record.in_interrupt.store(false, Relaxed);
        record.attempt.store(core::ptr::null_mut(), Relaxed);
        record.current.store(core::ptr::null_mut(), Relaxed);
        record.calls.forget();
        record.restarts.fetch_add(1, Relaxed);
    }

    /// Whether it joins others that run already.
    pub(crate) fn is_joining(self) -> bool {
        self.record().state.load(Acquire) == JOINING
    }
}

/// The first of an instruction set by the set's name, further ones with a number behind it: `x86_64`, `x86_64.1`.
impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.ordinal() {
            0 => f.pad(self.isa()),
            ordinal => write!(f, "{}.{ordinal}", self.isa()),
        }
    }
}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Cpu({self})")
    }
}

/// Number of CPUs.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Gives each CPU its index; `counts` has the number of CPUs of each instruction set. Every CPU may call it, at boot and
/// with the same numbers.
pub(crate) fn configure(counts: [u32; ISAS]) {
    let mut index = 0;
    for ordinal in 0..MAX as u32 {
        for (isa, _) in (0u32..).zip(counts).filter(|(_, count)| ordinal < *count) {
            let Some(record) = RECORDS.get(index as usize) else {
                break;
            };
            record.isa.store(isa, Relaxed);
            record.ordinal.store(ordinal, Relaxed);
            index += 1;
        }
    }
    COUNT.store(index, Relaxed);
}

/// A value for each CPU, on cache lines of its own.
///
/// ```
/// use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use fatcc_rt::cpu::{self, MAX, PerCpu};
/// use fatcc_rt::host;
/// use fatcc_rt::sync::CacheAligned;
///
/// static CALLS: PerCpu<AtomicU64> =
///     PerCpu::new([const { CacheAligned(AtomicU64::new(0)) }; MAX]);
///
/// host::run(2, |_| {
///     CALLS.own().fetch_add(1, Relaxed);
/// });
/// let calls: u64 = CALLS.all().map(|calls| calls.load(Relaxed)).sum();
/// assert_eq!(calls, 2);
/// ```
#[derive(Debug)]
pub struct PerCpu<T>([CacheAligned<T>; MAX]);

impl<T> PerCpu<T> {
    /// With these values, by the CPUs' indexes.
    pub const fn new(values: [CacheAligned<T>; MAX]) -> PerCpu<T> {
        PerCpu(values)
    }

    /// That of the CPU which runs this. A task that awaits something may be on another CPU behind it.
    pub fn own(&self) -> &T {
        self.of(Cpu::current())
    }

    /// That of `cpu`.
    pub fn of(&self, cpu: Cpu) -> &T {
        &self.0[cpu.index()].0
    }

    /// Those of all CPUs, by their indexes.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        Cpu::all().map(|cpu| self.of(cpu))
    }
}

impl<T: Default> Default for PerCpu<T> {
    fn default() -> PerCpu<T> {
        PerCpu(Default::default())
    }
}

// States of a CPU, in its record: the lowest byte, and for one that is offline who settles what it has left, plus one.
const ONLINE: u32 = 1;
const OFFLINE: u32 = 2;
const JOINING: u32 = 3;
const STATE: u32 = 0xff;
const HEIR: u32 = 8;

/// What all CPUs know of one CPU. Fields marked *own* are written by that CPU only. What is written again and again has cache
/// lines of its own: the others look at the rest whenever they want something of this CPU, or have nothing to do.
pub(crate) struct Record {
    /// Index of its instruction set in the image.
    pub(crate) isa: AtomicU32,
    /// Its place among the CPUs of its instruction set.
    ordinal: AtomicU32,
    /// How often it was started again.
    restarts: AtomicU32,
    /// [`State`] as a number; 0 while it boots. And its heir.
    state: AtomicU32,
    /// Not 0: it is to start anew, and has not begun. It takes the request away when it begins.
    pub(crate) starts_anew: AtomicU32,
    /// Own. Its machine's id on the doorbell, plus one; zero while it has none.
    pub(crate) doorbell_id: AtomicU32,
    /// Doorbells rung from it.
    pub(crate) doorbells_sent: AtomicU64,
    /// Doorbells that interrupted it.
    pub(crate) doorbells_received: AtomicU64,
    /// It is asleep, or about to be: whoever clears this after giving it work must ring.
    pub(crate) sleeping: AtomicBool,
    /// When it falls asleep.
    pub(crate) habits: Habits,
    /// Own. What to add to its clock for the time since boot; wraps.
    pub(crate) clock_offset: AtomicU64,
    /// Own, of a first CPU. Nanoseconds that `clock_offset` may be wrong.
    pub(crate) clock_error: AtomicU64,
    /// Own. Open [sections without interrupts](crate::critical::Section).
    pub(crate) critical_depth: CacheAligned<AtomicU32>,
    /// Own. Interrupts were on before the first of them.
    pub(crate) critical_restores: CacheAligned<AtomicBool>,
    /// Own. It reports a failure.
    pub(crate) panicking: AtomicBool,
    /// Own. It handles an interrupt.
    pub(crate) in_interrupt: AtomicBool,
    /// Own. The innermost [attempt](crate::attempt), or null.
    #[cfg(target_os = "none")]
    pub(crate) attempt: CacheAligned<AtomicPtr<crate::attempt::Frame>>,
    /// Own. A stack that it keeps for the next attempt, or 0.
    #[cfg(target_os = "none")]
    pub(crate) spare_stack: CacheAligned<AtomicU32>,
    /// Own. Its `main` has returned.
    pub(crate) returned: AtomicBool,
    /// Own. Changes as long as it answers.
    pub(crate) beats: AtomicU64,
    /// Own. Of another CPU.
    pub(crate) watch: Watch,
    /// Calls that it is to serve.
    pub(crate) calls: CacheAligned<Calls>,
    /// Tasks that were spawned on it.
    pub(crate) tasks: CacheAligned<Registry>,
    /// Own. The task that it runs, or null.
    pub(crate) current: CacheAligned<AtomicPtr<Task>>,
    /// Own. The locks that it has, or waits for.
    pub(crate) locks: CacheAligned<Held>,
    /// Tasks that wait to be polled by it.
    pub(crate) queue: CacheAligned<RunQueue>,
    /// Wakers that wait for its clock.
    pub(crate) timers: Timers,
}

impl Record {
    const_fn! {
    fn new() -> Record {
        Record {
            isa: AtomicU32::new(0),
            ordinal: AtomicU32::new(0),
            restarts: AtomicU32::new(0),
            state: AtomicU32::new(0),
            starts_anew: AtomicU32::new(0),
            doorbell_id: AtomicU32::new(0),
            doorbells_sent: AtomicU64::new(0),
            doorbells_received: AtomicU64::new(0),
            sleeping: AtomicBool::new(false),
            habits: Habits::new(),
            clock_offset: AtomicU64::new(0),
            clock_error: AtomicU64::new(0),
            critical_depth: CacheAligned(AtomicU32::new(0)),
            critical_restores: CacheAligned(AtomicBool::new(false)),
            panicking: AtomicBool::new(false),
            in_interrupt: AtomicBool::new(false),
            #[cfg(target_os = "none")]
            attempt: CacheAligned(AtomicPtr::new(core::ptr::null_mut())),
            #[cfg(target_os = "none")]
            spare_stack: CacheAligned(AtomicU32::new(0)),
            returned: AtomicBool::new(false),
            beats: AtomicU64::new(0),
            watch: Watch::new(),
            calls: CacheAligned(Calls::new()),
            tasks: CacheAligned(Registry::new()),
            current: CacheAligned(AtomicPtr::new(core::ptr::null_mut())),
            locks: CacheAligned(Held::new()),
            queue: CacheAligned(RunQueue::new()),
            timers: Timers::new(),
        }
    }
    }
}

#[cfg(not(loom))]
static RECORDS: [CacheAligned<Record>; MAX] = [const { CacheAligned(Record::new()) }; MAX];
#[cfg(loom)]
loom::lazy_static! {
    static ref RECORDS: [CacheAligned<Record>; MAX] =
        core::array::from_fn(|_| CacheAligned(Record::new()));
}
