//! The platform-level interrupt controller, context 1: hart 0 in supervisor mode.
//! Source: RISC-V Platform-Level Interrupt Controller Specification 1.0.0.

const BASE: usize = 0x0c00_0000;
const CONTEXT: usize = 1;
const ENABLE: usize = BASE + 0x2000 + 0x80 * CONTEXT;
const THRESHOLD: usize = BASE + 0x20_0000 + 0x1000 * CONTEXT;
const CLAIM: usize = THRESHOLD + 4;
/// Sources of QEMU's virt board, 0 left out, that fit the runtime's table.
const LINES: u32 = 64;

fn read(register: usize) -> u32 {
    // SAFETY: the controller is there and mapped.
    unsafe { (register as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as `read`.
    unsafe { (register as *mut u32).write_volatile(value) };
}

/// Lets every line through that is opened later.
pub(super) fn start() {
    write(THRESHOLD, 0);
}

pub(crate) fn line_open(line: u32) -> bool {
    if line == 0 || line >= LINES {
        return false;
    }
    write(BASE + 4 * line as usize, 1);
    let enable = ENABLE + 4 * (line / 32) as usize;
    write(enable, read(enable) | 1 << (line % 32));
    true
}

/// Lets a line interrupt again.
pub(crate) fn line_complete(line: u32) {
    write(CLAIM, line);
}

/// The lines that interrupt now. Each stays blocked until it is completed.
pub(super) fn claim() -> impl Iterator<Item = u32> {
    core::iter::from_fn(|| Some(read(CLAIM)).filter(|line| *line != 0))
}
