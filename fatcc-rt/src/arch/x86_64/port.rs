//! I/O ports.

use core::arch::asm;

pub(super) fn read8(port: u16) -> u8 {
    let value;
    // SAFETY: reading the board's ports touches no memory.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
    };
    value
}

pub(super) fn write8(port: u16, value: u8) {
    // SAFETY: the ports used here make no device write to memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) };
}

pub(super) fn read32(port: u16) -> u32 {
    let value;
    // SAFETY: as `read8`.
    unsafe {
        asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags))
    };
    value
}

pub(super) fn write32(port: u16, value: u32) {
    // SAFETY: as `write8`.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags))
    };
}
