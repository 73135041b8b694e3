//! A command line, one argument per line. Response files are left out: they are files.
#![no_main]

use fatld::options::Command;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let words = text.lines().filter(|word| !word.starts_with('@'));
    let _ = std::hint::black_box(Command::parse(words.map(Into::into)));
});
