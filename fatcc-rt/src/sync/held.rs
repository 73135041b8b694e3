//! The locks that each CPU holds or waits for, so that they can be taken back from code that will never release them.
//!
//! A CPU notes a lock before it asks for it and strikes it out after it has released it, so this list has every lock
//! whose [word](super::word) names the CPU, at any moment at which it may die; an entry whose lock does not name it means
//! nothing. The list is written by its own CPU, with interrupts off; after the CPU's end, by whoever reports that.
//!
//! Use by whoever runs code that may fail, and abandons its stack:
//!
//! ```text
//!   let mark = held::mark();          run it          it failed: held::abandon(Cpu::current(), mark, report)
//!   a CPU is dead: held::abandon(cpu, Mark::ALL, report)
//! ```

use core::fmt;
use core::panic::Location;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
// These are never where CPUs compete.
use core::sync::atomic::{AtomicPtr, AtomicU32};

use super::raw::RawLock;
use crate::cpu::Cpu;

/// Most locks that a CPU may hold at once.
const MOST: usize = 16;

/// The list of one CPU.
pub(crate) struct Held {
    count: AtomicU32,
    entries: [Entry; MOST],
}

struct Entry {
    lock: AtomicPtr<RawLock>,
    /// Where it was taken.
    place: AtomicPtr<Location<'static>>,
}

impl Held {
    pub(crate) const fn new() -> Held {
        Held {
            count: AtomicU32::new(0),
            entries: [const {
                Entry {
                    lock: AtomicPtr::new(null_mut()),
                    place: AtomicPtr::new(null_mut()),
                }
            }; MOST],
        }
    }

    /// Number of locks noted.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    #[cfg(not(target_os = "none"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    /// Notes `lock`, for which the caller asks next.
    pub(crate) fn push(&self, lock: &RawLock, place: &'static Location<'static>) {
        let count = self.count.load(Relaxed) as usize;
        assert!(count < MOST, "this CPU holds {MOST} locks already");
        let entry = &self.entries[count];
        entry.lock.store((&raw const *lock).cast_mut(), Relaxed);
        entry.place.store((&raw const *place).cast_mut(), Relaxed);
        self.count.store(count as u32 + 1, Release);
    }

    /// Strikes out the last entry of `lock`, which the caller has released.
    pub(crate) fn remove(&self, lock: &RawLock) {
        let count = self.count.load(Relaxed) as usize;
        let Some(place) = (0..count).rev().find(|place| self.is_at(*place, lock)) else {
            return;
        };
        // A moment with one entry twice is harmless, one without it is not.
        for index in place + 1..count {
            let (to, from) = (&self.entries[index - 1], &self.entries[index]);
            to.lock.store(from.lock.load(Relaxed), Relaxed);
            to.place.store(from.place.load(Relaxed), Relaxed);
        }
        self.count.store(count as u32 - 1, Release);
    }

    /// How often `lock` is noted.
    pub(crate) fn count_of(&self, lock: &RawLock) -> usize {
        let count = self.count.load(Acquire) as usize;
        (0..count).filter(|place| self.is_at(*place, lock)).count()
    }

    /// Where `lock` was taken last.
    pub(crate) fn place_of(&self, lock: &RawLock) -> Option<&'static Location<'static>> {
        let count = self.count.load(Acquire) as usize;
        let place = (0..count).rev().find(|place| self.is_at(*place, lock))?;
        self.entries[place].place()
    }

    fn is_at(&self, place: usize, lock: &RawLock) -> bool {
        core::ptr::eq(self.entries[place].lock.load(Relaxed), lock)
    }
}

impl Entry {
    fn place(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or stored from such a reference.
        unsafe { self.place.load(Relaxed).as_ref() }
    }
}

/// A CPU at its locks.
pub(crate) struct Locker<'a> {
    /// Its number in the locks' words.
    pub(crate) cpu: u32,
    pub(crate) held: &'a Held,
}

/// Calls `act` with this CPU at its locks. Interrupts are off.
#[cfg(any(target_os = "none", loom))]
pub(crate) fn with_locker<R>(act: impl FnOnce(Locker) -> R) -> R {
    let cpu = Cpu::current();
    act(Locker {
        cpu: cpu.index() as u32,
        held: &cpu.record().locks,
    })
}

#[cfg(not(any(target_os = "none", loom)))]
pub(crate) use crate::arch::with_locker;

/// Whether this CPU leaves functions by a panic: never where nothing unwinds.
pub(crate) fn unwinding() -> bool {
    #[cfg(target_os = "none")]
    return false;
    #[cfg(not(target_os = "none"))]
    std::thread::panicking()
}

/// A moment in the life of a CPU: which locks it held then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(u32);

impl Mark {
    /// Before all.
    pub(crate) const ALL: Mark = Mark(0);
}

/// The locks that this CPU holds now are older than the result.
#[cfg_attr(
    not(target_os = "none"),
    allow(dead_code, reason = "the host unwinds instead")
)]
pub(crate) fn mark() -> Mark {
    with_locker(|locker| Mark(locker.held.count.load(Relaxed)))
}

/// What [`abandon`] took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// Address of the lock.
    pub lock: usize,
    /// Where it was taken.
    pub taken_at: Option<&'static Location<'static>>,
    /// It was held for writing, so its value is poisoned now.
    pub poisoned: bool,
}

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "the lock at {:#x}", self.lock)?;
        if let Some(place) = self.taken_at {
            write!(f, ", taken at {place},")?;
        }
        f.write_str(if self.poisoned {
            " is poisoned"
        } else {
            " is released"
        })
    }
}

/// Takes all locks that `cpu` took after `since` away from it, poisons what it may have left half written, lets those
/// who wait go on, and reports each lock that it had. `cpu` is this CPU, whose code of that time will never run again, or
/// one that runs no more.
pub(crate) fn abandon(cpu: Cpu, since: Mark, report: impl FnMut(Abandoned)) {
    if cpu == Cpu::current() {
        with_locker(|locker| take_back(&locker, since, report));
    } else {
        let locker = Locker {
            cpu: cpu.index() as u32,
            held: &cpu.record().locks,
        };
        take_back(&locker, since, report);
    }
}

fn take_back(locker: &Locker, Mark(since): Mark, mut report: impl FnMut(Abandoned)) {
    let held = locker.held;
    loop {
        let count = held.count.load(Acquire);
        if count <= since {
            return;
        }
        let entry = &held.entries[count as usize - 1];
        // SAFETY: a lock that is noted exists: its guard was never dropped, and the memory of abandoned code is not
        // used again before its locks were taken back.
        let lock = unsafe { &*entry.lock.load(Relaxed) };
        // What it reads twice is its own until the older entry goes.
        let had = match held.count_of(lock) {
            1 => lock.take_from(locker.cpu),
            _ => None,
        };
        let taken_at = entry.place();
        held.count.store(count - 1, Release);
        if let Some(poisoned) = had {
            report(Abandoned {
                lock: (&raw const *lock).addr(),
                taken_at,
                poisoned,
            });
        }
    }
}
