//! A chunk of the heap: no two CPUs ever have the same memory, whatever it is cut into meanwhile, and whoever dies.

use alloc::boxed::Box;
use core::cell::Cell;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Release};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::check_with;
use crate::arch;
use crate::atomic::{AtomicBool, AtomicU64, UnsafeCell};
use crate::cpu::Cpu;
use crate::heap::chunk::{CHUNK, Chunk, Slots};
use crate::heap::classes::class_of_size;

/// Sizes of slots: four and two in a chunk.
const QUARTER: usize = CHUNK / 4;
const HALF: usize = CHUNK / 2;

/// A chunk, and for each quarter of its memory whether somebody has it.
struct Heap {
    chunk: Chunk,
    slots: Slots,
    memory: [UnsafeCell<bool>; 4],
}

// SAFETY: a CPU touches the cells of its slots only; that those are its own is what is checked.
unsafe impl Sync for Heap {}
// SAFETY: as above.
unsafe impl Send for Heap {}

impl Heap {
    /// In slots of `size`, all free.
    fn new(size: usize) -> Heap {
        let heap = Heap {
            chunk: Chunk::new(),
            // Memory holds anything at first.
            slots: core::array::from_fn(|_| AtomicU64::new(0)),
            memory: core::array::from_fn(|_| UnsafeCell::new(false)),
        };
        assert!(heap.chunk.claim(0));
        heap.chunk.divide(&heap.slots, class_of_size(size));
        heap
    }

    /// Takes a slot and writes to it: its quarters.
    fn take(&self, size: usize) -> Option<Range<usize>> {
        let slot = self.chunk.take(&self.slots, class_of_size(size))?;
        let quarters = size / QUARTER;
        let own = slot * quarters..(slot + 1) * quarters;
        for cell in &self.memory[own.clone()] {
            // SAFETY: the slot is this CPU's.
            let had = cell.with_mut(|had| unsafe { had.replace(true) });
            assert!(!had, "another's slot");
        }
        Some(own)
    }

    /// Gives back what was taken of slots of `size`; makes the chunk free if it can be.
    fn give(&self, own: Range<usize>, cpu: Cpu) {
        for cell in &self.memory[own.clone()] {
            // SAFETY: the slot is this CPU's as yet.
            assert!(cell.with_mut(|had| unsafe { had.replace(false) }));
        }
        if self.chunk.give(&self.slots, own.start / own.len()) {
            self.chunk.retire(&self.slots, cpu.index());
        }
    }

    /// Cuts the chunk into slots of `size` if it is free.
    fn divide(&self, size: usize, cpu: Cpu) {
        if self.chunk.claim(cpu.index()) {
            self.chunk.divide(&self.slots, class_of_size(size));
        }
    }
}

#[test]
fn a_slot_is_one_cpu_s() {
    check_with(
        2,
        Some(3),
        || Heap::new(HALF),
        |cpu, heap| {
            for _ in 0..2 {
                if let Some(own) = heap.take(HALF) {
                    heap.give(own, cpu);
                }
            }
        },
    );
}

#[test]
fn a_slot_is_not_taken_of_a_chunk_that_has_others_now() {
    let make = || {
        let heap = Heap::new(QUARTER);
        let first = heap.take(QUARTER).expect("a free slot");
        (heap, first)
    };
    check_with(2, Some(3), make, |cpu, (heap, first)| {
        if cpu.index() == 0 {
            heap.give(first.clone(), cpu);
            heap.divide(HALF, cpu);
            let _kept = (heap.take(HALF), heap.take(HALF));
        } else if let Some(own) = heap.take(QUARTER) {
            heap.give(own, cpu);
        }
    });
}

#[test]
fn the_last_of_two_that_give_back_makes_the_chunk_free_or_leaves_it_whole() {
    let make = || {
        let heap = Heap::new(HALF);
        let slots = [(); 2].map(|()| heap.take(HALF).expect("a free slot"));
        (heap, slots)
    };
    check_with(2, Some(3), make, |cpu, (heap, slots)| {
        heap.give(slots[cpu.index()].clone(), cpu);
        heap.divide(QUARTER, cpu);
        for size in [QUARTER, HALF] {
            if let Some(own) = heap.take(size) {
                heap.give(own, cpu);
            }
        }
    });
}

loom::thread_local! {
    /// Changes that a CPU has left until it dies; 0: it does not.
    static LEFT: Cell<u32> = Cell::new(0);
}

/// Why a CPU's work has ended.
struct Death;

/// Before every change of a chunk.
pub(crate) fn step() {
    let is_last = LEFT.with(|left| left.replace(left.get().saturating_sub(1)) == 1);
    if is_last {
        resume_unwind(Box::new(Death));
    }
}

/// Does `work` up to the change with this number. Whether it has died there.
fn dies(at: u32, work: impl FnOnce()) -> bool {
    LEFT.with(|left| left.set(at));
    let ended = catch_unwind(AssertUnwindSafe(work));
    LEFT.with(|left| left.set(0));
    match ended {
        Ok(()) => false,
        Err(why) if why.is::<Death>() => true,
        Err(why) => resume_unwind(why),
    }
}

/// A CPU dies at each of its changes in turn, while another one gives and takes, and then settles and takes what there is.
#[test]
fn what_a_dead_cpu_has_is_never_another_s() {
    /// More changes than a CPU makes here.
    const CHANGES: u32 = 16;
    for death in 1..CHANGES {
        let make = || {
            let heap = Heap::new(HALF);
            let slots = [(); 2].map(|()| heap.take(HALF).expect("a free slot"));
            (heap, slots, AtomicBool::new(false))
        };
        check_with(2, Some(2), make, move |cpu, (heap, slots, is_over)| {
            let own = slots[cpu.index()].clone();
            if cpu.index() == 0 {
                let died = dies(death, || {
                    heap.give(own, cpu);
                    heap.divide(QUARTER, cpu);
                    let _kept = (heap.take(QUARTER), heap.take(HALF));
                });
                assert!(!died || death < CHANGES - 1, "more changes than were tried");
                is_over.store(true, Release);
                return;
            }
            heap.give(own, cpu);
            let _kept = heap.take(HALF);
            while !is_over.load(Acquire) {
                arch::relax();
            }
            heap.chunk.settle(0);
            heap.divide(QUARTER, cpu);
            for size in [QUARTER, HALF] {
                while heap.take(size).is_some() {}
            }
        });
    }
}
