//! A CPU's run queue: a list through the tasks themselves, so that filling it never allocates, under a short lock.

use alloc::sync::Arc;
use core::ptr::null_mut;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use super::Task;
use crate::sync::Mutex;

/// Tasks in the order in which they were scheduled. It owns one reference to each.
pub(crate) struct RunQueue {
    /// Number of tasks, written under the lock: looking does not take it.
    length: AtomicU32,
    ends: Mutex<Ends>,
}

/// First and last task; both null if there is none.
struct Ends {
    first: *mut Task,
    last: *mut Task,
}

// SAFETY: the pointers are references that the queue owns, to tasks, which are `Send`.
unsafe impl Send for Ends {}

impl RunQueue {
    pub(crate) const fn new() -> RunQueue {
        RunQueue {
            length: AtomicU32::new(0),
            ends: Mutex::new(Ends {
                first: null_mut(),
                last: null_mut(),
            }),
        }
    }

    /// Puts `task`, which is in no queue, behind the others.
    pub(crate) fn push(&self, task: Arc<Task>) {
        let task = Arc::into_raw(task).cast_mut();
        // SAFETY: we own the reference that `into_raw` left.
        unsafe { &*task }.next.store(null_mut(), Relaxed);
        let mut ends = self.ends.lock();
        if ends.first.is_null() {
            ends.first = task;
        } else {
            // SAFETY: the queue owns a reference to its last task.
            unsafe { &*ends.last }.next.store(task, Relaxed);
        }
        ends.last = task;
        self.length.store(self.length.load(Relaxed) + 1, Relaxed);
    }

    /// Takes the first task off.
    pub(crate) fn pop(&self) -> Option<Arc<Task>> {
        let mut ends = self.ends.lock();
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
        Some(task)
    }

    /// Whether there is none, at this moment.
    pub(crate) fn is_empty(&self) -> bool {
        self.length.load(Relaxed) == 0
    }
}
