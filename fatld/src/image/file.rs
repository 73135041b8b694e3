//! The ELF file of an image: header, segments, sections in memory, symbols.
//!
//! A section's physical address is that of the segment which loads it. Segments are told apart by their place in the
//! file, because gates of several ISAs have one virtual address.

use object::LittleEndian as LE;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};

use fat_image::Region;

use super::{ImageSection, ImageSymbol, malformed};
use crate::error::Problem;

type Header = elf::FileHeader64<LE>;
type SectionTable<'d> = object::read::elf::SectionTable<'d, Header>;

/// What the file says of itself, before the note is read.
pub(super) struct Parts<'d> {
    /// Sections in memory; their ISA and region are not known yet.
    pub sections: Vec<ImageSection<'d>>,
    /// `.comment`
    pub comment: &'d [u8],
    /// Symbols; [`ImageSymbol::isa`] is not known yet.
    pub symbols: Vec<ImageSymbol<'d>>,
}

/// Largest section, as for inputs: sizes are added up without fear of overflow behind this edge.
const MAX_SECTION: u64 = 1 << 40;

/// Bytes that the runtime of an image can address.
const ADDRESSES: u64 = 1 << 63;

/// Most segments: a linker makes one per ISA and kind of memory, so more is damage. Every section looks for its own.
const MAX_SEGMENTS: usize = 1024;

/// Most sections, for the same reason: there are some per ISA, and one per name of executable sections.
const MAX_SECTIONS: usize = 16384;

/// Reads headers and symbols.
pub(super) fn read<'d>(file: &str, data: &'d [u8]) -> Result<Parts<'d>, Problem> {
    let header = check_header(file, data)?;
    let table_at = header.e_shoff.get(LE);
    let table = header
        .sections(LE, data)
        .map_err(|e| malformed(file, "section header table", table_at, e.to_string()))?;
    let segments = header.program_headers(LE, data).map_err(|e| {
        malformed(
            file,
            "program header table",
            header.e_phoff.get(LE),
            e.to_string(),
        )
    })?;
    if segments.len() > MAX_SEGMENTS {
        let expected = format!("at most {MAX_SEGMENTS} segments, found {}", segments.len());
        return Err(malformed(file, "ELF header", 56, expected));
    }
    if table.len() > MAX_SECTIONS {
        let expected = format!("at most {MAX_SECTIONS} sections, found {}", table.len());
        return Err(malformed(file, "ELF header", 60, expected));
    }
    let names = section_names(file, &table, table_at)?;
    if !names.contains(&fat_image::NOTE_SECTION) {
        return Err(malformed(
            file,
            "section header table",
            table_at,
            format!(
                "a section {}: this ELF file is no fat image",
                fat_image::NOTE_SECTION
            ),
        ));
    }
    let (mut sections, mut of_header) = (Vec::new(), vec![None; names.len()]);
    let mut comment: &[u8] = &[];
    for (index, (header, name)) in table.iter().zip(names).enumerate() {
        if header.sh_flags(LE).contains(elf::SHF_ALLOC) {
            of_header[index] = Some(sections.len());
            sections.push(section(file, data, name, header, segments)?);
        } else if name == ".comment" {
            let bytes = header.data(LE, data);
            comment = bytes.map_err(|e| malformed(file, name, 0, e.to_string()))?;
        }
    }
    check_tls(file, &sections)?;
    // An extracted file has a copy of every section: it must not be larger than what it came from.
    let bytes: usize = sections.iter().map(|section| section.data.len()).sum();
    if bytes > data.len() {
        let expected = format!("sections without a byte in common, found {bytes:#x} bytes");
        return Err(malformed(file, "section header table", table_at, expected));
    }
    let symbols = symbols(file, data, &table, &of_header)?;
    Ok(Parts {
        sections,
        comment,
        symbols,
    })
}

/// Thread-local data is one segment: its sections lie behind one another.
fn check_tls(file: &str, sections: &[ImageSection<'_>]) -> Result<(), Problem> {
    let tls = sections.iter().enumerate().filter(|(_, s)| s.is_tls);
    let tls: Vec<_> = tls.collect();
    for pair in tls.windows(2) {
        let ((at, first), (next, second)) = (pair[0], pair[1]);
        let end = first.phys + first.size;
        if next != at + 1 || second.phys < end || second.address < first.address {
            let expected = format!("a place behind {} at {end:#x}", first.name);
            return Err(malformed(file, second.name, 0, expected));
        }
    }
    Ok(())
}

fn check_header<'d>(file: &str, data: &'d [u8]) -> Result<&'d Header, Problem> {
    let at = |offset: u64, expected: String| malformed(file, "ELF header", offset, expected);
    if !data.starts_with(&elf::ELFMAG) {
        return Err(at(0, "a fat image, which is an ELF file".to_owned()));
    }
    if data.get(4..6) != Some(&[elf::ELFCLASS64.0, elf::ELFDATA2LSB.0]) {
        return Err(at(4, "a 64-bit little-endian file".to_owned()));
    }
    Header::parse(data).map_err(|e| at(0, e.to_string()))
}

