//! Instructions that take the place of others: RISC-V ELF psABI 1.0, "Linker relaxation".
//!
//! Of a pair, the upper part goes if the low part reaches the value alone, and the low part then counts from `zero` or
//! `tp`. A low part whose value is small may do so whether its upper part goes or not, as that one is 0. So the two need
//! not know of each other, but both must be marked, as the psABI asks for.

use super::fields::{
    HIGH, JAL, LOWER, RVC_JUMP, RVC_LUI, get, merge, put, write_lower_i, write_lower_s,
};
use super::{
    R_BRANCH, R_CALL, R_CALL_PLT, R_GOT_HI20, R_HI20, R_JAL, R_LO12_I, R_LO12_S, R_PCREL_HI20,
    R_PCREL_LO12_I, R_RVC_BRANCH, R_RVC_JUMP, R_TLSDESC_ADD_LO12, R_TLSDESC_HI20,
    R_TLSDESC_LOAD_LO12, R_TPREL_ADD, R_TPREL_HI20, R_TPREL_LO12_I, R_TPREL_LO12_S,
};
use crate::isa::{Expression, Field, Form, NOTHING, Operand, Origin, Site, instruction};
use object::elf;

const ABSOLUTE: Expression = Expression::ABSOLUTE;
const RELATIVE: Expression = Expression::RELATIVE;
const TPREL: Expression = Expression::Value(Operand::TpOffset, Origin::Zero);

/// Bits of the registers of an instruction.
const RD: u32 = 0x1f << 7;
const RS1: u32 = 0x1f << 15;
const TP: u32 = 4 << 15;

/// No bytes, if the value is one that a low part reaches alone.
const NO_HIGH_PART: Field = Field {
    range: LOWER,
    ..NOTHING
};
const LOW_I: Field = instruction(4, LOWER, 1, write_lower_i);
const LOW_S: Field = instruction(4, LOWER, 1, write_lower_s);

/// The instruction goes.
const fn cut(expression: Expression, field: Field) -> Form {
    Form {
        cut: 4,
        ..Form::new(expression, field, 0, 4, |_| {})
    }
}

/// The instruction stays, with another field or register.
const fn changed(expression: Expression, field: Field, rewrite: fn(&mut [u8])) -> Form {
    Form::new(expression, field, 0, 4, rewrite)
}

/// `auipc; jalr` → `jal`
const AS_JAL: Form = Form {
    cut: 4,
    ..Form::new(RELATIVE, JAL, 0, 8, |code| {
        let link = get(&code[4..]) & RD;
        put(code, 0x6f | link);
    })
};
/// `auipc; jr` → `c.j`
const AS_C_J: Form = Form {
    cut: 6,
    ..Form::new(RELATIVE, RVC_JUMP, 0, 8, |code| {
        code[..2].copy_from_slice(&0xa001_u16.to_le_bytes());
    })
};
/// `lui` → `c.lui`
const AS_C_LUI: Form = Form {
    cut: 2,
    ..changed(ABSOLUTE, RVC_LUI, |code| {
        let register = get(code) & RD;
        code[..2].copy_from_slice(&(0x6001 | register as u16).to_le_bytes());
    })
};
/// `auipc; ld` of a slot → `auipc; addi`
const WITHOUT_SLOT: Form = Form {
    low: Some(|code| {
        const LD: u32 = 0x3003;
        const ADDI: u32 = 0x0013;
        if get(code) & 0x707f == LD {
            merge(code, !0x707f, ADDI);
        }
    }),
    ..changed(RELATIVE, HIGH, |_| {})
};

static CALLS: [Form; 1] = [AS_JAL];
static JUMPS: [Form; 2] = [AS_C_J, AS_JAL];
static GOT_HIGH: [Form; 1] = [WITHOUT_SLOT];
static HIGH_ABSOLUTE: [Form; 2] = [cut(ABSOLUTE, NO_HIGH_PART), AS_C_LUI];
static HIGH_ABSOLUTE_WIDE: [Form; 1] = [cut(ABSOLUTE, NO_HIGH_PART)];
static LOW_I_ABSOLUTE: [Form; 1] = [changed(ABSOLUTE, LOW_I, |code| merge(code, !RS1, 0))];
static LOW_S_ABSOLUTE: [Form; 1] = [changed(ABSOLUTE, LOW_S, |code| merge(code, !RS1, 0))];
static HIGH_TPREL: [Form; 1] = [cut(TPREL, NO_HIGH_PART)];
static LOW_I_TPREL: [Form; 1] = [changed(TPREL, LOW_I, |code| merge(code, !RS1, TP))];
static LOW_S_TPREL: [Form; 1] = [changed(TPREL, LOW_S, |code| merge(code, !RS1, TP))];
static DESC_HIGH: [Form; 1] = [cut(TPREL, HIGH_NOT_WRITTEN)];
static DESC_LOAD: [Form; 1] = [cut(Expression::LowOfPair, NOTHING)];
static DESC_ADD: [Form; 1] = [cut(Expression::LowOfPair, NO_HIGH_PART)];

