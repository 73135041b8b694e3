//! Wakers and futures on their way between the CPUs.

use super::{Outcome, holds, on, same};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::hint::black_box;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use fatcc_rt::cpu::Cpu;
use fatcc_rt::sync::Mutex;
use fatcc_rt::task;

/// Between a task that waits and one that wakes it.
#[derive(Default)]
struct Meeting {
    waker: Option<Waker>,
    woken_by: Option<Cpu>,
}

impl Meeting {
    /// The waker, once it is there; notes who takes it.
    fn take_waker(&mut self) -> Option<Waker> {
        let waker = self.waker.take()?;
        self.woken_by = Some(Cpu::current());
        Some(waker)
    }
}

pub(super) async fn waker(from: Cpu, to: Cpu) -> Outcome {
    let meeting = Arc::new(Mutex::new(Meeting::default()));
    let waiting = meeting.clone();
    let waiter = task::spawn_on(from, async move {
        let made_on = Cpu::current();
        let woken_by = poll_fn(|cx| {
            let mut meeting = waiting.lock();
            if let Some(cpu) = meeting.woken_by {
                return Poll::Ready(cpu);
            }
            meeting.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        (made_on, woken_by, Cpu::current())
    });
    task::spawn_on(to, async move {
        loop {
            let taken = meeting.lock().take_waker();
            if let Some(waker) = taken {
                // Clone, drop and wake each go through the vtable.
                let copy = waker.clone();
                drop(waker);
                copy.wake();
                return;
            }
            task::yield_now().await;
        }
    })
    .await
    .map_err(|error| error.to_string())?;
    let (made_on, woken_by, resumed_on) = waiter.await.map_err(|error| error.to_string())?;
    same("made on", made_on, from)?;
    same("woken by", woken_by, to)?;
    same("resumed on", resumed_on, from)?;
    Ok(format!(
        "made on {made_on}, woken by {woken_by}, resumed on {resumed_on}"
    ))
}

/// Number of polls of [`journey`].
const POLLS: usize = 10;

/// Notes at each poll where it runs, in an array that it borrows all the time.
async fn journey() -> (Vec<Cpu>, u64) {
    let mut places = Vec::new();
    let mut squares = [0u64; POLLS];
    let mut rest: &mut [u64] = &mut squares;
    while let Some((first, others)) = rest.split_first_mut() {
        let step = places.len() as u64;
        places.push(Cpu::current());
        *first = black_box(step) * step;
        rest = others;
        if !rest.is_empty() {
            task::yield_now().await;
        }
    }
    (places, squares.iter().sum())
}

type Journey = Pin<Box<dyn Future<Output = (Vec<Cpu>, u64)> + Send>>;

pub(super) async fn future_in_turn(from: Cpu, to: Cpu) -> Outcome {
    let mut travelling: Journey = on(from, || -> Journey { Box::pin(journey()) }).await;
    for step in 0..POLLS {
        let cpu = if step % 2 == 0 { from } else { to };
        let (poll, back) = on(cpu, move || {
            let poll = travelling
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            (poll, travelling)
        })
        .await;
        travelling = back;
        match poll {
            Poll::Pending => holds(step + 1 < POLLS, "it is not ready after its last poll")?,
            Poll::Ready((places, sum)) => {
                same("polls until it is ready", step + 1, POLLS)?;
                let in_turn = places
                    .iter()
                    .enumerate()
                    .all(|(at, cpu)| *cpu == if at % 2 == 0 { from } else { to });
                holds(in_turn, "it did not run where it was polled")?;
                same("its borrowed array's sum", sum, 285)?;
            }
        }
    }
    on(to, move || drop(travelling)).await;
    Ok(format!(
        "{POLLS} polls in turn, a borrow across each await, dropped on {to}"
    ))
}

pub(super) async fn moving(from: Cpu, to: Cpu) -> Outcome {
    let (places, text) = task::spawn_on(from, async move {
        let mut places = Vec::new();
        let text = format!("{}", Cpu::current());
        let borrowed = &text;
        for next in [to, from, to] {
            places.push(Cpu::current());
            task::switch_to(next).await;
        }
        places.push(Cpu::current());
        (places, format!("{borrowed}, {}", Cpu::current()))
    })
    .await
    .map_err(|error| error.to_string())?;
    holds(
        places == [from, to, from, to],
        "it ran elsewhere than where it went",
    )?;
    same("its text", text, format!("{from}, {to}"))?;
    Ok(format!("{from}, {to}, {from}, {to}"))
}
