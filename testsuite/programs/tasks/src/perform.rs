//! Does what a program says, with all that the runtime has for it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use fatcc_rt::boot;
use fatcc_rt::call::call_on;
use fatcc_rt::cpu::{self, Cpu};
use fatcc_rt::sync::{Mutex, RwLock, channel};
use fatcc_rt::task::{self, JoinError};

use crate::program::{Operation, Program, byte, fold};

/// Runs the program; what comes out.
pub async fn perform(program: &Program) -> u64 {
    let mut value = program.start();
    for operation in &program.operations {
        value = one(operation, value).await;
    }
    value
}

/// As [`perform`], of a part, which is an operand of `operation`.
fn part(operations: &[Operation], start: u64) -> Pin<Box<dyn Future<Output = u64> + Send + '_>> {
    Box::pin(async move {
        let mut value = start;
        for operation in operations {
            value = one(operation, value).await;
        }
        value
    })
}

fn cpu_at(index: usize) -> Cpu {
    cpu::all().nth(index).expect("a CPU")
}

async fn one(operation: &Operation, value: u64) -> u64 {
    match operation {
        Operation::Add(constant) => value.wrapping_add(*constant),
        Operation::Allocate(size) => value.wrapping_add(allocate(value, *size)),
        Operation::Switch(cpu) => {
            let cpu = cpu_at(*cpu);
            task::switch_to(cpu).await;
            assert_eq!(Cpu::current(), cpu);
            value
        }
        Operation::Yield => {
            task::yield_now().await;
            value
        }
        Operation::Sleep(time) => {
            task::sleep(Duration::from_micros((*time).into())).await;
            value
        }
        Operation::Spawn(cpu, operations) => joined(start(*cpu, operations, value)).await,
        Operation::Fork([(one, first), (other, second)]) => {
            let (first, second) = (start(*one, first, value), start(*other, second, value));
            joined(first).await.wrapping_add(joined(second).await)
        }
        Operation::Abort(cpu) => {
            let endless = task::spawn_on(cpu_at(*cpu), core::future::pending::<()>());
            task::yield_now().await;
            endless.abort();
            assert_eq!(endless.await, Err(JoinError::Cancelled));
            value
        }
        Operation::Call(cpu, other, constant) => called(*cpu, *other, value, *constant),
        Operation::Closure(cpu, factor) => {
            let factor = *factor;
            let closure: Box<dyn FnOnce(u64) -> u64 + Send> =
                Box::new(move |value| value.wrapping_mul(factor));
            joined(task::spawn_on(cpu_at(*cpu), async move { closure(value) })).await
        }
        Operation::Object(cpu, bits) => {
            let mistake = u32::from(boot::parameter("mistake").is_some());
            let object: Box<dyn Rotate + Send> = Box::new(Rotation(*bits + mistake));
            joined(task::spawn_on(
                cpu_at(*cpu),
                async move { object.rotate(value) },
            ))
            .await
        }
        Operation::Placed(cpu, constant) => {
            fatcc_rt::place(exclusive_or, cpu_at(*cpu));
            exclusive_or(value, *constant)
        }
        Operation::Lock(which, amount) => {
            lock((*which).into(), (*amount).into());
            value
        }
        Operation::Read => {
            let all = *SAME.read();
            assert!(
                all.iter().all(|one| *one == all[0]),
                "half a write: {all:?}"
            );
            value
        }
        Operation::Channel(cpu, room, count) => through_channel(*cpu, *room, *count, value).await,
        Operation::Panic(cpu) => {
            panics(cpu_at(*cpu)).await;
            value
        }
    }
}

async fn joined(handle: task::JoinHandle<u64>) -> u64 {
    handle.await.unwrap_or_else(|error| panic!("{error}"))
}

/// A task of its own for some operations. It has a copy, for it may outlive who spawns it.
fn start(cpu: usize, operations: &[Operation], value: u64) -> task::JoinHandle<u64> {
    let operations = operations.to_vec();
    task::spawn_on(cpu_at(cpu), async move { part(&operations, value).await })
}

/// The same bytes three times, in memory of three kinds.
fn allocate(value: u64, size: u16) -> u64 {
    let boxed: Box<[u8]> = (0..size).map(|at| byte(value, at)).collect();
    let mut grown = Vec::new();
    let mut map = BTreeMap::new();
    for (at, byte) in boxed.iter().enumerate() {
        grown.push(*byte);
        map.insert(at.wrapping_mul(7919) % 65_521, *byte);
    }
    let sum = |bytes: &mut dyn Iterator<Item = u8>| bytes.map(u64::from).sum::<u64>();
    sum(&mut boxed.into_iter()) + sum(&mut grown.into_iter()) + sum(&mut map.into_values())
}

fn called(cpu: usize, other: usize, value: u64, constant: u64) -> u64 {
    let other = cpu_at(other);
    let outer = call_on(cpu_at(cpu), move || {
        let sum = value.wrapping_add(constant);
        call_on(other, move || sum ^ constant).unwrap_or_else(|error| panic!("{error}"))
    });
    outer.unwrap_or_else(|error| panic!("{error}"))
}

/// Something that is called through its table.
trait Rotate {
    fn rotate(&self, value: u64) -> u64;
}

struct Rotation(u32);

impl Rotate for Rotation {
    fn rotate(&self, value: u64) -> u64 {
        value.rotate_left(self.0)
    }
}

#[fatcc_rt::placeable]
fn exclusive_or(value: u64, constant: u64) -> u64 {
    let here = Cpu::current();
    let result = value ^ constant;
    assert_eq!(here, Cpu::current(), "a call runs at one place");
    result
}

const TOTALS: usize = 4;

/// What was added under locks, and what should have been, without any.
static TOTAL: [Mutex<u64>; TOTALS] = [const { Mutex::new(0) }; TOTALS];
static WANTED: AtomicU64 = AtomicU64::new(0);
/// All are equal whenever nobody writes.
static SAME: RwLock<[u64; 8]> = RwLock::new([0; 8]);

fn lock(which: usize, amount: u64) {
    WANTED.fetch_add(amount, Relaxed);
    {
        let mut total = TOTAL[which % TOTALS].lock();
        *total += amount;
    }
    for one in SAME.write().iter_mut() {
        *one += amount;
    }
}

/// Nothing that was added is lost.
pub fn check_totals() {
    let total: u64 = TOTAL.iter().map(|total| *total.lock()).sum();
    let wanted = WANTED.load(Relaxed);
    assert_eq!(total, wanted, "the totals");
    assert_eq!(*SAME.read(), [wanted; 8], "what all write to");
}

/// Panics of a run at most: a stack that was left by one is not used again.
const PANICS: u64 = 8;

async fn panics(cpu: Cpu) {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    if SEEN.fetch_add(1, Relaxed) >= PANICS {
        return;
    }
    let failing = task::spawn_on(cpu, async { panic!("as it should") });
    let Err(JoinError::Panicked(panicked)) = failing.await else {
        panic!("a task that panics has no result")
    };
    assert_eq!(panicked.message(), "as it should");
}

async fn through_channel(cpu: usize, room: u8, count: u8, value: u64) -> u64 {
    let (sender, receiver) = channel::bounded(room.into());
    let folding = task::spawn_on(cpu_at(cpu), async move {
        let mut value = value;
        while let Ok(number) = receiver.recv().await {
            value = fold(value, number);
        }
        value
    });
    for number in 0..u64::from(count) {
        sender
            .send(number)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }
    drop(sender);
    joined(folding).await
}
