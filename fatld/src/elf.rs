//! The edge: bytes of a relocatable ELF file in, checked tables out.
//!
//! Every offset, size, index and name of a file is checked here and nowhere else; the phases behind this one index
//! with what they get. A file that contradicts itself is refused with the place and what the ELF specification wants.
//!
//! Reading takes time and memory in proportion to the file: sections do not overlap (in sum), a section is in one group
//! at most, and names are not shared by so many that looking at all of them is more than a small multiple of the file.

mod compressed;
mod relocations;
mod sections;
mod strings;
mod symbols;
#[cfg(test)]
mod tests;

use object::LittleEndian as LE;
use object::elf;
use object::read::CompressionFormat;
use object::read::elf::FileHeader;

use crate::error::{Place, Problem};
use crate::isa::{self, Isa};
use symbols::Symbols;

type Header = elf::FileHeader64<LE>;

/// A relocatable file.
#[derive(Debug)]
pub struct ElfObject<'d> {
    /// Its name, with the archive member in parentheses.
    pub file: String,
    /// All its bytes.
    pub data: &'d [u8],
    /// `e_flags`.
    pub flags: elf::FileFlags,
    /// All section headers, the null section included, so that ELF's own indexes hold.
    pub sections: Vec<ElfSection<'d>>,
    /// All symbols, the null symbol included, as the file has them.
    symbols: Symbols<'d>,
    /// Indexes of the symbols that have a name which is no assembler's private one (`.L…`), and of all functions. Of the
    /// others, which are most where differences of addresses are left to the linker, only relocations know.
    pub named: Vec<u32>,
    /// COMDAT groups.
    pub groups: Vec<ElfGroup<'d>>,
}

/// A section header and its bytes.
#[derive(Debug)]
pub struct ElfSection<'d> {
    /// Name.
    pub name: &'d str,
    /// `sh_type`.
    pub kind: elf::SectionType,
    /// `sh_flags`.
    pub flags: elf::SectionFlags,
    /// `sh_addralign`, at least 1; that of the contents if they are compressed.
    pub align: u64,
    /// `sh_size`, or the size of the contents if they are compressed.
    pub size: u64,
    /// `sh_entsize`.
    pub entry_size: u64,
    /// Bytes; empty for `SHT_NOBITS`.
    pub data: &'d [u8],
    /// How the bytes are compressed, if they are: [`ElfSection::contents`] has what they mean.
    pub compression: Option<CompressionFormat>,
    /// Header index of its relocations, if it has some.
    pub relocations: Option<usize>,
    /// Header index of the section that this one is about (`SHF_LINK_ORDER`).
    pub linked_to: Option<usize>,
}

/// A symbol.
#[derive(Clone, Copy, Debug)]
pub struct ElfSymbol<'d> {
    /// Its string table, or only its name: few who ask for a symbol look there.
    names: &'d str,
    /// Where the name begins, which ends with a zero.
    name_at: usize,
    /// Where it is defined.
    pub home: Home,
    /// `st_value`.
    pub value: u64,
    /// `st_size`.
    pub size: u64,
    /// `STT_…`
    pub kind: elf::SymbolType,
    /// `STB_…`
    pub binding: elf::SymbolBind,
    /// `STV_…`
    pub visibility: elf::SymbolVisibility,
}

impl<'d> ElfSymbol<'d> {
    /// The first symbol of every table: it means that there is none.
    const NULL: Self = Self {
        names: "",
        name_at: 0,
        home: Home::Undefined,
        value: 0,
        size: 0,
        kind: elf::STT_NOTYPE,
        binding: elf::STB_LOCAL,
        visibility: elf::STV_DEFAULT,
    };

    /// Its name and what else stands behind it.
    fn name_and_more(&self) -> &'d str {
        &self.names[self.name_at..]
    }

    /// Its name is not empty.
    pub fn has_name(&self) -> bool {
        !matches!(self.name_and_more().as_bytes(), [] | [0, ..])
    }

    /// It has a name that programmers or compilers gave to an entity, not one that marks a place: `.L…` names are an
    /// assembler's private ones, `$x` and `$d` tell code from data.
    pub fn is_named(&self) -> bool {
        let name = self.name_and_more();
        self.has_name()
            && !name.starts_with(".L")
            && !name.starts_with('$')
            && !matches!(self.kind, elf::STT_SECTION | elf::STT_FILE)
    }

    /// Its name; that of the section for a section symbol.
    pub fn name(&self) -> &'d str {
        let text = self.name_and_more();
        let end = memchr::memchr(0, text.as_bytes());
        end.map_or(text, |end| &text[..end])
    }
}

/// Where a symbol is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// Nowhere in this file.
    Undefined,
    /// Its value is the address.
    Absolute,
    /// Nowhere yet: its value is the alignment.
    Common,
    /// The section with this header index.
    Section(usize),
}

/// A COMDAT group.
#[derive(Debug)]
pub struct ElfGroup<'d> {
    /// Symbol that names the group.
    pub signature: &'d str,
    /// Header indexes of its sections.
    pub members: Vec<usize>,
}

/// A relocation of a section.
#[derive(Clone, Copy, Debug)]
pub struct ElfRelocation {
    /// Offset in the section.
    pub offset: u64,
    /// `r_type`.
    pub kind: elf::RelocationType,
    /// Index of the symbol.
    pub symbol: usize,
    /// Addend.
    pub addend: i64,
}

type SectionTable<'d> = object::read::elf::SectionTable<'d, Header>;

fn malformed(file: &str, section: &str, offset: u64, expected: impl Into<String>) -> Problem {
    let place = Place {
        file: file.to_owned(),
        section: shown(section).to_owned(),
        offset,
    };
    Problem::Malformed {
        place,
        expected: expected.into(),
    }
}

