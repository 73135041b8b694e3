//! The task that moves frames between the device and the [`Port`](super::port::Port). It runs on the CPU that has the device.
//!
//! What wakes it: the device, and TCP with frames to send. Whoever queues a frame while it is working need not ring: it looks
//! again before it sleeps.

use super::Net;
use super::frame::{Buffer, Frame};
use super::port::{Queues, WAITING};
use crate::rt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

/// How long to wait for a device that takes no frames and does not say when it does, or for TCP to take some.
const FULL: Duration = Duration::from_millis(1);

/// A network device. Buffers that it has are its own until they come back.
pub trait NetDevice {
    /// Tells the device that its interrupt has been seen. Everything that arrived before is then found by `receive`.
    fn acknowledge(&mut self);

    /// Waits for the next interrupt.
    fn interrupt(&mut self) -> impl Future<Output = ()> + Send;

    /// The next frame that has arrived.
    fn receive(&mut self) -> Option<Frame>;

    /// Gives it a buffer to receive into, unless it has enough.
    fn offer(&mut self, buffer: Buffer) -> Result<(), Buffer>;

    /// Gives it a frame to send, unless it has no room.
    fn send(&mut self, frame: Frame) -> Result<(), Frame>;

    /// The buffer of a frame that has been sent.
    fn sent(&mut self) -> Option<Buffer>;
}

/// Serves `net` by `device`, forever.
pub async fn run(net: &'static Net, mut device: impl NetDevice) {
    loop {
        device.acknowledge();
        let (arrived, is_stuck) = net.port.with(|queues| exchange(queues, &mut device));
        if arrived {
            net.work.notify();
        }
        wait(net, &mut device, is_stuck.then_some(FULL)).await;
    }
}

/// Moves frames both ways and buffers back. Whether frames have arrived, and whether some could not be moved.
fn exchange(queues: &mut Queues, device: &mut impl NetDevice) -> (bool, bool) {
    while let Some(buffer) = device.sent() {
        queues.spare.push(buffer);
    }
    let mut is_stuck = false;
    while let Some(frame) = queues.sending.pop_front() {
        if let Err(frame) = device.send(frame) {
            queues.sending.push_front(frame);
            is_stuck = true;
            break;
        }
    }
    let before = queues.received.len();
    while queues.received.len() < WAITING
        && let Some(frame) = device.receive()
    {
        queues.received.push_back(frame);
    }
    is_stuck |= queues.received.len() == WAITING;
    while let Some(buffer) = queues.spare.pop() {
        if let Err(buffer) = device.offer(buffer) {
            queues.spare.push(buffer);
            break;
        }
    }
    (queues.received.len() > before, is_stuck)
}

/// Until the device interrupts, there is something to send, or `delay` has passed.
async fn wait(net: &Net, device: &mut impl NetDevice, delay: Option<Duration>) {
    let happens = async {
        let mut interrupt = pin!(device.interrupt());
        let mut queued = pin!(net.port.queued.notified());
        // Both are polled, so that each has the waker.
        poll_fn(|cx| {
            let ready = [
                interrupt.as_mut().poll(cx).is_ready(),
                queued.as_mut().poll(cx).is_ready(),
            ];
            match ready.contains(&true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    };
    match delay {
        Some(delay) => {
            let _ = rt::with_timeout(delay, happens).await;
        }
        None => happens.await,
    }
}
