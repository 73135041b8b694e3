//! Notify and channels: no wake-up is lost, whoever comes first, and whoever goes away.

use alloc::boxed::Box;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use super::{block_on, check_with};
use crate::atomic::UnsafeCell;
use crate::sync::channel::{self, Receiver, RecvError, Sender};
use crate::sync::{Mutex, Notify};

/// Written by one CPU, read by another after it was told.
struct Message {
    told: Notify,
    value: UnsafeCell<u32>,
}

// SAFETY: the value is read after `told`; that this orders the accesses is what is checked.
unsafe impl Sync for Message {}
// SAFETY: as above.
unsafe impl Send for Message {}

#[test]
fn a_notify_is_never_lost_and_brings_what_was_written_before() {
    let make = || Message {
        told: Notify::new(),
        value: UnsafeCell::new(0),
    };
    check_with(2, None, make, |cpu, message| {
        if cpu.index() == 0 {
            // SAFETY: before the other CPU is told.
            message.value.with_mut(|value| unsafe { *value = 7 });
            message.told.notify();
        } else {
            block_on(message.told.notified());
            // SAFETY: after this CPU was told.
            message.value.with(|value| assert_eq!(unsafe { *value }, 7));
        }
    });
}

#[test]
fn a_waiter_that_goes_away_leaves_the_event_to_the_next() {
    check_with(2, None, Notify::new, |cpu, notify| {
        if cpu.index() == 0 {
            notify.notify();
            return;
        }
        let mut waiting = Box::pin(notify.notified());
        let ready = waiting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        drop(waiting);
        if ready.is_pending() {
            block_on(notify.notified());
        }
    });
}

/// The two ends, each taken by one CPU.
type Ends<T> = (Mutex<Option<Sender<T>>>, Mutex<Option<Receiver<T>>>);

fn ends<T>(capacity: usize) -> Ends<T> {
    let (sender, receiver) = channel::bounded(capacity);
    (Mutex::new(Some(sender)), Mutex::new(Some(receiver)))
}

#[test]
fn a_sender_waits_for_room_and_is_woken() {
    check_with(
        2,
        Some(1),
        || ends(1),
        |cpu, (sender, receiver)| {
            if cpu.index() == 0 {
                let sender = sender.lock().clone().unwrap();
                sender.try_send(0).unwrap();
                block_on(sender.send(1)).unwrap();
            } else {
                let receiver = receiver.lock().clone().unwrap();
                for value in 0..2 {
                    assert_eq!(block_on(receiver.recv()), Ok(value));
                }
            }
        },
    );
}

#[test]
fn the_last_sender_wakes_who_waits() {
    check_with(
        2,
        Some(2),
        || ends::<u8>(1),
        |cpu, (sender, receiver)| {
            if cpu.index() == 0 {
                drop(sender.lock().take());
            } else {
                let receiver = receiver.lock().clone().unwrap();
                assert_eq!(block_on(receiver.recv()), Err(RecvError));
            }
        },
    );
}

#[test]
fn a_receiver_that_goes_away_leaves_the_value_to_another() {
    check_with(
        3,
        Some(1),
        || ends(1),
        |cpu, (sender, receiver)| match cpu.index() {
            0 => {
                let sender = sender.lock().clone().unwrap();
                block_on(sender.send(1)).unwrap();
            }
            1 => {
                let receiver = receiver.lock().clone().unwrap();
                assert_eq!(block_on(receiver.recv()), Ok(1));
            }
            _ => {
                let receiver = receiver.lock().clone().unwrap();
                let back = sender.lock().clone().unwrap();
                let mut waiting = Box::pin(receiver.recv());
                let taken = waiting
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
                drop(waiting);
                if let Poll::Ready(Ok(value)) = taken {
                    back.try_send(value).unwrap();
                }
            }
        },
    );
}
