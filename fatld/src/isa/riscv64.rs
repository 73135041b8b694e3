//! riscv64: RISC-V ELF psABI 1.0, "Relocations". No relaxation: `R_RISCV_RELAX` is a mark that may be left alone, and
//! `R_RISCV_ALIGN`, which may not, is not in the table yet and so refused.

use super::{
    ANY, Expression, Field, Form, Isa, NOTHING, Role, Rule, Site, instruction, integer,
    read_integer, signed,
};
use fat_image::GATE_SIZE;
use object::elf::{self, FileFlags, Machine};

/// See [`Isa`].
#[derive(Debug)]
pub struct Riscv64;

const NOP: u32 = 0x0000_0013;

const R_BRANCH: u32 = 16;
const R_JAL: u32 = 17;
const R_CALL: u32 = 18;
const R_CALL_PLT: u32 = 19;
const R_PCREL_HI20: u32 = 23;
const R_RVC_BRANCH: u32 = 44;
const R_RVC_JUMP: u32 = 45;
const R_PLT32: u32 = 59;

const fn rule(raw: u32, name: &'static str, expression: Expression, field: Field) -> Rule {
    Rule::new(raw, name, expression, field)
}

/// The upper 20 bits after rounding for a signed low part, reached from `-2^31 - 2^11` to `2^31 - 2^11 - 1`.
const fn upper(bytes: usize, write: fn(&mut [u8], i128)) -> Field {
    Field {
        bytes,
        range: (-(1 << 31) - (1 << 11), (1 << 31) - (1 << 11) - 1),
        open: false,
        multiple: 1,
        write,
        read: read_integer,
    }
}

/// The low 12 bits of a value whose upper part another instruction has checked.
const fn lower(write: fn(&mut [u8], i128)) -> Field {
    Field {
        bytes: 4,
        range: ANY,
        open: false,
        multiple: 1,
        write,
        read: read_integer,
    }
}

/// Six bits of a byte whose upper two belong to a DWARF opcode.
const SIX_BITS: Field = Field {
    bytes: 1,
    open: false,
    range: ANY,
    multiple: 1,
    write: |field, value| field[0] = field[0] & 0xc0 | value as u8 & 0x3f,
    read: |field| i128::from(field[0] & 0x3f),
};

const ABSOLUTE: Expression = Expression::ABSOLUTE;
const RELATIVE: Expression = Expression::RELATIVE;
const GOT_RELATIVE: Expression = Expression::GOT_RELATIVE;
use Expression::{Add, LowOfPair, Mark, Set, Subtract};

/// `lui` in place of `auipc`.
static LUI: [Form; 1] = [Form::new(
    ABSOLUTE,
    upper(4, write_upper),
    0,
    4,
    auipc_to_lui,
)];
/// The same with the `jalr` behind it.
static LUI_CALL: [Form; 1] = [Form::new(
    ABSOLUTE,
    upper(8, write_call),
    0,
    4,
    auipc_to_lui,
)];

