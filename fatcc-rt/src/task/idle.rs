//! A CPU without work: for how long it stays awake, and its sleep.
//!
//! Invariant: what is measured here says only how long to look for work; a wrong value costs time, never a wake-up.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::atomic::fence;
use crate::cpu::{Cpu, Record};
use crate::critical::Section;
use crate::{arch, boot, doorbell, health, time};

/// Longest time that a CPU without work stays awake, in nanoseconds, if it is woken quickly; the shortest is [`arch::AWAKE`].
/// Two CPUs between which a task moves ten thousand times a second are without work for 100 µs, and for what it takes to wake
/// the other one.
const MOST_AWAKE: u64 = 400_000;
/// Longest time of all, in nanoseconds.
const LIMIT: u64 = 4_000_000;
/// Looks between two readings of the clock, which may cost as much as an answer takes to come.
const LOOKS: u32 = 64;

/// What a CPU has learnt of its sleep.
pub(crate) struct Habits {
    /// Own. Nanoseconds that it stays awake without work.
    awake: AtomicU64,
    /// When it was woken last: nanoseconds since boot, written by who does it, before.
    woken_at: AtomicU64,
    /// Own. Nanoseconds from there until it ran, at most, lately.
    latency: AtomicU64,
}

impl Habits {
    pub(crate) const fn new() -> Habits {
        Habits {
            awake: AtomicU64::new(arch::AWAKE),
            woken_at: AtomicU64::new(0),
            latency: AtomicU64::new(0),
        }
    }

    /// Another CPU is about to wake this one.
    pub(crate) fn note_wake(&self) {
        self.woken_at.store(time::nanoseconds(), Relaxed);
    }

    /// It was woken, and runs, `slept` nanoseconds after it had looked for work the last time.
    fn learn(&self, slept: u64) {
        let taken = time::nanoseconds().saturating_sub(self.woken_at.load(Relaxed));
        let latency = forgetting(self.latency.load(Relaxed), taken);
        self.latency.store(latency, Relaxed);
        let came = slept.saturating_sub(taken);
        let better = better(self.awake.load(Relaxed), came, latency);
        self.awake.store(better, Relaxed);
    }
}

/// The latency to reckon with, after one that was `taken`: the largest, of which every wake-up forgets a part.
fn forgetting(latency: u64, taken: u64) -> u64 {
    taken.min(LIMIT).max(latency - latency / 16)
}

/// How long to stay awake, after work came so long behind `awake`: longer if that was soon, less if not.
///
/// Whoever sends work back only after it was woken itself lets this CPU wait for as long as that takes, so it is worth to be
/// awake for longer where wake-ups take longer.
fn better(awake: u64, came: u64, latency: u64) -> u64 {
    let longest = (2 * latency).clamp(MOST_AWAKE, LIMIT);
    let better = match came < longest {
        true => 2 * awake,
        false => awake / 2,
    };
    better.clamp(arch::AWAKE, longest)
}

/// Sleeps until there may be work; see the description of [`task`](super).
pub(super) fn sleep_until_work(cpu: Cpu) {
    let record = cpu.record();
    let Some(since) = gives_up(record) else {
        return;
    };
    let _no_interrupts = Section::enter();
    record.sleeping.store(true, Relaxed);
    fence(SeqCst);
    let until_timer = record
        .timers
        .next_deadline()
        .map(|deadline| deadline.saturating_sub(time::nanoseconds()));
    let until_look = (!doorbell::available()).then_some(doorbell::POLL_INTERVAL);
    let limits = [until_timer, until_look, health::longest_sleep()];
    let sleep = limits.into_iter().flatten().min();
    let nothing = record.queue.is_empty() && record.calls.is_empty();
    if nothing && !boot::finished() && sleep != Some(0) {
        arch::set_timer(sleep);
        arch::wait();
    }
    let woken = !record.sleeping.swap(false, Relaxed);
    if woken {
        record.habits.learn(arch::clock().saturating_sub(since));
    }
}

/// Looks for work for a while before the CPU sleeps: an answer of another CPU may be on its way already. In QEMU on two free
/// cores, a task went there and back in 11 µs this way and in 120 to 290 µs by doorbells.
///
/// None if there is work; else the clock when it gave up.
fn gives_up(record: &Record) -> Option<u64> {
    let mut end = None;
    loop {
        for _ in 0..LOOKS {
            if !record.queue.is_empty() || !record.calls.is_empty() {
                arch::resume();
                return None;
            }
            if arch::AWAKE == 0 {
                break;
            }
            arch::relax();
        }
        let now = arch::clock();
        let awake = record.habits.awake.load(Relaxed);
        if now >= *end.get_or_insert(now + awake) {
            return Some(now);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// How long a CPU stays awake in the end that is given work again and again after `gap`, if waking it takes `latency`.
    fn settled(gap: u64, latency: u64) -> u64 {
        (0..20).fold(50_000, |awake, _| match gap < awake {
            true => awake,
            false => better(awake, gap - awake, latency),
        })
    }

    #[test]
    fn a_cpu_stays_awake_for_work_that_comes_at_once_and_sleeps_otherwise() {
        // A task that moves after 100 µs, between CPUs that are woken in 30 or in 500 µs.
        for latency in [30_000, 500_000] {
            assert!(settled(100_000 + latency, latency) > 100_000 + latency);
        }
        assert_eq!(settled(50_000_000, 500_000), arch::AWAKE);
    }

    #[test]
    fn a_slow_wake_up_is_reckoned_with_for_a_while() {
        let slow = forgetting(0, 500_000);
        assert_eq!(slow, 500_000);
        assert!(forgetting(slow, 20_000) > 450_000);
        let later = (0..200).fold(slow, |latency, _| forgetting(latency, 20_000));
        assert_eq!(later, 20_000);
        assert_eq!(forgetting(0, u64::MAX), LIMIT);
    }
}