/// How messages call a section: compilers give every one a name, damage may take it.
pub fn shown(section: &str) -> &str {
    if section.is_empty() {
        "section without a name"
    } else {
        section
    }
}

/// A section has this name, or one that goes on behind a dot: `.text` and `.text.unlikely`, not `.texture`.
pub fn belongs_to(section: &str, stem: &str) -> bool {
    let behind = section.strip_prefix(stem);
    behind.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Largest section or symbol, zeroed ones included: addresses are added up without fear of overflow behind this edge.
const MAX_SECTION: u64 = 1 << 40;

/// Reads headers and symbols of a relocatable file of `isa`.
pub fn read<'d>(file: String, data: &'d [u8], isa: &dyn Isa) -> Result<ElfObject<'d>, Problem> {
    let header = check_header(&file, data, isa)?;
    let table_at = header.e_shoff.get(LE);
    let table = header.sections(LE, data).map_err(|e| {
        let expected = format!("section headers of 64 bytes within the file: {e}");
        malformed(&file, "section header table", table_at, expected)
    })?;
    let source = Source {
        file: &file,
        data,
        table,
        table_at,
    };
    let mut sections = sections::read(&source, header)?;
    sections::attach(&source, &mut sections)?;
    let (symbols, named) = symbols::read(&source, &sections)?;
    let mut object = ElfObject {
        flags: header.e_flags.get(LE),
        data,
        file: String::new(),
        sections,
        symbols,
        named,
        groups: Vec::new(),
    };
    object.groups = sections::groups(&source, &object)?;
    object.file = file;
    Ok(object)
}

/// A file that is being read.
struct Source<'a, 'd> {
    file: &'a str,
    data: &'d [u8],
    table: SectionTable<'d>,
    /// Offset of the section header table.
    table_at: u64,
}

impl Source<'_, '_> {
    fn malformed(&self, section: &str, offset: u64, expected: impl Into<String>) -> Problem {
        malformed(self.file, section, offset, expected)
    }

    /// A problem with the section header of this index.
    fn bad_header(&self, index: usize, expected: impl Into<String>) -> Problem {
        let at = (index * size_of::<elf::SectionHeader64<LE>>()) as u64;
        self.malformed("section header table", self.table_at + at, expected)
    }

    fn unsupported(&self, section: &str, what: &str) -> Problem {
        let place = Place {
            file: self.file.to_owned(),
            section: shown(section).to_owned(),
            offset: 0,
        };
        let what = what.to_owned();
        Problem::Unsupported { place, what }
    }
}

/// `e_machine` of a 64-bit little-endian file.
pub fn machine(file: &str, data: &[u8]) -> Result<elf::Machine, Problem> {
    let at = |offset: u64, expected: &str| malformed(file, "ELF header", offset, expected);
    if !data.starts_with(&elf::ELFMAG) {
        return Err(at(0, "an ELF object, an archive or an rlib"));
    }
    if data.get(4..6) != Some(&[elf::ELFCLASS64.0, elf::ELFDATA2LSB.0]) {
        return Err(at(4, "a 64-bit little-endian file"));
    }
    let header = Header::parse(data).map_err(|e| at(0, &e.to_string()))?;
    Ok(header.e_machine.get(LE))
}

/// What is said of an object of an ISA that is not known.
pub fn unknown_machine(file: &str, machine: elf::Machine) -> Problem {
    let known: Vec<_> = isa::ALL.iter().map(|isa| isa.name()).collect();
    let expected = format!(
        "an object of {}, found e_machine {machine}",
        known.join(" or ")
    );
    malformed(file, "ELF header", 18, expected)
}

fn check_header<'d>(file: &str, data: &'d [u8], isa: &dyn Isa) -> Result<&'d Header, Problem> {
    let at = |offset: u64, expected: String| malformed(file, "ELF header", offset, expected);
    let found = machine(file, data)?;
    if found != isa.machine() {
        return Err(at(
            18,
            format!(
                "an object of {} (e_machine {}), found e_machine {found}",
                isa.name(),
                isa.machine()
            ),
        ));
    }
    let header = Header::parse(data).map_err(|e| at(0, e.to_string()))?;
    if header.e_type.get(LE) != elf::ET_REL {
        return Err(at(
            16,
            format!("a relocatable file, found e_type {}", header.e_type.get(LE)),
        ));
    }
    Ok(header)
}

/// Stands for a file's name where the command line itself needs or defines a symbol.
pub const COMMAND_LINE: &str = "command line";

impl<'d> ElfObject<'d> {
    /// An object without sections, of names and the addresses of those that are defined.
    pub fn of_command_line(symbols: impl Iterator<Item = (&'d str, Option<u64>)>) -> Self {
        let global = |(name, value): (&'d str, Option<u64>)| ElfSymbol {
            names: name,
            home: value.map_or(Home::Undefined, |_| Home::Absolute),
            value: value.unwrap_or_default(),
            binding: elf::STB_GLOBAL,
            ..ElfSymbol::NULL
        };
        let symbols: Vec<_> = [ElfSymbol::NULL]
            .into_iter()
            .chain(symbols.map(global))
            .collect();
        Self {
            file: COMMAND_LINE.to_owned(),
            data: &[],
            flags: elf::FileFlags(0),
            sections: Vec::new(),
            named: (1..symbols.len() as u32).collect(),
            symbols: Symbols::Made(symbols),
            groups: Vec::new(),
        }
    }

    /// It stands for the command line: there is no file.
    pub fn is_command_line(&self) -> bool {
        self.data.is_empty()
    }
}
