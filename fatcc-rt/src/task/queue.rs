//! A CPU's run queue: lists through the tasks themselves, so that filling it never allocates, and without a lock: a lock's line
//! goes to the other CPU and back for every task that moves, and its section without interrupts costs an emulator most.
//!
//! Whoever puts a task in does so by one exchange, so it may die at any time: the task is in the queue, or is not. Only the own
//! CPU takes tasks off, and knows what is there.

use alloc::sync::Arc;
use core::ptr::{null_mut, with_exposed_provenance_mut};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::Task;
use crate::atomic::{AtomicPtr, AtomicU32, AtomicU64, const_fn};
use crate::sync::CacheAligned;

/// Tasks in the order in which they were scheduled. It owns one reference to each.
pub(crate) struct RunQueue {
    /// Those that have come, the last one first. It is alone on its cache lines: a CPU without work looks all the time.
    coming: CacheAligned<AtomicU64>,
    /// Own. Those that came before them, the first one first.
    next: AtomicPtr<Task>,
    /// Own. How many these are.
    ready: AtomicU32,
}

/// The last task that has come, and how many have.
#[derive(Clone, Copy)]
struct Coming(u64);

impl Coming {
    /// The number stands above the address.
    const COUNT: u32 = 48;
    const NONE: Coming = Coming(0);

    fn last(self) -> *mut Task {
        with_exposed_provenance_mut((self.0 & ((1 << Coming::COUNT) - 1)) as usize)
    }

    fn count(self) -> u32 {
        (self.0 >> Coming::COUNT) as u32
    }

    /// With `task` behind it. Above 65535 tasks the number is too small, and only says how busy a CPU is.
    fn and(self, task: *mut Task) -> Coming {
        let address = task.expose_provenance() as u64;
        debug_assert_eq!(address >> Coming::COUNT, 0);
        let count = (self.count() + 1).min(0xffff);
        Coming(address | u64::from(count) << Coming::COUNT)
    }
}

impl RunQueue {
    const_fn! {
        pub(crate) fn new() -> RunQueue {
            RunQueue {
                coming: CacheAligned(AtomicU64::new(Coming::NONE.0)),
                next: AtomicPtr::new(null_mut()),
                ready: AtomicU32::new(0),
            }
        }
    }

    /// Puts `task`, which is in no queue, behind the others.
    pub(crate) fn push(&self, task: Arc<Task>) {
        let task = Arc::into_raw(task).cast_mut();
        let mut before = Coming(self.coming.load(Relaxed));
        loop {
            // SAFETY: we own the reference that `into_raw` left until the task is in the list.
            unsafe { &*task }.next.store(before.last(), Relaxed);
            let after = before.and(task);
            let pushed = self
                .coming
                .compare_exchange_weak(before.0, after.0, Release, Relaxed);
            match pushed {
                Ok(_) => return,
                Err(now) => before = Coming(now),
            }
        }
    }

    /// Whether `task` is in it. Called by the own CPU.
    pub(super) fn contains(&self, task: &Task) -> bool {
        let coming = Coming(self.coming.load(Acquire)).last();
        [coming, self.next.load(Relaxed)].into_iter().any(|first| {
            // SAFETY: the queue owns a reference to each of its tasks, and only this CPU takes any off.
            let tasks = core::iter::successors(unsafe { first.as_ref() }, |task| unsafe {
                task.next.load(Relaxed).as_ref()
            });
            tasks.into_iter().any(|other| core::ptr::eq(other, task))
        })
    }

    /// Takes the first task off. Called by the own CPU.
    pub(crate) fn pop(&self) -> Option<Arc<Task>> {
        let mut first = self.next.load(Relaxed);
        if first.is_null() {
            first = self.refill()?;
        }
        // SAFETY: it was pushed as `Arc::into_raw`, and is taken off once.
        let task = unsafe { Arc::from_raw(first) };
        self.next.store(task.next.load(Relaxed), Relaxed);
        self.ready.store(self.ready.load(Relaxed) - 1, Relaxed);
        Some(task)
    }

    /// Turns those that have come round: the first of them, if there are any.
    fn refill(&self) -> Option<*mut Task> {
        if self.coming.load(Relaxed) == Coming::NONE.0 {
            return None;
        }
        let coming = Coming(self.coming.swap(Coming::NONE.0, Acquire));
        let (mut task, mut first, mut ready) = (coming.last(), null_mut(), 0);
        // SAFETY: what is in the list is whole, and it is ours now.
        while let Some(this) = unsafe { task.as_ref() } {
            let before = this.next.load(Relaxed);
            this.next.store(first, Relaxed);
            first = task;
            task = before;
            ready += 1;
        }
        self.ready.store(ready, Relaxed);
        Some(first)
    }

    /// Number of tasks, at this moment.
    pub(crate) fn len(&self) -> usize {
        let coming = Coming(self.coming.load(Relaxed)).count();
        (self.ready.load(Relaxed) + coming) as usize
    }

    /// Whether there is none, at this moment. Asked by the own CPU.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.load(Relaxed).is_null() && self.coming.load(Relaxed) == Coming::NONE.0
    }
}
