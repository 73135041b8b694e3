//! The image's command line: `cargo fat run … -- NAME=VALUE WORD …`.
//!
//! The runner has left it in shared memory before any CPU ran (`fat_image::machine::CommandLine`); nobody changes it.

use core::str;

#[cfg(target_os = "none")]
use fat_image::machine::{CommandLine, Parameters};

/// All parameters, in the order of the command line: name and value. A word without `=` is a name with an empty value.
pub fn parameters() -> impl Iterator<Item = (&'static str, &'static str)> {
    words(command_line()).map(|word| word.split_once('=').unwrap_or((word, "")))
}

/// The value of the first parameter with this name.
///
/// ```ignore
/// // cargo fat run -p server -- port=8080
/// let port = boot::parameter("port").and_then(|port| port.parse().ok());
/// ```
pub fn parameter(name: &str) -> Option<&'static str> {
    parameters().find_map(|(own, value)| (own == name).then_some(value))
}

/// Each has a NUL behind it; what is not UTF-8 the runner has not written.
fn words(bytes: &[u8]) -> impl Iterator<Item = &str> {
    bytes
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|word| str::from_utf8(word.strip_suffix(b"\0")?).ok())
}

#[cfg(target_os = "none")]
fn command_line() -> &'static [u8] {
    // SAFETY: written before any CPU ran, if at all; any bytes are good, and nobody writes them now.
    let (parameters, words) = unsafe {
        (
            &*(Parameters::ADDRESS as *const Parameters),
            &*(CommandLine::ADDRESS as *const CommandLine),
        )
    };
    match usize::try_from(words.size) {
        Ok(size) if parameters.magic == Parameters::MAGIC => {
            words.bytes.get(..size).unwrap_or_default()
        }
        _ => &[],
    }
}

/// A run on the host has none.
#[cfg(not(target_os = "none"))]
fn command_line() -> &'static [u8] {
    &[]
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn words_end_at_their_nul() {
        let all = |bytes| words(bytes).collect::<Vec<_>>();
        assert_eq!(all(b"a=b c\0\0d\0"), ["a=b c", "", "d"]);
        assert!(all(b"").is_empty());
        assert_eq!(all(b"whole\0cut off"), ["whole"]);
        assert_eq!(all(b"\xff\0good\0"), ["good"]);
    }
}
