//! Calls: a CPU runs a closure for another one, which waits.
//!
//! A CPU takes calls between two polls of tasks, when a doorbell ends its sleep, and while it waits for a call of its own
//! to return: so calls may nest, and go in both directions at once, without a deadlock. Each runs on a stack of its own
//! ([`attempt`]), so that one that panics takes nothing along.
//!
//! Life of a call; the arrows are functions, and each is one exchange of the state, so only one side can win:
//!
//! ```text
//!   WAITING ──Call::serve──► TAKEN ──Call::serve──► DONE ──wait──► the result, or the panic
//!      └──────wait──────► WITHDRAWN: nobody will run it        (the caller has gone: its result is dropped)
//! ```
//!
//! The closure is in memory that both own, because a caller may stop waiting while it runs.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::time::Duration;

use crate::arch;
use crate::atomic::{AtomicPtr, AtomicU32, const_fn};
use crate::attempt::{Panicked, attempt};
use crate::cpu::{self, Cpu};
use crate::doorbell;
use crate::sync::Mutex;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// That CPU is not there, or stopped answering during the call. The closure may have run, in part or wholly.
    Offline(Cpu),
    /// The closure panicked.
    Panicked(Panicked),
    /// The time was over. If the CPU had begun it, the closure runs on, and its result is dropped.
    TimedOut,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            CallError::Offline(cpu) => write!(f, "{cpu} is offline"),
            CallError::Panicked(panicked) => panicked.fmt(f),
            CallError::TimedOut => f.write_str("the call has taken too long"),
        }
    }
}

impl core::error::Error for CallError {}

const WAITING: u32 = 0;
const TAKEN: u32 = 1;
const DONE: u32 = 2;
const WITHDRAWN: u32 = 3;

/// Calls that a CPU is to serve, in the order in which they came. Whoever calls puts one in by one exchange, so it may die at
/// any time.
pub(crate) struct Calls {
    /// Those that have come, the last one first.
    coming: AtomicPtr<Waiting>,
    /// Own. Those that come before them, the first one first.
    next: AtomicPtr<Waiting>,
}

/// A call in one of these lists.
struct Waiting {
    behind: *mut Waiting,
    call: Arc<dyn Serve>,
}

/// A call of any type.
trait Serve: Send + Sync {
    fn serve(&self);
}

struct Call<F, T> {
    state: AtomicU32,
    closure: Mutex<Option<F>>,
    result: Mutex<Option<Result<T, Panicked>>>,
}

impl Calls {
    const_fn! {
        pub(crate) fn new() -> Calls {
            Calls { coming: AtomicPtr::new(null_mut()), next: AtomicPtr::new(null_mut()) }
        }
    }

    fn push(&self, call: Arc<dyn Serve>) {
        let mut behind = self.coming.load(Relaxed);
        let waiting = Box::into_raw(Box::new(Waiting { behind, call }));
        while let Err(now) = self
            .coming
            .compare_exchange_weak(behind, waiting, Release, Relaxed)
        {
            behind = now;
            // SAFETY: it is nobody else's until it is in the list.
            unsafe { (*waiting).behind = behind };
        }
    }

    /// The first one. Called by the own CPU.
    fn pop(&self) -> Option<Arc<dyn Serve>> {
        let mut next = self.next.load(Relaxed);
        if next.is_null() {
            if self.coming.load(Relaxed).is_null() {
                return None;
            }
            let mut coming = self.coming.swap(null_mut(), Acquire);
            // SAFETY: what is in the list is whole, and it is ours now.
            while let Some(waiting) = unsafe { coming.as_mut() } {
                coming = core::mem::replace(&mut waiting.behind, next);
                next = waiting;
            }
        }
        // SAFETY: it was made by `Box::into_raw`, and leaves the list once.
        let first = unsafe { Box::from_raw(next) };
        self.next.store(first.behind, Relaxed);
        Some(first.call)
    }

    /// Forgets what the own CPU was about to serve when it died. Those who called know.
    pub(crate) fn forget(&self) {
        self.next.store(null_mut(), Relaxed);
    }

    /// Whether there is none, at this moment.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.load(Relaxed).is_null() && self.coming.load(Relaxed).is_null()
    }

    /// Runs what is there. Whether there was anything.
    pub(crate) fn serve(&self) -> bool {
        let mut served = false;
        while let Some(call) = self.pop() {
            call.serve();
            served = true;
        }
        served
    }
}

impl<F: FnOnce() -> T + Send, T: Send> Serve for Call<F, T> {
    fn serve(&self) {
        let taken = self.state.compare_exchange(WAITING, TAKEN, AcqRel, Acquire);
        if taken.is_err() {
            return;
        }
        let closure = self.closure.lock().take();
        if let Some(closure) = closure {
            let result = attempt(closure);
            *self.result.lock() = Some(result);
        }
        self.state.store(DONE, Release);
    }
}

