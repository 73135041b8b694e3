//! A CPU's run queue: a list through the tasks themselves, so that filling it never allocates, under a short lock.
//!
//! Whoever dies while it puts a task in has linked it or not, by one store; the rest is counted anew.

use alloc::sync::Arc;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;

use super::Task;
use crate::atomic::{AtomicU32, const_fn};
use crate::sync::{CacheAligned, Mutex, MutexGuard};

/// Tasks in the order in which they were scheduled. It owns one reference to each.
pub(crate) struct RunQueue {
    /// Number of tasks, written under the lock: looking does not take it. It is alone on its cache lines: a CPU without work
    /// looks all the time, and would take the lock's line from whoever has it.
    length: CacheAligned<AtomicU32>,
    ends: Mutex<Ends>,
}

/// First and last task; both null if there is none.
struct Ends {
    first: *mut Task,
    last: *mut Task,
}

impl Ends {
    fn tasks(&self) -> impl Iterator<Item = &Task> {
        // SAFETY: the queue owns a reference to each of its tasks, and nobody changes it meanwhile.
        let mut next = unsafe { self.first.as_ref() };
        core::iter::from_fn(move || {
            let task = next?;
            // SAFETY: as above.
            next = unsafe { task.next.load(Relaxed).as_ref() };
            Some(task)
        })
    }
}

// SAFETY: the pointers are references that the queue owns, to tasks, which are `Send`.
unsafe impl Send for Ends {}

impl RunQueue {
    const_fn! {
        pub(crate) fn new() -> RunQueue {
            RunQueue {
                length: CacheAligned(AtomicU32::new(0)),
                ends: Mutex::new(Ends {
                    first: null_mut(),
                    last: null_mut(),
                }),
            }
        }
    }

    /// The queue, whole even if a CPU has died while it changed it.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock_mended(|ends| {
            let last = ends.tasks().last().map(|task| &raw const *task);
            ends.last = last.map_or(null_mut(), <*const Task>::cast_mut);
            let length = ends.tasks().count() as u32;
            self.length.store(length, Relaxed);
        })
    }

    /// Puts `task`, which is in no queue, behind the others.
    pub(crate) fn push(&self, task: Arc<Task>) {
        self.push_to(&mut self.ends(), task);
    }

    fn push_to(&self, ends: &mut Ends, task: Arc<Task>) {
        let task = Arc::into_raw(task).cast_mut();
        // SAFETY: we own the reference that `into_raw` left.
        unsafe { &*task }.next.store(null_mut(), Relaxed);
        if ends.first.is_null() {
            ends.first = task;
        } else {
            // SAFETY: the queue owns a reference to its last task.
            unsafe { &*ends.last }.next.store(task, Relaxed);
        }
        ends.last = task;
        self.length.store(self.length.load(Relaxed) + 1, Relaxed);
    }

    /// Puts `task`, which a CPU was to put here and died, behind the others if it is not among them. `is_waiting` says whether it is
    /// still to be polled; only [`pop`](RunQueue::pop) ends that.
    pub(super) fn push_missing(&self, task: Arc<Task>, is_waiting: impl FnOnce() -> bool) {
        let mut ends = self.ends();
        let is_there = ends
            .tasks()
            .any(|other| core::ptr::eq(other, &raw const *task));
        if !is_there && is_waiting() {
            self.push_to(&mut ends, task);
        }
    }

    /// Takes the first task off; `begin` is called for it before others can see that.
    pub(crate) fn pop<T>(&self, begin: impl FnOnce(&Task) -> T) -> Option<(Arc<Task>, T)> {
        if self.is_empty() {
            return None;
        }
        let mut ends = self.ends();
        let first = ends.first;
        if first.is_null() {
            return None;
        }
        // SAFETY: it was pushed as `Arc::into_raw`, and is taken off once.
        let task = unsafe { Arc::from_raw(first) };
        ends.first = task.next.load(Relaxed);
        if ends.first.is_null() {
            ends.last = null_mut();
        }
        self.length.store(self.length.load(Relaxed) - 1, Relaxed);
        let begun = begin(&task);
        Some((task, begun))
    }

    /// Number of tasks, at this moment.
    pub(crate) fn len(&self) -> usize {
        self.length.load(Relaxed) as usize
    }

    /// Whether there is none, at this moment.
    pub(crate) fn is_empty(&self) -> bool {
        self.length.load(Relaxed) == 0
    }
}
