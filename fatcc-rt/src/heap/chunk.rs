//! A chunk of the heap's memory: what it is used for, and which of its slots are taken.
//!
//! ```text
//!   FREE ──claim──► CLAIMED ──► DIVIDING ──► slots of a class ──retire──► RETIRING ──► FREE
//!                      │                             ▲                       │ a slot is taken after all
//!                      │                             └───────────────────────┘
//!                      └──────────► LARGE, the first of a block of several; the others are INNER ──► FREE
//! ```
//!
//! Each arrow is one store or exchange of `usage`, and each slot one bit. `usage` has a number that changes whenever a chunk
//! is claimed: who takes a slot looks at it before and behind that, so it never has a slot of the wrong size. Who finds
//! behind that it may not have the slot gives its bit back. So bits must not be made free while somebody may do that, but
//! to those who look at them with the new number: all bits of a chunk that is retired are set before it is FREE, and a
//! chunk whose CPU dies while it divides it is never used again.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use super::classes::{LEAST, class_of_size, size_of_class};
use super::step;
use crate::atomic::{AtomicU32, AtomicU64};

/// Bytes of a chunk, and what its address is a multiple of.
pub(crate) const CHUNK: usize = 64 << 10;
const WORDS: usize = CHUNK / LEAST / 64;

// The lowest byte of `usage`; from 1 on, a class plus one.
pub(crate) const FREE: u32 = 0;
const CLAIMED: u32 = 0x80;
const RETIRING: u32 = 0x90;
const DIVIDING: u32 = 0xb0;
pub(crate) const LARGE: u32 = 0xa0;
pub(crate) const INNER: u32 = 0xa1;
const KIND: u32 = 0xff;
const NEXT: u32 = KIND + 1;

/// What is known of a chunk. Zero is a free one.
#[repr(C)]
pub(crate) struct Chunk {
    usage: AtomicU32,
    /// Bytes of a slot, or chunks of a large block.
    pub(crate) unit: AtomicU32,
    /// A bit for each word of [`Slots`] that may have a slot left. It is seldom wrong, and never for long.
    open: AtomicU64,
}

/// A bit for each slot of a chunk that is taken, or that is not there.
pub(crate) type Slots = [AtomicU64; WORDS];

/// Words that have a slot, and which bits of the last one have none.
fn extent(size: usize) -> (usize, u64) {
    let slots = CHUNK / size;
    let used = slots % 64;
    let tail = if used == 0 { 0 } else { u64::MAX << used };
    (slots.div_ceil(64), tail)
}

impl Chunk {
    #[cfg(loom)]
    pub(crate) fn new() -> Chunk {
        Chunk {
            usage: AtomicU32::new(FREE),
            unit: AtomicU32::new(0),
            open: AtomicU64::new(0),
        }
    }

    /// What it is, without the number.
    pub(crate) fn kind(&self) -> u32 {
        self.usage.load(Acquire) & KIND
    }

    /// Whether it has slots of this class, and one may be left.
    pub(crate) fn may_have(&self, class: usize) -> bool {
        self.kind() == class as u32 + 1 && self.open.load(Relaxed) != 0
    }

    /// Makes it this CPU's, if it is free.
    pub(crate) fn claim(&self, cpu: usize) -> bool {
        let usage = self.usage.load(Relaxed);
        if usage & KIND != FREE {
            return false;
        }
        let claimed = (usage & !KIND).wrapping_add(NEXT) | CLAIMED | cpu as u32;
        step();
        let exchanged = self.usage.compare_exchange(usage, claimed, AcqRel, Relaxed);
        exchanged.is_ok()
    }

    /// Says what it is that the CPU has claimed, or has had.
    pub(crate) fn set(&self, kind: u32) {
        step();
        let usage = self.usage.load(Relaxed);
        self.usage.store(usage & !KIND | kind, Release);
    }

