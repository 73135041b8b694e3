//! An image made by hand, and look-ups in it.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use fat_image::{GATE_SIZE, MAGIC, VERSION};

use super::*;

pub(crate) const RX: u32 = Region::READ | Region::EXECUTE;
pub(crate) const RW: u32 = Region::READ | Region::WRITE;

/// Two ISAs with a page of text and a page of gates each, two functions, a page of read-only and two of shared data.
pub(crate) struct FakeImage(&'static Content);

#[repr(C)]
struct Content {
    header: Header,
    isas: [Isa; 2],
    regions: [Region; 7],
    functions: [[u64; 2]; 2],
    symbols: [[Symbol; 2]; 2],
}

const NAMES: &[u8] = b"\0_RNvCs1234_7mycrate3foo\0bar\0";

fn region(start: u64, pages: u64, phys: u64, isa: u32, flags: u32) -> Region {
    Region {
        start,
        size: pages * 4096,
        phys,
        isa,
        flags,
    }
}

impl FakeImage {
    pub(crate) fn new() -> FakeImage {
        FakeImage::with_arrays(2)
    }

    /// Of the two functions, only so many have arrays.
    pub(crate) fn with_arrays(function_count: u64) -> FakeImage {
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            isa_count: 2,
            region_count: 7,
            gate_size: GATE_SIZE as u32,
            gates: 0x1_0000_3000,
            functions: 0,
            function_count,
            image_start: 0x1_0000_0000,
            image_end: 0x1_0000_9000,
        };
        let isa = |name: &[u8], gates_phys| {
            let mut padded = [0; 16];
            padded[..name.len()].copy_from_slice(name);
            let (names, names_size) = (NAMES.as_ptr() as u64, NAMES.len() as u64);
            Isa {
                name: padded,
                machine: 0,
                flags: 0,
                entry: 0,
                gates_phys,
                symbols: 0,
                symbol_count: 2,
                names,
                names_size,
            }
        };
        let symbols = |text| {
            [
                Symbol {
                    address: text,
                    size: 0x40,
                    name: 1,
                },
                Symbol {
                    address: text + 0x100,
                    size: 0,
                    name: 25,
                },
            ]
        };
        let content = Box::leak(Box::new(Content {
            header,
            isas: [
                isa(b"x86_64", 0x1_0000_3000),
                isa(b"riscv64", 0x1_0000_8000),
            ],
            regions: [
                region(0x10_0000, 1, 0x10_0000, 0, RX | RW | Region::BOOT),
                region(0x1_0000_1000, 1, 0x1_0000_1000, 0, RX),
                region(0x1_0000_2000, 1, 0x1_0000_2000, 1, RX),
                region(0x1_0000_3000, 1, 0x1_0000_3000, 0, RX | Region::GATES),
                region(0x1_0000_3000, 1, 0x1_0000_8000, 1, RX | Region::GATES),
                region(0x1_0000_4000, 1, 0x1_0000_4000, ALL_ISAS, Region::READ),
                region(0x1_0000_5000, 2, 0x1_0000_5000, ALL_ISAS, RW),
            ],
            functions: [
                [0x1_0000_1000, 0x1_0000_2000],
                [0x1_0000_1100, 0x1_0000_2100],
            ],
            symbols: [symbols(0x1_0000_1000), symbols(0x1_0000_2000)],
        }));
        content.header.functions = (&raw const content.functions) as u64;
        for (isa, symbols) in content.isas.iter_mut().zip(&content.symbols) {
            isa.symbols = symbols.as_ptr() as u64;
        }
        FakeImage(content)
    }

    pub(crate) fn image(&self) -> Image {
        // SAFETY: made above, and leaked.
        unsafe { Image::at((&raw const *self.0).cast()) }
    }

    pub(crate) fn gate(&self, index: u64) -> u64 {
        self.0.header.gates + index * GATE_SIZE
    }
}

#[test]
fn reads_the_records_behind_the_header() {
    let fake = FakeImage::new();
    let names: Vec<_> = fake.image().isas().iter().map(|isa| isa.name()).collect();
    assert_eq!(names, ["x86_64", "riscv64"]);
    assert_eq!(fake.image().regions().len(), 7);
    assert_eq!(fake.image().regions()[6].size, 0x2000);
}

fn symbolize(address: usize) -> Option<alloc::string::String> {
    Some(format!("{}", FakeImage::new().image().symbolize(address)?))
}

#[test]
fn finds_functions_of_all_isas_by_address() {
    assert_eq!(
        symbolize(0x1_0000_1000).unwrap(),
        "mycrate::foo+0x0 (x86_64)"
    );
    assert_eq!(
        symbolize(0x1_0000_2010).unwrap(),
        "mycrate::foo+0x10 (riscv64)"
    );
    assert_eq!(symbolize(0x1_0000_2180).unwrap(), "bar+0x80 (riscv64)");
}

#[test]
fn finds_nothing_outside_of_functions() {
    assert_eq!(symbolize(0xfff), None);
    assert_eq!(symbolize(0x1_0000_1040), None);
    assert_eq!(symbolize(0x1_0004_0000), None);
}

#[test]
fn names_gates_by_their_function() {
    assert_eq!(
        symbolize(0x1_0000_3010).unwrap(),
        "gate of bar+0x0 (x86_64)"
    );
    assert_eq!(symbolize(0x1_0000_3008), None);
}

#[test]
fn knows_whose_text_an_address_is() {
    let image = FakeImage::new().image();
    assert_eq!(image.isa_of_text(0x1_0000_1fff), Some(0));
    assert_eq!(image.isa_of_text(0x1_0000_2000), Some(1));
    assert_eq!(image.isa_of_text(0x1_0000_3000), None);
    assert_eq!(image.isa_of_text(0x1_0000_4000), None);
}

#[test]
fn code_of_another_isa_has_a_counterpart() {
    let image = FakeImage::new().image();
    let counterpart = |address, own| {
        let found = image.counterpart(address, own)?;
        Some((found.own, found.first))
    };
    assert_eq!(
        counterpart(0x1_0000_2100, 0),
        Some((0x1_0000_1100, 0x1_0000_1100))
    );
    assert_eq!(
        counterpart(0x1_0000_1000, 1),
        Some((0x1_0000_2000, 0x1_0000_1000))
    );
    // The own code, the middle of a function, data.
    assert_eq!(counterpart(0x1_0000_1000, 0), None);
    assert_eq!(counterpart(0x1_0000_2004, 0), None);
    assert_eq!(counterpart(0x1_0000_4000, 0), None);
}

#[test]
fn a_function_without_an_array_is_found_by_its_name() {
    let image = FakeImage::with_arrays(0).image();
    let found = image.counterpart(0x1_0000_2100, 0);
    assert_eq!(found.map(|found| found.own), Some(0x1_0000_1100));
    assert_eq!(image.counterpart(0x1_0000_2108, 0), None);
}
