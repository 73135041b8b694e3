//! Lines on the own machine's UART, each written whole and tagged with the CPU.
//!
//! The CPUs of an instruction set share a UART. Interrupts of the own CPU are off and the others wait while something is
//! written, so that a line that is printed by an interrupt handler, a panic or another CPU can only come between two
//! lines, or end an open one. A CPU that has died while it wrote is not waited for: the lock is given up after a while.

mod input;

use core::fmt::{self, Write};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use fat_image::machine::ISAS;

use crate::arch;
use crate::cpu::Cpu;
use crate::critical::Section;
use crate::sync::CacheAligned;

pub use input::line;

/// One UART. CPUs are noted by their indexes plus one; 0 is none.
struct Console {
    /// Who writes.
    writer: AtomicU32,
    /// Whose line is open.
    line_of: AtomicU32,
}

static CONSOLES: [CacheAligned<Console>; ISAS] = [const {
    CacheAligned(Console {
        writer: AtomicU32::new(0),
        line_of: AtomicU32::new(0),
    })
}; ISAS];

/// Nanoseconds after which a CPU that writes is taken to have died.
const PATIENCE: u64 = 1_000_000_000;

/// Prints to the own machine's console, without a line end.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(::core::format_args!($($arg)*)) };
}

/// Prints a line to the own machine's console.
#[macro_export]
macro_rules! println {
    () => { $crate::console::print_line(::core::format_args!("")) };
    ($($arg:tt)*) => { $crate::console::print_line(::core::format_args!($($arg)*)) };
}

/// What `print!` calls.
pub fn print(args: fmt::Arguments) {
    let _ = Writer::lock().write_fmt(args);
}

/// What `println!` calls.
pub fn print_line(args: fmt::Arguments) {
    let mut out = Writer::lock();
    let _ = out.write_fmt(args);
    let _ = out.write_str("\n");
}

/// Ends the line that is open, if one is.
#[cfg_attr(
    not(target_os = "none"),
    allow(dead_code, reason = "for reports of failures")
)]
pub(crate) fn end_line() {
    Writer::lock().end_line();
}

/// Lets the others write, if `cpu`, whose code of that time is abandoned, was writing.
pub(crate) fn give_up(cpu: Cpu) {
    let console = &CONSOLES[cpu.isa_index()].0;
    let own = cpu.index() as u32 + 1;
    let _ = console.writer.compare_exchange(own, 0, Release, Relaxed);
}

/// Having one means that no other CPU writes, unless one has died.
struct Writer {
    cpu: Cpu,
    console: &'static Console,
    /// Who wrote before: the own CPU may be in the middle of it when it fails.
    before: u32,
    _whole: Section,
}

impl Writer {
    fn lock() -> Writer {
        let whole = Section::enter();
        let cpu = Cpu::current();
        let console = &CONSOLES[cpu.isa_index()].0;
        let own = cpu.index() as u32 + 1;
        let start = arch::clock();
        let mut before = 0;
        while let Err(writer) = console
            .writer
            .compare_exchange_weak(before, own, Acquire, Relaxed)
        {
            let dead = arch::clock().wrapping_sub(start) > PATIENCE;
            before = if writer == own || dead { writer } else { 0 };
            arch::relax();
        }
        Writer {
            cpu,
            console,
            before: if before == own { own } else { 0 },
            _whole: whole,
        }
    }

    fn end_line(&mut self) {
        if self.console.line_of.swap(0, Relaxed) != 0 {
            arch::console_write(b"\n");
        }
    }

    fn begin_line(&mut self) {
        arch::console_write(b"[");
        arch::console_write(self.cpu.isa().as_bytes());
        // Not by formatting: a report of a failure should need as little as possible.
        let ordinal = self.cpu.ordinal();
        if ordinal > 0 {
            arch::console_write(&[b'.', b'0' + ordinal as u8]);
        }
        arch::console_write(b"] ");
    }
}

/// Begins every line with the CPU's name.
impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let own = self.cpu.index() as u32 + 1;
        for piece in text.split_inclusive('\n') {
            if self.console.line_of.load(Relaxed) != own {
                self.end_line();
                self.begin_line();
            }
            arch::console_write(piece.as_bytes());
            let open = !piece.ends_with('\n');
            self.console
                .line_of
                .store(if open { own } else { 0 }, Relaxed);
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.console.writer.store(self.before, Release);
    }
}

const _: () = assert!(crate::cpu::MAX < 10, "a CPU's number is one digit");
