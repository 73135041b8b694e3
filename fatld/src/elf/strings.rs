//! String tables: checked as UTF-8 as a whole, so that a name is a slice of it.

use super::Source;
use crate::error::Problem;

/// Names are together at most so many times as long as their file. Names share bytes where one ends like another, but
/// a file in which thousands of symbols share one name of a megabyte is made to keep its reader busy.
const MAX_SHARING: usize = 64;

/// A string table.
pub(super) struct Strings<'d> {
    text: &'d str,
    /// Bytes of names that may still be read.
    left: usize,
}

impl<'d> Strings<'d> {
    /// The string table with this header index.
    pub(super) fn new(source: &Source<'_, 'd>, index: usize) -> Result<Self, Problem> {
        use object::read::elf::SectionHeader;
        let header = source.table.section(object::SectionIndex(index));
        let strings = header.and_then(|header| header.data(object::LittleEndian, source.data));
        let bytes: &'d [u8] = strings.map_err(|e| source.bad_header(index, e.to_string()))?;
        let text = str::from_utf8(bytes).map_err(|e| {
            source.malformed("string table", e.valid_up_to() as u64, "names in UTF-8")
        })?;
        Ok(Self {
            text,
            left: source.data.len().saturating_mul(MAX_SHARING),
        })
    }

    /// The name at an offset; otherwise what should be there.
    pub(super) fn get(&mut self, offset: u32) -> Result<&'d str, &'static str> {
        let start = offset as usize;
        let rest = self.text.get(start..).ok_or("a name in the string table")?;
        let len = memchr::memchr(0, rest.as_bytes()).ok_or("a name that ends with a zero")?;
        let left = self.left.checked_sub(len);
        self.left = left.ok_or("names that are not shared beyond measure")?;
        Ok(&rest[..len])
    }

    /// All names: one starts at its offset and ends with a zero.
    pub(super) fn text(&self) -> &'d str {
        self.text
    }
}
