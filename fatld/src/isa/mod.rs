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
    /// Names that ld's `-m` has for it.
    fn emulations(&self) -> &'static [&'static str];
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
    /// Fills padding between instructions with ones that do nothing. It is a multiple of the shortest one.
    fn nops(&self, padding: &mut [u8]);
    /// `e_flags` of an output made of objects with these flags, or the flags that contradict each other.
    fn merge_flags(&self, flags: &[FileFlags]) -> Result<FileFlags, (FileFlags, FileFlags)>;

    /// What may stand in place of the instructions at a site, cheapest first. One is taken if its value fits its field;
    /// if none does, the site stays as it is.
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
        self.rules().iter().find(|rule| rule.raw == kind.0)
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
    /// Cheaper instructions are wanted (`--relax`). Without, only what has no other way to work may change.
    pub relax: bool,
    /// The site carries a mark that allows it, and it is wanted (`R_RISCV_RELAX`).
    pub marked: bool,
    /// `e_flags` of the object.
    pub flags: FileFlags,
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
            start,
            len,
            rewrite,
            cut: 0,
            low: None,
            swallows_next: false,
        }
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
    /// What takes its place if the symbol is weak and undefined: code may be too far from 0 for a distance. It cuts
    /// nothing.
    pub undefined: Option<&'static Form>,
}

impl Rule {
    const fn new(raw: u32, name: &'static str, expression: Expression, field: Field) -> Self {
        Self {
            raw,
            name,
            expression,
            field,
            undefined: None,
        }
    }

    const fn if_undefined(mut self, form: &'static Form) -> Self {
        self.undefined = Some(form);
        self
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
    /// The value of the relocation at `S`, a label.
    LowOfPair,
    /// `V + S + A`
    Add,
    /// `V - S - A`
    Subtract,
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
    /// Two words for `__tls_get_addr`: the module, and 0.
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
