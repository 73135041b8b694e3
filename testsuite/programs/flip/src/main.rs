//! Shared data that is the same on every ISA, until a feature makes one thing of it differ on riscv64.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::future::Future;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use fatcc_rt::cpu::Cpu;
use fatcc_rt::sync::Mutex;

fatcc_rt::main!(main);

/// Initial value of [`LIMIT`].
const INITIAL: u32 = if cfg!(all(feature = "value", target_arch = "riscv64")) {
    8
} else {
    7
};

static LIMIT: AtomicU32 = AtomicU32::new(INITIAL);

#[cfg(not(all(feature = "field-type", target_arch = "riscv64")))]
type Level = u32;
#[cfg(all(feature = "field-type", target_arch = "riscv64"))]
type Level = f32;

#[repr(C)]
#[cfg_attr(all(feature = "alignment", target_arch = "riscv64"), repr(align(16)))]
struct Settings {
    count: u64,
    level: Level,
    #[cfg(all(feature = "field-order", target_arch = "riscv64"))]
    high: u16,
    low: u16,
    #[cfg(not(all(feature = "field-order", target_arch = "riscv64")))]
    high: u16,
}

static SETTINGS: Mutex<Settings> = Mutex::new(Settings {
    count: 0,
    level: 0 as Level,
    low: 0,
    high: 0,
});

const WORDS: usize = if cfg!(all(feature = "size", target_arch = "riscv64")) {
    5
} else {
    4
};

static TABLE: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

trait Device {
    fn read(&self) -> u64;
}

#[repr(C)]
struct Port {
    #[cfg(all(feature = "trait-object", target_arch = "riscv64"))]
    width: u8,
    base: u32,
    #[cfg(not(all(feature = "trait-object", target_arch = "riscv64")))]
    width: u8,
}

impl Device for Port {
    #[inline(never)]
    fn read(&self) -> u64 {
        u64::from(self.base) << self.width
    }
}

#[cfg(all(feature = "coroutine", target_arch = "riscv64"))]
type Part = u32;
#[cfg(not(all(feature = "coroutine", target_arch = "riscv64")))]
type Part = u64;

async fn wait(first: u64) -> u64 {
    let kept = black_box([first as Part, 1]);
    fatcc_rt::task::yield_now().await;
    black_box(&kept).len() as u64
}

fn main(cpu: Cpu) {
    let mut settings = SETTINGS.lock();
    settings.count += 1;
    settings.level += LIMIT.load(Ordering::Relaxed) as Level;
    settings.low += 1;
    settings.high += settings.low;
    TABLE[cpu.index()].store(settings.count, Ordering::Relaxed);
    let device: Box<dyn Device> = Box::new(Port { base: 3, width: 1 });
    TABLE[3].store(black_box(device).read(), Ordering::Relaxed);
    if cpu.index() == 0 {
        let waiting: Box<dyn Future<Output = u64> + Send> = Box::new(wait(settings.count));
        fatcc_rt::task::spawn(Box::into_pin(waiting));
    }
}
