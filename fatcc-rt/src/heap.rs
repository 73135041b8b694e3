//! The heap that all CPUs share, on the memory behind the image. It has no lock.
//!
//! A CPU may die at any instruction, and the others need the heap more than ever then. So there is no moment at which it
//! is not whole: a block is taken and given back by one exchange of a bit ([`chunk`]), and who dies before or behind that
//! takes at most what it was about to use along, a block or a chunk. For the same reason interrupt handlers may allocate.
//!
//! Blocks are rounded up to some forty sizes ([`classes`]). A chunk of 64 KiB has blocks of one size; every CPU takes them
//! from a chunk of its own for each size as long as that has some, so CPUs seldom meet. What is larger than half a chunk has
//! chunks for itself ([`blocks`]).

mod blocks;
pub(crate) mod chunk;
pub(crate) mod classes;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(target_os = "none")]
mod global {
    use core::alloc::{GlobalAlloc, Layout};
    use core::ops::Range;

    use super::blocks::Blocks;
    use crate::cpu::Cpu;

    struct Heap(Blocks);

    #[global_allocator]
    static HEAP: Heap = Heap(Blocks::new());

    /// Gives `memory` to the heap. Once, by one CPU, before any CPU allocates.
    pub(crate) fn start(memory: Range<usize>) {
        // SAFETY: the memory behind the image belongs to nobody else, and is mapped on all CPUs.
        let enough = unsafe { HEAP.0.start(memory) };
        assert!(enough, "no memory behind the image");
    }

    /// Gives back what `cpu`, which is dead, was about to use.
    pub(crate) fn settle(cpu: Cpu) {
        HEAP.0.settle(cpu.index());
    }

    // SAFETY: blocks are as large as was asked for, aligned, and nobody else's until they are given back.
    unsafe impl GlobalAlloc for Heap {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            self.0.take(layout, Cpu::current().index())
        }

        unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
            self.0.give(pointer.addr(), Cpu::current().index());
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the caller guarantees that `size`, rounded up to the alignment, is not too large.
            let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
            if Blocks::size(wanted) == Blocks::size(layout) {
                return pointer;
            }
            // SAFETY: the caller's size is not zero.
            let new = unsafe { self.alloc(wanted) };
            if !new.is_null() {
                // SAFETY: both are allocations of at least that size, and different ones.
                unsafe {
                    pointer.copy_to_nonoverlapping(new, layout.size().min(size));
                    self.dealloc(pointer, layout);
                }
            }
            new
        }
    }
}

#[cfg(target_os = "none")]
pub(crate) use global::{settle, start};

/// The host's heap is its own.
#[cfg(not(target_os = "none"))]
pub(crate) fn settle(_: crate::cpu::Cpu) {}

/// Before every change of what CPUs share. The tests let a CPU die here.
#[inline(always)]
fn step() {
    #[cfg(all(test, not(loom)))]
    tests::step();
    #[cfg(all(test, loom))]
    crate::models::heap::step();
}
