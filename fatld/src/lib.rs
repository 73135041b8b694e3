//! fatld
