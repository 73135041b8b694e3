//! riscv64: RISC-V ELF psABI 1.0, "Relocations" and "Linker relaxation".
//!
//! Code that assemblers mark with `R_RISCV_RELAX` becomes shorter where distances allow it; `R_RISCV_ALIGN` is obeyed
//! always. Nothing becomes relative to `gp`: what `gp` holds is an agreement between a program's start and its linker,
//! and nothing says that each slice of an image has made one.

mod fields;
mod relax;
mod rules;

use super::{Form, Isa, Role, Rule, Site};
use fat_image::GATE_SIZE;
use fields::{NOP, write_lower_i, write_upper};
use object::elf::{self, FileFlags, Machine};

/// See [`Isa`].
#[derive(Debug)]
pub struct Riscv64;

const R_BRANCH: u32 = 16;
const R_JAL: u32 = 17;
const R_CALL: u32 = 18;
const R_CALL_PLT: u32 = 19;
const R_GOT_HI20: u32 = 20;
const R_PCREL_HI20: u32 = 23;
const R_PCREL_LO12_I: u32 = 24;
const R_HI20: u32 = 26;
const R_LO12_I: u32 = 27;
const R_LO12_S: u32 = 28;
const R_TPREL_HI20: u32 = 29;
const R_TPREL_LO12_I: u32 = 30;
const R_TPREL_LO12_S: u32 = 31;
const R_TPREL_ADD: u32 = 32;
const R_RVC_BRANCH: u32 = 44;
const R_RVC_JUMP: u32 = 45;
const R_PLT32: u32 = 59;
const R_TLSDESC_HI20: u32 = 62;
const R_TLSDESC_LOAD_LO12: u32 = 63;
const R_TLSDESC_ADD_LO12: u32 = 64;

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
        rules::RULES
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
        let reach = fields::HIGH.range;
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

    /// `nop`s, and a `c.nop` where four bytes do not fit any more.
    fn nops(&self, padding: &mut [u8]) {
        let (words, odd) = padding.as_chunks_mut::<4>();
        words.fill(NOP.to_le_bytes());
        odd.copy_from_slice(&[0x01, 0x00][..odd.len()]);
    }

    fn forms(&self, site: &Site<'_>) -> &'static [Form] {
        relax::forms(site)
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
