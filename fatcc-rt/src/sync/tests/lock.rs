//! Mutexes and rwlocks under threads, and when their holders fail.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::SeqCst;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::arch::run_cpus;
use crate::cpu::Cpu;
use crate::sync::held::{self, Mark};
use crate::sync::{Mutex, RwLock};

/// What `failing` panics with.
fn message(failing: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(failing)).expect_err("it panics");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().unwrap().to_string(),
    }
}

/// What each thread does that often; a multiple of four.
const ROUNDS: u64 = if cfg!(miri) { 100 } else { 10_000 };

/// Runs `work` on four threads.
fn on_threads(work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(&work);
        }
    });
}

#[test]
fn a_mutex_excludes() {
    static SUM: Mutex<(u64, u64)> = Mutex::new((0, 0));
    on_threads(|| {
        for _ in 0..ROUNDS {
            let mut sum = SUM.lock();
            assert_eq!(sum.0, sum.1);
            sum.0 += 1;
            sum.1 += 1;
        }
    });
    assert_eq!(*SUM.lock(), (4 * ROUNDS, 4 * ROUNDS));
}

#[test]
fn try_lock_gives_nothing_while_held() {
    let mutex = Mutex::new(1);
    let guard = mutex.lock();
    assert!(mutex.try_lock().is_none());
    drop(guard);
    assert_eq!(*mutex.try_lock().unwrap(), 1);
    assert_eq!(*mutex.lock(), 1);
}

#[test]
fn writers_exclude_readers_and_each_other() {
    static SUM: RwLock<(u64, u64)> = RwLock::new((0, 0));
    on_threads(|| {
        for round in 0..ROUNDS {
            if round % 4 == 0 {
                let mut sum = SUM.write();
                sum.0 += 1;
                sum.1 += 1;
            } else {
                let (first, second) = (SUM.read(), SUM.read());
                assert_eq!(first.0, second.1);
            }
        }
    });
    assert_eq!(*SUM.read(), (ROUNDS, ROUNDS));
}

#[test]
fn many_read_at_once_and_nobody_writes_then() {
    let lock = RwLock::new(5);
    let own = lock.read();
    thread::scope(|scope| {
        let other = || {
            assert_eq!(*lock.read(), 5);
            assert!(lock.try_write().is_none());
        };
        scope.spawn(other).join().unwrap();
    });
    let second = lock.try_read().unwrap();
    drop(own);
    assert!(lock.try_write().is_none(), "it is still read");
    drop(second);
    *lock.try_write().unwrap() += 1;
    assert_eq!(lock.into_inner(), 6);
}

#[test]
fn a_cpu_that_reads_may_read_again_while_a_writer_waits() {
    let (lock, waits) = (RwLock::new(1), AtomicBool::new(false));
    thread::scope(|scope| {
        let first = lock.read();
        scope.spawn(|| {
            waits.store(true, SeqCst);
            *lock.write() += 1;
        });
        while !waits.load(SeqCst) || lock.try_read_as_another_thread() {
            thread::yield_now();
        }
        assert_eq!(*lock.read(), 1);
        drop(first);
    });
    assert_eq!(*lock.read(), 2);
}

impl RwLock<i32> {
    /// Whether a thread that does not read yet could: not if a writer waits.
    fn try_read_as_another_thread(&self) -> bool {
        thread::scope(|scope| scope.spawn(|| self.try_read().is_some()).join().unwrap())
    }
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let (first, second) = (Mutex::new(1), RwLock::new(2));
    let (one, two, three) = (first.lock(), second.read(), second.read());
    drop(one);
    drop(two);
    assert!(first.try_lock().is_some() && second.try_write().is_none());
    drop(three);
    assert!(second.try_write().is_some());
}

#[test]
fn waiting_for_an_own_lock_panics_and_says_where_it_was_taken() {
    let (mutex, lock) = (Mutex::new(()), RwLock::new(()));
    let guard = mutex.lock();
    let text = message(|| drop(mutex.lock()));
    assert!(
        text.starts_with("deadlock: ") && text.matches("lock.rs:").count() == 2,
        "{text}"
    );
    drop(guard);
    let guard = lock.read();
    assert!(message(|| drop(lock.write())).starts_with("deadlock: "));
    drop(guard);
    let _guard = lock.write();
    assert!(message(|| drop(lock.read())).starts_with("deadlock: "));
}

