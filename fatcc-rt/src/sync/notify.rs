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

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::Mutex;
use super::waiters::{Number, Waiters};
use crate::atomic::const_fn;

/// See the module's description.
#[derive(Debug)]
pub struct Notify {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    remembered: bool,
    waiters: Waiters,
}

impl Notify {
    const_fn! {
        /// With nothing remembered.
        pub fn new() -> Notify {
            Notify {
                state: Mutex::new(State {
                    remembered: false,
                    waiters: Waiters::new(),
                }),
            }
        }
    }

    /// Wakes the task that has waited longest; if none waits, the next one that does will not have to.
    pub fn notify(&self) {
        let mut state = self.state.lock();
        let first = state.waiters.pop();
        state.remembered |= first.is_none();
        drop(state);
        if let Some(waker) = first {
            waker.wake();
        }
    }

    /// Wakes all tasks that wait now. Nothing is remembered.
    pub fn notify_all(&self) {
        let end = self.state.lock().waiters.next();
        // One at a time: a waker runs foreign code, which must not happen under the lock.
        let next = || self.state.lock().waiters.pop_before(end);
        while let Some(waker) = next() {
            waker.wake();
        }
    }

    /// Waits for the event.
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            number: None,
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
    number: Option<Number>,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<()> {
        let mut state = self.notify.state.lock();
        let Some(number) = self.number else {
            if core::mem::take(&mut state.remembered) {
                return Poll::Ready(());
            }
            let number = state.waiters.add(cx.waker().clone());
            drop(state);
            self.number = Some(number);
            return Poll::Pending;
        };
        let replaced = state.waiters.replace(number, cx.waker());
        drop(state);
        match replaced {
            Ok(_dropped_outside_of_the_lock) => Poll::Pending,
            Err(()) => {
                self.number = None;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let removed = self.notify.state.lock().waiters.remove(number);
        if removed.is_none() {
            self.notify.notify();
        }
    }
}
