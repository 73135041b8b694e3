//! Locks and events under threads.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::SeqCst;
use core::task::{Context, Poll, Waker};
use std::thread;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counter() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

#[test]
fn a_mutex_excludes() {
    static SUM: Mutex<(u64, u64)> = Mutex::new((0, 0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..10_000 {
                    let mut sum = SUM.lock();
                    assert_eq!(sum.0, sum.1);
                    sum.0 += 1;
                    sum.1 += 1;
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(*SUM.lock(), (40_000, 40_000));
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
fn a_notify_without_a_waiter_is_remembered_once() {
    let notify = Notify::new();
    let (_, waker) = counter();
    let cx = &mut Context::from_waker(&waker);
    notify.notify();
    notify.notify();
    assert_eq!(pin!(notify.notified()).poll(cx), Poll::Ready(()));
    assert_eq!(pin!(notify.notified()).poll(cx), Poll::Pending);
}

#[test]
fn a_notify_wakes_the_one_that_waits_longest() {
    let notify = Notify::new();
    let ((first_count, first_waker), (second_count, second_waker)) = (counter(), counter());
    let (mut first, mut second) = (pin!(notify.notified()), pin!(notify.notified()));
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&first_waker))
            .is_pending()
    );
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(&second_waker))
            .is_pending()
    );
    notify.notify();
    assert_eq!(
        (first_count.0.load(SeqCst), second_count.0.load(SeqCst)),
        (1, 0)
    );
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(&second_waker))
            .is_pending()
    );
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&first_waker))
            .is_ready()
    );
    notify.notify_all();
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(&second_waker))
            .is_ready()
    );
}

#[test]
fn a_notified_waiter_that_is_dropped_hands_the_event_on() {
    let notify = Notify::new();
    let (_, waker) = counter();
    let cx = &mut Context::from_waker(&waker);
    {
        let mut dropped = pin!(notify.notified());
        assert!(dropped.as_mut().poll(cx).is_pending());
        notify.notify();
    }
    assert!(pin!(notify.notified()).poll(cx).is_ready());
    {
        let mut waiting = pin!(notify.notified());
        assert!(waiting.as_mut().poll(cx).is_pending());
    }
    assert!(
        pin!(notify.notified()).poll(cx).is_pending(),
        "a waiter that was not notified leaves nothing"
    );
}

#[test]
fn a_value_is_computed_once() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static VALUE: Lazy<usize> = Lazy::new(|| CALLS.fetch_add(1, SeqCst) + 10);
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(|| *VALUE)).collect();
    assert!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap() == 10)
    );
    let once = Once::new();
    assert_eq!(once.get(), None);
    assert_eq!((*once.call_once(|| 1), *once.call_once(|| 2)), (1, 1));
}

#[test]
fn cache_aligned_values_are_128_bytes_apart() {
    assert_eq!(size_of::<[CacheAligned<u8>; 2]>(), 256);
}
