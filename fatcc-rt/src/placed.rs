//! Functions that are placed: called like any function, they run on the CPU that somebody has chosen, and the choice may
//! change while the system runs.
//!
//! What `#[placeable]` makes of a function `f` looks at one word, `f`'s *place*, and then calls `f`'s body, or has the CPU
//! that the word names call it ([`call`](crate::call)) and waits. Both are plain Rust code of every instruction set, so
//! a pointer to `f` has a gate like any other and obeys too, whenever it was taken.
//!
//! Invariant: a call reads the place once. The word is written by one store, so every call runs entirely at the old place
//! or entirely at the new one, and a call that begins after [`place`] has returned runs at the new one, on whichever CPU
//! and instruction set it begins. Elements of function arrays, one for each instruction set, could not all change at one
//! moment, and could not tell CPUs of one instruction set apart.
//!
//! A call to a CPU that is offline, or goes offline before it has begun the call, runs where it was made: a place is
//! where a function runs best, and everywhere else it runs as well, as it does before it is placed. A CPU that
//! dies in the middle of a call leaves it half done; then the call panics.

mod parameter;

use core::any::{TypeId, type_name};
use core::fmt;
use core::sync::atomic::Ordering::{Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::call::{self, Unreturned};
use crate::cpu::Cpu;
use crate::println;

#[cfg(target_os = "none")]
pub(crate) use parameter::place_by_parameters;

/// A placeable function, as the runtime knows it.
pub struct Placed {
    /// Where in the program it is, and its name.
    path: &'static str,
    /// Of the function's own type.
    identity: TypeId,
    /// 0: where it is called. Else the index of a CPU, plus one.
    place: AtomicU32,
    /// Calls that ran where they were made because the place was offline.
    fallen_back: AtomicU64,
}

/// What the list of all placeable functions is made of.
#[doc(hidden)]
pub type Entry = Option<&'static Placed>;

const WHERE_CALLED: u32 = 0;

/// An array that no object puts an element into would have no bounds.
#[used]
#[unsafe(link_section = "fat_placeable")]
static NONE: Entry = None;

unsafe extern "C" {
    /// Defined by the linker at the first [`Entry`].
    static __start_fat_placeable: u8;
    /// Defined by the linker behind the last one.
    static __stop_fat_placeable: u8;
}

/// All placeable functions of the program.
pub fn all() -> impl Iterator<Item = &'static Placed> {
    let start = (&raw const __start_fat_placeable).cast::<Entry>();
    let stop = &raw const __stop_fat_placeable;
    let count = (stop.addr() - start.addr()) / size_of::<Entry>();
    // SAFETY: between the bounds there are entries, and nobody writes them.
    let entries = unsafe { core::slice::from_raw_parts(start, count) };
    entries.iter().filter_map(|entry| *entry)
}

impl Placed {
    /// For the attribute.
    #[doc(hidden)]
    pub const fn new<F: 'static>(path: &'static str, _: &F) -> Placed {
        Placed {
            path,
            identity: TypeId::of::<F>(),
            place: AtomicU32::new(WHERE_CALLED),
            fallen_back: AtomicU64::new(0),
        }
    }

    /// Where in the program it is, such as `program::module::function`.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The CPU where it runs; `None` if it runs where it is called.
    pub fn place(&self) -> Option<Cpu> {
        cpu_of(self.place.load(Relaxed))
    }

    /// Calls that ran where they were made, because the CPU where it runs was offline.
    pub fn fallen_back(&self) -> u64 {
        self.fallen_back.load(Relaxed)
    }

    /// As [`place`], or, without a CPU, [`unplace`].
    pub fn set_place(&self, cpu: Option<Cpu>) -> Option<Cpu> {
        let place = cpu.map_or(WHERE_CALLED, |cpu| cpu.index() as u32 + 1);
        // What was done before is done for a call that finds the new place.
        cpu_of(self.place.swap(place, Release))
    }

    /// Calls `body` where this function is placed. For the attribute.
    #[doc(hidden)]
    #[inline]
    pub fn call<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        match cpu_of(self.place.load(Relaxed)) {
            Some(there) if there != Cpu::current() => self.call_on(there, body),
            _ => body(),
        }
    }

    #[inline(never)]
    fn call_on<T: Send>(&self, there: Cpu, body: impl FnOnce() -> T + Send) -> T {
        assert!(
            Cpu::current().record().locks.count() == 0,
            "{self}, which is placed on {there}, was called by a CPU that holds a lock: it cannot wait for a call"
        );
        // SAFETY: what was not returned, and has begun, is a panic here.
        match unsafe { call::call_borrowing(there, body) } {
            Ok(result) => result,
            Err(Unreturned::NotBegun(body)) => {
                self.fall_back(there);
                body()
            }
            Err(Unreturned::Panicked(panicked)) => panic!("{self} {panicked}"),
            Err(Unreturned::Lost) => panic!("{there} went offline while it ran {self}"),
        }
    }

    fn fall_back(&self, there: Cpu) {
        if self.fallen_back.fetch_add(1, Relaxed) == 0 {
            println!("{self} is placed on {there}, which is offline: it runs where it is called");
        }
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.path)
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Placed({self} on {:?})", self.place())
    }
}

fn cpu_of(place: u32) -> Option<Cpu> {
    let index = place.checked_sub(1)?;
    Some(Cpu::from_index(index as usize))
}

/// An argument as it goes to another CPU. For the attribute.
#[doc(hidden)]
#[inline(always)]
pub fn sendable<T: Send>(argument: T) -> T {
    argument
}

/// Makes `function`, which is [`placeable`](crate::placeable), run on `cpu`, whoever calls it. Returns where it ran before, if
/// it was placed.
///
/// Calls that have begun run to their end where they are. Calls that begin after this has returned run on `cpu`.
///
/// # Panics
/// If `function` is not placeable. A pointer to it is not: name the function.
#[track_caller]
pub fn place<F: 'static>(function: F, cpu: Cpu) -> Option<Cpu> {
    known(&function).set_place(Some(cpu))
}

/// Makes `function`, which is [`placeable`](crate::placeable), run where it is called. Returns where it ran before, if it
/// was placed.
///
/// # Panics
/// As [`place`].
#[track_caller]
pub fn unplace<F: 'static>(function: F) -> Option<Cpu> {
    known(&function).set_place(None)
}

/// The CPU where `function`, which is [`placeable`](crate::placeable), runs; `None` if it runs where it is called.
///
/// # Panics
/// As [`place`].
#[track_caller]
pub fn placed_on<F: 'static>(function: F) -> Option<Cpu> {
    known(&function).place()
}

#[track_caller]
fn known<F: 'static>(_: &F) -> &'static Placed {
    let found = all().find(|placed| placed.identity == TypeId::of::<F>());
    found.unwrap_or_else(|| panic!("{} is not `#[placeable]`", type_name::<F>()))
}

#[cfg(all(test, not(loom), not(miri)))]
mod tests;
