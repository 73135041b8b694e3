//! The time since boot.
//!
//! Each CPU reads its own clock; at boot all but the first one measure their distance to the first one's (the quickest
//! of several exchanges counts), so the CPUs' times differ by a few microseconds then and by the drift of their clocks
//! later. On one CPU time never goes back; between CPUs an event may seem that much older than its cause.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};
use core::time::Duration;

use crate::arch;
use crate::cpu::{self, Cpu};
use crate::sync::CacheAligned;

/// Time since boot.
pub fn now() -> Duration {
    Duration::from_nanos(nanoseconds())
}

/// [`now`] as a number.
pub(crate) fn nanoseconds() -> u64 {
    arch::clock().wrapping_add(Cpu::current().record().clock_offset.load(Relaxed))
}

/// Nanoseconds of an exchange that is quick enough: both CPUs really ran at the same time.
const QUICK: u64 = 10_000;
/// Nanoseconds after which the best exchange has to do.
const PATIENCE: u64 = 500_000_000;
/// Number of a question that says that there will be no more.
const THANKS: u32 = u32::MAX;

/// How a CPU asks the first one for the time.
struct Question {
    /// Number of the question, from one; [`THANKS`] is the last.
    asked: AtomicU32,
    /// Number of the question that `answer` answers.
    answered: AtomicU32,
    answer: AtomicU64,
}

static QUESTIONS: [CacheAligned<Question>; cpu::MAX] = [const {
    CacheAligned(Question {
        asked: AtomicU32::new(0),
        answered: AtomicU32::new(0),
        answer: AtomicU64::new(0),
    })
}; cpu::MAX];

/// Makes all clocks agree; called by all CPUs at about the same time.
pub(crate) fn synchronize(cpu: Cpu) {
    if cpu.index() == 0 {
        cpu.record()
            .clock_offset
            .store(arch::clock().wrapping_neg(), Relaxed);
        Cpu::all()
            .skip(1)
            .for_each(|other| answer(&QUESTIONS[other.index()].0));
    } else {
        let offset = ask(&QUESTIONS[cpu.index()].0);
        cpu.record().clock_offset.store(offset, Relaxed);
    }
}

fn answer(question: &Question) {
    let mut number = 0;
    while number != THANKS {
        let asked = question.asked.load(Acquire);
        if asked == number {
            arch::relax();
            continue;
        }
        number = asked;
        question.answer.store(nanoseconds(), Relaxed);
        question.answered.store(number, Release);
    }
}

fn ask(question: &Question) -> u64 {
    let start = arch::clock();
    let mut best = (u64::MAX, 0);
    let mut number = 0;
    while best.0 > QUICK && arch::clock().wrapping_sub(start) < PATIENCE {
        number += 1;
        let before = arch::clock();
        question.asked.store(number, Release);
        while question.answered.load(Acquire) != number {
            arch::relax();
        }
        let after = arch::clock();
        let round_trip = after.wrapping_sub(before);
        let middle = before.wrapping_add(round_trip / 2);
        if round_trip < best.0 {
            best = (
                round_trip,
                question.answer.load(Relaxed).wrapping_sub(middle),
            );
        }
    }
    question.asked.store(THANKS, Release);
    best.1
}
