//! The image of examples/tcp as a second reader, goblin, sees it.

use std::collections::HashMap;

use fat_image::{Header, Isa, NOTE_HEADER};
use goblin::elf::Elf;
use goblin::elf::sym::{STB_LOCAL, STT_FILE, STT_FUNC, STT_OBJECT};
use testsuite::{built, images, read};
use zerocopy::FromBytes;

fn section<'a>(elf: &Elf<'_>, image: &'a [u8], name: &str) -> (std::ops::Range<u64>, &'a [u8]) {
    let found = elf
        .section_headers
        .iter()
        .find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(name));
    let found = found.unwrap_or_else(|| panic!("no section {name}"));
    (
        found.sh_addr..found.sh_addr + found.sh_size,
        found.file_range().map_or(&[], |range| &image[range]),
    )
}

/// Address of each function of each ISA: local symbols follow the `STT_FILE` symbol with the ISA's name.
fn code<'a>(elf: &Elf<'a>) -> HashMap<(&'a str, u64), &'a str> {
    let (mut isa, mut functions) = ("", HashMap::new());
    for symbol in &elf.syms {
        let name = elf.strtab.get_at(symbol.st_name).unwrap_or_default();
        match symbol.st_type() {
            STT_FILE => isa = name,
            STT_FUNC if symbol.st_bind() == STB_LOCAL => {
                functions.insert((isa, symbol.st_value), name);
            }
            _ => {}
        }
    }
    functions
}

#[test]
fn function_arrays_are_whole() {
    let image = built("tcp");
    let elf = Elf::parse(&image).expect("goblin reads the image");
    let (_, note) = section(&elf, &image, ".note.fat");
    let (header, rest) = Header::ref_from_prefix(&note[NOTE_HEADER as usize..]).expect("a header");
    let (isas, _) =
        <[Isa]>::ref_from_prefix_with_elems(rest, header.isa_count as usize).expect("ISAs");
    let (range, arrays) = section(&elf, &image, ".fat.functions");
    assert_eq!(
        (range.start, arrays.len() as u64),
        (
            header.functions,
            header.function_count * isas.len() as u64 * 8
        )
    );
    assert!(
        header.function_count >= 100,
        "only {} function arrays",
        header.function_count
    );
    let code = code(&elf);
    for (at, element) in arrays.chunks_exact(8).enumerate() {
        let element = u64::from_le_bytes(element.try_into().expect("8 bytes"));
        let isa = isas[at % isas.len()].name();
        let (text, _) = section(&elf, &image, &format!(".text.{isa}"));
        assert!(
            text.contains(&element),
            "element {at} is {element:#x}, not in the text of {isa}"
        );
        assert!(
            code.contains_key(&(isa, element)),
            "element {at}: no function of {isa} at {element:#x}"
        );
    }
    // What one array calls by one name on the first ISA has that name on the others.
    for array in arrays.chunks_exact(8 * isas.len()) {
        let elements = array
            .chunks_exact(8)
            .map(|e| u64::from_le_bytes(e.try_into().expect("8 bytes")));
        let names: Vec<_> = elements
            .zip(isas)
            .map(|(e, isa)| code[&(isa.name(), e)])
            .collect();
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    }
}

#[test]
fn no_datum_exists_twice() {
    let image = built("tcp");
    let elf = Elf::parse(&image).expect("goblin reads the image");
    let data = [
        ".data",
        ".bss",
        ".data.x86_64",
        ".bss.x86_64",
        ".data.riscv64",
        ".bss.riscv64",
    ];
    let present: Vec<_> = data
        .iter()
        .filter(|name| {
            elf.section_headers
                .iter()
                .any(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(**name))
        })
        .map(|name| section(&elf, &image, name).0)
        .collect();
    let mut seen = HashMap::new();
    for symbol in elf.syms.iter().filter(|s| s.st_type() == STT_OBJECT) {
        if present.iter().any(|range| range.contains(&symbol.st_value)) {
            let name = elf.strtab.get_at(symbol.st_name).unwrap_or_default();
            if let Some(other) = seen.insert(name, symbol.st_value) {
                panic!("{name} is at {other:#x} and at {:#x}", symbol.st_value);
            }
        }
    }
    assert!(seen.len() >= 10, "only {} variables", seen.len());
}

#[test]
fn views_have_the_image_at_the_same_addresses() {
    let image = built("tcp");
    let elf = Elf::parse(&image).expect("goblin reads the image");
    for isa in ["x86_64", "riscv64"] {
        let bytes = read(&images().join(format!("tcp.{isa}.elf")));
        let view = Elf::parse(&bytes).expect("goblin reads the view");
        for (name, own) in [
            (".rodata", ".rodata"),
            (".data", ".data"),
            (".text", &format!(".text.{isa}")),
        ] {
            assert!(
                section(&view, &bytes, name) == section(&elf, &image, own),
                "{isa}: {name}"
            );
        }
        assert!(
            view.section_headers
                .iter()
                .any(|s| view.shdr_strtab.get_at(s.sh_name) == Some(".debug_info"))
        );
        let foreign = view.section_headers.iter().filter(|s| {
            let name = view.shdr_strtab.get_at(s.sh_name).unwrap_or_default();
            name.starts_with(".text.") && s.is_executable()
        });
        assert_eq!(
            foreign.count(),
            0,
            "{isa}: text of another ISA is executable"
        );
    }
}
