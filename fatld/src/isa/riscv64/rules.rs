//! The static relocations of the RISC-V ELF psABI 1.0, table 8.4.

use super::fields::{
    BRANCH, CALL, DESC_ADD, DESC_CALL, DESC_HIGH, DESC_LOAD, HIGH, JAL, LOW_I, LOW_S, RVC_BRANCH,
    RVC_JUMP, RVC_LUI, SIX_BITS, ULEB128,
};
use super::{
    R_BRANCH, R_CALL, R_CALL_PLT, R_GOT_HI20, R_HI20, R_JAL, R_LO12_I, R_LO12_S, R_PCREL_HI20,
    R_PCREL_LO12_I, R_PLT32, R_RVC_BRANCH, R_RVC_JUMP, R_TLSDESC_ADD_LO12, R_TLSDESC_HI20,
    R_TLSDESC_LOAD_LO12, R_TPREL_ADD, R_TPREL_HI20, R_TPREL_LO12_I, R_TPREL_LO12_S,
};
use crate::isa::{ANY, Expression, Field, NOTHING, Operand, Origin, Rule, Slot, integer, signed};
use Expression::{Add, Align, Difference, LowOfPair, Mark, Set, Subtract, Value};

const fn rule(raw: u32, name: &'static str, expression: Expression, field: Field) -> Rule {
    Rule::new(raw, name, expression, field)
}

/// An integer of 32 bits that may be meant with or without a sign.
const EITHER: (i128, i128) = (i32::MIN as i128, u32::MAX as i128);

const ABSOLUTE: Expression = Expression::ABSOLUTE;
const RELATIVE: Expression = Expression::RELATIVE;
const GOT: Expression = Expression::GOT_RELATIVE;
const TLS_GOT: Expression = Value(Operand::Slot(Slot::TpOffset), Origin::Place);
const TLS_GD: Expression = Value(Operand::Slot(Slot::TlsIndex), Origin::Place);
const TPREL: Expression = Value(Operand::TpOffset, Origin::Zero);
const DTPREL: Expression = Value(Operand::DtpOffset, Origin::Zero);

// A line per relocation, as a table.
#[rustfmt::skip]
pub static RULES: &[Rule] = &[
    rule(0, "R_RISCV_NONE", Mark, NOTHING),
    rule(1, "R_RISCV_32", ABSOLUTE, integer(4, EITHER)),
    rule(2, "R_RISCV_64", ABSOLUTE, integer(8, ANY)),
    rule(8, "R_RISCV_TLS_DTPREL32", DTPREL, integer(4, signed(32))),
    rule(9, "R_RISCV_TLS_DTPREL64", DTPREL, integer(8, ANY)),
    rule(R_BRANCH, "R_RISCV_BRANCH", RELATIVE, BRANCH),
    rule(R_JAL, "R_RISCV_JAL", RELATIVE, JAL),
    rule(R_CALL, "R_RISCV_CALL", RELATIVE, CALL),
    rule(R_CALL_PLT, "R_RISCV_CALL_PLT", RELATIVE, CALL),
    rule(R_GOT_HI20, "R_RISCV_GOT_HI20", GOT, HIGH),
    rule(21, "R_RISCV_TLS_GOT_HI20", TLS_GOT, HIGH),
    rule(22, "R_RISCV_TLS_GD_HI20", TLS_GD, HIGH),
    rule(R_PCREL_HI20, "R_RISCV_PCREL_HI20", RELATIVE, HIGH),
    rule(R_PCREL_LO12_I, "R_RISCV_PCREL_LO12_I", LowOfPair, LOW_I),
    rule(25, "R_RISCV_PCREL_LO12_S", LowOfPair, LOW_S),
    rule(R_HI20, "R_RISCV_HI20", ABSOLUTE, HIGH),
    rule(R_LO12_I, "R_RISCV_LO12_I", ABSOLUTE, LOW_I),
    rule(R_LO12_S, "R_RISCV_LO12_S", ABSOLUTE, LOW_S),
    rule(R_TPREL_HI20, "R_RISCV_TPREL_HI20", TPREL, HIGH),
    rule(R_TPREL_LO12_I, "R_RISCV_TPREL_LO12_I", TPREL, LOW_I),
    rule(R_TPREL_LO12_S, "R_RISCV_TPREL_LO12_S", TPREL, LOW_S),
    rule(R_TPREL_ADD, "R_RISCV_TPREL_ADD", TPREL, NOTHING),
    rule(33, "R_RISCV_ADD8", Add, integer(1, ANY)),
    rule(34, "R_RISCV_ADD16", Add, integer(2, ANY)),
    rule(35, "R_RISCV_ADD32", Add, integer(4, ANY)),
    rule(36, "R_RISCV_ADD64", Add, integer(8, ANY)),
    rule(37, "R_RISCV_SUB8", Subtract, integer(1, ANY)),
    rule(38, "R_RISCV_SUB16", Subtract, integer(2, ANY)),
    rule(39, "R_RISCV_SUB32", Subtract, integer(4, ANY)),
    rule(40, "R_RISCV_SUB64", Subtract, integer(8, ANY)),
    rule(41, "R_RISCV_GOT32_PCREL", GOT, integer(4, signed(32))),
    rule(43, "R_RISCV_ALIGN", Align, NOTHING),
    rule(R_RVC_BRANCH, "R_RISCV_RVC_BRANCH", RELATIVE, RVC_BRANCH),
    rule(R_RVC_JUMP, "R_RISCV_RVC_JUMP", RELATIVE, RVC_JUMP),
    rule(46, "R_RISCV_RVC_LUI", ABSOLUTE, RVC_LUI),
    rule(51, "R_RISCV_RELAX", Mark, NOTHING),
    rule(52, "R_RISCV_SUB6", Subtract, SIX_BITS),
    rule(53, "R_RISCV_SET6", Set, SIX_BITS),
    rule(54, "R_RISCV_SET8", Set, integer(1, ANY)),
    rule(55, "R_RISCV_SET16", Set, integer(2, ANY)),
    rule(56, "R_RISCV_SET32", Set, integer(4, ANY)),
    rule(57, "R_RISCV_32_PCREL", RELATIVE, integer(4, signed(32))),
    rule(R_PLT32, "R_RISCV_PLT32", RELATIVE, integer(4, signed(32))),
    rule(60, "R_RISCV_SET_ULEB128", Difference, ULEB128),
    rule(61, "R_RISCV_SUB_ULEB128", Subtract, ULEB128),
    rule(R_TLSDESC_HI20, "R_RISCV_TLSDESC_HI20", TPREL, DESC_HIGH),
    rule(R_TLSDESC_LOAD_LO12, "R_RISCV_TLSDESC_LOAD_LO12", LowOfPair, DESC_LOAD),
    rule(R_TLSDESC_ADD_LO12, "R_RISCV_TLSDESC_ADD_LO12", LowOfPair, DESC_ADD),
    rule(65, "R_RISCV_TLSDESC_CALL", LowOfPair, DESC_CALL),
];
