//! Symbols: names, homes and values that exist.

use object::elf;
use object::read::elf::{SectionHeader, Sym};
use object::{LittleEndian as LE, SymbolIndex};

use super::strings::Strings;
use super::{ElfSection, ElfSymbol, Home, MAX_SECTION, Source};
use crate::error::Problem;

const TABLE: &str = ".symtab";

/// Checks every symbol.
pub(super) fn read<'d>(
    source: &Source<'_, 'd>,
    sections: &[ElfSection<'d>],
) -> Result<Vec<ElfSymbol<'d>>, Problem> {
    let mut tables = source
        .table
        .iter()
        .filter(|s| s.sh_type(LE) == elf::SHT_SYMTAB);
    let Some(header) = tables.next() else {
        return Ok(Vec::new());
    };
    if tables.next().is_some() {
        return Err(source.malformed(TABLE, 0, "one symbol table"));
    }
    let table = source.table.symbols(LE, source.data, elf::SHT_SYMTAB);
    let table = table.map_err(|e| {
        source.malformed(
            TABLE,
            0,
            format!("symbols of 24 bytes and their names: {e}"),
        )
    })?;
    let mut reader = Reader {
        extended: |index| table.shndx(LE, SymbolIndex(index)),
        names: Strings::new(source, header.sh_link(LE) as usize)?,
        sections,
        file_symbol: None,
    };
    let mut symbols = Vec::with_capacity(table.len());
    for (index, symbol) in table.iter().enumerate() {
        let read = reader.symbol(index, symbol);
        symbols.push(read.map_err(|expected| {
            let at = (index * size_of::<elf::Sym64<LE>>()) as u64;
            source.malformed(TABLE, at, expected)
        })?);
    }
    Ok(symbols)
}

struct Reader<'a, 'd, Extended> {
    /// Section of a symbol whose section has an index of more than 16 bits.
    extended: Extended,
    names: Strings<'d>,
    sections: &'a [ElfSection<'d>],
    /// The last `STT_FILE` symbol.
    file_symbol: Option<u32>,
}

impl<'d, Extended: Fn(usize) -> Option<u32>> Reader<'_, 'd, Extended> {
    fn symbol(&mut self, index: usize, symbol: &elf::Sym64<LE>) -> Result<ElfSymbol<'d>, String> {
        let mut name = self.names.get(symbol.st_name(LE))?;
        let (value, size, kind) = (symbol.st_value(LE), symbol.st_size(LE), symbol.st_type());
        let home = self.home(index, symbol)?;
        if size > MAX_SECTION {
            return Err(format!("at most {MAX_SECTION:#x} bytes, found {size:#x}"));
        }
        match home {
            Home::Section(home) => {
                let section = self.sections.get(home).filter(|_| home != 0);
                let section =
                    section.ok_or_else(|| format!("a section header with index {home}"))?;
                if kind == elf::STT_SECTION && name.is_empty() {
                    name = section.name;
                }
                if value > section.size {
                    let (name, size) = (section.name, section.size);
                    return Err(format!("a value within {name} ({size:#x} bytes)"));
                }
            }
            Home::Common if !value.is_power_of_two() || value > 1 << 32 => {
                return Err("a common symbol with a power of two as alignment".to_owned());
            }
            _ => {}
        }
        let binding = symbol.st_bind();
        let is_known = matches!(
            binding,
            elf::STB_LOCAL | elf::STB_GLOBAL | elf::STB_WEAK | elf::STB_GNU_UNIQUE
        );
        if !is_known {
            return Err(format!("a known binding, found {binding}"));
        }
        if kind == elf::STT_FILE {
            self.file_symbol = u32::try_from(index).ok();
        }
        Ok(ElfSymbol {
            name,
            home,
            value,
            size,
            kind,
            binding,
            visibility: symbol.st_visibility(),
            source: self.file_symbol.filter(|_| binding == elf::STB_LOCAL),
        })
    }

    fn home(&self, index: usize, symbol: &elf::Sym64<LE>) -> Result<Home, String> {
        Ok(match symbol.st_shndx(LE) {
            elf::SHN_UNDEF => Home::Undefined,
            elf::SHN_ABS => Home::Absolute,
            elf::SHN_COMMON => Home::Common,
            elf::SHN_XINDEX => {
                let extended = (self.extended)(index);
                Home::Section(extended.ok_or("an extended section index")? as usize)
            }
            other => Home::Section(usize::from(
                other
                    .index()
                    .ok_or_else(|| format!("a known section index, found {other:#x}"))?,
            )),
        })
    }
}
