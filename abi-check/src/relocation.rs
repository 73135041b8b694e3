//! Relocations of debug sections, looked up where a value is read.
//!
//! A relocatable object has more bytes of relocations than of debug information, and most of them apply to values that
//! nobody asks for. So nothing is applied in advance and nothing is copied: the tables stay what the file holds, and are
//! searched by offset.
//!
//! Invariant: a table is searched in the order of its offsets, whatever order the file has them in; entries of equal
//! offsets keep their order.

use std::cell::Cell;

use gimli::RunTimeEndian;
use object::elf;
use object::read::elf::{ElfFile, FileHeader, SectionHeader};
use object::{Endianness, File};

use crate::input::Location;

/// How far a search goes on from the last place before it starts anew.
const NEAR: usize = 8;

/// Fixed-size entries of a file, in its byte order.
#[derive(Clone, Copy, Debug)]
struct Entries<'a> {
    bytes: &'a [u8],
    size: usize,
    wide: bool,
    endian: RunTimeEndian,
}

impl<'a> Entries<'a> {
    fn len(&self) -> usize {
        self.bytes.len() / self.size.max(1)
    }

    fn entry(&self, index: usize) -> Option<&'a [u8]> {
        let start = index.checked_mul(self.size)?;
        self.bytes.get(start..start.checked_add(self.size)?)
    }

    /// A number of `width` bytes at `offset` of an entry; 0 if the entry is shorter.
    fn number(&self, entry: &[u8], offset: usize, width: usize) -> u64 {
        let bytes = entry.get(offset..offset + width).unwrap_or(&[]);
        number(bytes, self.endian)
    }
}

/// An unsigned number in the byte order of the file.
#[inline]
pub(crate) fn number(bytes: &[u8], endian: RunTimeEndian) -> u64 {
    let little = endian == RunTimeEndian::Little;
    match *bytes {
        [byte] => byte.into(),
        [a, b] if little => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] if little => u32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] if little => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => {
            let fold = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
            if little {
                bytes.iter().rev().fold(0, fold)
            } else {
                bytes.iter().fold(0, fold)
            }
        }
    }
}

/// One relocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation {
    /// Where it applies, in its section.
    pub(crate) offset: u64,
    /// Index of its symbol.
    pub(crate) symbol: u32,
    /// `r_type`.
    pub(crate) r_type: u32,
    /// Its addend; `None` if that is in the place that it applies to.
    pub(crate) addend: Option<i64>,
}

/// The relocations of one section.
#[derive(Debug, Default)]
pub(crate) struct Relocations<'a> {
    /// The entries, if they are what they nearly always are: 64-bit, little-endian, with addends and in order.
    plain: &'a [[u8; 24]],
    entries: Option<Entries<'a>>,
    addends: bool,
    /// Indexes by offset, if the file has them in another order.
    order: Option<Vec<u32>>,
}

impl<'a> Relocations<'a> {
    fn new(entries: Entries<'a>, addends: bool) -> Relocations<'a> {
        let mut result = Relocations {
            plain: &[],
            entries: Some(entries),
            addends,
            order: None,
        };
        let sorted = {
            let mut last = 0;
            (0..entries.len()).all(|index| {
                let offset = result.offset(index);
                std::mem::replace(&mut last, offset) <= offset
            })
        };
        if !sorted {
            let mut order: Vec<u32> = (0..entries.len() as u32).collect();
            order.sort_by_key(|index| result.offset(*index as usize));
            result.order = Some(order);
        } else if entries.wide && addends && entries.endian == RunTimeEndian::Little {
            result.plain = entries.bytes.as_chunks().0;
        }
        result
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, Entries::len)
    }

    #[inline]
    fn offset(&self, index: usize) -> u64 {
        if let Some([a, b, c, d, e, f, g, h, ..]) = self.plain.get(index) {
            return u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
        }
        let Some((entries, entry)) = self.raw(index) else {
            return u64::MAX;
        };
        entries.number(entry, 0, if entries.wide { 8 } else { 4 })
    }

    fn raw(&self, index: usize) -> Option<(&Entries<'a>, &'a [u8])> {
        let entries = self.entries.as_ref()?;
        let index = match &self.order {
            Some(order) => *order.get(index)? as usize,
            None => index,
        };
        Some((entries, entries.entry(index)?))
    }

    fn get(&self, index: usize) -> Option<Relocation> {
        if let Some(entry) = self.plain.get(index) {
            let word = |at: usize| number(&entry[at..at + 8], RunTimeEndian::Little);
            let info = word(8);
            return Some(Relocation {
                offset: word(0),
                symbol: (info >> 32) as u32,
                r_type: info as u32,
                addend: Some(word(16) as i64),
            });
        }
        let (entries, entry) = self.raw(index)?;
        let addend = |offset, width: usize| {
            let unused = 64 - 8 * width as u32;
            let value = entries.number(entry, offset, width);
            self.addends.then_some(((value << unused) as i64) >> unused)
        };
        Some(if entries.wide {
            let info = entries.number(entry, 8, 8);
            Relocation {
                offset: entries.number(entry, 0, 8),
                symbol: (info >> 32) as u32,
                r_type: info as u32,
                addend: addend(16, 8),
            }
        } else {
            let info = entries.number(entry, 4, 4);
            Relocation {
                offset: entries.number(entry, 0, 4),
                symbol: (info >> 8) as u32,
                r_type: (info & 0xff) as u32,
                addend: addend(8, 4),
            }
        })
    }

