//! Phase 12: the ELF files, image and views, from sections that are already made.
//!
//! Image and views have the same bytes at the same addresses. The image's `e_machine` is the first ISA's, its symbol
//! table names shared data once, function pointers by their gates, and each ISA's code as local symbols behind a
//! `STT_FILE` symbol with the ISA's name. A view has one ISA's symbols and its debug information; the other ISAs' gates
//! are left out (their address is taken by the own ones) and their text is not executable.
//!
//! Every file is written beside its name and renamed when it is whole.

use std::io::Write as _;
use std::path::Path;

use fat_image::{PAGE_SIZE, Region};
use object::elf;
use object::write::StringId;
use object::write::elf::{FileHeader, ProgramHeader, SectionHeader, Sym, Writer};

use crate::error::{Error, Problem};
use crate::layout::OutputSection;

/// A file to write.
pub struct ElfFile<'a> {
    /// `e_machine`
    pub machine: elf::Machine,
    /// `e_flags`
    pub flags: elf::FileFlags,
    /// `e_entry`
    pub entry: u64,
    /// Sections in memory.
    pub sections: Vec<FileSection<'a>>,
    /// Debug sections: name, bytes, and whether it is a section of strings.
    pub debug: Vec<(String, Vec<u8>, bool)>,
    /// Symbols, local ones first.
    pub symbols: Vec<FileSymbol<'a>>,
}

/// A section in memory.
pub struct FileSection<'a> {
    /// Name in this file.
    pub name: String,
    /// The section.
    pub section: &'a OutputSection,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// [`Region`] flags in this file.
    pub flags: u32,
}

/// A symbol.
pub struct FileSymbol<'a> {
    /// Name.
    pub name: std::borrow::Cow<'a, str>,
    /// Address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// `STT_…`
    pub kind: elf::SymbolType,
    /// `STB_LOCAL` rather than `STB_GLOBAL`.
    pub local: bool,
}

impl<'a> ElfFile<'a> {
    /// The bytes of the file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, object::write::Error> {
        let mut buffer = Vec::new();
        let mut writer = Writer::new(object::Endianness::Little, true, &mut buffer);
        writer.reserve_file_header();
        let segments = self.segments();
        writer.reserve_program_headers(segments.len() as u32);
        let offsets = self.reserve_sections(&mut writer);
        let debug: Vec<_> = self
            .debug
            .iter()
            .map(|(_, bytes, _)| writer.reserve(bytes.len() as u64, 8))
            .collect();
        let names: Vec<StringId> = self
            .names()
            .map(|name| writer.add_section_name(name.as_bytes()))
            .collect();
        let indexes: Vec<_> = self
            .names()
            .map(|_| writer.reserve_section_index())
            .collect();
        let strings: Vec<StringId> = self
            .symbols
            .iter()
            .map(|s| writer.add_string(s.name.as_bytes()))
            .collect();
        writer.reserve_null_symbol_index();
        self.symbols.iter().for_each(|_| {
            writer.reserve_symbol_index(None);
        });
        writer.reserve_symtab_section_index();
        writer.reserve_strtab_section_index();
        writer.reserve_shstrtab_section_index();
        writer.reserve_symtab();
        writer.reserve_strtab()?;
        writer.reserve_shstrtab()?;
        writer.reserve_section_headers();

