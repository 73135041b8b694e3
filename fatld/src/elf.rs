//! The edge: bytes of a relocatable ELF file in, checked tables out.
//!
//! Every offset, size, index and name of a file is checked here and nowhere else; the phases behind this one index
//! with what they get. A file that contradicts itself is refused with the place and what the ELF specification wants.

use std::borrow::Cow;

use object::elf;
use object::read::elf::{FileHeader, Rela, SectionHeader, Sym};
use object::read::{CompressedData, CompressionFormat};
use object::{LittleEndian as LE, SectionIndex};

use crate::error::{Place, Problem};
use crate::isa::{self, Isa};

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
    /// All symbols, the null symbol included.
    pub symbols: Vec<ElfSymbol<'d>>,
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
    /// Header index of the section that this one is about (`SHF_LINK_ORDER`).
    pub linked_to: Option<usize>,
    /// Bytes; empty for `SHT_NOBITS`.
    pub data: &'d [u8],
    /// How the bytes are compressed, if they are: [`ElfSection::contents`] has what they mean.
    pub compression: Option<CompressionFormat>,
    /// Header index of its relocations, if it has some.
    pub relocations: Option<usize>,
}

/// A symbol.
#[derive(Clone, Copy, Debug)]
pub struct ElfSymbol<'d> {
    /// Name; that of the section for a section symbol.
    pub name: &'d str,
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
    /// Section header of its file's name that precedes it, as an index into the symbols (`STT_FILE`).
    pub source: Option<u32>,
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

fn malformed(file: &str, section: &str, offset: u64, expected: impl Into<String>) -> Problem {
    let place = Place {
        file: file.to_owned(),
        section: section.to_owned(),
        offset,
    };
    Problem::Malformed {
        place,
        expected: expected.into(),
    }
}

/// Largest section, zeroed ones included: addresses are added up without fear of overflow behind this edge.
const MAX_SECTION: u64 = 1 << 40;

/// Reads headers and symbols of a relocatable file of `isa`.
pub fn read<'d>(file: String, data: &'d [u8], isa: &dyn Isa) -> Result<ElfObject<'d>, Problem> {
    let header = check_header(&file, data, isa)?;
    let table_at = header.e_shoff.get(LE);
    let table = header
        .sections(LE, data)
        .map_err(|e| malformed(&file, "section header table", table_at, e.to_string()))?;
    let mut sections = read_sections(&file, data, &table, table_at)?;
    attach_relocations(&file, &table, table_at, &mut sections)?;
    let symbols = read_symbols(&file, data, &table, &sections)?;
    let groups = read_groups(&file, &table, &sections, &symbols)?;
    Ok(ElfObject {
        flags: header.e_flags.get(LE),
        data,
        file,
        sections,
        symbols,
        groups,
    })
}

/// Checks every section header.
fn read_sections<'d>(
    file: &str,
    data: &'d [u8],
    table: &SectionTable<'d>,
    table_at: u64,
) -> Result<Vec<ElfSection<'d>>, Problem> {
    let bad = |section: &str, offset: u64, what: object::Error| {
        malformed(file, section, offset, what.to_string())
    };
    let mut sections = Vec::with_capacity(table.len());
    for (index, section) in table.iter().enumerate() {
        let at = table_at + (index * size_of::<elf::SectionHeader64<LE>>()) as u64;
        let name = table
            .section_name(LE, section)
            .map_err(|e| bad("section header table", at, e))?;
        let name = str::from_utf8(name)
            .map_err(|_| malformed(file, "section names", at, "names in UTF-8"))?;
        let bytes = section.data(LE, data).map_err(|e| bad(name, 0, e))?;
        let (mut align, mut size) = (section.sh_addralign(LE).max(1), section.sh_size(LE));
        let (bytes, compression) = match section.sh_flags(LE).contains(elf::SHF_COMPRESSED) {
            true => {
                let (header, bytes, format) = compression(bytes).ok_or_else(|| {
                    malformed(
                        file,
                        name,
                        0,
                        "a header of zlib or zstd, and a size that data of this kind can have",
                    )
                })?;
                (align, size) = (header.ch_addralign.get(LE).max(1), header.ch_size.get(LE));
                (bytes, Some(format))
            }
            false => (bytes, None),
        };
        if !align.is_power_of_two() || align > 1 << 32 {
            return Err(malformed(
                file,
                name,
                0,
                format!("an alignment that is a power of two, found {align:#x}"),
            ));
        }
        if size > MAX_SECTION {
            return Err(malformed(
                file,
                name,
                0,
                format!("at most {MAX_SECTION:#x} bytes, found {size:#x}"),
            ));
        }
        let linked_to = linked_to(section).filter(|to| *to != 0);
        if let Some(to) = linked_to.filter(|to| *to >= table.len()) {
            let expected = format!("a section that it is linked to, found index {to}");
            return Err(malformed(file, name, 0, expected));
        }
        sections.push(ElfSection {
            name,
            kind: section.sh_type(LE),
            flags: section.sh_flags(LE),
            align,
            size,
            entry_size: section.sh_entsize(LE),
            linked_to,
            data: bytes,
            compression,
            relocations: None,
        });
    }
    Ok(sections)
}

