//! An archive: its members and its symbol table.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = std::hint::black_box(fatld::archive::read(Path::new("archive"), data));
});
