//! Fields of A64 instructions: where the bits of a value go.

use crate::isa::{ANY, Field, instruction, read_integer, signed};

/// `nop`
pub const NOP: u32 = 0xd503_201f;

/// Writes instructions one behind the other.
pub fn put<const N: usize>(out: &mut [u8], instructions: [u32; N]) {
    for (word, instruction) in out.chunks_exact_mut(4).zip(instructions) {
        word.copy_from_slice(&instruction.to_le_bytes());
    }
}

/// The instruction that stands there.
pub fn get(field: &[u8]) -> u32 {
    read_integer(field) as u32
}

/// Bits `from` and up of a value, `count` of them, to bit `to` of the instruction.
fn insert(field: &mut [u8], value: i128, from: u32, count: u32, to: u32) {
    let mask = (1 << count) - 1;
    let bits = (value >> from) as u32 & mask;
    let instruction = get(field) & !(mask << to) | bits << to;
    put(field, [instruction]);
}

/// The 21 bits of `adr`.
pub fn write_adr(field: &mut [u8], v: i128) {
    insert(field, v, 0, 2, 29);
    insert(field, v, 2, 19, 5);
}

/// The 21 bits of `adrp`.
pub fn write_page(field: &mut [u8], v: i128) {
    write_adr(field, v >> 12);
}

fn write_branch26(field: &mut [u8], v: i128) {
    insert(field, v, 2, 26, 0);
}

fn write_literal19(field: &mut [u8], v: i128) {
    insert(field, v, 2, 19, 5);
}

fn write_branch14(field: &mut [u8], v: i128) {
    insert(field, v, 2, 14, 5);
}

/// The low 12 bits, for an instruction that counts in units of `2^SCALE` bytes.
pub fn write_low12<const SCALE: u32>(field: &mut [u8], v: i128) {
    insert(field, v & 0xfff, SCALE, 12, 10);
}

fn write_high12(field: &mut [u8], v: i128) {
    insert(field, v, 12, 12, 10);
}

fn write_low15(field: &mut [u8], v: i128) {
    insert(field, v, 3, 12, 10);
}

/// 16 bits of `movz` or `movk`.
pub fn write_move<const SHIFT: u32>(field: &mut [u8], v: i128) {
    insert(field, v, SHIFT, 16, 5);
}

/// 16 bits of `movz`, or of `movn` if the value is negative.
pub fn write_signed_move<const SHIFT: u32>(field: &mut [u8], v: i128) {
    const MOVZ: i128 = 1;
    insert(field, if v < 0 { !MOVZ } else { MOVZ }, 0, 1, 30);
    write_move::<SHIFT>(field, if v < 0 { !v } else { v });
}

/// `adr`
pub const ADR: Field = instruction(4, signed(21), 1, write_adr);
/// `adrp`
pub const PAGE: Field = instruction(4, signed(33), 1, write_page);
/// `adrp` of which higher bits come from elsewhere.
pub const PAGE_NC: Field = instruction(4, ANY, 1, write_page);
/// `b`, `bl`
pub const BRANCH26: Field = instruction(4, signed(28), 4, write_branch26);
/// `b.cond`, `cbz`
pub const BRANCH19: Field = instruction(4, signed(21), 4, write_literal19);
/// `tbz`
pub const BRANCH14: Field = instruction(4, signed(16), 4, write_branch14);
/// `ldr` of a literal
pub const LITERAL: Field = instruction(4, signed(21), 4, write_literal19);
/// The second of two `add`s.
pub const HIGH12: Field = instruction(4, (0, (1 << 24) - 1), 1, write_high12);
/// Offset from the page of the GOT.
pub const LOW15: Field = instruction(4, (0, (1 << 15) - 1), 8, write_low15);

/// The low 12 bits in units of `2^SCALE` bytes; another instruction has the others.
pub const fn low12<const SCALE: u32>() -> Field {
    instruction(4, ANY, 1 << SCALE, write_low12::<SCALE>)
}

