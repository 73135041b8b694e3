//! What differs between instruction sets, one file per ISA behind one trait.
//!
//! A relocation is data: an expression, a field and the check that belongs to the field. Everything else of the linker
//! knows an ISA only by [`Isa`]; the list of ISAs is [`ALL`].

mod aarch64;
mod riscv64;
mod x86_64;

use std::fmt::Debug;

use fat_image::GATE_SIZE;
use object::elf::{FileFlags, Machine, RelocationType};

use crate::program::Relocation;

/// Every ISA that can be linked.
pub const ALL: &[&dyn Isa] = &[&x86_64::X86_64, &riscv64::Riscv64, &aarch64::Aarch64];

/// Finds an ISA by the name that `--slice` takes.
pub fn by_name(name: &str) -> Option<&'static dyn Isa> {
    ALL.iter().copied().find(|isa| isa.name() == name)
}

/// An instruction set.
pub trait Isa: Sync + Debug {
    /// Its name on the command line and in the image.
    fn name(&self) -> &'static str;
    /// Names that ld's `-m` has for it.
    fn emulations(&self) -> &'static [&'static str];
    /// `e_machine` of its objects.
    fn machine(&self) -> Machine;
    /// Its static relocations, by the psABI, in the order of their numbers.
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
    /// Fills padding between instructions with ones that do nothing. It is a multiple of the shortest one.
    fn nops(&self, padding: &mut [u8]);
    /// `e_flags` of an output made of objects with these flags, or the flags that contradict each other.
    fn merge_flags(&self, flags: &[FileFlags]) -> Result<FileFlags, (FileFlags, FileFlags)>;

    /// What may stand in place of the instructions at a site, cheapest first. One is taken if its value fits its field;
    /// if none does, the site stays as it is. Those for a weak symbol that nothing defines cut nothing.
    fn forms(&self, _site: &Site<'_>) -> &'static [Form] {
        &[]
    }

    /// Code that leads branches to targets out of their reach, if the ISA has such branches.
    fn thunk(&self) -> Option<&'static Thunk> {
        None
    }

    /// Distance from the thread pointer to byte `offset` of the TLS segment, which has `size` bytes and this alignment.
    fn tp_offset(&self, offset: i64, size: u64, align: u64) -> i64;

    /// What the psABI takes off an offset in the TLS segment in a relocation or slot for `__tls_get_addr`.
    fn dtp_bias(&self) -> i64 {
        0
    }

    /// The rule of a relocation type.
    fn rule(&self, kind: RelocationType) -> Option<&'static Rule> {
        let rules = self.rules();
        let found = rules.binary_search_by_key(&kind.0, |rule| rule.raw);
        found.ok().map(|at| &rules[at])
    }
}

/// A relocation in code, for [`Isa::forms`].
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Its type.
    pub rule: &'static Rule,
    /// Bytes of the section.
    pub code: &'a [u8],
    /// Its offset in them.
    pub offset: usize,
    /// All relocations of the section, by offset.
    pub relocations: &'a [Relocation],
    /// Its addend.
    pub addend: i64,
    /// The symbol is weak and nothing defines it: code may be too far from 0 for a distance.
    pub undefined: bool,
    /// Cheaper instructions are wanted (`--relax`). Without, only what has no other way to work may change.
    pub relax: bool,
    /// The site carries a mark that allows it, and it is wanted (`R_RISCV_RELAX`).
    pub marked: bool,
    /// `e_flags` of the object.
    pub flags: FileFlags,
}

impl<'a> Site<'a> {
    /// The bytes from this distance on, `N` of them.
    pub fn bytes<const N: usize>(&self, distance: isize) -> Option<[u8; N]> {
        let start = self.offset.checked_add_signed(distance)?;
        self.code.get(start..)?.first_chunk().copied()
    }

    /// The instruction of 32 bits at this distance.
    pub fn word(&self, distance: isize) -> Option<u32> {
        self.bytes(distance).map(u32::from_le_bytes)
    }

