//! An executor per CPU. A task is plain data in shared memory: it is spawned on any CPU, woken from any CPU, and moved
//! to another CPU by putting its address into the other queue.
//!
//! Life of a task. The state is a set of bits; the arrows are functions:
//!
//! ```text
//!   spawn_on ─(1)─► SCHEDULED ─(2)─► RUNNING ─(3)─► DONE
//!                     ▲   ▲            │  │
//!                     │   │ (6)       (4)(5)
//!                     │   └───────┐    │  │
//!                     │    RUNNING+SCHEDULED ◄─ woken while it runs
//!                    (7)               │
//!                     └───── IDLE ◄────┘
//!
//!   (1) spawn_on: queued on its home CPU                   (2) Task::run: taken off the queue, polled
//!   (3) Task::run: the future is ready and dropped         (4) Task::run: pending and not woken meanwhile
//!   (5) Task::schedule: only the bit is set                (6) Task::run: pending, woken meanwhile: queued again
//!   (7) Task::schedule: queued on its home CPU
//! ```
//!
//! The bit SCHEDULED is what makes a task be in one queue at most; it is set *before* the queue is touched, and cleared
//! when the task is taken off. While a task is queued, the queue owns a reference to it.
//!
//! Sleep without a lost wake-up: the CPU sets `sleeping`, then looks at its queue; a waker fills the queue, then looks
//! at `sleeping`. Both have a sequentially consistent fence in between, so one of them sees the other.

mod join;
mod queue;
#[cfg(test)]
mod tests;
mod timer;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::cell::UnsafeCell;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, fence};
use core::task::{Context, Poll, Waker};

pub use join::JoinHandle;
pub(crate) use queue::RunQueue;
pub(crate) use timer::Timers;
pub use timer::{Elapsed, Sleep, sleep, sleep_until, with_timeout};

use crate::cpu::{Cpu, Record};
use crate::critical::Section;
use crate::{arch, boot, doorbell, time};

const SCHEDULED: u32 = 1;
const RUNNING: u32 = 2;
const DONE: u32 = 4;

type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that were spawned and are not done.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Longest sleep where CPUs cannot interrupt each other, in nanoseconds.
const POLL_INTERVAL: u64 = 500_000;

/// Polls of tasks between two looks at the timers.
const POLLS_PER_LOOK: u32 = 16;

/// One task.
pub(crate) struct Task {
    state: AtomicU32,
    /// Index of the CPU that polls it.
    home: AtomicU32,
    /// The task behind it in the queue that it is in.
    next: AtomicPtr<Task>,
    /// Touched by the CPU that made the state RUNNING. `None` when it is DONE.
    future: UnsafeCell<Option<TaskFuture>>,
}

// SAFETY: the future is `Send`, and RUNNING, which one CPU at a time sets, guards it.
unsafe impl Sync for Task {}
// SAFETY: as above.
unsafe impl Send for Task {}

impl Task {
    fn new(home: Cpu, future: TaskFuture) -> Arc<Task> {
        LIVE.fetch_add(1, SeqCst);
        Arc::new(Task {
            state: AtomicU32::new(0),
            home: AtomicU32::new(home.index() as u32),
            next: AtomicPtr::new(core::ptr::null_mut()),
            future: UnsafeCell::new(Some(future)),
        })
    }

    /// Makes it be polled, after now, by its home CPU. From any CPU, from interrupts too; does not allocate.
    fn schedule(self: Arc<Task>) {
        let before = self.state.fetch_or(SCHEDULED, AcqRel);
        if before & (SCHEDULED | RUNNING | DONE) == 0 {
            self.enqueue();
        }
    }

    /// Into its home CPU's queue; its SCHEDULED was set by the caller.
    fn enqueue(self: Arc<Task>) {
        let home = Cpu::from_index(self.home.load(Relaxed) as usize);
        let record = home.record();
        record.queue.push(self);
        fence(SeqCst);
        if home != Cpu::current()
            && record.sleeping.load(Relaxed)
            && record.sleeping.swap(false, Relaxed)
        {
            doorbell::ring(home);
        }
    }

