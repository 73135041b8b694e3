//! Ways to the other CPU and back while it is awake: it has just done something, and looks for more.

use core::time::Duration;

use fatcc_rt::call::call_on;
use fatcc_rt::cpu::{self, Cpu};
use fatcc_rt::time::now;
use fatcc_rt::{place, task, unplace};

use crate::partner::{self, Echo};
use crate::rows::Rows;

/// Operations of a sample.
const BATCH: u32 = 16;

/// A sample of each.
pub async fn measure(rows: &mut Rows, there: Cpu) {
    rows.add("polling", BATCH, polling(there).await);
    rows.add("call_on", BATCH, calls(there));
    rows.add("placed", BATCH, placed(there));
    rows.add("switch_to", BATCH, moves(there).await);
    rows.add("waker", BATCH, wakers(there).await);
    rows.add("channel", BATCH, messages(there).await);
    // There and back are two.
    rows.add("lock", 2 * BATCH, locks(there).await);
}

/// The limit: one cache line that both CPUs do nothing but poll.
async fn polling(there: Cpu) -> Duration {
    let player = partner::player(there, 1 + BATCH);
    let play = |turn| {
        partner::throw(turn);
        partner::catch(turn);
    };
    play(1);
    let start = now();
    (2..=1 + BATCH).for_each(play);
    let time = now() - start;
    player.await.expect("a player");
    time
}

fn calls(there: Cpu) -> Duration {
    let call = || call_on(there, || ()).expect("an answer");
    call();
    let start = now();
    (0..BATCH).for_each(|_| call());
    now() - start
}

fn placed(there: Cpu) -> Duration {
    place(partner::add, there);
    let mut sum = partner::add(0, 1);
    let start = now();
    for _ in 0..BATCH {
        sum = partner::add(sum, 1);
    }
    let time = now() - start;
    unplace(partner::add);
    assert_eq!(sum, u64::from(BATCH) + 1);
    time
}

async fn moves(there: Cpu) -> Duration {
    let here = cpu::current();
    task::switch_to(there).await;
    task::switch_to(here).await;
    let start = now();
    for _ in 0..BATCH {
        task::switch_to(there).await;
        task::switch_to(here).await;
    }
    now() - start
}

async fn wakers(there: Cpu) -> Duration {
    let answering = partner::waker(there, 1 + BATCH);
    partner::wake().await;
    let start = now();
    for _ in 0..BATCH {
        partner::wake().await;
    }
    let time = now() - start;
    answering.await.expect("an answer");
    time
}

async fn messages(there: Cpu) -> Duration {
    let (echo, task) = Echo::new(there);
    echo.message(0).await;
    let start = now();
    for value in 0..BATCH {
        echo.message(value.into()).await;
    }
    let time = now() - start;
    drop(echo);
    task.await.expect("an echo");
    time
}

/// As often as the lock comes from the other CPU it has gone there.
async fn locks(there: Cpu) -> Duration {
    let here = cpu::current();
    let rival = partner::rival(there);
    while !partner::take(here) {}
    let start = now();
    for _ in 0..BATCH {
        while !partner::take(here) {}
    }
    let time = now() - start;
    partner::give_up();
    rival.await.expect("a rival");
    time
}
