//! Places of variables, from their location expressions.
//!
//! Compilers write three shapes for a variable in static memory: an address; an address plus a constant (LLVM, when it
//! merged several variables into one); and pieces or computed values (LLVM, when it shrank or split one). The first two
//! give a [`Location`], the last one says that there is no single place.
//!
//! Invariant: an expression that this file does not understand never yields a place.

use gimli::{Expression, Operation};

use crate::attributes::{Slice, UnitReader};
use crate::error::Error;
use crate::input::Location;

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
pub(crate) fn may_be_static(expression: &Expression<Slice<'_>>) -> bool {
    let first = expression.0.slice().first().copied().map(gimli::DwOp);
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
        if !may_be_static(expression) {
            return Ok(Placement::NotStatic);
        }
        let mut operations = expression.operations(self.header.encoding());
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
                Operation::Address { address: value } if address.is_none() => {
                    address = Some(self.address(
                        self.expression_offset(expression).saturating_add(at + 1),
                        value,
                    )?);
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

    /// What `value`, written at `offset` of `.debug_info`, refers to.
    fn address(&self, offset: u64, value: u64) -> Result<Address, Error> {
        let elf = self.elf;
        elf.check(
            &elf.info,
            offset,
            offset.saturating_add(u64::from(self.header.address_size())),
        )?;
        Ok(self.classify(elf.info.place(offset), value))
    }

    fn indexed(&self, index: gimli::DebugAddrIndex<usize>) -> Result<Address, Error> {
        let elf = self.elf;
        let size = u64::from(self.header.address_size());
        let offset = (index.0 as u64)
            .saturating_mul(size)
            .saturating_add(self.addr_base.0 as u64);
        elf.check(&elf.addr, offset, offset.saturating_add(size))?;
        let value = gimli::DebugAddr::from(Slice::new(&elf.addr.bytes, elf.endian))
            .get_address(self.header.address_size(), self.addr_base, index)
            .map_err(|source| Error::Dwarf {
                file: elf.file.to_owned(),
                section: elf.addr.name,
                offset,
                what: "an address",
                source,
            })?;
        Ok(self.classify(elf.addr.place(offset), value))
    }

    /// A linker that dropped a variable leaves 0 or the highest address in its debug information.
    fn classify(&self, place: Option<Location>, value: u64) -> Address {
        match place {
            Some(location) => Address::At(location),
            None if self.elf.relocatable => Address::Unknown,
            None if value == 0 || self.header.is_tombstone_address(value) => Address::Dead,
            None => Address::At(Location::Address(value)),
        }
    }

    fn expression_offset(&self, expression: &Expression<Slice<'_>>) -> u64 {
        let info = Slice::new(&self.elf.info.bytes, self.elf.endian);
        expression.0.offset_from(info) as u64
    }

    fn malformed_expression(
        &self,
        expression: &Expression<Slice<'_>>,
        source: gimli::Error,
    ) -> Error {
        Error::Dwarf {
            file: self.elf.file.to_owned(),
            section: self.elf.info.name,
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