    /// Ends what `cpu`, which is dead, was about to do: what it had claimed is free; what it was about to free has slots
    /// again, but those that it had taken for that.
    pub(crate) fn settle(&self, cpu: usize) {
        let kind = self.kind();
        if kind == CLAIMED | cpu as u32 {
            self.set(FREE);
        } else if kind == RETIRING | cpu as u32 {
            let class = class_of_size(self.unit.load(Relaxed) as usize);
            self.set(class as u32 + 1);
        }
    }

    /// Makes it one of free slots. It is claimed.
    pub(crate) fn divide(&self, slots: &Slots, class: usize) {
        let size = size_of_class(class);
        let (words, tail) = extent(size);
        self.set(DIVIDING);
        self.unit.store(size as u32, Relaxed);
        for (at, word) in slots[..words].iter().enumerate() {
            step();
            // Who takes a bit of it sees that the chunk has another number now. A store would do, but in the models two
            // exchanges may then find the same value (loom 0.7), which no memory lets them.
            word.swap(if at + 1 == words { tail } else { 0 }, Release);
        }
        self.open.store(u64::MAX >> (64 - words), Relaxed);
        self.set(class as u32 + 1);
    }

    /// Takes a slot of this class: its number.
    pub(crate) fn take(&self, slots: &Slots, class: usize) -> Option<usize> {
        let usage = self.usage.load(Acquire);
        if usage & KIND != class as u32 + 1 {
            return None;
        }
        loop {
            let open = self.open.load(Relaxed);
            if open == 0 {
                return None;
            }
            let at = open.trailing_zeros() as usize;
            let taken = slots[at].load(Relaxed);
            if taken == u64::MAX {
                self.close(slots, at);
                continue;
            }
            let bit = 1 << taken.trailing_ones();
            step();
            if slots[at].fetch_or(bit, Acquire) & bit != 0 {
                continue;
            }
            step();
            if self.usage.load(Acquire) == usage {
                return Some(64 * at + bit.trailing_zeros() as usize);
            }
            slots[at].fetch_and(!bit, Release);
            return None;
        }
    }

    /// Notes that a word has no slot left, unless one is given back at this moment.
    fn close(&self, slots: &Slots, at: usize) {
        step();
        self.open.fetch_and(!(1 << at), SeqCst);
        step();
        if slots[at].load(SeqCst) != u64::MAX {
            self.open.fetch_or(1 << at, SeqCst);
        }
    }

    /// Gives a slot back. Whether all of its word are free now.
    pub(crate) fn give(&self, slots: &Slots, slot: usize) -> bool {
        let (at, bit) = (slot / 64, 1 << (slot % 64));
        step();
        let before = slots[at].fetch_and(!bit, SeqCst);
        assert!(before & bit != 0, "a block was freed twice");
        if self.open.load(SeqCst) & 1 << at == 0 {
            step();
            self.open.fetch_or(1 << at, SeqCst);
        }
        let (words, tail) = extent(self.unit.load(Relaxed) as usize);
        before & !bit == if at + 1 == words { tail } else { 0 }
    }

    /// Makes it free, if all its slots are. Who dies here leaves it with slots that can only be given back.
    pub(crate) fn retire(&self, slots: &Slots, cpu: usize) {
        let usage = self.usage.load(Acquire);
        if usage & KIND == FREE || usage & KIND >= CLAIMED {
            return;
        }
        let (words, tail) = extent(size_of_class((usage & KIND) as usize - 1));
        let free = |at: usize| if at + 1 == words { tail } else { 0 };
        let is_free = |at: usize| slots[at].load(Relaxed) == free(at);
        let retiring = usage & !KIND | RETIRING | cpu as u32;
        if !(0..words).all(is_free)
            || self
                .usage
                .compare_exchange(usage, retiring, AcqRel, Relaxed)
                .is_err()
        {
            return;
        }
        for at in 0..words {
            step();
            let all = slots[at].compare_exchange(free(at), u64::MAX, AcqRel, Relaxed);
            if all.is_err() {
                (0..at).for_each(|at| slots[at].store(free(at), Release));
                self.open.store(u64::MAX >> (64 - words), SeqCst);
                return self.set(usage & KIND);
            }
        }
        self.set(FREE);
    }
}
