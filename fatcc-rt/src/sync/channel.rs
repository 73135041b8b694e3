//! Bounded channels: values on their way between tasks, from any CPU to any CPU.
//!
//! Any number of senders and receivers; each value reaches one receiver, in the order in which it was sent. The channel is
//! closed when all senders, or all receivers, are gone, or by [`close`](Sender::close): then nothing more can be sent, and
//! what was sent can still be received. The names are those of the crate `async-channel`.
//!
//! ```
//! use fatcc_rt::sync::channel::{self, TryRecvError, TrySendError};
//!
//! let (sender, receiver) = channel::bounded(2);
//! sender.try_send(1).unwrap();
//! sender.try_send(2).unwrap();
//! assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
//! assert_eq!(receiver.try_recv(), Ok(1));
//! drop(sender);
//! assert_eq!(receiver.try_recv(), Ok(2));
//! assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
//! ```
//!
//! Between tasks:
//!
//! ```no_run
//! use fatcc_rt::cpu::Cpu;
//! use fatcc_rt::{println, sync::channel, task};
//!
//! async fn produce_there(there: Cpu) {
//!     let (sender, receiver) = channel::bounded(16);
//!     task::spawn_on(there, async move {
//!         for number in 0..100 {
//!             if sender.send(number).await.is_err() {
//!                 break;
//!             }
//!         }
//!     });
//!     while let Ok(number) = receiver.recv().await {
//!         println!("{number}");
//!     }
//! }
//! ```
//!
//! Both futures may be dropped at any time: a value is sent when [`Send`] is ready and not before, and a value that no
//! [`Recv`] has returned is still in the channel. The lock is short and wakers are called outside of it, so the
//! `try_` functions may be called by interrupt handlers.
//!
//! How no wake-up is lost: whoever puts a value in, or takes one out, takes one of the other side off its list, under the
//! same lock, and wakes it. A future that was taken off and is dropped, or finds nothing because another came first, was
//! woken for a change; if there is still something to get, it passes the wake-up on when it is dropped, and when it is
//! polled it either gets it or lines up again.

mod error;
mod future;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};
use core::task::Waker;

pub use error::{RecvError, SendError, TryRecvError, TrySendError};
pub use future::{Recv, Send};

use super::Mutex;
use super::waiters::Waiters;
use crate::atomic::AtomicUsize;

/// A channel that holds `capacity` values.
///
/// # Panics
/// If `capacity` is zero.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel without room for a value");
    let channel = Arc::new(Channel {
        capacity,
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        state: Mutex::new(State {
            values: VecDeque::with_capacity(capacity),
            closed: false,
            sending: Waiters::new(),
            receiving: Waiters::new(),
        }),
    });
    (Sender(channel.clone()), Receiver(channel))
}

struct Channel<T> {
    capacity: usize,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    state: Mutex<State<T>>,
}

struct State<T> {
    values: VecDeque<T>,
    closed: bool,
    /// Wait for room.
    sending: Waiters,
    /// Wait for values.
    receiving: Waiters,
}

impl<T> Channel<T> {
    fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut state = self.state.lock();
        let waker = state.put(self.capacity, value)?;
        drop(state);
        wake(waker);
        Ok(())
    }

    fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.state.lock();
        let (value, waker) = state.take()?;
        drop(state);
        wake(waker);
        Ok(value)
    }

    /// Whether this call closed it.
    fn close(&self) -> bool {
        let before = core::mem::replace(&mut self.state.lock().closed, true);
        // One at a time: a waker runs foreign code, which must not happen under the lock. None can line up any more.
        let next = || {
            let mut state = self.state.lock();
            state.sending.pop().or_else(|| state.receiving.pop())
        };
        while let Some(waker) = next() {
            waker.wake();
        }
        !before
    }
}

impl<T> State<T> {
    /// Puts `value` in; the one to wake for it.
    fn put(&mut self, capacity: usize, value: T) -> Result<Option<Waker>, TrySendError<T>> {
        if self.closed {
            return Err(TrySendError::Closed(value));
        }
        if self.values.len() == capacity {
            return Err(TrySendError::Full(value));
        }
        self.values.push_back(value);
        Ok(self.receiving.pop())
    }

    /// Takes a value out; and the one to wake for the room.
    fn take(&mut self) -> Result<(T, Option<Waker>), TryRecvError> {
        match self.values.pop_front() {
            Some(value) => Ok((value, self.sending.pop())),
            None if self.closed => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// What both ends can be asked.
macro_rules! end {
    ($end:ident) => {
        impl<T> $end<T> {
            /// Nothing more can be sent from now on. Whether this call closed the channel.
            pub fn close(&self) -> bool {
                self.0.close()
            }

            /// Whether nothing more can be sent.
            pub fn is_closed(&self) -> bool {
                self.0.state.lock().closed
            }

            /// Number of values that were sent and not received.
            pub fn len(&self) -> usize {
                self.0.state.lock().values.len()
            }

            /// Whether there is no value to receive.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether there is no room to send.
            pub fn is_full(&self) -> bool {
                self.len() == self.0.capacity
            }

            /// Number of values that it can hold.
            pub fn capacity(&self) -> usize {
                self.0.capacity
            }

            /// Number of senders.
            pub fn sender_count(&self) -> usize {
                self.0.senders.load(Relaxed)
            }

            /// Number of receivers.
            pub fn receiver_count(&self) -> usize {
                self.0.receivers.load(Relaxed)
            }
        }

        impl<T> fmt::Debug for $end<T> {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.debug_struct(stringify!($end)).finish_non_exhaustive()
            }
        }
    };
}

/// Sends values. When the last clone of it is dropped, the channel is closed.
pub struct Sender<T>(Arc<Channel<T>>);

end!(Sender);

impl<T> Sender<T> {
    /// Sends `value` as soon as there is room.
    ///
    /// # Errors
    /// If the channel is closed. The value is in the error.
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send::new(&self.0, value)
    }

    /// Sends `value`, if there is room now.
    ///
    /// # Errors
    /// If the channel is full or closed. The value is in the error.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(value)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.senders.fetch_add(1, Relaxed);
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, AcqRel) == 1 {
            self.0.close();
        }
    }
}

/// Receives values. When the last clone of it is dropped, the channel is closed, and what is in it is dropped.
pub struct Receiver<T>(Arc<Channel<T>>);

end!(Receiver);

impl<T> Receiver<T> {
    /// Receives the next value as soon as there is one.
    ///
    /// # Errors
    /// If the channel is empty and closed.
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(&self.0)
    }

    /// Receives the next value, if there is one now.
    ///
    /// # Errors
    /// If the channel is empty, or empty and closed.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.0.receivers.fetch_add(1, Relaxed);
        Receiver(self.0.clone())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.0.receivers.fetch_sub(1, AcqRel) == 1 {
            self.0.close();
            let values = core::mem::take(&mut self.0.state.lock().values);
            // Outside of the lock: the values' drops are foreign code.
            drop(values);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