/// The same where there are no others.
pub const fn only12<const SCALE: u32>() -> Field {
    instruction(4, (0, (1 << 12) - 1), 1 << SCALE, write_low12::<SCALE>)
}

/// Bits from `SHIFT` on, the highest of an unsigned value.
pub const fn highest<const SHIFT: u32>() -> Field {
    let high = (1 << (SHIFT + 16)) - 1;
    instruction(4, (0, high), 1, write_move::<SHIFT>)
}

/// Bits from `SHIFT` on, the highest of a signed value.
pub const fn signed_highest<const SHIFT: u32>() -> Field {
    instruction(4, signed(SHIFT + 17), 1, write_signed_move::<SHIFT>)
}

/// Bits from `SHIFT` on; other instructions have the others.
pub const fn part<const SHIFT: u32>() -> Field {
    instruction(4, ANY, 1, write_move::<SHIFT>)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: Field, blank: u32, value: i128, want: u32) {
        let mut bytes = blank.to_le_bytes();
        (field.write)(&mut bytes, value);
        assert_eq!(get(&bytes), want, "{value:#x}: {:#x}", get(&bytes));
    }

    /// Encodings as `aarch64-linux-gnu-as` writes them.
    #[test]
    fn fields_are_encoded_as_the_assembler_does() {
        check(ADR, 0x1000_0001, -1, 0x70ff_ffe1); // adr x1, .-1
        check(ADR, 0x1000_0001, 0xf_fffe, 0x507f_ffe1); // adr x1, .+0xffffe
        check(PAGE, 0x9000_0003, -(1 << 32), 0x9080_0003); // adrp x3, .-0x100000000
        check(BRANCH26, 0x9400_0000, -4, 0x97ff_ffff); // bl .-4
        check(BRANCH19, 0x5400_0001, 0xf_fffc, 0x547f_ffe1); // b.ne .+0xffffc
        check(BRANCH14, 0x3628_0002, -0x8000, 0x362c_0002); // tbz w2, #5, .-0x8000
        check(LITERAL, 0x5800_0005, 8, 0x5800_0045); // ldr x5, .+8
        check(low12::<0>(), 0x9100_0021, 0x1_2345, 0x910d_1421); // add x1, x1, #0x345
        check(low12::<3>(), 0xf940_0020, 0x1_2348, 0xf941_a420); // ldr x0, [x1, #0x348]
        check(low12::<4>(), 0x3dc0_0020, 0xff0, 0x3dc3_fc20); // ldr q0, [x1, #0xff0]
        check(HIGH12, 0x9140_0000, 0xabc_def, 0x916a_f000); // add x0, x0, #0xabc, lsl #12
        check(LOW15, 0xf940_0000, 0x7ff8, 0xf97f_fc00); // ldr x0, [x0, #0x7ff8]
        check(part::<32>(), 0xf2c0_0000, 0x1_2345_0000_0000, 0xf2c4_68a0); // movk x0, #0x2345, lsl #32
        check(signed_highest::<16>(), 0xd2a0_0000, -0x1_2345, 0x92a0_0020); // movn x0, #1, lsl #16
        check(signed_highest::<0>(), 0x9280_0000, 7, 0xd280_00e0); // movz x0, #7
    }

    #[test]
    fn ranges_are_those_of_the_instructions() {
        assert!(BRANCH26.takes((1 << 27) - 4) && !BRANCH26.takes(1 << 27));
        assert!(BRANCH26.takes(-(1 << 27)) && !BRANCH26.takes(-(1 << 27) - 4));
        assert!(!BRANCH14.takes(2) && BRANCH14.takes(0x7ffc) && !BRANCH14.takes(0x8000));
        assert!(low12::<3>().takes(i128::from(u64::MAX) - 7) && !low12::<3>().takes(4));
        assert!(highest::<0>().takes(0xffff) && !highest::<0>().takes(0x1_0000));
        assert!(signed_highest::<0>().takes(-0x1_0000) && !signed_highest::<0>().takes(-0x1_0001));
    }
}
