//! Values that are written once, by whichever CPU comes first, and read by all.
//!
//! `EMPTY ──call_once──► RUNNING ──call_once──► DONE`; others that call meanwhile wait. A value that asks for itself
//! while it is computed waits for ever. RUNNING says which CPU computes: if that dies, one of those that wait begins anew.

use core::cell::Cell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::atomic::{AtomicU32, UnsafeCell, const_fn};
use crate::cpu::{Cpu, State};
use crate::{arch, health};

const EMPTY: u32 = 0;
const DONE: u32 = 1;
/// From here on: and the index of the CPU that computes.
const RUNNING: u32 = 2;

/// Looks at the value between two looks at the others.
const LOOKS: u32 = 1 << 10;

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
    const_fn! {
        /// Without a value.
        pub fn new() -> Once<T> {
            Once {
                state: AtomicU32::new(EMPTY),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        // SAFETY: DONE means that it was written before, and it is never written again.
        let value = |value: *const MaybeUninit<T>| unsafe { (*value).assume_init_ref() };
        (self.state.load(Acquire) == DONE).then(|| self.value.with(value))
    }

    /// The value; computed by `init` if this is the first call.
    pub fn call_once(&self, init: impl FnOnce() -> T) -> &T {
        if self.wait_or_run() {
            let value = init();
            // SAFETY: only the one who made the state RUNNING comes here, and nobody reads before DONE.
            self.value.with_mut(|place| unsafe {
                (*place).write(value);
            });
            self.state.store(DONE, Release);
        }
        match self.get() {
            Some(value) => value,
            None => unreachable!("it was computed here, or elsewhere"),
        }
    }

    /// Waits for the value. True if this CPU is to compute it.
    fn wait_or_run(&self) -> bool {
        let running = RUNNING + Cpu::current().index() as u32;
        let (mut from, mut looks) = (EMPTY, 0u32);
        while let Err(state) = self.state.compare_exchange(from, running, Acquire, Acquire) {
            if state == DONE {
                return false;
            }
            arch::relax();
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS) {
                health::look_while_locked();
            }
            let runs = Cpu::from_index(state.saturating_sub(RUNNING) as usize);
            let has_died = state >= RUNNING && runs.state() == State::Offline;
            from = if has_died { state } else { EMPTY };
        }
        true
    }
}

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once::new()
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        if self.state.load(Relaxed) == DONE {
            // SAFETY: DONE means that there is a value, and nobody else has it any more.
            self.value
                .with_mut(|value| unsafe { (*value).assume_init_drop() });
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
    const_fn! {
        /// Computed by `init`.
        pub fn new(init: F) -> Lazy<T, F> {
            Lazy {
                value: Once::new(),
                init: Cell::new(Some(init)),
            }
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
