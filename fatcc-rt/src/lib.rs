//! The runtime inside a fat image: one program, one set of data, one address space, and CPUs of every instruction set.
//!
//! The layers, lowest first:
//!
//! | module | what it is |
//! | --- | --- |
//! | `arch` | a folder per instruction set, and Linux, behind one small set of functions: entry, traps, clock, console, exit |
//! | [`image`], [`FatFn`], `paging` | what the linker left in memory: regions, function arrays, symbols; page tables made of it |
//! | [`heal`] | where a CPU goes on that has come to another instruction set's code |
//! | [`sync`] | locks that hold across instruction sets and interrupts, and events that tasks wait for |
//! | [`cpu`], [`doorbell`], [`irq`], [`time`] | the CPUs, their clocks, and how they interrupt each other |
//! | [`task`] | an executor per CPU; tasks are spawned on any CPU, woken from any CPU, and move |
//! | [`call`], [`attempt`], [`health`] | calls to another CPU, panics that do not end a CPU, CPUs that stop answering |
//! | [`placed`] | functions that run on a CPU of one's choice, whoever calls them |
//! | [`boot`], [`litmus`] | the way from each CPU's entry to `main`, with a test of what everything else rests on |
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
// The attribute names this crate so.
extern crate self as fatcc_rt;
#[cfg(not(target_os = "none"))]
extern crate std;

mod arch;
mod atomic;
pub mod attempt;
pub mod boot;
pub mod call;
pub mod console;
pub mod cpu;
mod critical;
pub mod doorbell;
mod fatfn;
pub mod heal;
pub mod health;
mod heap;
#[cfg(not(target_os = "none"))]
pub mod host;
pub mod image;
#[cfg(not(loom))]
pub mod irq;
mod ivshmem;
#[cfg(not(loom))]
pub mod litmus;
#[cfg(all(test, loom))]
mod models;
mod paging;
#[cfg(target_os = "none")]
mod panic;
pub mod placed;
pub mod platform;
mod stacks;
pub mod sync;
pub mod task;
pub mod time;

pub use fatfn::FatFn;
pub use placed::{place, placed_on, unplace};

/// A function with this attribute is called like any function, and [`place`] and [`unplace`] change on which CPU it runs,
/// while the system runs. So does the boot parameter `place=FUNCTION:CPU`, before any `main` begins: the function's name,
/// with so much of its path as is needed, and a CPU by [name](cpu::Cpu::named).
///
/// ```
/// use fatcc_rt as fat;
/// use fatcc_rt::{cpu, host};
///
/// #[fat::placeable]
/// fn checksum(bytes: &[u8]) -> (u32, cpu::Cpu) {
///     (bytes.iter().map(|byte| u32::from(*byte)).sum(), cpu::current())
/// }
///
/// host::run(2, |own| {
///     let other = cpu::all().find(|other| *other != own).unwrap();
///     if own.index() == 0 {
///         let bytes = [1, 2, 3];
///         assert_eq!(checksum(&bytes), (6, own));
///         fat::place(checksum, other);
///         assert_eq!(checksum(&bytes), (6, other));
///         fat::unplace(checksum);
///         assert_eq!(checksum(&bytes), (6, own));
///     }
/// });
/// ```
///
/// The caller waits, so arguments may be references; arguments and result must be [`Send`]. A panic in the body is one
/// in the caller, as with any function. While a CPU waits it runs the calls that others make to it; one that holds
/// a lock of this runtime's must not wait, so a call from there to another CPU panics. The place takes calls when it runs no task
/// ([`call`]). A call to a CPU that is offline runs where it is made, which is counted, and said once; a CPU that goes
/// offline in the middle of a call makes the call panic.
///
/// Any free function can be placed, `unsafe` and `extern "C"` ones and those with lifetimes too. What cannot is refused:
///
/// ```compile_fail
/// #[fatcc_rt::placeable]
/// fn generic<T: Send>(value: T) -> T { // it is many functions
///     value
/// }
/// ```
///
/// ```compile_fail
/// #[fatcc_rt::placeable]
/// async fn awaits() {} // a task moves by `switch_to`
/// ```
///
/// ```compile_fail,E0277
/// #[fatcc_rt::placeable]
/// fn not_send(value: std::rc::Rc<u32>) {}
/// ```
pub use fat_macros::placeable;

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
