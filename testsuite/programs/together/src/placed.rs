//! Placed functions: called directly, through pointers and through tables, from CPUs of every ISA, while they are placed
//! elsewhere all the time.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use fatcc_rt as fat;
use fatcc_rt::call::{CallError, call_on};
use fatcc_rt::cpu::{self, Cpu};
use fatcc_rt::{println, task};

/// Calls of each CPU while the place changes.
const CALLS: u32 = 300;

static RUNS: AtomicU32 = AtomicU32::new(0);
static CHANGES: AtomicU32 = AtomicU32::new(0);
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Writes down where it ran, from its beginning to its end.
#[fat::placeable]
fn visit(note: &mut String, times: u32) -> (Cpu, Cpu, u32) {
    let begin = cpu::current();
    RUNS.fetch_add(1, Ordering::SeqCst);
    for _ in 0..times {
        note.push_str(begin.isa());
    }
    (begin, cpu::current(), times * 2)
}

type Visit = fn(&mut String, u32) -> (Cpu, Cpu, u32);
type AnyVisit = dyn Fn(&mut String, u32) -> (Cpu, Cpu, u32);

/// Calls itself, from where it is placed to where it has been placed since.
#[fat::placeable]
fn descend(depth: u32) -> Vec<Cpu> {
    let mut visited = Vec::new();
    if depth > 0 {
        let all = cpu::all().count();
        fat::place(
            descend,
            cpu::all().nth(depth as usize % all).expect("a CPU"),
        );
        visited = descend(depth - 1);
    }
    visited.push(cpu::current());
    visited
}

#[fat::placeable]
fn fail(why: &str) {
    panic!("{why}");
}

/// Placed by a boot parameter, if any.
#[fat::placeable]
fn by_parameter() -> Cpu {
    cpu::current()
}

pub async fn check() {
    for caller in cpu::all() {
        task::switch_to(caller).await;
        called_from_here();
    }
    nested();
    carries_panics_back();
    while_the_place_changes().await;
    let place = fat::placed_on(by_parameter);
    let ran_on = by_parameter();
    assert_eq!(ran_on, place.unwrap_or(cpu::current()));
    println!("placed: every call ran at one place; by_parameter on {ran_on}");
}

fn called_from_here() {
    let before: Visit = visit;
    for there in cpu::all() {
        fat::place(visit, there);
        let behind: Visit = visit;
        let object: Box<AnyVisit> = Box::new(visit);
        let table: [&AnyVisit; 4] = [&visit, &before, &behind, &object];
        for call in table {
            let mut note = "on ".to_string();
            assert_eq!(call(&mut note, 2), (there, there, 4));
            assert_eq!(note, ["on ", there.isa(), there.isa()].concat());
        }
    }
    fat::unplace(visit);
    let here = cpu::current();
    assert_eq!(before(&mut String::new(), 1), (here, here, 2));
}

fn nested() {
    const DEPTH: u32 = 9;
    let here = cpu::current();
    let mut visited = descend(DEPTH);
    assert_eq!(visited.pop(), Some(here));
    let all = cpu::all().count();
    for (depth, there) in visited.iter().enumerate() {
        assert_eq!(there.index(), (depth + 1) % all, "depth {depth}");
    }
    fat::unplace(descend);
}

fn carries_panics_back() {
    for there in cpu::all() {
        fat::place(fail, there);
        let failed = call_on(cpu::current(), || fail("on purpose"));
        let Err(CallError::Panicked(panicked)) = failed else {
            panic!("{failed:?}")
        };
        assert_eq!(panicked.cpu(), cpu::current());
        assert!(panicked.message().contains("on purpose"), "{panicked}");
        let elsewhere = there != cpu::current();
        let words = "fail panicked on ".to_string() + &there.to_string();
        assert_eq!(panicked.message().contains(&words), elsewhere, "{panicked}");
    }
    fat::unplace(fail);
}

async fn while_the_place_changes() {
    RUNS.store(0, Ordering::SeqCst);
    // The CPU that changes the place calls too if there is nobody else of its ISA.
    let here = cpu::current();
    let is_free = cpu::all().any(|cpu| cpu != here && cpu.isa() == here.isa());
    let callers = cpu::all().filter(|cpu| *cpu != here || !is_free);
    let callers: Vec<_> = callers
        .map(|cpu| task::spawn_on(cpu, call_often()))
        .collect();
    let changer = task::spawn(change_places());
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.expect("no call failed");
    }
    IS_OVER.store(true, Ordering::SeqCst);
    changer.await.expect("no change failed");
    let changes = CHANGES.load(Ordering::SeqCst);
    assert_eq!(RUNS.load(Ordering::SeqCst), calls);
    println!("placed: {calls} calls while the place changed {changes} times");
}

/// Goes on until the place has changed often too: on a busy machine one CPU may be far behind the others. How often it has
/// called.
async fn call_often() -> u32 {
    let pointer: Visit = visit;
    let mut at = 0;
    while at < CALLS || CHANGES.load(Ordering::Relaxed) < CALLS / 10 {
        let mut note = String::new();
        let (begin, end, _) = match at % 2 {
            0 => visit(&mut note, 1),
            _ => pointer(&mut note, 1),
        };
        assert_eq!((begin, note.as_str()), (end, end.isa()));
        at += 1;
        task::yield_now().await;
    }
    at
}

/// Goes on until all have called.
async fn change_places() {
    while !IS_OVER.load(Ordering::SeqCst) {
        let changes = CHANGES.load(Ordering::Relaxed) as usize;
        let place = cpu::all().nth(changes % (cpu::all().count() + 1));
        let before = match place {
            Some(cpu) => fat::place(visit, cpu),
            None => fat::unplace(visit),
        };
        CHANGES.fetch_add(u32::from(before != place), Ordering::SeqCst);
        task::yield_now().await;
    }
    fat::unplace(visit);
}
