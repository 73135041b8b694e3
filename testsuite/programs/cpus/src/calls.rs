//! Panics that do not end a CPU, and calls between CPUs.

use fatcc_rt::call::{CallError, call_on};
use fatcc_rt::cpu::{self, Cpu};
use fatcc_rt::println;
use fatcc_rt::sync::Mutex;
use fatcc_rt::task::{self, JoinError};

static LOCKED: Mutex<u32> = Mutex::new(0);

/// Every CPU survives a panic with a lock held, and the lock is poisoned.
pub async fn panics_are_reported() {
    for there in cpu::all() {
        let failing = task::spawn_on(there, async move {
            let _held = LOCKED.lock();
            panic!("on purpose, {}", there.index());
        });
        let Err(JoinError::Panicked(panicked)) = failing.await else {
            panic!("{there} has not panicked")
        };
        assert_eq!(panicked.cpu(), there);
        assert!(panicked.message().starts_with("on purpose, "));
        assert!(panicked.place().contains("calls.rs:"), "{panicked}");
        assert_eq!(LOCKED.poisoned_by(), Some(there));
        LOCKED.clear_poison();
        assert_eq!(task::spawn_on(there, async { *LOCKED.lock() }).await, Ok(0));
    }
}

/// All CPUs call each other at once, nested, and some of the calls panic.
pub async fn calls_cross() {
    let tasks = cpu::all().map(|there| {
        task::spawn_on(there, async move {
            (1..=8).map(|depth| round(there, depth)).sum::<usize>()
        })
    });
    let tasks: alloc::vec::Vec<_> = tasks.collect();
    for task in tasks {
        assert_eq!(task.await, Ok(36));
    }
    for there in cpu::all() {
        let failed = call_on(there, || -> u32 { panic!("in a call") });
        let Err(CallError::Panicked(panicked)) = failed else {
            panic!("{failed:?}")
        };
        assert_eq!((panicked.cpu(), panicked.message()), (there, "in a call"));
        assert_eq!(call_on(there, cpu::current), Ok(there));
    }
    println!("calls crossed on {} CPUs", cpu::all().count());
}

fn round(from: Cpu, depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let all = cpu::all().count();
    let next = cpu::all().nth((from.index() + 1) % all).expect("a CPU");
    let deeper = call_on(next, move || {
        assert_eq!(cpu::current(), next);
        round(next, depth - 1)
    });
    1 + deeper.expect("a result")
}
