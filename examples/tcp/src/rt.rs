//! What the program wants of the runtime, in one place; on the host a stand-in with virtual time takes its part, so
//! that sockets and server are tested as they are, without an image.

#[cfg(target_os = "none")]
pub use fatcc_rt::{
    console::line as console_line,
    cpu::Cpu,
    sync::{Mutex, Notify},
    task::{sleep, switch_to, yield_now},
    time::now,
};

#[cfg(not(target_os = "none"))]
pub mod host;
#[cfg(not(target_os = "none"))]
pub use host::{Cpu, Mutex, Notify, now, sleep, switch_to, yield_now};

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

/// Doorbells that the CPUs of each ISA have rung, by ISA.
#[cfg(target_os = "none")]
pub fn doorbells() -> impl Iterator<Item = (&'static str, u64)> {
    fatcc_rt::cpu::Cpu::all().map(|cpu| (cpu.isa(), fatcc_rt::doorbell::sent(cpu)))
}

/// Doorbells that the CPUs of each ISA have rung, by ISA.
#[cfg(not(target_os = "none"))]
pub fn doorbells() -> impl Iterator<Item = (&'static str, u64)> {
    [("host", 0)].into_iter()
}

/// The time given to an operation has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// Runs `future` for at most `limit`. A future that is ready at once costs no timer.
pub async fn with_timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let first = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    if let Poll::Ready(output) = first {
        return Ok(output);
    }
    let mut timer = pin!(sleep(limit));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}
