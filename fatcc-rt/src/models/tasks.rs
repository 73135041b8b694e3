//! Run queues, and the executors with their sleep.

use alloc::boxed::Box;
use core::sync::atomic::Ordering::Relaxed;

use super::check_with;
use crate::atomic::AtomicBool;
use crate::call::{CallError, call_on};
use crate::cpu::{self, Cpu};
use crate::sync::Notify;
use crate::task::{self, RunQueue, Task};
use crate::{arch, boot};

fn task() -> alloc::sync::Arc<Task> {
    Task::new(
        Cpu::from_index(0),
        Box::pin(async {}),
        task::nobody_awaits(),
    )
}

#[test]
fn a_queue_loses_and_doubles_nothing() {
    check_with(3, Some(1), RunQueue::new, |cpu, queue| {
        if cpu.index() > 0 {
            queue.push(task());
            return;
        }
        for _ in 0..2 {
            while queue.pop().is_none() {
                arch::relax();
            }
        }
        assert!(queue.pop().is_none() && queue.is_empty() && queue.len() == 0);
    });
}

/// Runs `main` on two CPUs and then their executors until no task is left: that this ends, with the task done, is what is checked.
fn check_executors(preemptions: usize, main: impl Fn(Cpu) + Copy + Send + Sync + 'static) {
    let configure = || cpu::configure([1, 1, 0, 0]);
    check_with(2, Some(preemptions), configure, move |own, ()| {
        own.record()
            .doorbell_id
            .store(1 + own.index() as u32, Relaxed);
        own.go_online();
        main(own);
        boot::main_returned();
        task::run(own);
        assert!(DONE.load(Relaxed), "the task was not run");
    });
}

loom::lazy_static! {
    /// The task of a model has come to its end.
    static ref DONE: AtomicBool = AtomicBool::new(false);
}

#[test]
fn a_task_for_a_cpu_that_falls_asleep_is_run() {
    check_executors(2, |cpu| {
        if cpu.index() == 0 {
            task::spawn_on(Cpu::from_index(1), async { DONE.store(true, Relaxed) });
        }
    });
}

#[test]
fn a_call_to_a_cpu_that_falls_asleep_is_served() {
    check_executors(2, |cpu| {
        if cpu.index() == 0 {
            let there = Cpu::from_index(1);
            let called = loop {
                match call_on(there, || DONE.store(true, Relaxed)) {
                    // It is not there yet.
                    Err(CallError::Offline(_)) => arch::relax(),
                    called => break called,
                }
            };
            assert_eq!(called, Ok(()));
        }
    });
}

#[test]
fn a_task_moves_to_the_other_cpu() {
    check_executors(1, |cpu| {
        if cpu.index() == 0 {
            task::spawn(async {
                task::switch_to(Cpu::from_index(1)).await;
                assert_eq!(Cpu::current().index(), 1);
                DONE.store(true, Relaxed);
            });
        }
    });
}

loom::lazy_static! {
    static ref EVENT: Notify = Notify::new();
}

#[test]
fn a_task_that_is_woken_from_the_other_cpu_runs_again() {
    check_executors(1, |cpu| {
        if cpu.index() == 0 {
            task::spawn(async {
                EVENT.notified().await;
                DONE.store(true, Relaxed);
            });
        } else {
            EVENT.notify();
        }
    });
}
