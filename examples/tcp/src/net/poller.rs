//! The task that is TCP: it alone calls smoltcp's `poll_*`, on whichever CPU it is wanted ([`super::placement`]).
//!
//! What wakes it ([`Net::work`]): the driver with frames, a task that wrote or read, who wants it elsewhere; and smoltcp's
//! timers. Whoever writes into a socket while it is working need not ring: it looks again before it sleeps.

use super::port::Link;
use super::{Net, backlog, instant};
use crate::rt;
use crate::stats::STATS;
use core::time::Duration;
use smoltcp::iface::{PollIngressSingleResult, PollResult};

/// Frames taken, and rounds of sending one segment for each socket, before the lock is given up.
pub const BATCH: usize = 32;
/// How long to wait for the driver to take frames, when there was no room.
const FULL: Duration = Duration::from_millis(1);

/// What one round has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There is more to do now.
    Again,
    /// Nothing to do before this time has passed, if any, or something happens.
    Wait(Option<Duration>),
}

/// Processes TCP for `net`, forever.
pub async fn run(net: &'static Net) {
    let mut link = Link::new(net.port);
    loop {
        net.placement.settle().await;
        match round(net, &mut link) {
            Next::Again => rt::yield_now().await,
            Next::Wait(delay) => wait(net, delay).await,
        }
    }
}

/// Takes and sends a bounded number of frames.
fn round(net: &Net, link: &mut Link) -> Next {
    link.take();
    let mut stack = net.stack.lock();
    let port = stack.backlog.port;
    let asked = link
        .frames()
        .any(|frame| backlog::asks(frame, port).is_some());
    let mut device = stack.gate(link, asked);
    let super::Stack {
        interface, sockets, ..
    } = &mut *stack;
    let now = instant(rt::now());
    interface.poll_maintenance(now);
    let mut received = 0;
    while received < BATCH
        && interface.poll_ingress_single(now, &mut device, sockets) != PollIngressSingleResult::None
    {
        received += 1;
    }
    let mut sent = 0;
    while sent < BATCH && interface.poll_egress(now, &mut device, sockets) != PollResult::None {
        sent += 1;
    }
    let delay = interface.poll_delay(now, sockets).map(Duration::from);
    let refused = device.refused();
    if refused > 0 {
        stack.keep_listening(refused);
    }
    stack.count(&link.segments());
    drop(stack);
    link.give();
    STATS.polled_here(received as u64);
    if received == BATCH || sent == BATCH || (received > 0 && link.has_more()) {
        Next::Again
    } else if delay == Some(Duration::ZERO) || link.has_more() {
        Next::Wait(Some(FULL))
    } else {
        Next::Wait(delay)
    }
}

/// Until something is to be done, or `delay` has passed.
async fn wait(net: &Net, delay: Option<Duration>) {
    match delay {
        Some(delay) => {
            let _ = rt::with_timeout(delay, net.work.notified()).await;
        }
        None => net.work.notified().await,
    }
}
