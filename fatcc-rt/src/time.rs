//! The time since boot.
//!
//! The CPUs of one machine have one clock, and so have all that are Linux processes. At boot the first CPU of each machine but the first one measures its distance
//! to the first CPU's (the quickest of several exchanges counts), so the CPUs' times differ by less than the time of that
//! exchange then, see [`uncertainty`], and by the drift of their clocks later. On one CPU time never goes back; between CPUs
//! an event may seem that much older than its cause.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};
use core::time::Duration;

use crate::arch;
use crate::cpu::{self, Cpu, Role};
use crate::sync::CacheAligned;

/// Time since boot.
pub fn now() -> Duration {
    Duration::from_nanos(nanoseconds())
}

/// [`now`] as a number.
pub(crate) fn nanoseconds() -> u64 {
    let offset = &Cpu::current().record().clock_offset;
    arch::clock().wrapping_add(offset.load(Relaxed))
}

/// How much the time on `cpu` may have differed from that on the first CPU at boot.
pub fn uncertainty(cpu: Cpu) -> Duration {
    Duration::from_nanos(clock_of(cpu).record().clock_error.load(Relaxed))
}

/// The CPU that measures for all that have the same clock.
fn clock_of(cpu: Cpu) -> Cpu {
    Cpu::at(cpu.isa_index(), 0).unwrap_or(cpu)
}

/// Nanoseconds of an exchange that is quick enough: both CPUs really ran at the same time.
const QUICK: u64 = 10_000;
/// Nanoseconds after which the best exchange has to do.
const PATIENCE: u64 = 2_000_000_000;
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

/// Takes over what the CPU has found that measures for this one; behind [`synchronize`] on all CPUs.
pub(crate) fn adopt(cpu: Cpu) {
    let offset = clock_of(cpu).record().clock_offset.load(Relaxed);
    cpu.record().clock_offset.store(offset, Relaxed);
}

/// When CPUs that read one clock have booted; zero before.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Makes all clocks agree; called by all CPUs at about the same time.
pub(crate) fn synchronize(cpu: Cpu) {
    if arch::one_clock() {
        // The first to come says when that is.
        let _ = EPOCH.compare_exchange(0, arch::clock(), Relaxed, Relaxed);
        let epoch = EPOCH.load(Relaxed);
        cpu.record()
            .clock_offset
            .store(epoch.wrapping_neg(), Relaxed);
        return;
    }
    if cpu.index() == 0 {
        cpu.record()
            .clock_offset
            .store(arch::clock().wrapping_neg(), Relaxed);
        Cpu::all()
            .skip(1)
            .filter(|other| other.role() == Role::First)
            .for_each(|other| answer(&QUESTIONS[other.index()].0));
    } else if cpu.role() == Role::First {
        let best = ask(&QUESTIONS[cpu.index()].0);
        cpu.record().clock_offset.store(best.offset, Relaxed);
        cpu.record().clock_error.store(best.round_trip, Relaxed);
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

fn ask(question: &Question) -> Exchange {
    // The first CPU answers one CPU after the other: time counts from its first answer on.
    exchange(question, 1);
    let start = arch::clock();
    let mut best = exchange(question, 2);
    let mut number = 2;
    while best.round_trip > QUICK && arch::clock().wrapping_sub(start) < PATIENCE {
        number += 1;
        let next = exchange(question, number);
        if next.round_trip < best.round_trip {
            best = next;
        }
    }
    question.asked.store(THANKS, Release);
    best
}

/// A question, answered.
struct Exchange {
    round_trip: u64,
    /// From this CPU's clock to the first one's, if the answer was made in the middle.
    offset: u64,
}

fn exchange(question: &Question, number: u32) -> Exchange {
    let before = arch::clock();
    question.asked.store(number, Release);
    while question.answered.load(Acquire) != number {
        arch::relax();
    }
    let round_trip = arch::clock().wrapping_sub(before);
    let middle = before.wrapping_add(round_trip / 2);
    Exchange {
        round_trip,
        offset: question.answer.load(Relaxed).wrapping_sub(middle),
    }
}