const HIGH_NOT_WRITTEN: Field = Field {
    range: HIGH.range,
    ..NOTHING
};

/// A weak symbol that nothing defines is at 0: `auipc` → `lui`.
static UNDEFINED_HIGH: [Form; 1] = [changed(ABSOLUTE, HIGH, auipc_to_lui)];
/// The same with the `jalr` behind it.
static UNDEFINED_CALL: [Form; 1] = [Form::new(ABSOLUTE, super::fields::CALL, 0, 4, auipc_to_lui)];
/// A jump to 0 is a trap: `unimp`
static UNDEFINED_JUMP: [Form; 1] = [Form::fixed(0, 4, |code| put(code, 0xc000_1073))];
/// `c.unimp`
static UNDEFINED_SHORT_JUMP: [Form; 1] = [Form::fixed(0, 2, |code| code.fill(0))];
/// A branch to 0 has no such form, as it may not be taken: as lld, to itself.
static UNDEFINED_BRANCH: [Form; 1] = [Form::fixed(0, 4, |code| merge(code, 0x01ff_f07f, 0))];
/// The same.
static UNDEFINED_SHORT_BRANCH: [Form; 1] = [Form::fixed(0, 2, |code| merge(code, 0xe383, 0))];

/// The two differ in one bit of the opcode.
fn auipc_to_lui(code: &mut [u8]) {
    code[0] |= 0x20;
}

/// See [`crate::isa::Isa::forms`].
pub fn forms(site: &Site<'_>) -> &'static [Form] {
    if site.undefined {
        return undefined(site);
    }
    match site.rule.raw {
        R_CALL | R_CALL_PLT if site.marked => calls(site),
        R_GOT_HI20 if site.marked && loads_slot(site) => &GOT_HIGH,
        R_HI20 if site.marked => match high_register(site) {
            // `c.lui` of `zero` or `sp` means something else.
            Some(register) if compressed(site) && !matches!(register, 0 | 2) => &HIGH_ABSOLUTE,
            _ => &HIGH_ABSOLUTE_WIDE,
        },
        R_LO12_I if site.marked => &LOW_I_ABSOLUTE,
        R_LO12_S if site.marked => &LOW_S_ABSOLUTE,
        R_TPREL_HI20 | R_TPREL_ADD if site.marked => &HIGH_TPREL,
        R_TPREL_LO12_I if site.marked => &LOW_I_TPREL,
        R_TPREL_LO12_S if site.marked => &LOW_S_TPREL,
        R_TLSDESC_HI20 if site.marked => &DESC_HIGH,
        R_TLSDESC_LOAD_LO12 if site.marked => &DESC_LOAD,
        R_TLSDESC_ADD_LO12 if site.marked => &DESC_ADD,
        _ => &[],
    }
}

fn undefined(site: &Site<'_>) -> &'static [Form] {
    match site.rule.raw {
        R_CALL | R_CALL_PLT => &UNDEFINED_CALL,
        R_PCREL_HI20 => &UNDEFINED_HIGH,
        R_JAL => &UNDEFINED_JUMP,
        R_BRANCH => &UNDEFINED_BRANCH,
        R_RVC_JUMP => &UNDEFINED_SHORT_JUMP,
        R_RVC_BRANCH => &UNDEFINED_SHORT_BRANCH,
        _ => &[],
    }
}

fn compressed(site: &Site<'_>) -> bool {
    site.flags.contains(elf::EF_RISCV_RVC)
}

fn high_register(site: &Site<'_>) -> Option<u32> {
    site.word(0).map(|lui| (lui & RD) >> 7)
}

/// `auipc` and a `jalr` through its register.
fn calls(site: &Site<'_>) -> &'static [Form] {
    let (Some(auipc), Some(jalr)) = (site.word(0), site.word(4)) else {
        return &[];
    };
    if auipc & 0x7f != 0x17 || jalr & 0x707f != 0x67 || (auipc & RD) << 8 != jalr & RS1 {
        return &[];
    }
    match jalr & RD {
        0 if compressed(site) => &JUMPS,
        _ => &CALLS,
    }
}

/// `auipc` and the `ld` into its register that is all it is for.
fn loads_slot(site: &Site<'_>) -> bool {
    let (Some(auipc), Some(ld)) = (site.word(0), site.word(4)) else {
        return false;
    };
    let register = auipc & RD;
    site.addend == 0
        && ld & 0x000f_ffff == 0x3003 | register | register << 8
        && site.has(4, &[R_PCREL_LO12_I])
}