    /// Types of the relocations at this distance.
    pub fn rules_at(&self, distance: isize) -> impl Iterator<Item = &'static Rule> + use<'a> {
        let offset = self.offset.wrapping_add_signed(distance) as u64;
        let relocations = self.relocations;
        let first = relocations.partition_point(|r| r.offset < offset);
        let here = relocations[first..].iter();
        here.take_while(move |r| r.offset == offset).map(|r| r.rule)
    }

    /// A relocation of one of these types stands at this distance.
    pub fn has(&self, distance: isize, raws: &[u32]) -> bool {
        self.rules_at(distance).any(|rule| raws.contains(&rule.raw))
    }
}

/// Instructions that a linker puts in place of those at a relocation.
#[derive(Debug)]
pub struct Form {
    /// What they compute.
    pub expression: Expression,
    /// Where the value goes.
    pub field: Field,
    /// Place of the field, from the relocation's offset.
    pub field_at: isize,
    /// What is added to the addend, where that undoes the bias of another field.
    pub addend: i64,
    /// First byte that is rewritten, from the relocation's offset.
    pub start: isize,
    /// Bytes that are rewritten.
    pub len: usize,
    /// Rewrites them, fields left for later.
    pub rewrite: fn(&mut [u8]),
    /// Bytes at their end that are cut out.
    pub cut: usize,
    /// Rewrites the instruction of each [`Expression::LowOfPair`] whose label stands here.
    pub low: Option<fn(&mut [u8])>,
    /// The next relocation belongs to the instructions that are gone.
    pub swallows_next: bool,
}

impl Form {
    /// A form with the field at the relocation's offset, of which nothing is cut and to which no low part belongs.
    pub const fn new(
        expression: Expression,
        field: Field,
        start: isize,
        len: usize,
        rewrite: fn(&mut [u8]),
    ) -> Self {
        Self {
            expression,
            field,
            field_at: 0,
            addend: 0,
            start,
            len,
            rewrite,
            cut: 0,
            low: None,
            swallows_next: false,
        }
    }

    /// Instructions without a value.
    pub const fn fixed(start: isize, len: usize, rewrite: fn(&mut [u8])) -> Self {
        Self::new(Expression::ABSOLUTE, NOTHING, start, len, rewrite)
    }
}

/// Code that jumps to any address, for branches that do not reach it.
#[derive(Debug)]
pub struct Thunk {
    /// Bytes, a multiple of what code is aligned to.
    pub size: u64,
    /// Types of relocations whose branches may be led over it.
    pub rules: &'static [u32],
    /// Writes one at an address, leading to a target; false if it does not reach that either.
    pub write: fn(&mut [u8], at: u64, target: u64) -> bool,
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
}

impl Rule {
    const fn new(raw: u32, name: &'static str, expression: Expression, field: Field) -> Self {
        Self {
            raw,
            name,
            expression,
            field,
        }
    }
}

/// What a relocation computes. `S` is the symbol's address, `A` the addend, `P` the place, `V` what the field holds
/// already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Nothing: a mark for linkers that relax.
    Mark,
    /// Nothing, but of the `A` bytes of padding that begin here only those stay that align what follows.
    Align,
    /// A value `X + A`, counted from somewhere.
    Value(Operand, Origin),
    /// Nothing that can be written alone: the instructions must be ones that have another form.
    Instructions,
    /// The value of the relocation at `S`, a label.
    LowOfPair,
    /// `V + S + A`
    Add,
    /// `V - S - A`
    Subtract,
    /// `S + A`, from which a [`Expression::Subtract`] of the same place takes what makes it a distance.
    Set,
    /// The same where the field is too small for an address: both relocations are one value.
    Difference,
}

impl Expression {
    /// `S + A`
    pub const ABSOLUTE: Self = Self::Value(Operand::Symbol, Origin::Zero);
    /// `S + A - P`
    pub const RELATIVE: Self = Self::Value(Operand::Symbol, Origin::Place);
    /// `G + A - P`
    pub const GOT_RELATIVE: Self = Self::Value(Operand::Slot(Slot::Address), Origin::Place);

