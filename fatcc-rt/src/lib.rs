//! The runtime inside a fat image: one program, one set of data, one address space, and a CPU of every instruction set.
//!
//! The layers, lowest first:
//!
//! | module | what it is |
//! | --- | --- |
//! | `arch` | a folder per instruction set behind one small set of functions: entry, traps, clock, console, exit |
//! | [`image`], [`FatFn`], `paging` | what the linker left in memory: regions, function arrays, symbols; page tables made of it |
//! | [`sync`] | locks that hold across instruction sets and interrupts, and events that tasks wait for |
//! | [`cpu`], [`doorbell`], [`irq`], [`time`] | the CPUs, their clocks, and how they interrupt each other |
//! | [`task`] | an executor per CPU; tasks are spawned on any CPU and woken from any CPU |
//! | `boot`, [`litmus`] | the way from each CPU's entry to `main`, with a test of what everything else rests on |
//!
//! A program is one `fn main(cpu: Cpu)` that every CPU calls:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! fatcc_rt::main!(main);
//! fn main(cpu: fatcc_rt::cpu::Cpu) {
//!     fatcc_rt::println!("hello");
//! }
//! ```
//!
//! Invariants: no type or initial value of a shared static depends on the instruction set (what does is in `arch`, under
//! a name of its own); nothing outside `arch` names an instruction set; every shared atomic is naturally aligned and at
//! most eight bytes. The crate also compiles for the host, where threads stand in for CPUs: that is how it is tested.
#![no_std]
#![cfg_attr(
    not(target_os = "none"),
    allow(
        dead_code,
        reason = "the host has no boot, traps or page tables to use it"
    )
)]

extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std;

mod arch;
mod boot;
pub mod console;
pub mod cpu;
mod critical;
pub mod doorbell;
mod fatfn;
#[cfg(target_os = "none")]
mod heap;
pub mod image;
pub mod irq;
mod ivshmem;
pub mod litmus;
mod paging;
#[cfg(target_os = "none")]
mod panic;
pub mod platform;
pub mod sync;
pub mod task;
pub mod time;

pub use fatfn::FatFn;

/// Number of instruction sets in an image that this version of the runtime runs in; the boot asserts it.
pub const ISA_COUNT: usize = 2;

/// Names the function, `fn(Cpu)`, that every CPU calls once after all CPUs have booted. When it has returned, the CPU
/// runs its tasks; when it has returned on all CPUs and no task is left anywhere, the run ends with status 0.
#[macro_export]
macro_rules! main {
    ($main:path) => {
        #[unsafe(no_mangle)]
        fn __fat_main(cpu: $crate::cpu::Cpu) {
            $main(cpu)
        }
    };
}

/// Ends the run of all CPUs; 0 is success.
pub fn exit(status: u8) -> ! {
    arch::exit(status)
}
