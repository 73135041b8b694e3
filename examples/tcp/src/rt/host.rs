//! The stand-in for the runtime on the host: one thread that is both CPUs in turn, virtual time.
//!
//! Invariant: a task is polled only after its waker was used, and time moves only when no task can run. A lost wake-up
//! therefore stops a test instead of hiding.

extern crate std;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::MutexGuard;

std::thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static TIMERS: RefCell<Vec<(Duration, Waker)>> = const { RefCell::new(Vec::new()) };
    static SPAWNED: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
    static CURRENT: Cell<Cpu> = const { Cell::new(Cpu(0)) };
}

/// What stands in for a CPU: a task is on one, and others see which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu(usize);

impl Cpu {
    const NAMES: [&'static str; 2] = ["first", "second"];

    /// The CPU that the running task is on.
    pub fn current() -> Cpu {
        CURRENT.get()
    }

    /// All CPUs.
    pub fn all() -> impl Iterator<Item = Cpu> {
        (0..Cpu::NAMES.len()).map(Cpu)
    }

    /// The CPU with this instruction set.
    pub fn of_isa(name: &str) -> Option<Cpu> {
        Cpu::all().find(|cpu| cpu.isa() == name)
    }

    /// Its place in [`Cpu::all`].
    pub fn index(self) -> usize {
        self.0
    }

    /// Its instruction set.
    pub fn isa(self) -> &'static str {
        Cpu::NAMES[self.0]
    }
}

/// Moves the running task.
pub async fn switch_to(cpu: Cpu) {
    yield_now().await;
    CURRENT.set(cpu);
}

/// The runtime's lock.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// An open lock.
    pub const fn new(value: T) -> Self {
        Mutex(std::sync::Mutex::new(value))
    }

    /// The value. Taking it twice in one task is a dead lock in the image; here it panics, after a second in which
    /// another test's thread might have held it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        for _ in 0..1000 {
            if let Ok(guard) = self.0.try_lock() {
                return guard;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("a task takes a lock that it holds");
    }
}

/// The runtime's event.
#[derive(Debug, Default)]
pub struct Notify {
    set: AtomicBool,
    waiter: std::sync::Mutex<Option<Waker>>,
}

impl Notify {
    /// An event that has not happened.
    pub const fn new() -> Self {
        Notify {
            set: AtomicBool::new(false),
            waiter: std::sync::Mutex::new(None),
        }
    }

    /// It has happened.
    pub fn notify(&self) {
        self.set.store(true, SeqCst);
        if let Some(waker) = self.waiter.lock().expect("no panic while locked").take() {
            waker.wake();
        }
    }

    /// Waits until it has happened.
    pub async fn notified(&self) {
        poll_fn(|cx| {
            if self.set.swap(false, SeqCst) {
                return Poll::Ready(());
            }
            *self.waiter.lock().expect("no panic while locked") = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Virtual time since the first test of this thread.
pub fn now() -> Duration {
    NOW.get()
}

/// Waits in virtual time.
pub async fn sleep(duration: Duration) {
    let deadline = now() + duration;
    poll_fn(|cx| {
        if now() >= deadline {
            return Poll::Ready(());
        }
        TIMERS.with_borrow_mut(|timers| timers.push((deadline, cx.waker().clone())));
        Poll::Pending
    })
    .await;
}

/// Lets the other tasks run.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    flag: Arc<Flag>,
    cpu: Cpu,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Adds a task; [`block_on`] runs it.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    let task = Task {
        future: Box::pin(future),
        flag: Arc::new(Flag(AtomicBool::new(true))),
        cpu: Cpu(0),
    };
    SPAWNED.with_borrow_mut(|spawned| spawned.push(task));
}

/// Runs `future` and all spawned tasks until `future` is done. Panics when nothing can run any more, or after an hour
/// of virtual time.
pub fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let result = Arc::new(std::sync::Mutex::new(None));
    let slot = result.clone();
    spawn(async move {
        let output = future.await;
        *slot.lock().expect("no panic while locked") = Some(output);
    });
    let end = now() + Duration::from_secs(3600);
    let mut tasks = Vec::new();
    loop {
        SPAWNED.with_borrow_mut(|spawned| tasks.append(spawned));
        let mut ran = false;
        tasks.retain_mut(|task| {
            if !task.flag.0.swap(false, SeqCst) {
                return true;
            }
            ran = true;
            let waker = Waker::from(task.flag.clone());
            CURRENT.set(task.cpu);
            let poll = task.future.as_mut().poll(&mut Context::from_waker(&waker));
            task.cpu = CURRENT.get();
            poll.is_pending()
        });
        if let Some(output) = result.lock().expect("no panic while locked").take() {
            return output;
        }
        if !ran {
            assert!(now() < end, "an hour has passed");
            advance();
        }
    }
}

/// Moves time to the next timer.
fn advance() {
    TIMERS.with_borrow_mut(|timers| {
        let next = timers
            .iter()
            .map(|(deadline, _)| *deadline)
            .min()
            .expect("no task can run: a wake-up was lost");
        NOW.set(next.max(now()));
        timers.retain(|(deadline, waker)| {
            if *deadline > next {
                return true;
            }
            waker.wake_by_ref();
            false
        });
    });
}
