//! Ends badly in the way and on the CPU that features choose.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;

use fatcc_rt::cpu::Cpu;
use fatcc_rt::{FatFn, println};

fatcc_rt::main!(main);

fn main(cpu: Cpu) {
    let crashing = usize::from(cfg!(feature = "second"));
    let waits = cfg!(feature = "success") && cpu.index() != crashing;
    if waits || cfg!(feature = "forever") {
        fatcc_rt::task::spawn(async move {
            println!("CPU {} waits", cpu.index());
            if waits {
                fatcc_rt::task::sleep(Duration::from_secs(3600)).await;
            }
            loop {
                println!("typed: {}", fatcc_rt::console::line().await);
            }
        });
        return;
    }
    if cpu.index() != crashing {
        return;
    }
    println!("about to end");
    outer(black_box(1));
}

#[inline(never)]
fn outer(depth: u64) {
    inner(depth + 1);
    black_box(depth);
}

#[inline(never)]
fn inner(depth: u64) {
    if cfg!(feature = "panic") {
        panic!("depth {depth}");
    }
    if cfg!(feature = "fault") {
        // SAFETY: none: nothing is mapped at the address, which is what is tested.
        unsafe { black_box(16 as *mut u64).write_volatile(depth) };
    }
    if cfg!(feature = "write-text") {
        let code = FatFn::<fn(u64)>::new(outer).elements()[Cpu::current().index()];
        // SAFETY: none: text is not writable, which is what is tested.
        unsafe { black_box(code as *mut u64).write_volatile(depth) };
    }
    if cfg!(feature = "foreign-text") {
        fatcc_rt::heal::set_strict(true);
        let foreign = FatFn::<fn(u64)>::new(outer).elements()[1 - Cpu::current().index()];
        // SAFETY: none: text of another ISA is not executable, which is what is tested.
        let function: fn(u64) = unsafe { core::mem::transmute(foreign as usize) };
        black_box(function)(depth);
    }
    if cfg!(feature = "success") {
        fatcc_rt::exit(0);
    }
    if cfg!(feature = "status") {
        fatcc_rt::exit(7);
    }
    black_box(depth);
}
