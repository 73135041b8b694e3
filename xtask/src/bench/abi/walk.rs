//! The floor: gimli goes over all entries of a file's `.debug_info` and keeps nothing.
//!
//! What compares types cannot do with less, unless it does not look at entries that it does not need. Only the two
//! sections that this takes are read.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use gimli::{EndianSlice, RunTimeEndian, UnitHeader};
use object::{Object as _, ObjectSection as _, ReadCache};

use crate::error::Error;

/// Goes over all entries of a file and returns how many there are.
pub fn run(path: &Path) -> Result<u64, Error> {
    entries(path).map_err(|said| Error::NoDebugInfo {
        file: path.to_owned(),
        said,
    })
}

fn entries(path: &Path) -> Result<u64, String> {
    let cache = ReadCache::new(File::open(path).map_err(text)?);
    let object = object::File::parse(&cache).map_err(text)?;
    let endian = match object.is_little_endian() {
        true => RunTimeEndian::Little,
        false => RunTimeEndian::Big,
    };
    let section = |name| match object.section_by_name(name) {
        Some(section) => section.uncompressed_data().map_err(text),
        None => Ok(Cow::Borrowed(&[][..])),
    };
    let (info, abbreviations) = (section(".debug_info")?, section(".debug_abbrev")?);
    let info = gimli::DebugInfo::new(&info, endian);
    let abbreviations = gimli::DebugAbbrev::new(&abbreviations, endian);
    let (mut units, mut count) = (info.units(), 0);
    while let Some(unit) = units.next().map_err(text)? {
        count += of_unit(&unit, &abbreviations).map_err(text)?;
    }
    Ok(count)
}

fn of_unit(
    unit: &UnitHeader<EndianSlice<'_, RunTimeEndian>>,
    abbreviations: &gimli::DebugAbbrev<EndianSlice<'_, RunTimeEndian>>,
) -> gimli::Result<u64> {
    let abbreviations = unit.abbreviations(abbreviations)?;
    let mut entries = unit.entries_raw(&abbreviations, None)?;
    let mut count = 0;
    while !entries.is_empty() {
        if let Some(abbreviation) = entries.read_abbreviation()? {
            entries.skip_attributes(abbreviation.attributes())?;
            count += 1;
        }
    }
    Ok(count)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
