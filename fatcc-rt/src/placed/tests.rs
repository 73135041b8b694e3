//! Threads as CPUs that call placed functions while others place them.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::arch::run_cpus;
use crate::call::call_on;
use crate::{cpu, placeable, task};

/// Where it ran, from its beginning to its end.
#[placeable]
fn whereabouts() -> Cpu {
    let begin = Cpu::current();
    core::hint::black_box(begin);
    assert_eq!(Cpu::current(), begin);
    begin
}

#[placeable]
fn append<'a>(text: &'a mut String, (left, mut right): (&str, u32), _: bool) -> &'a str {
    right += 1;
    text.push_str(left);
    text.push_str(&right.to_string());
    text
}

#[test]
fn a_function_runs_where_it_is_placed() {
    run_cpus(3, |own| {
        if own.index() != 0 {
            return;
        }
        let before: fn() -> Cpu = whereabouts;
        assert_eq!(whereabouts(), own);
        for there in cpu::all() {
            place(whereabouts, there);
            let behind: fn() -> Cpu = whereabouts;
            let table: [&dyn Fn() -> Cpu; 3] = [&whereabouts, &before, &behind];
            assert_eq!(whereabouts(), there);
            assert!(table.iter().all(|call| call() == there));
            assert_eq!(placed_on(whereabouts), Some(there));
        }
        let last = Cpu::from_index(2);
        assert_eq!(unplace(whereabouts), Some(last));
        assert_eq!((before(), placed_on(whereabouts)), (own, None));
        assert_eq!(call_on(last, whereabouts), Ok(last));
    });
}

#[test]
fn arguments_are_borrowed_and_results_borrow_from_them() {
    run_cpus(2, |own| {
        if own.index() != 0 {
            return;
        }
        place(append, Cpu::from_index(1));
        let mut text = "a".to_string();
        let left = "b".to_string();
        assert_eq!(append(&mut text, (&left, 6), true), "ab7");
        assert_eq!(text.len(), 3);
        unplace(append);
        assert_eq!(append(&mut text, (&left, 7), true), "ab7b8");
    });
}

#[placeable]
fn tick(counter: Arc<AtomicUsize>) -> (Cpu, Cpu) {
    let begin = Cpu::current();
    counter.fetch_add(1, SeqCst);
    (begin, Cpu::current())
}

#[test]
fn every_call_runs_once_and_at_one_place_while_the_place_changes() {
    const CALLS: usize = 500;
    static CHANGES: AtomicUsize = AtomicUsize::new(0);
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    static CALLERS: AtomicUsize = AtomicUsize::new(3);
    let counter = Arc::new(AtomicUsize::new(0));
    run_cpus(4, |own| {
        if own.index() == 3 {
            task::spawn(async move {
                while CALLERS.load(SeqCst) > 0 {
                    let next = cpu::all().nth(CHANGES.fetch_add(1, SeqCst) % 5);
                    match next {
                        Some(cpu) => place(tick, cpu),
                        None => unplace(tick),
                    };
                    task::yield_now().await;
                }
            });
            return;
        }
        let pointer: fn(Arc<AtomicUsize>) -> (Cpu, Cpu) = tick;
        // On a busy machine the changes may be far behind.
        let until = |at: &usize| *at < CALLS || CHANGES.load(SeqCst) <= 10;
        for at in (0..).take_while(until) {
            let called = if at % 2 == 0 { tick } else { pointer };
            let (begin, end) = called(counter.clone());
            assert_eq!(begin, end);
            CALLED.fetch_add(1, SeqCst);
        }
        CALLERS.fetch_sub(1, SeqCst);
    });
    assert_eq!(counter.load(SeqCst), CALLED.load(SeqCst));
    assert_eq!(Arc::strong_count(&counter), 1);
}

#[placeable]
fn deeper(depth: u32) -> u32 {
    match depth {
        0 => 0,
        _ => {
            place(deeper, Cpu::from_index(depth as usize % 2));
            1 + deeper(depth - 1)
        }
    }
}

#[test]
fn a_function_that_calls_itself_obeys_too() {
    run_cpus(2, |own| {
        if own.index() == 0 {
            assert_eq!(deeper(9), 9);
            unplace(deeper);
        }
    });
}

#[placeable]
fn fail(why: &str) {
    panic!("{why}");
}

#[test]
fn a_panic_is_carried_back() {
    run_cpus(2, |own| {
        if own.index() != 0 {
            return;
        }
        let there = Cpu::from_index(1);
        place(fail, there);
        let failed = call_on(own, || fail("on purpose")).unwrap_err().to_string();
        let words = [
            "fatcc_rt::placed::tests::fail panicked on riscv64",
            "on purpose",
        ];
        assert!(words.iter().all(|word| failed.contains(word)), "{failed}");
        assert_eq!(call_on(there, || 3), Ok(3));
        unplace(fail);
    });
}

#[placeable]
fn orphan(input: u32) -> u32 {
    input + 1
}

#[test]
fn calls_to_an_offline_cpu_run_where_they_are_made() {
    run_cpus(3, |own| {
        let dead = Cpu::from_index(2);
        if own.index() == 0 {
            let known = known(&orphan);
            let before = known.fallen_back();
            place(orphan, dead);
            dead.go_offline(own);
            assert_eq!((orphan(1), orphan(2)), (2, 3));
            assert_eq!(known.fallen_back() - before, 2);
            unplace(orphan);
        }
    });
}

#[placeable]
unsafe extern "C" fn first(numbers: &[u32; 2]) -> u32 {
    // SAFETY: by the caller.
    unsafe { *numbers.get_unchecked(0) }
}

#[placeable]
fn evens(below: u32) -> impl Iterator<Item = u32> + Send {
    (0..below).step_by(2)
}

#[test]
fn other_kinds_of_functions_can_be_placed() {
    run_cpus(2, |own| {
        if own.index() != 0 {
            return;
        }
        place(first, Cpu::from_index(1));
        place(evens, Cpu::from_index(1));
        // SAFETY: there is a number.
        assert_eq!(unsafe { first(&[7, 8]) }, 7);
        assert_eq!(evens(7).sum::<u32>(), 12);
        unplace(first);
        unplace(evens);
    });
}

#[test]
#[should_panic(expected = "placed::tests::locked, which is placed on riscv64")]
fn a_cpu_that_holds_a_lock_does_not_wait() {
    #[placeable]
    fn locked() {}
    let failed = Arc::new(crate::sync::Mutex::new(String::new()));
    run_cpus(2, |own| {
        if own.index() == 0 {
            place(locked, Cpu::from_index(1));
            let lock = crate::sync::Mutex::new(());
            let attempt = crate::attempt::attempt(|| {
                let _held = lock.lock();
                locked();
            });
            *failed.lock() = attempt.unwrap_err().to_string();
        }
    });
    panic!("{}", *failed.lock());
}

#[test]
#[should_panic(expected = "is not `#[placeable]`")]
fn other_functions_are_refused() {
    fn plain() {}
    place(plain, Cpu::from_index(0));
}
