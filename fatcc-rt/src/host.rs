//! Programs for fat images as tests on the host: threads stand in for CPUs.
//!
//! There are two instruction sets, by name; the code is the host's on all CPUs, and there are no interrupts. Everything
//! else is as in an image: run queues, locks, doorbells, time.

use crate::arch;
use crate::cpu::Cpu;

/// Runs `main` on so many CPUs, as [`main!`](crate::main) does, until no task is left. One run at a time.
///
/// # Panics
/// If there can not be so many CPUs, or if `main` panics on one of them, or a task whose handle nobody awaits.
pub fn run(cpus: usize, main: impl Fn(Cpu) + Sync) {
    arch::run_cpus(cpus, main);
}
