//! What differs between instruction sets and boards, one folder each, behind the functions listed here.
//!
//! Every folder has exactly these, and no other module says `cfg(target_arch)`:
//!
//! | item | meaning |
//! | --- | --- |
//! | `LOCAL_INTERRUPTS` | whether the CPU has interrupts that a lock must keep out |
//! | `AWAKE` | nanoseconds that a CPU without work stays awake |
//! | `cpu_index()` | index of this CPU, which is the index of its instruction set in the image |
//! | `image()` | the image's header |
//! | `interrupts_enabled()`, `interrupts_enable()`, `interrupts_disable()` | of this CPU |
//! | `relax()` | in a loop that waits for another CPU |
//! | `clock()` | nanoseconds since some moment, monotonic |
//! | `set_timer(after)` | one interrupt in so many nanoseconds; `None`: none |
//! | `wait()` | with interrupts off: sleep until one comes, take it, and return with interrupts off |
//! | `console_write(bytes)` | to the CPU's own UART |
//! | `exit(status)` | ends the run |
//! | `doorbell_start()` | finds and starts the doorbell device |
//! | `line_open(n)`, `line_complete(n)` | external interrupt lines |
//! | `virtio_mmio()` | virtio-mmio slots of the board |
//! | `frame_pointer()`, `caller(frame)`, `stacks()` | for backtraces |
//! | `gates_mapped()` | whether function pointers may be called yet |
//!
//! What only one ISA has must not be called through pointers, for it has no code on the others: no `dyn`, and that
//! includes formatting, of types that a folder defines. Functions whose address hardware needs (trap vectors, entries) are labels inside assembly, never Rust functions:
//! a Rust function whose address is taken needs code on every ISA.

#[cfg(not(target_os = "none"))]
pub(crate) mod host;
#[cfg(all(target_os = "none", target_arch = "riscv64"))]
mod riscv64;
#[cfg(all(target_os = "none", target_arch = "x86_64"))]
mod x86_64;

#[cfg(not(target_os = "none"))]
pub(crate) use host::*;
#[cfg(all(target_os = "none", target_arch = "riscv64"))]
pub(crate) use riscv64::*;
#[cfg(all(target_os = "none", target_arch = "x86_64"))]
pub(crate) use x86_64::*;

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