#[test]
fn a_panic_under_the_lock_poisons_it() {
    let mutex = Mutex::new(1);
    message(|| {
        *mutex.lock() = 2;
        let _guard = mutex.lock();
        panic!("half way");
    });
    assert_eq!(mutex.poisoned_by(), Some(Cpu::current()));
    let text = message(|| drop(mutex.lock()));
    assert_eq!(text, format_poison(Cpu::current()));
    message(|| drop(mutex.try_lock()));
    let poisoned = mutex.lock_or_poisoned().unwrap_err();
    assert_eq!((poisoned.by(), **poisoned.get_ref()), (Cpu::current(), 2));
    drop(poisoned);
    mutex.clear_poison();
    assert_eq!((*mutex.lock(), mutex.poisoned_by()), (2, None));
}

fn format_poison(cpu: Cpu) -> String {
    alloc::format!("the lock is poisoned: {cpu} failed while it held it")
}

#[test]
fn readers_poison_nothing() {
    let lock = RwLock::new(1);
    message(|| {
        let _guard = lock.read();
        panic!("only looked");
    });
    assert_eq!(*lock.read(), 1);
    message(|| {
        let _guard = lock.write();
        panic!("half way");
    });
    assert_eq!(message(|| drop(lock.read())), format_poison(Cpu::current()));
    assert!(lock.read_or_poisoned().is_err() && lock.write_or_poisoned().is_err());
}

#[test]
fn a_lock_that_is_used_while_a_panic_unwinds_is_not_poisoned() {
    struct Counts<'a>(&'a Mutex<u32>);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            *self.0.lock() += 1;
        }
    }
    let mutex = Mutex::new(0);
    message(|| {
        let _counts = Counts(&mutex);
        panic!("elsewhere");
    });
    assert_eq!(*mutex.lock(), 1);
}

#[test]
fn abandoned_code_loses_what_it_locked_since_the_mark() {
    let (older, written, read) = (Mutex::new(0), Mutex::new(0), RwLock::new(0));
    let kept = (older.lock(), read.read());
    let mark = held::mark();
    // Code that will never run again.
    core::mem::forget((written.lock(), read.read()));
    let mut reports = Vec::new();
    held::abandon(Cpu::current(), mark, |lost| reports.push(lost.to_string()));
    let [report] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert!(
        report.contains("lock.rs:") && report.ends_with(" is poisoned"),
        "{report}"
    );
    assert_eq!(written.poisoned_by(), Some(Cpu::current()));
    assert!(read.try_write().is_none(), "the older guard still reads");
    assert!(older.try_lock().is_none(), "the older guard still has it");
    drop(kept);
    assert!(read.try_write().is_some() && older.try_lock().is_some());
}

#[test]
fn locks_of_a_dead_cpu_go_to_those_who_wait() {
    let (mutex, lock) = (Arc::new(Mutex::new(0)), Arc::new(RwLock::new(0)));
    let died = Arc::new(AtomicBool::new(false));
    let shared = (mutex.clone(), lock.clone());
    run_cpus(2, move |cpu| {
        if cpu.index() == 1 {
            core::mem::forget((shared.0.lock(), shared.1.read()));
            died.store(true, SeqCst);
            return;
        }
        while !died.load(SeqCst) {
            thread::yield_now();
        }
        let dead = Cpu::from_index(1);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| shared.0.lock_or_poisoned().unwrap_err().by());
            let mut reports = Vec::new();
            held::abandon(dead, Mark::ALL, |lost| reports.push(lost.poisoned));
            assert_eq!(reports, [false, true], "the last one first");
            assert_eq!(waiting.join().unwrap(), dead);
        });
    });
    assert_eq!(mutex.poisoned_by(), Some(Cpu::from_index(1)));
    assert!(lock.try_write().is_some());
}

#[test]
fn locks_say_their_state_to_debuggers() {
    let mutex = Mutex::new(1);
    assert_eq!(alloc::format!("{mutex:?}"), "Mutex(1)");
    let guard = mutex.lock();
    assert_eq!(alloc::format!("{mutex:?} {guard:?}"), "Mutex(held) 1");
    let lock = RwLock::new(1);
    let _guard = lock.read();
    assert_eq!(alloc::format!("{lock:?}"), "RwLock(1)");
}
