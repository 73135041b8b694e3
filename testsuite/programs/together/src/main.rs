//! Checks what CPUs do together, on boards as in Linux processes: each check panics if it fails, and prints a line.
#![no_std]
#![no_main]

extern crate alloc;

mod foreign;
mod placed;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use fatcc_rt::cpu::Cpu;
use fatcc_rt::sync::Mutex;
use fatcc_rt::{FatFn, println, task, time};

fatcc_rt::main!(main);

fn main(cpu: Cpu) {
    if cpu.index() == 0 {
        task::spawn(checks());
    }
}

async fn checks() {
    objects().await;
    moves().await;
    locks().await;
    heap().await;
    timers().await;
    errands().await;
    functions().await;
    foreign::check().await;
    placed::check().await;
    println!("all checks passed on {} CPUs", Cpu::all().count());
}

fn others() -> impl Iterator<Item = Cpu> {
    let home = Cpu::current();
    Cpu::all().filter(move |cpu| *cpu != home)
}

trait Shape: Send {
    fn area(&self) -> u64;
}

struct Square(u64, Arc<AtomicU32>);

impl Shape for Square {
    fn area(&self) -> u64 {
        self.0 * self.0
    }
}

impl Drop for Square {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Trait objects and closures that are made here are called and dropped there.
async fn objects() {
    let dropped = Arc::new(AtomicU32::new(0));
    for there in others() {
        let shape: Box<dyn Shape> = Box::new(Square(7, dropped.clone()));
        let note = format!("for CPU {}", there.index());
        let closure: Box<dyn FnOnce() -> (u64, String) + Send> =
            Box::new(move || (shape.area(), note));
        let (area, note) = task::spawn_on(there, async move { closure() })
            .await
            .expect("a result");
        assert_eq!((area, note), (49, format!("for CPU {}", there.index())));
    }
    let expected = others().count() as u32;
    assert_eq!(dropped.load(Ordering::SeqCst), expected);
    println!("objects: {expected} called and dropped elsewhere");
}

/// A task goes round, its locals and borrows with it.
async fn moves() {
    const ROUNDS: u64 = 500;
    let home = Cpu::current();
    let mut visited: Vec<u64> = Cpu::all().map(|_| 0).collect();
    let counted = &mut visited;
    for _ in 0..ROUNDS {
        for there in Cpu::all() {
            task::switch_to(there).await;
            assert_eq!(Cpu::current(), there);
            counted[there.index()] += 1;
        }
    }
    task::switch_to(home).await;
    assert!(visited.iter().all(|count| *count == ROUNDS), "{visited:?}");
    println!("moves: {ROUNDS} rounds");
}

/// Numbers under a lock, increased by all at once.
async fn locks() {
    const ADDS: u64 = 2_000;
    let sum = Arc::new(Mutex::new(0));
    let add = |sum: Arc<Mutex<u64>>| async move {
        for at in 0..ADDS {
            *sum.lock() += 1;
            if at % 100 == 0 {
                task::yield_now().await;
            }
        }
    };
    let tasks: Vec<_> = Cpu::all()
        .map(|cpu| task::spawn_on(cpu, add(sum.clone())))
        .collect();
    for task in tasks {
        task.await.expect("a result");
    }
    assert_eq!(*sum.lock(), ADDS * Cpu::all().count() as u64);
    println!("locks: {ADDS} additions on each CPU");
}

/// What one CPU allocates another one frees, all at once.
async fn heap() {
    const ROUNDS: u64 = 300;
    let fill = |seed: u64| async move {
        let mut map = BTreeMap::new();
        for key in 0..ROUNDS {
            map.insert(key * 37 % 101 + seed, alloc::vec![seed; key as usize % 50]);
            task::yield_now().await;
        }
        map
    };
    let tasks: Vec<_> = Cpu::all()
        .map(|cpu| task::spawn_on(cpu, fill(1000 * cpu.index() as u64)))
        .collect();
    for (at, task) in tasks.into_iter().enumerate() {
        let map = task.await.expect("a result");
        assert_eq!(map.len(), 101);
        let own = |value: &u64| *value == 1000 * at as u64;
        assert!(map.values().flatten().all(own), "the map of CPU {at}");
    }
    println!("heap: a map of each CPU");
}

/// Each CPU's clock wakes it when it is time.
async fn timers() {
    const TIME: Duration = Duration::from_millis(20);
    for cpu in Cpu::all() {
        let slept = task::spawn_on(cpu, async {
            let start = time::now();
            task::sleep(TIME).await;
            time::now() - start
        });
        let slept = slept.await.expect("a result");
        assert!(slept >= TIME && slept < 50 * TIME, "{cpu} slept {slept:?}");
    }
    println!("timers: all CPUs wake");
}

/// A CPU that sleeps, with no timer set, is woken by a task for it.
async fn errands() {
    const ERRANDS: usize = 20;
    let mut times = Vec::new();
    for there in others() {
        for _ in 0..ERRANDS {
            task::sleep(Duration::from_millis(3)).await;
            let start = time::now();
            task::spawn_on(there, async {}).await.expect("a result");
            times.push(time::now() - start);
        }
    }
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    assert!(median < Duration::from_millis(50), "{times:?}");
    println!("errands: median {} us", median.as_micros());
}

fn double(number: u64) -> u64 {
    2 * number
}

fn triple(number: u64) -> u64 {
    3 * number
}

/// A function pointer is the same everywhere, and calls the own code.
async fn functions() {
    let here: [fn(u64) -> u64; 2] = [double, triple];
    for there in others() {
        let answers = task::spawn_on(there, async move {
            let there: [fn(u64) -> u64; 2] = [double, triple];
            let own = FatFn::<fn(u64) -> u64>::new(here[0]).get();
            let same =
                here.map(|function| function as usize) == there.map(|function| function as usize);
            (same, here[0](20) + here[1](1), own(4))
        });
        assert_eq!(answers.await, Ok((true, 43, 8)));
    }
    println!("functions: equal and called");
}
