//! Where blocks come from: chunks of memory, each cut into slots of one size, or several together for a large block.

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};

use super::chunk::{CHUNK, Chunk, FREE, INNER, LARGE, Slots};
use super::classes::{CLASSES, class_of, class_of_size, size_of_class};
use crate::cpu;
use crate::sync::CacheAligned;

/// Memory, and what is known of it. It begins with none.
pub(crate) struct Blocks {
    /// Address of the first chunk.
    first: AtomicUsize,
    /// Number of chunks; written last.
    count: AtomicUsize,
    chunks: AtomicPtr<Chunk>,
    slots: AtomicPtr<Slots>,
    /// Behind the last chunk that was ever cut into slots.
    divided_end: AtomicUsize,
    /// Where each CPU takes its slots from: by class, the number of a chunk plus one.
    own: [CacheAligned<[AtomicU32; CLASSES]>; cpu::MAX],
}

impl Blocks {
    pub(crate) const fn new() -> Blocks {
        Blocks {
            first: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            chunks: AtomicPtr::new(null_mut()),
            slots: AtomicPtr::new(null_mut()),
            divided_end: AtomicUsize::new(0),
            own: [const { CacheAligned([const { AtomicU32::new(0) }; CLASSES]) }; cpu::MAX],
        }
    }

    /// Gives it `memory`, once. False if that is too little.
    ///
    /// # Safety
    /// The memory is nobody else's for ever.
    pub(crate) unsafe fn start(&self, memory: Range<usize>) -> bool {
        const KNOWN: usize = size_of::<Chunk>() + size_of::<Slots>();
        let slots = memory.start.next_multiple_of(align_of::<Slots>());
        let Some(room) = memory.end.checked_sub(slots + CHUNK) else {
            return false;
        };
        let count = room / (CHUNK + KNOWN);
        let chunks = slots + count * size_of::<Slots>();
        for at in 0..count {
            let chunk = (chunks as *mut Chunk).wrapping_add(at);
            // SAFETY: the memory is ours, and a chunk's alignment no larger than that of what is before it.
            unsafe { chunk.write_bytes(0, 1) };
        }
        let end = chunks + count * size_of::<Chunk>();
        self.slots.store(slots as *mut Slots, Relaxed);
        self.chunks.store(chunks as *mut Chunk, Relaxed);
        self.first.store(end.next_multiple_of(CHUNK), Relaxed);
        self.count.store(count, Release);
        count > 0
    }

    fn chunks(&self) -> &[Chunk] {
        let count = self.count.load(Acquire);
        match count {
            0 => &[],
            // SAFETY: `start` has made so many there.
            _ => unsafe { core::slice::from_raw_parts(self.chunks.load(Relaxed), count) },
        }
    }

    fn slots(&self, at: usize) -> &Slots {
        assert!(at < self.count.load(Acquire));
        // SAFETY: there is one for each chunk. They are written before the chunk's usage says that it has slots.
        unsafe { &*self.slots.load(Relaxed).add(at) }
    }

    fn address(&self, at: usize) -> usize {
        self.first.load(Relaxed) + at * CHUNK
    }

    /// A block for such a value, for `cpu`, which runs this; null if there is no more.
    pub(crate) fn take(&self, layout: Layout, cpu: usize) -> *mut u8 {
        let address = match class_of(layout) {
            Some(class) => self.take_slot(class, cpu),
            None => self.take_large(layout, cpu),
        };
        address.map_or(null_mut(), |address| address as *mut u8)
    }

    fn take_slot(&self, class: usize, cpu: usize) -> Option<usize> {
        let own = &self.own[cpu].0[class];
        let chunks = self.chunks();
        let take = |at: usize| {
            let slot = chunks[at].take(self.slots(at), class)?;
            Some(self.address(at) + slot * size_of_class(class))
        };
        let usual = own.load(Relaxed) as usize;
        if usual != 0
            && let Some(address) = take(usual - 1)
        {
            return Some(address);
        }
        let divided = 0..self.divided_end.load(Relaxed);
        let others = divided.filter(|at| chunks[*at].may_have(class));
        let mut found = others.filter_map(|at| Some((at, take(at)?)));
        let (at, address) = found.next().or_else(|| {
            // Others may take all slots of the new chunk before this CPU does.
            core::iter::from_fn(|| self.divide_one(class, cpu)).find_map(|at| Some((at, take(at)?)))
        })?;
        own.store(at as u32 + 1, Relaxed);
        Some(address)
    }

    fn divide_one(&self, class: usize, cpu: usize) -> Option<usize> {
        let chunks = self.chunks();
        let at = chunks.iter().position(|chunk| chunk.claim(cpu))?;
        self.divided_end.fetch_max(at + 1, Relaxed);
        chunks[at].divide(self.slots(at), class);
        Some(at)
    }

    /// From the end, so that what is small stays together.
    fn take_large(&self, layout: Layout, cpu: usize) -> Option<usize> {
        let chunks = self.chunks();
        let wanted = layout.size().div_ceil(CHUNK).max(1);
        let mut at = chunks.len().checked_sub(wanted)?;
        loop {
            let aligned = self.address(at).is_multiple_of(layout.align());
            // The one that is in the way, if any.
            let busy = match aligned {
                true => self.claim_all(at, wanted, cpu),
                false => Some(at + wanted - 1),
            };
            let Some(busy) = busy else { break };
            at = busy.checked_sub(wanted)?;
        }
        let (first, others) = chunks[at..at + wanted].split_first()?;
        others.iter().for_each(|chunk| chunk.set(INNER));
        first.unit.store(wanted as u32, Relaxed);
        first.set(LARGE);
        Some(self.address(at))
    }

    /// Claims `wanted` chunks from `at` on, or none: then the result is the last one that could not be had.
    fn claim_all(&self, at: usize, wanted: usize, cpu: usize) -> Option<usize> {
        let chunks = self.chunks();
        let busy = (at..at + wanted).rev().find(|at| !chunks[*at].claim(cpu))?;
        chunks[busy + 1..at + wanted]
            .iter()
            .for_each(|chunk| chunk.set(FREE));
        Some(busy)
    }

    /// Takes a block back that [`take`](Blocks::take) gave to anybody.
    pub(crate) fn give(&self, address: usize, cpu: usize) {
        let offset = address - self.first.load(Relaxed);
        let (at, inside) = (offset / CHUNK, offset % CHUNK);
        let chunk = &self.chunks()[at];
        let unit = chunk.unit.load(Relaxed) as usize;
        if chunk.kind() == LARGE {
            let others = &self.chunks()[at + 1..at + unit];
            others.iter().for_each(|chunk| chunk.set(FREE));
            return chunk.set(FREE);
        }
        let usual = at as u32 + 1;
        let is_usual = |class: usize| {
            let mut own = self.own.iter();
            own.any(|own| own.0[class].load(Relaxed) == usual)
        };
        if chunk.give(self.slots(at), inside / unit) && !is_usual(class_of_size(unit)) {
            chunk.retire(self.slots(at), cpu);
        }
    }

    /// Bytes that the block of such a value has.
    pub(crate) fn size(layout: Layout) -> usize {
        match class_of(layout) {
            Some(class) => size_of_class(class),
            None => layout.size().div_ceil(CHUNK) * CHUNK,
        }
    }

    /// Gives back what `cpu`, which is dead, was about to use.
    pub(crate) fn settle(&self, cpu: usize) {
        self.chunks().iter().for_each(|chunk| chunk.settle(cpu));
    }
}
