//! Failures: what happened, where, and the end of the [attempt](crate::attempt) that failed; outside of one, the end of the CPU
//! if [the others go on](crate::health), and else of the run.
//!
//! Nothing here locks or allocates: whoever fails may hold any lock. The own CPU reports and ends its machine; the
//! runner ends the others.

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::Ordering::Relaxed;

use crate::cpu::Cpu;
use crate::{arch, attempt, console, health, image, print, println, stacks};

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
    report(arch::frame_pointer(), [None, None]);
    if attempt::can_leave() {
        match info.location() {
            Some(place) => attempt::leave(place, info.message()),
            None => attempt::leave("", info.message()),
        }
    }
    end()
}

/// Ends this CPU, and the run if the others do not go on without it.
fn end() -> ! {
    if health::resign() {
        arch::stop();
    }
    arch::exit(STATUS)
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

/// Reports an exception, and ends what has caused it: an attempt, or this CPU.
pub(crate) fn fault(fault: &Fault) -> ! {
    begin();
    print!("{fault}");
    // The call is before the address where it returns to.
    let caller = fault
        .caller
        .and_then(|at| image::symbolize(at.wrapping_sub(1)));
    match caller {
        Some(caller) => println!(", called by {}", caller.name),
        None => println!(),
    }
    for line in fault.registers.chunks(4) {
        for (name, value) in line {
            print!("  {name:<3} {value:016x}");
        }
        println!();
    }
    report(fault.frame, [Some(fault.at), fault.caller]);
    if attempt::can_leave() {
        // Of a jump to where no code is, only the caller is known.
        let place = image::symbolize(fault.at).or(caller);
        match place {
            Some(function) => attempt::leave(function, fault),
            None => attempt::leave("", fault),
        }
    }
    end()
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}, code {:#x}{}", self.name, self.code, self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let image = image::Image::this();
        match *self {
            Cause::Other => Ok(()),
            Cause::StackFull => f.write_str(": the stack is full"),
            Cause::Access(address) => write!(f, ": address {address:#x}"),
            Cause::Jump(address) => match image.isa_of_text(address) {
                Some(isa) if isa != Cpu::current().isa_index() => {
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
        end();
    }
    console::end_line();
}

/// Shows the addresses `innermost` and the callers of the function whose frame pointer is `frame`.
fn report(frame: usize, innermost: [Option<usize>; 2]) {
    println!("backtrace, innermost first:");
    for address in innermost.into_iter().flatten() {
        line(address, address);
    }
    backtrace(frame);
}

fn backtrace(mut frame: usize) {
    let (mut last, mut repeated) = (0, 0);
    for _ in 0..MOST_FRAMES {
        if !frame.is_multiple_of(8)
            || !stacks::contains(frame.wrapping_sub(16)..frame.wrapping_add(16))
        {
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
