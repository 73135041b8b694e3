//! Instructions that take the place of others: thread-local variables at their distance from the thread pointer, and
//! what to do about weak symbols that nothing defines.

use super::fields::{NOP, get, part, put, write_move};
use super::{R_ADR_PREL_PG_HI21, R_CALL26, R_JUMP26};
use crate::isa::{ANY, Expression, Field, Form, Operand, Origin, Site, instruction};

const TPREL: Expression = Expression::Value(Operand::TpOffset, Origin::Zero);

/// Writes an instruction and 16 bits of a value into it.
fn write_anew<const INSTRUCTION: u32, const SHIFT: u32>(field: &mut [u8], v: i128) {
    put(field, [INSTRUCTION]);
    write_move::<SHIFT>(field, v);
}

const fn whole(range: (i128, i128), write: fn(&mut [u8], i128)) -> Field {
    instruction(4, range, 1, write)
}

const U32: (i128, i128) = (0, (1 << 32) - 1);

/// A descriptor's sequence leaves the distance in `x0`. Its instructions become, in order, `movz x0, …, lsl 16`,
pub const DESC_G1: Field = whole(U32, write_anew::<0xd2a0_0000, 16>);
/// `movk x0, …` and
pub const DESC_G0: Field = whole(ANY, write_anew::<0xf280_0000, 0>);
/// `nop`, twice.
pub const DESC_NOP: Field = whole(ANY, |field, _| put(field, [NOP]));
/// In the large model they begin with `movz x0, …, lsl 32`
pub const DESC_G2: Field = whole((0, (1 << 48) - 1), write_anew::<0xd2c0_0000, 32>);
/// and `movk x0, …, lsl 16`.
pub const DESC_G1_NC: Field = whole(ANY, write_anew::<0xf2a0_0000, 16>);

const R_LD_PREL_LO19: u32 = 273;
const R_ADR_PREL_LO21: u32 = 274;
const R_ADR_PREL_PG_HI21_NC: u32 = 276;
const R_TLSGD_ADR_PAGE21: u32 = 513;
const R_TLSGD_ADD_LO12_NC: u32 = 514;
const R_TLSLD_ADR_PAGE21: u32 = 518;
const R_TLSLD_ADD_LO12_NC: u32 = 519;
const R_TLSIE_ADR_GOTTPREL_PAGE21: u32 = 541;
const R_TLSIE_LD64_GOTTPREL_LO12_NC: u32 = 542;

/// The register that an instruction writes.
const DESTINATION: u32 = 0x1f;

/// Puts other instructions with the same destination.
fn keep_destination<const INSTRUCTION: u32>(field: &mut [u8]) {
    let destination = get(field) & DESTINATION;
    put(field, [INSTRUCTION | destination]);
}

/// A value of 16 bits with a sign, in `movz` or `movn`.
fn write_small(field: &mut [u8], v: i128) {
    super::fields::write_signed_move::<0>(field, v);
}

const SMALL: (i128, i128) = (-0x1_0000, 0xffff);
const MOVZ: u32 = 0xd280_0000;

/// "If the symbol is weak and undefined, a branch goes to the next instruction" (AAELF64, 5.7.3).
static NO_BRANCH: [Form; 1] = [Form::fixed(0, 4, |code| put(code, [NOP]))];
/// Code loads from an address near 0: a trap.
static NO_LOAD: [Form; 1] = [Form::fixed(0, 4, |code| put(code, [0]))];
/// `adr` → `movz`
static SMALL_ADDRESS: [Form; 1] = [Form::new(
    Expression::ABSOLUTE,
    whole(SMALL, write_small),
    0,
    4,
    keep_destination::<MOVZ>,
)];
/// `adrp` → `movz`
static SMALL_PAGE: [Form; 1] = [Form::new(
    Expression::ABSOLUTE,
    whole(SMALL, |field, v| write_small(field, v & !0xfff)),
    0,
    4,
    keep_destination::<MOVZ>,
)];

