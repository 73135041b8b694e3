//! A relocatable file: headers, symbols, sections' contents and relocations, for the ISA that it says it is for.
#![no_main]

use fatld::classify::kind_of;
use fatld::elf::{self, ElfObject};
use fatld::ids::SymbolId;
use fatld::isa;
use fatld::program::relocations;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for isa in isa::ALL {
        if let Ok(object) = elf::read("object".to_owned(), data, *isa) {
            look_at(*isa, &object);
        }
    }
});

fn look_at(isa: &'static dyn isa::Isa, object: &ElfObject<'_>) {
    for (index, symbol) in object.symbols().enumerate() {
        std::hint::black_box((symbol.name(), object.source_of(index)));
    }
    for (index, section) in object.sections.iter().enumerate() {
        std::hint::black_box(kind_of(&object.file, section).is_ok());
        if section.size < 1 << 20 {
            std::hint::black_box(section.contents(&object.file).is_ok());
        }
        if let Ok(relocations) = relocations(isa, object, index, SymbolId(0)) {
            std::hint::black_box(relocations.filter(Result::is_ok).count());
        }
    }
}
