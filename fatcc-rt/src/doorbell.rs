//! How a CPU interrupts another one, and counters of it.
//!
//! A doorbell carries no data; it says "look at your queue". Doorbells that come close together may interrupt once, so
//! `received` may be lower than what the others have `sent`.

use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::atomic::fence;
use crate::cpu::Cpu;
use crate::critical::Section;
use crate::{arch, health};

/// Longest sleep where CPUs cannot interrupt each other, in nanoseconds.
pub(crate) const POLL_INTERVAL: u64 = 500_000;

/// Interrupts `cpu`; nothing happens if that is this CPU, or if there is no doorbell device between
/// them.
pub fn ring(cpu: Cpu) {
    let own = Cpu::current();
    if own != cpu {
        own.record().doorbells_sent.fetch_add(1, Relaxed);
        arch::doorbell_ring(cpu);
    }
}

/// Lets `cpu` look at its queues, if it sleeps; the caller has put something there.
pub(crate) fn wake(cpu: Cpu) {
    let record = cpu.record();
    fence(SeqCst);
    if cpu != Cpu::current() && record.sleeping.load(Relaxed) {
        record.habits.note_wake();
        if record.sleeping.swap(false, Relaxed) {
            ring(cpu);
        }
    }
}

/// Sleeps until `is_over`, which is asked whenever a doorbell has rung. Whoever makes it so rings this CPU afterwards.
///
/// This is the bare doorbell, below tasks and calls: those of this CPU wait meanwhile.
pub fn sleep_until(mut is_over: impl FnMut() -> bool) {
    let longest = (!available()).then_some(POLL_INTERVAL);
    loop {
        // A doorbell that rings behind the question is pending, and ends the sleep at once.
        let _no_interrupts = Section::enter();
        if is_over() {
            return;
        }
        arch::set_timer(longest);
        arch::wait();
    }
}

/// Doorbells rung by `from`.
pub fn sent(from: Cpu) -> u64 {
    from.record().doorbells_sent.load(Relaxed)
}

/// Doorbells that interrupted `cpu`.
pub fn received(cpu: Cpu) -> u64 {
    cpu.record().doorbells_received.load(Relaxed)
}

/// Whether all CPUs can interrupt each other. If not, they look at their queues from time to time.
pub(crate) fn available() -> bool {
    Cpu::all().all(|cpu| cpu.record().doorbell_id.load(Relaxed) != 0)
}

/// The interrupt handler of `cpu`. The queue is looked at when the interrupted sleep goes on.
pub(crate) fn on_ring(cpu: Cpu) {
    cpu.record().doorbells_received.fetch_add(1, Relaxed);
    // On the host it is another thread that comes here.
    if cpu == Cpu::current() {
        health::beat();
    }
}
