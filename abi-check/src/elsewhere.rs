//! What an object's debug information says of other files that hold parts of it: their names, and what tells them from
//! others of the same name. Who has a file system finds them with it and adds them to the objects of the side.
//!
//! Invariant: a file that [`Elsewhere::check`] accepts is the one that the object was made with, as far as ids can tell.

use object::read::{Object, ObjectSection};

use crate::elf::{Elf, Half};
use crate::error::{Error, WrongFile};
use crate::input::ObjectFile;
use crate::package::Package;
use crate::supplement::{self, Link};
use crate::unit;

/// A file that holds debug information of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// All of it: the object is stripped. The file is to take the object's place.
    Stripped {
        /// `.gnu_debuglink`: a name without folder, and the CRC-32 of the file.
        link: Option<(String, u32)>,
        /// `NT_GNU_BUILD_ID`, which both have.
        build_id: Vec<u8>,
    },
    /// A split unit: it is in a `.dwo` file, or in a package of them.
    Split {
        /// `DW_AT_dwo_name`.
        name: String,
        /// `DW_AT_comp_dir`, which the name is relative to.
        directory: String,
        /// `DW_AT_dwo_id`.
        id: u64,
    },
    /// What `dwz` found to be common to several files.
    Common {
        /// The name that `dwz` was given.
        name: String,
        /// The build id of the file, or its checksum in `.debug_sup`.
        id: Vec<u8>,
    },
}

/// All files that an object's debug information is in, but for the object itself.
///
/// # Errors
/// As [`crate::compare`].
pub fn elsewhere(object: &ObjectFile<'_>) -> Result<Vec<Elsewhere>, Error> {
    let elf = Elf::read(object, Half::Own)?;
    let mut result = Vec::new();
    if elf.units.iter().all(|units| units.section.bytes.is_empty()) {
        if !elf.has_split {
            result.extend(stripped(object)?);
        }
        return Ok(result);
    }
    if let Some(Link { name, id }) = supplement::link(object)? {
        result.push(Elsewhere::Common {
            name: String::from_utf8_lossy(name).into_owned(),
            id: id.to_vec(),
        });
    }
    let own = match elf.has_split {
        true => split_ids(object)?,
        false => Vec::new(),
    };
    for header in &elf.headers.all {
        if let Some((id, _, unit)) = unit::skeleton(&elf, header)?
            && !own.contains(&id)
        {
            result.push(Elsewhere::Split {
                name: unit.dwo_name.to_owned(),
                directory: unit.directory.to_owned(),
                id,
            });
        }
    }
    Ok(result)
}

/// Ids of the split units that a file has itself.
///
/// # Errors
/// As [`crate::compare`].
pub fn split_ids(object: &ObjectFile<'_>) -> Result<Vec<u64>, Error> {
    let elf = Elf::read(object, Half::Split)?;
    Package::read(&elf)?.ids()
}

fn stripped(object: &ObjectFile<'_>) -> Result<Option<Elsewhere>, Error> {
    let file = parse(object)?;
    let fail = |what| {
        move |source| Error::Elf {
            file: object.name.clone(),
            what,
            source,
        }
    };
    let link = file.gnu_debuglink().map_err(fail(".gnu_debuglink"))?;
    let build_id = file.build_id().map_err(fail("the build id"))?;
    if link.is_none() && build_id.is_none() {
        return Ok(None);
    }
    Ok(Some(Elsewhere::Stripped {
        link: link.map(|(name, crc)| (String::from_utf8_lossy(name).into_owned(), crc)),
        build_id: build_id.unwrap_or(&[]).to_vec(),
    }))
}

fn parse<'a>(object: &ObjectFile<'a>) -> Result<object::File<'a>, Error> {
    object::File::parse(object.data).map_err(|source| Error::Elf {
        file: object.name.clone(),
        what: "the ELF header",
        source,
    })
}

impl Elsewhere {
    /// Whether `file` is what is meant: `None`, or what is wrong with it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn check(&self, file: &ObjectFile<'_>) -> Result<Option<WrongFile>, Error> {
        Ok(match self {
            Elsewhere::Stripped { link, build_id } => {
                let parsed = parse(file)?;
                let has_units = |name| {
                    parsed
                        .section_by_name(name)
                        .is_some_and(|section| section.file_range().is_some())
                };
                if !has_units(".debug_info") && !has_units(".zdebug_info") {
                    return Ok(Some(WrongFile::Stripped));
                }
                let found = supplement::ids(file)?;
                match link {
                    _ if !build_id.is_empty() && !found.is_empty() => {
                        wrong_id(build_id, found.first().copied())
                    }
                    Some((_, expected)) => wrong_sum(*expected, file.data),
                    None => wrong_id(build_id, None),
                }
            }
            Elsewhere::Split { id, .. } => {
                let found = split_ids(file)?;
                (!found.contains(id)).then_some(WrongFile::Unit {
                    expected: *id,
                    found,
                })
            }
            Elsewhere::Common { id, .. } => {
                let found = supplement::ids(file)?;
                match found.contains(&id.as_slice()) {
                    true => None,
                    false => wrong_id(id, found.first().copied()),
                }
            }
        })
    }
}

fn wrong_id(expected: &[u8], found: Option<&[u8]>) -> Option<WrongFile> {
    (found != Some(expected)).then(|| WrongFile::Id {
        expected: expected.to_vec(),
        found: found.map(<[u8]>::to_vec),
    })
}

fn wrong_sum(expected: u32, data: &[u8]) -> Option<WrongFile> {
    let found = crc32fast::hash(data);
    (found != expected).then_some(WrongFile::Sum { expected, found })
}
