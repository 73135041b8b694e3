//! A fat image, as `fatld inspect` and `fatld extract` read it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = std::hint::black_box(fatld::image::read("image", data));
});
