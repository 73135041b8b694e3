//! All CPUs work together, at random, until one of them is killed, and a while longer. A task or call may be lost with that CPU;
//! whatever has a result must have the right one.
#![no_std]
#![no_main]

extern crate alloc;

mod random;
mod work;

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;

use fatcc_rt::call::call_on;
use fatcc_rt::cpu::{self, Cpu, State};
use fatcc_rt::health::{self, NotRestarted};
use fatcc_rt::{boot, println, task, time};

use random::Random;

fatcc_rt::main!(main);

/// The runner tells of a death; this is only for one that it would not tell of. Parameter `limit`, in seconds.
const LIMIT: u64 = 30;
/// After which nobody is expected to die any more.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is done after the death.
const MORE: u32 = 60;

fn main(cpu: Cpu) {
    let limit = boot::parameter("limit").map(|limit| limit.parse().expect("a number"));
    health::watch(Duration::from_secs(limit.unwrap_or(LIMIT)));
    println!("CPU {} works", cpu.index());
    task::spawn(work_on(cpu));
}

/// CPUs that have done all.
static DONE: AtomicU32 = AtomicU32::new(0);

/// The dead CPU is as good as the others behind this.
async fn start_again(dead: Cpu, random: &mut Random) {
    assert_eq!(
        health::restart(cpu::current()),
        Err(NotRestarted::NotOffline)
    );
    assert_eq!(health::restart(dead), Ok(()));
    while !dead.is_online() {
        task::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        task::spawn_on(dead, async { cpu::current() }).await,
        Ok(dead)
    );
    assert_eq!(call_on(dead, cpu::current), Ok(dead));
    for _ in 0..MORE {
        assert!(
            work::round(cpu::current(), random).await,
            "lost with nobody"
        );
    }
    println!("CPU {} is back", dead.index());
}

fn dead() -> Option<Cpu> {
    cpu::all().find(|cpu| cpu.state() == State::Offline)
}

async fn work_on(own: Cpu) {
    let mut random = Random::new(own.index() as u64 + 1);
    let (mut rounds, mut after, mut lost) = (0, 0, 0);
    while after < MORE {
        lost += u32::from(!work::round(own, &mut random).await);
        rounds += 1;
        after += u32::from(dead().is_some());
        assert!(time::now() < PATIENCE, "nobody has died");
    }
    let done = DONE.fetch_add(1, SeqCst) + 1;
    if cfg!(feature = "restart") && done == cpu::all().count() as u32 - 1 {
        start_again(dead().expect("a CPU that is dead"), &mut random).await;
    }
    println!(
        "CPU {} went on: {rounds} rounds, {lost} of them lost",
        own.index()
    );
}
