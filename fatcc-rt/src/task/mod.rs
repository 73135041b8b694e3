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
//! The bit SCHEDULED is what makes a task be in one queue at most; it is set *before* the queue is touched, with the CPU
//! that is to queue it, and cleared when the task is taken off. While a task is queued, the queue owns a reference to it. Should
//! a CPU die between setting the bit and queueing the task, its [heir](crate::health) finds such tasks, and lets their home CPU,
//! which alone knows what is in its queue, put those in that are missing.
//!
//! Sleep without a lost wake-up ([`idle`]): the CPU sets `sleeping`, then looks at its queue; a waker fills the queue, then looks
//! at `sleeping`. Both have a sequentially consistent fence in between, so one of them sees the other.

mod idle;
mod join;
mod placement;
mod queue;
mod registry;
#[cfg(all(test, not(loom)))]
mod tests;
mod timer;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use core::task::{Context, Poll, Waker};

pub(crate) use idle::Habits;
#[cfg(not(target_os = "none"))]
pub(crate) use join::forget_unseen;
pub(crate) use join::unseen;
pub use join::{JoinError, JoinHandle};
pub use placement::{Placement, set_placement, waiting};
pub(crate) use queue::RunQueue;
pub(crate) use registry::{Registry, live};
pub(crate) use timer::Timers;
pub use timer::{Elapsed, Sleep, sleep, sleep_until, with_timeout};

use crate::atomic::{AtomicPtr, AtomicU32, UnsafeCell, fence};
use crate::attempt::attempt;
use crate::cpu::{self, Cpu};
use crate::{boot, call, doorbell, health};

const SCHEDULED: u32 = 1;
const RUNNING: u32 = 2;
const DONE: u32 = 4;
const CANCELLED: u32 = 8;
/// From this bit on: the [signature](Cpu::signature) of who is to queue a task that is SCHEDULED and does not run.
const BY: u32 = 8;

/// `state` of a task that this CPU is to queue.
fn scheduled_here(state: u32) -> u32 {
    state & ((1 << BY) - 1) | SCHEDULED | Cpu::current().signature() << BY
}

/// What stands for the handle of a task that has none.
#[cfg(all(test, loom))]
pub(crate) fn nobody_awaits() -> Arc<dyn join::Fail> {
    join::finisher::<()>().failing()
}

type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

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
    /// For whoever awaits it, if there will be no result.
    failing: Arc<dyn join::Fail>,
    /// Index of the CPU to which it switches, plus one. Own, of the CPU that polls it.
    switches: AtomicU32,
    /// Index of the CPU in whose [`Registry`] it is.
    registered: u32,
    /// Its place there.
    place: AtomicPtr<registry::Place>,
}

// SAFETY: the future is `Send`, and RUNNING, which one CPU at a time sets, guards it.
unsafe impl Sync for Task {}
// SAFETY: as above.
unsafe impl Send for Task {}

impl Task {
    pub(crate) fn new(home: Cpu, future: TaskFuture, failing: Arc<dyn join::Fail>) -> Arc<Task> {
        let task = Arc::new(Task {
            state: AtomicU32::new(0),
            home: AtomicU32::new(home.index() as u32),
            next: AtomicPtr::new(null_mut()),
            future: UnsafeCell::new(Some(future)),
            failing,
            switches: AtomicU32::new(0),
            registered: home.index() as u32,
            place: AtomicPtr::new(null_mut()),
        });
        home.record().tasks.add(&task);
        task
    }

    /// The CPU that polls it.
    fn home(&self) -> Cpu {
        Cpu::from_index(self.home.load(Relaxed) as usize)
    }

    /// Makes `home` poll it. The caller is to queue it.
    fn move_to(&self, home: Cpu) {
        self.home.store(home.index() as u32, Relaxed);
        // Either the heir of a CPU that goes offline sees the task there, or `enqueue` sees that it is offline.
        fence(SeqCst);
    }

    /// Makes it be polled, after now, by its home CPU. From any CPU, from interrupts too; does not allocate.
    fn schedule(self: Arc<Task>) {
        if self.claim() {
            self.enqueue();
        }
    }

    /// Makes it SCHEDULED. Whether the caller is to queue it.
    fn claim(&self) -> bool {
        let after = |state| match state & (SCHEDULED | RUNNING | DONE) {
            0 => scheduled_here(state),
            _ => state | SCHEDULED,
        };
        // Even if it does not change: whoever polls next sees what the caller has done.
        let before = self
            .state
            .fetch_update(AcqRel, Acquire, |state| Some(after(state)));
        before.unwrap_or_else(|state| state) & (SCHEDULED | RUNNING | DONE) == 0
    }

