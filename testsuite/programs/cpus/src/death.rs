//! CPUs that never answer again, with a lock held, in the middle of a call to a placed function. Each is started again.

use alloc::vec::Vec;
use core::time::Duration;

use fatcc_rt::call::{CallError, call_on};
use fatcc_rt::cpu::{self, Cpu, State};
use fatcc_rt::health::{self, NotRestarted};
use fatcc_rt::sync::Mutex;
use fatcc_rt::task::{self, JoinError};
use fatcc_rt::{doorbell, println};

static LOCKED: Mutex<u32> = Mutex::new(0);

/// Never answers again. Interrupts are off as long as it has the lock.
#[fatcc_rt::placeable]
fn hang(lock: &Mutex<u32>) {
    let _held = lock.lock();
    loop {
        core::hint::spin_loop();
    }
}

#[fatcc_rt::placeable]
fn whereabouts() -> Cpu {
    cpu::current()
}

/// Ends each CPU in turn. The check goes on on another one.
pub async fn others_go_on() {
    health::watch(Duration::from_secs(3));
    for dead in cpu::all() {
        // Of the other ISA, then of the same one, if there are so many.
        let all: Vec<_> = cpu::all().collect();
        let other = all[(dead.index() + 1 + dead.ordinal()) % all.len()];
        task::switch_to(other).await;
        goes_on_without(dead, other).await;
        println!("the others go on without {dead}");
        is_started_again(dead).await;
        println!("{dead} is back");
    }
}

async fn goes_on_without(dead: Cpu, other: Cpu) {
    let waiting = task::spawn_on(dead, task::sleep(Duration::from_secs(1000)));
    let again = task::spawn_restartable(dead, move || async move {
        if cpu::current() == dead {
            task::sleep(Duration::from_secs(1000)).await;
        }
        cpu::current()
    });
    let busy = task::spawn_on(dead, async move {
        // It serves calls meanwhile.
        while call_on(other, || ()).is_ok() {}
    });
    fatcc_rt::place(hang, dead);
    let calling = task::spawn(async { hang(&LOCKED) });
    let Err(JoinError::Panicked(panicked)) = calling.await else {
        panic!("a CPU has come back")
    };
    let words = "went offline while it ran cpus::death::hang";
    assert!(panicked.message().contains(words), "{panicked}");
    assert_eq!(busy.await, Err(JoinError::Lost(dead)));
    assert_eq!(waiting.await, Err(JoinError::Lost(dead)));
    assert_eq!(dead.state(), State::Offline);
    assert_eq!(LOCKED.poisoned_by(), Some(dead));
    assert_eq!(call_on(dead, || ()), Err(CallError::Offline(dead)));
    fatcc_rt::place(whereabouts, dead);
    assert_eq!(whereabouts(), other);
    assert!(matches!(again.await, Ok(elsewhere) if elsewhere != dead));
    LOCKED.clear_poison();
}

/// Behind that it does all that it did before, and what it is not asked for until then.
async fn is_started_again(dead: Cpu) {
    while let Err(error) = health::restart(dead) {
        assert_eq!(error, NotRestarted::NotOffline);
        task::sleep(Duration::from_millis(1)).await;
    }
    while !dead.is_online() {
        task::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(health::restart(dead), Err(NotRestarted::NotOffline));
    assert_eq!(whereabouts(), dead);
    assert_eq!(call_on(dead, cpu::current), Ok(dead));
    let slept = task::spawn_on(dead, async {
        task::sleep(Duration::from_millis(5)).await;
        cpu::current()
    });
    assert_eq!(slept.await, Ok(dead));
    // It watches its neighbour, and is watched, by interrupts.
    let before = doorbell::received(dead);
    task::sleep(Duration::from_secs(1)).await;
    assert!(dead.is_online() && doorbell::received(dead) > before);
}
