//! Lines on the own CPU's UART, each written whole and tagged with the CPU's instruction set.
//!
//! Every CPU has a UART of its own, so there is no lock: interrupts are off while a line is written, and a line that is
//! printed by an interrupt handler or by a panic can only come between two lines of the same CPU, or end an open one.

use core::fmt::{self, Write};
use core::sync::atomic::Ordering::Relaxed;

use crate::arch;
use crate::cpu::Cpu;
use crate::critical::Section;

/// Prints to the own CPU's console, without a line end.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(::core::format_args!($($arg)*)) };
}

/// Prints a line to the own CPU's console.
#[macro_export]
macro_rules! println {
    () => { $crate::console::print_line(::core::format_args!("")) };
    ($($arg:tt)*) => { $crate::console::print_line(::core::format_args!($($arg)*)) };
}

/// What `print!` calls.
pub fn print(args: fmt::Arguments) {
    let _whole = Section::enter();
    let _ = Tagged(Cpu::current()).write_fmt(args);
}

/// What `println!` calls.
pub fn print_line(args: fmt::Arguments) {
    let _whole = Section::enter();
    let mut out = Tagged(Cpu::current());
    let _ = out.write_fmt(args);
    let _ = out.write_str("\n");
}

/// Begins every line with the CPU's name.
struct Tagged(Cpu);

impl fmt::Write for Tagged {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let in_line = &self.0.record().console_in_line;
        for piece in text.split_inclusive('\n') {
            if !in_line.load(Relaxed) {
                arch::console_write(b"[");
                arch::console_write(self.0.isa().as_bytes());
                arch::console_write(b"] ");
            }
            arch::console_write(piece.as_bytes());
            in_line.store(!piece.ends_with('\n'), Relaxed);
        }
        Ok(())
    }
}
