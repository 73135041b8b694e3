//! The end by failure: what happened, where, and the end of the run.
//!
//! Nothing here locks or allocates: whoever fails may hold any lock. The own CPU reports and ends its machine; the
//! runner ends the others.

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::Ordering::Relaxed;

use crate::cpu::Cpu;
use crate::{arch, image, println};

/// Status of a run that ends so; the one of a Rust program that panics.
const STATUS: u8 = 101;
const MOST_FRAMES: usize = 48;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    if !arch::gates_mapped() {
        // Formatting calls through function pointers.
        arch::console_write(b"panic before the page tables are set\n");
        arch::exit(STATUS);
    }
    fail(format_args!("{info}"), arch::frame_pointer(), None)
}

/// Reports `message` and ends the run. `frame` is the frame pointer where it happened, and `fault` the address, if that
/// is not where the frame says.
pub(crate) fn fail(message: fmt::Arguments, frame: usize, fault: Option<usize>) -> ! {
    arch::interrupts_disable();
    let record = Cpu::current().record();
    if record.panicking.swap(true, Relaxed) {
        arch::console_write(b"\nfailure while reporting a failure\n");
        arch::exit(STATUS);
    }
    if record.console_in_line.load(Relaxed) {
        println!();
    }
    println!("{message}");
    println!("backtrace, innermost first:");
    if let Some(address) = fault {
        line(address, address);
    }
    backtrace(frame);
    arch::exit(STATUS)
}

fn backtrace(mut frame: usize) {
    let stacks = arch::stacks();
    for _ in 0..MOST_FRAMES {
        let on_stack =
            |stack: &core::ops::Range<usize>| stack.start + 16 <= frame && frame + 16 <= stack.end;
        if !frame.is_multiple_of(8) || !stacks.iter().any(on_stack) {
            return;
        }
        // SAFETY: 16 bytes on either side of the frame pointer are in a mapped stack.
        let (return_address, caller) = unsafe { arch::caller(frame) };
        if return_address == 0 {
            return;
        }
        // The call is before the address where it returns to, which may be in the next function already.
        line(return_address, return_address - 1);
        frame = caller;
    }
    println!("  …");
}

fn line(shown: usize, inside: usize) {
    match image::symbolize(inside) {
        Some(function) => println!("  {shown:#014x} {function}"),
        None => println!("  {shown:#014x}"),
    }
}

/// Says where a jump to `address`, which may not be executed here, wanted to go.
pub(crate) fn explain_jump(
    f: &mut fmt::Formatter,
    address: usize,
    own: usize,
    image: image::Image,
) -> fmt::Result {
    match image.isa_of_text(address) {
        Some(isa) if isa != own => {
            write!(
                f,
                ": a jump into the code of {}, ",
                image.isas()[isa].name()
            )?;
            match image::symbolize(address) {
                Some(function) => write!(f, "{function}"),
                None => write!(f, "{address:#x}"),
            }
        }
        _ => write!(f, ": a jump to {address:#x}, which is no code"),
    }
}
