//! The error of locks whose holder failed.

use core::error::Error;
use core::fmt;

use crate::cpu::Cpu;

/// A CPU panicked, or stopped, while it had the lock for writing: the value may be half written. The guard, `G`, is in
/// here for those who can tell, or mend it.
pub struct Poisoned<G> {
    guard: G,
    by: Cpu,
}

impl<G> Poisoned<G> {
    pub(super) fn new(guard: G, by: Cpu) -> Poisoned<G> {
        Poisoned { guard, by }
    }

    /// Who held the lock when it failed.
    pub fn by(&self) -> Cpu {
        self.by
    }

    /// The guard. The lock stays poisoned until its `clear_poison` is called.
    pub fn into_inner(self) -> G {
        self.guard
    }

    /// The guard.
    pub fn get_ref(&self) -> &G {
        &self.guard
    }

    /// The guard.
    pub fn get_mut(&mut self) -> &mut G {
        &mut self.guard
    }
}

impl<G> fmt::Debug for Poisoned<G> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Poisoned")
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}

impl<G> fmt::Display for Poisoned<G> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "the lock is poisoned: {} failed while it held it",
            self.by
        )
    }
}

impl<G> Error for Poisoned<G> {}

/// `guard`, or the error if its lock is poisoned.
pub(super) fn check<G>(guard: G, failed: Option<Cpu>) -> Result<G, Poisoned<G>> {
    match failed {
        None => Ok(guard),
        Some(by) => Err(Poisoned::new(guard, by)),
    }
}

/// `guard`, for those who do not expect failures.
#[track_caller]
pub(super) fn expect<G>(checked: Result<G, Poisoned<G>>) -> G {
    match checked {
        Ok(guard) => guard,
        Err(error) => {
            let by = error.by;
            // The lock is free while the panic is reported.
            drop(error);
            panic!("the lock is poisoned: {by} failed while it held it")
        }
    }
}
