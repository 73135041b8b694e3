//! Checks, from inside, of a machine with several CPUs per ISA. Each ends with a line; a check that fails panics.
#![no_std]
#![no_main]

extern crate alloc;

mod calls;
mod death;
mod memory;

use core::time::Duration;

use fatcc_rt::cpu::{self, Cpu, Role};
use fatcc_rt::{println, task, time};

fatcc_rt::main!(main);

fn main(cpu: Cpu) {
    if cpu.index() == 0 {
        task::spawn(check_all());
    }
}

async fn check_all() {
    let roles = cpu::all().filter(|cpu| cpu.role() == Role::First).count();
    println!(
        "{} CPUs, {roles} of them the first of an ISA",
        cpu::all().count()
    );
    assert!(cpu::all().all(Cpu::is_online));
    tasks_visit_all().await;
    println!("a task has run on every CPU");
    clocks_agree().await;
    println!("the CPUs agree on the time");
    memory::shared_by_all().await;
    println!("no increment and no byte of the heap was lost");
    calls::panics_are_reported().await;
    println!("every CPU goes on after a panic");
    calls::calls_cross().await;
    death::others_go_on().await;
}

/// A task moves to every CPU, with what it has borrowed.
async fn tasks_visit_all() {
    let seen = [(); cpu::MAX];
    let borrowed = &seen;
    for there in cpu::all() {
        task::switch_to(there).await;
        assert_eq!((cpu::current(), borrowed.len()), (there, cpu::MAX));
        let spawned = task::spawn_on(there, async { cpu::current() }).await;
        assert_eq!(spawned, Ok(there));
    }
}

/// What is asked later is not answered earlier, but for the error of the clocks.
async fn clocks_agree() {
    const DRIFT: Duration = Duration::from_millis(5);
    let uncertain: Duration = cpu::all().map(time::uncertainty).sum();
    println!("their clocks may differ by {uncertain:?}");
    let mut last = Duration::ZERO;
    for _ in 0..20 {
        for there in cpu::all() {
            task::switch_to(there).await;
            let now = time::now();
            let late = last.saturating_sub(now);
            assert!(late <= uncertain + DRIFT, "{there} is {late:?} late");
            last = now;
        }
    }
}
