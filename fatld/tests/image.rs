//! The image as a second reader sees it: goblin for the file, `fat-image` for the note.

mod common;

use std::collections::HashMap;

use common::{Link, start};
use fat_image::{Header, Isa, NOTE_HEADER, Region};
use goblin::elf::Elf;
use zerocopy::FromBytes;

const PROGRAM: &str = r#"
    static int twice(int x) { return 2 * x; }
    int more(int x) { return x + 1; }
    int (*const table[])(int) = { twice, more, more };
    int counter = 5; int zeros[10]; volatile int at;
    int answer(void) { zeros[1] = counter; return table[at](zeros[1]) + table[at + 1](2) + table[at + 2](3); }
"#;

struct Note<'a> {
    header: &'a Header,
    isas: &'a [Isa],
    regions: &'a [Region],
}

fn section<'a>(elf: &Elf<'_>, image: &'a [u8], name: &str) -> (u64, &'a [u8]) {
    let found = elf
        .section_headers
        .iter()
        .find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(name));
    let found = found.unwrap_or_else(|| panic!("no section {name}"));
    let range = found.file_range().unwrap_or(0..0);
    (found.sh_addr, &image[range])
}

fn note<'a>(elf: &Elf<'_>, image: &'a [u8]) -> Note<'a> {
    let (_, bytes) = section(elf, image, ".note.fat");
    let (header, rest) = Header::ref_from_prefix(&bytes[NOTE_HEADER as usize..]).expect("a header");
    let (isas, rest) =
        <[Isa]>::ref_from_prefix_with_elems(rest, header.isa_count as usize).expect("ISAs");
    let (regions, _) = <[Region]>::ref_from_prefix_with_elems(rest, header.region_count as usize)
        .expect("regions");
    Note {
        header,
        isas,
        regions,
    }
}

#[test]
fn arrays_gates_and_pointers_agree() {
    let linked = Link::new().c("start", &start()).c("main", PROGRAM).ok();
    assert_eq!(linked.run_views(), [Some(17); 2]);
    let elf = Elf::parse(&linked.image).expect("goblin reads the image");
    let note = note(&elf, &linked.image);
    assert_eq!(elf.header.e_machine, goblin::elf::header::EM_X86_64);
    assert_eq!(
        note.isas.iter().map(Isa::name).collect::<Vec<_>>(),
        ["x86_64", "riscv64"]
    );
    assert_eq!(note.header.function_count, 2);

    // The table's three words are gates: the first another than the two that are the same function.
    let symbols: HashMap<_, _> = elf
        .syms
        .iter()
        .filter(|s| !s.is_function())
        .map(|s| (elf.strtab.get_at(s.st_name), s))
        .collect();
    let table = symbols[&Some("table")].st_value;
    let (rodata, bytes) = section(&elf, &linked.image, ".rodata");
    let words: Vec<_> = bytes[(table - rodata) as usize..][..24]
        .chunks(8)
        .map(|w| u64::from_le_bytes(w.try_into().unwrap()))
        .collect();
    assert_ne!(words[0], words[1]);
    assert_eq!(words[1], words[2]);

    // Each gate's array names the function's code on each ISA, by that ISA's own symbols.
    let (functions, arrays) = section(&elf, &linked.image, ".fat.functions");
    assert_eq!(functions, note.header.functions);
    for (gate, name) in [(words[0], "twice"), (words[1], "more")] {
        let index = ((gate - note.header.gates) / fat_image::GATE_SIZE) as usize;
        for (slice, isa) in note.isas.iter().enumerate() {
            let at = (index * note.isas.len() + slice) * 8;
            let element = u64::from_le_bytes(arrays[at..at + 8].try_into().unwrap());
            assert_eq!(
                code_of(&elf, isa.name(), name),
                element,
                "{name} on {}",
                isa.name()
            );
            assert_eq!(runtime_symbol(&elf, &linked.image, isa, element), name);
        }
    }
}

/// Address of a function of one ISA: local symbols follow the `STT_FILE` symbol with the ISA's name.
fn code_of(elf: &Elf<'_>, isa: &str, function: &str) -> u64 {
    let mut file = None;
    for symbol in &elf.syms {
        let name = elf.strtab.get_at(symbol.st_name);
        if symbol.st_type() == goblin::elf::sym::STT_FILE {
            file = name;
        } else if file == Some(isa)
            && name == Some(function)
            && symbol.st_bind() == goblin::elf::sym::STB_LOCAL
        {
            return symbol.st_value;
        }
    }
    panic!("{function} has no code on {isa}")
}

/// Name that the runtime's table gives to an address.
fn runtime_symbol<'a>(elf: &Elf<'_>, image: &'a [u8], isa: &Isa, address: u64) -> &'a str {
    let (_, table) = section(elf, image, &format!(".fat.symbols.{}", isa.name()));
    let (_, names) = section(elf, image, &format!(".fat.names.{}", isa.name()));
    let records = <[fat_image::Symbol]>::ref_from_bytes(table).expect("records");
    assert_eq!(records.len() as u64, isa.symbol_count);
    assert!(
        records
            .windows(2)
            .all(|pair| pair[0].address <= pair[1].address)
    );
    let record = records
        .iter()
        .find(|r| r.address == address)
        .expect("an address with a name");
    let name = &names[record.name as usize..];
    str::from_utf8(&name[..name.iter().position(|b| *b == 0).unwrap()]).expect("UTF-8")
}

