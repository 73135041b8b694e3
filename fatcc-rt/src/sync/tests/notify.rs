//! Events that tasks wait for.

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::Ordering::SeqCst;
use core::task::{Context, Poll};

use super::counter;
use crate::sync::Notify;

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
