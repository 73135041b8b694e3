//! The result of a task, on its way from the CPU that ran it to whoever awaits it.

use alloc::sync::{Arc, Weak};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Context, Poll, Waker};

use super::Task;
use crate::atomic::{AtomicU32, shared_static};
use crate::attempt::Panicked;
use crate::cpu::Cpu;
use crate::sync::{Mutex, MutexGuard};

/// Why a task has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// It panicked. What it had is leaked; the locks that it held are poisoned.
    Panicked(Panicked),
    /// It was [aborted](JoinHandle::abort), or nothing was left that could ever wake it.
    Cancelled,
    /// Its CPU stopped answering.
    Lost(Cpu),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            JoinError::Panicked(panicked) => write!(f, "the task {panicked}"),
            JoinError::Cancelled => f.write_str("the task was cancelled"),
            JoinError::Lost(cpu) => write!(f, "the task was lost with {cpu}"),
        }
    }
}

impl core::error::Error for JoinError {}

/// `Running ──Finisher::finish, fail──► Finished ──JoinHandle::poll──► Taken`, or `Running ──JoinHandle::drop──► Detached`
enum State<T> {
    Running(Option<Waker>),
    Detached,
    Finished(Result<T, JoinError>),
    Taken,
}

/// Awaits a task's result. Dropping it lets the task run on; a panic of it is then seen by nobody, and makes the run end
/// with status 101 when all other tasks are done.
///
/// ```
/// use fatcc_rt::task::{self, JoinError};
/// use fatcc_rt::{cpu, host};
///
/// host::run(2, |own| {
///     let other = cpu::all().find(|other| *other != own).unwrap();
///     task::spawn(async move {
///         assert_eq!(task::spawn_on(other, async { 6 * 7 }).await, Ok(42));
///         match task::spawn_on(other, async { panic!("no more paper") }).await {
///             Err(JoinError::Panicked(panic)) => assert_eq!(panic.message(), "no more paper"),
///             other => panic!("{other:?}"),
///         }
///         let endless = task::spawn_on(other, std::future::pending::<()>());
///         endless.abort();
///         assert_eq!(endless.await, Err(JoinError::Cancelled));
///     });
/// });
/// ```
pub struct JoinHandle<T> {
    state: Arc<Mutex<State<T>>>,
    task: Current,
}

/// The task that works on a result.
enum Current {
    /// It, or none yet.
    One(Weak<Task>),
    /// It was made anew, perhaps.
    Latest(Arc<Mutex<Weak<Task>>>),
}

/// The task's end of it, while it runs.
pub(super) struct Finisher<T> {
    state: Arc<Mutex<State<T>>>,
}

/// The end of it for whoever sees that there will be no result.
pub(crate) trait Fail: Send + Sync {
    /// Nothing, if there is a result already.
    fn fail(&self, error: JoinError);
}

/// Its state, which both ends may have died with; what is left half written then is forgotten, and was no result.
fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    // SAFETY: it is written, and not read.
    state.lock_mended(|state| unsafe { (&raw mut *state).write(State::Running(None)) })
}

impl<T: Send> Fail for Mutex<State<T>> {
    fn fail(&self, error: JoinError) {
        let mut state = lock(self);
        if let State::Running(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Finished(Err(error));
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        } else if let (State::Detached, JoinError::Panicked(_)) = (&*state, &error) {
            note_unseen();
        }
    }
}

pub(super) fn finisher<T>() -> Finisher<T> {
    let state = Arc::new(Mutex::new(State::Running(None)));
    Finisher { state }
}

impl<T: Send + 'static> Finisher<T> {
    /// The other end, which does not know its task yet.
    pub(super) fn handle(&self) -> JoinHandle<T> {
        JoinHandle {
            state: self.state.clone(),
            task: Current::One(Weak::new()),
        }
    }

    pub(super) fn failing(&self) -> Arc<dyn Fail> {
        self.state.clone()
    }

    pub(super) fn finish(self, value: T) {
        let mut state = lock(&self.state);
        let State::Running(waker) = &mut *state else {
            // It was lost, or aborted, in the last moment.
            return;
        };
        let waker = waker.take();
        *state = State::Finished(Ok(value));
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A task that is made anew when it is lost.
pub(super) struct Restart<T, M> {
    make: Arc<M>,
    state: Arc<Mutex<State<T>>>,
    latest: Arc<Mutex<Weak<Task>>>,
}

fn lock_latest(latest: &Mutex<Weak<Task>>) -> MutexGuard<'_, Weak<Task>> {
    // SAFETY: it is written, and not read.
    latest.lock_mended(|latest| unsafe { (&raw mut *latest).write(Weak::new()) })
}