    /// Index of the first relocation at or after `at`. Entries are read in order, so the last answer is a good guess.
    fn first_from(&self, at: u64, last: &Cell<usize>) -> usize {
        let guess = last.get();
        if guess == 0 || self.offset(guess - 1) < at {
            for index in guess..guess + NEAR {
                if self.offset(index) >= at {
                    last.set(index);
                    return index;
                }
            }
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.offset(middle) < at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        last.set(low);
        low
    }

    /// The relocations in `start..end`.
    pub(crate) fn within(
        &self,
        start: u64,
        end: u64,
        last: &Cell<usize>,
    ) -> impl Iterator<Item = Relocation> + use<'_, 'a> {
        let first = if self.entries.is_none() {
            0
        } else {
            self.first_from(start, last)
        };
        (first..).map_while(move |index| {
            let inside = self.offset(index) < end;
            if inside { self.get(index) } else { None }
        })
    }

    /// Offset of the first relocation at or after `at`; the maximum if there is none.
    pub(crate) fn next_offset(&self, at: u64, last: &Cell<usize>) -> u64 {
        match self.entries {
            None => u64::MAX,
            Some(_) => self.offset(self.first_from(at, last)),
        }
    }
}

/// What relocations and their symbols are found by, for all sections of a file.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    symbols: Option<Entries<'a>>,
    extended: &'a [u8],
    endian: RunTimeEndian,
    /// By the index of the section that they apply to.
    relocations: Vec<(usize, Relocations<'a>)>,
}

impl<'a> Tables<'a> {
    /// The tables of a relocatable file, for the sections for which `wanted` is true.
    pub(crate) fn read(
        file: &File<'a>,
        wanted: &dyn Fn(usize) -> bool,
    ) -> Result<Tables<'a>, object::Error> {
        match file {
            File::Elf32(file) => Tables::of(file, false, wanted),
            File::Elf64(file) => Tables::of(file, true, wanted),
            _ => Ok(Tables {
                symbols: None,
                extended: &[],
                endian: RunTimeEndian::Little,
                relocations: Vec::new(),
            }),
        }
    }

    fn of<E: FileHeader<Endian = Endianness>>(
        file: &ElfFile<'a, E>,
        wide: bool,
        wanted: &dyn Fn(usize) -> bool,
    ) -> Result<Tables<'a>, object::Error> {
        let order = file.endian();
        let endian = match order {
            Endianness::Little => RunTimeEndian::Little,
            Endianness::Big => RunTimeEndian::Big,
        };
        let entries = |bytes, size| Entries {
            bytes,
            size,
            wide,
            endian,
        };
        let mut result = Tables {
            symbols: None,
            extended: &[],
            endian,
            relocations: Vec::new(),
        };
        for section in file.elf_section_table().iter() {
            let kind = section.sh_type(order);
            let target = section.sh_info(order) as usize;
            let addends = kind == elf::SHT_RELA;
            if kind == elf::SHT_SYMTAB {
                let bytes = section.data(order, file.data())?;
                result.symbols = Some(entries(bytes, if wide { 24 } else { 16 }));
            } else if kind == elf::SHT_SYMTAB_SHNDX {
                result.extended = section.data(order, file.data())?;
            } else if (addends || kind == elf::SHT_REL) && wanted(target) {
                let bytes = section.data(order, file.data())?;
                let size = match (wide, addends) {
                    (true, true) => 24,
                    (true, false) => 16,
                    (false, true) => 12,
                    (false, false) => 8,
                };
                let table = Relocations::new(entries(bytes, size), addends);
                result.relocations.push((target, table));
            }
        }
        Ok(result)
    }

    /// Takes the relocations of a section.
    pub(crate) fn take(&mut self, section: usize) -> Relocations<'a> {
        let found = self
            .relocations
            .iter()
            .position(|(target, _)| *target == section);
        found.map_or_else(Relocations::default, |index| {
            self.relocations.swap_remove(index).1
        })
    }

    /// Value of a symbol, and what it is in if that is part of the program; `None` if there is no such symbol.
    pub(crate) fn symbol(&self, index: u32) -> Option<(u64, Option<Location>)> {
        if index == 0 {
            return Some((0, None));
        }
        let table = self.symbols.as_ref()?;
        let entry = table.entry(index as usize)?;
        let (section, value) = if table.wide {
            (table.number(entry, 6, 2), table.number(entry, 8, 8))
        } else {
            (table.number(entry, 14, 2), table.number(entry, 4, 4))
        };
        let section = match elf::SymbolSection(section as u16) {
            elf::SHN_ABS => return Some((value, Some(Location::Address(0)))),
            elf::SHN_XINDEX => {
                let at = (index as usize).checked_mul(4)?;
                let bytes = self.extended.get(at..at.checked_add(4)?)?;
                number(bytes, self.endian) as usize
            }
            elf::SymbolSection(elf::SHN_LORESERVE..) => 0,
            elf::SymbolSection(section) => section.into(),
        };
        if section == 0 {
            return Some((0, None));
        }
        let place = Location::Section { section, offset: 0 };
        Some((value, Some(place)))
    }
}
