//! A ticket lock that keeps interrupts of the own CPU off while it is held.
//!
//! ```text
//!   next == serving: free          lock: takes ticket `next`, waits until it is served
//!   next >  serving: held, next - serving - 1 CPUs wait; served in order      drop: serving += 1
//! ```
//!
//! A CPU takes no interrupt from before it takes its ticket until after it has unlocked, so an interrupt handler may
//! lock too. Waiting for a lock that the own CPU holds can never end and panics.

use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::arch;
use crate::cpu::Cpu;
use crate::critical::Section;

const NOBODY: u32 = u32::MAX;

/// A value that one CPU at a time has. Keep it short: the CPU takes no interrupts meanwhile.
pub struct Mutex<T: ?Sized> {
    next: AtomicU32,
    serving: AtomicU32,
    /// Index of the CPU that holds it.
    holder: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through a guard, and there is one guard at a time.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// Unlocked.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            holder: AtomicU32::new(NOBODY),
            value: UnsafeCell::new(value),
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let section = Section::enter();
        let ticket = self.next.fetch_add(1, Relaxed);
        while self.serving.load(Acquire) != ticket {
            if arch::LOCAL_INTERRUPTS && self.holder.load(Relaxed) == Cpu::current().index() as u32
            {
                panic!("deadlock: this CPU waits for a lock that it holds");
            }
            arch::relax();
        }
        self.guard(section)
    }

    /// The lock, if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let section = Section::enter();
        let serving = self.serving.load(Acquire);
        let taken = self
            .next
            .compare_exchange(serving, serving.wrapping_add(1), Acquire, Relaxed);
        taken.ok().map(|_| self.guard(section))
    }

    /// The value, which nobody else can have.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    fn guard(&self, section: Section) -> MutexGuard<'_, T> {
        self.holder.store(Cpu::current().index() as u32, Relaxed);
        MutexGuard {
            mutex: self,
            _section: section,
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_tuple("Mutex").field(&&*guard).finish(),
            None => f.write_str("Mutex(held)"),
        }
    }
}

/// Having one means having the value, and that this CPU takes no interrupts. It is not `Send`, so a spawned task cannot
/// hold it over an `await`.
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    // Dropped after `drop` below has unlocked.
    _section: Section,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only one, and borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.holder.store(NOBODY, Relaxed);
        // Only the holder changes `serving`.
        let served = self.mutex.serving.load(Relaxed).wrapping_add(1);
        self.mutex.serving.store(served, Release);
    }
}
