//! Loom models: every order in which CPUs may see each other's accesses, within the bounds that each model names.
//!
//! The emulated riscv64 CPU runs with the strong order of its x86 host, so a missing `Acquire` or `Release` shows
//! nowhere else. What is modelled is this crate's own code; `crate::atomic` is the only difference. Run by
//! `cargo xtask test`, or alone:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p fatcc-rt --lib --release --target-dir target/loom models
//! ```
//!
//! Values that locks guard are plain cells here too: Loom fails a model in which one is touched without an order between
//! the accesses. A wake-up that is lost shows as a deadlock.

mod boot;
mod calls;
pub(crate) mod heap;
mod locks;
mod tasks;
mod wakes;

use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use crate::arch::on_cpus;
use crate::cpu::Cpu;

/// Tries all orders in which `act`, on `cpus` CPUs, may go, with at most `preemptions` switches between two CPUs where
/// neither waits (`None`: any number). `make` makes a value for each order that all CPUs share; it is dropped last.
fn check_with<T: Send + Sync + 'static>(
    cpus: usize,
    preemptions: Option<usize>,
    make: impl Fn() -> T + Send + Sync + 'static,
    act: impl Fn(Cpu, &T) + Copy + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 20_000;
    builder.check(move || on_cpus(cpus, Arc::new(make()), act));
}

/// Wakes a CPU that waits in [`block_on`].
struct Ring(Cpu);

impl Wake for Ring {
    fn wake(self: Arc<Ring>) {
        crate::arch::doorbell_ring(self.0);
    }
}

/// Polls `future` on this CPU until it is ready, asleep in between.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Ring(Cpu::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        crate::arch::wait();
    }
}
