//! Debug information, as `abi-check` reads it, of a file and of itself.
#![no_main]

use abi_check::{ObjectFile, Side};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let side = |name: &str| Side {
        name: name.to_owned(),
        objects: vec![ObjectFile {
            name: "object".to_owned(),
            data,
        }],
    };
    let _ = std::hint::black_box(abi_check::compare(&[side("a"), side("b")], &|_| true));
});
