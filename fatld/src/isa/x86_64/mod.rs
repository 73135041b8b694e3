//! x86_64: System V psABI 1.0, table 4.9, in the small, kernel, medium and large code models, with position-independent
//! code or without.

mod forms;
mod rules;

use super::{Form, Isa, Role, Rule, Site};
use fat_image::GATE_SIZE;
use object::elf::{self, FileFlags, Machine};

/// See [`Isa`].
#[derive(Debug)]
pub struct X86_64;

const R_PC32: u32 = 2;
const R_PLT32: u32 = 4;
const R_GOTPCREL: u32 = 9;
const R_DTPOFF64: u32 = 17;
const R_TLSGD: u32 = 19;
const R_TLSLD: u32 = 20;
const R_DTPOFF32: u32 = 21;
const R_GOTTPOFF: u32 = 22;
const R_PLTOFF64: u32 = 31;
const R_GOTPC32_TLSDESC: u32 = 34;
const R_TLSDESC_CALL: u32 = 35;
const R_GOTPCRELX: u32 = 41;
const R_REX_GOTPCRELX: u32 = 42;
const R_CODE_4_GOTPCRELX: u32 = 43;
const R_CODE_4_GOTTPOFF: u32 = 44;
const R_CODE_4_GOTPC32_TLSDESC: u32 = 45;
const R_CODE_5_GOTPCRELX: u32 = 46;
const R_CODE_6_GOTPCRELX: u32 = 49;

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
        rules::RULES
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
            // Only calls of the large model use it.
            R_PLTOFF64 => true,
            _ => false,
        };
        if branch { Role::Branch } else { Role::Address }
    }

    /// A displacement counts from the end of its four bytes.
    fn pc_bias(&self, rule: &Rule) -> i64 {
        match rule.raw {
            R_PC32 | R_PLT32 | R_GOTPCREL | R_GOTPCRELX | R_REX_GOTPCRELX | R_CODE_4_GOTPCRELX
            | R_CODE_5_GOTPCRELX | R_CODE_6_GOTPCRELX => 4,
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

    fn forms(&self, site: &Site<'_>) -> &'static [Form] {
        forms::forms(site)
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
