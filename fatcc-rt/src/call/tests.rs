//! Threads as CPUs that call each other.

use alloc::string::ToString;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::arch::run_cpus;
use crate::sync::Mutex;
use crate::task;

/// Calls from CPU to CPU, `depth` deep, and returns how many CPUs it has been on.
fn round(from: Cpu, depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let count = Cpu::all().count();
    let next = Cpu::from_index((from.index() + 1) % count);
    let deeper = call_on(next, move || {
        assert_eq!(Cpu::current(), next);
        round(next, depth - 1)
    });
    1 + deeper.unwrap()
}

#[test]
fn calls_nest_and_cross_without_deadlock() {
    static SUM: AtomicUsize = AtomicUsize::new(0);
    for cpus in 2..=4 {
        SUM.store(0, SeqCst);
        run_cpus(cpus, |cpu| {
            for depth in 1..=12 {
                SUM.fetch_add(round(cpu, depth), SeqCst);
            }
        });
        assert_eq!(SUM.load(SeqCst), cpus * 78);
    }
}

#[test]
fn a_panic_is_carried_back_and_the_cpu_goes_on() {
    run_cpus(2, |cpu| {
        if cpu.index() == 1 {
            return;
        }
        let there = Cpu::from_index(1);
        for _ in 0..10 {
            let failed = call_on(there, || -> u32 { panic!("on purpose") });
            let Err(CallError::Panicked(panicked)) = failed else {
                panic!("{failed:?}")
            };
            assert_eq!((panicked.cpu(), panicked.message()), (there, "on purpose"));
            assert_eq!(call_on(there, || 3), Ok(3));
        }
    });
}

#[test]
fn a_cpu_calls_itself() {
    run_cpus(1, |cpu| {
        assert_eq!(call_on(cpu, Cpu::current), Ok(cpu));
        let failed = call_on(cpu, || -> u32 { panic!("here") });
        assert!(failed.unwrap_err().to_string().ends_with("here"));
    });
}

#[test]
fn a_call_that_is_given_up_before_it_begins_never_runs() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    run_cpus(2, |cpu| {
        if cpu.index() == 1 {
            task::spawn(async {
                BUSY.store(1, SeqCst);
                while BUSY.load(SeqCst) == 1 {
                    arch::relax();
                }
            });
            return;
        }
        while BUSY.load(SeqCst) == 0 {
            arch::relax();
        }
        let limit = Duration::from_millis(5);
        let late = call_on_timeout(Cpu::from_index(1), limit, || RUNS.fetch_add(1, SeqCst));
        assert_eq!(late, Err(CallError::TimedOut));
        BUSY.store(2, SeqCst);
    });
    assert_eq!(RUNS.load(SeqCst), 0);
}

#[test]
#[should_panic]
fn a_cpu_that_holds_a_lock_does_not_call() {
    run_cpus(2, |cpu| {
        let lock = Mutex::new(());
        let _held = lock.lock();
        let _ = call_on(Cpu::from_index(1 - cpu.index()), || ());
    });
}
