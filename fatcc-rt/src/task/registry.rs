//! All tasks, so that those of a CPU that has died can be found: the list of each CPU has the tasks that were spawned on
//! it and are not done, wherever they are now.
//!
//! A CPU may die while it changes a list, its own or another's. Whether a place of the list has a task is one word, and only
//! what can be counted anew depends on several: so a list is mended by [`Entries::mend`].

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr::null;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::Task;
use crate::atomic::{AtomicU64, const_fn};
use crate::cpu::Cpu;
use crate::sync::Mutex;

/// The tasks that were spawned on one CPU.
pub(crate) struct Registry {
    /// Tasks that were ever in it. Written under the lock, as `removed`.
    added: AtomicU64,
    /// Those that are in it no more.
    removed: AtomicU64,
    entries: Mutex<Entries>,
}

/// Places in blocks that stay where they are.
struct Entries {
    blocks: *const Block,
    /// A place without a task, or null. Some may be in no list.
    free: *const Place,
}

struct Block {
    next: *const Block,
    places: [Place; 62],
}

/// A task that it owns a weak reference to; or, one larger, the next free place. Read and written under the lock.
pub(super) struct Place(Cell<usize>);

// SAFETY: tasks may be reached from any CPU, and the blocks are the registry's.
unsafe impl Send for Entries {}

impl Place {
    fn task(&self) -> Option<ManuallyDrop<Weak<Task>>> {
        // SAFETY: an even word was stored from a reference that the place still owns.
        let weak = |address: usize| unsafe { Weak::from_raw(address as *const Task) };
        let word = self.0.get();
        word.is_multiple_of(2)
            .then(|| ManuallyDrop::new(weak(word)))
    }

    /// The free place that follows this one, which is free too; or null.
    fn next(&self) -> *const Place {
        core::ptr::with_exposed_provenance(self.0.get() - 1)
    }

    fn set_free(&self, next: *const Place) {
        self.0.set(next.expose_provenance() | 1);
    }
}

impl Entries {
    fn places(&self) -> impl Iterator<Item = &Place> {
        let mut block = self.blocks;
        let blocks = core::iter::from_fn(move || {
            // SAFETY: a block in the list is whole, and is there for ever.
            let this = unsafe { block.as_ref() }?;
            block = this.next;
            Some(this)
        });
        blocks.flat_map(|block| &block.places)
    }

    /// A place without a task.
    fn take(&mut self) -> &'static Place {
        if self.free.is_null() {
            let places = [const { Place(Cell::new(1)) }; _];
            let next = self.blocks;
            let block: &'static Block = Box::leak(Box::new(Block { next, places }));
            self.blocks = block;
            for place in &block.places {
                place.set_free(self.free);
                self.free = place;
            }
        }
        // SAFETY: it is in a block.
        let place = unsafe { &*self.free };
        self.free = place.next();
        place
    }

    /// Makes it whole after a CPU has died in the middle of a change: places that have no task now are lost.
    fn mend(&mut self, registry: &Registry) {
        self.free = null();
        let tasks = self.places().filter(|place| place.task().is_some());
        let tasks = tasks.count() as u64;
        let (added, removed) = (&registry.added, &registry.removed);
        // Neither ever gets smaller.
        added.fetch_max(removed.load(SeqCst) + tasks, SeqCst);
        removed.fetch_max(added.load(SeqCst) - tasks, SeqCst);
    }
}

impl Registry {
    const_fn! {
        pub(crate) fn new() -> Registry {
            Registry {
                added: AtomicU64::new(0),
                removed: AtomicU64::new(0),
                entries: Mutex::new(Entries { blocks: null(), free: null() }),
            }
        }
    }

    fn with_entries<R>(&self, act: impl FnOnce(&mut Entries) -> R) -> R {
        act(&mut self.entries.lock_mended(|entries| entries.mend(self)))
    }

    /// Puts `task` in, which is in none.
    pub(super) fn add(&self, task: &Arc<Task>) {
        let weak = Arc::downgrade(task).into_raw().expose_provenance();
        self.with_entries(|entries| {
            let place = entries.take();
            // Who finds the task there must find this.
            task.place
                .store(core::ptr::from_ref(place).cast_mut(), Relaxed);
            place.0.set(weak);
            self.added.fetch_add(1, SeqCst);
        })
    }

    /// Takes `task` off its place, if it is still there.
    pub(super) fn remove(&self, task: *const Task, place: *const Place) {
        let removed = self.with_entries(|entries| {
            // SAFETY: the task was put there, and blocks stay; the list is locked.
            let place = unsafe { &*place };
            let weak = place
                .task()
                .filter(|weak| core::ptr::eq(weak.as_ptr(), task))?;
            place.set_free(entries.free);
            entries.free = place;
            self.removed.fetch_add(1, SeqCst);
            Some(ManuallyDrop::into_inner(weak))
        });
        // Outside of the lock: it may free the task's memory.
        drop(removed);
    }

    /// Those that somebody can still wake.
    pub(super) fn tasks(&self) -> Vec<Arc<Task>> {
        self.with_entries(|entries| {
            let weak = entries.places().filter_map(|place| place.task());
            weak.filter_map(|weak| weak.upgrade()).collect()
        })
    }

    /// Takes those out whose memory is all that is left of them: who should have done that has died before.
    pub(super) fn remove_dead(&self) {
        let dead: Vec<(*const Place, *const Task)> = self.with_entries(|entries| {
            let places = entries.places().filter_map(|place| {
                let task = place.task()?;
                let dead = task.strong_count() == 0;
                dead.then(|| (core::ptr::from_ref(place), task.as_ptr()))
            });
            places.collect()
        });
        for (place, task) in dead {
            self.remove(task, place);
        }
    }
}

/// Number of tasks that are not done, on all CPUs; 0 only if there was a moment without any.
pub(crate) fn live() -> u64 {
    let sum = |number: fn(&Registry) -> &AtomicU64| {
        Cpu::all()
            .map(|cpu| number(&cpu.record().tasks).load(SeqCst))
            .sum::<u64>()
    };
    // In this order: what is removed meanwhile counts as live, and so does what is added.
    let removed = sum(|registry| &registry.removed);
    sum(|registry| &registry.added) - removed
}
