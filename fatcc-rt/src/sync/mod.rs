//! Locks and events that work between instruction sets, and between tasks and interrupts.
//!
//! They rest on nothing but naturally aligned atomics of at most eight bytes; [`litmus`](crate::litmus) tests at boot
//! that those are atomic between the machine's CPUs.

mod mutex;
mod notify;
mod once;

use core::ops::{Deref, DerefMut};

pub use mutex::{Mutex, MutexGuard};
pub use notify::{Notified, Notify};
pub use once::{Lazy, Once};

/// A value on cache lines of its own: 128 bytes on every ISA, so that the layout is the same on all of them.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct CacheAligned<T>(
    /// The value.
    pub T,
);

impl<T> Deref for CacheAligned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for CacheAligned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(test)]
mod tests;
