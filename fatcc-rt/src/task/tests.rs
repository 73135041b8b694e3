//! Two threads as CPUs: results, wake-ups across CPUs, moves, timers. That `run_cpus` returns at all shows that no
//! wake-up was lost, and that the end of the run is found.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicBool, AtomicUsize};
use core::time::Duration;

use super::*;
use crate::arch::run_cpus;
use crate::sync::{Mutex, Notify};
use crate::{arch, time};

fn other(cpu: Cpu) -> Cpu {
    Cpu::from_index(1 - cpu.index())
}

#[test]
fn a_closure_runs_on_the_other_cpu_and_returns_its_result() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    run_cpus(2, move |cpu| {
        let (record, from) = (record.clone(), cpu.index());
        spawn(async move {
            let closure: Box<dyn FnOnce() -> usize + Send> =
                Box::new(move || from * 10 + Cpu::current().index());
            let result = spawn_on(other(Cpu::current()), async move { closure() })
                .await
                .unwrap();
            record.lock().push(result);
        });
    });
    let mut seen = core::mem::take(&mut *seen.lock());
    seen.sort();
    assert_eq!(seen, [1, 10]);
}

#[test]
fn a_task_moves_between_cpus() {
    let places = Arc::new(Mutex::new(Vec::new()));
    let record = places.clone();
    run_cpus(2, move |cpu| {
        if cpu.index() == 1 {
            return;
        }
        let record = record.clone();
        spawn(async move {
            for index in [1, 0, 0, 1] {
                switch_to(Cpu::from_index(index)).await;
                record.lock().push(Cpu::current().index());
            }
        });
    });
    assert_eq!(*places.lock(), [1, 0, 0, 1]);
}

#[test]
fn no_wake_up_is_lost_in_ping_pong() {
    const ROUNDS: usize = if cfg!(miri) { 30 } else { 20_000 };
    static BALLS: [Notify; 2] = [const { Notify::new() }; 2];
    static HITS: AtomicUsize = AtomicUsize::new(0);
    run_cpus(2, |cpu| {
        spawn(async move {
            for _ in 0..ROUNDS {
                if cpu.index() == 0 {
                    BALLS[1].notify();
                }
                BALLS[cpu.index()].notified().await;
                HITS.fetch_add(1, SeqCst);
                if cpu.index() == 1 {
                    BALLS[0].notify();
                }
            }
        });
    });
    assert_eq!(HITS.load(SeqCst), 2 * ROUNDS);
}

#[test]
fn a_task_that_is_woken_while_it_runs_runs_again() {
    const TASKS: usize = if cfg!(miri) { 3 } else { 50 };
    const WAKES: usize = if cfg!(miri) { 20 } else { 200 };
    static SUM: AtomicUsize = AtomicUsize::new(0);
    run_cpus(2, |cpu| {
        for _ in 0..TASKS {
            let work = Arc::new((Notify::new(), AtomicUsize::new(0)));
            let producer = work.clone();
            spawn_on(other(cpu), async move {
                for _ in 0..WAKES {
                    producer.1.fetch_add(1, SeqCst);
                    producer.0.notify();
                    yield_now().await;
                }
            });
            spawn(async move {
                let mut got = 0;
                while got < WAKES {
                    work.0.notified().await;
                    got += work.1.swap(0, SeqCst);
                }
                SUM.fetch_add(got, SeqCst);
            });
        }
    });
    assert_eq!(SUM.load(SeqCst), 2 * TASKS * WAKES);
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    // Miri's clock goes by what it has done: all must be asleep before the first one wakes.
    const UNIT: Duration = Duration::from_millis(if cfg!(miri) { 1000 } else { 10 });
    let order = Arc::new(Mutex::new(Vec::new()));
    let record = order.clone();
    run_cpus(2, move |cpu| {
        if cpu.index() == 1 {
            return;
        }
        for units in [3, 1, 2] {
            let record = record.clone();
            spawn(async move {
                let start = time::now();
                sleep(units * UNIT).await;
                assert!(time::now() - start >= units * UNIT);
                record.lock().push(units);
            });
        }
    });
    assert_eq!(*order.lock(), [1, 2, 3]);
}

