//! Channels: order, room, ends, and futures that are dropped.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::SeqCst;
use core::task::{Context, Poll, Waker};

use super::*;
use crate::arch::run_cpus;
use crate::cpu::Cpu;
use crate::sync::tests::counter;
use crate::task;

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn values_come_in_order_and_no_more_than_there_is_room_for() {
    let (sender, receiver) = bounded(2);
    assert_eq!(
        (sender.capacity(), sender.len(), sender.is_empty()),
        (2, 0, true)
    );
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    for value in 1..3 {
        sender.try_send(value).unwrap();
    }
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert!(receiver.is_full());
    let mut waiting = sender.send(3);
    assert_eq!(poll_once(&mut waiting), Poll::Pending);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(poll_once(&mut waiting), Poll::Ready(Ok(())));
    let received: Vec<_> = core::iter::from_fn(|| receiver.try_recv().ok()).collect();
    assert_eq!(received, [2, 3]);
}

#[test]
fn the_last_sender_closes_and_what_was_sent_can_be_received() {
    let (sender, receiver) = bounded(2);
    let second = sender.clone();
    assert_eq!(receiver.sender_count(), 2);
    sender.try_send(1).unwrap();
    drop(sender);
    assert!(!receiver.is_closed());
    drop(second);
    assert!(receiver.is_closed());
    assert_eq!(poll_once(&mut receiver.recv()), Poll::Ready(Ok(1)));
    assert_eq!(poll_once(&mut receiver.recv()), Poll::Ready(Err(RecvError)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn the_last_receiver_closes_and_drops_what_nobody_will_receive() {
    let (sender, receiver) = bounded(2);
    let (value, second) = (Arc::new(()), receiver.clone());
    sender.try_send(value.clone()).unwrap();
    assert_eq!(sender.receiver_count(), 2);
    drop((receiver, second));
    assert_eq!(Arc::strong_count(&value), 1);
    assert_eq!(
        sender.try_send(value.clone()),
        Err(TrySendError::Closed(value.clone()))
    );
    let Poll::Ready(Err(SendError(back))) = poll_once(&mut sender.send(value.clone())) else {
        panic!("sent into a closed channel")
    };
    assert!(Arc::ptr_eq(&back, &value));
}

#[test]
fn closing_wakes_all_who_wait() {
    let (sender, receiver) = bounded::<u8>(1);
    let ((count, waker), other) = (counter(), receiver.clone());
    let cx = &mut Context::from_waker(&waker);
    let (mut first, mut second) = (receiver.recv(), other.recv());
    assert!(pin!(&mut first).poll(cx).is_pending() && pin!(&mut second).poll(cx).is_pending());
    assert!(sender.close() && !sender.close());
    assert_eq!(count.0.load(SeqCst), 2);
    assert_eq!(poll_once(&mut first), Poll::Ready(Err(RecvError)));
    assert_eq!(poll_once(&mut second), Poll::Ready(Err(RecvError)));
}

#[test]
fn a_receiver_that_was_woken_and_is_dropped_wakes_the_next() {
    let (sender, receiver) = bounded(1);
    let (count, waker) = counter();
    let mut first = Box::pin(receiver.recv());
    let mut second = receiver.recv();
    assert_eq!(poll_once(&mut first), Poll::Pending);
    assert!(
        pin!(&mut second)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    sender.try_send(7).unwrap();
    assert_eq!(count.0.load(SeqCst), 0, "the first one was woken");
    drop(first);
    assert_eq!(count.0.load(SeqCst), 1);
    assert_eq!(poll_once(&mut second), Poll::Ready(Ok(7)));
}

#[test]
fn a_sender_that_was_woken_and_is_dropped_wakes_the_next() {
    let (sender, receiver) = bounded(1);
    let (count, waker) = counter();
    sender.try_send(1).unwrap();
    let mut first = Box::pin(sender.send(2));
    let mut second = sender.send(3);
    assert_eq!(poll_once(&mut first), Poll::Pending);
    assert!(
        pin!(&mut second)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(receiver.try_recv(), Ok(1));
    drop(first);
    assert_eq!(count.0.load(SeqCst), 1);
    assert_eq!(poll_once(&mut second), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(3), "what was dropped was not sent");
}

#[test]
fn a_future_that_is_dropped_in_line_leaves_nothing_behind() {
    let (sender, receiver) = bounded(1);
    assert_eq!(poll_once(&mut receiver.recv()), Poll::Pending);
    sender.try_send(1).unwrap();
    assert_eq!(poll_once(&mut sender.send(2)), Poll::Pending);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn every_value_reaches_one_receiver_across_cpus() {
    const VALUES: usize = if cfg!(miri) { 40 } else { 2_000 };
    let sum = Arc::new(AtomicUsize::new(0));
    let total = sum.clone();
    run_cpus(2, move |cpu| {
        if cpu.index() == 1 {
            return;
        }
        let (sender, receiver) = bounded(3);
        for cpu in Cpu::all() {
            for first in [cpu.index(), cpu.index() + 2] {
                let sender = sender.clone();
                task::spawn_on(cpu, async move {
                    for value in (first..VALUES).step_by(4) {
                        sender.send(value).await.unwrap();
                    }
                });
                let (receiver, sum) = (receiver.clone(), sum.clone());
                task::spawn_on(cpu, async move {
                    while let Ok(value) = receiver.recv().await {
                        sum.fetch_add(value, SeqCst);
                    }
                });
            }
        }
    });
    assert_eq!(total.load(SeqCst), VALUES * (VALUES - 1) / 2);
}

#[test]
fn errors_say_what_happened() {
    use alloc::string::ToString;
    assert_eq!(
        TrySendError::Full(1).to_string(),
        "sending into a full channel"
    );
    assert_eq!(SendError(1).to_string(), "sending into a closed channel");
    assert_eq!(
        RecvError.to_string(),
        "receiving from an empty and closed channel"
    );
    assert!(TrySendError::Full(1).is_full() && TrySendError::Closed(1).is_closed());
    assert_eq!(TrySendError::Full(1).into_inner(), 1);
}