/// No compressed debug section of a compiler comes near this ratio; a header that claims more is damaged.
const MAX_COMPRESSION: u64 = 1 << 12;

/// The header of a compressed section, what is compressed, and how.
fn compression(bytes: &[u8]) -> Option<(&elf::CompressionHeader64<LE>, &[u8], CompressionFormat)> {
    let (header, data) = object::pod::from_bytes::<elf::CompressionHeader64<LE>>(bytes).ok()?;
    let format = match header.ch_type.get(LE) {
        elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
        elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
        _ => return None,
    };
    let most = (data.len() as u64).saturating_mul(MAX_COMPRESSION);
    (header.ch_size.get(LE) <= most).then_some((header, data, format))
}

impl<'d> ElfSection<'d> {
    /// What the bytes mean, decompressed if they are compressed.
    pub fn contents(&self, file: &str) -> Result<Cow<'d, [u8]>, Problem> {
        let Some(format) = self.compression else {
            return Ok(Cow::Borrowed(self.data));
        };
        let compressed = CompressedData {
            format,
            data: self.data,
            uncompressed_size: self.size,
        };
        let contents = compressed.decompress();
        contents.map_err(|e| malformed(file, self.name, 0, e.to_string()))
    }
}

fn linked_to(section: &elf::SectionHeader64<LE>) -> Option<usize> {
    let ordered = section.sh_flags(LE).contains(elf::SHF_LINK_ORDER);
    ordered.then_some(section.sh_link(LE) as usize)
}

