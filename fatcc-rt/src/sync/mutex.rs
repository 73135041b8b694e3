//! A lock that keeps interrupts of the own CPU off while it is held, and that goes from hand to hand in turn.
//!
//! A CPU takes no interrupt from before it asks for the lock until after it has unlocked, so an interrupt handler may
//! lock too. Waiting for a lock that the own CPU holds can never end and panics. How it is taken back from a CPU that
//! fails is described in [`held`](super::held).

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::poison::{self, Poisoned};
use super::raw::{Exclusive, RawLock};
use crate::atomic::{MutPtr, UnsafeCell, const_fn};
use crate::cpu::Cpu;

/// A value that one CPU at a time has. Keep it short: the CPU takes no interrupts meanwhile.
///
/// If code panics while it has the value, or its CPU stops, the mutex is *poisoned*: whoever locks it next panics too, or
/// is told by [`lock_or_poisoned`](Mutex::lock_or_poisoned).
///
/// ```
/// use fatcc_rt::sync::Mutex;
///
/// static SUM: Mutex<u64> = Mutex::new(40);
/// *SUM.lock() += 2;
/// assert_eq!(*SUM.lock(), 42);
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through a guard, and there is one guard at a time.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    const_fn! {
        /// Unlocked.
        pub fn new(value: T) -> Mutex<T> {
            Mutex {
                raw: RawLock::new(),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// The value, be it poisoned or not.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    ///
    /// # Panics
    /// If this CPU has the lock already, or if the mutex is poisoned; the message names who held it when it failed.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        poison::expect(self.lock_or_poisoned())
    }

    /// Waits for the lock, and says if the value is to be trusted.
    ///
    /// ```
    /// use fatcc_rt::sync::Mutex;
    ///
    /// static LIST: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    /// let failing = std::thread::spawn(|| {
    ///     LIST.lock().push(1);
    ///     let _held = LIST.lock();
    ///     panic!("in the middle");
    /// });
    /// assert!(failing.join().is_err());
    ///
    /// let mut list = match LIST.lock_or_poisoned() {
    ///     Ok(list) => list,
    ///     Err(poisoned) => {
    ///         let mut list = poisoned.into_inner();
    ///         list.clear();
    ///         LIST.clear_poison();
    ///         list
    ///     }
    /// };
    /// list.push(2);
    /// drop(list);
    /// assert_eq!(*LIST.lock(), [2]);
    /// ```
    ///
    /// # Errors
    /// If the mutex is poisoned. The guard is in the error.
    ///
    /// # Panics
    /// If this CPU has the lock already.
    #[track_caller]
    pub fn lock_or_poisoned(&self) -> Result<MutexGuard<'_, T>, Poisoned<MutexGuard<'_, T>>> {
        self.guard(self.raw.write())
    }

    /// The lock, if it is free.
    ///
    /// # Panics
    /// If the mutex is poisoned.
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        Some(poison::expect(self.guard(self.raw.try_write()?)))
    }

    /// Waits for the lock of a value that `mend` can make whole again, whatever a CPU that died has left half written.
    #[track_caller]
    pub(crate) fn lock_mended(&self, mend: impl FnOnce(&mut T)) -> MutexGuard<'_, T> {
        self.lock_or_poisoned().unwrap_or_else(|poisoned| {
            let mut guard = poisoned.into_inner();
            mend(&mut guard);
            self.clear_poison();
            guard
        })
    }

    /// Who held it when it failed, if it is poisoned.
    pub fn poisoned_by(&self) -> Option<Cpu> {
        self.raw.failed()
    }

    /// The value was mended: the mutex is as before.
    pub fn clear_poison(&self) {
        self.raw.clear_failed();
    }

    /// The value, which nobody else can have, be it poisoned or not.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `self` is borrowed mutably for as long as the result.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    fn guard<'a>(
        &'a self,
        lock: Exclusive<'a>,
    ) -> Result<MutexGuard<'a, T>, Poisoned<MutexGuard<'a, T>>> {
        let failed = lock.failed();
        let value = self.value.get_mut();
        poison::check(MutexGuard { value, _lock: lock }, failed)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Some(lock) = self.raw.try_write() else {
            return f.write_str("Mutex(held)");
        };
        match self.guard(lock) {
            Ok(guard) => f.debug_tuple("Mutex").field(&&*guard).finish(),
            Err(poisoned) => write!(f, "Mutex(poisoned by {})", poisoned.by()),
        }
    }
}

/// Having one means having the value, and that this CPU takes no interrupts. It is not `Send`, so a spawned task cannot
/// hold it over an `await`.
pub struct MutexGuard<'a, T: ?Sized> {
    value: MutPtr<T>,
    // Dropped last: the value is not touched after the lock is free.
    _lock: Exclusive<'a>,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one, and borrowed. Shared references may be many.
        self.value.with(|value| unsafe { &*value })
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only one, and borrowed mutably.
        unsafe { self.value.deref() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        (**self).fmt(f)
    }
}
