//! Files as the command is given them: objects, archives and linked files.
//!
//! Invariant: a member that is not ELF and not one of the metadata files that rustc and `ar` write is an error.

use object::FileKind;
use object::read::archive::ArchiveFile;

use crate::error::Error;
use crate::input::ObjectFile;

/// Members of rlibs that hold no code.
const METADATA: &[&[u8]] = &[b"lib.rmeta", b"rust.metadata.bin", b"lib.bin"];

/// The ELF files in `data`: itself, or the members of an archive. `name` is for messages.
///
/// # Errors
/// A damaged or thin archive, or something that is neither an archive nor ELF.
pub fn objects<'a>(name: &str, data: &'a [u8]) -> Result<Vec<ObjectFile<'a>>, Error> {
    let fail = |file: String, what| move |source| Error::Elf { file, what, source };
    match FileKind::parse(data) {
        Ok(FileKind::Archive) => {}
        Ok(_) if data.starts_with(b"\x7fELF") => {
            return Ok(vec![ObjectFile {
                name: name.to_owned(),
                data,
            }]);
        }
        _ => {
            return Err(Error::NotElf {
                file: name.to_owned(),
            });
        }
    }
    let archive = ArchiveFile::parse(data).map_err(fail(name.to_owned(), "the archive"))?;
    let mut result = Vec::new();
    for member in archive.members() {
        let member = member.map_err(fail(name.to_owned(), "a member of the archive"))?;
        let member_name = format!("{name}({})", String::from_utf8_lossy(member.name()));
        if METADATA.contains(&member.name()) {
            continue;
        }
        let bytes = member
            .data(data)
            .map_err(fail(member_name.clone(), "the member's data"))?;
        if bytes.starts_with(b"\x7fELF") {
            result.push(ObjectFile {
                name: member_name,
                data: bytes,
            });
        } else {
            return Err(Error::NotElf { file: member_name });
        }
    }
    Ok(result)
}
