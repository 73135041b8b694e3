//! The static relocations of the System V psABI 1.0, table 4.9.

use super::{
    R_CODE_4_GOTPC32_TLSDESC, R_CODE_4_GOTPCRELX, R_CODE_4_GOTTPOFF, R_DTPOFF32, R_DTPOFF64,
    R_GOTPC32_TLSDESC, R_GOTPCREL, R_GOTPCRELX, R_GOTTPOFF, R_PC32, R_PLT32, R_PLTOFF64,
    R_REX_GOTPCRELX, R_TLSDESC_CALL, R_TLSGD, R_TLSLD,
};
use crate::isa::{ANY, Expression, Field, NOTHING, Operand, Origin, Rule, Slot, integer, signed};
use Expression::{Instructions, Mark, Value};
use Operand::{DtpOffset, Size, Symbol, TpOffset};
use Origin::{Got, Place, Zero};

const fn rule(raw: u32, name: &'static str, expression: Expression, field: Field) -> Rule {
    Rule::new(raw, name, expression, field)
}

/// An integer that may be meant with or without a sign.
const fn either(bits: u32) -> (i128, i128) {
    (signed(bits).0, (1 << bits) - 1)
}

const ABSOLUTE: Expression = Expression::ABSOLUTE;
const RELATIVE: Expression = Expression::RELATIVE;
const GOT_RELATIVE: Expression = Expression::GOT_RELATIVE;
const SLOT: Operand = Operand::Slot(Slot::Address);
const GOTTPOFF: Expression = Value(Operand::Slot(Slot::TpOffset), Place);
const TLSGD: Expression = Value(Operand::Slot(Slot::TlsIndex), Place);
const TLSLD: Expression = Value(Operand::Slot(Slot::TlsModule), Place);

const WORD32: Field = integer(4, signed(32));
const WORD64: Field = integer(8, ANY);

// A line per relocation, as a table.
#[rustfmt::skip]
pub static RULES: &[Rule] = &[
    rule(0, "R_X86_64_NONE", Mark, NOTHING),
    rule(1, "R_X86_64_64", ABSOLUTE, WORD64),
    rule(R_PC32, "R_X86_64_PC32", RELATIVE, WORD32),
    rule(3, "R_X86_64_GOT32", Value(SLOT, Got), WORD32),
    rule(R_PLT32, "R_X86_64_PLT32", RELATIVE, WORD32),
    rule(R_GOTPCREL, "R_X86_64_GOTPCREL", GOT_RELATIVE, WORD32),
    rule(10, "R_X86_64_32", ABSOLUTE, integer(4, (0, u32::MAX as i128))),
    rule(11, "R_X86_64_32S", ABSOLUTE, WORD32),
    rule(12, "R_X86_64_16", ABSOLUTE, integer(2, either(16))),
    rule(13, "R_X86_64_PC16", RELATIVE, integer(2, signed(16))),
    rule(14, "R_X86_64_8", ABSOLUTE, integer(1, either(8))),
    rule(15, "R_X86_64_PC8", RELATIVE, integer(1, signed(8))),
    rule(R_DTPOFF64, "R_X86_64_DTPOFF64", Value(DtpOffset, Zero), WORD64),
    rule(18, "R_X86_64_TPOFF64", Value(TpOffset, Zero), WORD64),
    rule(R_TLSGD, "R_X86_64_TLSGD", TLSGD, WORD32),
    rule(R_TLSLD, "R_X86_64_TLSLD", TLSLD, WORD32),
    rule(R_DTPOFF32, "R_X86_64_DTPOFF32", Value(DtpOffset, Zero), WORD32),
    rule(R_GOTTPOFF, "R_X86_64_GOTTPOFF", GOTTPOFF, WORD32),
    rule(23, "R_X86_64_TPOFF32", Value(TpOffset, Zero), WORD32),
    rule(24, "R_X86_64_PC64", RELATIVE, WORD64),
    rule(25, "R_X86_64_GOTOFF64", Value(Symbol, Got), WORD64),
    rule(26, "R_X86_64_GOTPC32", Value(Operand::Got, Place), WORD32),
    rule(27, "R_X86_64_GOT64", Value(SLOT, Got), WORD64),
    rule(28, "R_X86_64_GOTPCREL64", GOT_RELATIVE, WORD64),
    rule(29, "R_X86_64_GOTPC64", Value(Operand::Got, Place), WORD64),
    rule(30, "R_X86_64_GOTPLT64", Value(SLOT, Got), WORD64),
    rule(R_PLTOFF64, "R_X86_64_PLTOFF64", Value(Symbol, Got), WORD64),
    rule(32, "R_X86_64_SIZE32", Value(Size, Zero), integer(4, either(32))),
    rule(33, "R_X86_64_SIZE64", Value(Size, Zero), WORD64),
    rule(R_GOTPC32_TLSDESC, "R_X86_64_GOTPC32_TLSDESC", Instructions, WORD32),
    rule(R_TLSDESC_CALL, "R_X86_64_TLSDESC_CALL", Instructions, NOTHING),
    rule(R_GOTPCRELX, "R_X86_64_GOTPCRELX", GOT_RELATIVE, WORD32),
    rule(R_REX_GOTPCRELX, "R_X86_64_REX_GOTPCRELX", GOT_RELATIVE, WORD32),
    rule(R_CODE_4_GOTPCRELX, "R_X86_64_CODE_4_GOTPCRELX", GOT_RELATIVE, WORD32),
    rule(R_CODE_4_GOTTPOFF, "R_X86_64_CODE_4_GOTTPOFF", GOTTPOFF, WORD32),
    rule(R_CODE_4_GOTPC32_TLSDESC, "R_X86_64_CODE_4_GOTPC32_TLSDESC", Instructions, WORD32),
    rule(46, "R_X86_64_CODE_5_GOTPCRELX", GOT_RELATIVE, WORD32),
    rule(47, "R_X86_64_CODE_5_GOTTPOFF", GOTTPOFF, WORD32),
    rule(48, "R_X86_64_CODE_5_GOTPC32_TLSDESC", Instructions, WORD32),
    rule(49, "R_X86_64_CODE_6_GOTPCRELX", GOT_RELATIVE, WORD32),
    rule(50, "R_X86_64_CODE_6_GOTTPOFF", GOTTPOFF, WORD32),
    rule(51, "R_X86_64_CODE_6_GOTPC32_TLSDESC", Instructions, WORD32),
];
