//! Waiting for room, and for values.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::{Channel, RecvError, SendError, State, TryRecvError, TrySendError, wake};
use crate::sync::waiters::{Number, Waiters};

/// A future's place on one of the two lists.
struct Line(Option<Number>);

impl Line {
    /// Lines up, or stays in line with this waker. The waker that it replaces is to be dropped outside of the lock.
    fn up(&mut self, waiters: &mut Waiters, waker: &Waker) -> Option<Waker> {
        if let Some(number) = self.0
            && let Ok(replaced) = waiters.replace(number, waker)
        {
            return replaced;
        }
        self.0 = Some(waiters.add(waker.clone()));
        None
    }

    /// Leaves the line: its waker if it was in it, else `Err` if it was woken since it lined up.
    fn leave(&mut self, waiters: &mut Waiters) -> Result<Option<Waker>, ()> {
        match self.0.take() {
            None => Ok(None),
            Some(number) => waiters.remove(number).map(Some).ok_or(()),
        }
    }
}

/// Future of [`Sender::send`](super::Sender::send). Dropped before it is ready, it has sent nothing.
#[must_use = "nothing is sent before it is awaited"]
pub struct Send<'a, T> {
    channel: &'a Channel<T>,
    value: Option<T>,
    line: Line,
}

// The value is never pinned.
impl<T> Unpin for Send<'_, T> {}

impl<'a, T> Send<'a, T> {
    pub(super) fn new(channel: &'a Channel<T>, value: T) -> Send<'a, T> {
        Send {
            channel,
            value: Some(value),
            line: Line(None),
        }
    }
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(value) = this.value.take() else {
            panic!("polled after it was ready")
        };
        let mut state = this.channel.state.lock();
        let sent = state.put(this.channel.capacity, value);
        if let Err(TrySendError::Full(value)) = sent {
            this.value = Some(value);
            let replaced = this.line.up(&mut state.sending, cx.waker());
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
        let own = this.line.leave(&mut state.sending);
        drop(state);
        drop(own);
        Poll::Ready(match sent {
            Ok(receiver) => {
                wake(receiver);
                Ok(())
            }
            Err(error) => Err(SendError(error.into_inner())),
        })
    }
}

impl<T> Drop for Send<'_, T> {
    fn drop(&mut self) {
        let room = |state: &State<T>| state.values.len() < self.channel.capacity;
        let mut state = self.channel.state.lock();
        let own = self.line.leave(&mut state.sending);
        // It was woken for room that it does not use.
        let next = match own {
            Err(()) if room(&state) => state.sending.pop(),
            _ => None,
        };
        drop(state);
        drop(own);
        wake(next);
    }
}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Send").finish_non_exhaustive()
    }
}

/// Future of [`Receiver::recv`](super::Receiver::recv). Dropped before it is ready, it has received nothing.
#[must_use = "nothing is received before it is awaited"]
pub struct Recv<'a, T> {
    channel: &'a Channel<T>,
    line: Line,
}

impl<'a, T> Recv<'a, T> {
    pub(super) fn new(channel: &'a Channel<T>) -> Recv<'a, T> {
        Recv {
            channel,
            line: Line(None),
        }
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut state = this.channel.state.lock();
        let taken = state.take();
        if let Err(TryRecvError::Empty) = taken {
            let replaced = this.line.up(&mut state.receiving, cx.waker());
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
        let own = this.line.leave(&mut state.receiving);
        drop(state);
        drop(own);
        Poll::Ready(match taken {
            Ok((value, sender)) => {
                wake(sender);
                Ok(value)
            }
            Err(_closed) => Err(RecvError),
        })
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        let mut state = self.channel.state.lock();
        let own = self.line.leave(&mut state.receiving);
        // It was woken for a value that it does not take.
        let next = match own {
            Err(()) if !state.values.is_empty() => state.receiving.pop(),
            _ => None,
        };
        drop(state);
        drop(own);
        wake(next);
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}
