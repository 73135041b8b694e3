//! The image that this code is part of: instruction sets, regions, function arrays, symbols.
//!
//! All of it was written by the linker and never changes. `fat_image` defines the layout.

use core::ffi::CStr;
use core::fmt;

use fat_image::{ALL_ISAS, Header, Isa, Region, Symbol};

use crate::arch;

/// The code of a function, found by the code that it has on another instruction set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counterpart {
    /// On the own instruction set.
    pub(crate) own: usize,
    /// On the first one, which stands for the function.
    pub(crate) first: usize,
}

/// An image in memory.
///
/// Invariant: behind the header, which never changes, are the records that it counts.
#[derive(Clone, Copy)]
pub(crate) struct Image(*const Header);

impl Image {
    /// The one that this code is part of.
    pub(crate) fn this() -> Image {
        // SAFETY: the linker made it.
        unsafe { Image::at(arch::image()) }
    }

    /// # Safety
    /// `header` is followed by the records that it counts, and their addresses are good.
    pub(crate) unsafe fn at(header: *const Header) -> Image {
        Image(header)
    }

    pub(crate) fn header(self) -> &'static Header {
        // SAFETY: by the invariant.
        unsafe { &*self.0 }
    }

    /// The place behind the header.
    fn first_isa(self) -> *const Isa {
        self.0.wrapping_add(1).cast()
    }

    pub(crate) fn isas(self) -> &'static [Isa] {
        let count = self.header().isa_count as usize;
        // SAFETY: the ISAs are behind the header.
        unsafe { core::slice::from_raw_parts(self.first_isa(), count) }
    }

    pub(crate) fn regions(self) -> &'static [Region] {
        let header = self.header();
        let first = self.first_isa().wrapping_add(header.isa_count as usize);
        // SAFETY: the regions are behind the ISAs.
        unsafe { core::slice::from_raw_parts(first.cast(), header.region_count as usize) }
    }

    /// The function array behind the function pointer `pointer`.
    pub(crate) fn function_array(self, pointer: usize) -> Option<&'static [u64]> {
        let size = u64::from(self.header().gate_size);
        let offset = (pointer as u64).checked_sub(self.header().gates)?;
        if !offset.is_multiple_of(size) || offset / size >= self.header().function_count {
            return None;
        }
        let isas = self.isas().len();
        let first =
            (self.header().functions as *const u64).wrapping_add((offset / size) as usize * isas);
        // SAFETY: there is an array per gate.
        Some(unsafe { core::slice::from_raw_parts(first, isas) })
    }

    /// The function of another instruction set than `own` whose code begins at `address`, as the function arrays or, if
    /// its address is taken nowhere, its name has it. A name that several functions have stands for none.
    pub(crate) fn counterpart(self, address: usize, own: usize) -> Option<Counterpart> {
        let foreign = self.isa_of_text(address).filter(|isa| *isa != own)?;
        let arrays = (0..self.header().function_count)
            .map(|at| (self.header().gates + at * u64::from(self.header().gate_size)) as usize)
            .filter_map(|gate| self.function_array(gate));
        for array in arrays {
            if array[foreign] == address as u64 {
                return Some(Counterpart {
                    own: array[own] as usize,
                    first: array[0] as usize,
                });
            }
        }
        let foreign = &self.isas()[foreign];
        let (symbol, 0) = lookup(symbols(foreign), address as u64)? else {
            return None;
        };
        let wanted = name(foreign, symbol)?;
        let only = |isa: &'static Isa| {
            let mut named = symbols(isa)
                .iter()
                .filter(|symbol| name(isa, symbol) == Some(wanted));
            let first = named.next()?;
            named.next().is_none().then_some(first.address as usize)
        };
        only(foreign)?;
        Some(Counterpart {
            own: only(&self.isas()[own])?,
            first: only(&self.isas()[0]).unwrap_or(address),
        })
    }

    /// The index of the instruction set whose code, or gate, `address` is in.
    pub(crate) fn isa_of_text(self, address: usize) -> Option<usize> {
        let is_there = |region: &&Region| {
            let code = region.flags & Region::EXECUTE != 0 && region.flags & Region::GATES == 0;
            code && region.isa != ALL_ISAS
                && (address as u64).wrapping_sub(region.start) < region.size
        };
        self.regions()
            .iter()
            .find(is_there)
            .map(|region| region.isa as usize)
    }

    fn symbolize(self, address: usize) -> Option<Function> {
        if let Some(array) = self.function_array(address) {
            let function = self.symbolize(array[0] as usize)?;
            return Some(Function {
                name: Name {
                    gate: true,
                    ..function.name
                },
                ..function
            });
        }
        let isa = self.isas().get(self.isa_of_text(address)?)?;
        let (symbol, offset) = lookup(symbols(isa), address as u64)?;
        Some(Function {
            isa: isa.name(),
            name: Name {
                mangled: name(isa, symbol)?,
                gate: false,
            },
            offset,
        })
    }
}

fn symbols(isa: &Isa) -> &'static [Symbol] {
    if isa.symbol_count == 0 {
        return &[];
    }
    // SAFETY: the linker wrote that many at that address.
    unsafe { core::slice::from_raw_parts(isa.symbols as *const Symbol, isa.symbol_count as usize) }
}

fn name(isa: &Isa, symbol: &Symbol) -> Option<&'static str> {
    // SAFETY: the linker wrote that many bytes at that address.
    let names =
        unsafe { core::slice::from_raw_parts(isa.names as *const u8, isa.names_size as usize) };
    let name = CStr::from_bytes_until_nul(names.get(symbol.name as usize..)?).ok()?;
    name.to_str().ok()
}

/// The symbol that `address` is in, and how far in. One of unknown size reaches to the next.
fn lookup(symbols: &[Symbol], address: u64) -> Option<(&Symbol, u64)> {
    let behind = symbols.partition_point(|symbol| symbol.address <= address);
    let symbol = symbols[..behind].last()?;
    let offset = address - symbol.address;
    (symbol.size == 0 || offset < u64::from(symbol.size)).then_some((symbol, offset))
}

/// The function that an address is in.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Name of its instruction set; for a gate, of the first one.
    pub isa: &'static str,
    /// Its name, which displays demangled.
    pub name: Name,
    /// Bytes from its first.
    pub offset: u64,
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}+{:#x} ({})", self.name, self.offset, self.isa)
    }
}

/// A function's name. Displays demangled, and says if it is the function's gate.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    mangled: &'static str,
    gate: bool,
}

impl Name {
    /// As the linker knows it.
    pub fn mangled(&self) -> &'static str {
        self.mangled
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.gate {
            f.write_str("gate of ")?;
        }
        // The alternate form leaves the crates' hashes out.
        write!(f, "{:#}", rustc_demangle::demangle(self.mangled))
    }
}

/// The first part of the image's note.
pub fn header() -> &'static Header {
    Image::this().header()
}

/// The image's instruction sets, the first element first.
pub fn isas() -> &'static [Isa] {
    Image::this().isas()
}

/// The image's memory, by permissions.
pub fn regions() -> &'static [Region] {
    Image::this().regions()
}

/// The function, of any instruction set, that `address` is in. A function pointer gives its function, at offset 0.
pub fn symbolize(address: usize) -> Option<Function> {
    Image::this().symbolize(address)
}

#[cfg(test)]
pub(crate) mod tests;
