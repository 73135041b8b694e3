//! Sections in which the own CPU takes no interrupt.
//!
//! Sections nest: interrupts come back when the last one ends, in whatever order they end, if they were on when the
//! first one began. The depth is kept per CPU and is only touched by that CPU with its interrupts off.

use core::marker::PhantomData;
use core::sync::atomic::Ordering::Relaxed;

use crate::arch;
use crate::cpu::Cpu;

/// Having one means that the CPU takes no interrupts. Not `Send`: it is the CPU's own.
pub(crate) struct Section {
    local: PhantomData<*mut ()>,
}

impl Section {
    pub(crate) fn enter() -> Section {
        if arch::LOCAL_INTERRUPTS {
            let enabled = arch::interrupts_enabled();
            arch::interrupts_disable();
            let record = Cpu::current().record();
            let depth = record.critical_depth.load(Relaxed);
            if depth == 0 {
                record.critical_restores.store(enabled, Relaxed);
            }
            record.critical_depth.store(depth + 1, Relaxed);
        }
        Section { local: PhantomData }
    }
}

/// How deep this CPU is in sections, for whoever abandons code that has entered more.
#[cfg(target_os = "none")]
pub(crate) struct Depth {
    depth: u32,
    enabled: bool,
}

#[cfg(target_os = "none")]
impl Depth {
    pub(crate) fn now() -> Depth {
        Depth {
            depth: Cpu::current().record().critical_depth.load(Relaxed),
            enabled: arch::interrupts_enabled(),
        }
    }

    /// Makes it as deep as then. Interrupts are off.
    pub(crate) fn restore(self) {
        let record = Cpu::current().record();
        record.critical_depth.store(self.depth, Relaxed);
        if self.enabled {
            arch::interrupts_enable();
        }
    }
}

/// Having one means that this CPU handles an interrupt.
pub(crate) struct Interrupt {
    before: bool,
}

impl Interrupt {
    pub(crate) fn enter() -> Interrupt {
        let flag = &Cpu::current().record().in_interrupt;
        let before = flag.load(Relaxed);
        flag.store(true, Relaxed);
        Interrupt { before }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        let flag = &Cpu::current().record().in_interrupt;
        flag.store(self.before, Relaxed);
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if arch::LOCAL_INTERRUPTS {
            let record = Cpu::current().record();
            let depth = record.critical_depth.load(Relaxed) - 1;
            record.critical_depth.store(depth, Relaxed);
            if depth == 0 && record.critical_restores.load(Relaxed) {
                arch::interrupts_enable();
            }
        }
    }
}
