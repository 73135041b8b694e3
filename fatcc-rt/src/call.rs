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

use alloc::sync::Arc;
use core::fmt;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::time::Duration;

use crate::arch;
use crate::atomic::{AtomicPtr, AtomicU32, UnsafeCell, const_fn};
use crate::attempt::{Panicked, attempt};
use crate::cpu::{self, Cpu};
use crate::doorbell;

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
    coming: AtomicPtr<Head>,
    /// Own. Those that come before them, the first one first.
    next: AtomicPtr<Head>,
}

/// The beginning of a [`Call`] of any types. In a list it is a reference to that call.
struct Head {
    state: AtomicU32,
    /// The one behind it in its list.
    behind: AtomicPtr<Head>,
    /// [`Call::serve`] of its types.
    serve: unsafe fn(*mut Head),
}

/// A call: one allocation, of which both sides have a reference.
#[repr(C)]
struct Call<F, T> {
    head: Head,
    /// Touched by whoever made the state TAKEN, or WITHDRAWN.
    closure: UnsafeCell<Option<F>>,
    /// Written before the state is DONE, and then the caller's.
    result: UnsafeCell<Option<Result<T, Panicked>>>,
}

// SAFETY: the state says who may touch closure and result.
unsafe impl<F: Send, T: Send> Sync for Call<F, T> {}
// SAFETY: as above.
unsafe impl<F: Send, T: Send> Send for Call<F, T> {}

impl Calls {
    const_fn! {
        pub(crate) fn new() -> Calls {
            Calls { coming: AtomicPtr::new(null_mut()), next: AtomicPtr::new(null_mut()) }
        }
    }

    /// `call` is a reference, which is this list's from now on.
    fn push(&self, call: *mut Head) {
        let mut behind = self.coming.load(Relaxed);
        loop {
            // SAFETY: it is nobody else's until it is in the list.
            unsafe { &*call }.behind.store(behind, Relaxed);
            let pushed = self
                .coming
                .compare_exchange_weak(behind, call, Release, Relaxed);
            match pushed {
                Ok(_) => return,
                Err(now) => behind = now,
            }
        }
    }

    /// The first one: the reference is the caller's. Called by the own CPU.
    fn pop(&self) -> Option<*mut Head> {
        let mut next = self.next.load(Relaxed);
        if next.is_null() {
            if self.coming.load(Relaxed).is_null() {
                return None;
            }
            let mut coming = self.coming.swap(null_mut(), Acquire);
            // SAFETY: what is in the list is whole, and it is ours now.
            while let Some(head) = unsafe { coming.as_ref() } {
                let behind = head.behind.load(Relaxed);
                head.behind.store(next, Relaxed);
                next = coming;
                coming = behind;
            }
        }
        // SAFETY: as above.
        let behind = unsafe { &*next }.behind.load(Relaxed);
        self.next.store(behind, Relaxed);
        Some(next)
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
            // SAFETY: it was in the list, as a reference that is ours now.
            unsafe { ((*call).serve)(call) };
            served = true;
        }
        served
    }
}

impl<F: FnOnce() -> T + Send, T: Send> Call<F, T> {
    fn new(closure: F) -> Arc<Call<F, T>> {
        Arc::new(Call {
            head: Head {
                state: AtomicU32::new(WAITING),
                behind: AtomicPtr::new(null_mut()),
                serve: Call::<F, T>::serve,
            },
            closure: UnsafeCell::new(Some(closure)),
            result: UnsafeCell::new(None),
        })
    }

    /// Has `cpu` serve it.
    fn send(self: &Arc<Self>, cpu: Cpu) {
        let call = Arc::into_raw(self.clone());
        cpu.record().calls.push(call.cast::<Head>().cast_mut());
        doorbell::wake(cpu);
    }