    /// Into its home CPU's queue; the caller has scheduled it.
    fn enqueue(self: Arc<Task>) {
        let before = self.home();
        let home = placement::place(before);
        if home != before {
            self.move_to(home);
        }
        if home.state() == cpu::State::Offline {
            self.lose(home);
        } else {
            home.record().queue.push(self);
            doorbell::wake(home);
        }
    }

    /// Has its home CPU queue it, if `dead` was to do that and has not.
    fn enqueue_for(self: Arc<Task>, dead: Cpu) {
        let signature = dead.signature();
        let home = self.home();
        if self.is_to_be_queued_by(signature) && home.is_online() {
            let enqueue_missing = move || {
                let queue = &Cpu::current().record().queue;
                // Only this CPU takes it off, and nobody else is to put it in.
                if self.is_to_be_queued_by(signature) && !queue.contains(&self) {
                    queue.push(self);
                }
            };
            call::post(home, enqueue_missing);
        }
    }

    fn is_to_be_queued_by(&self, signature: u32) -> bool {
        let state = self.state.load(Acquire);
        state & (DONE | RUNNING | SCHEDULED) == SCHEDULED && state >> BY == signature
    }

    /// Makes its future be dropped by its home CPU, if it is not done.
    fn cancel(self: Arc<Task>) {
        self.state.fetch_or(CANCELLED, AcqRel);
        self.schedule();
    }

    /// Tells whoever awaits it that its CPU is gone. Its future is never touched again, not even dropped: it may have been
    /// in the middle of a poll.
    fn lose(&self, cpu: Cpu) {
        if self.state.fetch_or(DONE, SeqCst) & DONE == 0 {
            let access = self.future.get_mut();
            // SAFETY: the CPU that it belongs to will never run again.
            core::mem::forget(unsafe { access.deref() }.take());
            self.failing.fail(JoinError::Lost(cpu));
        }
        self.unregister();
    }

    /// It will not be polled again. Whether that is news.
    fn end(&self) -> bool {
        let news = self.state.fetch_or(DONE, SeqCst) & DONE == 0;
        self.unregister();
        news
    }

    fn unregister(&self) {
        let place = self.place.load(Relaxed);
        if !place.is_null() {
            let registry = &Cpu::from_index(self.registered as usize).record().tasks;
            registry.remove(self, place);
            // Only now: who dies before this has perhaps not removed it.
            self.place.store(null_mut(), Relaxed);
        }
    }

    /// Makes it RUNNING: its state before.
    fn begin(&self) -> u32 {
        let after = |state| match state & DONE {
            0 => Some(state & !SCHEDULED & ((1 << BY) - 1) | RUNNING),
            _ => None,
        };
        let before = self.state.fetch_update(AcqRel, Acquire, after);
        before.unwrap_or_else(|state| state)
    }

    /// Polls it once, on `cpu`, from whose queue it was taken.
    fn run(self: Arc<Task>, cpu: Cpu) {
        let before = self.begin();
        if before & DONE != 0 {
            // It was lost while it was queued.
            return;
        }
        debug_assert_eq!(before & (SCHEDULED | RUNNING), SCHEDULED);
        let current = &cpu.record().current;
        current.store(Arc::as_ptr(&self).cast_mut(), Relaxed);
        let waker = Waker::from(self.clone());
        let cancelled = before & CANCELLED != 0;
        let outcome = attempt(|| self.poll(&mut Context::from_waker(&waker), cancelled));
        current.store(null_mut(), Relaxed);
        match outcome {
            Ok(true) => {
                self.end();
                if cancelled {
                    self.failing.fail(JoinError::Cancelled);
                }
            }
            Ok(false) => self.pause(),
            Err(panicked) => {
                let access = self.future.get_mut();
                // SAFETY: the poll has ended, and the state is RUNNING still. What it had is leaked, as its stack is.
                core::mem::forget(unsafe { access.deref() }.take());
                self.end();
                self.failing.fail(JoinError::Panicked(panicked));
            }
        }
    }

    /// Goes on when it is woken, or was while it ran.
    fn pause(self: Arc<Task>) {
        let after = |state: u32| match state & SCHEDULED {
            0 => state & !RUNNING,
            _ => scheduled_here(state & !RUNNING),
        };
        let before = self
            .state
            .fetch_update(AcqRel, Acquire, |state| Some(after(state)));
        if before.unwrap_or_else(|state| state) & SCHEDULED == 0 {
            return;
        }
        // Only now: a task that runs belongs to the CPU that runs it.
        if let Some(there) = self.switches.load(Relaxed).checked_sub(1) {
            self.switches.store(0, Relaxed);
            self.move_to(Cpu::from_index(there as usize));
        }
        self.enqueue();
    }

