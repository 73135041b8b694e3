//! Places of variables, from their location expressions.
//!
//! Compilers write three shapes for a variable in static memory: an address; an address plus a constant (LLVM, when it
//! merged several variables into one); and pieces or computed values (LLVM, when it shrank or split one). The first two
//! give a [`Location`], the last one says that there is no single place.
//!
//! Invariant: an expression that this file does not understand never yields a place.

use std::cell::Cell;

use gimli::{Expression, Operation};

use crate::elf::{Elf, Section};
use crate::error::Error;
use crate::input::Location;
use crate::object::Object;
use crate::unit::{Slice, UnitReader};

/// Where a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// In a register, on the stack, in thread-local memory or nowhere.
    NotStatic,
    /// In static memory, but not in one piece, or at an address that is not known.
    Scattered,
    /// In one piece of static memory.
    At(Location),
}

/// Whether an expression may name a static address: only then it is worth parsing. Most do not.
pub(crate) fn may_be_static(expression: &[u8]) -> bool {
    let first = expression.first().copied().map(gimli::DwOp);
    matches!(
        first,
        Some(
            gimli::DW_OP_addr
                | gimli::DW_OP_addrx
                | gimli::DW_OP_GNU_addr_index
                | gimli::DW_OP_piece
        )
    )
}

impl UnitReader<'_> {
    /// Where the variable of a location expression is.
    pub(crate) fn placement(&self, expression: &Expression<Slice<'_>>) -> Result<Placement, Error> {
        if !may_be_static(expression.0.slice()) {
            return Ok(Placement::NotStatic);
        }
        let mut operations = expression.operations(self.header.encoding);
        let mut address = None;
        let mut offset = 0u64;
        let mut constant = None;
        let mut simple = true;
        loop {
            let at = operations.offset_from(expression) as u64;
            let operation = match operations.next() {
                Ok(None) => break,
                Ok(Some(operation)) => operation,
                Err(source) => return Err(self.malformed_expression(expression, source)),
            };
            match operation {
                Operation::Address { .. } if address.is_none() => {
                    let at = self.expression_offset(expression).saturating_add(at + 1);
                    address = self.address(self.elf, &self.units.section, at)?;
                }
                Operation::AddressIndex { index } if address.is_none() => {
                    address = Some(self.indexed(index)?)
                }
                Operation::PlusConstant { value } => offset = offset.wrapping_add(value),
                Operation::UnsignedConstant { value } if constant.is_none() => {
                    constant = Some(value)
                }
                Operation::Plus if constant.is_some() => {
                    offset = offset.wrapping_add(constant.take().unwrap_or(0));
                }
                Operation::TLS => return Ok(Placement::NotStatic),
                _ => simple = false,
            }
        }
        Ok(match address {
            None => Placement::NotStatic,
            Some(Address::Dead) => Placement::NotStatic,
            Some(Address::At(location)) if simple && constant.is_none() => {
                Placement::At(location.plus(offset))
            }
            Some(_) => Placement::Scattered,
        })
    }

    /// What the address that is written at `offset` refers to; `None` if there is none.
    fn address(
        &self,
        elf: &Elf<'_>,
        section: &Section<'_>,
        offset: u64,
    ) -> Result<Option<Address>, Error> {
        let size = self.header.encoding.address_size;
        let last = Cell::new(0);
        let word = elf.word(section, offset, size.into(), &last)?;
        Ok(word.map(|word| self.classify(word.place, word.value)))
    }

    fn indexed(&self, index: gimli::DebugAddrIndex<usize>) -> Result<Address, Error> {
        if self.header.is_split && self.header.skeleton_index.is_none() {
            // The addresses are with the skeleton.
            return Ok(Address::Unknown);
        }
        let elf = self.object.map_or(self.elf, Object::own);
        let size = u64::from(self.header.encoding.address_size);
        let offset = (index.0 as u64)
            .saturating_mul(size)
            .saturating_add(self.addr_base);
        self.address(elf, &elf.addr, offset)?
            .ok_or_else(|| Error::Dwarf {
                file: elf.file.to_owned(),
                section: elf.addr.name,
                offset,
                what: "an address",
                source: gimli::Error::UnexpectedEof(gimli::ReaderOffsetId(offset)),
            })
    }

    /// A linker that dropped a variable leaves 0 or the highest address in its debug information.
    fn classify(&self, place: Option<Location>, value: u64) -> Address {
        // As gimli has it: the highest address, and the one before it, which some linkers use for lists of ranges.
        let bits = 8 * u32::from(self.header.encoding.address_size.clamp(1, 8));
        let highest = u64::MAX >> (64 - bits);
        match place {
            Some(location) => Address::At(location),
            None if self.object.map_or(self.elf, Object::own).relocatable => Address::Unknown,
            None if value == 0 || value >= highest - 1 => Address::Dead,
            None => Address::At(Location::Address(value)),
        }
    }

    fn expression_offset(&self, expression: &Expression<Slice<'_>>) -> u64 {
        let info = Slice::new(&self.units.section.bytes, self.elf.endian);
        expression.0.offset_from(info) as u64
    }

    fn malformed_expression(
        &self,
        expression: &Expression<Slice<'_>>,
        source: gimli::Error,
    ) -> Error {
        Error::Dwarf {
            file: self.elf.file.to_owned(),
            section: self.units.section.name,
            offset: self.expression_offset(expression),
            what: "a location expression",
            source,
        }
    }
}

/// What an address in an expression means.
#[derive(Clone, Copy)]
enum Address {
    /// A place in the program.
    At(Location),
    /// Static memory, but the relocation is missing or names an undefined or common symbol.
    Unknown,
    /// Dropped by the linker.
    Dead,
}

impl Location {
    fn plus(self, bytes: u64) -> Location {
        match self {
            Location::Section { section, offset } => Location::Section {
                section,
                offset: offset.wrapping_add(bytes),
            },
            Location::Address(address) => Location::Address(address.wrapping_add(bytes)),
        }
    }
}