#[test]
fn a_timeout_ends_a_wait_and_leaves_nothing_behind() {
    run_cpus(2, |cpu| {
        spawn(async move {
            let never = Notify::new();
            assert_eq!(
                with_timeout(Duration::from_millis(2), never.notified()).await,
                Err(Elapsed)
            );
            assert_eq!(
                with_timeout(Duration::from_secs(1000), async { 7 }).await,
                Ok(7)
            );
            let key = with_timeout(Duration::from_secs(1000), yield_now()).await;
            assert_eq!(key, Ok(()));
            assert_eq!(cpu.record().timers.next_deadline(), None);
        });
    });
}

#[test]
fn a_task_that_nobody_can_wake_does_not_keep_the_run_alive() {
    run_cpus(2, |_| {
        spawn(core::future::pending::<()>());
    });
}

#[test]
fn join_handles_may_be_dropped_or_asked() {
    run_cpus(2, |cpu| {
        spawn(async move {
            let handle = spawn_on(other(cpu), async { 5 });
            while !handle.is_finished() {
                yield_now().await;
            }
            assert_eq!(handle.await, Ok(5));
        });
    });
}

#[test]
fn a_panic_is_reported_to_the_handle_and_its_cpu_goes_on() {
    const ROUNDS: usize = if cfg!(miri) { 2 } else { 20 };
    run_cpus(3, |cpu| {
        let there = Cpu::from_index((cpu.index() + 1) % 3);
        spawn(async move {
            for round in 0..ROUNDS {
                let result = spawn_on(there, async move {
                    yield_now().await;
                    panic!("round {round}");
                });
                let Err(JoinError::Panicked(panicked)) = result.await else {
                    panic!("it has panicked")
                };
                assert_eq!(panicked.message(), alloc::format!("round {round}"));
                assert_eq!(panicked.cpu(), there);
                assert_eq!(spawn_on(there, async { 1 }).await, Ok(1));
            }
        });
    });
}

#[test]
#[should_panic(expected = "tasks have panicked, and nobody has seen it")]
fn a_panic_that_nobody_awaits_fails_the_run() {
    run_cpus(2, |_| {
        spawn(async { panic!("to nobody") });
    });
}

#[test]
fn an_aborted_task_is_dropped_and_reported() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, SeqCst);
        }
    }
    run_cpus(2, |cpu| {
        spawn(async move {
            let held = Counted;
            let endless = spawn_on(other(cpu), async move {
                let _held = held;
                core::future::pending::<()>().await;
            });
            yield_now().await;
            endless.abort();
            assert_eq!(endless.await, Err(JoinError::Cancelled));
            let finished = spawn_on(other(cpu), async { 7 });
            while !finished.is_finished() {
                yield_now().await;
            }
            finished.abort();
            assert_eq!(finished.await, Ok(7));
        });
    });
    assert_eq!(DROPPED.load(SeqCst), 2);
}

#[test]
fn what_a_dead_cpu_was_to_queue_is_queued_once() {
    const ROUNDS: usize = if cfg!(miri) { 2 } else { 200 };
    const TASKS: usize = 6;
    static POLLS: AtomicUsize = AtomicUsize::new(0);
    static IS_DEAD: AtomicBool = AtomicBool::new(false);
    let [home, heir, dead] = [0, 1, 2].map(Cpu::from_index);
    for round in 0..ROUNDS {
        POLLS.store(0, SeqCst);
        IS_DEAD.store(false, SeqCst);
        run_cpus(3, |cpu| {
            if cpu == heir {
                health::watch(Duration::from_secs(60));
            }
            if cpu == home {
                // What is queued stays so until the other one is dead, and perhaps until that is settled.
                while !IS_DEAD.load(SeqCst) {
                    arch::relax();
                }
            }
            if cpu != dead {
                return;
            }
            for number in 0..TASKS {
                let future = Box::pin(async {
                    POLLS.fetch_add(1, SeqCst);
                    yield_now().await;
                });
                let task = Task::new(home, future, join::finisher::<()>().failing());
                assert!(task.claim());
                // It dies before it has queued some of them, which are on its stack for ever.
                match (round + number) % 2 {
                    0 => task.enqueue(),
                    _ => core::mem::forget(task),
                }
            }
            cpu.go_offline(heir);
            IS_DEAD.store(true, SeqCst);
        });
        assert_eq!(POLLS.load(SeqCst), TASKS);
    }
}