    /// Polls or drops the future. Whether it is done; it is dropped then. The state is RUNNING.
    fn poll(&self, cx: &mut Context, cancelled: bool) -> bool {
        let access = self.future.get_mut();
        // SAFETY: the caller made the state RUNNING, so the future is ours until that is cleared.
        let future = unsafe { access.deref() };
        let done = cancelled
            || match future {
                Some(pinned) => pinned.as_mut().poll(cx).is_ready(),
                None => unreachable!("a task that is done is never scheduled"),
            };
        if done {
            *future = None;
        }
        done
    }
}

impl Wake for Task {
    fn wake(self: Arc<Task>) {
        self.schedule();
    }

    fn wake_by_ref(self: &Arc<Task>) {
        if self.claim() {
            self.clone().enqueue();
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // If it is not done, nobody can wake it any more.
        if self.end() {
            self.failing.fail(JoinError::Cancelled);
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
    let finisher = join::finisher();
    let (failing, mut handle) = (finisher.failing(), finisher.handle());
    let future = Box::pin(async move { finisher.finish(future.await) });
    let task = Task::new(cpu, future, failing);
    handle.set_task(Arc::downgrade(&task));
    task.schedule();
    handle
}

/// Runs what `make` makes as a task of `cpu`; should that CPU die, makes it anew for another one. It is lost only if there is
/// no other.
pub fn spawn_restartable<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    cpu: Cpu,
    make: impl Fn() -> F + Send + Sync + 'static,
) -> JoinHandle<T> {
    join::Restart::spawn(cpu, make)
}

/// Finds what `cpu`, which is dead, was to do with tasks, and does it: its own are lost, those that it was to queue are queued.
/// All others are woken, because it may have been about to do that. May be done twice.
pub(crate) fn settle(cpu: Cpu) {
    // Either this sees the new home of a task, or `Task::enqueue` sees that it is offline.
    fence(SeqCst);
    for registry in Cpu::all().map(|cpu| &cpu.record().tasks) {
        registry.remove_dead();
        for task in registry.tasks() {
            let state = task.state.load(Acquire);
            if state & DONE != 0 {
                task.unregister();
            } else if task.home() == cpu {
                task.lose(cpu);
            } else {
                task.clone().enqueue_for(cpu);
                task.schedule();
            }
        }
    }
}

/// Goes on running the calling task on `cpu`, with all that it has and borrows.
///
/// ```
/// use fatcc_rt::{cpu, host, task};
///
/// host::run(2, |own| {
///     let other = cpu::all().find(|other| *other != own).unwrap();
///     task::spawn(async move {
///         let local = [1, 2, 3];
///         let borrowed = &local[1];
///         task::switch_to(other).await;
///         assert_eq!((cpu::current(), *borrowed), (other, 2));
///     });
/// });
/// ```
///
/// On a CPU that is offline the task is lost, as the others that it has.
///
/// # Panics
/// If it is not called from a task of this runtime's.
pub async fn switch_to(cpu: Cpu) {
    if cpu == Cpu::current() {
        return;
    }
    let current = Cpu::current().record().current.load(Relaxed);
    assert!(!current.is_null(), "only a task can switch to another CPU");
    let there = cpu.index() as u32 + 1;
    // SAFETY: this code runs in a poll by that task, which `Task::run` keeps alive.
    unsafe { &*current }.switches.store(there, Relaxed);
    // The task is pending and scheduled: `Task::pause` puts it into the queue of its new home.
    yield_now().await;
}

/// Lets other tasks of this CPU run, and calls.
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

/// Runs the tasks of `cpu`, which is this CPU, until the run is [finished](boot::finished).
pub(crate) fn run(cpu: Cpu) {
    let record = cpu.record();
    // A CPU that was declared offline, and was not dead, has lost its tasks.
    while cpu.is_online() {
        record.timers.fire();
        health::look();
        let mut polled = u32::from(record.calls.serve());
        while polled < POLLS_PER_LOOK
            && let Some(task) = record.queue.pop()
        {
            task.run(cpu);
            record.calls.serve();
            polled += 1;
        }
        if polled == 0 {
            if boot::finished() {
                break;
            }
            idle::sleep_until_work(cpu);
        }
    }
    // On the host the others have to end by themselves.
    Cpu::all()
        .filter(|other| *other != cpu)
        .for_each(doorbell::ring);
}
