//! An event that tasks wait for and that anybody, an interrupt handler too, announces.
//!
//! States; the arrows are functions:
//!
//! ```text
//!            notify (nobody waits)                  Notified::poll
//!   empty ──────────────────────────► remembered ───────────────────► empty
//!   empty ──Notified::poll──► waiting ──notify──► (that waiter is off the list and woken) empty
//! ```
//!
//! A waiter that is dropped after `notify` has taken it off the list hands the event on, so none is lost. `notify` takes
//! a short lock, wakes outside of it, and never allocates.

use alloc::collections::VecDeque;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::Mutex;

/// See the module's description.
#[derive(Debug)]
pub struct Notify {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    remembered: bool,
    next_id: u64,
    waiting: VecDeque<(u64, Waker)>,
}

impl Notify {
    /// With nothing remembered.
    pub const fn new() -> Notify {
        Notify {
            state: Mutex::new(State {
                remembered: false,
                next_id: 0,
                waiting: VecDeque::new(),
            }),
        }
    }

    /// Wakes the task that has waited longest; if none waits, the next one that does will not have to.
    pub fn notify(&self) {
        let mut state = self.state.lock();
        let first = state.waiting.pop_front();
        state.remembered |= first.is_none();
        drop(state);
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }

    /// Wakes all tasks that wait now. Nothing is remembered.
    pub fn notify_all(&self) {
        // One at a time: a waker runs foreign code, which must not happen under the lock.
        let mut state = self.state.lock();
        let end = state.next_id;
        while state.waiting.front().is_some_and(|(id, _)| *id < end) {
            let first = state.waiting.pop_front();
            drop(state);
            if let Some((_, waker)) = first {
                waker.wake();
            }
            state = self.state.lock();
        }
    }

    /// Waits for the event.
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            id: None,
        }
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}

/// Future of [`Notify::notified`].
#[derive(Debug)]
pub struct Notified<'a> {
    notify: &'a Notify,
    /// Its number among the waiters, while it is one.
    id: Option<u64>,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<()> {
        let mut state = self.notify.state.lock();
        let Some(id) = self.id else {
            if core::mem::take(&mut state.remembered) {
                return Poll::Ready(());
            }
            let id = state.next_id;
            state.next_id += 1;
            state.waiting.push_back((id, cx.waker().clone()));
            drop(state);
            self.id = Some(id);
            return Poll::Pending;
        };
        match state.waiting.iter_mut().find(|waiter| waiter.0 == id) {
            Some(waiter) => {
                let replaced = core::mem::replace(&mut waiter.1, cx.waker().clone());
                drop(state);
                // Outside of the lock: it may be the last reference to a task.
                drop(replaced);
                Poll::Pending
            }
            None => {
                drop(state);
                self.id = None;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut state = self.notify.state.lock();
        let place = state.waiting.iter().position(|waiter| waiter.0 == id);
        let removed = place.and_then(|place| state.waiting.remove(place));
        drop(state);
        if removed.is_none() {
            self.notify.notify();
        }
    }
}
