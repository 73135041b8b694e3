//! External interrupt lines of the own board, as events that tasks wait for. The first CPU of a board gets them.
//!
//! A line that has fired stays blocked in the interrupt controller until its task waits again, so a level-triggered
//! device cannot interrupt in a loop while its driver has not come to it yet. State of a line:
//!
//! ```text
//!   open ──(1)──► fired, blocked ──(2)──► open
//!   (1) on_interrupt: notes it and notifies the waiter   (2) Line::wait: lets the controller go on
//! ```

use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{AcqRel, Release};

use crate::arch;
use crate::cpu::{self, Cpu, Role};
use crate::critical::Interrupt;
use crate::sync::Notify;

/// Lines of a CPU, from 0.
const LINES: usize = 64;

struct State {
    blocked: AtomicBool,
    fired: Notify,
}

static STATES: [[State; LINES]; cpu::MAX] = [const {
    [const {
        State {
            blocked: AtomicBool::new(false),
            fired: Notify::new(),
        }
    }; LINES]
}; cpu::MAX];

/// An external interrupt line of the CPU that opened it. A driver's task on that CPU is a loop: acknowledge the device's
/// interrupt, then drain the device, then `line.wait().await`. In that order what comes while draining fires again.
#[derive(Debug)]
pub struct Line {
    number: u32,
    cpu: Cpu,
}

impl Line {
    /// Opens line `number` of this CPU's board.
    ///
    /// # Panics
    /// If the board has no such line, or this is not its first CPU.
    pub fn new(number: u32) -> Line {
        let cpu = Cpu::current();
        assert!(
            (number as usize) < LINES && cpu.role() == Role::First && arch::line_open(number),
            "no interrupt line {number} on {cpu}"
        );
        Line { number, cpu }
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Waits until the line has fired since the last `wait`.
    ///
    /// # Panics
    /// If it is polled first on another CPU than the line's.
    pub async fn wait(&self) {
        assert_eq!(
            self.cpu,
            Cpu::current(),
            "an interrupt line is waited for on its own CPU"
        );
        let state = &STATES[self.cpu.index()][self.number as usize];
        if state.blocked.swap(false, AcqRel) {
            arch::line_complete(self.number);
        }
        state.fired.notified().await;
    }
}

/// Called by the interrupt handler with the line that the controller named; the controller keeps the line blocked until
/// `arch::line_complete`.
#[allow(dead_code, reason = "not every board has lines")]
pub(crate) fn on_interrupt(number: u32) {
    let Some(state) = STATES[Cpu::current().index()].get(number as usize) else {
        return;
    };
    let _in_interrupt = Interrupt::enter();
    state.blocked.store(true, Release);
    state.fired.notify();
}
