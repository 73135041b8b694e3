//! A CPU that never answers again, with a lock held, in the middle of a call to a placed function.

use core::time::Duration;

use fatcc_rt::call::{CallError, call_on};
use fatcc_rt::cpu::{self, Cpu, State};
use fatcc_rt::sync::Mutex;
use fatcc_rt::task::{self, JoinError};
use fatcc_rt::{health, println};

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

/// Ends the last CPU. The check goes on on the first one.
pub async fn others_go_on() {
    let first = cpu::all().next().expect("a CPU");
    let dead = cpu::all().last().expect("a CPU");
    task::switch_to(first).await;
    health::watch(Duration::from_secs(3));
    let waiting = task::spawn_on(dead, task::sleep(Duration::from_secs(1000)));
    let again = task::spawn_restartable(dead, || async {
        if cpu::current().index() + 1 == cpu::all().count() {
            task::sleep(Duration::from_secs(1000)).await;
        }
        cpu::current()
    });
    let busy = task::spawn_on(dead, async move {
        // It serves calls meanwhile.
        while call_on(first, || ()).is_ok() {}
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
    assert_eq!(whereabouts(), first);
    assert!(matches!(again.await, Ok(elsewhere) if elsewhere != dead));
    println!("the others go on without {dead}");
}
