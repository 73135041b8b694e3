//! How files name each other: the one that `dwz` moved parts of several files to, and those files.
//!
//! Invariant: an id of no bytes names nothing.

use gimli::RunTimeEndian;
use object::read::{Object, ObjectSection};

use crate::cursor::Cursor;
use crate::error::Error;
use crate::input::ObjectFile;

/// A file that holds what several others have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    /// Its name, as `dwz` was given it.
    #[cfg_attr(
        not(feature = "command"),
        expect(dead_code, reason = "only who looks for it needs it")
    )]
    pub(crate) name: &'a [u8],
    /// Its build id or checksum.
    pub(crate) id: &'a [u8],
}

impl Link<'_> {
    /// Whether one of a file's ids is the one that is meant.
    pub(crate) fn is_met_by(&self, ids: &[&[u8]]) -> bool {
        !self.id.is_empty() && ids.contains(&self.id)
    }
}

/// The file that parts of this one's debug information were moved to.
pub(crate) fn link<'a>(object: &'a ObjectFile<'_>) -> Result<Option<Link<'a>>, Error> {
    let file = parse(object)?;
    let fail = failure(object, ".gnu_debugaltlink");
    if let Some((name, id)) = file.gnu_debugaltlink().map_err(fail)? {
        return Ok(Some(Link { name, id }));
    }
    let found = standard(object, &file)?;
    Ok(found.and_then(|(is_supplement, link)| (!is_supplement).then_some(link)))
}

/// What other files call this one by, if it holds parts of theirs.
pub(crate) fn ids<'a>(object: &'a ObjectFile<'_>) -> Result<Vec<&'a [u8]>, Error> {
    let file = parse(object)?;
    let build_id = file.build_id().map_err(failure(object, "the build id"))?;
    let found = standard(object, &file)?;
    let checksum = found.and_then(|(is_supplement, link)| is_supplement.then_some(link.id));
    Ok(build_id.into_iter().chain(checksum).collect())
}

fn parse<'a>(object: &'a ObjectFile<'_>) -> Result<object::File<'a>, Error> {
    object::File::parse(object.data).map_err(failure(object, "the ELF header"))
}

fn failure(object: &ObjectFile<'_>, what: &'static str) -> impl Fn(object::Error) -> Error {
    let file = object.name.clone();
    move |source| Error::Elf {
        file: file.clone(),
        what,
        source,
    }
}

/// `.debug_sup` of DWARF 5: whether the file is what others refer to, and by what.
fn standard<'a>(
    object: &ObjectFile<'_>,
    file: &object::File<'a>,
) -> Result<Option<(bool, Link<'a>)>, Error> {
    let Some(section) = file.section_by_name(".debug_sup") else {
        return Ok(None);
    };
    let bytes = section.data().map_err(failure(object, ".debug_sup"))?;
    let endian = match file.is_little_endian() {
        true => RunTimeEndian::Little,
        false => RunTimeEndian::Big,
    };
    let mut cursor = Cursor::new(bytes, 0, endian);
    let mut read = || {
        cursor.number(2)?;
        let is_supplement = cursor.byte()? != 0;
        let name = cursor.string()?;
        let length = cursor.uleb()?;
        let id = cursor.take(length)?;
        Ok((is_supplement, Link { name, id }))
    };
    read().map(Some).map_err(|source| Error::Dwarf {
        file: object.name.clone(),
        section: ".debug_sup",
        offset: 0,
        what: "the name of a supplementary file",
        source,
    })
}
