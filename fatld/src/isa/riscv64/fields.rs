//! Fields of RISC-V instructions and data: where the bits of a value go.

use crate::isa::{ANY, Field, instruction, read_integer, signed};

/// `nop`
pub const NOP: u32 = 0x0000_0013;

/// Writes an instruction.
pub fn put(out: &mut [u8], instruction: u32) {
    out[..4].copy_from_slice(&instruction.to_le_bytes());
}

/// The instruction that stands there.
pub fn get(field: &[u8]) -> u32 {
    read_integer(field) as u32
}

/// Keeps the bits of `mask`, takes the others from `bits`.
pub fn merge(field: &mut [u8], mask: u32, bits: u32) {
    let new = (get(field) & mask | bits & !mask).to_le_bytes();
    let len = field.len();
    field.copy_from_slice(&new[..len]);
}

/// Moves bit `from` and up, `count` of them, to bit `to`.
const fn bits(value: i128, from: u32, count: u32, to: u32) -> u32 {
    ((value >> from) as u32 & ((1 << count) - 1)) << to
}

/// The upper 20 bits of a value whose low 12 bits have a sign.
pub const fn high_part(v: i128) -> i128 {
    (v + 0x800) >> 12
}

fn write_branch(field: &mut [u8], v: i128) {
    merge(
        field,
        0x01ff_f07f,
        bits(v, 12, 1, 31) | bits(v, 5, 6, 25) | bits(v, 1, 4, 8) | bits(v, 11, 1, 7),
    );
}

fn write_jal(field: &mut [u8], v: i128) {
    merge(
        field,
        0xfff,
        bits(v, 20, 1, 31) | bits(v, 1, 10, 21) | bits(v, 11, 1, 20) | bits(v, 12, 8, 12),
    );
}

fn write_compressed_branch(field: &mut [u8], v: i128) {
    let offset = bits(v, 8, 1, 12)
        | bits(v, 3, 2, 10)
        | bits(v, 6, 2, 5)
        | bits(v, 1, 2, 3)
        | bits(v, 5, 1, 2);
    merge(field, 0xe383, offset);
}

fn write_compressed_jump(field: &mut [u8], v: i128) {
    let offset = bits(v, 11, 1, 12)
        | bits(v, 4, 1, 11)
        | bits(v, 8, 2, 9)
        | bits(v, 10, 1, 8)
        | bits(v, 6, 1, 7)
        | bits(v, 7, 1, 6)
        | bits(v, 1, 3, 3)
        | bits(v, 5, 1, 2);
    merge(field, 0xe003, offset);
}

/// `c.lui` cannot hold 0, which `c.li` can.
fn write_compressed_upper(field: &mut [u8], v: i128) {
    const REGISTER: u32 = 0x0f83;
    const C_LI: u32 = 0x4000;
    match high_part(v) {
        0 => merge(field, REGISTER, C_LI),
        high => merge(field, 0xef83, bits(high, 5, 1, 12) | bits(high, 0, 5, 2)),
    }
}

/// The 20 bits of `lui` and `auipc`.
pub fn write_upper(field: &mut [u8], v: i128) {
    merge(field, 0xfff, bits(high_part(v), 0, 20, 12));
}

/// The 12 bits of an instruction that computes or loads.
pub fn write_lower_i(field: &mut [u8], v: i128) {
    merge(field, 0x000f_ffff, bits(v, 0, 12, 20));
}

/// The 12 bits of an instruction that stores.
pub fn write_lower_s(field: &mut [u8], v: i128) {
    merge(field, 0x01ff_f07f, bits(v, 5, 7, 25) | bits(v, 0, 5, 7));
}

/// `auipc` and `jalr`.
fn write_call(field: &mut [u8], v: i128) {
    let (auipc, jalr) = field.split_at_mut(4);
    write_upper(auipc, v);
    write_lower_i(jalr, v);
}

/// The number keeps its length.
fn write_uleb128(field: &mut [u8], v: i128) {
    for (at, byte) in field.iter_mut().enumerate() {
        let bits = v.checked_shr(7 * at as u32).unwrap_or(0);
        *byte = *byte & 0x80 | bits as u8 & 0x7f;
    }
}

fn read_uleb128(field: &[u8]) -> i128 {
    let low = field.iter().take(18).rev();
    low.fold(0, |value, byte| value << 7 | i128::from(byte & 0x7f))
}

/// What the upper 20 bits reach, together with a low part that has a sign.
const UPPER: (i128, i128) = (-(1 << 31) - (1 << 11), (1 << 31) - (1 << 11) - 1);
/// What a low part reaches alone.
pub const LOWER: (i128, i128) = signed(12);

