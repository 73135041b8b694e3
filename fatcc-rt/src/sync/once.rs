//! Values that are written once, by whichever CPU comes first, and read by all.
//!
//! `EMPTY ──call_once──► RUNNING ──call_once──► DONE`; others that call meanwhile wait. A value that asks for itself
//! while it is computed waits for ever.

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Release};

use crate::arch;

const EMPTY: u32 = 0;
const RUNNING: u32 = 1;
const DONE: u32 = 2;

/// A value that is written once.
pub struct Once<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written by the one that made the state RUNNING, and shared after it is DONE.
unsafe impl<T: Send + Sync> Sync for Once<T> {}
// SAFETY: it owns the value.
unsafe impl<T: Send> Send for Once<T> {}

impl<T> Once<T> {
    /// Without a value.
    pub const fn new() -> Once<T> {
        Once {
            state: AtomicU32::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        // SAFETY: DONE means that it was written before, and it is never written again.
        (self.state.load(Acquire) == DONE).then(|| unsafe { (*self.value.get()).assume_init_ref() })
    }

    /// The value; computed by `init` if this is the first call.
    pub fn call_once(&self, init: impl FnOnce() -> T) -> &T {
        if self
            .state
            .compare_exchange(EMPTY, RUNNING, Acquire, Acquire)
            .is_ok()
        {
            let value = init();
            // SAFETY: only the one who made the state RUNNING comes here, and nobody reads before DONE.
            unsafe { (*self.value.get()).write(value) };
            self.state.store(DONE, Release);
        }
        loop {
            match self.get() {
                Some(value) => return value,
                None => arch::relax(),
            }
        }
    }
}

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once::new()
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        if *self.state.get_mut() == DONE {
            // SAFETY: DONE means that there is a value, and nobody else has it any more.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_tuple("Once").field(&self.get()).finish()
    }
}

/// A value that is computed when it is first used.
pub struct Lazy<T, F = fn() -> T> {
    value: Once<T>,
    init: Cell<Option<F>>,
}

// SAFETY: `init` is only touched by the call that computes the value.
unsafe impl<T: Send + Sync, F: Send> Sync for Lazy<T, F> {}

impl<T, F: FnOnce() -> T> Lazy<T, F> {
    /// Computed by `init`.
    pub const fn new(init: F) -> Lazy<T, F> {
        Lazy {
            value: Once::new(),
            init: Cell::new(Some(init)),
        }
    }
}

impl<T, F: FnOnce() -> T> Deref for Lazy<T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.call_once(|| match self.init.take() {
            Some(init) => init(),
            None => unreachable!("a value is computed once"),
        })
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lazy<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_tuple("Lazy").field(&self.value.get()).finish()
    }
}
