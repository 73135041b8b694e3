//! The end by failure: what happened, where, and the end of the run.
//!
//! Nothing here locks or allocates: whoever fails may hold any lock. The own CPU reports and ends its machine; the
//! runner ends the others.

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::Ordering::Relaxed;

use crate::cpu::Cpu;
use crate::{arch, image, print, println};

/// Status of a run that ends so; the one of a Rust program that panics.
const STATUS: u8 = 101;
const MOST_FRAMES: usize = 4096;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    if !arch::gates_mapped() {
        // Formatting calls through function pointers.
        arch::console_write(b"panic before the page tables are set\n");
        arch::exit(STATUS);
    }
    begin();
    println!("{info}");
    end(arch::frame_pointer(), [None, None])
}

/// An exception of the CPU, in words that are the same for all of them.
pub(crate) struct Fault<'a> {
    /// What the instruction set calls it.
    pub(crate) name: &'static str,
    /// The number that came with it.
    pub(crate) code: u64,
    pub(crate) cause: Cause,
    /// The instruction.
    pub(crate) at: usize,
    /// Where a function was called that has no frame yet.
    pub(crate) caller: Option<usize>,
    /// The frame pointer.
    pub(crate) frame: usize,
    pub(crate) registers: &'a [(&'static str, u64)],
}

/// What an exception means here.
pub(crate) enum Cause {
    StackFull,
    /// To an address where nothing is that may be read, or written.
    Access(usize),
    /// To an address where nothing is that this CPU may execute.
    Jump(usize),
    Other,
}

/// Reports an exception and ends the run.
pub(crate) fn fault(fault: &Fault) -> ! {
    begin();
    println!("{}, code {:#x}{}", fault.name, fault.code, fault.cause);
    for line in fault.registers.chunks(4) {
        for (name, value) in line {
            print!("  {name:<3} {value:016x}");
        }
        println!();
    }
    end(fault.frame, [Some(fault.at), fault.caller])
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let image = image::Image::this();
        match *self {
            Cause::Other => Ok(()),
            Cause::StackFull => f.write_str(": the stack is full"),
            Cause::Access(address) => write!(f, ": address {address:#x}"),
            Cause::Jump(address) => match image.isa_of_text(address) {
                Some(isa) if isa != Cpu::current().index() => {
                    write!(f, ": a jump into code of {}", image.isas()[isa].name())?;
                    match image::symbolize(address) {
                        Some(function) => write!(f, ", {}", function.name),
                        None => Ok(()),
                    }
                }
                _ => write!(f, ": a jump to {address:#x}, which is no code"),
            },
        }
    }
}

/// The first failure of a CPU comes back from here.
fn begin() {
    arch::interrupts_disable();
    let record = Cpu::current().record();
    if record.panicking.swap(true, Relaxed) {
        arch::console_write(b"\nfailure while reporting a failure\n");
        arch::exit(STATUS);
    }
    if record.console_in_line.load(Relaxed) {
        println!();
    }
}

/// Shows the addresses `innermost` and the callers of the function whose frame pointer is `frame`, and ends the run.
fn end(frame: usize, innermost: [Option<usize>; 2]) -> ! {
    println!("backtrace, innermost first:");
    for address in innermost.into_iter().flatten() {
        line(address, address);
    }
    backtrace(frame);
    arch::exit(STATUS)
}

fn backtrace(mut frame: usize) {
    let stacks = arch::stacks();
    let (mut last, mut repeated) = (0, 0);
    for _ in 0..MOST_FRAMES {
        let on_stack =
            |stack: &core::ops::Range<usize>| stack.start + 16 <= frame && frame + 16 <= stack.end;
        if !frame.is_multiple_of(8) || !stacks.iter().any(on_stack) {
            break;
        }
        // SAFETY: 16 bytes on either side of the frame pointer are in a mapped stack.
        let (return_address, caller) = unsafe { arch::caller(frame) };
        if return_address == 0 {
            break;
        }
        if return_address == last {
            repeated += 1;
        } else {
            repetitions(repeated);
            repeated = 0;
            // The call is before the address where it returns to, which may be in the next function already.
            line(return_address, return_address - 1);
        }
        (frame, last) = (caller, return_address);
    }
    repetitions(repeated);
}

fn repetitions(repeated: u32) {
    if repeated > 0 {
        println!("  … {repeated} more times");
    }
}

fn line(shown: usize, inside: usize) {
    match image::symbolize(inside) {
        Some(function) => println!("  {shown:#014x} {function}"),
        None => println!("  {shown:#014x}"),
    }
}
