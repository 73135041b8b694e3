//! A lock that many CPUs may have for reading, or one for writing.
//!
//! As with the [mutex](super::mutex), the own CPU takes no interrupts while it has the lock, either way. Readers and
//! writers alternate while both wait: neither starves. A CPU that reads may read again, be a writer waiting or not.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::poison::{self, Poisoned};
use super::raw::{Exclusive, RawLock, Shared};
use crate::atomic::{ConstPtr, MutPtr, UnsafeCell, const_fn};
use crate::cpu::Cpu;

/// A value that many CPUs read, or one writes. Keep it short: the CPU takes no interrupts meanwhile.
///
/// It is poisoned, as a [`Mutex`](super::Mutex) is, by code that fails while it writes; readers poison nothing.
///
/// ```
/// use fatcc_rt::sync::RwLock;
///
/// static ROUTES: RwLock<Vec<&str>> = RwLock::new(Vec::new());
/// ROUTES.write().push("/");
/// let (first, second) = (ROUTES.read(), ROUTES.read());
/// assert_eq!(*first, *second);
/// assert!(ROUTES.try_write().is_none());
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through guards: many that read, or one that writes.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: as above; readers share `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

type WriteResult<'a, T> = Result<RwLockWriteGuard<'a, T>, Poisoned<RwLockWriteGuard<'a, T>>>;
type ReadResult<'a, T> = Result<RwLockReadGuard<'a, T>, Poisoned<RwLockReadGuard<'a, T>>>;

impl<T> RwLock<T> {
    const_fn! {
        /// Unlocked.
        pub fn new(value: T) -> RwLock<T> {
            RwLock {
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

impl<T: ?Sized> RwLock<T> {
    /// Waits until nobody writes.
    ///
    /// # Panics
    /// If this CPU writes, or if the lock is poisoned; the message names who held it when it failed.
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        poison::expect(self.read_or_poisoned())
    }

    /// Waits until nobody writes, and says if the value is to be trusted.
    ///
    /// # Errors
    /// If the lock is poisoned. The guard is in the error.
    ///
    /// # Panics
    /// If this CPU writes.
    #[track_caller]
    pub fn read_or_poisoned(&self) -> ReadResult<'_, T> {
        self.read_guard(self.raw.read())
    }

    /// The lock for reading, if nobody writes or waits to write.
    ///
    /// # Panics
    /// If the lock is poisoned.
    #[track_caller]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        Some(poison::expect(self.read_guard(self.raw.try_read()?)))
    }

    /// Waits until nobody else has the lock.
    ///
    /// # Panics
    /// If this CPU has the lock already, or if the lock is poisoned; the message names who held it when it failed.
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        poison::expect(self.write_or_poisoned())
    }

    /// Waits until nobody else has the lock, and says if the value is to be trusted.
    ///
    /// # Errors
    /// If the lock is poisoned. The guard is in the error.
    ///
    /// # Panics
    /// If this CPU has the lock already.
    #[track_caller]
    pub fn write_or_poisoned(&self) -> WriteResult<'_, T> {
        self.write_guard(self.raw.write())
    }

    /// The lock for writing, if nobody has it.
    ///
    /// # Panics
    /// If the lock is poisoned.
    #[track_caller]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        Some(poison::expect(self.write_guard(self.raw.try_write()?)))
    }

    /// Who held it when it failed, if it is poisoned.
    pub fn poisoned_by(&self) -> Option<Cpu> {
        self.raw.failed()
    }

    /// The value was mended: the lock is as before.
    pub fn clear_poison(&self) {
        self.raw.clear_failed();
    }

    /// The value, which nobody else can have, be it poisoned or not.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `self` is borrowed mutably for as long as the result.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    fn read_guard<'a>(&'a self, lock: Shared<'a>) -> ReadResult<'a, T> {
        let failed = lock.failed();
        let value = self.value.get();
        poison::check(RwLockReadGuard { value, _lock: lock }, failed)
    }

    fn write_guard<'a>(&'a self, lock: Exclusive<'a>) -> WriteResult<'a, T> {
        let failed = lock.failed();
        let value = self.value.get_mut();
        poison::check(RwLockWriteGuard { value, _lock: lock }, failed)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Some(lock) = self.raw.try_read() else {
            return f.write_str("RwLock(held)");
        };
        match self.read_guard(lock) {
            Ok(guard) => f.debug_tuple("RwLock").field(&&*guard).finish(),
            Err(poisoned) => write!(f, "RwLock(poisoned by {})", poisoned.by()),
        }
    }
}

/// Having one means that nobody writes, and that this CPU takes no interrupts. Not `Send`.
pub struct RwLockReadGuard<'a, T: ?Sized> {
    value: ConstPtr<T>,
    // Dropped last: the value is not touched after the lock is free.
    _lock: Shared<'a>,
}

// SAFETY: a guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: nobody writes while there is a guard that reads.
        unsafe { self.value.deref() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Having one means having the value, and that this CPU takes no interrupts. Not `Send`.
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    value: MutPtr<T>,
    // Dropped last: the value is not touched after the lock is free.
    _lock: Exclusive<'a>,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one, and borrowed. Shared references may be many.
        self.value.with(|value| unsafe { &*value })
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only one, and borrowed mutably.
        unsafe { self.value.deref() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        (**self).fmt(f)
    }
}
