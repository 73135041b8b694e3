//! What is done in a round. Each has a result that is known before, or is lost with a CPU that is dead.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use fatcc_rt::call::{CallError, call_on};
use fatcc_rt::cpu::{self, Cpu, State};
use fatcc_rt::sync::{Mutex, Once};
use fatcc_rt::task::{self, JoinError, JoinHandle};

use crate::random::Random;

/// Does one thing. False if it was lost.
pub async fn round(own: Cpu, random: &mut Random) -> bool {
    let there = any_cpu(random);
    let seed = random.next();
    match random.below(9) {
        0 => result(task::spawn_on(there, async move { build(seed) }), sum(seed)).await,
        1 => called(there, seed),
        2 => travel(own, there, any_cpu(random), seed).await,
        3 => restarted(there, seed).await,
        4 => slept(there, random).await,
        5 => many(seed).await,
        6 => computed_once(seed),
        7 => placed(there, seed).await,
        _ => locked(),
    }
}

fn any_cpu(random: &mut Random) -> Cpu {
    let at = random.below(cpu::all().count());
    cpu::all().nth(at).expect("a CPU")
}

/// Fills the heap in the order of `seed`, and takes all back.
fn build(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut map = BTreeMap::new();
    for key in 0..40 {
        let bytes = vec![key as u8; 1 + random.below(900)];
        map.insert(random.next() << 6 | key, (key, bytes.into_boxed_slice()));
    }
    let whole = |key: u64, bytes: &[u8]| bytes.iter().all(|byte| *byte == key as u8);
    assert!(
        map.values().all(|(key, bytes)| whole(*key, bytes)),
        "another's bytes"
    );
    map.into_values().map(|(key, _)| key + seed % 7).sum()
}

fn sum(seed: u64) -> u64 {
    (0..40).map(|key| key + seed % 7).sum()
}

fn is_dead(cpu: Cpu) {
    assert_eq!(cpu.state(), State::Offline, "{cpu} is not dead");
}

/// Awaits a task that gives `expected`, if it is not lost.
async fn result(handle: JoinHandle<u64>, expected: u64) -> bool {
    match handle.await {
        Ok(value) => {
            assert_eq!(value, expected);
            true
        }
        Err(JoinError::Lost(cpu)) => {
            is_dead(cpu);
            false
        }
        Err(error) => panic!("{error}"),
    }
}

fn called(there: Cpu, seed: u64) -> bool {
    let closure: Box<dyn FnOnce() -> u64 + Send> = Box::new(move || build(seed));
    match call_on(there, closure) {
        Ok(value) => {
            assert_eq!(value, sum(seed));
            true
        }
        Err(CallError::Offline(cpu)) => {
            is_dead(cpu);
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// A task that goes to two CPUs and comes back.
async fn travel(own: Cpu, first: Cpu, second: Cpu, seed: u64) -> bool {
    let travelling = task::spawn(async move {
        let locals = [seed; 20];
        task::switch_to(first).await;
        let there = build(seed);
        task::switch_to(second).await;
        assert!(locals.iter().all(|local| *local == seed));
        task::switch_to(own).await;
        there
    });
    result(travelling, sum(seed)).await
}

/// It has a result whoever dies.
async fn restarted(there: Cpu, seed: u64) -> bool {
    let restartable = task::spawn_restartable(there, move || async move {
        let value = build(seed);
        task::yield_now().await;
        value
    });
    assert_eq!(restartable.await, Ok(sum(seed)));
    true
}

async fn slept(there: Cpu, random: &mut Random) -> bool {
    let time = Duration::from_micros(random.below(400) as u64);
    let there = task::spawn_on(there, async move {
        task::sleep(time).await;
        1
    });
    task::sleep(time).await;
    result(there, 1).await
}

/// A task on every CPU at once.
async fn many(seed: u64) -> bool {
    let tasks: Vec<_> = cpu::all()
        .map(|cpu| task::spawn_on(cpu, async move { build(seed) }))
        .collect();
    let mut all = true;
    for task in tasks {
        all &= result(task, sum(seed)).await;
    }
    all
}

fn computed_once(seed: u64) -> bool {
    static ONCES: [Once<Box<u64>>; 64] = [const { Once::new() }; 64];
    let at = seed % 64;
    let value = ONCES[at as usize].call_once(|| Box::new(build(at)));
    assert_eq!(**value, sum(at));
    true
}

#[fatcc_rt::placeable]
fn build_where_placed(seed: &u64) -> u64 {
    build(*seed)
}

/// A function that all CPUs place somewhere else. Its call fails if the place dies in the middle of it.
async fn placed(there: Cpu, seed: u64) -> bool {
    fatcc_rt::place(build_where_placed, there);
    let calling = task::spawn(async move { build_where_placed(&seed) });
    match calling.await {
        Ok(value) => {
            assert_eq!(value, sum(seed));
            true
        }
        Err(JoinError::Panicked(panicked)) => {
            let words = "went offline while it ran survive::work::build_where_placed";
            assert!(panicked.message().contains(words), "{panicked}");
            assert!(cpu::all().any(|cpu| cpu.state() == State::Offline));
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// Two numbers that are equal whenever nobody has the lock, unless it is poisoned.
fn locked() -> bool {
    static PAIR: Mutex<(u64, u64)> = Mutex::new((0, 0));
    for _ in 0..20 {
        let mut pair = PAIR.lock_or_poisoned().unwrap_or_else(|mut poisoned| {
            is_dead(poisoned.by());
            let pair = poisoned.get_mut();
            assert!(pair.0.abs_diff(pair.1) <= 1);
            pair.1 = pair.0;
            PAIR.clear_poison();
            poisoned.into_inner()
        });
        assert_eq!(pair.0, pair.1);
        pair.0 += 1;
        pair.1 += 1;
    }
    true
}
