//! The image's command line: what a program finds by `fatcc_rt::boot::parameter`, and how the runtime is told.

use std::io;
use std::os::fd::AsFd;

use fat_image::machine::{CommandLine, SHARED_START};

use crate::error::Error;

/// The words as they lie in the shared memory: each with a NUL behind it.
pub(super) fn bytes(words: &[String]) -> Result<Vec<u8>, Error> {
    if let Some(word) = words.iter().find(|word| word.contains('\0')) {
        return Err(Error::NulInWord { word: word.clone() });
    }
    let bytes: Vec<u8> = words
        .iter()
        .flat_map(|word| word.bytes().chain([0]))
        .collect();
    if bytes.len() > CommandLine::ROOM {
        return Err(Error::LongCommandLine {
            size: bytes.len(),
            most: CommandLine::ROOM,
        });
    }
    Ok(bytes)
}

/// Leaves them in the shared memory, where the runtime looks.
pub(super) fn tell(bytes: &[u8], memory: impl AsFd) -> io::Result<()> {
    let size = (bytes.len() as u64).to_le_bytes();
    let all = [&size, bytes].concat();
    match rustix::io::pwrite(memory, &all, CommandLine::ADDRESS - SHARED_START)? {
        written if written == all.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_runtime_finds_size_and_words_behind_its_parameters() {
        let memory = super::super::anonymous_file(fat_image::machine::SHARED_SIZE).unwrap();
        tell(&bytes(&words(&["a=b c", ""])).unwrap(), &memory).unwrap();
        let mut found = [0xff; 15];
        rustix::io::pread(&memory, &mut found, CommandLine::ADDRESS - SHARED_START).unwrap();
        assert_eq!(&found, b"\x07\0\0\0\0\0\0\0a=b c\0\0");
    }

    #[test]
    fn words_that_do_not_fit_are_refused() {
        let long = "x".repeat(CommandLine::ROOM - 1);
        assert_eq!(bytes(&words(&[&long])).unwrap().len(), CommandLine::ROOM);
        let refused = bytes(&words(&[&long, ""]));
        assert!(
            matches!(refused, Err(Error::LongCommandLine { size, .. }) if size == CommandLine::ROOM + 1)
        );
        let refused = bytes(&words(&["a\0b"]));
        assert!(matches!(refused, Err(Error::NulInWord { word }) if word == "a\0b"));
    }
}
