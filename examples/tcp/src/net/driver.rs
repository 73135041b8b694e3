//! The task that moves frames between the device and the sockets. It runs on the CPU that has the device.
//!
//! What wakes it: the device, a task that wrote or read ([`Net::work`]), and smoltcp's timers. Whoever writes into a
//! socket while it is working need not ring: it looks again before it sleeps.

use super::{Net, instant};
use crate::rt;
use crate::stats::STATS;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use smoltcp::iface::{PollIngressSingleResult, PollResult};
use smoltcp::phy::Device;

/// Frames taken from the device, and rounds of sending one segment for each socket, before the lock is given up.
pub const BATCH: usize = 32;
/// How long to wait for the device to take frames, when it had no room and does not say when it has.
const FULL: Duration = Duration::from_millis(1);

/// A device that interrupts.
pub trait NetDevice: Device {
    /// Tells the device that its interrupt has been seen. Everything that arrived before is then found by `receive`.
    fn acknowledge(&mut self);

    /// Waits for the next interrupt.
    fn interrupt(&mut self) -> impl Future<Output = ()> + Send;
}

/// What one round has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There is more to do now.
    Again,
    /// Nothing to do before this time has passed, if any, or something happens.
    Wait(Option<Duration>),
}

/// Serves `net` by `device`, forever.
pub async fn run(net: &'static Net, mut device: impl NetDevice) {
    loop {
        device.acknowledge();
        match round(net, &mut device) {
            Next::Again => rt::yield_now().await,
            Next::Wait(delay) => wait(net, &mut device, delay).await,
        }
    }
}

/// Takes and sends a bounded number of frames.
fn round(net: &Net, device: &mut impl NetDevice) -> Next {
    let mut stack = net.stack.lock();
    let device = &mut stack.gate(device);
    let super::Stack {
        interface, sockets, ..
    } = &mut *stack;
    let now = instant(rt::now());
    interface.poll_maintenance(now);
    let mut received = 0;
    while received < BATCH
        && interface.poll_ingress_single(now, device, sockets) != PollIngressSingleResult::None
    {
        received += 1;
    }
    let mut sent = 0;
    while sent < BATCH && interface.poll_egress(now, device, sockets) != PollResult::None {
        sent += 1;
    }
    let delay = interface.poll_delay(now, sockets).map(Duration::from);
    let refused = device.refused();
    if refused > 0 {
        stack.keep_listening(refused);
    }
    drop(stack);
    STATS.polled_here(received as u64);
    if received == BATCH || sent == BATCH {
        Next::Again
    } else if delay == Some(Duration::ZERO) {
        Next::Wait(Some(FULL))
    } else {
        Next::Wait(delay)
    }
}

/// Until the device interrupts, a task has left work, or `delay` has passed.
async fn wait(net: &Net, device: &mut impl NetDevice, delay: Option<Duration>) {
    let mut interrupt = pin!(device.interrupt());
    let mut work = pin!(net.work.notified());
    let mut timer = pin!(async {
        match delay {
            Some(delay) => rt::sleep(delay).await,
            None => core::future::pending().await,
        }
    });
    poll_fn(|cx| {
        // All three are polled, so that each has the waker.
        let ready = [
            interrupt.as_mut().poll(cx).is_ready(),
            work.as_mut().poll(cx).is_ready(),
            timer.as_mut().poll(cx).is_ready(),
        ];
        if ready.contains(&true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
