//! Debug information, as `abi-check` reads it, of a file and of itself.
#![no_main]

use abi_check::{ObjectFile, Side};

/// Files that hold parts of each other's debug information follow each other: each ELF header begins a new one.
fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let header = |at: &usize| *at == 0 || data[*at..].starts_with(b"\x7fELF");
    let starts: Vec<usize> = (0..data.len().max(1)).filter(header).take(4).collect();
    let ends: Vec<usize> = starts.iter().copied().skip(1).chain([data.len()]).collect();
    starts
        .into_iter()
        .zip(ends)
        .map(|(start, end)| &data[start..end])
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let side = |name: &str| Side {
        name: name.to_owned(),
        objects: parts(data)
            .map(|data| ObjectFile {
                name: "object".to_owned(),
                data,
            })
            .collect(),
    };
    let _ = std::hint::black_box(abi_check::compare(&[side("a"), side("b")], &|_| true));
});
