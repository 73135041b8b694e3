//! What differs between instruction sets, one file per ISA behind one trait.
//!
//! A relocation is data: an expression, a field and the check that belongs to the field. Everything else of the linker
//! knows an ISA only by [`Isa`]; the list of ISAs is [`ALL`].

mod riscv64;
mod x86_64;

use std::fmt::Debug;

use fat_image::GATE_SIZE;
use object::elf::{FileFlags, Machine, RelocationType};

/// Every ISA that can be linked.
pub const ALL: &[&dyn Isa] = &[&x86_64::X86_64, &riscv64::Riscv64];

/// Finds an ISA by the name that `--slice` takes.
pub fn by_name(name: &str) -> Option<&'static dyn Isa> {
    ALL.iter().copied().find(|isa| isa.name() == name)
}

/// An instruction set.
pub trait Isa: Sync + Debug {
    /// Its name on the command line and in the image.
    fn name(&self) -> &'static str;
    /// `e_machine` of its objects.
    fn machine(&self) -> Machine;
    /// Its static relocations, by the psABI.
    fn rules(&self) -> &'static [Rule];
    /// What a relocation at `offset` of `code` does with the function it refers to.
    fn role(&self, rule: &Rule, code: &[u8], offset: usize) -> Role;
    /// Distance from the place a PC-relative field counts from to the place the relocation means by `P`.
    fn pc_bias(&self, rule: &Rule) -> i64;
    /// Code at `gate` that jumps to the address stored at `element`, clobbering nothing but what a call through a
    /// linker's stub may clobber. `None` if the distance is out of reach.
    fn gate(&self, gate: u64, element: u64) -> Option<[u8; GATE_SIZE as usize]>;
    /// Instructions that trap, to fill an element that has no code.
    fn trap(&self) -> &'static [u8];
    /// Padding between functions.
    fn padding(&self) -> &'static [u8];
    /// `e_flags` of an output made of objects with these flags, or the flags that contradict each other.
    fn merge_flags(&self, flags: &[FileFlags]) -> Result<FileFlags, (FileFlags, FileFlags)>;

    /// The rule of a relocation type.
    fn rule(&self, kind: RelocationType) -> Option<&'static Rule> {
        self.rules().iter().find(|rule| rule.raw == kind.0)
    }
}

/// What a reference from code does with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Calls it or jumps to it: the own ISA's code is meant.
    Branch,
    /// Takes its address: the gate is meant.
    Address,
}

/// A relocation type.
#[derive(Debug)]
pub struct Rule {
    /// `r_type`.
    pub raw: u32,
    /// Its name in the psABI.
    pub name: &'static str,
    /// The value.
    pub expression: Expression,
    /// Where and how the value is stored.
    pub field: Field,
    /// Rewrites the instruction of a [`Expression::Relative`] rule into one that takes `S + A` in the same field.
    pub absolute_form: Option<fn(&mut [u8])>,
}

impl Rule {
    const fn new(raw: u32, name: &'static str, expression: Expression, field: Field) -> Self {
        Self {
            raw,
            name,
            expression,
            field,
            absolute_form: None,
        }
    }

    const fn or_absolute(mut self, rewrite: fn(&mut [u8])) -> Self {
        self.absolute_form = Some(rewrite);
        self
    }
}

/// What a relocation computes. `S` is the symbol's address, `A` the addend, `P` the place, `G` the address of the GOT
/// slot, `V` what the field holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Nothing: a mark for linkers that relax.
    Mark,
    /// `S + A`
    Absolute,
    /// `S + A - P`
    Relative,
    /// `G + A - P`
    GotRelative,
    /// The value of the [`Expression::Relative`] or [`Expression::GotRelative`] relocation at `S`, a label.
    LowOfPair,
    /// `V + S + A`
    Add,
    /// `V - S - A`
    Subtract,
}

/// A field of code or data.
#[derive(Debug)]
pub struct Field {
    /// Bytes that it touches.
    pub bytes: usize,
    /// Smallest and largest value, in bytes.
    pub range: (i128, i128),
    /// What the value must be a multiple of.
    pub multiple: u64,
    /// Stores the value. The slice has [`Field::bytes`] bytes.
    pub write: fn(&mut [u8], i128),
    /// Reads what is stored, for [`Expression::Add`] and [`Expression::Subtract`].
    pub read: fn(&[u8]) -> i128,
}

const fn signed(bits: u32) -> (i128, i128) {
    (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
}

/// Any value: the field keeps its low bits, as the psABIs ask for differences.
const ANY: (i128, i128) = (i128::MIN, i128::MAX);

/// An integer field of `bytes` bytes.
const fn integer(bytes: usize, range: (i128, i128)) -> Field {
    Field {
        bytes,
        range,
        multiple: 1,
        write: write_integer,
        read: read_integer,
    }
}

fn write_integer(field: &mut [u8], value: i128) {
    let bytes = value.to_le_bytes();
    let len = field.len();
    field.copy_from_slice(&bytes[..len]);
}

fn read_integer(field: &[u8]) -> i128 {
    field
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | i128::from(*byte))
}

const NOTHING: Field = Field {
    bytes: 0,
    range: ANY,
    multiple: 1,
    write: |_, _| {},
    read: |_| 0,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_unique() {
        for isa in ALL {
            let mut raws: Vec<_> = isa.rules().iter().map(|r| r.raw).collect();
            raws.sort_unstable();
            raws.dedup();
            assert_eq!(raws.len(), isa.rules().len(), "{}", isa.name());
        }
    }

    #[test]
    fn integers_are_little_endian_and_cut() {
        let mut field = [0xff; 4];
        write_integer(&mut field, -2);
        assert_eq!(field, [0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(read_integer(&field), 0xffff_fffe);
    }
}