        writer.write_file_header(&FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_EXEC,
            e_machine: self.machine,
            e_entry: self.entry,
            e_flags: self.flags,
        })?;
        writer.write_align_program_headers();
        for segment in &segments {
            writer.write_program_header(&self.program_header(segment, &offsets));
        }
        for (section, offset) in self.sections.iter().zip(&offsets) {
            writer.pad_until(*offset);
            writer.write(section.bytes);
        }
        for ((_, bytes, _), offset) in self.debug.iter().zip(&debug) {
            writer.pad_until(*offset);
            writer.write(bytes);
        }
        self.write_symbols(&mut writer, &strings, &indexes);
        writer.write_strtab();
        writer.write_shstrtab();
        self.write_section_headers(&mut writer, &names, &offsets, &debug);
        Ok(buffer)
    }

    /// Gives the sections in memory their places in the file.
    fn reserve_sections(&self, writer: &mut Writer<'_>) -> Vec<u64> {
        let mut offsets = Vec::with_capacity(self.sections.len());
        for section in &self.sections {
            // What is mapped must have the same place in a page of the file as in one of memory.
            let behind = writer.reserved_len() % PAGE_SIZE;
            let gap = (section.section.phys % PAGE_SIZE + PAGE_SIZE - behind) % PAGE_SIZE;
            writer.reserve(gap, 1);
            offsets.push(writer.reserve(section.bytes.len() as u64, 1));
        }
        offsets
    }

    fn program_header(&self, segment: &Segment, offsets: &[u64]) -> ProgramHeader {
        let first = &self.sections[segment.sections.start].section;
        let last = &self.sections[segment.sections.end - 1];
        let file = offsets[segment.sections.end - 1] + last.bytes.len() as u64
            - offsets[segment.sections.start];
        ProgramHeader {
            p_type: segment.kind,
            p_flags: segment.flags,
            p_offset: offsets[segment.sections.start],
            p_vaddr: first.address,
            p_paddr: first.phys,
            p_filesz: file,
            p_memsz: last.section.phys + last.section.size - first.phys,
            p_align: if segment.kind == elf::PT_NOTE {
                4
            } else {
                PAGE_SIZE
            },
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.sections
            .iter()
            .map(|s| &s.name)
            .chain(self.debug.iter().map(|(name, ..)| name))
    }

    fn write_symbols(
        &self,
        writer: &mut Writer<'_>,
        strings: &[StringId],
        indexes: &[object::write::elf::SectionIndex],
    ) {
        writer.write_null_symbol();
        for (symbol, name) in self.symbols.iter().zip(strings) {
            let home = self.sections.iter().position(|s| {
                let start = s.section.address;
                (start..start + s.section.size.max(1)).contains(&symbol.address)
            });
            let home = home.filter(|_| symbol.kind != elf::STT_FILE);
            let binding = if symbol.local {
                elf::STB_LOCAL
            } else {
                elf::STB_GLOBAL
            };
            writer.write_symbol(&Sym {
                st_name: writer.string_offset(Some(*name)),
                section: home.map(|at| indexes[at].0),
                st_info: elf::SymbolInfo::new(binding, symbol.kind),
                st_other: elf::SymbolOther(0),
                st_shndx: elf::SHN_ABS,
                st_value: symbol.address,
                st_size: symbol.size,
            });
        }
    }

    fn write_section_headers(
        &self,
        writer: &mut Writer<'_>,
        names: &[StringId],
        offsets: &[u64],
        debug: &[u64],
    ) {
        writer.write_null_section_header();
        for ((section, name), offset) in self.sections.iter().zip(names).zip(offsets) {
            let mut flags = elf::SHF_ALLOC;
            if section.flags & Region::WRITE != 0 {
                flags.insert(elf::SHF_WRITE);
            }
            if section.flags & Region::EXECUTE != 0 {
                flags.insert(elf::SHF_EXECINSTR);
            }
            writer.write_section_header(&SectionHeader {
                sh_name: writer.section_name_offset(Some(*name)),
                sh_type: match section.section {
                    s if s.is_bss => elf::SHT_NOBITS,
                    s if s.is_note => elf::SHT_NOTE,
                    _ => elf::SHT_PROGBITS,
                },
                sh_flags: flags,
                sh_addr: section.section.address,
                sh_offset: *offset,
                sh_size: section.section.size,
                sh_link: 0,
                sh_info: 0,
                sh_addralign: section.section.align,
                sh_entsize: 0,
            });
        }
        for (((_, bytes, is_strings), offset), name) in self
            .debug
            .iter()
            .zip(debug)
            .zip(&names[self.sections.len()..])
        {
            writer.write_section_header(&SectionHeader {
                sh_name: writer.section_name_offset(Some(*name)),
                sh_type: elf::SHT_PROGBITS,
                sh_flags: if *is_strings {
                    elf::SHF_MERGE | elf::SHF_STRINGS
                } else {
                    elf::SectionFlags(0)
                },
                sh_addr: 0,
                sh_offset: *offset,
                sh_size: bytes.len() as u64,
                sh_link: 0,
                sh_info: 0,
                sh_addralign: 1,
                sh_entsize: u64::from(*is_strings),
            });
        }
        let locals = self.symbols.iter().take_while(|s| s.local).count();
        writer.write_symtab_section_header(locals as u32 + 1);
        writer.write_strtab_section_header();
        writer.write_shstrtab_section_header();
    }

    /// One segment per run of sections that lie behind one another with equal flags, and one per run of notes.
    fn segments(&self) -> Vec<Segment> {
        let mut loads: Vec<Segment> = Vec::new();
        let mut notes = Vec::new();
        for (at, section) in self
            .sections
            .iter()
            .enumerate()
            .filter(|(_, s)| s.section.size > 0)
        {
            let here = section.section;
            if here.is_note {
                notes.push(Segment {
                    kind: elf::PT_NOTE,
                    flags: elf::PF_R,
                    sections: at..at + 1,
                });
            }
            let flags = protection(section.flags);
            match loads.last_mut() {
                Some(last) if last.flags == flags && self.continues(last.sections.end, at) => {
                    last.sections.end = at + 1
                }
                _ => loads.push(Segment {
                    kind: elf::PT_LOAD,
                    flags,
                    sections: at..at + 1,
                }),
            }
        }
        loads.extend(notes);
        loads
    }

    /// Section `at` can share a segment with the one before it.
    fn continues(&self, end: usize, at: usize) -> bool {
        let (last, here) = (self.sections[end - 1].section, self.sections[at].section);
        let special = Region::GATES | Region::BOOT;
        end == at
            && (last.flags | here.flags) & special == 0
            && (!last.is_bss || here.is_bss)
            && here
                .phys
                .checked_sub(last.phys + last.size)
                .is_some_and(|gap| gap < PAGE_SIZE)
    }
}

