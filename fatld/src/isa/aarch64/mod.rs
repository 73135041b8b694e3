//! aarch64: ELF for the Arm 64-bit Architecture (AAELF64), chapter 5.7, in little-endian LP64.
//!
//! Thread-local variables of every access model end at their distance from the thread pointer, which a static link
//! knows: sequences for TLS descriptors always, those for `__tls_get_addr` where they are the ones that compilers
//! write. Else `__tls_get_addr` is called.

mod fields;
mod forms;
mod rules;

use super::{Form, Isa, Role, Rule, Site, Thunk};
use fat_image::GATE_SIZE;
use fields::{NOP, put, write_low12, write_page};
use object::elf::{self, FileFlags, Machine};

/// See [`Isa`].
#[derive(Debug)]
pub struct Aarch64;

const R_ADR_PREL_PG_HI21: u32 = 275;
const R_TSTBR14: u32 = 279;
const R_CONDBR19: u32 = 280;
const R_JUMP26: u32 = 282;
const R_CALL26: u32 = 283;
const R_PLT32: u32 = 314;

/// The page of a target, for an `adrp` at an address.
fn page_distance(at: u64, target: u64) -> Option<i128> {
    let distance = i128::from((target & !0xfff).wrapping_sub(at & !0xfff) as i64);
    let (low, high) = fields::PAGE.range;
    (low..=high).contains(&distance).then_some(distance)
}

/// `adrp x16, page; add x16, x16, low; br x16`: linkers may change `x16` and `x17` between caller and callee.
fn write_thunk(out: &mut [u8], at: u64, target: u64) -> bool {
    let Some(page) = page_distance(at, target) else {
        return false;
    };
    // adrp x16, 0; add x16, x16, 0; br x16; udf #0
    put(out, [0x9000_0010, 0x9100_0210, 0xd61f_0200, 0]);
    write_page(&mut out[..4], page);
    write_low12::<0>(&mut out[4..8], i128::from(target));
    true
}

static THUNK: Thunk = Thunk {
    size: 16,
    rules: &[R_JUMP26, R_CALL26],
    write: write_thunk,
};

impl Isa for Aarch64 {
    fn name(&self) -> &'static str {
        "aarch64"
    }

    fn emulations(&self) -> &'static [&'static str] {
        &["aarch64linux", "aarch64elf"]
    }

    fn machine(&self) -> Machine {
        elf::EM_AARCH64
    }

    fn rules(&self) -> &'static [Rule] {
        rules::RULES
    }

    fn role(&self, rule: &Rule, _code: &[u8], _offset: usize) -> Role {
        match rule.raw {
            R_TSTBR14 | R_CONDBR19 | R_JUMP26 | R_CALL26 | R_PLT32 => Role::Branch,
            _ => Role::Address,
        }
    }

    fn pc_bias(&self, _rule: &Rule) -> i64 {
        0
    }

    /// `bti c; adrp x16, page; ldr x16, [x16, low]; br x16`
    fn gate(&self, gate: u64, element: u64) -> Option<[u8; GATE_SIZE as usize]> {
        let page = page_distance(gate + 4, element)?;
        let mut code = [0; GATE_SIZE as usize];
        // bti c; adrp x16, 0; ldr x16, [x16]; br x16
        put(
            &mut code,
            [0xd503_245f, 0x9000_0010, 0xf940_0210, 0xd61f_0200],
        );
        write_page(&mut code[4..8], page);
        write_low12::<3>(&mut code[8..12], i128::from(element));
        Some(code)
    }

    /// `udf #0`
    fn trap(&self) -> &'static [u8] {
        &[0; 4]
    }

    fn padding(&self) -> &'static [u8] {
        &[0; 4]
    }

    fn nops(&self, padding: &mut [u8]) {
        let (words, _) = padding.as_chunks_mut::<4>();
        words.fill(NOP.to_le_bytes());
    }

    fn merge_flags(&self, flags: &[FileFlags]) -> Result<FileFlags, (FileFlags, FileFlags)> {
        const NONE: FileFlags = FileFlags(0);
        match flags.iter().find(|f| **f != NONE) {
            Some(odd) => Err((NONE, *odd)),
            None => Ok(NONE),
        }
    }

    fn forms(&self, site: &Site<'_>) -> &'static [Form] {
        forms::forms(site)
    }

    fn thunk(&self) -> Option<&'static Thunk> {
        Some(&THUNK)
    }

    /// Variant I: two words of the thread control block lie between the thread pointer and the segment.
    fn tp_offset(&self, offset: i64, _size: u64, align: u64) -> i64 {
        const CONTROL_BLOCK: u64 = 16;
        offset.wrapping_add_unsigned(align.max(CONTROL_BLOCK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(code: &[u8]) -> Vec<u32> {
        let words = code.chunks_exact(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn gate_jumps_through_the_element() {
        let code = Aarch64.gate(0x10_0ff0, 0x30_2008).expect("in reach");
        // bti c; adrp x16, .+0x202000; ldr x16, [x16, #8]; br x16
        assert_eq!(
            words(&code),
            [0xd503_245f, 0xd000_1010, 0xf940_0610, 0xd61f_0200]
        );
        assert_eq!(Aarch64.gate(0, 1 << 32), None);
    }

    #[test]
    fn thunk_reaches_four_gibibytes() {
        let mut code = [0xff; 16];
        assert!(write_thunk(&mut code, 0x8000_0000, 0x1_0000_0124));
        // adrp x16, .+0x80000000; add x16, x16, #0x124; br x16
        assert_eq!(
            words(&code),
            [0x9040_0010, 0x9104_9210, 0xd61f_0200, 0x0000_0000]
        );
        assert!(!write_thunk(&mut code, 0, 1 << 32));
    }

    #[test]
    fn thread_local_data_lie_behind_the_control_block() {
        assert_eq!(Aarch64.tp_offset(0, 100, 8), 16);
        assert_eq!(Aarch64.tp_offset(4, 100, 64), 68);
    }
}
