//! The sizes that blocks are rounded up to: 16 bytes apart at first, then four sizes for each doubling.

use core::alloc::Layout;

/// Number of sizes.
pub(super) const CLASSES: usize = FINE + 4 * DOUBLINGS;
/// The least size, and what the finest ones are apart.
pub(crate) const LEAST: usize = 16;
const FINE: usize = 8;
const DOUBLINGS: usize = 8;

/// Bytes of a block of that class.
pub(super) const fn size_of_class(class: usize) -> usize {
    if class < FINE {
        return LEAST * (class + 1);
    }
    let (doubling, quarter) = ((class - FINE) / 4, (class - FINE) % 4);
    ((LEAST * FINE) << doubling) / 4 * (5 + quarter)
}

/// The class of blocks for such values; `None` if they are too large for all. Where a block's size is a multiple of the
/// alignment, blocks that follow each other from an aligned address on are aligned.
pub(super) fn class_of(layout: Layout) -> Option<usize> {
    let size = layout.size().next_multiple_of(layout.align());
    let mut class = class_of_size(size);
    while class < CLASSES && !size_of_class(class).is_multiple_of(layout.align()) {
        class += 1;
    }
    (class < CLASSES).then_some(class)
}

/// The least class of blocks of that size at least.
pub(crate) fn class_of_size(size: usize) -> usize {
    if size <= LEAST * FINE {
        return size.div_ceil(LEAST).saturating_sub(1);
    }
    let highest = (size - 1).ilog2() as usize;
    let doubling = highest - (LEAST * FINE).ilog2() as usize;
    let quarter = (size - 1) >> (highest - 2) & 3;
    FINE + 4 * doubling + quarter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_smallest_that_is_large_enough() {
        assert_eq!(size_of_class(0), LEAST);
        for class in 1..CLASSES {
            let (below, size) = (size_of_class(class - 1), size_of_class(class));
            assert!(below < size && size.is_multiple_of(LEAST), "{class}");
            assert_eq!(class_of_size(size), class);
            assert_eq!(class_of_size(below + 1), class);
        }
        assert_eq!(size_of_class(CLASSES - 1), 32 << 10);
    }

    #[test]
    fn alignment_is_that_of_the_class() {
        for align in (0..=16).map(|power| 1 << power) {
            for size in [1, 16, 17, 100, 129, 5000, 32 << 10, 40 << 10] {
                let layout = Layout::from_size_align(size, align).unwrap();
                let Some(class) = class_of(layout) else {
                    assert!(size.next_multiple_of(align) > 24 << 10, "{size} {align}");
                    continue;
                };
                let of_class = size_of_class(class);
                assert!(of_class >= size && of_class.is_multiple_of(align));
            }
        }
    }
}
