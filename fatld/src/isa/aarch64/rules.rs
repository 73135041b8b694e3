//! The relocations of AAELF64, tables 5.7.3 to 5.7.11.

use super::fields::{
    ADR, BRANCH14, BRANCH19, BRANCH26, HIGH12, LITERAL, LOW15, PAGE, PAGE_NC, highest, low12,
    only12, part, signed_highest,
};
use super::forms::{DESC_G0, DESC_G1, DESC_G1_NC, DESC_G2, DESC_NOP};
use crate::isa::{ANY, Expression, Field, NOTHING, Operand, Origin, Rule, Slot, integer, signed};
use Expression::{Mark, Value};
use Operand::{Symbol, TpOffset};
use Origin::{Got, GotPage, Page, Place, Zero};

const fn rule(raw: u32, name: &'static str, expression: Expression, field: Field) -> Rule {
    Rule::new(raw, name, expression, field)
}

/// An integer that may be meant with or without a sign.
const fn either(bits: u32) -> (i128, i128) {
    (signed(bits).0, (1 << bits) - 1)
}

const GDAT: Operand = Operand::Slot(Slot::Address);
const GTPREL: Operand = Operand::Slot(Slot::TpOffset);
const GTLSIDX: Operand = Operand::Slot(Slot::TlsIndex);
const GLDM: Operand = Operand::Slot(Slot::TlsModule);

const ABSOLUTE: Expression = Expression::ABSOLUTE;
const RELATIVE: Expression = Expression::RELATIVE;
const TPREL: Expression = Value(TpOffset, Zero);
/// Code that asks for the module gets the thread pointer: see [`Slot::TlsModule`].
const DTPREL: Expression = TPREL;

