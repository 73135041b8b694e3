//! Programs: trees of operations, each of which makes a number of another one.
//!
//! [`Program::expected`] says what comes out, by arithmetic alone; `perform` does what the operations say.

use alloc::vec::Vec;
use core::ops::Range;

use fastrand::Rng;
use fatcc_rt::cpu;

/// One thing to do with a number. A CPU is meant by its index.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Adds a constant.
    Add(u64),
    /// Makes so many bytes of it on the heap, in a box, a vector and a map, and sums them up.
    Allocate(u16),
    /// Goes on, on that CPU.
    Switch(usize),
    /// Lets others go on.
    Yield,
    /// Sleeps for so many microseconds.
    Sleep(u16),
    /// A task there does these with the number, and is awaited.
    Spawn(usize, Vec<Operation>),
    /// Both lists are done at once, by tasks on those CPUs; the results are added.
    Fork([(usize, Vec<Operation>); 2]),
    /// A task there, which would never end, is aborted.
    Abort(usize),
    /// That CPU is called with a closure that adds, and calls a third one back with another.
    Call(usize, usize, u64),
    /// A boxed closure made here multiplies, there.
    Closure(usize, u64),
    /// A trait object made here rotates, there, and is dropped there.
    Object(usize, u32),
    /// A function runs where it was placed last, by whomever.
    Placed(usize, u64),
    /// Adds to one of the totals under a lock, and waits inside or not.
    Lock(u8, u16),
    /// Reads what all write to all fields of at once.
    Read,
    /// So many numbers go through a channel with that much room to a task there, which folds them in order.
    Channel(usize, u8, u8),
    /// A task there panics, and its handle says so.
    Panic(usize),
}

/// A program and the number that it is known by.
pub struct Program {
    pub seed: u64,
    pub operations: Vec<Operation>,
}

/// Levels of lists within lists.
const DEPTH: usize = 3;

impl Program {
    /// The program with this number, of `size` operations.
    pub fn generate(seed: u64, size: usize) -> Program {
        let mut rng = Rng::with_seed(seed);
        let operations = list(&mut rng, size, DEPTH);
        Program { seed, operations }
    }

    /// The same with those operations only.
    pub fn keep(mut self, range: Range<usize>) -> Program {
        self.operations.truncate(range.end);
        self.operations.drain(..range.start.min(range.end));
        self
    }

    /// The number that it begins with.
    pub fn start(&self) -> u64 {
        self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// What comes out.
    pub fn expected(&self) -> u64 {
        expected(&self.operations, self.start())
    }
}

fn list(rng: &mut Rng, size: usize, depth: usize) -> Vec<Operation> {
    (0..size).map(|_| operation(rng, depth)).collect()
}

fn operation(rng: &mut Rng, depth: usize) -> Operation {
    let cpus = cpu::all().count();
    let cpu = rng.usize(0..cpus);
    let part = |rng: &mut Rng| {
        let size = rng.usize(1..5);
        list(rng, size, depth - 1)
    };
    match rng.u8(0..if depth > 0 { 18 } else { 14 }) {
        0 => Operation::Add(rng.u64(..)),
        1 => Operation::Allocate(rng.u16(1..2000)),
        2 | 3 => Operation::Switch(cpu),
        4 => Operation::Yield,
        5 => Operation::Sleep(rng.u16(0..300)),
        6 => Operation::Abort(cpu),
        7 => Operation::Call(cpu, rng.usize(0..cpus), rng.u64(..)),
        8 => Operation::Closure(cpu, rng.u64(..) | 1),
        9 => Operation::Object(cpu, rng.u32(0..64)),
        10 => Operation::Placed(cpu, rng.u64(..)),
        11 => Operation::Lock(rng.u8(..), rng.u16(..)),
        12 => Operation::Read,
        13 if rng.u8(0..8) == 0 => Operation::Panic(cpu),
        13 => Operation::Channel(cpu, rng.u8(1..4), rng.u8(1..20)),
        14 | 15 => Operation::Spawn(cpu, part(rng)),
        _ => Operation::Fork([(cpu, part(rng)), (rng.usize(0..cpus), part(rng))]),
    }
}

/// What `Allocate` makes of a number: the sum of bytes that depend on it.
pub fn byte(value: u64, at: u16) -> u8 {
    (value >> (at % 57)) as u8 ^ at as u8
}

/// What `Channel` folds with.
pub fn fold(value: u64, number: u64) -> u64 {
    value.rotate_left(5) ^ number
}

fn expected(operations: &[Operation], start: u64) -> u64 {
    operations
        .iter()
        .fold(start, |value, operation| match operation {
            Operation::Add(constant) => value.wrapping_add(*constant),
            Operation::Allocate(size) => {
                let sum: u64 = (0..*size).map(|at| u64::from(byte(value, at))).sum();
                value.wrapping_add(3 * sum)
            }
            Operation::Spawn(_, part) => expected(part, value),
            Operation::Fork([(_, one), (_, other)]) => {
                expected(one, value).wrapping_add(expected(other, value))
            }
            Operation::Call(_, _, constant) => value.wrapping_add(*constant) ^ constant,
            Operation::Closure(_, factor) => value.wrapping_mul(*factor),
            Operation::Object(_, bits) => value.rotate_left(*bits),
            Operation::Placed(_, constant) => value ^ constant,
            Operation::Channel(_, _, count) => (0..u64::from(*count)).fold(value, fold),
            Operation::Switch(_)
            | Operation::Yield
            | Operation::Sleep(_)
            | Operation::Abort(_)
            | Operation::Lock(..)
            | Operation::Read
            | Operation::Panic(_) => value,
        })
}
