//! Random programs of tasks on all CPUs. What a program gives does not depend on where and when its parts run: it is computed
//! beforehand, by nothing but arithmetic.
//!
//! ```text
//! cargo fat run --user --release --cpus 2 -p tasks -- seconds=60 seed=1
//! cargo fat run --user --release --cpus 2 -p tasks -- programs=1 seed=77 size=12 keep=3..5 show
//! ```
//!
//! | parameter | meaning |
//! | --- | --- |
//! | `seed=N` | number of the first program; the others follow |
//! | `programs=N`, `seconds=N` | how many, or for how long |
//! | `size=N` | operations of a program, those of its parts not counted |
//! | `keep=A..B` | only these operations of each |
//! | `show` | prints the programs |
//! | `mistake` | makes one, so that whoever looks for one can be tried |
#![no_std]
#![no_main]

extern crate alloc;

mod perform;
mod program;

use alloc::vec::Vec;
use core::ops::Range;
use core::str::FromStr;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use fatcc_rt::cpu::{self, Cpu};
use fatcc_rt::{boot, println, task, time};

use program::Program;

fatcc_rt::main!(main);

/// Programs that run at a time, on each CPU that begins some.
const AT_ONCE: usize = 3;

fn main(cpu: Cpu) {
    if cpu.index() == 0 {
        task::spawn(run_all());
    }
}

/// The value of a parameter, or else this one.
fn parameter<T: FromStr>(name: &str, usual: T) -> T {
    let Some(text) = boot::parameter(name) else {
        return usual;
    };
    let value = text.parse();
    value.unwrap_or_else(|_| panic!("{name}={text}: expected a number"))
}

/// Which operations of a program are to be kept.
fn kept(size: usize) -> Range<usize> {
    let text = boot::parameter("keep").unwrap_or("");
    let ends = text.split_once("..");
    ends.map_or(0..size, |(start, end)| {
        let number = |text: &str| text.parse().expect("keep=A..B wants two numbers");
        number(start)..number(end)
    })
}

async fn run_all() {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static DONE: AtomicU64 = AtomicU64::new(0);
    let first: u64 = parameter("seed", 1);
    let programs: u64 = parameter("programs", u64::MAX);
    let seconds: u64 = parameter("seconds", if programs == u64::MAX { 10 } else { u64::MAX });
    let size: usize = parameter("size", 12);
    let end = time::now().saturating_add(Duration::from_secs(seconds));
    let runs: Vec<_> = cpu::all()
        .flat_map(|cpu| [cpu; AT_ONCE])
        .map(|cpu| {
            task::spawn_on(cpu, async move {
                while time::now() < end {
                    let number = NEXT.fetch_add(1, Relaxed);
                    if number >= programs {
                        break;
                    }
                    let seed = first.wrapping_add(number);
                    run(Program::generate(seed, size).keep(kept(size))).await;
                    DONE.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    for run in runs {
        if let Err(error) = run.await {
            panic!("{error}");
        }
    }
    perform::check_totals();
    println!("{} programs gave what they should", DONE.load(Relaxed));
}

/// Runs a program. The lines on its begin and end tell who reads them which one hangs.
async fn run(program: Program) {
    let seed = program.seed;
    if boot::parameter("show").is_some() {
        println!("program {seed}: {:#?}", program.operations);
    }
    let expected = program.expected();
    println!("program {seed} begins");
    let seen = perform::perform(&program).await;
    assert!(
        seen == expected,
        "program {seed} gave {seen:#x}, and should give {expected:#x}"
    );
    println!("program {seed} ended");
}
