//! The barrier of the boot.

use super::check_with;
use crate::atomic::UnsafeCell;
use crate::boot::Barrier;

/// A cell per CPU, which others read after the barrier.
struct Stage {
    barrier: Barrier,
    written: [UnsafeCell<u32>; 2],
}

// SAFETY: each CPU writes its own cell before the barrier; that it orders the accesses is what is checked.
unsafe impl Sync for Stage {}
// SAFETY: as above.
unsafe impl Send for Stage {}

#[test]
fn all_see_what_all_did_before_the_barrier_each_time() {
    let make = || Stage {
        barrier: Barrier::new(),
        written: core::array::from_fn(|_| UnsafeCell::new(0)),
    };
    check_with(2, Some(3), make, |cpu, stage| {
        for round in 1..3 {
            // SAFETY: the other CPU reads it after this barrier and before the next.
            stage.written[cpu.index()].with_mut(|value| unsafe { *value = round });
            stage.barrier.wait(2, || ());
            // SAFETY: the other CPU wrote it before this barrier and writes it after the next.
            stage.written[1 - cpu.index()].with(|value| assert_eq!(unsafe { *value }, round));
            stage.barrier.wait(2, || ());
        }
    });
}
