//! Symbols: names, homes and values that exist.

use object::elf;
use object::read::elf::{SectionHeader, Sym, SymbolTable};
use object::{LittleEndian as LE, SymbolIndex};

use super::strings::Strings;
use super::{ElfObject, ElfSection, ElfSymbol, Header, Home, MAX_SECTION, Source};
use crate::error::Problem;

const TABLE: &str = ".symtab";

/// The symbols of an object.
#[derive(Debug)]
pub(super) enum Symbols<'d> {
    /// Of a file: read again whenever they are asked for, as objects have many that no link needs.
    File {
        table: SymbolTable<'d, Header>,
        names: &'d str,
        /// Indexes of the names of source files (`STT_FILE`).
        sources: Vec<u32>,
        /// Index of the first symbol that is not local.
        first_global: usize,
    },
    /// Of the command line.
    Made(Vec<ElfSymbol<'d>>),
}

impl<'d> ElfObject<'d> {
    /// Number of its symbols, the null symbol included.
    pub fn symbol_count(&self) -> usize {
        match &self.symbols {
            Symbols::File { table, .. } => table.len(),
            Symbols::Made(made) => made.len(),
        }
    }

    /// The symbol with this index, which is known to exist.
    #[inline]
    pub fn symbol(&self, index: usize) -> ElfSymbol<'d> {
        match &self.symbols {
            Symbols::Made(made) => made[index],
            Symbols::File { table, names, .. } => {
                let symbol = &table.symbols()[index];
                // Was checked when the file was read.
                let home = home(table, index, symbol).unwrap_or(Home::Undefined);
                decode(symbol, home, names, &self.sections)
            }
        }
    }

    /// Index of the first symbol that is not local, behind the null symbol.
    pub fn first_global(&self) -> usize {
        match &self.symbols {
            Symbols::File { first_global, .. } => *first_global,
            Symbols::Made(made) => made.len().min(1),
        }
    }

    /// All symbols, the null symbol included.
    pub fn symbols(&self) -> impl ExactSizeIterator<Item = ElfSymbol<'d>> {
        (0..self.symbol_count()).map(|index| self.symbol(index))
    }

    /// Name of the source file that the object gives before a symbol, if that is a local one.
    pub fn source_of(&self, index: usize) -> Option<&'d str> {
        let Symbols::File { sources, .. } = &self.symbols else {
            return None;
        };
        let before = sources.partition_point(|source| *source as usize <= index);
        let source = sources[before.checked_sub(1)?] as usize;
        (self.symbol(index).binding == elf::STB_LOCAL).then(|| self.symbol(source).name())
    }
}

/// What a symbol says. A section symbol without a name has its section's.
#[inline]
fn decode<'d>(
    symbol: &elf::Sym64<LE>,
    home: Home,
    names: &'d str,
    sections: &[ElfSection<'d>],
) -> ElfSymbol<'d> {
    let (kind, name_at) = (symbol.st_type(), symbol.st_name(LE) as usize);
    let (names, name_at) = match home {
        Home::Section(home)
            if kind == elf::STT_SECTION && (name_at == 0 || names[name_at..].starts_with('\0')) =>
        {
            (sections[home].name, 0)
        }
        _ => (names, name_at),
    };
    ElfSymbol {
        names,
        name_at,
        home,
        value: symbol.st_value(LE),
        size: symbol.st_size(LE),
        kind,
        binding: symbol.st_bind(),
        visibility: symbol.st_visibility(),
    }
}

/// Checks every symbol. Returns the table, and the indexes of those that are named.
pub(super) fn read<'d>(
    source: &Source<'_, 'd>,
    sections: &[ElfSection<'d>],
) -> Result<(Symbols<'d>, Vec<u32>), Problem> {
    let mut tables = source
        .table
        .iter()
        .filter(|s| s.sh_type(LE) == elf::SHT_SYMTAB);
    let Some(header) = tables.next() else {
        // Relocations may have no symbol all the same, and name the null symbol so.
        return Ok((Symbols::Made(vec![ElfSymbol::NULL]), Vec::new()));
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
    let mut checker = Checker {
        names: Strings::new(source, header.sh_link(LE) as usize)?,
        sections,
    };
    let mut named = Vec::new();
    let (mut sources, mut first_global) = (Vec::new(), None);
    for (index, symbol) in table.iter().enumerate() {
        let name = checker.check(&table, index, symbol).map_err(|expected| {
            let at = (index * size_of::<elf::Sym64<LE>>()) as u64;
            source.malformed(TABLE, at, expected)
        })?;
        if first_global.is_none() && symbol.st_bind() != elf::STB_LOCAL {
            first_global = Some(index);
        }
        let is_function = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
        if is_function || !(name.is_empty() || name.starts_with(".L")) {
            named.extend(u32::try_from(index).ok());
        }
        if symbol.st_type() == elf::STT_FILE {
            sources.extend(u32::try_from(index).ok());
        }
    }
    let symbols = Symbols::File {
        names: checker.names.text(),
        sources,
        first_global: first_global.unwrap_or(table.len()),
        table,
    };
    Ok((symbols, named))
}

struct Checker<'a, 'd> {
    names: Strings<'d>,
    sections: &'a [ElfSection<'d>],
}

impl<'d> Checker<'_, 'd> {
    fn check(
        &mut self,
        table: &SymbolTable<'d, Header>,
        index: usize,
        symbol: &elf::Sym64<LE>,
    ) -> Result<&'d str, String> {
        let name = self.names.get(symbol.st_name(LE))?;
        let (value, size) = (symbol.st_value(LE), symbol.st_size(LE));
        if size > MAX_SECTION {
            return Err(format!("at most {MAX_SECTION:#x} bytes, found {size:#x}"));
        }
        let home = home(table, index, symbol).ok_or_else(|| match symbol.st_shndx(LE) {
            elf::SHN_XINDEX => "an extended section index".to_owned(),
            found => format!("a known section index, found {found:#x}"),
        })?;
        match home {
            Home::Section(home) => {
                let section = self.sections.get(home).filter(|_| home != 0);
                let section =
                    section.ok_or_else(|| format!("a section header with index {home}"))?;
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
        if is_known {
            Ok(name)
        } else {
            Err(format!("a known binding, found {binding}"))
        }
    }
}

/// Where a symbol is defined; nothing if no ELF file can say it so.
#[inline]
fn home(table: &SymbolTable<'_, Header>, index: usize, symbol: &elf::Sym64<LE>) -> Option<Home> {
    Some(match symbol.st_shndx(LE) {
        elf::SHN_UNDEF => Home::Undefined,
        elf::SHN_ABS => Home::Absolute,
        elf::SHN_COMMON => Home::Common,
        elf::SHN_XINDEX => Home::Section(table.shndx(LE, SymbolIndex(index))? as usize),
        other => Home::Section(usize::from(other.index()?)),
    })
}
