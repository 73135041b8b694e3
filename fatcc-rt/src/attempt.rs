//! Code that may panic, on a CPU that goes on behind it. An exception of the CPU counts as a panic of the code that it ran.
//!
//! Nothing unwinds in an image. So an attempt runs on a stack of its own; if it panics, that stack is left as it is and
//! never used again, and the CPU goes on where it began the attempt. What was on the stack is never dropped, as if its
//! thread had stopped for ever, so borrows of it stay good. The locks that it took are taken back and poisoned
//! ([`held`]). On the host a panic unwinds.
//!
//! Attempts nest: a call that another CPU makes while this one waits is an attempt within whatever runs here.

use alloc::string::String;
use core::fmt;

use crate::cpu::Cpu;

/// What is known of a panic in a task, or in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    cpu: Cpu,
    message: String,
    place: String,
}

impl Panicked {
    /// The CPU on which it happened.
    pub fn cpu(&self) -> Cpu {
        self.cpu
    }

    /// The panic's message, or its beginning if it is very long.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// File, line and column, as far as they are known; of an exception of the CPU the function.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "panicked on {}", self.cpu)?;
        if !self.place.is_empty() {
            write!(f, " at {}", self.place)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl core::error::Error for Panicked {}

#[cfg(target_os = "none")]
pub(crate) use image::{Frame, Start, attempt, body, can_leave, leave, on_new_stack};

#[cfg(target_os = "none")]
mod image {
    use core::cell::UnsafeCell;
    use core::convert::Infallible;
    use core::fmt::{Display, Write};
    use core::sync::atomic::Ordering::Relaxed;

    use super::{Cpu, Panicked, String};
    use crate::cpu::{MAX, PerCpu};
    use crate::critical::Depth;
    use crate::sync::{CacheAligned, held};
    use crate::{arch, console, println, stacks};

    /// An attempt that has begun and not ended.
    pub(crate) struct Frame {
        /// The one that it is within, or null.
        below: *mut Frame,
        /// What `arch` needs to go on behind it.
        resume: usize,
    }

    /// What runs on the new stack.
    #[repr(C)]
    pub(crate) struct Start {
        run: unsafe fn(*mut u8),
        work: *mut u8,
    }

    /// Called by `arch` on the new stack.
    pub(crate) extern "C" fn body(start: *const Start) {
        // SAFETY: made by `attempt`, which waits.
        unsafe { ((*start).run)((*start).work) }
    }

    struct Work<F, R> {
        act: Option<F>,
        result: Option<R>,
    }

    /// # Safety
    /// `work` is a [`Work`] of these types.
    unsafe fn run<F: FnOnce() -> R, R>(work: *mut u8) {
        // SAFETY: by the caller.
        let work = unsafe { &mut *work.cast::<Work<F, R>>() };
        work.result = work.act.take().map(|act| act());
    }

    /// Calls `act`. If that panics, all that it has is leaked.
    pub(crate) fn attempt<R>(act: impl FnOnce() -> R) -> Result<R, Panicked> {
        let cpu = Cpu::current();
        let record = cpu.record();
        let Some(stack) = stacks::take(&record.spare_stack) else {
            panic!("no stack is left: every panic that does not end its CPU costs one");
        };
        let mut work = Work {
            act: Some(act),
            result: None,
        };
        let start = start_of(&mut work);
        let mut frame = Frame {
            below: record.attempt.load(Relaxed),
            resume: 0,
        };
        let (mark, depth) = (held::mark(), Depth::now());
        record.attempt.store(&raw mut frame, Relaxed);
        // SAFETY: the stack is nobody else's, and `start` and `frame` live until this returns.
        let left = unsafe { arch::on_stack(stack.end(), &start, &raw mut frame.resume) };
        record.attempt.store(frame.below, Relaxed);
        if !left {
            stack.give(&record.spare_stack);
            match work.result {
                Some(result) => return Ok(result),
                None => unreachable!("what was attempted has returned"),
            }
        }
        held::abandon(cpu, mark, |lock| println!("{lock}"));
        console::give_up(cpu);
        let report = REPORTS.own().take(cpu);
        depth.restore();
        Err(report)
    }

    /// Goes on with `act` on a stack of its own, for ever. What is on the present one is left.
    pub(crate) fn on_new_stack(act: impl FnOnce() -> Infallible) -> ! {
        let Some(stack) = stacks::take(&Cpu::current().record().spare_stack) else {
            panic!("no stack is left for a CPU that starts again");
        };
        let mut work = Work {
            act: Some(act),
            result: None,
        };
        let start = start_of(&mut work);
        // SAFETY: the stack is nobody else's, and `start` lives until this returns, which it does not.
        unsafe { arch::on_stack(stack.end(), &start, &mut 0) };
        unreachable!("what goes on for ever has returned")
    }

    fn start_of<F: FnOnce() -> R, R>(work: &mut Work<F, R>) -> Start {
        Start {
            run: run::<F, R>,
            work: (&raw mut *work).cast(),
        }
    }

    /// Whether a panic at this moment is one of an attempt. One in an interrupt handler is not: it has nothing to do with
    /// what it has interrupted.
    pub(crate) fn can_leave() -> bool {
        let record = Cpu::current().record();
        !record.attempt.load(Relaxed).is_null() && !record.in_interrupt.load(Relaxed)
    }

    /// Ends the innermost attempt, which has failed at that place. Interrupts are off.
    pub(crate) fn leave(place: impl Display, message: impl Display) -> ! {
        let record = Cpu::current().record();
        REPORTS.own().fill(place, message);
        record.panicking.store(false, Relaxed);
        let frame = record.attempt.load(Relaxed);
        // SAFETY: the attempt has not ended, and nothing of its stack is used any more.
        unsafe { arch::leave_stack((*frame).resume) }
    }

    /// Bytes kept of a message and its place.
    const LONGEST: usize = 512;

    /// A panic on its way from the abandoned stack, which must not allocate. Own, with interrupts off.
    struct Report(UnsafeCell<Text>);

    struct Text {
        bytes: [u8; LONGEST],
        length: usize,
        place: usize,
    }

    // SAFETY: only the own CPU touches it.
    unsafe impl Sync for Report {}

    static REPORTS: PerCpu<Report> = PerCpu::new(
        [const {
            CacheAligned(Report(UnsafeCell::new(Text {
                bytes: [0; LONGEST],
                length: 0,
                place: 0,
            })))
        }; MAX],
    );

    impl Report {
        fn fill(&self, place: impl Display, message: impl Display) {
            // SAFETY: only the own CPU touches it, and interrupts are off.
            let text = unsafe { &mut *self.0.get() };
            text.length = 0;
            // What does not fit is left out.
            let _ = write!(text, "{place}");
            text.place = text.length;
            let _ = write!(text, "{message}");
        }

        fn take(&self, cpu: Cpu) -> Panicked {
            // SAFETY: as in `fill`.
            let text = unsafe { &*self.0.get() };
            let words = |bytes| String::from_utf8_lossy(bytes).into_owned();
            Panicked {
                cpu,
                message: words(&text.bytes[text.place..text.length]),
                place: words(&text.bytes[..text.place]),
            }
        }
    }

    impl Write for Text {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            let fits = text.len().min(LONGEST - self.length);
            self.bytes[self.length..self.length + fits].copy_from_slice(&text.as_bytes()[..fits]);
            self.length += fits;
            Ok(())
        }
    }
}

/// Calls `act` and catches its panic.
#[cfg(not(target_os = "none"))]
pub(crate) fn attempt<R>(act: impl FnOnce() -> R) -> Result<R, Panicked> {
    use alloc::borrow::ToOwned;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let literal = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        let text = payload.downcast_ref::<String>().cloned();
        Panicked {
            cpu: Cpu::current(),
            message: literal.or(text).unwrap_or_default(),
            place: String::new(),
        }
    })
}