static RULES: &[Rule] = &[
    rule(0, "R_RISCV_NONE", Mark, NOTHING),
    rule(
        1,
        "R_RISCV_32",
        ABSOLUTE,
        integer(4, (i32::MIN as i128, u32::MAX as i128)),
    ),
    rule(2, "R_RISCV_64", ABSOLUTE, integer(8, ANY)),
    rule(
        R_BRANCH,
        "R_RISCV_BRANCH",
        RELATIVE,
        instruction(4, signed(13), 2, write_branch),
    ),
    rule(
        R_JAL,
        "R_RISCV_JAL",
        RELATIVE,
        instruction(4, signed(21), 2, write_jal),
    ),
    rule(R_CALL, "R_RISCV_CALL", RELATIVE, upper(8, write_call)),
    rule(
        R_CALL_PLT,
        "R_RISCV_CALL_PLT",
        RELATIVE,
        upper(8, write_call),
    ),
    rule(20, "R_RISCV_GOT_HI20", GOT_RELATIVE, upper(4, write_upper)),
    rule(
        R_PCREL_HI20,
        "R_RISCV_PCREL_HI20",
        RELATIVE,
        upper(4, write_upper),
    ),
    rule(24, "R_RISCV_PCREL_LO12_I", LowOfPair, lower(write_lower_i)),
    rule(25, "R_RISCV_PCREL_LO12_S", LowOfPair, lower(write_lower_s)),
    rule(26, "R_RISCV_HI20", ABSOLUTE, upper(4, write_upper)),
    rule(27, "R_RISCV_LO12_I", ABSOLUTE, lower(write_lower_i)),
    rule(28, "R_RISCV_LO12_S", ABSOLUTE, lower(write_lower_s)),
    rule(33, "R_RISCV_ADD8", Add, integer(1, ANY)),
    rule(34, "R_RISCV_ADD16", Add, integer(2, ANY)),
    rule(35, "R_RISCV_ADD32", Add, integer(4, ANY)),
    rule(36, "R_RISCV_ADD64", Add, integer(8, ANY)),
    rule(37, "R_RISCV_SUB8", Subtract, integer(1, ANY)),
    rule(38, "R_RISCV_SUB16", Subtract, integer(2, ANY)),
    rule(39, "R_RISCV_SUB32", Subtract, integer(4, ANY)),
    rule(40, "R_RISCV_SUB64", Subtract, integer(8, ANY)),
    rule(
        R_RVC_BRANCH,
        "R_RISCV_RVC_BRANCH",
        RELATIVE,
        instruction(2, signed(9), 2, write_compressed_branch),
    ),
    rule(
        R_RVC_JUMP,
        "R_RISCV_RVC_JUMP",
        RELATIVE,
        instruction(2, signed(12), 2, write_compressed_jump),
    ),
    rule(51, "R_RISCV_RELAX", Mark, NOTHING),
    rule(52, "R_RISCV_SUB6", Subtract, SIX_BITS),
    rule(53, "R_RISCV_SET6", Set, SIX_BITS),
    rule(54, "R_RISCV_SET8", Set, integer(1, ANY)),
    rule(55, "R_RISCV_SET16", Set, integer(2, ANY)),
    rule(56, "R_RISCV_SET32", Set, integer(4, ANY)),
    rule(57, "R_RISCV_32_PCREL", RELATIVE, integer(4, signed(32))),
    rule(R_PLT32, "R_RISCV_PLT32", RELATIVE, integer(4, signed(32))),
];

/// Keeps the bits of `mask`, takes the others from `bits`.
fn merge(field: &mut [u8], mask: u32, bits: u32) {
    let old = read_integer(field) as u32;
    let new = (old & mask | bits & !mask).to_le_bytes();
    let len = field.len();
    field.copy_from_slice(&new[..len]);
}

