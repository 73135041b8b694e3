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