/// Gives each section the header index of its relocations.
fn attach_relocations(
    file: &str,
    table: &SectionTable<'_>,
    table_at: u64,
    sections: &mut [ElfSection<'_>],
) -> Result<(), Problem> {
    for (index, section) in table.iter().enumerate() {
        match section.sh_type(LE) {
            elf::SHT_RELA => {
                let target = section.sh_info(LE) as usize;
                let owner = sections.get_mut(target).filter(|_| target != 0);
                let owner = owner.ok_or_else(|| {
                    malformed(
                        file,
                        "section header table",
                        table_at,
                        format!("a section {target} to relocate"),
                    )
                })?;
                if owner.relocations.replace(index).is_some() {
                    return Err(malformed(file, owner.name, 0, "one relocation section"));
                }
            }
            elf::SHT_REL => {
                return Err(malformed(
                    file,
                    sections[index].name,
                    0,
                    "relocations with addends",
                ));
            }
            _ => {}
        }
    }
    Ok(())
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

type SectionTable<'d> = object::read::elf::SectionTable<'d, Header>;

fn read_symbols<'d>(
    file: &str,
    data: &'d [u8],
    table: &SectionTable<'d>,
    sections: &[ElfSection<'d>],
) -> Result<Vec<ElfSymbol<'d>>, Problem> {
    let bad = |offset: u64, expected: String| malformed(file, ".symtab", offset, expected);
    let symbols = table
        .symbols(LE, data, elf::SHT_SYMTAB)
        .map_err(|e| bad(0, e.to_string()))?;
    let mut out = Vec::with_capacity(symbols.len());
    let mut source = None;
    for (index, symbol) in symbols.iter().enumerate() {
        let at = (index * size_of::<elf::Sym64<LE>>()) as u64;
        let name = symbols
            .symbol_name(LE, symbol)
            .map_err(|e| bad(at, e.to_string()))?;
        let name = str::from_utf8(name).map_err(|_| bad(at, "a name in UTF-8".to_owned()))?;
        let home = match symbol.st_shndx(LE) {
            elf::SHN_UNDEF => Home::Undefined,
            elf::SHN_ABS => Home::Absolute,
            elf::SHN_COMMON => Home::Common,
            elf::SHN_XINDEX => {
                let extended = symbols.shndx(LE, object::SymbolIndex(index));
                Home::Section(
                    extended.ok_or_else(|| bad(at, "an extended section index".to_owned()))?
                        as usize,
                )
            }
            other => {
                Home::Section(usize::from(other.index().ok_or_else(|| {
                    bad(at, format!("a known section index, found {other:#x}"))
                })?))
            }
        };
        if symbol.st_type() == elf::STT_FILE {
            source = u32::try_from(index).ok();
        }
        out.push(ElfSymbol {
            name,
            home,
            value: symbol.st_value(LE),
            size: symbol.st_size(LE),
            kind: symbol.st_type(),
            binding: symbol.st_bind(),
            visibility: symbol.st_visibility(),
            source: source.filter(|_| symbol.st_bind() == elf::STB_LOCAL),
        });
        let last = out.last_mut().expect("just pushed");
        check_symbol(last, sections).map_err(|expected| bad(at, expected))?;
    }
    Ok(out)
}

/// Checks a symbol against its section, and gives a section's symbol the section's name.
fn check_symbol<'d>(symbol: &mut ElfSymbol<'d>, sections: &[ElfSection<'d>]) -> Result<(), String> {
    match symbol.home {
        Home::Section(home) => {
            let section = sections.get(home).filter(|_| home != 0);
            let section = section.ok_or_else(|| format!("a section header with index {home}"))?;
            if symbol.kind == elf::STT_SECTION && symbol.name.is_empty() {
                symbol.name = section.name;
            }
            if symbol.value > section.size {
                return Err(format!(
                    "a value within {} ({:#x} bytes)",
                    section.name, section.size
                ));
            }
        }
        Home::Common
            if !symbol.value.is_power_of_two()
                || symbol.value > 1 << 32
                || symbol.size > MAX_SECTION =>
        {
            let expected = "a common symbol with a sane size, and a power of two as alignment";
            return Err(expected.to_owned());
        }
        _ => {}
    }
    Ok(())
}

fn read_groups<'d>(
    file: &str,
    table: &SectionTable<'d>,
    sections: &[ElfSection<'d>],
    symbols: &[ElfSymbol<'d>],
) -> Result<Vec<ElfGroup<'d>>, Problem> {
    let mut groups = Vec::new();
    for (index, section) in sections
        .iter()
        .enumerate()
        .filter(|(_, s)| s.kind == elf::SHT_GROUP)
    {
        let header = table
            .section(SectionIndex(index))
            .map_err(|e| malformed(file, section.name, 0, e.to_string()))?;
        let signature = symbols.get(header.sh_info(LE) as usize);
        let signature = signature
            .ok_or_else(|| malformed(file, section.name, 0, "a symbol that names the group"))?;
        let mut words = section
            .data
            .chunks_exact(4)
            .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
        let flags = words
            .next()
            .map(elf::GroupFlags)
            .ok_or_else(|| malformed(file, section.name, 0, "a word of flags"))?;
        let members: Vec<_> = words.map(|w| w as usize).collect();
        if let Some(member) = members.iter().find(|m| **m == 0 || **m >= sections.len()) {
            return Err(malformed(
                file,
                section.name,
                4,
                format!("members that exist, found section {member}"),
            ));
        }
        if flags.contains(elf::GRP_COMDAT) {
            groups.push(ElfGroup {
                signature: signature.name,
                members,
            });
        }
    }
    Ok(groups)
}

/// Stands for a file's name where the command line itself needs or defines a symbol.
pub const COMMAND_LINE: &str = "command line";

impl<'d> ElfObject<'d> {
    /// An object without sections, of names and the addresses of those that are defined.
    pub fn of_command_line(symbols: impl Iterator<Item = (&'d str, Option<u64>)>) -> Self {
        let global = |(name, value): (&'d str, Option<u64>)| ElfSymbol {
            name,
            home: value.map_or(Home::Undefined, |_| Home::Absolute),
            value: value.unwrap_or_default(),
            size: 0,
            kind: elf::STT_NOTYPE,
            binding: elf::STB_GLOBAL,
            visibility: elf::STV_DEFAULT,
            source: None,
        };
        let null = ElfSymbol {
            binding: elf::STB_LOCAL,
            ..global(("", None))
        };
        Self {
            file: COMMAND_LINE.to_owned(),
            data: &[],
            flags: elf::FileFlags(0),
            sections: Vec::new(),
            symbols: [null].into_iter().chain(symbols.map(global)).collect(),
            groups: Vec::new(),
        }
    }

    /// It stands for the command line: there is no file.
    pub fn is_command_line(&self) -> bool {
        self.data.is_empty()
    }

    /// The relocations of a section, by offset.
    pub fn relocations(&self, section: usize) -> Result<Vec<ElfRelocation>, Problem> {
        let owner = &self.sections[section];
        let Some(table) = owner.relocations.map(|index| &self.sections[index]) else {
            return Ok(Vec::new());
        };
        let bad = |at: usize, expected: String| {
            malformed(&self.file, table.name, (at * RELA_SIZE) as u64, expected)
        };
        const RELA_SIZE: usize = size_of::<elf::Rela64<LE>>();
        if table.data.len() % RELA_SIZE != 0 {
            return Err(bad(
                table.data.len() / RELA_SIZE,
                format!("entries of {RELA_SIZE} bytes"),
            ));
        }
        let entries: &[elf::Rela64<LE>] = object::pod::slice_from_all_bytes(table.data)
            .map_err(|()| bad(0, format!("entries of {RELA_SIZE} bytes")))?;
        let mut out = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            let (offset, symbol) = (entry.r_offset(LE), entry.r_sym(LE, false) as usize);
            if offset > owner.size || owner.kind == elf::SHT_NOBITS {
                return Err(bad(
                    at,
                    format!(
                        "a place in {} ({:#x} bytes), found {offset:#x}",
                        owner.name, owner.size
                    ),
                ));
            }
            if symbol >= self.symbols.len().max(1) {
                return Err(bad(
                    at,
                    format!("one of {} symbols, found {symbol}", self.symbols.len()),
                ));
            }
            out.push(ElfRelocation {
                offset,
                kind: entry.r_type(LE, false),
                symbol,
                addend: entry.r_addend(LE),
            });
        }
        out.sort_by_key(|r| r.offset);
        Ok(out)
    }
}