/// Moves bit `from` and up, `count` of them, to bit `to`.
const fn bits(value: i128, from: u32, count: u32, to: u32) -> u32 {
    ((value >> from) as u32 & ((1 << count) - 1)) << to
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

fn write_upper(field: &mut [u8], v: i128) {
    merge(field, 0xfff, bits(v + 0x800, 12, 20, 12));
}

fn write_lower_i(field: &mut [u8], v: i128) {
    merge(field, 0x000f_ffff, bits(v, 0, 12, 20));
}

fn write_lower_s(field: &mut [u8], v: i128) {
    merge(field, 0x01ff_f07f, bits(v, 5, 7, 25) | bits(v, 0, 5, 7));
}

/// The two differ in one bit of the opcode.
fn auipc_to_lui(field: &mut [u8]) {
    field[0] |= 0x20;
}

/// `auipc` and `jalr`.
fn write_call(field: &mut [u8], v: i128) {
    let (auipc, jalr) = field.split_at_mut(4);
    write_upper(auipc, v);
    write_lower_i(jalr, v);
}

impl Isa for Riscv64 {
    fn name(&self) -> &'static str {
        "riscv64"
    }

    fn emulations(&self) -> &'static [&'static str] {
        &["elf64lriscv"]
    }

    fn machine(&self) -> Machine {
        elf::EM_RISCV
    }

    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn role(&self, rule: &Rule, _code: &[u8], _offset: usize) -> Role {
        match rule.raw {
            R_BRANCH | R_JAL | R_CALL | R_CALL_PLT | R_RVC_BRANCH | R_RVC_JUMP | R_PLT32 => {
                Role::Branch
            }
            _ => Role::Address,
        }
    }

    fn pc_bias(&self, _rule: &Rule) -> i64 {
        0
    }

    /// `auipc t3, hi; ld t3, lo(t3); jr t3`: `t3` is what the psABI's own PLT entries clobber.
    fn gate(&self, gate: u64, element: u64) -> Option<[u8; GATE_SIZE as usize]> {
        const AUIPC_T3: u32 = 0x0000_0e17;
        const LD_T3_T3: u32 = 0x000e_3e03;
        const JR_T3: u32 = 0x000e_0067;
        let distance = i128::from(element.wrapping_sub(gate) as i64);
        let reach = upper(4, write_upper).range;
        if !(reach.0..=reach.1).contains(&distance) {
            return None;
        }
        let mut code = [0; GATE_SIZE as usize];
        for (word, instruction) in code
            .chunks_exact_mut(4)
            .zip([AUIPC_T3, LD_T3_T3, JR_T3, NOP])
        {
            word.copy_from_slice(&instruction.to_le_bytes());
        }
        write_upper(&mut code[..4], distance);
        write_lower_i(&mut code[4..8], distance);
        Some(code)
    }

    /// `unimp`
    fn trap(&self) -> &'static [u8] {
        &[0x73, 0x10, 0x00, 0xc0]
    }

    fn padding(&self) -> &'static [u8] {
        &[0, 0]
    }

    /// `c.nop` where four bytes do not fit, then `nop`s.
    fn nops(&self, padding: &mut [u8]) {
        let (odd, words) = padding.split_at_mut(padding.len() % 4);
        odd.copy_from_slice(&[0x01, 0x00][..odd.len()]);
        for word in words.chunks_exact_mut(4) {
            word.copy_from_slice(&NOP.to_le_bytes());
        }
    }

    fn forms(&self, site: &Site<'_>) -> &'static [Form] {
        match site.rule.raw {
            R_CALL | R_CALL_PLT if site.undefined => &LUI_CALL,
            R_PCREL_HI20 if site.undefined => &LUI,
            _ => &[],
        }
    }

    /// Variant I: the thread pointer is the segment's first byte.
    fn tp_offset(&self, offset: i64, _size: u64, _align: u64) -> i64 {
        offset
    }

    fn dtp_bias(&self) -> i64 {
        0x800
    }

    /// RVC and TSO add up; float ABI and RVE must agree.
    fn merge_flags(&self, flags: &[FileFlags]) -> Result<FileFlags, (FileFlags, FileFlags)> {
        let mut merged: Option<FileFlags> = None;
        for &new in flags {
            let old = *merged.get_or_insert(new);
            if (old ^ new).without(elf::EF_RISCV_RVC | elf::EF_RISCV_TSO) != FileFlags(0) {
                return Err((old, new));
            }
            merged = Some(old | new);
        }
        Ok(merged.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodings as `riscv64-linux-gnu-as` writes them.
    #[test]
    fn fields_are_encoded_as_the_assembler_does() {
        let check = |write: fn(&mut [u8], i128), blank: u32, value: i128, want: u32| {
            let mut field = blank.to_le_bytes();
            write(&mut field, value);
            assert_eq!(u32::from_le_bytes(field), want, "{value}");
        };
        check(write_branch, 0x00b5_0063, -4096, 0x80b5_0063); // beq a0, a1, .-4096
        check(write_branch, 0x00b5_0063, 2046, 0x7eb5_0f63); // beq a0, a1, .+2046
        check(write_jal, 0x0000_006f, 0x1800, 0x0000_106f | 1 << 20); // j .+0x1800
        check(write_lower_i, 0x0005_0513, -1, 0xfff5_0513); // addi a0, a0, -1
        check(write_lower_s, 0x00b5_3023, -8, 0xfeb5_3c23); // sd a1, -8(a0)
        check(write_upper, 0x0000_0517, 0x1800, 0x0000_2517); // auipc a0, 2
        let mut short = 0xa001_u16.to_le_bytes();
        write_compressed_jump(&mut short, -2);
        assert_eq!(u16::from_le_bytes(short), 0xbffd); // c.j .-2
        let mut short = 0xc101_u16.to_le_bytes();
        write_compressed_branch(&mut short, -2);
        assert_eq!(u16::from_le_bytes(short), 0xdd7d); // c.beqz a0, .-2
    }

    #[test]
    fn float_abis_do_not_mix() {
        const SOFT: FileFlags = elf::EF_RISCV_FLOAT_ABI_SOFT;
        const DOUBLE: FileFlags = elf::EF_RISCV_FLOAT_ABI_DOUBLE;
        assert_eq!(
            Riscv64.merge_flags(&[SOFT, elf::EF_RISCV_RVC]),
            Ok(elf::EF_RISCV_RVC)
        );
        assert_eq!(Riscv64.merge_flags(&[DOUBLE, SOFT]), Err((DOUBLE, SOFT)));
    }
}
