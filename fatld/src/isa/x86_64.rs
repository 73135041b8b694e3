//! x86_64: System V psABI 1.0, table 4.9. Static, small and kernel code models.

use super::{ANY, Expression, Field, Isa, NOTHING, Role, Rule, integer, signed};
use fat_image::GATE_SIZE;
use object::elf::{self, FileFlags, Machine};

/// See [`Isa`].
#[derive(Debug)]
pub struct X86_64;

const R_PC32: u32 = 2;
const R_PLT32: u32 = 4;
const R_GOTPCREL: u32 = 9;
const R_GOTPCRELX: u32 = 41;
const R_REX_GOTPCRELX: u32 = 42;

const fn rule(raw: u32, name: &'static str, expression: Expression, field: Field) -> Rule {
    Rule::new(raw, name, expression, field)
}

const ABSOLUTE: Expression = Expression::ABSOLUTE;
const RELATIVE: Expression = Expression::RELATIVE;
const GOT_RELATIVE: Expression = Expression::GOT_RELATIVE;
use Expression::Mark;

static RULES: &[Rule] = &[
    rule(0, "R_X86_64_NONE", Mark, NOTHING),
    rule(1, "R_X86_64_64", ABSOLUTE, integer(8, ANY)),
    rule(R_PC32, "R_X86_64_PC32", RELATIVE, integer(4, signed(32))),
    rule(R_PLT32, "R_X86_64_PLT32", RELATIVE, integer(4, signed(32))),
    rule(
        R_GOTPCREL,
        "R_X86_64_GOTPCREL",
        GOT_RELATIVE,
        integer(4, signed(32)),
    ),
    rule(
        10,
        "R_X86_64_32",
        ABSOLUTE,
        integer(4, (0, u32::MAX as i128)),
    ),
    rule(11, "R_X86_64_32S", ABSOLUTE, integer(4, signed(32))),
    rule(
        12,
        "R_X86_64_16",
        ABSOLUTE,
        integer(2, (i16::MIN as i128, u16::MAX as i128)),
    ),
    rule(13, "R_X86_64_PC16", RELATIVE, integer(2, signed(16))),
    rule(
        14,
        "R_X86_64_8",
        ABSOLUTE,
        integer(1, (i8::MIN as i128, u8::MAX as i128)),
    ),
    rule(15, "R_X86_64_PC8", RELATIVE, integer(1, signed(8))),
    rule(24, "R_X86_64_PC64", RELATIVE, integer(8, ANY)),
    rule(
        R_GOTPCRELX,
        "R_X86_64_GOTPCRELX",
        GOT_RELATIVE,
        integer(4, signed(32)),
    ),
    rule(
        R_REX_GOTPCRELX,
        "R_X86_64_REX_GOTPCRELX",
        GOT_RELATIVE,
        integer(4, signed(32)),
    ),
];

impl Isa for X86_64 {
    fn name(&self) -> &'static str {
        "x86_64"
    }

    fn emulations(&self) -> &'static [&'static str] {
        &["elf_x86_64"]
    }

    fn machine(&self) -> Machine {
        elf::EM_X86_64
    }

    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// PC32 and PLT32 are a branch behind `e8`, `e9` and `0f 8x`; else they take the address: assemblers before PLT32
    /// wrote PC32 for calls, and cranelift writes PLT32 for `lea`. A GOT slot is called or jumped through by `ff 15` and
    /// `ff 25`; all other uses take the address.
    fn role(&self, rule: &Rule, code: &[u8], offset: usize) -> Role {
        let before = |n: usize| offset.checked_sub(n).and_then(|at| code.get(at)).copied();
        let branch = match rule.raw {
            R_PC32 | R_PLT32 => {
                matches!(before(1), Some(0xe8 | 0xe9))
                    || (before(2) == Some(0x0f) && matches!(before(1), Some(0x80..=0x8f)))
            }
            R_GOTPCREL | R_GOTPCRELX | R_REX_GOTPCRELX => {
                before(2) == Some(0xff) && matches!(before(1), Some(0x15 | 0x25))
            }
            _ => false,
        };
        if branch { Role::Branch } else { Role::Address }
    }

    /// A displacement counts from the end of its four bytes.
    fn pc_bias(&self, rule: &Rule) -> i64 {
        match rule.raw {
            R_PC32 | R_PLT32 | R_GOTPCREL | R_GOTPCRELX | R_REX_GOTPCRELX => 4,
            _ => 0,
        }
    }

    /// `jmp *element(%rip)`
    fn gate(&self, gate: u64, element: u64) -> Option<[u8; GATE_SIZE as usize]> {
        let displacement = i32::try_from(element.wrapping_sub(gate + 6) as i64).ok()?;
        let mut code = [0xcc; GATE_SIZE as usize];
        code[..2].copy_from_slice(&[0xff, 0x25]);
        code[2..6].copy_from_slice(&displacement.to_le_bytes());
        Some(code)
    }

    /// `ud2`
    fn trap(&self) -> &'static [u8] {
        &[0x0f, 0x0b]
    }

    fn padding(&self) -> &'static [u8] {
        &[0xcc]
    }

    fn nops(&self, padding: &mut [u8]) {
        padding.fill(0x90);
    }

    /// Variant II: the segment ends at the thread pointer.
    fn tp_offset(&self, offset: i64, size: u64, align: u64) -> i64 {
        offset.wrapping_sub_unsigned(size.next_multiple_of(align))
    }

    fn merge_flags(&self, flags: &[FileFlags]) -> Result<FileFlags, (FileFlags, FileFlags)> {
        const NONE: FileFlags = FileFlags(0);
        match flags.iter().find(|f| **f != NONE) {
            Some(odd) => Err((NONE, *odd)),
            None => Ok(NONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(raw: u32, code: &[u8]) -> Role {
        X86_64.role(
            X86_64.rule(elf::RelocationType(raw)).expect("known"),
            code,
            code.len(),
        )
    }

    #[test]
    fn calls_are_told_from_addresses_by_their_opcode() {
        assert_eq!(role(R_PC32, &[0xe8]), Role::Branch);
        assert_eq!(role(R_PC32, &[0x0f, 0x84]), Role::Branch);
        assert_eq!(role(R_PC32, &[0x48, 0x8d, 0x05]), Role::Address);
        assert_eq!(role(R_PLT32, &[0xe9]), Role::Branch);
        assert_eq!(role(R_PLT32, &[0x48, 0x8d, 0x3d]), Role::Address);
        assert_eq!(role(R_GOTPCREL, &[0xff, 0x15]), Role::Branch);
        assert_eq!(role(R_GOTPCREL, &[0x48, 0x8b, 0x05]), Role::Address);
        assert_eq!(role(R_GOTPCREL, &[]), Role::Address);
    }

    #[test]
    fn gate_jumps_through_the_element() {
        let code = X86_64.gate(0x1000, 0x3000).expect("in reach");
        assert_eq!(code[..6], [0xff, 0x25, 0xfa, 0x1f, 0, 0]);
        assert_eq!(X86_64.gate(0, 1 << 40), None);
    }
}
