//! The functions of `arch`, for a CPU that finds out at its start what it is: a board's, or a Linux process.
//!
//! What a board has and a process has not is off, or is none.

use super::{isa, linux};
use crate::cpu::Cpu;
use crate::platform::MmioSlot;

pub(crate) use super::isa::{
    AWAKE, caller, cpu_index, frame_pointer, gates_mapped, leave_stack, on_stack,
};

pub(crate) const LOCAL_INTERRUPTS: bool = true;

pub(crate) fn one_clock() -> bool {
    linux::active()
}

#[inline(always)]
pub(crate) fn interrupts_enabled() -> bool {
    !linux::active() && isa::interrupts_enabled()
}

#[inline(always)]
pub(crate) fn interrupts_enable() {
    if !linux::active() {
        isa::interrupts_enable();
    }
}

#[inline(always)]
pub(crate) fn interrupts_disable() {
    if !linux::active() {
        isa::interrupts_disable();
    }
}

#[inline(always)]
pub(crate) fn relax() {
    if linux::active() {
        linux::relax();
    } else {
        isa::relax();
    }
}

#[inline(always)]
pub(crate) fn resume() {
    if linux::active() {
        linux::resume();
    }
}

pub(crate) fn clock() -> u64 {
    if linux::active() {
        linux::clock()
    } else {
        isa::clock()
    }
}

pub(crate) fn set_timer(after: Option<u64>) {
    if linux::active() {
        linux::set_timer(after);
    } else {
        isa::set_timer(after);
    }
}

pub(crate) fn wait() {
    if linux::active() {
        linux::wait();
    } else {
        isa::wait();
    }
}

pub(crate) fn console_write(bytes: &[u8]) {
    if linux::active() {
        linux::console_write(bytes);
    } else {
        isa::console_write(bytes);
    }
}

pub(crate) fn console_open() {
    if !linux::active() {
        isa::console_open();
    }
}

pub(crate) fn console_read() -> Option<u8> {
    match linux::active() {
        true => linux::console_read(),
        false => isa::console_read(),
    }
}

pub(crate) fn exit(status: u8) -> ! {
    if linux::active() {
        linux::exit(status)
    } else {
        isa::exit(status)
    }
}

pub(crate) fn stop() -> ! {
    if linux::active() {
        linux::abort();
    }
    interrupts_disable();
    loop {
        isa::halt();
    }
}

/// Who starts the processes starts all of them.
pub(crate) fn start_others() {
    if !linux::active() {
        isa::start_others();
    }
}

pub(crate) fn doorbell_start() -> bool {
    if linux::active() {
        linux::doorbell_start()
    } else {
        isa::doorbell_start()
    }
}

pub(crate) fn doorbell_join() -> bool {
    if linux::active() {
        linux::doorbell_start()
    } else {
        isa::doorbell_join()
    }
}

pub(crate) fn doorbell_ring(cpu: Cpu) {
    if linux::active() {
        linux::doorbell_ring(cpu);
    } else {
        isa::doorbell_ring(cpu);
    }
}

pub(crate) fn restart(cpu: Cpu) -> bool {
    if linux::active() {
        linux::restart(cpu)
    } else {
        isa::restart(cpu)
    }
}

pub(crate) fn line_open(line: u32) -> bool {
    !linux::active() && isa::line_open(line)
}

pub(crate) fn line_complete(line: u32) {
    if !linux::active() {
        isa::line_complete(line);
    }
}

pub(crate) fn virtio_mmio() -> &'static [MmioSlot] {
    if linux::active() {
        &[]
    } else {
        isa::virtio_mmio()
    }
}
