//! Loom as a machine: threads of a model stand in for CPUs, its events for the doorbell. All else is as on the
//! [host](super::host), but for the clock, which stands still: a model must do the same each time.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;

use loom::sync::Notify;
use loom::thread;

pub(crate) use super::host::*;
use crate::cpu::{self, Cpu};

loom::thread_local! {
    static INDEX: Cell<usize> = Cell::new(0);
}

loom::lazy_static! {
    static ref DOORBELLS: [Notify; cpu::MAX] = core::array::from_fn(|_| Notify::new());
}

/// Calls `act` on `cpus` threads, of which this one is the first, as CPUs; ends when all have returned.
pub(crate) fn on_cpus<T: Send + Sync + 'static>(
    cpus: usize,
    shared: Arc<T>,
    act: impl Fn(Cpu, &T) + Copy + Send + 'static,
) {
    let start = |index: usize| {
        let shared = shared.clone();
        move || {
            INDEX.with(|own| own.set(index));
            act(Cpu::from_index(index), &shared);
        }
    };
    let others: Vec<_> = (1..cpus).map(|index| thread::spawn(start(index))).collect();
    start(0)();
    for other in others {
        other.join().expect("a CPU of the model ends well");
    }
}

pub(crate) fn cpu_index() -> usize {
    INDEX.with(Cell::get)
}

pub(crate) fn relax() {
    thread::yield_now();
}

pub(crate) fn resume() {}

pub(crate) fn clock() -> u64 {
    0
}

pub(crate) fn wait() {
    DOORBELLS[cpu_index()].wait();
}

pub(crate) fn doorbell_ring(cpu: Cpu) {
    DOORBELLS[cpu.index()].notify();
}
