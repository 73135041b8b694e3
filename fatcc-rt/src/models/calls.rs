//! Calls: each is run once or given up, and its result is seen whole.

use alloc::sync::Arc;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::time::Duration;

use super::check_with;
use crate::arch;
use crate::atomic::{AtomicU32, UnsafeCell};
use crate::call::{CallError, call_on, call_on_timeout};
use crate::cpu::{self, Cpu};

/// A number that a call writes and its caller reads: that the call orders the two is what is checked.
struct Written(UnsafeCell<u32>);

// SAFETY: as above.
unsafe impl Sync for Written {}
// SAFETY: as above.
unsafe impl Send for Written {}

impl Written {
    fn new() -> Arc<Written> {
        Arc::new(Written(UnsafeCell::new(0)))
    }

    fn add(&self, number: u32) {
        // SAFETY: see the type.
        self.0.with_mut(|own| unsafe { *own += number });
    }

    fn read(&self) -> u32 {
        // SAFETY: see the type.
        self.0.with(|own| unsafe { *own })
    }
}

const FIRST: Cpu = Cpu::from_index(0);

loom::lazy_static! {
    /// Calls that are over, in a model.
    static ref OVER: AtomicU32 = AtomicU32::new(0);
    static ref DROPPED: AtomicU32 = AtomicU32::new(0);
}

/// That many CPUs, of which the first one takes calls.
fn first_of<const CPUS: u32>() {
    cpu::configure([CPUS, 0, 0, 0]);
    FIRST.go_online();
}

/// A CPU makes a call by `call`; the first one serves until that is over.
fn check_served(preemptions: usize, call: impl Fn() + Copy + Send + Sync + 'static) {
    check_with(2, Some(preemptions), first_of::<2>, move |own, ()| {
        if own.index() > 0 {
            call();
            OVER.fetch_add(1, Release);
            return;
        }
        while OVER.load(Acquire) == 0 {
            own.record().calls.serve();
            arch::relax();
        }
        // What was given up is still in the list.
        own.record().calls.serve();
        assert!(own.record().calls.is_empty());
    });
}

#[test]
fn a_call_brings_back_what_it_has_written() {
    check_served(3, || {
        let written = Written::new();
        written.add(1);
        let there = written.clone();
        let done = call_on(FIRST, move || {
            there.add(1);
            7
        });
        assert_eq!((done, written.read()), (Ok(7), 2));
    });
}

/// Counts that it is dropped, in a model.
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Relaxed);
    }
}

#[test]
fn calls_that_come_at_once_are_all_taken() {
    check_with(3, Some(2), first_of::<3>, |own, ()| {
        if own.index() > 0 {
            let counted = Counted;
            let called = call_on_timeout(FIRST, Duration::ZERO, move || drop(counted));
            assert!(matches!(called, Ok(()) | Err(CallError::TimedOut)));
            OVER.fetch_add(1, Release);
            return;
        }
        own.record().calls.serve();
        while OVER.load(Acquire) < 2 {
            arch::relax();
        }
        own.record().calls.serve();
        assert_eq!(
            DROPPED.load(Relaxed),
            2,
            "a call was neither run nor dropped"
        );
    });
}

#[test]
fn a_call_that_is_given_up_runs_before_that_or_never() {
    check_served(3, || {
        let written = Written::new();
        let there = written.clone();
        match call_on_timeout(FIRST, Duration::ZERO, move || there.add(1)) {
            Ok(()) => assert_eq!(written.read(), 1),
            // It may run, or have been dropped, at this moment.
            Err(error) => assert_eq!(error, CallError::TimedOut),
        }
    });
}

#[test]
fn calls_that_cross_are_both_served() {
    let configure = || {
        cpu::configure([1, 1, 0, 0]);
        cpu::all().for_each(Cpu::go_online);
    };
    check_with(2, Some(1), configure, |own, ()| {
        let other = Cpu::from_index(1 - own.index());
        let index = own.index();
        assert_eq!(call_on(other, move || index), Ok(index));
        OVER.fetch_add(1, Release);
        while OVER.load(Acquire) < 2 {
            own.record().calls.serve();
            arch::relax();
        }
    });
}
