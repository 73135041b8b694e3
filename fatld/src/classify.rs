//! What an input section is for, by its type, flags and name.
//!
//! Every section type is known or refused: nothing is left out because nobody thought of it.

use object::elf;

use crate::elements;
use crate::elf::ElfSection;
use crate::error::{Place, Problem};
use crate::program::SectionKind;

/// LLVM's list of symbols whose address matters: for identical code folding only.
const SHT_LLVM_ADDRSIG: elf::SectionType = elf::SectionType(0x6fff_4c03);

/// Sections that are known and carry nothing into a static image that maps memory by its own note.
fn carries_nothing(section: &ElfSection<'_>) -> bool {
    section.flags.contains(elf::SHF_EXCLUDE)
        || matches!(
            section.name,
            ".note.GNU-stack" | ".note.gnu.property" | ".comment"
        )
        || matches!(
            section.kind,
            elf::SHT_NULL
                | elf::SHT_SYMTAB
                | elf::SHT_STRTAB
                | elf::SHT_RELA
                | elf::SHT_GROUP
                | elf::SHT_SYMTAB_SHNDX
        )
        || section.kind == SHT_LLVM_ADDRSIG
        || section.kind == elf::SHT_RISCV_ATTRIBUTES
}

/// What an input section is for; nothing if it carries nothing into the link.
pub fn kind_of(file: &str, section: &ElfSection<'_>) -> Result<Option<SectionKind>, Problem> {
    let unsupported = |what: String| {
        let place = Place {
            file: file.to_owned(),
            section: crate::elf::shown(section.name).to_owned(),
            offset: 0,
        };
        Err(Problem::Unsupported { place, what })
    };
    let has = |flag| section.flags.contains(flag);
    if carries_nothing(section) {
        return Ok(None);
    }
    if matches!(section.name, ".ctors" | ".dtors") && section.size > 0 {
        return unsupported("lists of constructors before .init_array".to_owned());
    }
    let kind = match section.kind {
        elf::SHT_NOBITS if has(elf::SHF_TLS) => SectionKind::TlsBss,
        elf::SHT_PROGBITS if has(elf::SHF_TLS) => SectionKind::Tls,
        elf::SHT_PROGBITS | elf::SHT_X86_64_UNWIND
            if section.name == ".eh_frame" && has(elf::SHF_ALLOC) =>
        {
            SectionKind::Unwind
        }
        elf::SHT_NOTE if has(elf::SHF_ALLOC) => SectionKind::Note,
        elf::SHT_PROGBITS | elf::SHT_NOBITS | elf::SHT_NOTE | elf::SHT_X86_64_UNWIND
            if !has(elf::SHF_ALLOC) =>
        {
            SectionKind::Debug
        }
        elf::SHT_PROGBITS if has(elf::SHF_EXECINSTR) => SectionKind::Text,
        // Position-independent code keeps constants with addresses apart, so that a dynamic linker can relocate them.
        elf::SHT_PROGBITS if section.name.starts_with(".data.rel.ro") => SectionKind::ReadOnly,
        // Whether constants with addresses are writable depends on the compiler's flags; an array may be, as any other is.
        elf::SHT_PROGBITS if elements::is_array(section.name) => SectionKind::Data,
        elf::SHT_PROGBITS if has(elf::SHF_WRITE) => SectionKind::Data,
        elf::SHT_PROGBITS => SectionKind::ReadOnly,
        elf::SHT_NOBITS if has(elf::SHF_EXECINSTR) => {
            return unsupported("instructions without bytes".to_owned());
        }
        elf::SHT_NOBITS => SectionKind::Bss,
        elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY if section.size == 0 => {
            return Ok(None);
        }
        // Compilers flag them as writable for dynamic linkers; nothing writes them.
        elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY => SectionKind::ReadOnly,
        other => return unsupported(format!("section type {other:#x}")),
    };
    // What is in memory is taken as it stands in the file.
    if has(elf::SHF_COMPRESSED) && kind != SectionKind::Debug {
        return unsupported("compressed sections in memory".to_owned());
    }
    Ok(Some(kind))
}
