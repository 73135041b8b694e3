//! Section headers, and what ties sections together: relocations, groups, order.

use object::elf;
use object::read::elf::{FileHeader, SectionHeader};
use object::{LittleEndian as LE, SectionIndex};

use super::compressed::compression;
use super::strings::Strings;
use super::{ElfGroup, ElfObject, ElfSection, Header, MAX_SECTION, Source};
use crate::error::Problem;

/// Largest alignment: every section may need as much padding in the output, which no input pays for.
const MAX_ALIGN: u64 = 1 << 28;

/// Checks every section header.
pub(super) fn read<'d>(
    source: &Source<'_, 'd>,
    header: &Header,
) -> Result<Vec<ElfSection<'d>>, Problem> {
    if source.table.is_empty() {
        return Ok(Vec::new());
    }
    let names = header.shstrndx(LE, source.data);
    let names = names
        .map_err(|_| source.malformed("ELF header", 62, "the index of the section of names"))?;
    let mut names = Strings::new(source, names as usize)?;
    let mut sections = Vec::with_capacity(source.table.len());
    // Bytes of the file that no section has claimed.
    let mut left = source.data.len() as u64;
    for (index, section) in source.table.iter().enumerate() {
        let name = names.get(section.sh_name(LE));
        let name = name.map_err(|expected| source.bad_header(index, expected))?;
        let (kind, size) = (section.sh_type(LE), section.sh_size(LE));
        if !matches!(kind, elf::SHT_NULL | elf::SHT_NOBITS) {
            left = left.checked_sub(size).ok_or_else(|| {
                source.bad_header(index, "sections that fit in the file without overlaps")
            })?;
        }
        sections.push(section_of(source, name, section)?);
    }
    Ok(sections)
}

fn section_of<'d>(
    source: &Source<'_, 'd>,
    name: &'d str,
    section: &elf::SectionHeader64<LE>,
) -> Result<ElfSection<'d>, Problem> {
    let bad = |expected: String| source.malformed(name, 0, expected);
    let bytes: &'d [u8] = section
        .data(LE, source.data)
        .map_err(|_| bad("an offset and a size within the file".to_owned()))?;
    let (mut align, mut size) = (section.sh_addralign(LE).max(1), section.sh_size(LE));
    let (mut data, mut format) = (bytes, None);
    if section.sh_flags(LE).contains(elf::SHF_COMPRESSED) {
        let (header, compressed, of) = compression(bytes).ok_or_else(|| {
            let expected = "a header of zlib or zstd, and a size that data of this kind can have";
            bad(expected.to_owned())
        })?;
        (align, size) = (header.ch_addralign.get(LE).max(1), header.ch_size.get(LE));
        (data, format) = (compressed, Some(of));
    }
    if !align.is_power_of_two() || align > MAX_ALIGN {
        let expected =
            format!("a power of two up to {MAX_ALIGN:#x} as alignment, found {align:#x}");
        return Err(bad(expected));
    }
    if size > MAX_SECTION {
        let expected = format!("at most {MAX_SECTION:#x} bytes, found {size:#x}");
        return Err(bad(expected));
    }
    Ok(ElfSection {
        name,
        kind: section.sh_type(LE),
        flags: section.sh_flags(LE),
        align,
        size,
        entry_size: section.sh_entsize(LE),
        data,
        compression: format,
        relocations: None,
        linked_to: None,
    })
}

/// Gives each section the header indexes of its relocations and of the section it is about.
pub(super) fn attach(
    source: &Source<'_, '_>,
    sections: &mut [ElfSection<'_>],
) -> Result<(), Problem> {
    for (index, header) in source.table.iter().enumerate() {
        let unsupported = |what: &str| Err(source.unsupported(sections[index].name, what));
        match header.sh_type(LE) {
            elf::SHT_RELA => {
                let target = header.sh_info(LE) as usize;
                let owner = sections.get_mut(target).filter(|_| target != 0);
                let owner = owner.ok_or_else(|| {
                    source.bad_header(index, format!("a section to relocate, found {target}"))
                })?;
                if owner.relocations.replace(index).is_some() {
                    return Err(source.malformed(owner.name, 0, "one relocation section"));
                }
            }
            elf::SHT_REL => return unsupported("relocations without addends (SHT_REL)"),
            elf::SHT_RELR => return unsupported("packed relative relocations (SHT_RELR)"),
            elf::SHT_CREL => return unsupported("compact relocations (SHT_CREL)"),
            _ => {}
        }
        let target = header.sh_link(LE) as usize;
        // Without a section to follow, gas writes 0: there is no order then.
        if header.sh_flags(LE).contains(elf::SHF_LINK_ORDER) && target != 0 {
            if target >= sections.len() {
                return Err(source.bad_header(
                    index,
                    format!("a section to be ordered with (SHF_LINK_ORDER), found {target}"),
                ));
            }
            sections[index].linked_to = Some(target);
        }
    }
    Ok(())
}

/// COMDAT groups. A section is in one group at most, be it COMDAT or not.
pub(super) fn groups<'d>(
    source: &Source<'_, 'd>,
    object: &ElfObject<'d>,
) -> Result<Vec<ElfGroup<'d>>, Problem> {
    let sections = &object.sections;
    let mut groups = Vec::new();
    let mut group_of = Vec::new();
    let all = sections.iter().enumerate();
    for (index, section) in all.filter(|(_, s)| s.kind == elf::SHT_GROUP) {
        let bad = |offset: usize, expected: String| {
            source.malformed(section.name, offset as u64, expected)
        };
        let header = source.table.section(SectionIndex(index));
        let header = header.map_err(|e| bad(0, e.to_string()))?;
        let signature = header.sh_info(LE) as usize;
        if signature >= object.symbol_count() {
            return Err(bad(0, "a symbol that names the group".into()));
        }
        let mut words = section.data.chunks_exact(4);
        let mut words = words
            .by_ref()
            .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
        let flags = words.next().map(elf::GroupFlags);
        let flags = flags.ok_or_else(|| bad(0, "a word of flags".into()))?;
        let members: Vec<_> = words.map(|w| w as usize).collect();
        group_of.resize(sections.len(), 0);
        for (at, member) in members.iter().enumerate() {
            let of = group_of.get_mut(*member).filter(|_| *member != 0);
            let of = of.ok_or_else(|| {
                bad(
                    4 * (at + 1),
                    format!("members that exist, found section {member}"),
                )
            })?;
            if *of != 0 {
                let other = sections[*of].name;
                let expected = format!(
                    "members of one group, found {} of {other} too",
                    sections[*member].name
                );
                return Err(bad(4 * (at + 1), expected));
            }
            *of = index;
        }
        if flags.contains(elf::GRP_COMDAT) {
            groups.push(ElfGroup {
                signature: object.symbol(signature).name(),
                members,
            });
        }
    }
    Ok(groups)
}
