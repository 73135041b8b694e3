//! Files made byte by byte: what is taken, what is refused, and how long that takes.

use std::time::{Duration, Instant};

use super::*;
use crate::isa;

/// A section to write.
#[derive(Clone, Default)]
struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    link: u32,
    info: u32,
    align: u64,
    data: Vec<u8>,
    /// Instead of the data's place and size.
    range: Option<(u64, u64)>,
}

const NAMES: &[u8] = b"\0.text\0a name\0";
const TEXT: u32 = 1;
const SYMBOL: u32 = 7;

/// A section of 16 bytes of text.
fn text() -> Section {
    Section {
        name: TEXT,
        kind: elf::SHT_PROGBITS.0,
        data: vec![0; 16],
        ..Section::default()
    }
}

fn of_kind(kind: elf::SectionType, data: Vec<u8>) -> Section {
    Section {
        kind: kind.0,
        data,
        ..Section::default()
    }
}

fn symbol(name: u32, info: u8, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    bytes.extend([info, 0]);
    bytes.extend(section.to_le_bytes());
    bytes.extend(value.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes
}

/// A symbol table behind the sections given to [`file`]; its names are the file's.
fn symbols(symbols: &[Vec<u8>]) -> Section {
    let mut data = symbol(0, 0, 0, 0, 0);
    symbols.iter().for_each(|s| data.extend(s));
    Section {
        link: 1,
        ..of_kind(elf::SHT_SYMTAB, data)
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// A file with the null section, one of names, and these.
fn file(names: &[u8], sections: &[Section]) -> Vec<u8> {
    let isa = isa::ALL[0];
    let mut all = vec![Section::default(), of_kind(elf::SHT_STRTAB, names.to_vec())];
    all.extend_from_slice(sections);
    let mut bytes = vec![0; 64];
    let mut table = Vec::new();
    for section in &all {
        let data = (bytes.len() as u64, section.data.len() as u64);
        let (offset, size) = section.range.unwrap_or(data);
        bytes.extend(&section.data);
        table.extend(words(&[section.name, section.kind]));
        for field in [section.flags, 0, offset, size] {
            table.extend(field.to_le_bytes());
        }
        table.extend(words(&[section.link, section.info]));
        for field in [section.align, 0] {
            table.extend(field.to_le_bytes());
        }
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let table_at = bytes.len() as u64;
    bytes.extend(&table);
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16..18].copy_from_slice(&elf::ET_REL.0.to_le_bytes());
    bytes[18..20].copy_from_slice(&isa.machine().0.to_le_bytes());
    bytes[20] = 1;
    bytes[40..48].copy_from_slice(&table_at.to_le_bytes());
    bytes[52..54].copy_from_slice(&64_u16.to_le_bytes());
    bytes[58..60].copy_from_slice(&64_u16.to_le_bytes());
    bytes[60..62].copy_from_slice(&u16::try_from(all.len()).unwrap_or(0).to_le_bytes());
    bytes[62..64].copy_from_slice(&1_u16.to_le_bytes());
    if all.len() > usize::from(u16::MAX) {
        let size_of_null = table_at as usize + 32;
        bytes[size_of_null..size_of_null + 8].copy_from_slice(&(all.len() as u64).to_le_bytes());
    }
    bytes
}

fn read_file(bytes: &[u8]) -> Result<ElfObject<'_>, String> {
    let read = read("a.o".to_owned(), bytes, isa::ALL[0]);
    read.map_err(|problem| crate::Error::from(problem).to_string())
}

fn refused(names: &[u8], sections: &[Section]) -> String {
    match read_file(&file(names, sections)) {
        Err(said) => said,
        Ok(object) => panic!("taken: {object:?}"),
    }
}

#[test]
fn a_sound_file_is_taken_as_it_is() {
    let group = Section {
        info: 1,
        ..of_kind(elf::SHT_GROUP, words(&[1, 2]))
    };
    let ordered = Section {
        flags: elf::SHF_LINK_ORDER.0,
        link: 2,
        ..text()
    };
    let table = symbols(&[
        symbol(SYMBOL, 0xa2, 2, 8, 8),
        symbol(SYMBOL, 0x10, 0xfff2, 16, 24),
        symbol(0, 3, 2, 0, 0),
    ]);
    let bytes = file(NAMES, &[text(), group, ordered, table]);
    let object = read_file(&bytes).expect("sound");
    assert_eq!(object.sections[4].linked_to, Some(2));
    assert_eq!(
        (object.groups[0].signature, &object.groups[0].members[..]),
        ("a name", &[2][..])
    );
    let homes: Vec<_> = object.symbols().map(|s| (s.name(), s.home)).collect();
    let expected = [
        ("", Home::Undefined),
        ("a name", Home::Section(2)),
        ("a name", Home::Common),
        (".text", Home::Section(2)),
    ];
    assert_eq!(homes, expected);
    assert_eq!(object.symbol(1).binding, elf::STB_GNU_UNIQUE);
}

#[test]
fn relocations_come_in_the_order_of_their_places() {
    let entry = |offset: u64, kind: u64| {
        let words = [offset, (1 << 32) | kind, 5];
        words
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let data = [entry(8, 1), entry(4, 2), entry(8, 3)].concat();
    let table = Section {
        info: 2,
        ..of_kind(elf::SHT_RELA, data)
    };
    let bytes = file(
        NAMES,
        &[
            text(),
            table.clone(),
            symbols(&[symbol(SYMBOL, 0x10, 0, 0, 0)]),
        ],
    );
    let object = read_file(&bytes).expect("sound");
    let order: Vec<_> = object
        .relocations(2)
        .expect("sound")
        .map(|r| (r.offset, r.kind.0))
        .collect();
    assert_eq!(order, [(4, 2), (8, 1), (8, 3)]);
    for (damage, expected) in [
        (entry(17, 1), "a place in .text (0x10 bytes), found 0x11"),
        (
            [&words(&[0, 0, 1, 9])[..], &[0; 8]].concat(),
            "one of 2 symbols, found 9",
        ),
        (vec![0; 25], "entries of 24 bytes"),
    ] {
        let table = Section {
            data: damage,
            ..table.clone()
        };
        let bytes = file(
            NAMES,
            &[text(), table, symbols(&[symbol(SYMBOL, 0x10, 0, 0, 0)])],
        );
        let object = read_file(&bytes).expect("read later");
        let Err(Problem::Malformed { expected: said, .. }) = object.relocations(2).map(|_| ())
        else {
            panic!("{expected}: taken");
        };
        assert_eq!(said, expected);
    }
}

#[test]
fn other_kinds_of_relocations_are_refused_by_name() {
    for (kind, name) in [
        (elf::SHT_REL, "relocations without addends (SHT_REL)"),
        (elf::SHT_RELR, "packed relative relocations (SHT_RELR)"),
        (elf::SHT_CREL, "compact relocations (SHT_CREL)"),
    ] {
        let said = refused(
            NAMES,
            &[
                text(),
                Section {
                    name: TEXT,
                    ..of_kind(kind, vec![])
                },
            ],
        );
        assert_eq!(
            said,
            format!("error: a.o:(.text+0x0): not supported: {name}")
        );
    }
}

#[test]
fn symbols_that_contradict_the_file_are_refused_with_their_place() {
    for (bad, expected) in [
        (symbol(999, 0x10, 2, 0, 0), "a name in the string table"),
        (
            symbol(SYMBOL, 0x10, 9, 0, 0),
            "a section header with index 9",
        ),
        (
            symbol(SYMBOL, 0x10, 2, 17, 0),
            "a value within .text (0x10 bytes)",
        ),
        (symbol(SYMBOL, 0x50, 2, 0, 0), "a known binding, found 5"),
        (
            symbol(SYMBOL, 0x10, 0xff05, 0, 0),
            "a known section index, found 0xff05",
        ),
        (
            symbol(SYMBOL, 0x10, 0xffff, 0, 0),
            "an extended section index",
        ),
        (
            symbol(SYMBOL, 0x10, 0xfff2, 3, 4),
            "a common symbol with a power of two as alignment",
        ),
        (
            symbol(SYMBOL, 0x10, 2, 0, 1 << 41),
            "at most 0x10000000000 bytes, found 0x20000000000",
        ),
    ] {
        let said = refused(
            NAMES,
            &[text(), symbols(&[symbol(SYMBOL, 0x10, 2, 0, 0), bad])],
        );
        assert_eq!(
            said,
            format!("error: a.o:(.symtab+0x30): expected {expected}")
        );
    }
    let two = [symbols(&[]), symbols(&[])];
    assert_eq!(
        refused(NAMES, &two),
        "error: a.o:(.symtab+0x0): expected one symbol table"
    );
}

#[test]
fn names_are_utf8_and_end() {
    let said = refused(b"\0.text\0a name\0\xff\0", &[text()]);
    assert_eq!(
        said,
        "error: a.o:(string table+0xe): expected names in UTF-8"
    );
    let said = refused(b"\0.text", &[text()]);
    assert!(
        said.ends_with("expected a name that ends with a zero"),
        "{said}"
    );
}

#[test]
fn groups_have_members_of_their_own() {
    let group = |members: &[u32]| Section {
        name: TEXT,
        info: 0,
        ..of_kind(elf::SHT_GROUP, words(members))
    };
    for (groups, expected) in [
        (
            [group(&[1, 2]), group(&[1, 2])],
            "members of one group, found .text of .text too",
        ),
        (
            [group(&[0, 2, 2]), group(&[1])],
            "members of one group, found .text of .text too",
        ),
        (
            [group(&[1, 99]), group(&[1])],
            "members that exist, found section 99",
        ),
        (
            [group(&[1, 0]), group(&[1])],
            "members that exist, found section 0",
        ),
        ([group(&[]), group(&[1])], "a word of flags"),
    ] {
        let [one, two] = groups;
        let said = refused(NAMES, &[text(), one, two, symbols(&[])]);
        assert!(said.ends_with(&format!("expected {expected}")), "{said}");
    }
}

#[test]
fn sections_of_one_place_are_refused() {
    let shared = Section {
        range: Some((64, 200)),
        ..text()
    };
    let said = refused(NAMES, &vec![shared; 50]);
    assert!(
        said.ends_with("expected sections that fit in the file without overlaps"),
        "{said}"
    );
}

#[test]
fn more_sections_than_sixteen_bits_can_count() {
    let count = 70_000;
    let mut sections = vec![text(); count];
    let last = count as u32 + 1;
    sections.push(symbols(&[symbol(SYMBOL, 0x10, 0xffff, 4, 0)]));
    sections.push(Section {
        link: last + 1,
        ..of_kind(elf::SHT_SYMTAB_SHNDX, words(&[0, last]))
    });
    let bytes = file(NAMES, &sections);
    let object = read_file(&bytes).expect("sound");
    assert_eq!(object.sections.len(), count + 4);
    assert_eq!(object.symbol(1).home, Home::Section(last as usize));
}

#[test]
fn reading_takes_no_longer_than_the_file_is_large() {
    let begin = Instant::now();
    // Each of many symbols has the same name, of a megabyte.
    let mut names = vec![b'n'; 1 << 20];
    names[0] = 0;
    names.extend(b"\0");
    let said = refused(&names, &[symbols(&vec![symbol(1, 0x10, 0, 0, 0); 50_000])]);
    assert!(
        said.ends_with("expected names that are not shared beyond measure"),
        "{said}"
    );
    // Each of many groups has all sections.
    let members: Vec<u32> = (0..60_000).collect();
    let mut sections = vec![of_kind(elf::SHT_GROUP, words(&members))];
    let range = Some((64 + NAMES.len() as u64, 4 * members.len() as u64));
    let group = Section {
        range,
        ..of_kind(elf::SHT_GROUP, Vec::new())
    };
    sections.resize(60_000, group);
    refused(NAMES, &sections);
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_file_without_symbols_has_the_null_symbol() {
    let rela = Section {
        info: 2,
        ..of_kind(elf::SHT_RELA, vec![0; 24])
    };
    let bytes = file(NAMES, &[text(), rela]);
    let object = read_file(&bytes).expect("a sound file");
    let relocations: Vec<_> = object.relocations(2).expect("relocations").collect();
    let found = object.symbol(relocations[0].symbol);
    assert_eq!((found.name(), found.home), ("", Home::Undefined));
}

#[test]
fn what_is_in_memory_is_not_compressed_whatever_it_is() {
    // `struct Elf64_Chdr` for zlib and 19 bytes that claim to become 48.
    let data = [words(&[1, 0, 48, 0, 1, 0]), vec![0; 19]].concat();
    for flags in [elf::SHF_ALLOC, elf::SHF_TLS] {
        let section = Section {
            flags: (flags | elf::SHF_COMPRESSED).0,
            ..of_kind(elf::SHT_PROGBITS, data.clone())
        };
        let bytes = file(NAMES, &[section]);
        let object = read_file(&bytes).expect("a sound file");
        let refused = crate::classify::kind_of("a.o", &object.sections[2]).expect_err("refused");
        let said = crate::Error::from(refused).to_string();
        assert!(said.contains("compressed sections in memory"), "{said}");
    }
}