    /// Runs the call that `head` is a reference to, and drops that.
    ///
    /// # Safety
    /// It was made by [`send`](Call::send), of these types.
    unsafe fn serve(head: *mut Head) {
        // SAFETY: by the caller.
        let call = unsafe { Arc::from_raw(head.cast::<Call<F, T>>()) };
        let state = &call.head.state;
        if state
            .compare_exchange(WAITING, TAKEN, AcqRel, Acquire)
            .is_err()
        {
            return;
        }
        // SAFETY: it is ours, since the exchange.
        let closure = call
            .closure
            .with_mut(|closure| unsafe { (*closure).take() });
        if let Some(closure) = closure {
            let result = Some(attempt(closure));
            // SAFETY: the caller does not look before the state is DONE.
            call.result.with_mut(|to| unsafe { *to = result });
        }
        state.store(DONE, Release);
    }

    /// The result of a call that the caller has seen DONE.
    fn result(&self) -> Result<T, Panicked> {
        debug_assert_eq!(self.head.state.load(Relaxed), DONE);
        // SAFETY: nobody else touches it behind that.
        match self.result.with_mut(|result| unsafe { (*result).take() }) {
            Some(result) => result,
            None => unreachable!("a call that is done has a result"),
        }
    }

    /// The closure of a call that the caller has seen WITHDRAWN.
    fn withdrawn(&self) -> F {
        debug_assert_eq!(self.head.state.load(Relaxed), WITHDRAWN);
        // SAFETY: nobody takes it behind that.
        let closure = self.closure.with_mut(|own| unsafe { (*own).take() });
        match closure {
            Some(closure) => closure,
            None => unreachable!("a call that was withdrawn has its closure"),
        }
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
    let call = Call::new(closure);
    call.send(cpu);
    wait(cpu, &call.head.state, limit)?;
    call.result().map_err(CallError::Panicked)
}

/// Has `cpu` run `closure`, some time; nobody waits for that. At once if it is this CPU.
pub(crate) fn post(cpu: Cpu, closure: impl FnOnce() + Send + 'static) {
    match cpu == Cpu::current() {
        true => closure(),
        false => Call::new(closure).send(cpu),
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
    // Closure and result are taken out of the call before this returns, but for a closure that has begun and not returned,
    // which is the caller's to look after. Without them the call, of which the other CPU has a reference, borrows nothing.
    let call = Call::new(closure);
    call.send(cpu);
    while wait(cpu, &call.head.state, None).is_err() {
        if call.head.state.load(Acquire) == WITHDRAWN {
            return Err(Unreturned::NotBegun(call.withdrawn()));
        }
        // A thread, which stands in for a CPU on the host, does not die in the middle of a call.
        if cfg!(target_os = "none") {
            return Err(Unreturned::Lost);
        }
    }
    call.result().map_err(Unreturned::Panicked)
}

/// Waits until the call with this state is done.
fn wait(cpu: Cpu, state: &AtomicU32, limit: Option<Duration>) -> Result<(), CallError> {
    /// Looks at the state between two looks at the clock and the rest of the world.
    const LOOKS: u32 = if cfg!(loom) { 1 } else { 64 };
    let own = Cpu::current().record();
    // The clock is only read for those who want to know: that may cost as much as a call.
    let limit = limit.map(|limit| {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        (arch::clock(), limit)
    });
    loop {
        for _ in 0..LOOKS {
            if state.load(Acquire) == DONE {
                arch::resume();
                return Ok(());
            }
            own.calls.serve();
            arch::relax();
        }
        let error = if cpu.state() == cpu::State::Offline {
            CallError::Offline(cpu)
        } else if limit.is_some_and(|(start, limit)| arch::clock().wrapping_sub(start) >= limit) {
            CallError::TimedOut
        } else {
            crate::health::look();
            continue;
        };
        return match give_up(state) {
            DONE => Ok(()),
            _ => Err(error),
        };
    }
}

/// Withdraws the call with this state if it has not begun. The result is its state then: it may have been done in the last
/// moment.
fn give_up(state: &AtomicU32) -> u32 {
    match state.compare_exchange(WAITING, WITHDRAWN, AcqRel, Acquire) {
        Ok(_) => WITHDRAWN,
        Err(now) => now,
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