/// `beq` and the like
pub const BRANCH: Field = instruction(4, signed(13), 2, write_branch);
/// `jal`
pub const JAL: Field = instruction(4, signed(21), 2, write_jal);
/// `auipc` and `jalr`
pub const CALL: Field = instruction(8, UPPER, 1, write_call);
/// `auipc` and `lui`
pub const HIGH: Field = instruction(4, UPPER, 1, write_upper);
/// `addi` and loads, whose upper part another instruction has
pub const LOW_I: Field = instruction(4, ANY, 1, write_lower_i);
/// Stores, whose upper part another instruction has
pub const LOW_S: Field = instruction(4, ANY, 1, write_lower_s);
/// `c.beqz` and `c.bnez`
pub const RVC_BRANCH: Field = instruction(2, signed(9), 2, write_compressed_branch);
/// `c.j`
pub const RVC_JUMP: Field = instruction(2, signed(12), 2, write_compressed_jump);
/// `c.lui`
pub const RVC_LUI: Field = instruction(
    2,
    (-(1 << 17) - (1 << 11), (1 << 17) - (1 << 11) - 1),
    1,
    write_compressed_upper,
);

/// Six bits of a byte whose upper two belong to a DWARF opcode.
pub const SIX_BITS: Field = Field {
    bytes: 1,
    open: false,
    range: ANY,
    multiple: 1,
    write: |field, value| field[0] = field[0] & 0xc0 | value as u8 & 0x3f,
    read: |field| i128::from(field[0] & 0x3f),
};

/// A number of as many bytes as the assembler left for it.
pub const ULEB128: Field = Field {
    bytes: 1,
    open: true,
    range: ANY,
    multiple: 1,
    write: write_uleb128,
    read: read_uleb128,
};

/// A descriptor's sequence leaves the distance from the thread pointer in `a0`. Its `auipc` becomes `nop`,
pub const DESC_HIGH: Field = instruction(4, UPPER, 1, |field, _| put(field, NOP));
/// so does the load,
pub const DESC_LOAD: Field = instruction(4, ANY, 1, |field, _| put(field, NOP));
/// what computes the descriptor's address becomes `lui a0, …`, or `nop` if all bits are low ones,
pub const DESC_ADD: Field = instruction(4, ANY, 1, |field, v| match high_part(v) {
    0 => put(field, NOP),
    _ => {
        put(field, 0x0000_0537);
        write_upper(field, v);
    }
});
/// and the call `addi a0, a0, …` or `addi a0, zero, …`.
pub const DESC_CALL: Field = instruction(4, ANY, 1, |field, v| {
    put(
        field,
        if high_part(v) == 0 {
            0x0000_0513
        } else {
            0x0005_0513
        },
    );
    write_lower_i(field, v);
});

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: Field, blank: u32, value: i128, want: u32) {
        let mut bytes = blank.to_le_bytes();
        (field.write)(&mut bytes[..field.bytes], value);
        assert_eq!(get(&bytes), want, "{value:#x}: {:#x}", get(&bytes));
    }

    /// Encodings as `riscv64-linux-gnu-as` writes them.
    #[test]
    fn fields_are_encoded_as_the_assembler_does() {
        check(BRANCH, 0x00b5_0063, -4096, 0x80b5_0063); // beq a0, a1, .-4096
        check(BRANCH, 0x00b5_0063, 2046, 0x7eb5_0f63); // beq a0, a1, .+2046
        check(JAL, 0x0000_006f, 0x1800, 0x0010_106f); // j .+0x1800
        check(LOW_I, 0x0005_0513, -1, 0xfff5_0513); // addi a0, a0, -1
        check(LOW_S, 0x00b5_3023, -8, 0xfeb5_3c23); // sd a1, -8(a0)
        check(HIGH, 0x0000_0517, 0x1800, 0x0000_2517); // auipc a0, 2
        check(RVC_JUMP, 0xa001, -2, 0xbffd); // c.j .-2
        check(RVC_BRANCH, 0xc101, -2, 0xdd7d); // c.beqz a0, .-2
        check(RVC_LUI, 0x6505, -0x1000, 0x757d); // c.lui a0, 0xfffff
        check(RVC_LUI, 0x6505, 0x7ff, 0x4501); // c.li a0, 0
    }

    #[test]
    fn numbers_keep_their_length() {
        let mut number = [0x80, 0x80, 0x00];
        let field = ULEB128.at(&number).expect("an end");
        assert_eq!((field.bytes, field.range), (3, (0, (1 << 21) - 1)));
        (field.write)(&mut number, 5);
        assert_eq!(number, [0x85, 0x80, 0x00]);
        assert_eq!(read_uleb128(&number), 5);
        assert!(ULEB128.at(&[0x80; 4]).is_none());
    }
}