/// Sections that are mapped together.
struct Segment {
    kind: elf::ProgramType,
    flags: elf::ProgramFlags,
    sections: std::ops::Range<usize>,
}

fn protection(flags: u32) -> elf::ProgramFlags {
    let bits = [
        (Region::READ, elf::PF_R),
        (Region::WRITE, elf::PF_W),
        (Region::EXECUTE, elf::PF_X),
    ];
    let set = bits.into_iter().filter(|(flag, _)| flags & flag != 0);
    set.fold(elf::ProgramFlags::default(), |all, (_, bit)| all | bit)
}

/// Writes a file beside its name and renames it, so that nobody ever sees half of it. Something that exists and is not
/// a regular file is left alone.
pub fn write_file(path: &Path, bytes: &[u8], executable: bool) -> Result<(), Error> {
    let failed = |reason: String| {
        Error::from(Problem::Output {
            file: path.to_owned(),
            reason,
        })
    };
    if let Ok(there) = std::fs::metadata(path)
        && !there.is_file()
    {
        return Err(failed("it exists and is not a regular file".to_owned()));
    }
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".fatld-")
        .permissions(permissions(executable))
        .tempfile_in(folder)
        .map_err(|e| failed(e.to_string()))?;
    temporary
        .write_all(bytes)
        .map_err(|e| failed(e.to_string()))?;
    temporary.persist(path).map_err(|e| failed(e.to_string()))?;
    Ok(())
}

/// What `open` would give a new file before the umask: `tempfile` applies the umask.
fn permissions(executable: bool) -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(if executable { 0o777 } else { 0o666 })
}
