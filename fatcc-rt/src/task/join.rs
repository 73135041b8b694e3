//! The result of a task, on its way from the CPU that ran it to whoever awaits it.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::sync::Mutex;

/// `Running ──Finisher::finish──► Finished ──JoinHandle::poll──► Taken`
enum State<T> {
    Running(Option<Waker>),
    Finished(T),
    Taken,
}

/// Awaits a task's result. Dropping it lets the task run on.
pub struct JoinHandle<T> {
    state: Arc<Mutex<State<T>>>,
}

/// The task's end of it.
pub(super) struct Finisher<T> {
    state: Arc<Mutex<State<T>>>,
}

pub(super) fn pair<T>() -> (Finisher<T>, JoinHandle<T>) {
    let state = Arc::new(Mutex::new(State::Running(None)));
    (
        Finisher {
            state: state.clone(),
        },
        JoinHandle { state },
    )
}

impl<T> Finisher<T> {
    pub(super) fn finish(self, value: T) {
        let before = core::mem::replace(&mut *self.state.lock(), State::Finished(value));
        if let State::Running(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> JoinHandle<T> {
    /// Whether awaiting it would not wait.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.state.lock(), State::Running(_))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context) -> Poll<T> {
        let mut state = self.state.lock();
        if let State::Running(waker) = &mut *state {
            let replaced = waker.replace(cx.waker().clone());
            drop(state);
            // Outside of the lock: it may be the last reference to a task.
            drop(replaced);
            return Poll::Pending;
        }
        match core::mem::replace(&mut *state, State::Taken) {
            State::Finished(value) => Poll::Ready(value),
            _ => panic!("a task's result was awaited twice"),
        }
    }
}
