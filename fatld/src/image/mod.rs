//! A finished fat image, read back from its file alone.
//!
//! [`read`] checks every offset, size, index and name of the file once: what is behind it indexes with what it gets. It
//! is the linker's own second look at `docs/image.md`, and takes nothing from the modules that write images but the
//! types that linker and runtime share (`fat-image`). A view has the note of its image, but not what belongs to the
//! other ISAs: it is refused as no image.

mod file;
mod note;

use fat_image::{Header, Isa as IsaRecord, Region};
use object::elf;

use crate::error::{Place, Problem};

/// A fat image.
#[derive(Debug)]
pub struct FatImage<'d> {
    /// Sections in memory, in the order of the file.
    pub sections: Vec<ImageSection<'d>>,
    /// `.comment`: what compilers, assemblers and the linker say of themselves.
    pub comment: &'d [u8],
    /// Symbols of the file, the null symbol left out. None if the image was stripped.
    pub symbols: Vec<ImageSymbol<'d>>,
    /// The note's header.
    pub header: Header,
    /// The ISAs, first element first.
    pub isas: Vec<ImageIsa<'d>>,
    /// What page tables need to know.
    pub regions: Vec<Region>,
    /// The function arrays, in the order of the gates: an element per ISA each.
    pub arrays: Vec<Vec<u64>>,
}

/// A section in memory.
#[derive(Debug)]
pub struct ImageSection<'d> {
    /// Name.
    pub name: &'d str,
    /// Index of the ISA that it belongs to, if it is not for all.
    pub isa: Option<usize>,
    /// `sh_type`.
    pub kind: elf::SectionType,
    /// Index among [`FatImage::regions`]; none if it is empty.
    pub region: Option<usize>,
    /// It is part of the TLS segment.
    pub is_tls: bool,
    /// Permissions and uses, as [`Region`] flags.
    pub flags: u32,
    /// Virtual address.
    pub address: u64,
    /// Physical address.
    pub phys: u64,
    /// Bytes in memory.
    pub size: u64,
    /// `sh_addralign`.
    pub align: u64,
    /// Bytes in the file; empty for `SHT_NOBITS`.
    pub data: &'d [u8],
}

/// A symbol of the file.
#[derive(Clone, Copy, Debug)]
pub struct ImageSymbol<'d> {
    /// Name, as the compiler mangled it.
    pub name: &'d str,
    /// Address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// `STT_…`
    pub kind: elf::SymbolType,
    /// `STB_LOCAL`.
    pub local: bool,
    /// Index among [`FatImage::sections`], if it is in one.
    pub section: Option<usize>,
    /// Index of the ISA behind whose `STT_FILE` symbol it stands.
    pub isa: Option<usize>,
}

/// An ISA of the image.
#[derive(Debug)]
pub struct ImageIsa<'d> {
    /// Name.
    pub name: &'d str,
    /// Its record in the note.
    pub record: IsaRecord,
    /// Its functions by address, as the runtime sees them.
    pub functions: Vec<Function<'d>>,
}

/// A function of the runtime's table.
#[derive(Clone, Copy, Debug)]
pub struct Function<'d> {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Name, as the compiler mangled it.
    pub name: &'d str,
}

/// Reads an image. `file` is how messages call it.
pub fn read<'d>(file: &str, data: &'d [u8]) -> Result<FatImage<'d>, Problem> {
    let parts = file::read(file, data)?;
    let note = note::read(file, &parts)?;
    let names: Vec<_> = note.isas.iter().map(|isa| isa.name).collect();
    let places = Places::of(&note.regions);
    let mut sections = parts.sections;
    for section in &mut sections {
        section.isa = owner(section.name, &names);
        section.region = places.region(section);
        // Only the region says that a section holds gates, or stands at a fixed address.
        let flags = section.region.map_or(0, |at| note.regions[at].flags);
        section.flags |= flags & (Region::GATES | Region::BOOT);
    }
    let mut symbols = parts.symbols;
    let mut group = None;
    for symbol in &mut symbols {
        if symbol.kind == elf::STT_FILE {
            group = names.iter().position(|name| *name == symbol.name);
        }
        symbol.isa = group.filter(|_| symbol.local);
    }
    Ok(FatImage {
        sections,
        comment: parts.comment,
        symbols,
        header: note.header,
        isas: note.isas,
        regions: note.regions,
        arrays: note.arrays,
    })
}

/// The ISA whose name a section's name ends with.
fn owner(section: &str, isas: &[&str]) -> Option<usize> {
    let ends = |isa: &&str| {
        section
            .strip_suffix(*isa)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    isas.iter().position(ends)
}

/// Regions by their physical places, of which no two have the same.
struct Places(Vec<(u64, u64, usize)>);

impl Places {
    fn of(regions: &[Region]) -> Self {
        let places = regions.iter().enumerate();
        let mut places: Vec<_> = places.map(|(at, r)| (r.phys, r.size, at)).collect();
        places.sort_unstable();
        Self(places)
    }

    fn region(&self, section: &ImageSection<'_>) -> Option<usize> {
        let behind = self.0.partition_point(|(phys, ..)| *phys <= section.phys);
        let (phys, size, at) = self.0[behind.checked_sub(1)?];
        (section.size > 0 && section.phys - phys < size).then_some(at)
    }
}

impl FatImage<'_> {
    /// The function of an ISA that begins at an address: the one of that name if several do.
    pub fn function_at(&self, isa: usize, address: u64, name: &str) -> Option<&Function<'_>> {
        let functions = &self.isas[isa].functions;
        let first = functions.partition_point(|f| f.address < address);
        let here = || {
            functions[first..]
                .iter()
                .take_while(|f| f.address == address)
        };
        here().find(|f| f.name == name).or_else(|| here().next())
    }

    /// All ISAs' text is at the same addresses, so that there are no gates (`--text=aliased`).
    pub fn is_aliased(&self) -> bool {
        self.header.functions == 0
    }

    /// Address of a gate.
    pub fn gate(&self, array: usize) -> u64 {
        self.header.gates + array as u64 * fat_image::GATE_SIZE
    }
}

/// A part of an image that is not as `docs/image.md` has it.
fn malformed(file: &str, section: &str, offset: u64, expected: impl Into<String>) -> Problem {
    Problem::Malformed {
        place: Place {
            file: file.to_owned(),
            section: crate::elf::shown(section).to_owned(),
            offset,
        },
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_belongs_to_the_isa_that_ends_its_name() {
        let isas = ["x86_64", "riscv64"];
        let owners = [".text.riscv64", ".boot.x86_64", ".rodata", ".datariscv64"];
        let owners = owners.map(|name| owner(name, &isas));
        assert_eq!(owners, [Some(1), Some(0), None, None]);
    }
}
