//! Names of the sections that variables are in.

use abi_check::{Error, Location, Side, StaticRef};
use object::{Object, ObjectSection};

/// A section of an object.
#[derive(Debug)]
struct Section {
    index: usize,
    name: String,
    addresses: std::ops::Range<u64>,
}

/// The sections of every object of every side.
#[derive(Debug, Default)]
pub(crate) struct Sections(Vec<Vec<Vec<Section>>>);

impl Sections {
    /// Reads the section headers.
    pub(crate) fn read(sides: &[Side<'_>]) -> Result<Sections, Error> {
        let of_object = |object: &abi_check::ObjectFile<'_>| {
            let file = object::File::parse(object.data).map_err(|source| Error::Elf {
                file: object.name.clone(),
                what: "section headers",
                source,
            })?;
            // What is not loaded has addresses that mean nothing.
            let loaded = |section: &object::Section<'_, '_>| match section.flags() {
                object::SectionFlags::Elf { sh_flags, .. } => {
                    sh_flags.contains(object::elf::SHF_ALLOC)
                }
                _ => true,
            };
            let section = |section: object::Section<'_, '_>| Section {
                index: section.index().0,
                name: section.name().unwrap_or_default().to_owned(),
                addresses: section.address()..section.address().saturating_add(section.size()),
            };
            Ok(file.sections().filter(loaded).map(section).collect())
        };
        let of_side = |side: &Side<'_>| side.objects.iter().map(of_object).collect();
        sides
            .iter()
            .map(of_side)
            .collect::<Result<_, Error>>()
            .map(Sections)
    }

    /// Name of the section that a static is in.
    pub(crate) fn name(&self, found: &StaticRef<'_>) -> Option<&str> {
        let sections = self.0.get(found.side)?.get(found.object)?;
        let section = match found.location? {
            Location::Section { section, .. } => sections.iter().find(|s| s.index == section),
            Location::Address(address) => sections.iter().find(|s| s.addresses.contains(&address)),
        };
        section.map(|section| section.name.as_str())
    }
}
