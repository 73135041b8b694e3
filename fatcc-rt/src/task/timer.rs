//! Timers: wakers by deadline, a list per CPU.
//!
//! A timer belongs to the CPU that first polled it and fires there; the task that it wakes may live anywhere. The list
//! is only locked by tasks and by the executor, never by interrupts: the timer interrupt just ends the CPU's sleep.

use alloc::collections::BTreeMap;
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::atomic::const_fn;
use crate::cpu::Cpu;
use crate::sync::Mutex;
use crate::time;

/// The timers of one CPU.
pub(crate) struct Timers {
    /// The earliest deadline, or [`NEVER`]: reading the clock costs more than looking here. Written under the lock. Only
    /// the own CPU makes it earlier, so that CPU never sees it later than it is.
    earliest: AtomicU64,
    list: Mutex<List>,
}

const NEVER: u64 = u64::MAX;

/// Deadline in nanoseconds, and a number that makes it unique.
type Key = (u64, u64);

struct List {
    next_number: u64,
    wakers: BTreeMap<Key, Waker>,
}

impl List {
    /// Who has died in the middle of a change has left something that cannot even be dropped. All tasks are woken behind a
    /// death, and those that sleep come here again.
    fn mend(&mut self) {
        self.next_number += 1;
        // SAFETY: it is written, and not read.
        unsafe { (&raw mut self.wakers).write(BTreeMap::new()) };
    }
}

impl Timers {
    const_fn! {
        pub(crate) fn new() -> Timers {
            let list = List {
                next_number: 0,
                wakers: BTreeMap::new(),
            };
            Timers {
                earliest: AtomicU64::new(NEVER),
                list: Mutex::new(list),
            }
        }
    }

    fn add(&self, deadline: u64, waker: Waker) -> Key {
        self.change(|list| {
            let key = (deadline, list.next_number);
            list.next_number += 1;
            list.wakers.insert(key, waker);
            key
        })
    }

    fn remove(&self, key: Key) {
        let removed = self.change(|list| list.wakers.remove(&key));
        // Outside of the lock: it may be the last reference to a task.
        drop(removed);
    }

    /// Wakes everything whose deadline has come.
    pub(crate) fn fire(&self) {
        if self.next_deadline().is_none() {
            return;
        }
        let now = time::nanoseconds();
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            let due = self.change(|list| {
                let first = list.wakers.first_entry()?;
                (first.key().0 <= now).then(|| first.remove())
            });
            if let Some(waker) = due {
                waker.wake();
            }
        }
    }

    /// Wakes everything, for a clock that has stopped: whoever still waits then waits on another CPU.
    pub(crate) fn fire_all(&self) {
        while let Some(waker) = self.change(|list| list.wakers.pop_first().map(|(_, waker)| waker))
        {
            waker.wake();
        }
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        Some(self.earliest.load(Relaxed)).filter(|earliest| *earliest != NEVER)
    }

    fn change<T>(&self, change: impl FnOnce(&mut List) -> T) -> T {
        let mut list = self.list.lock_mended(List::mend);
        let result = change(&mut list);
        let first = list.wakers.first_key_value();
        let earliest = first.map_or(NEVER, |(key, _)| key.0);
        self.earliest.store(earliest, Relaxed);
        result
    }
}

/// Waits for `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(time::now().saturating_add(duration))
}

/// Waits until [`time::now`] is `deadline`.
pub fn sleep_until(deadline: Duration) -> Sleep {
    Sleep {
        deadline: u64::try_from(deadline.as_nanos())
            .map_or(NEVER - 1, |deadline| deadline.min(NEVER - 1)),
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