    /// It has no value and writes nothing.
    pub fn is_mark(self) -> bool {
        matches!(self, Self::Mark | Self::Align)
    }

    /// Its symbol is a label, or one end of a distance: no address is taken.
    pub fn is_part(self) -> bool {
        matches!(
            self,
            Self::LowOfPair | Self::Add | Self::Subtract | Self::Set | Self::Difference
        )
    }

    /// It is about a symbol without meaning its address.
    pub fn is_about(self) -> bool {
        self.is_part() || matches!(self, Self::Value(Operand::Size, _))
    }

    /// It counts from the GOT, or is about it.
    pub fn needs_got(self) -> bool {
        matches!(
            self,
            Self::Value(Operand::Got, _) | Self::Value(_, Origin::Got | Origin::GotPage)
        )
    }
}

/// The `X` of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// `S`
    Symbol,
    /// `G`, the address of a slot of the GOT.
    Slot(Slot),
    /// The address of the GOT.
    Got,
    /// Bytes of the symbol.
    Size,
    /// Distance of a thread-local symbol from the thread pointer.
    TpOffset,
    /// Offset of a thread-local symbol in the TLS segment, bias taken off.
    DtpOffset,
}

/// What a slot of the GOT holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// `S`
    Address,
    /// Distance of `S` from the thread pointer.
    TpOffset,
    /// Two words for `__tls_get_addr`: the module, which is 1, and the offset of `S`.
    TlsIndex,
    /// Two words for `__tls_get_addr`: the module, and the offset of the thread pointer. Code that asks for the module
    /// adds distances from the thread pointer, as if it had been rewritten to take that.
    TlsModule,
}

impl Slot {
    /// Bytes of a slot.
    pub fn size(self) -> u64 {
        match self {
            Self::Address | Self::TpOffset => 8,
            Self::TlsIndex | Self::TlsModule => 16,
        }
    }
}

/// What a value is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `X + A`
    Zero,
    /// `X + A - P`
    Place,
    /// `Page(X + A) - Page(P)`, pages of 4 KiB.
    Page,
    /// `X + A` minus the address of the GOT.
    Got,
    /// `X + A` minus the page of the GOT.
    GotPage,
}

/// A field of code or data.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Bytes that it touches, at least.
    pub bytes: usize,
    /// It goes on to the first byte whose highest bit is not set (ULEB128).
    pub open: bool,
    /// Smallest and largest value, in bytes.
    pub range: (i128, i128),
    /// What the value must be a multiple of.
    pub multiple: u64,
    /// Stores the value. The slice has [`Field::bytes`] bytes.
    pub write: fn(&mut [u8], i128),
    /// Reads what is stored, for [`Expression::Add`] and [`Expression::Subtract`].
    pub read: fn(&[u8]) -> i128,
}

impl Field {
    /// The field as it is where these bytes begin.
    pub fn at(&self, bytes: &[u8]) -> Option<Self> {
        if !self.open {
            return (bytes.len() >= self.bytes).then_some(*self);
        }
        let len = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let bits = 7 * len.min(18) as u32;
        Some(Self {
            bytes: len,
            range: (0, (1 << bits) - 1),
            ..*self
        })
    }
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
        open: false,
        range,
        multiple: 1,
        write: write_integer,
        read: read_integer,
    }
}

/// A field inside instructions of so many bytes.
const fn instruction(
    bytes: usize,
    range: (i128, i128),
    multiple: u64,
    write: fn(&mut [u8], i128),
) -> Field {
    Field {
        bytes,
        open: false,
        range,
        multiple,
        write,
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
    open: false,
    range: ANY,
    multiple: 1,
    write: |_, _| {},
    read: |_| 0,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_in_order() {
        for isa in ALL {
            let raws = isa.rules().iter().map(|r| r.raw);
            assert!(raws.is_sorted_by(|a, b| a < b), "{}", isa.name());
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
