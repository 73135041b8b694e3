//! Ways to the other CPU and back while it sleeps, for it has nothing to do.

use core::hint::spin_loop;
use core::time::Duration;

use fatcc_rt::call::call_on;
use fatcc_rt::cpu::{self, Cpu};
use fatcc_rt::time::now;
use fatcc_rt::{doorbell, place, task, unplace};

use crate::partner::{self, Echo};
use crate::rows::Rows;

/// What a CPU that is about to sleep takes to be asleep, whatever it is.
const FALLING_ASLEEP: Duration = Duration::from_micros(200);

/// A sample of each.
pub async fn measure(rows: &mut Rows, there: Cpu) {
    rows.add("doorbell", 1, doorbells(there, true).await);
    rows.add("doorbell-polled", 1, doorbells(there, false).await);
    rows.add("call_on-asleep", 1, call(there));
    rows.add("placed-asleep", 1, placed(there));
    rows.add("switch_to-asleep", 1, moves(there).await);
    rows.add("waker-asleep", 1, wakers(there).await);
    rows.add("channel-asleep", 1, messages(there).await);
}

fn wait(time: Duration) {
    let start = now();
    while now() - start < time {
        spin_loop();
    }
}

fn wait_until_asleep(there: Cpu) {
    while !there.is_asleep() {
        spin_loop();
    }
    wait(FALLING_ASLEEP);
}

/// The limit: bare doorbells, both ways, or back by a cache line that this CPU polls.
async fn doorbells(there: Cpu, both: bool) -> Duration {
    let player = partner::sleeping_player(there, 2, cpu::current());
    let play = |turn| {
        partner::throw(turn);
        doorbell::ring(there);
        match both {
            true => doorbell::sleep_until(|| partner::is_back(turn)),
            false => partner::catch(turn),
        }
    };
    play(1);
    wait(FALLING_ASLEEP);
    let start = now();
    play(2);
    let time = now() - start;
    player.await.expect("a player");
    time
}

fn call(there: Cpu) -> Duration {
    wait_until_asleep(there);
    let start = now();
    call_on(there, || ()).expect("an answer");
    now() - start
}

fn placed(there: Cpu) -> Duration {
    place(partner::add, there);
    wait_until_asleep(there);
    let start = now();
    assert_eq!(partner::add(1, 2), 3);
    let time = now() - start;
    unplace(partner::add);
    time
}

async fn moves(there: Cpu) -> Duration {
    let here = cpu::current();
    wait_until_asleep(there);
    let start = now();
    task::switch_to(there).await;
    task::switch_to(here).await;
    now() - start
}

async fn wakers(there: Cpu) -> Duration {
    let answering = partner::waker(there, 2);
    partner::wake().await;
    wait_until_asleep(there);
    let start = now();
    partner::wake().await;
    let time = now() - start;
    answering.await.expect("an answer");
    time
}

async fn messages(there: Cpu) -> Duration {
    let (echo, task) = Echo::new(there);
    echo.message(0).await;
    wait_until_asleep(there);
    let start = now();
    echo.message(1).await;
    let time = now() - start;
    drop(echo);
    task.await.expect("an echo");
    time
}