#[test]
fn shared_data_has_one_symbol_and_one_copy() {
    let linked = Link::new().c("start", &start()).c("main", PROGRAM).ok();
    let elf = Elf::parse(&linked.image).expect("goblin reads the image");
    for name in ["counter", "zeros", "table"] {
        let found = elf
            .syms
            .iter()
            .filter(|s| elf.strtab.get_at(s.st_name) == Some(name))
            .count();
        assert_eq!(found, 1, "{name}");
        for view in ["x86_64.elf", "riscv64.elf"] {
            let bytes = std::fs::read(linked.link.path(view)).expect("view");
            let view = Elf::parse(&bytes).expect("goblin reads the view");
            let address = |elf: &Elf<'_>| {
                elf.syms
                    .iter()
                    .find(|s| elf.strtab.get_at(s.st_name) == Some(name))
                    .map(|s| s.st_value)
            };
            assert_eq!(address(&view), address(&elf), "{name}");
        }
    }
}

#[test]
fn regions_cover_the_segments_and_nothing_twice() {
    let linked = Link::new().c("start", &start()).c("main", PROGRAM).ok();
    let elf = Elf::parse(&linked.image).expect("goblin reads the image");
    let note = note(&elf, &linked.image);
    let mut places: Vec<_> = note
        .regions
        .iter()
        .map(|r| (r.phys, r.phys + r.size))
        .collect();
    places.sort_unstable();
    assert!(
        places.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{places:x?}"
    );
    assert!(
        note.regions
            .iter()
            .all(|r| r.start % 4096 == 0 && r.size % 4096 == 0)
    );
    for segment in elf
        .program_headers
        .iter()
        .filter(|p| p.p_type == goblin::elf::program_header::PT_LOAD)
    {
        let (start, end) = (segment.p_paddr, segment.p_paddr + segment.p_memsz);
        let covered: u64 = places
            .iter()
            .map(|(from, to)| to.min(&end).saturating_sub(*from.max(&start)))
            .sum();
        assert_eq!(covered, end - start, "{segment:x?}");
        let writable_code = segment.is_write() && segment.is_executable();
        assert!(!writable_code, "{segment:x?}");
    }
    let gates: Vec<_> = note
        .regions
        .iter()
        .filter(|r| r.flags & Region::GATES != 0)
        .collect();
    assert_eq!(
        gates.iter().map(|r| r.start).collect::<Vec<_>>(),
        [note.header.gates; 2]
    );
    assert_eq!(
        gates.iter().map(|r| r.phys).collect::<Vec<_>>(),
        note.isas.iter().map(|i| i.gates_phys).collect::<Vec<_>>()
    );
}

#[test]
fn the_same_bytes_in_any_folder_at_any_number_of_threads() {
    let build = |threads: &str| {
        let link = Link::new().c("start", &start()).c("main", PROGRAM);
        let link = link.arg("--view=riscv64=view").arg("-Map=map");
        let status = link
            .command()
            .env("RAYON_NUM_THREADS", threads)
            .status()
            .expect("fatld runs");
        assert!(status.success());
        let read = |name: &str| std::fs::read(link.path(name)).expect("made");
        // Debug information names the folder of the compilation, so only the image and the map can be equal.
        (read("out.fat"), read("map"))
    };
    let first = build("1");
    assert!(build("1") == first && build("4") == first);
}

#[test]
fn what_is_not_reached_is_not_in_the_image() {
    let source =
        format!("{PROGRAM} int unused_data = 9; int unused(void) {{ return unused_data; }}");
    let linked = Link::new().c("start", &start()).c("main", &source).ok();
    let elf = Elf::parse(&linked.image).expect("goblin reads the image");
    let names: Vec<_> = elf
        .syms
        .iter()
        .filter_map(|s| elf.strtab.get_at(s.st_name))
        .collect();
    assert!(
        names.contains(&"counter") && !names.contains(&"unused_data") && !names.contains(&"unused"),
        "{names:?}"
    );
}

#[test]
fn a_datum_that_one_isa_needs_is_there_for_all() {
    let user = "extern int shared; int answer(void) { return shared; }";
    let other = "int answer(void) { return 42; }";
    let link = Link::new()
        .c("start", &start())
        .c("data", "int shared = 42;")
        .c_on(0, "main", user)
        .c_on(1, "main", other);
    let linked = link.ok();
    assert_eq!(linked.run_views(), [Some(42); 2]);
    let bytes = std::fs::read(linked.link.path("riscv64.elf")).expect("view");
    let view = Elf::parse(&bytes).expect("goblin reads the view");
    assert!(
        view.syms
            .iter()
            .any(|s| view.strtab.get_at(s.st_name) == Some("shared"))
    );
}

#[test]
fn archive_members_come_in_when_they_are_needed() {
    let link = Link::new();
    let (mut archives, parts) = (
        Vec::new(),
        [
            ("needed", "int needed(void) { return 42; }"),
            ("idle", "int answer(void) { return 1; }"),
        ],
    );
    for slice in 0..2 {
        let objects: Vec<_> = parts
            .iter()
            .map(|(name, source)| link.compile(slice, name, source, &[]))
            .collect();
        let archive = link.path(&format!("lib{slice}.a"));
        let made = std::process::Command::new("ar")
            .arg("rcs")
            .arg(&archive)
            .args(&objects)
            .status()
            .expect("ar runs");
        assert!(made.success());
        archives.push(archive);
    }
    let link = link.c("start", &start()).c(
        "main",
        "int needed(void); int answer(void) { return needed(); }",
    );
    let link = link
        .input(0, archives[0].clone())
        .input(1, archives[1].clone());
    // The member that also defines `answer` stays out, or it would be a duplicate.
    assert_eq!(link.ok().run_views(), [Some(42); 2]);
}
