//! A place in the bytes of a section.
//!
//! Invariant: reading never goes past the end of the bytes, and what fails leaves no value.

use gimli::{ReaderOffsetId, RunTimeEndian};

use crate::relocation::number;

/// Reads forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    endian: RunTimeEndian,
}

type Result<T> = std::result::Result<T, gimli::Error>;

impl<'a> Cursor<'a> {
    /// At `at` of `bytes`.
    pub(crate) fn new(bytes: &'a [u8], at: usize, endian: RunTimeEndian) -> Cursor<'a> {
        Cursor { bytes, at, endian }
    }

    /// Where the next byte is.
    #[inline]
    pub(crate) fn at(&self) -> u64 {
        self.at as u64
    }

    /// Whether nothing is left.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn eof(&self) -> gimli::Error {
        gimli::Error::UnexpectedEof(ReaderOffsetId(self.at as u64))
    }

    /// Passes over bytes.
    #[inline]
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<()> {
        let left = self.bytes.len().saturating_sub(self.at) as u64;
        if bytes > left {
            return Err(self.eof());
        }
        self.at += bytes as usize;
        Ok(())
    }

    /// The next bytes.
    #[inline]
    pub(crate) fn take(&mut self, bytes: u64) -> Result<&'a [u8]> {
        let start = self.at;
        self.skip(bytes)?;
        Ok(&self.bytes[start..self.at])
    }

    /// The next byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.eof())?;
        self.at += 1;
        Ok(byte)
    }

    /// A number of `width` bytes.
    #[inline]
    pub(crate) fn number(&mut self, width: u64) -> Result<u64> {
        let endian = self.endian;
        self.take(width).map(|bytes| number(bytes, endian))
    }

    /// An unsigned LEB128.
    #[inline]
    pub(crate) fn uleb(&mut self) -> Result<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits != 0 && (shift > 63 || (shift == 63 && bits > 1)) {
                return Err(gimli::Error::BadUnsignedLeb128);
            }
            if shift < 64 {
                value |= bits << shift;
            }
            shift += 7;
            if byte < 0x80 {
                return Ok(value);
            }
        }
    }

    /// A signed LEB128 that fits 64 bits; what does not is cut off.
    pub(crate) fn sleb(&mut self) -> Result<i64> {
        let mut value = 0;
        let mut shift = 0u32;
        loop {
            let byte = self.byte()?;
            if shift < 64 {
                value |= i64::from(byte & 0x7f) << shift;
            }
            shift = shift.saturating_add(7);
            if byte < 0x80 {
                if shift < 64 && byte & 0x40 != 0 {
                    value |= -1 << shift;
                }
                return Ok(value);
            }
        }
    }

    /// Passes over a LEB128.
    #[inline]
    pub(crate) fn skip_leb(&mut self) -> Result<()> {
        while self.byte()? >= 0x80 {}
        Ok(())
    }

    /// Bytes up to a zero, which is passed over.
    pub(crate) fn string(&mut self) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let length = memchr::memchr(0, rest).ok_or_else(|| self.eof())?;
        self.at += length + 1;
        Ok(&rest[..length])
    }
}