    /// Polls it once, on `cpu`, whose queue it was taken from.
    fn run(self: Arc<Task>, cpu: Cpu) {
        let before = self.state.swap(RUNNING, Acquire);
        debug_assert_eq!(before, SCHEDULED);
        let current = &cpu.record().current;
        current.store(Arc::as_ptr(&self).cast_mut(), Relaxed);
        let waker = Waker::from(self.clone());
        // SAFETY: this call made the state RUNNING, so the future is ours until that is cleared.
        let future = unsafe { &mut *self.future.get() };
        let poll = match future {
            Some(pinned) => pinned.as_mut().poll(&mut Context::from_waker(&waker)),
            None => unreachable!("a task that is done is never scheduled"),
        };
        current.store(core::ptr::null_mut(), Relaxed);
        if poll.is_ready() {
            *future = None;
            self.state.store(DONE, SeqCst);
            LIVE.fetch_sub(1, SeqCst);
        } else if self.state.fetch_and(!RUNNING, AcqRel) & SCHEDULED != 0 {
            self.enqueue();
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Task>) {
        self.schedule();
    }

    fn wake_by_ref(self: &Arc<Task>) {
        self.clone().schedule();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if *self.state.get_mut() & DONE == 0 {
            // Nobody can wake it any more.
            LIVE.fetch_sub(1, SeqCst);
        }
    }
}

/// Runs `future` as a task of this CPU.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    spawn_on(Cpu::current(), future)
}

/// Runs `future` as a task of `cpu`.
pub fn spawn_on<T: Send + 'static>(
    cpu: Cpu,
    future: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let (finisher, handle) = join::pair();
    let task = Task::new(cpu, Box::pin(async move { finisher.finish(future.await) }));
    task.schedule();
    handle
}

/// Goes on running the calling task on `cpu`. The task must have been spawned here.
///
/// # Panics
/// If it is not called from a task.
pub async fn move_to(cpu: Cpu) {
    if cpu == Cpu::current() {
        return;
    }
    let current = Cpu::current().record().current.load(Relaxed);
    assert!(!current.is_null(), "only a task can move to another CPU");
    // SAFETY: this code runs in a poll by that task, which `Task::run` keeps alive.
    unsafe { &*current }.home.store(cpu.index() as u32, Relaxed);
    // The task is pending and scheduled: `Task::run` puts it into the queue of its new home.
    yield_now().await;
}

/// Lets other tasks of this CPU run.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Number of tasks that are not done, on all CPUs.
pub(crate) fn live() -> usize {
    LIVE.load(SeqCst)
}

/// Runs the tasks of `cpu`, which is this CPU, until the run is [finished](boot::finished).
pub(crate) fn run(cpu: Cpu) {
    let record = cpu.record();
    loop {
        record.timers.fire();
        let mut polled = 0;
        while polled < POLLS_PER_LOOK
            && let Some(task) = record.queue.pop()
        {
            task.run(cpu);
            polled += 1;
        }
        if polled == 0 {
            if boot::finished() {
                break;
            }
            sleep_until_work(cpu);
        }
    }
    // On the host the others have to end by themselves.
    Cpu::all()
        .filter(|other| *other != cpu)
        .for_each(doorbell::ring);
}

/// Sleeps until there may be work; see the module's description.
fn sleep_until_work(cpu: Cpu) {
    let record = cpu.record();
    if work_comes_soon(record) {
        return;
    }
    let _no_interrupts = Section::enter();
    record.sleeping.store(true, Relaxed);
    fence(SeqCst);
    let mut sleep = record
        .timers
        .next_deadline()
        .map(|deadline| deadline.saturating_sub(time::nanoseconds()));
    if !doorbell::available() {
        sleep = Some(sleep.map_or(POLL_INTERVAL, |sleep| sleep.min(POLL_INTERVAL)));
    }
    if record.queue.is_empty() && !boot::finished() && sleep != Some(0) {
        arch::set_timer(sleep);
        arch::wait();
    }
    record.sleeping.store(false, Relaxed);
}

/// Looks for work for a short while before the CPU sleeps: an answer of another CPU may be on its way already. In QEMU
/// on two free cores, a task went there and back in 11 µs this way and in 120 to 290 µs by doorbells.
fn work_comes_soon(record: &Record) -> bool {
    let end = arch::clock() + arch::AWAKE;
    while arch::clock() < end {
        for _ in 0..8 {
            if !record.queue.is_empty() {
                return true;
            }
            arch::relax();
        }
    }
    false
}
