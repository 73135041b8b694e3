//! Mutex, rwlock, once.

use core::sync::atomic::Ordering::{Acquire, Release};

use super::check_with;
use crate::arch;
use crate::atomic::{AtomicBool, UnsafeCell};
use crate::cpu::Cpu;
use crate::sync::held::{self, Mark};
use crate::sync::{Mutex, Once, RawLock, RwLock};

#[test]
fn two_cpus_take_a_mutex_in_turn() {
    check_with(
        2,
        None,
        || Mutex::new(0),
        |_, mutex| {
            *mutex.lock() += 1;
            if let Some(mut value) = mutex.try_lock() {
                *value += 1;
            }
        },
    );
}

#[test]
fn readers_see_all_or_nothing_of_a_write() {
    check_with(
        2,
        None,
        || RwLock::new((0, 0)),
        |cpu, lock| {
            if cpu.index() == 0 {
                let mut value = lock.write();
                value.0 = 1;
                value.1 = 1;
            } else {
                let (first, second) = (lock.read(), lock.read());
                assert_eq!(first.0, second.1);
            }
        },
    );
}

#[test]
fn writers_wait_for_readers() {
    check_with(
        2,
        Some(3),
        || RwLock::new(0),
        |cpu, lock| {
            if cpu.index() == 0 {
                let value = *lock.read();
                *lock.write() = value + 1;
            } else {
                *lock.write() += 1;
                let _ = lock.try_read().map(|value| *value);
            }
        },
    );
}

#[test]
fn a_lock_that_is_taken_from_a_dead_cpu_is_left_once() {
    check_with(
        3,
        Some(2),
        || (RawLock::new(), AtomicBool::new(false)),
        |cpu, (lock, died)| match cpu.index() {
            0 => {
                core::mem::forget(lock.write());
                died.store(true, Release);
            }
            1 => {
                while !died.load(Acquire) {
                    arch::relax();
                }
                held::abandon(Cpu::from_index(0), Mark::ALL, |_| ());
                assert_eq!(lock.failed(), Some(Cpu::from_index(0)));
            }
            _ => drop(lock.write()),
        },
    );
}

#[test]
fn a_value_is_written_once_and_seen_whole() {
    check_with(2, None, Once::new, |cpu, once| {
        if let Some(value) = once.get() {
            assert_eq!(*value, once.call_once(|| 9).clone());
        }
        let own = cpu.index();
        assert!(*once.call_once(|| own) < 2);
    });
}

#[test]
fn what_a_plain_cell_holds_is_guarded_by_the_lock() {
    struct Guarded(Mutex<()>, UnsafeCell<u32>);
    // SAFETY: the cell is touched under the lock; that it is so is what is checked.
    unsafe impl Sync for Guarded {}
    // SAFETY: as above.
    unsafe impl Send for Guarded {}
    check_with(
        2,
        None,
        || Guarded(Mutex::new(()), UnsafeCell::new(0)),
        |_, guarded| {
            let _guard = guarded.0.lock();
            // SAFETY: under the lock.
            guarded.1.with_mut(|value| unsafe { *value += 1 });
        },
    );
}
