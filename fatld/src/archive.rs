//! Archives: which members there are, and which names they define.
//!
//! Only the headers of members and the symbol table are read here; a member's bytes are somebody else's, and stay
//! unread unless something needs the member. Members do not overlap, and the symbol table names members that exist.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use object::read::archive::{ArchiveFile, ArchiveKind, ArchiveMember};

use crate::error::{Place, Problem};

/// An archive's table of contents.
#[derive(Debug)]
pub struct Archive<'d> {
    /// Members in order, without those that say something of the archive itself.
    pub members: Vec<Member<'d>>,
    /// Names that members define, with the member's index; `None` if the archive has no symbol table.
    pub symbols: Option<Vec<(&'d str, usize)>>,
}

/// A member.
#[derive(Debug)]
pub struct Member<'d> {
    /// Name; in a thin archive a path.
    pub name: &'d str,
    /// Where its bytes are.
    pub content: Content<'d>,
}

/// Where a member's bytes are.
#[derive(Debug)]
pub enum Content<'d> {
    /// In the archive.
    Here(&'d [u8]),
    /// In a file of their own, named relative to the archive: the archive is thin.
    File(PathBuf),
}

/// Member of an rlib that holds metadata for rustc, not code.
const RUST_METADATA: &[u8] = b"lib.rmeta";

/// Names of all members together are at most so many times as long as the archive: a table of long names may be
/// shared, but not so that reading it takes longer than a small multiple of reading the file.
const MAX_NAMES: usize = 64;

/// A file begins like an archive.
pub fn is_archive(data: &[u8]) -> bool {
    data.starts_with(&object::archive::MAGIC) || is_thin(data)
}

/// A file begins like an archive whose members are files of their own.
pub fn is_thin(data: &[u8]) -> bool {
    data.starts_with(&object::archive::THIN_MAGIC)
}

/// Reads an archive's table of contents.
pub fn read<'d>(path: &Path, data: &'d [u8]) -> Result<Archive<'d>, Problem> {
    let bad = |section: &str, offset: usize, expected: String| {
        let place = Place {
            file: path.display().to_string(),
            section: section.to_owned(),
            offset: offset as u64,
        };
        Problem::Malformed { place, expected }
    };
    let archive = ArchiveFile::parse(data).map_err(|e| bad("archive", 0, e.to_string()))?;
    if matches!(archive.kind(), ArchiveKind::AixBig | ArchiveKind::Zos) {
        let expected = "an archive in the common format, as GNU, BSD and LLVM write it";
        return Err(bad("archive", 0, expected.to_owned()));
    }
    let (mut members, mut index_at) = (Vec::new(), HashMap::new());
    let (mut end, mut names) = (object::archive::MAGIC.len(), 0);
    for (index, member) in archive.members().enumerate() {
        let member = member.map_err(|e| bad("archive", end, e.to_string()))?;
        let at = header_offset(&member, data).unwrap_or(end);
        let (name, content) =
            content(path, &member, data).map_err(|expected| bad("archive", at, expected))?;
        names += name.len();
        if names > data.len().saturating_mul(MAX_NAMES) {
            return Err(bad(
                "archive",
                at,
                "a table of names without overlaps".to_owned(),
            ));
        }
        end = member.file_range().0.saturating_add(member.size()) as usize;
        if index == 0 && name.as_bytes() == RUST_METADATA {
            continue;
        }
        index_at.insert(at as u64, members.len());
        members.push(Member { name, content });
    }
    let table = archive
        .symbols()
        .map_err(|e| bad("archive symbol table", 0, e.to_string()))?;
    let Some(table) = table else {
        return Ok(Archive {
            members,
            symbols: None,
        });
    };
    let mut symbols = Vec::new();
    for (index, symbol) in table.enumerate() {
        let symbol = symbol.map_err(|e| bad("archive symbol table", index, e.to_string()))?;
        let at = symbol.offset().0;
        let name = str::from_utf8(symbol.name())
            .map_err(|_| bad("archive symbol table", index, "names in UTF-8".to_owned()))?;
        let member = index_at.get(&at).copied().ok_or_else(|| {
            let expected = format!("a member that defines {name}, found offset {at:#x}");
            bad("archive symbol table", index, expected)
        })?;
        symbols.push((name, member));
    }
    Ok(Archive {
        members,
        symbols: Some(symbols),
    })
}

/// Offset of a member's header.
fn header_offset(member: &ArchiveMember<'_>, data: &[u8]) -> Option<usize> {
    let header = std::ptr::from_ref(member.header()?).addr();
    header.checked_sub(data.as_ptr().addr())
}

fn content<'d>(
    path: &Path,
    member: &ArchiveMember<'d>,
    data: &'d [u8],
) -> Result<(&'d str, Content<'d>), String> {
    let name = str::from_utf8(member.name()).map_err(|_| "a name in UTF-8")?;
    let content = if member.is_thin() {
        let folder = path.parent().unwrap_or(Path::new(""));
        Content::File(folder.join(name))
    } else {
        let bytes = member.data(data).map_err(|e| e.to_string())?;
        if is_archive(bytes) {
            return Err(format!("an object, found the archive {name} in an archive"));
        }
        Content::Here(bytes)
    };
    Ok((name, content))
}
