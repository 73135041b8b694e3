//! What a block of the heap costs that both CPUs share: alone, and while the other CPU takes and gives blocks too.

use alloc::vec::Vec;
use core::hint::{black_box, spin_loop};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::time::Duration;

use fatcc_rt::cpu::Cpu;
use fatcc_rt::sync::CacheAligned;
use fatcc_rt::task;
use fatcc_rt::time::now;

use crate::rows::Rows;

/// Blocks that are taken and given back in a sample.
const BATCH: u32 = 1024;
/// Blocks that a CPU has at a time.
const KEPT: usize = 32;
/// Bytes of the blocks, in turn: those of small values mostly, as in a program, and some buffers.
const SIZES: [usize; 8] = [24, 64, 16, 200, 48, 1514, 32, 96];

/// CPUs that have begun, and that have done what is measured, of a sample by both.
static BEGUN: CacheAligned<AtomicU32> = CacheAligned(AtomicU32::new(0));
static DONE: CacheAligned<AtomicU32> = CacheAligned(AtomicU32::new(0));

/// A sample of each, on both CPUs.
pub async fn measure(rows: &mut Rows, there: Cpu) {
    rows.add("heap", BATCH, time());
    let alone = task::spawn_on(there, async { time() });
    rows.add("heap-there", BATCH, alone.await.expect("a time"));
    BEGUN.store(0, Relaxed);
    DONE.store(0, Relaxed);
    let other = task::spawn_on(there, async { at_once() });
    rows.add("heap-both", BATCH, at_once());
    rows.add("heap-both-there", BATCH, other.await.expect("a time"));
}

/// The time while the other CPU does the same. Who is faster goes on until both are done.
fn at_once() -> Duration {
    BEGUN.fetch_add(1, Release);
    while BEGUN.load(Acquire) < 2 {
        spin_loop();
    }
    let time = time();
    DONE.fetch_add(1, Release);
    while DONE.load(Acquire) < 2 {
        take_and_give(KEPT as u32);
    }
    time
}

fn time() -> Duration {
    let start = now();
    take_and_give(BATCH);
    now() - start
}

/// So many blocks, each given back when as many others have been taken as are kept.
#[inline(never)]
fn take_and_give(blocks: u32) {
    let mut kept: [Vec<u8>; KEPT] = [const { Vec::new() }; KEPT];
    for at in 0..blocks as usize {
        kept[at % KEPT] = black_box(Vec::with_capacity(SIZES[at % SIZES.len()]));
    }
}
