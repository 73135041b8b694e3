//! Rust without a standard library, beside C: boxed trait objects, closures, collections and formatting, checked by
//! `rust_check`, which returns 42 or the number of the first check that fails.
//!
//! What C and Rust see of each other: C calls `rust_check` and keeps Rust functions in a table, Rust calls C by name and
//! through a table of C's, and both compare pointers to the same function.

#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::any::Any;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const HEAP: usize = 1 << 18;

/// Hands out memory from the front and takes none back.
#[repr(align(16))]
struct Bump(UnsafeCell<[u8; HEAP]>, AtomicUsize);

// SAFETY: each byte is handed out once.
unsafe impl Sync for Bump {}

// SAFETY: blocks lie inside the array, one behind the other, aligned as asked.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.0.get() as usize;
        let taken = start + self.1.load(Ordering::Relaxed);
        let block = taken.next_multiple_of(layout.align());
        let used = block - start + layout.size();
        if used > HEAP {
            return core::ptr::null_mut();
        }
        self.1.store(used, Ordering::Relaxed);
        block as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump(UnsafeCell::new([0; HEAP]), AtomicUsize::new(0));

unsafe extern "C" {
    fn c_failed() -> !;
    fn c_apply(callback: extern "C" fn(i64) -> i64, number: i64) -> i64;
    safe fn c_triple(number: i64) -> i64;
    static c_table: [extern "C" fn(i64) -> i64; 3];
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: ends the process.
    unsafe { c_failed() }
}

/// Doubles a number; C has it in a table too.
#[unsafe(no_mangle)]
pub extern "C" fn rust_double(number: i64) -> i64 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    2 * number
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

trait Shape: Any {
    fn name(&self) -> String;
    fn area(&self) -> u64;
}

struct Square(u64);

struct Rectangle {
    width: u64,
    height: u64,
}

impl Shape for Square {
    fn name(&self) -> String {
        format!("square of {}", self.0)
    }

    fn area(&self) -> u64 {
        self.0 * self.0
    }
}

impl Shape for Rectangle {
    fn name(&self) -> String {
        format!("{}x{} rectangle", self.width, self.height)
    }

    fn area(&self) -> u64 {
        self.width * self.height
    }
}

static ORIGIN: Square = Square(0);
static SHAPES: [&(dyn Shape + Sync); 2] = [
    &ORIGIN,
    &Rectangle {
        width: 2,
        height: 3,
    },
];
type Step = fn(&mut Vec<u64>);
static STEPS: [(&str, Step); 3] = [
    ("sort", |v| v.sort()),
    ("reverse", |v| v.reverse()),
    ("dedup", Vec::dedup),
];

fn trait_objects() -> bool {
    let shapes: Vec<Box<dyn Shape>> = alloc::vec![
        Box::new(Square(5)),
        Box::new(Rectangle {
            width: 3,
            height: 4
        }),
        Box::new(Square(1)),
    ];
    let names: Vec<_> = shapes.iter().map(|shape| shape.name()).collect();
    let squares = shapes
        .iter()
        .filter(|shape| (&***shape as &dyn Any).is::<Square>());
    shapes.iter().map(|shape| shape.area()).sum::<u64>() == 38
        && names.join(", ") == "square of 5, 3x4 rectangle, square of 1"
        && squares.count() == 2
        && SHAPES.iter().map(|shape| shape.area()).sum::<u64>() == 6
}

fn closures() -> bool {
    let mut log = Vec::new();
    let mut by_three: Vec<Box<dyn FnMut(u64) -> u64>> = Vec::new();
    for factor in 1..4 {
        let mut total = 0;
        by_three.push(Box::new(move |x| {
            total += factor * x;
            total
        }));
    }
    for round in 1..3 {
        log.extend(by_three.iter_mut().map(|closure| closure(round)));
    }
    log == [1, 2, 3, 3, 6, 9]
}

fn sorting() -> bool {
    let mut words: Vec<&str> = "the quick brown fox jumps over the lazy dog"
        .split(' ')
        .collect();
    words.sort_by_key(|word| (word.len(), *word));
    let mut numbers: Vec<u64> = (0..200).map(|n| n * 7919 % 50).collect();
    for name in ["sort", "dedup", "reverse"] {
        let (_, step) = STEPS
            .iter()
            .find(|(known, _)| *known == name)
            .expect("a step");
        step(&mut numbers);
    }
    words.join(" ") == "dog fox the the lazy over brown jumps quick"
        && numbers.iter().copied().eq((0..50).rev())
}

fn formatting() -> bool {
    let text = format!(
        "{:>6}|{:<5}|{:#06x}|{:.3}|{:?}",
        -42,
        "ab",
        255,
        2.5f64 / 3.0,
        Some([1u8, 2])
    );
    text == "   -42|ab   |0x00ff|0.833|Some([1, 2])"
}

fn maps() -> bool {
    let mut map = BTreeMap::new();
    for key in 0..300u64 {
        map.entry(key * 37 % 101).or_insert_with(Vec::new).push(key);
    }
    map.retain(|key, _| key % 2 == 0);
    let first = map.first_key_value().map(|(key, keys)| (*key, keys.len()));
    map.len() == 51 && first == Some((0, 3)) && map.range(50..=60).count() == 6
}

fn beside_c() -> bool {
    let before = CALLS.load(Ordering::Relaxed);
    // SAFETY: C only calls what it is given, and never writes its table.
    let (applied, table) = unsafe { (c_apply(rust_double, 20), &c_table) };
    let own: extern "C" fn(i64) -> i64 = rust_double;
    let same =
        |a: extern "C" fn(i64) -> i64, b: extern "C" fn(i64) -> i64| core::ptr::fn_addr_eq(a, b);
    applied == 41
        && CALLS.load(Ordering::Relaxed) == before + 1
        && same(table[0], own)
        && !same(table[1], own)
        && table[1](3) == c_triple(3)
        && table[2](4) == 8
}

/// 42, or the number of the first check that fails.
#[unsafe(no_mangle)]
pub extern "C" fn rust_check() -> i32 {
    let checks = [trait_objects, closures, sorting, formatting, maps, beside_c];
    match checks.iter().position(|check| !check()) {
        Some(failed) => failed as i32 + 1,
        None => 42,
    }
}
