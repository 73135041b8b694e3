//! The heap that all CPUs share: `talc` behind the runtime's own lock, on the memory behind the image.

use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr::{NonNull, null_mut};

use talc::base::Talc;
use talc::base::binning::DefaultBinning;
use talc::source::Manual;

use crate::sync::Mutex;

struct Heap(Mutex<Talc<Manual, DefaultBinning>>);

#[global_allocator]
static HEAP: Heap = Heap(Mutex::new(Talc::new(Manual)));

/// Gives `memory` to the heap. Once, by one CPU, before any CPU allocates.
pub(crate) fn start(memory: Range<usize>) {
    let mut heap = HEAP.0.lock();
    // SAFETY: the memory behind the image belongs to nobody else, and is mapped on all CPUs.
    let claimed = unsafe { heap.claim(memory.start as *mut u8, memory.len()) };
    drop(heap);
    assert!(claimed.is_some(), "no memory behind the image");
}

// SAFETY: talc allocates, one call at a time.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller gives a layout of some size.
        unsafe { self.0.lock().allocate(layout) }.map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller gives what it got from `alloc`.
        unsafe { self.0.lock().deallocate(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller gives what it got from `alloc`.
        if unsafe { self.0.lock().try_realloc_in_place(pointer, layout, size) } {
            return pointer;
        }
        // SAFETY: the caller guarantees that `size`, rounded up to the alignment, is not too large.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
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
