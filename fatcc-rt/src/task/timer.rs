//! Timers: wakers by deadline, a list per CPU.
//!
//! A timer belongs to the CPU that first polled it and fires there; the task that it wakes may live anywhere. The list
//! is only locked by tasks and by the executor, never by interrupts: the timer interrupt just ends the CPU's sleep.

use alloc::collections::BTreeMap;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::cpu::Cpu;
use crate::sync::Mutex;
use crate::time;

/// The timers of one CPU.
pub(crate) struct Timers {
    list: Mutex<List>,
}

/// Deadline in nanoseconds, and a number that makes it unique.
type Key = (u64, u64);

struct List {
    next_number: u64,
    wakers: BTreeMap<Key, Waker>,
}

impl Timers {
    pub(crate) const fn new() -> Timers {
        Timers {
            list: Mutex::new(List {
                next_number: 0,
                wakers: BTreeMap::new(),
            }),
        }
    }

    fn add(&self, deadline: u64, waker: Waker) -> Key {
        let mut list = self.list.lock();
        let key = (deadline, list.next_number);
        list.next_number += 1;
        list.wakers.insert(key, waker);
        key
    }

    fn remove(&self, key: Key) {
        let removed = self.list.lock().wakers.remove(&key);
        // Outside of the lock: it may be the last reference to a task.
        drop(removed);
    }

    /// Wakes everything whose deadline is not after `now`.
    pub(crate) fn fire(&self, now: u64) {
        while let Some(waker) = self.pop(now) {
            waker.wake();
        }
    }

    fn pop(&self, now: u64) -> Option<Waker> {
        let mut list = self.list.lock();
        let first = list.wakers.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.list
            .lock()
            .wakers
            .first_key_value()
            .map(|(key, _)| key.0)
    }
}

/// Waits for `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(time::now().saturating_add(duration))
}

/// Waits until [`time::now`] is `deadline`.
pub fn sleep_until(deadline: Duration) -> Sleep {
    Sleep {
        deadline: u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX),
        timer: None,
    }
}

/// Future of [`sleep`] and [`sleep_until`].
#[derive(Debug)]
pub struct Sleep {
    deadline: u64,
    timer: Option<(Cpu, Key)>,
}

impl Sleep {
    fn cancel(&mut self) {
        if let Some((cpu, key)) = self.timer.take() {
            cpu.record().timers.remove(key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<()> {
        self.cancel();
        if time::nanoseconds() >= self.deadline {
            return Poll::Ready(());
        }
        let cpu = Cpu::current();
        let key = cpu.record().timers.add(self.deadline, cx.waker().clone());
        self.timer = Some((cpu, key));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The time of [`with_timeout`] was over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

impl core::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        f.write_str("the time is over")
    }
}

impl core::error::Error for Elapsed {}

/// Awaits `future` for `duration` at most.
pub async fn with_timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut limit = pin!(sleep(duration));
    core::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        limit.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}
