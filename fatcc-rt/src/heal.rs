//! Jumps into code of another instruction set, which go on in the own code of the same function.
//!
//! A function pointer is a gate and leads to the own code. An address of code can still come to another instruction
//! set, from assembly or from an object that was made elsewhere. No CPU may execute another one's text, so the jump faults;
//! its handler asks [`own_code`] where to go on instead. That costs a fault each time, so it is counted.
//!
//! ```
//! use fatcc_rt::heal;
//!
//! for (function, times) in heal::jumps() {
//!     println!("{}: {times} jumps from other instruction sets", function.name);
//! }
//! # assert_eq!(heal::jumps().count(), 0);
//! heal::set_strict(true); // From here on such a jump ends the run.
//! ```
//!
//! It is the function that is found, by the function arrays or by its name: a jump to anywhere but a function's first
//! byte stays a failure.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use crate::cpu::Cpu;
use crate::image::{self, Function, Image};

/// Functions that are counted by themselves.
const FUNCTIONS: usize = 64;

static STRICT: AtomicBool = AtomicBool::new(false);
static JUMPS: Jumps = Jumps::new();

/// Whether such a jump is a failure that ends the run and names caller and function, as it is not at first.
pub fn set_strict(strict: bool) {
    STRICT.store(strict, Relaxed);
}

/// The functions that CPUs have come to by such jumps, and how often. If there are more than the table has places for,
/// the rest is in [`uncounted`].
pub fn jumps() -> impl Iterator<Item = (Function, u64)> {
    let counted = JUMPS.functions.iter();
    counted.filter_map(|(code, times)| {
        let function = image::symbolize(code.load(Relaxed))?;
        Some((function, times.load(Relaxed)))
    })
}

/// Jumps to functions that [`jumps`] has no place for.
pub fn uncounted() -> u64 {
    JUMPS.others.load(Relaxed)
}

/// Where this CPU goes on that has jumped to `address`; `None` if it is no function of another instruction set, or if
/// that is to be a failure. Called by fault handlers.
#[cfg_attr(
    not(target_os = "none"),
    allow(dead_code, reason = "the host has no faults")
)]
pub(crate) fn own_code(address: usize) -> Option<usize> {
    let own = Cpu::current().isa_index();
    let function = Image::this().counterpart(address, own)?;
    if STRICT.load(Relaxed) {
        return None;
    }
    JUMPS.count(function.first);
    Some(function.own)
}

/// A table that never shrinks. A place without code is free.
struct Jumps {
    /// Code of the first instruction set, and the number of jumps.
    functions: [(AtomicUsize, AtomicU64); FUNCTIONS],
    others: AtomicU64,
}

impl Jumps {
    const fn new() -> Jumps {
        Jumps {
            functions: [const { (AtomicUsize::new(0), AtomicU64::new(0)) }; FUNCTIONS],
            others: AtomicU64::new(0),
        }
    }

    /// Neither locks nor allocates: whoever has jumped may hold any lock.
    fn count(&self, function: usize) {
        for (code, times) in &self.functions {
            let taken = code.compare_exchange(0, function, Relaxed, Relaxed);
            if taken.is_ok() || taken == Err(function) {
                times.fetch_add(1, Relaxed);
                return;
            }
        }
        self.others.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_counted_by_function_and_the_rest_together() {
        let jumps = Jumps::new();
        for function in 1..=FUNCTIONS + 2 {
            jumps.count(function);
        }
        jumps.count(2);
        let times = |at: usize| jumps.functions[at].1.load(Relaxed);
        assert_eq!((times(0), times(1), times(FUNCTIONS - 1)), (1, 2, 1));
        assert_eq!(jumps.others.load(Relaxed), 2);
    }
}