/// `adrp` → `movz …, lsl 16`
static HIGH_OF_TP_OFFSET: [Form; 1] = [Form::new(
    TPREL,
    whole(U32, write_move::<16>),
    0,
    4,
    keep_destination::<0xd2a0_0000>,
)];
/// `ldr` → `movk`
static LOW_OF_TP_OFFSET: [Form; 1] = [Form::new(
    TPREL,
    whole(U32, write_move::<0>),
    0,
    4,
    keep_destination::<0xf280_0000>,
)];
/// `add x0, x0, low; bl __tls_get_addr; nop` → `movk x0, low; mrs x1, tpidr_el0; add x0, x1, x0`
static LOW_AND_THREAD_POINTER: [Form; 1] = [Form {
    swallows_next: true,
    ..Form::new(TPREL, part::<0>(), 0, 12, |code| {
        put(code, [0xf280_0000, 0xd53b_d041, 0x8b00_0020]);
    })
}];
/// `adrp x0, page` → `mrs x0, tpidr_el0`
static THREAD_POINTER: [Form; 1] = [Form::fixed(0, 4, |code| put(code, [0xd53b_d040]))];
/// `add x0, x0, low; bl __tls_get_addr` → `nop; nop`
static NO_CALL: [Form; 1] = [Form {
    swallows_next: true,
    ..Form::fixed(0, 8, |code| put(code, [NOP, NOP]))
}];

/// See [`crate::isa::Isa::forms`].
pub fn forms(site: &Site<'_>) -> &'static [Form] {
    match site.rule.raw {
        R_LD_PREL_LO19 if site.undefined => &NO_LOAD,
        R_ADR_PREL_LO21 if site.undefined => &SMALL_ADDRESS,
        R_ADR_PREL_PG_HI21 | R_ADR_PREL_PG_HI21_NC if site.undefined => &SMALL_PAGE,
        super::R_TSTBR14 | super::R_CONDBR19 | R_JUMP26 | R_CALL26 if site.undefined => &NO_BRANCH,
        R_TLSGD_ADR_PAGE21 if calls_tls_get_addr(site, 0, true) => &HIGH_OF_TP_OFFSET,
        R_TLSGD_ADD_LO12_NC if calls_tls_get_addr(site, -4, true) => &LOW_AND_THREAD_POINTER,
        R_TLSLD_ADR_PAGE21 if calls_tls_get_addr(site, 0, false) => &THREAD_POINTER,
        R_TLSLD_ADD_LO12_NC if calls_tls_get_addr(site, -4, false) => &NO_CALL,
        R_TLSIE_ADR_GOTTPREL_PAGE21 if site.relax && loads_tp_offset(site, 0) => &HIGH_OF_TP_OFFSET,
        R_TLSIE_LD64_GOTTPREL_LO12_NC if site.relax && loads_tp_offset(site, -4) => {
            &LOW_OF_TP_OFFSET
        }
        _ => &[],
    }
}

/// At a distance stand `adrp x0, page; add x0, x0, low; bl __tls_get_addr`, and a `nop` if one is needed.
fn calls_tls_get_addr(site: &Site<'_>, start: isize, nop: bool) -> bool {
    let is = |at: isize, mask: u32, want: u32| {
        let word = site.word(start + at);
        word.is_some_and(|word| word & mask == want)
    };
    is(0, 0x9f00_001f, 0x9000_0000)
        && is(4, 0xffc0_03ff, 0x9100_0000)
        && is(8, 0xfc00_0000, 0x9400_0000)
        && (!nop || is(12, u32::MAX, NOP))
        && site.has(start, &[R_TLSGD_ADR_PAGE21, R_TLSLD_ADR_PAGE21])
        && site.has(start + 4, &[R_TLSGD_ADD_LO12_NC, R_TLSLD_ADD_LO12_NC])
        && site.has(start + 8, &[R_CALL26])
}

/// At a distance stand `adrp xN, page; ldr xN, [xN, low]`: whoever reads `xN` behind them wants the offset.
fn loads_tp_offset(site: &Site<'_>, start: isize) -> bool {
    let (Some(adrp), Some(ldr)) = (site.word(start), site.word(start + 4)) else {
        return false;
    };
    let register = adrp & DESTINATION;
    ldr & 0xffc0_03ff == 0xf940_0000 | register << 5 | register
        && site.has(start, &[R_TLSIE_ADR_GOTTPREL_PAGE21])
        && site.has(start + 4, &[R_TLSIE_LD64_GOTTPREL_LO12_NC])
}
