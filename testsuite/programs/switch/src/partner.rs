//! What the other CPU does in a measurement: tasks that answer, and what both sides share.

use core::hint::spin_loop;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use fatcc_rt::cpu::Cpu;
use fatcc_rt::doorbell;
use fatcc_rt::sync::channel::{Receiver, Sender, bounded};
use fatcc_rt::sync::{CacheAligned, Mutex, Notify};
use fatcc_rt::task::{self, JoinHandle};

/// The cache line that both poll: twice the number of a turn, less one while it is the other CPU's.
static BALL: CacheAligned<AtomicU32> = CacheAligned(AtomicU32::new(0));

/// A player on the other CPU for so many turns, from 1 on.
pub fn player(there: Cpu, turns: u32) -> JoinHandle<()> {
    BALL.store(0, Relaxed);
    task::spawn_on(there, async move {
        for turn in 1..=turns {
            while BALL.load(Acquire) != 2 * turn - 1 {
                spin_loop();
            }
            BALL.store(2 * turn, Release);
        }
    })
}

/// A player that sleeps until a doorbell rings, and rings back; `home` is who plays against it.
pub fn sleeping_player(there: Cpu, turns: u32, home: Cpu) -> JoinHandle<()> {
    BALL.store(0, Relaxed);
    task::spawn_on(there, async move {
        for turn in 1..=turns {
            doorbell::sleep_until(|| BALL.load(Acquire) == 2 * turn - 1);
            BALL.store(2 * turn, Release);
            doorbell::ring(home);
        }
    })
}

/// Throws the ball.
pub fn throw(turn: u32) {
    BALL.store(2 * turn - 1, Release);
}

/// Whether it has come back.
pub fn is_back(turn: u32) -> bool {
    BALL.load(Acquire) == 2 * turn
}

/// Polls until it has.
pub fn catch(turn: u32) {
    while !is_back(turn) {
        spin_loop();
    }
}

/// Somebody wakes the task of the other CPU that waits for `THERE`, which wakes the one that waits for `BACK`.
static THERE: Notify = Notify::new();
static BACK: Notify = Notify::new();

/// A task that answers so many wakers.
pub fn waker(there: Cpu, turns: u32) -> JoinHandle<()> {
    task::spawn_on(there, async move {
        for _ in 0..turns {
            THERE.notified().await;
            BACK.notify();
        }
    })
}

/// Wakes it, and is woken.
pub async fn wake() {
    THERE.notify();
    BACK.notified().await;
}

/// Both ends of two channels, of which the other CPU has the others.
pub struct Echo {
    out: Sender<u64>,
    back: Receiver<u64>,
}

impl Echo {
    /// A task that sends back what it gets, until there is no more.
    pub fn new(there: Cpu) -> (Echo, JoinHandle<()>) {
        let (out, inbox) = bounded(1);
        let (outbox, back) = bounded(1);
        let task = task::spawn_on(there, async move {
            while let Ok(value) = inbox.recv().await {
                if outbox.send(value).await.is_err() {
                    break;
                }
            }
        });
        (Echo { out, back }, task)
    }

    /// A message there and back.
    pub async fn message(&self, value: u64) {
        self.out.send(value).await.expect("a receiver");
        assert_eq!(self.back.recv().await, Ok(value));
    }
}

/// Index of the CPU that had it last, or that nobody wants it any more.
static LOCK: Mutex<usize> = Mutex::new(NOBODY);
const NOBODY: usize = usize::MAX;

/// A task that takes the lock again and again until [`give_up`].
pub fn rival(there: Cpu) -> JoinHandle<()> {
    *LOCK.lock() = there.index();
    task::spawn_on(there, async move {
        loop {
            let mut last = LOCK.lock();
            if *last == NOBODY {
                return;
            }
            *last = there.index();
        }
    })
}

/// Takes the lock; whether another CPU had it before.
pub fn take(here: Cpu) -> bool {
    core::mem::replace(&mut *LOCK.lock(), here.index()) != here.index()
}

/// Ends the rival.
pub fn give_up() {
    *LOCK.lock() = NOBODY;
}

/// A function that runs where the measurement places it.
#[fatcc_rt::placeable]
pub fn add(left: u64, right: u64) -> u64 {
    left + right
}