// A line per relocation, as a table.
#[rustfmt::skip]
pub static RULES: &[Rule] = &[
    rule(0, "R_AARCH64_NONE", Mark, NOTHING),
    rule(256, "R_AARCH64_NONE", Mark, NOTHING),
    rule(257, "R_AARCH64_ABS64", ABSOLUTE, integer(8, ANY)),
    rule(258, "R_AARCH64_ABS32", ABSOLUTE, integer(4, either(32))),
    rule(259, "R_AARCH64_ABS16", ABSOLUTE, integer(2, either(16))),
    rule(260, "R_AARCH64_PREL64", RELATIVE, integer(8, ANY)),
    rule(261, "R_AARCH64_PREL32", RELATIVE, integer(4, either(32))),
    rule(262, "R_AARCH64_PREL16", RELATIVE, integer(2, either(16))),
    rule(263, "R_AARCH64_MOVW_UABS_G0", ABSOLUTE, highest::<0>()),
    rule(264, "R_AARCH64_MOVW_UABS_G0_NC", ABSOLUTE, part::<0>()),
    rule(265, "R_AARCH64_MOVW_UABS_G1", ABSOLUTE, highest::<16>()),
    rule(266, "R_AARCH64_MOVW_UABS_G1_NC", ABSOLUTE, part::<16>()),
    rule(267, "R_AARCH64_MOVW_UABS_G2", ABSOLUTE, highest::<32>()),
    rule(268, "R_AARCH64_MOVW_UABS_G2_NC", ABSOLUTE, part::<32>()),
    rule(269, "R_AARCH64_MOVW_UABS_G3", ABSOLUTE, part::<48>()),
    rule(270, "R_AARCH64_MOVW_SABS_G0", ABSOLUTE, signed_highest::<0>()),
    rule(271, "R_AARCH64_MOVW_SABS_G1", ABSOLUTE, signed_highest::<16>()),
    rule(272, "R_AARCH64_MOVW_SABS_G2", ABSOLUTE, signed_highest::<32>()),
    rule(273, "R_AARCH64_LD_PREL_LO19", RELATIVE, LITERAL),
    rule(274, "R_AARCH64_ADR_PREL_LO21", RELATIVE, ADR),
    rule(super::R_ADR_PREL_PG_HI21, "R_AARCH64_ADR_PREL_PG_HI21", Value(Symbol, Page), PAGE),
    rule(276, "R_AARCH64_ADR_PREL_PG_HI21_NC", Value(Symbol, Page), PAGE_NC),
    rule(277, "R_AARCH64_ADD_ABS_LO12_NC", ABSOLUTE, low12::<0>()),
    rule(278, "R_AARCH64_LDST8_ABS_LO12_NC", ABSOLUTE, low12::<0>()),
    rule(super::R_TSTBR14, "R_AARCH64_TSTBR14", RELATIVE, BRANCH14),
    rule(super::R_CONDBR19, "R_AARCH64_CONDBR19", RELATIVE, BRANCH19),
    rule(super::R_JUMP26, "R_AARCH64_JUMP26", RELATIVE, BRANCH26),
    rule(super::R_CALL26, "R_AARCH64_CALL26", RELATIVE, BRANCH26),
    rule(284, "R_AARCH64_LDST16_ABS_LO12_NC", ABSOLUTE, low12::<1>()),
    rule(285, "R_AARCH64_LDST32_ABS_LO12_NC", ABSOLUTE, low12::<2>()),
    rule(286, "R_AARCH64_LDST64_ABS_LO12_NC", ABSOLUTE, low12::<3>()),
    rule(287, "R_AARCH64_MOVW_PREL_G0", RELATIVE, signed_highest::<0>()),
    rule(288, "R_AARCH64_MOVW_PREL_G0_NC", RELATIVE, part::<0>()),
    rule(289, "R_AARCH64_MOVW_PREL_G1", RELATIVE, signed_highest::<16>()),
    rule(290, "R_AARCH64_MOVW_PREL_G1_NC", RELATIVE, part::<16>()),
    rule(291, "R_AARCH64_MOVW_PREL_G2", RELATIVE, signed_highest::<32>()),
    rule(292, "R_AARCH64_MOVW_PREL_G2_NC", RELATIVE, part::<32>()),
    rule(293, "R_AARCH64_MOVW_PREL_G3", RELATIVE, signed_highest::<48>()),
    rule(299, "R_AARCH64_LDST128_ABS_LO12_NC", ABSOLUTE, low12::<4>()),
    rule(300, "R_AARCH64_MOVW_GOTOFF_G0", Value(GDAT, Got), signed_highest::<0>()),
    rule(301, "R_AARCH64_MOVW_GOTOFF_G0_NC", Value(GDAT, Got), part::<0>()),
    rule(302, "R_AARCH64_MOVW_GOTOFF_G1", Value(GDAT, Got), signed_highest::<16>()),
    rule(303, "R_AARCH64_MOVW_GOTOFF_G1_NC", Value(GDAT, Got), part::<16>()),
    rule(304, "R_AARCH64_MOVW_GOTOFF_G2", Value(GDAT, Got), signed_highest::<32>()),
    rule(305, "R_AARCH64_MOVW_GOTOFF_G2_NC", Value(GDAT, Got), part::<32>()),
    rule(306, "R_AARCH64_MOVW_GOTOFF_G3", Value(GDAT, Got), signed_highest::<48>()),
    rule(307, "R_AARCH64_GOTREL64", Value(Symbol, Got), integer(8, ANY)),
    rule(308, "R_AARCH64_GOTREL32", Value(Symbol, Got), integer(4, either(32))),
    rule(309, "R_AARCH64_GOT_LD_PREL19", Value(GDAT, Place), LITERAL),
    rule(310, "R_AARCH64_LD64_GOTOFF_LO15", Value(GDAT, Got), LOW15),
    rule(311, "R_AARCH64_ADR_GOT_PAGE", Value(GDAT, Page), PAGE),
    rule(312, "R_AARCH64_LD64_GOT_LO12_NC", Value(GDAT, Zero), low12::<3>()),
    rule(313, "R_AARCH64_LD64_GOTPAGE_LO15", Value(GDAT, GotPage), LOW15),
    rule(super::R_PLT32, "R_AARCH64_PLT32", RELATIVE, integer(4, signed(32))),
    rule(315, "R_AARCH64_GOTPCREL32", Value(GDAT, Place), integer(4, signed(32))),
    rule(512, "R_AARCH64_TLSGD_ADR_PREL21", Value(GTLSIDX, Place), ADR),
    rule(513, "R_AARCH64_TLSGD_ADR_PAGE21", Value(GTLSIDX, Page), PAGE),
    rule(514, "R_AARCH64_TLSGD_ADD_LO12_NC", Value(GTLSIDX, Zero), low12::<0>()),
    rule(515, "R_AARCH64_TLSGD_MOVW_G1", Value(GTLSIDX, Got), signed_highest::<16>()),
    rule(516, "R_AARCH64_TLSGD_MOVW_G0_NC", Value(GTLSIDX, Got), part::<0>()),
    rule(517, "R_AARCH64_TLSLD_ADR_PREL21", Value(GLDM, Place), ADR),
    rule(518, "R_AARCH64_TLSLD_ADR_PAGE21", Value(GLDM, Page), PAGE),
    rule(519, "R_AARCH64_TLSLD_ADD_LO12_NC", Value(GLDM, Zero), low12::<0>()),
    rule(520, "R_AARCH64_TLSLD_MOVW_G1", Value(GLDM, Got), signed_highest::<16>()),
    rule(521, "R_AARCH64_TLSLD_MOVW_G0_NC", Value(GLDM, Got), part::<0>()),
    rule(522, "R_AARCH64_TLSLD_LD_PREL19", Value(GLDM, Place), LITERAL),
    rule(523, "R_AARCH64_TLSLD_MOVW_DTPREL_G2", DTPREL, signed_highest::<32>()),
    rule(524, "R_AARCH64_TLSLD_MOVW_DTPREL_G1", DTPREL, signed_highest::<16>()),
    rule(525, "R_AARCH64_TLSLD_MOVW_DTPREL_G1_NC", DTPREL, part::<16>()),
    rule(526, "R_AARCH64_TLSLD_MOVW_DTPREL_G0", DTPREL, signed_highest::<0>()),
    rule(527, "R_AARCH64_TLSLD_MOVW_DTPREL_G0_NC", DTPREL, part::<0>()),
    rule(528, "R_AARCH64_TLSLD_ADD_DTPREL_HI12", DTPREL, HIGH12),
    rule(529, "R_AARCH64_TLSLD_ADD_DTPREL_LO12", DTPREL, only12::<0>()),
    rule(530, "R_AARCH64_TLSLD_ADD_DTPREL_LO12_NC", DTPREL, low12::<0>()),
    rule(531, "R_AARCH64_TLSLD_LDST8_DTPREL_LO12", DTPREL, only12::<0>()),
    rule(532, "R_AARCH64_TLSLD_LDST8_DTPREL_LO12_NC", DTPREL, low12::<0>()),
    rule(533, "R_AARCH64_TLSLD_LDST16_DTPREL_LO12", DTPREL, only12::<1>()),
    rule(534, "R_AARCH64_TLSLD_LDST16_DTPREL_LO12_NC", DTPREL, low12::<1>()),
    rule(535, "R_AARCH64_TLSLD_LDST32_DTPREL_LO12", DTPREL, only12::<2>()),
    rule(536, "R_AARCH64_TLSLD_LDST32_DTPREL_LO12_NC", DTPREL, low12::<2>()),
    rule(537, "R_AARCH64_TLSLD_LDST64_DTPREL_LO12", DTPREL, only12::<3>()),
    rule(538, "R_AARCH64_TLSLD_LDST64_DTPREL_LO12_NC", DTPREL, low12::<3>()),
    rule(539, "R_AARCH64_TLSIE_MOVW_GOTTPREL_G1", Value(GTPREL, Got), signed_highest::<16>()),
    rule(540, "R_AARCH64_TLSIE_MOVW_GOTTPREL_G0_NC", Value(GTPREL, Got), part::<0>()),
    rule(541, "R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21", Value(GTPREL, Page), PAGE),
    rule(542, "R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC", Value(GTPREL, Zero), low12::<3>()),
    rule(543, "R_AARCH64_TLSIE_LD_GOTTPREL_PREL19", Value(GTPREL, Place), LITERAL),
    rule(544, "R_AARCH64_TLSLE_MOVW_TPREL_G2", TPREL, signed_highest::<32>()),
    rule(545, "R_AARCH64_TLSLE_MOVW_TPREL_G1", TPREL, signed_highest::<16>()),
    rule(546, "R_AARCH64_TLSLE_MOVW_TPREL_G1_NC", TPREL, part::<16>()),
    rule(547, "R_AARCH64_TLSLE_MOVW_TPREL_G0", TPREL, signed_highest::<0>()),
    rule(548, "R_AARCH64_TLSLE_MOVW_TPREL_G0_NC", TPREL, part::<0>()),
    rule(549, "R_AARCH64_TLSLE_ADD_TPREL_HI12", TPREL, HIGH12),
    rule(550, "R_AARCH64_TLSLE_ADD_TPREL_LO12", TPREL, only12::<0>()),
    rule(551, "R_AARCH64_TLSLE_ADD_TPREL_LO12_NC", TPREL, low12::<0>()),
    rule(552, "R_AARCH64_TLSLE_LDST8_TPREL_LO12", TPREL, only12::<0>()),
    rule(553, "R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC", TPREL, low12::<0>()),
    rule(554, "R_AARCH64_TLSLE_LDST16_TPREL_LO12", TPREL, only12::<1>()),
    rule(555, "R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC", TPREL, low12::<1>()),
    rule(556, "R_AARCH64_TLSLE_LDST32_TPREL_LO12", TPREL, only12::<2>()),
    rule(557, "R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC", TPREL, low12::<2>()),
    rule(558, "R_AARCH64_TLSLE_LDST64_TPREL_LO12", TPREL, only12::<3>()),
    rule(559, "R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC", TPREL, low12::<3>()),
    rule(560, "R_AARCH64_TLSDESC_LD_PREL19", TPREL, DESC_G1),
    rule(561, "R_AARCH64_TLSDESC_ADR_PREL21", TPREL, DESC_G0),
    rule(562, "R_AARCH64_TLSDESC_ADR_PAGE21", TPREL, DESC_G1),
    rule(563, "R_AARCH64_TLSDESC_LD64_LO12", TPREL, DESC_G0),
    rule(564, "R_AARCH64_TLSDESC_ADD_LO12", TPREL, DESC_NOP),
    rule(565, "R_AARCH64_TLSDESC_OFF_G1", TPREL, DESC_G2),
    rule(566, "R_AARCH64_TLSDESC_OFF_G0_NC", TPREL, DESC_G1_NC),
    rule(567, "R_AARCH64_TLSDESC_LDR", TPREL, DESC_G0),
    rule(568, "R_AARCH64_TLSDESC_ADD", TPREL, DESC_NOP),
    rule(569, "R_AARCH64_TLSDESC_CALL", TPREL, DESC_NOP),
    rule(570, "R_AARCH64_TLSLE_LDST128_TPREL_LO12", TPREL, only12::<4>()),
    rule(571, "R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC", TPREL, low12::<4>()),
    rule(572, "R_AARCH64_TLSLD_LDST128_DTPREL_LO12", DTPREL, only12::<4>()),
    rule(573, "R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC", DTPREL, low12::<4>()),
];
