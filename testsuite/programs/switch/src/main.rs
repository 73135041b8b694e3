//! Measures what it costs to get from one CPU to another, beside what the machine itself takes for it, in the same run:
//! a cache line that two CPUs poll, and a doorbell that ends a sleep.
//!
//! All rows are measured in turn, round by round, so that they meet one machine in one state. The first CPU measures, by its
//! own clock; the other one is that of the boot parameter `peer` (a CPU's name), or else the second one. `rounds` and
//! `samples` say how often: so many samples of each row in every round. Last, each row comes as a line:
//!
//! ```text
//! measured NAME MEDIAN P99 SAMPLES BATCH
//! ```
//!
//! with the times of one operation in nanoseconds. A sample is a batch of so many operations where one alone would be
//! too short for the clock; its time is divided by their number.
#![no_std]
#![no_main]

extern crate alloc;

mod asleep;
mod awake;
mod calls;
mod heap;
mod partner;
mod rows;
mod work;

use fatcc_rt::boot::parameter;
use fatcc_rt::cpu::{self, Cpu};
use fatcc_rt::{println, task};

use rows::Rows;

fatcc_rt::main!(main);

fn main(cpu: Cpu) {
    if cpu.index() == 0 {
        task::spawn(measure());
    }
}

fn number(name: &str, usual: usize) -> usize {
    parameter(name).map_or(usual, |value| value.parse().expect("a number"))
}

async fn measure() {
    let here = cpu::current();
    let there = match parameter("peer") {
        Some(name) => Cpu::named(name).expect("a CPU's name"),
        None => cpu::all().nth(1).expect("a second CPU"),
    };
    assert_ne!(here, there, "a CPU is measured with another one");
    let (rounds, samples) = (number("rounds", 20), number("samples", 20));
    println!("{here} measures, with {there}: {rounds} rounds");
    let mut rows = Rows::default();
    let pieces = work::Pieces::of([here, there]).await;
    for _ in 0..rounds {
        rows.clock();
        for _ in 0..samples {
            awake::measure(&mut rows, there).await;
            calls::measure(&mut rows, there).await;
            heap::measure(&mut rows, there).await;
        }
        for _ in 0..samples {
            asleep::measure(&mut rows, there).await;
        }
        for _ in 0..samples {
            pieces.measure(&mut rows).await;
        }
    }
    rows.print();
}
