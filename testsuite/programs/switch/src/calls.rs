//! Calls within a CPU: direct, by an address of its own text, by such an address out of an array at the place of the call,
//! and by a function pointer, whose value is its gate.

use core::hint::black_box;
use core::time::Duration;

use fatcc_rt::FatFn;
use fatcc_rt::cpu::{self, Cpu};
use fatcc_rt::task;
use fatcc_rt::time::now;

use crate::rows::Rows;

/// Calls of a sample.
const BATCH: u32 = 4096;
/// Names of the rows, of this CPU and of the other one.
const NAMES: [[&str; 4]; 2] = [
    ["direct", "indirect", "array", "gate"],
    [
        "direct-there",
        "indirect-there",
        "array-there",
        "gate-there",
    ],
];

type Function = fn(u64) -> u64;

/// A sample of each, on both CPUs.
pub async fn measure(rows: &mut Rows, there: Cpu) {
    let all = [
        all(),
        task::spawn_on(there, async { all() }).await.expect("times"),
    ];
    for (names, times) in NAMES.into_iter().zip(all) {
        for (name, time) in names.into_iter().zip(times) {
            rows.add(name, BATCH, time);
        }
    }
}

fn all() -> [Duration; 4] {
    let array = FatFn::<Function>::new(increment);
    let own = (&raw const array).cast::<Function>();
    // SAFETY: the array has an element for each instruction set.
    let element = unsafe { own.add(cpu::current().isa_index()) };
    [
        time(direct),
        time(|| through_pointer(array.get())),
        time(|| through_array(element)),
        time(|| through_pointer(increment)),
    ]
}

fn time(calls: impl Fn() -> u64) -> Duration {
    // The first ones find nothing in the CPU's caches, or untranslated code.
    calls();
    let start = now();
    assert_eq!(calls(), u64::from(BATCH));
    now() - start
}

#[inline(never)]
fn increment(number: u64) -> u64 {
    number + 1
}

fn direct() -> u64 {
    let mut number = black_box(0);
    for _ in 0..BATCH {
        number = increment(number);
    }
    number
}

/// One loop for addresses and gates: nothing but the pointer's value differs.
#[inline(never)]
fn through_pointer(function: Function) -> u64 {
    let function = black_box(function);
    let mut number = black_box(0);
    for _ in 0..BATCH {
        number = function(number);
    }
    number
}

/// What a compiler would make of every call if a function pointer were an array's address.
#[inline(never)]
fn through_array(element: *const Function) -> u64 {
    let element = black_box(element);
    let mut number = black_box(0);
    for _ in 0..BATCH {
        // SAFETY: it is an element of an array that the caller has.
        number = unsafe { element.read_volatile() }(number);
    }
    number
}
