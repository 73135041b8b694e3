//! Locks and events that work between instruction sets, and between tasks and interrupts.
//!
//! | for | there is |
//! | --- | --- |
//! | short critical sections, interrupt handlers too | [`Mutex`], [`RwLock`] |
//! | values made once | [`Once`], [`Lazy`] |
//! | events that tasks wait for | [`Notify`] |
//! | values on their way from task to task | [`channel`] |
//!
//! They rest on nothing but naturally aligned atomics of at most eight bytes; [`litmus`](crate::litmus) tests at boot
//! that those are atomic between the machine's CPUs.

pub mod channel;
pub(crate) mod held;
mod mutex;
mod notify;
mod once;
mod poison;
mod raw;
mod rwlock;
mod waiters;
mod word;

use core::ops::{Deref, DerefMut};

pub(crate) use held::Held;
pub use mutex::{Mutex, MutexGuard};
pub use notify::{Notified, Notify};
pub use once::{Lazy, Once};
pub use poison::Poisoned;
#[cfg(all(test, loom))]
pub(crate) use raw::RawLock;
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(target_os = "none"))]
pub(crate) use {held::Locker, word::MOST_CPUS};

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

#[cfg(all(test, not(loom)))]
mod tests;
