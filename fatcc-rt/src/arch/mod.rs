//! What differs between instruction sets and between boards and Linux processes, behind the functions listed here.
//!
//! A folder per instruction set has its board, its system calls and its entries; `linux` has what a process does by
//! system calls; `either` chooses, at run time, and has exactly these functions. No other module says
//! `cfg(target_arch)`:
//!
//! | item | meaning |
//! | --- | --- |
//! | `LOCAL_INTERRUPTS` | whether a CPU may have interrupts that a lock must keep out, and waits only for other CPUs |
//! | `AWAKE` | least nanoseconds that a CPU without work stays awake |
//! | `cpu_index()` | index of this CPU |
//! | `image()` | the image's header |
//! | `interrupts_enabled()`, `interrupts_enable()`, `interrupts_disable()` | of this CPU |
//! | `relax()` | in a loop that waits for another CPU |
//! | `resume()` | behind such a loop: the next wait is another one |
//! | `clock()` | nanoseconds since some moment, monotonic |
//! | `one_clock()` | whether that moment is the same for all CPUs |
//! | `set_timer(after)` | one interrupt in so many nanoseconds; `None`: none |
//! | `wait()` | with interrupts off: sleep until one comes, take it, and return with interrupts off |
//! | `console_write(bytes)` | to the CPU's own console |
//! | `console_open()`, `console_read()` | has the console keep what is typed; the next byte of that |
//! | `exit(status)` | ends the run |
//! | `stop()` | ends this CPU, and not the run |
//! | `start_others()` | starts the further CPUs of this instruction set; called by its first one when there is a heap |
//! | `doorbell_start()`, `doorbell_join()` | starts the machine's doorbell; makes it interrupt this CPU |
//! | `doorbell_ring(cpu)` | interrupts another CPU |
//! | `restart(cpu)` | has another CPU enter `boot::start` again, whatever it does; false if it cannot be reached |
//! | `line_open(n)`, `line_complete(n)` | external interrupt lines, of the first CPU |
//! | `virtio_mmio()` | virtio-mmio slots of the board |
//! | `frame_pointer()`, `caller(frame)` | for backtraces |
//! | `on_stack(end, start, resume)` | runs [`attempt::body`](crate::attempt) on another stack; true if it was left |
//! | `leave_stack(resume)` | leaves it for the place where it was begun |
//! | `gates_mapped()` | whether function pointers may be called yet |
//!
//! What only one ISA has must not be called through pointers, for it has no code on the others: no `dyn`, and that
//! includes formatting, of types that a folder defines. Functions whose address hardware needs (trap vectors, entries) are labels inside assembly, never Rust functions:
//! a Rust function whose address is taken needs code on every ISA.

#[cfg(target_os = "none")]
mod either;
#[cfg(not(target_os = "none"))]
pub(crate) mod host;
#[cfg(target_os = "none")]
mod linux;
#[cfg(loom)]
pub(crate) mod model;
#[cfg(all(target_os = "none", target_arch = "riscv64"))]
mod riscv64;
#[cfg(all(target_os = "none", target_arch = "x86_64"))]
mod x86_64;

#[cfg(target_os = "none")]
pub(crate) use either::*;
#[cfg(not(any(target_os = "none", loom)))]
pub(crate) use host::*;
#[cfg(loom)]
pub(crate) use model::*;
#[cfg(all(target_os = "none", target_arch = "riscv64"))]
use riscv64 as isa;
#[cfg(all(target_os = "none", target_arch = "x86_64"))]
use x86_64 as isa;

#[cfg(target_os = "none")]
unsafe extern "C" {
    /// Defined by the linker at the note's descriptor.
    static __fat_image: fat_image::Header;
}

/// The header of the image that this code is part of.
#[cfg(target_os = "none")]
pub(crate) fn image() -> *const fat_image::Header {
    &raw const __fat_image
}
