//! Functions and statics: their addresses must be the same on every CPU, and a call must run the caller's own code.

use super::{Outcome, holds, on, same};
use alloc::format;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use fatcc_rt::FatFn;
use fatcc_rt::cpu::Cpu;

type Operation = fn(u64) -> (Cpu, u64);
type Array = FatFn<Operation>;

#[inline(never)]
fn double(number: u64) -> (Cpu, u64) {
    (Cpu::current(), black_box(number) * 2)
}

#[inline(never)]
fn triple(number: u64) -> (Cpu, u64) {
    (Cpu::current(), black_box(number) * 3)
}

/// Pointers that the linker wrote, not code.
static OPERATIONS: [Operation; 2] = [double, triple];

fn equal(first: Operation, second: Operation) -> bool {
    core::ptr::fn_addr_eq(black_box(first), black_box(second))
}

pub(super) async fn pointer(from: Cpu, to: Cpu) -> Outcome {
    let (first, second) = on(from, || {
        (
            black_box(double as Operation),
            black_box(triple as Operation),
        )
    })
    .await;
    let (same_function, others, table, called) = on(to, move || {
        let same_function = equal(first, double) && equal(second, triple);
        let others = !equal(first, triple) && !equal(second, double) && !equal(first, second);
        let table =
            equal(black_box(&OPERATIONS)[0], first) && equal(black_box(&OPERATIONS)[1], second);
        (
            same_function,
            others,
            table,
            (black_box(first)(50), black_box(second)(50)),
        )
    })
    .await;
    holds(
        same_function,
        "a function has another pointer on the other CPU",
    )?;
    holds(others, "two functions have one pointer")?;
    holds(
        table,
        "a pointer in a static differs from one taken by code",
    )?;
    let ((place, twice), (_, thrice)) = called;
    same("called on", place, to)?;
    same("its results", twice + thrice, 250)?;
    Ok(format!(
        "{:#x} on both, not {:#x}; called on {place}",
        first as usize, second as usize
    ))
}

fatcc_rt::fat_fn! {
    /// An array that the linker made.
    static LINKED: Operation = double;
}

pub(super) async fn array(from: Cpu, to: Cpu) -> Outcome {
    let (first, second) = on(from, || {
        (
            Array::new(black_box(double as Operation)),
            Array::new(black_box(triple as Operation)),
        )
    })
    .await;
    let (same_function, others, in_data, (place, twice)) = on(to, move || {
        let own = Array::new(black_box(double as Operation));
        let same_function = black_box(&first) == black_box(&own);
        let others = black_box(&second) != black_box(&own);
        let linked = black_box(&LINKED);
        let in_data = linked.elements() == own.elements() && *linked != second;
        let (place, twice) = first.get()(21);
        (
            same_function,
            others,
            in_data && linked.get()(21) == (place, twice),
            (place, twice),
        )
    })
    .await;
    holds(
        same_function,
        "arrays of one function have different first elements",
    )?;
    holds(others, "arrays of two functions have equal first elements")?;
    holds(
        in_data,
        "an array in data is not the one behind the function pointer",
    )?;
    same("called on", place, to)?;
    same("its result", twice, 42)?;
    Ok(format!(
        "equal by first element; element of {place} called on {place}"
    ))
}

static NUMBER: AtomicU64 = AtomicU64::new(0x1234_5678);

pub(super) async fn one_static(from: Cpu, to: Cpu) -> Outcome {
    let address = || core::ptr::from_ref(black_box(&NUMBER)) as usize;
    let there = on(from, move || {
        NUMBER.store(black_box(1000 + Cpu::current().index() as u64), SeqCst);
        address()
    })
    .await;
    let (here, seen) = on(to, move || {
        (address(), NUMBER.fetch_add(black_box(500), SeqCst))
    })
    .await;
    let back = on(from, || NUMBER.load(SeqCst)).await;
    same("its address", here, there)?;
    same("its value", seen, 1000 + from.index() as u64)?;
    same("its value after the other CPU's addition", back, seen + 500)?;
    Ok(format!(
        "{here:#x} on both; {seen} written by {from}, {back} after {to}"
    ))
}