/// Runs `closure` on `cpu` and waits for its result, however long that takes.
///
/// It is for code that is not async; a task may call it too, but blocks its CPU's other tasks, where
/// [`spawn_on`](crate::task::spawn_on) would not. While it waits, this CPU runs the calls that others make to it. A
/// CPU takes calls when it is not running a task, so it should have returned from `main`.
///
/// ```
/// use fatcc_rt::call::{call_on, CallError};
/// use fatcc_rt::{cpu, host};
///
/// host::run(2, |own| {
///     let other = cpu::all().find(|other| *other != own).unwrap();
///     if own.index() == 0 {
///         let sum = call_on(other, || (1..=10).sum::<u32>());
///         assert_eq!(sum, Ok(55));
///         let nested = call_on(other, move || call_on(own, cpu::current));
///         assert_eq!(nested, Ok(Ok(own)));
///         let failed = call_on(other, || panic!("no such file"));
///         let Err(CallError::Panicked(panic)) = failed else { panic!("{failed:?}") };
///         assert_eq!((panic.cpu(), panic.message()), (other, "no such file"));
///     }
/// });
/// ```
///
/// # Errors
/// If `closure` panics, or `cpu` is offline or gets so.
///
/// # Panics
/// If this CPU holds a lock of this runtime's: a call that it has to serve might wait for it.
pub fn call_on<T: Send + 'static>(
    cpu: Cpu,
    closure: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    call(cpu, closure, None)
}

/// As [`call_on`], but waits for `limit` at most.
///
/// # Errors
/// As [`call_on`], and if the time is over.
///
/// # Panics
/// As [`call_on`].
pub fn call_on_timeout<T: Send + 'static>(
    cpu: Cpu,
    limit: Duration,
    closure: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    call(cpu, closure, Some(limit))
}

fn call<T: Send + 'static>(
    cpu: Cpu,
    closure: impl FnOnce() -> T + Send + 'static,
    limit: Option<Duration>,
) -> Result<T, CallError> {
    let own = Cpu::current().record();
    assert!(
        own.locks.count() == 0,
        "a CPU that holds a lock cannot wait for a call"
    );
    if cpu == Cpu::current() {
        return attempt(closure).map_err(CallError::Panicked);
    }
    if cpu.state() == cpu::State::Offline {
        return Err(CallError::Offline(cpu));
    }
    let call = Arc::new(Call {
        state: AtomicU32::new(WAITING),
        closure: Mutex::new(Some(closure)),
        result: Mutex::new(None),
    });
    cpu.record().calls.push(call.clone());
    doorbell::wake(cpu);
    wait(cpu, &call.state, limit)?;
    let result = call.result.lock().take();
    match result {
        Some(result) => result.map_err(CallError::Panicked),
        None => unreachable!("a call that is done has a result"),
    }
}

/// Why a call that borrows has no result.
pub(crate) enum Unreturned<F> {
    /// That CPU is offline, and has not begun and will not begin it.
    NotBegun(F),
    /// It went offline while it ran the closure.
    Lost,
    /// The closure panicked.
    Panicked(Panicked),
}

/// As [`call_on`], for a closure that may borrow, to another CPU.
///
/// # Safety
/// If the result is [`Unreturned::Lost`], the caller panics, without touching or freeing what the closure borrows: a CPU
/// that was stopped and not dead may still use it. In an image what a panic leaves behind is never freed.
///
/// # Panics
/// As [`call_on`].
pub(crate) unsafe fn call_borrowing<T: Send, F: FnOnce() -> T + Send>(
    cpu: Cpu,
    closure: F,
) -> Result<T, Unreturned<F>> {
    let own = Cpu::current().record();
    assert!(
        own.locks.count() == 0,
        "a CPU that holds a lock cannot wait for a call"
    );
    if cpu.state() == cpu::State::Offline {
        return Err(Unreturned::NotBegun(closure));
    }
    let call = Arc::new(Call {
        state: AtomicU32::new(WAITING),
        closure: Mutex::new(Some(closure)),
        result: Mutex::new(None),
    });
    let served: Arc<dyn Serve + '_> = call.clone();
    // SAFETY: closure and result are taken out of the call before this returns, but for a closure that has begun and not
    // returned, which is the caller's to look after. Without them the call borrows nothing.
    let served: Arc<dyn Serve> = unsafe { core::mem::transmute(served) };
    cpu.record().calls.push(served);
    doorbell::wake(cpu);
    while wait(cpu, &call.state, None).is_err() {
        if call.state.load(Acquire) == WITHDRAWN {
            match call.closure.lock().take() {
                Some(closure) => return Err(Unreturned::NotBegun(closure)),
                None => unreachable!("a call that was withdrawn has its closure"),
            }
        }
        // A thread, which stands in for a CPU on the host, does not die in the middle of a call.
        if cfg!(target_os = "none") {
            return Err(Unreturned::Lost);
        }
    }
    let result = call.result.lock().take();
    match result {
        Some(result) => result.map_err(Unreturned::Panicked),
        None => unreachable!("a call that is done has a result"),
    }
}

/// Waits until the call with this state is done.
fn wait(cpu: Cpu, state: &AtomicU32, limit: Option<Duration>) -> Result<(), CallError> {
    /// Looks at the state between two looks at the clock and the rest of the world.
    const LOOKS: u32 = 64;
    let own = Cpu::current().record();
    let start = arch::clock();
    let limit = limit.map(|limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    loop {
        for _ in 0..LOOKS {
            if state.load(Acquire) == DONE {
                return Ok(());
            }
            own.calls.serve();
            arch::relax();
        }
        let error = if cpu.state() == cpu::State::Offline {
            CallError::Offline(cpu)
        } else if limit.is_some_and(|limit| arch::clock().wrapping_sub(start) > limit) {
            CallError::TimedOut
        } else {
            crate::health::look();
            continue;
        };
        let _ = state.compare_exchange(WAITING, WITHDRAWN, AcqRel, Acquire);
        // It may have been done in the last moment.
        return match state.load(Acquire) {
            DONE => Ok(()),
            _ => Err(error),
        };
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