impl<T, F, M> Restart<T, M>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    pub(super) fn spawn(cpu: Cpu, make: M) -> JoinHandle<T> {
        let state = finisher().state;
        let latest = Arc::new(Mutex::new(Weak::new()));
        let handle = JoinHandle {
            state: state.clone(),
            task: Current::Latest(latest.clone()),
        };
        let make = Arc::new(make);
        let restart = Restart {
            make,
            state,
            latest,
        };
        restart.start(cpu);
        handle
    }

    fn start(&self, cpu: Cpu) {
        let make = self.make.clone();
        let state = self.state.clone();
        let failing = Arc::new(Restart {
            make: make.clone(),
            state: state.clone(),
            latest: self.latest.clone(),
        });
        let finisher = Finisher { state };
        let future = alloc::boxed::Box::pin(async move { finisher.finish(make().await) });
        let task = Task::new(cpu, future, failing);
        let before = core::mem::replace(&mut *lock_latest(&self.latest), Arc::downgrade(&task));
        drop(before);
        task.schedule();
    }
}

impl<T, F, M> Fail for Restart<T, M>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    fn fail(&self, error: JoinError) {
        let other = |lost: Cpu| Cpu::all().find(|cpu| *cpu != lost && cpu.is_online());
        match error {
            JoinError::Lost(lost) if let Some(next) = other(lost) => self.start(next),
            error => self.state.fail(error),
        }
    }
}

impl<T> JoinHandle<T> {
    pub(super) fn set_task(&mut self, task: Weak<Task>) {
        self.task = Current::One(task);
    }

    /// Whether awaiting it would not wait.
    pub fn is_finished(&self) -> bool {
        !matches!(*lock(&self.state), State::Running(_))
    }

    /// Drops the task's future, on its CPU, as soon as it is not being polled; awaiting the handle then gives
    /// [`JoinError::Cancelled`]. Nothing happens if the task is finished.
    pub fn abort(&self) {
        let task = match &self.task {
            Current::One(task) => task.upgrade(),
            Current::Latest(task) => lock_latest(task).upgrade(),
        };
        if let Some(task) = task {
            task.cancel();
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let before = match &mut *lock(&self.state) {
            state @ State::Running(_) => Some(core::mem::replace(state, State::Detached)),
            State::Finished(Err(JoinError::Panicked(_))) => {
                note_unseen();
                None
            }
            _ => None,
        };
        // Outside of the lock: its waker may be the last reference to a task.
        drop(before);
    }
}

shared_static! {
    /// Panics of tasks whose handles nobody awaits.
    static UNSEEN: AtomicU32 = AtomicU32::new(0);
}

fn note_unseen() {
    UNSEEN.fetch_add(1, Relaxed);
}

/// Number of panics that nobody has awaited.
pub(crate) fn unseen() -> u32 {
    UNSEEN.load(Relaxed)
}

/// Before a run on the host, where statics outlive it.
#[cfg(not(target_os = "none"))]
pub(crate) fn forget_unseen() {
    UNSEEN.store(0, Relaxed);
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context) -> Poll<Self::Output> {
        // Outside of the lock: it is foreign code.
        let new = cx.waker().clone();
        let mut state = lock(&self.state);
        if let State::Running(waker) = &mut *state {
            let replaced = waker.replace(new);
            drop(state);
            // Outside of the lock: it may be the last reference to a task.
            drop(replaced);
            return Poll::Pending;
        }
        match core::mem::replace(&mut *state, State::Taken) {
            State::Finished(result) => Poll::Ready(result),
            _ => panic!("a task's result was awaited twice"),
        }
    }
}
