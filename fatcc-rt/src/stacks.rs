//! The stacks of all CPUs: slots at the end of the shared memory, so that what is on them can be shared.
//!
//! The lowest page of each is not mapped. Every CPU of every instruction set has one that it boots on and one for faults
//! that a broken stack causes; their numbers are constants, because a CPU needs its first stack before it can ask.
//! The others are for [attempts](crate::attempt).

use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};

use fat_image::PAGE_SIZE;
use fat_image::machine::{CPUS, STACK_SIZE, STACKS, STACKS_START};

const SIZE: usize = STACK_SIZE as usize;
const GUARD: usize = PAGE_SIZE as usize;

/// Stacks that a CPU has from its start: to boot on, and for faults.
const PER_CPU: usize = 2;

/// The end of the stack that CPU `ordinal` of the instruction set with number `room` boots on. Rooms are numbers of the
/// folders of `arch`, not of the image.
#[allow(dead_code, reason = "the host gives its threads stacks")]
pub(crate) const fn boot(room: usize, ordinal: usize) -> usize {
    end_of(PER_CPU * (room * CPUS + ordinal))
}

/// The end of that CPU's stack for faults.
#[allow(dead_code, reason = "the host gives its threads stacks")]
pub(crate) const fn fault(room: usize, ordinal: usize) -> usize {
    end_of(PER_CPU * (room * CPUS + ordinal) + 1)
}

/// Bytes from a CPU's stack to the next CPU's.
#[allow(dead_code, reason = "the host gives its threads stacks")]
pub(crate) const STEP: usize = PER_CPU * SIZE;

const fn end_of(slot: usize) -> usize {
    assert!(slot < STACKS);
    STACKS_START as usize + (slot + 1) * SIZE
}

/// Whether all of `bytes` is mapped and in one stack.
#[allow(dead_code, reason = "the host has no backtraces")]
pub(crate) fn contains(bytes: Range<usize>) -> bool {
    let Some(offset) = bytes.start.checked_sub(STACKS_START as usize) else {
        return false;
    };
    let first = offset % SIZE;
    offset / SIZE < STACKS && first >= GUARD && first + bytes.len() <= SIZE
}

/// Whether `address` is in the page below a stack.
#[allow(dead_code, reason = "the host has no page tables")]
pub(crate) fn is_guard(address: usize) -> bool {
    let offset = address.wrapping_sub(STACKS_START as usize);
    offset / SIZE < STACKS && offset % SIZE < GUARD
}

/// Slots that no CPU has from its start, a bit each for those that somebody has now.
static TAKEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// The first of them.
const FREE: usize = PER_CPU * CPUS * 2;

/// A stack that its owner runs something on.
pub(crate) struct Slot(u32);

/// A stack: the one that the CPU keeps in `spare`, or another one. `None` if none is left.
#[allow(dead_code, reason = "the host unwinds instead")]
pub(crate) fn take(spare: &AtomicU32) -> Option<Slot> {
    match spare.swap(0, Relaxed) {
        0 => take_any(),
        slot => Some(Slot(slot)),
    }
}

fn take_any() -> Option<Slot> {
    for slot in FREE..STACKS {
        let (word, bit) = (&TAKEN[slot / 64], 1 << (slot % 64));
        if word.load(Relaxed) & bit == 0 && word.fetch_or(bit, Acquire) & bit == 0 {
            return Some(Slot(slot as u32));
        }
    }
    None
}

impl Slot {
    /// Its end, where it begins to grow.
    #[allow(dead_code, reason = "the host unwinds instead")]
    pub(crate) fn end(&self) -> usize {
        end_of(self.0 as usize)
    }

    /// Back to where it was taken from. A slot that is dropped instead is never used again.
    pub(crate) fn give(self, spare: &AtomicU32) {
        if spare.load(Relaxed) == 0 {
            spare.store(self.0, Relaxed);
        } else {
            TAKEN[self.0 as usize / 64].fetch_and(!(1 << (self.0 % 64)), Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_ends_where_the_next_one_s_guard_begins() {
        let end = boot(1, 1);
        assert!(contains(end - 16..end));
        assert!(!contains(end - 16..end + 1) && !contains(end..end + 16));
        assert!(is_guard(end) && is_guard(end - SIZE) && !is_guard(end - SIZE + GUARD));
        assert!(contains(end - SIZE + GUARD..end) && !contains(end - SIZE + GUARD - 1..end));
        assert_eq!((fault(1, 1) - end, boot(1, 2) - end), (SIZE, STEP));
    }

    #[test]
    fn a_stack_is_nobody_else_s_until_it_is_given_back() {
        let spare = AtomicU32::new(0);
        let (first, second) = (take(&spare).unwrap(), take(&spare).unwrap());
        assert_ne!(first.end(), second.end());
        assert!(contains(first.end() - 16..first.end()) && first.end() > fault(1, CPUS - 1));
        let ends = [first.end(), second.end()];
        first.give(&spare);
        second.give(&spare);
        assert_eq!(
            [take(&spare), take(&spare)].map(|slot| slot.unwrap().end()),
            ends
        );
    }

    #[test]
    fn what_is_no_stack_is_not_in_one() {
        for address in [
            0,
            16,
            STACKS_START as usize - 16,
            end_of(STACKS - 1),
            usize::MAX - 64,
        ] {
            assert!(!contains(address..address + 16), "{address:#x}");
        }
    }
}
