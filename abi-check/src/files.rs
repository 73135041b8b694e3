//! The bytes of a file, mapped into memory: most of a linked file is never looked at.
//!
//! Invariant: whoever cuts a file short while it is compared ends the process (SIGBUS); nothing is read behind its end.

use std::fs::File;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// A file's bytes.
pub(crate) enum Bytes {
    /// Pages of the file.
    Mapped(Mmap),
    /// A copy, of what cannot be mapped: a pipe.
    Read(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Read(bytes) => bytes,
        }
    }
}

/// Opens a file.
#[allow(
    unsafe_code,
    reason = "mapping a file is unsafe, as somebody may change it meanwhile"
)]
pub(crate) fn open(path: &Path) -> std::io::Result<Bytes> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_file() {
        // SAFETY: the map is only read, as bytes, and every offset into it is checked when it is used.
        return Ok(Bytes::Mapped(unsafe { Mmap::map(&file) }?));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Bytes::Read(bytes))
}
