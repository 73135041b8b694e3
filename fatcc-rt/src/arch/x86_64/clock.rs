//! The time-stamp counter as clock, and the local APIC's timer; both measured against the HPET at boot.

use core::arch::x86_64::_rdtsc;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use super::{apic, interrupts_enabled};

/// High precision event timer (IA-PC HPET specification 1.0a): capabilities, configuration, main counter.
const HPET: usize = 0xfed0_0000;
const CAPABILITIES: usize = 0;
const CONFIGURATION: usize = 0x10;
const COUNTER: usize = 0xf0;
const FEMTOSECONDS: u64 = 1_000_000;

/// Nanoseconds of measurement.
const MEASURE: u64 = 50_000_000;
/// Readings of both clocks, of which the closest together counts.
const READINGS: u32 = 20;

/// Nanoseconds per tick of the time-stamp counter, times 2^32.
static X86_64_TSC_SCALE: AtomicU64 = AtomicU64::new(1 << 32);
/// Ticks of the APIC's timer in a nanosecond, times 2^32.
static X86_64_TIMER_SCALE: AtomicU64 = AtomicU64::new(1 << 28);

fn tsc() -> u64 {
    // SAFETY: every x86_64 CPU has it.
    unsafe { _rdtsc() }
}

fn hpet(register: usize) -> *mut u64 {
    (HPET + register) as *mut u64
}

/// The HPET's time in nanoseconds and the time-stamp counter, read as close together as can be had.
fn both(period: u64) -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..READINGS {
        let before = tsc();
        // SAFETY: the HPET is there and mapped.
        let counter = unsafe { hpet(COUNTER).read_volatile() };
        let after = tsc();
        if after - before < best.0 {
            best = (after - before, counter, before + (after - before) / 2);
        }
    }
    (
        (u128::from(best.1) * u128::from(period) / u128::from(FEMTOSECONDS)) as u64,
        best.2,
    )
}

/// Measures.
pub(super) fn start() {
    // SAFETY: the HPET is there and mapped; starting its counter touches nothing else.
    let period = unsafe {
        hpet(CONFIGURATION).write_volatile(hpet(CONFIGURATION).read_volatile() | 1);
        hpet(CAPABILITIES).read_volatile() >> 32
    };
    assert!(
        period > 0 && period <= 100 * FEMTOSECONDS,
        "this board has no HPET"
    );
    debug_assert!(!interrupts_enabled());
    apic::set_timer(u32::MAX);
    let (start, start_tsc) = both(period);
    let timer_start = apic::timer_left();
    let (mut end, mut end_tsc) = (start, start_tsc);
    while end - start < MEASURE {
        (end, end_tsc) = both(period);
    }
    let timer_ticks = timer_start - apic::timer_left();
    apic::set_timer(0);
    let nanoseconds = end - start;
    let scale = (u128::from(nanoseconds) << 32) / u128::from(end_tsc - start_tsc);
    X86_64_TSC_SCALE.store(scale as u64, Relaxed);
    X86_64_TIMER_SCALE.store((u64::from(timer_ticks) << 32) / nanoseconds, Relaxed);
}

pub(crate) fn clock() -> u64 {
    ((u128::from(tsc()) * u128::from(X86_64_TSC_SCALE.load(Relaxed))) >> 32) as u64
}

pub(crate) fn set_timer(after: Option<u64>) {
    let ticks = match after {
        None => 0,
        Some(after) => {
            let ticks = (u128::from(after) * u128::from(X86_64_TIMER_SCALE.load(Relaxed))) >> 32;
            // Too early does no harm: the executor sets it again.
            (ticks as u64 + 1).min(u32::MAX.into()) as u32
        }
    };
    apic::set_timer(ticks);
}
