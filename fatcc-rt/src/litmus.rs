//! A test, at every boot, of what all else rests on: that atomics are atomic between the CPUs, and fences fences.
//!
//! Between two emulators this holds only if both are set up for it: with single-threaded translation one in twenty
//! increments was lost. Three tests, run by all CPUs at once:
//!
//! - *add*: each CPU increments one counter; none may be lost.
//! - *lock*: each CPU increments a plain counter under a swap lock; none may be lost.
//! - *store buffering*: `x = 1; fence; r = y` against `y = 1; fence; s = x`; `r == 0 && s == 0` must not be seen.

use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU32, fence};

use crate::arch;
use crate::boot::Barrier;
use crate::cpu::Cpu;
use crate::sync::{CacheAligned, Once};

/// Increments per CPU, of both counters.
const ADDS: u32 = if cfg!(miri) { 200 } else { 20_000 };
/// Rounds of store buffering, if time allows.
const ROUNDS: u32 = if cfg!(miri) { 50 } else { 5_000 };
/// Nanoseconds for store buffering: where CPUs share a core of the host, a round takes a time slice.
const TIME: u64 = 200_000_000;

/// What the test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Increments by all CPUs, of each counter.
    pub adds: u32,
    /// Increments by atomic addition that were lost.
    pub lost_adds: u32,
    /// Increments under the swap lock that were lost.
    pub lost_in_lock: u32,
    /// Rounds of store buffering.
    pub rounds: u32,
    /// Rounds in which both CPUs missed the other's store.
    pub reordered: u32,
}

impl Outcome {
    /// Whether the machine can run fat images.
    pub fn passed(&self) -> bool {
        self.lost_adds == 0 && self.lost_in_lock == 0 && self.reordered == 0
    }
}

struct Counter(UnsafeCell<u32>);

// SAFETY: only touched under `LOCK`, or after all are done with it.
unsafe impl Sync for Counter {}

static BARRIER: Barrier = Barrier::new();
static ADDED: CacheAligned<AtomicU32> = CacheAligned(AtomicU32::new(0));
static LOCK: CacheAligned<AtomicBool> = CacheAligned(AtomicBool::new(false));
static LOCKED: CacheAligned<Counter> = CacheAligned(Counter(UnsafeCell::new(0)));
static STORES: [CacheAligned<AtomicU32>; 2] = [const { CacheAligned(AtomicU32::new(0)) }; 2];
static SEEN: [CacheAligned<AtomicU32>; 2] = [const { CacheAligned(AtomicU32::new(0)) }; 2];
static STOP: AtomicBool = AtomicBool::new(false);
static OUTCOME: Once<Outcome> = Once::new();

/// What the test at boot has found; `None` before that.
pub fn result() -> Option<Outcome> {
    OUTCOME.get().copied()
}

/// The test; called by all CPUs. Panics on all of them if it fails.
pub(crate) fn run(cpu: Cpu, cpus: u32) {
    meet(cpus);
    for _ in 0..ADDS {
        ADDED.fetch_add(1, Relaxed);
    }
    meet(cpus);
    for _ in 0..ADDS {
        add_in_lock();
    }
    meet(cpus);
    let (rounds, reordered) = store_buffering(cpu.index(), cpus);
    if cpu.index() == 0 {
        let adds = ADDS * cpus;
        // SAFETY: all CPUs have met since they touched it.
        let locked = unsafe { *LOCKED.0.0.get() };
        let lost_adds = adds - ADDED.load(Relaxed);
        OUTCOME.call_once(|| Outcome {
            adds,
            lost_adds,
            lost_in_lock: adds - locked,
            rounds,
            reordered,
        });
    }
    meet(cpus);
    let Some(outcome) = result() else {
        unreachable!("the first CPU has stored it")
    };
    assert!(
        outcome.passed(),
        "this machine's atomics are not atomic between its CPUs: {outcome:?}. Both emulators need multi-threaded \
         translation and more than one possible CPU each (-accel tcg,thread=multi, -smp maxcpus=2), and no -icount"
    );
}

fn meet(cpus: u32) {
    BARRIER.wait(cpus, || ());
}

fn add_in_lock() {
    while LOCK.swap(true, Acquire) {
        arch::relax();
    }
    // SAFETY: under the lock. Volatile, so that it is a load and a store of its own.
    unsafe {
        LOCKED
            .0
            .0
            .get()
            .write_volatile(LOCKED.0.0.get().read_volatile() + 1)
    };
    LOCK.store(false, Release);
}

/// Number of rounds, and number of those that must not be.
fn store_buffering(own: usize, cpus: u32) -> (u32, u32) {
    let start = arch::clock();
    let (mut rounds, mut reordered) = (0, 0);
    while cpus > 1 && !STOP.load(Acquire) {
        if let Some(store) = STORES.get(own) {
            store.store(0, Relaxed);
        }
        meet(cpus);
        if own < 2 {
            STORES[own].store(1, Relaxed);
            fence(SeqCst);
            SEEN[own].store(STORES[1 - own].load(Relaxed), Relaxed);
        }
        meet(cpus);
        rounds += 1;
        if own == 0 {
            reordered += u32::from(SEEN[0].load(Relaxed) == 0 && SEEN[1].load(Relaxed) == 0);
            STOP.store(
                rounds == ROUNDS || arch::clock().wrapping_sub(start) > TIME,
                Release,
            );
        }
        meet(cpus);
    }
    (rounds, reordered)
}

#[cfg(test)]
mod tests {
    #[test]
    fn passes_on_threads() {
        crate::arch::run_cpus(3, |cpu| super::run(cpu, 3));
        let outcome = super::result().unwrap();
        assert!(outcome.passed() && outcome.rounds > 0, "{outcome:?}");
    }
}