fn section_names<'d>(
    file: &str,
    table: &SectionTable<'d>,
    table_at: u64,
) -> Result<Vec<&'d str>, Problem> {
    let name = |(index, section): (usize, &elf::SectionHeader64<LE>)| {
        let at = table_at + (index * size_of::<elf::SectionHeader64<LE>>()) as u64;
        let bad = |what: String| malformed(file, "section header table", at, what);
        let name = table
            .section_name(LE, section)
            .map_err(|e| bad(e.to_string()))?;
        str::from_utf8(name).map_err(|_| bad("a name in UTF-8".to_owned()))
    };
    table.iter().enumerate().map(name).collect()
}

fn section<'d>(
    file: &str,
    data: &'d [u8],
    name: &'d str,
    header: &elf::SectionHeader64<LE>,
    segments: &[elf::ProgramHeader64<LE>],
) -> Result<ImageSection<'d>, Problem> {
    let bad = |expected: String| malformed(file, name, 0, expected);
    let (address, size) = (header.sh_addr(LE), header.sh_size(LE));
    if size > MAX_SECTION || address >= ADDRESSES {
        return Err(bad(format!(
            "at most {MAX_SECTION:#x} bytes below {ADDRESSES:#x}, found {size:#x} at {address:#x}"
        )));
    }
    let align = header.sh_addralign(LE).max(1);
    if !align.is_power_of_two() {
        return Err(bad(format!(
            "an alignment that is a power of two, found {align:#x}"
        )));
    }
    let bytes = header
        .data(LE, data)
        .map_err(|_| bad("an offset and a size within the file".to_owned()))?;
    let mut flags = Region::READ;
    let has = |flag| header.sh_flags(LE).contains(flag);
    flags |= if has(elf::SHF_WRITE) {
        Region::WRITE
    } else {
        0
    };
    flags |= if has(elf::SHF_EXECINSTR) {
        Region::EXECUTE
    } else {
        0
    };
    // An empty section is in no segment, and zeroed thread-local data in none that is loaded: each thread makes its own.
    let has_no_place = size == 0 || (has(elf::SHF_TLS) && header.sh_type(LE) == elf::SHT_NOBITS);
    let phys = match physical(header, segments) {
        Some(phys) if phys < ADDRESSES => phys,
        Some(phys) => {
            return Err(bad(format!(
                "a physical address below {ADDRESSES:#x}, found {phys:#x}"
            )));
        }
        None if has_no_place => address,
        None => return Err(bad("a segment PT_LOAD that loads this section".to_owned())),
    };
    Ok(ImageSection {
        name,
        isa: None,
        region: None,
        kind: header.sh_type(LE),
        is_tls: has(elf::SHF_TLS),
        flags,
        address,
        phys,
        size,
        align,
        data: bytes,
    })
}

/// Physical address of a section: its segment holds its address, and its bytes at the same distance in the file.
fn physical(
    section: &elf::SectionHeader64<LE>,
    segments: &[elf::ProgramHeader64<LE>],
) -> Option<u64> {
    let nobits = section.sh_type(LE) == elf::SHT_NOBITS;
    let loads = segments.iter().filter(|s| s.p_type(LE) == elf::PT_LOAD);
    loads
        .filter_map(|segment| {
            let distance = section.sh_addr(LE).checked_sub(segment.p_vaddr(LE))?;
            let end = distance.checked_add(section.sh_size(LE))?;
            let in_file = segment.p_offset(LE).checked_add(distance);
            let loaded = nobits || in_file == Some(section.sh_offset(LE));
            let holds = end <= segment.p_memsz(LE) && distance < segment.p_memsz(LE);
            (loaded && holds).then(|| segment.p_paddr(LE).checked_add(distance))?
        })
        .next()
}

fn symbols<'d>(
    file: &str,
    data: &'d [u8],
    table: &SectionTable<'d>,
    of_header: &[Option<usize>],
) -> Result<Vec<ImageSymbol<'d>>, Problem> {
    let bad = |offset: u64, expected: String| malformed(file, ".symtab", offset, expected);
    let symbols = table
        .symbols(LE, data, elf::SHT_SYMTAB)
        .map_err(|e| bad(0, e.to_string()))?;
    let mut out = Vec::with_capacity(symbols.len());
    for (index, symbol) in symbols.iter().enumerate().skip(1) {
        let at = (index * size_of::<elf::Sym64<LE>>()) as u64;
        let name = symbols
            .symbol_name(LE, symbol)
            .map_err(|e| bad(at, e.to_string()))?;
        let name = str::from_utf8(name).map_err(|_| bad(at, "a name in UTF-8".to_owned()))?;
        let section = match symbol.st_shndx(LE).index() {
            Some(header) => *of_header
                .get(usize::from(header))
                .ok_or_else(|| bad(at, format!("a section header with index {header}")))?,
            None => None,
        };
        out.push(ImageSymbol {
            name,
            address: symbol.st_value(LE),
            size: symbol.st_size(LE),
            kind: symbol.st_type(),
            local: symbol.st_bind() == elf::STB_LOCAL,
            section,
            isa: None,
        });
    }
    Ok(out)
}
