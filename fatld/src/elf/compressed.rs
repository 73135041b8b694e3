//! Compressed sections: what they claim is bounded by what they are, and nothing is decompressed before it is asked for.

use std::borrow::Cow;

use object::LittleEndian as LE;
use object::elf;
use object::read::{CompressedData, CompressionFormat};

use super::{ElfSection, malformed};
use crate::error::Problem;

/// No compressed debug section of a compiler comes near this ratio; a header that claims more is damaged.
const MAX_COMPRESSION: u64 = 1 << 12;

/// The header of a compressed section, what is compressed, and how.
pub(super) fn compression(
    bytes: &[u8],
) -> Option<(&elf::CompressionHeader64<LE>, &[u8], CompressionFormat)> {
    let (header, data) = object::pod::from_bytes::<elf::CompressionHeader64<LE>>(bytes).ok()?;
    let format = match header.ch_type.get(LE) {
        elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
        elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
        _ => return None,
    };
    let most = (data.len() as u64).saturating_mul(MAX_COMPRESSION);
    (header.ch_size.get(LE) <= most).then_some((header, data, format))
}

impl<'d> ElfSection<'d> {
    /// What the bytes mean, decompressed if they are compressed.
    pub fn contents(&self, file: &str) -> Result<Cow<'d, [u8]>, Problem> {
        let Some(format) = self.compression else {
            return Ok(Cow::Borrowed(self.data));
        };
        let compressed = CompressedData {
            format,
            data: self.data,
            uncompressed_size: self.size,
        };
        let contents = compressed.decompress();
        contents.map_err(|e| malformed(file, self.name, 0, e.to_string()))
    }
}
