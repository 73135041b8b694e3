//! Random blocks on several threads, some of which die in the middle.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::blocks::Blocks;

std::thread_local! {
    /// Changes until this thread dies.
    static LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// What a thread dies of.
struct Death;

pub(super) fn step() {
    LEFT.set(LEFT.get() - 1);
    if LEFT.get() == 0 {
        LEFT.set(u32::MAX);
        std::panic::resume_unwind(std::boxed::Box::new(Death));
    }
}

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn layout(&mut self) -> Layout {
        let size = match self.below(20) {
            0 => 1 + self.below(300_000),
            1..4 => 1 + self.below(40_000),
            _ => 1 + self.below(500),
        };
        Layout::from_size_align(size, 1 << self.below(8)).unwrap()
    }
}

/// Memory for a heap; it is given back behind all use.
struct Memory(Vec<u64>);

impl Memory {
    fn of(bytes: usize) -> (Memory, Blocks) {
        let words = bytes / 8;
        let mut memory = Memory(Vec::with_capacity(words));
        // What memory holds at first is not zero.
        // SAFETY: the words are reserved, and any bytes are good words.
        unsafe {
            memory.0.as_mut_ptr().write_bytes(0xff, words);
            memory.0.set_len(words);
        }
        let range = memory.0.as_mut_ptr_range();
        let blocks = Blocks::new();
        // SAFETY: nobody else uses it while the blocks are in use.
        assert!(unsafe { blocks.start(range.start.expose_provenance()..range.end.addr()) });
        (memory, blocks)
    }
}

/// A block, all bytes of which have its owner's mark.
struct Block {
    start: *mut u8,
    size: usize,
    mark: u8,
}

// SAFETY: it is its owner's.
unsafe impl Send for Block {}

impl Block {
    fn take(heap: &Blocks, layout: Layout, cpu: usize, mark: u8) -> Option<Block> {
        let start = heap.take(layout, cpu);
        let start = core::ptr::with_exposed_provenance_mut::<u8>(start.addr());
        if start.is_null() {
            return None;
        }
        assert!(start.addr().is_multiple_of(layout.align()));
        // SAFETY: the block is that large.
        unsafe { start.write_bytes(mark, layout.size()) };
        Some(Block {
            start,
            size: layout.size(),
            mark,
        })
    }

    fn give(self, heap: &Blocks, cpu: usize) {
        // SAFETY: it was written when it was taken.
        let bytes = unsafe { core::slice::from_raw_parts(self.start, self.size) };
        // Each is its neighbour: quick under Miri too.
        let whole = bytes[0] == self.mark && bytes[1..] == bytes[..self.size - 1];
        assert!(whole, "another's bytes");
        heap.give(self.start.addr(), cpu);
    }
}

/// Takes and gives blocks; what it has is in `held`, so that it outlives a death.
fn work(heap: &Blocks, cpu: usize, seed: u64, rounds: usize, held: &mut Vec<Block>) {
    let mut random = Random(seed * 2 + 1);
    for round in 0..rounds {
        if held.len() > 40 || (!held.is_empty() && random.below(2) == 0) {
            let at = random.below(held.len());
            held.swap_remove(at).give(heap, cpu);
        } else {
            let mark = (round as u8) << 3 | cpu as u8;
            held.extend(Block::take(heap, random.layout(), cpu, mark));
        }
    }
}

const ROUNDS: usize = if cfg!(miri) { 100 } else { 30_000 };

#[test]
fn blocks_are_whole_while_all_cpus_take_and_give_them() {
    let (memory, heap) = Memory::of(32 << 20);
    std::thread::scope(|scope| {
        for cpu in 0..4 {
            let heap = &heap;
            scope.spawn(move || {
                let mut held = Vec::new();
                work(heap, cpu, cpu as u64 + 1, ROUNDS, &mut held);
                // The next one frees them.
                held.drain(..)
                    .for_each(|block| block.give(heap, (cpu + 1) % 4));
            });
        }
    });
    drop(memory);
}

/// Everything that was given back can be taken again, in any other size.
#[test]
fn what_is_free_has_no_size() {
    // Small blocks are many, which takes Miri long.
    let sizes = [24, 70_000, 3000, 16, 200_000, 24_000];
    let sizes = sizes
        .into_iter()
        .filter(|size| !cfg!(miri) || *size > 10_000);
    let (memory, heap) = Memory::of(4 << 20);
    for size in sizes {
        let layout = Layout::from_size_align(size, 8).unwrap();
        let blocks: Vec<Block> =
            core::iter::from_fn(|| Block::take(&heap, layout, 0, size as u8)).collect();
        assert!(blocks.len() * size > 2 << 20, "{} of {size}", blocks.len());
        blocks.into_iter().for_each(|block| block.give(&heap, 1));
    }
    drop(memory);
}

/// A CPU dies at each of its changes in turn. The others' blocks stay whole, and what it takes along is little.
#[test]
fn a_cpu_may_die_at_any_change() {
    let deaths = if cfg!(miri) { 8 } else { 1_000 };
    let (memory, heap) = Memory::of(64 << 20);
    for death in 1..deaths {
        let (mut others, mut held) = (Vec::new(), Vec::new());
        work(&heap, 1, death, 30, &mut others);
        LEFT.set(death as u32);
        let dying = || work(&heap, 0, death * 7, ROUNDS, &mut held);
        let died = catch_unwind(AssertUnwindSafe(dying)).is_err_and(|why| why.is::<Death>());
        LEFT.set(u32::MAX);
        assert!(died);
        heap.settle(0);
        work(&heap, 1, death + 1, 100, &mut others);
        others.extend(held);
        others.drain(..).for_each(|block| block.give(&heap, 1));
    }
    let large = Layout::from_size_align(8 << 20, 8).unwrap();
    let last = Block::take(&heap, large, 1, 1);
    last.expect("little was lost").give(&heap, 1);
    drop(memory);
}
