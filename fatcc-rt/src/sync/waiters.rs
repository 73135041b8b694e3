//! Tasks that wait, in the order in which they came; part of the state under a lock of whoever they wait for.

use alloc::collections::VecDeque;
use core::task::Waker;

/// A list of wakers with numbers.
#[derive(Debug)]
pub(super) struct Waiters {
    next: u64,
    waiting: VecDeque<(u64, Waker)>,
}

/// The number of one that waits, or has waited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Number(u64);

impl Waiters {
    pub(super) const fn new() -> Waiters {
        Waiters {
            next: 0,
            waiting: VecDeque::new(),
        }
    }

    /// The number of the next one that comes.
    pub(super) fn next(&self) -> Number {
        Number(self.next)
    }

    /// Puts one behind the others.
    pub(super) fn add(&mut self, waker: Waker) -> Number {
        let number = self.next();
        self.next += 1;
        self.waiting.push_back((number.0, waker));
        number
    }

    /// Replaces the waker of one that still waits, and gives the other back, to be dropped outside of the lock: it may be
    /// the last reference to a task. `Err` if it waits no more.
    pub(super) fn replace(&mut self, number: Number, waker: &Waker) -> Result<Option<Waker>, ()> {
        let mut waiting = self.waiting.iter_mut();
        let (_, own) = waiting.find(|waiter| waiter.0 == number.0).ok_or(())?;
        Ok((!own.will_wake(waker)).then(|| core::mem::replace(own, waker.clone())))
    }

    /// Takes the one off that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Waker> {
        Some(self.waiting.pop_front()?.1)
    }

    /// Takes the one off that has waited longest, if it came before `end`.
    pub(super) fn pop_before(&mut self, end: Number) -> Option<Waker> {
        let first = self.waiting.front()?;
        (first.0 < end.0).then(|| self.pop()).flatten()
    }

    /// Takes one off. `None` if it waits no more.
    pub(super) fn remove(&mut self, number: Number) -> Option<Waker> {
        let place = self
            .waiting
            .iter()
            .position(|waiter| waiter.0 == number.0)?;
        Some(self.waiting.remove(place)?.1)
    }
}
