//! `.eh_frame`: what describes live code, read back by gimli's cousin readelf and by goblin.

mod common;

use std::process::Command;

use common::{Link, start};

const MAIN: &str = "int helper(int x) { return x + 2; } int dead(int x) { return x; } int answer(void) { return helper(40); }";

fn readelf(file: &std::path::Path) -> String {
    let output = Command::new("readelf")
        .arg("--debug-dump=frames")
        .arg(file)
        .output();
    let output = output.expect("readelf runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn frames_describe_live_functions_only_and_the_header_finds_them() {
    let flags: [&[&str]; 2] = [&["-fasynchronous-unwind-tables"]; 2];
    let linked = Link::new()
        .c_with("start", &start(), flags)
        .c_with("main", MAIN, flags)
        .arg("--eh-frame-hdr")
        .ok();
    assert_eq!(linked.run_views(), [Some(42); 2]);
    for isa in ["x86_64", "riscv64"] {
        let path = linked.link.path(&format!("{isa}.elf"));
        let file = std::fs::read(&path).expect("a view");
        let elf = goblin::elf::Elf::parse(&file).expect("a view");
        let section = |name: &str| {
            let mut sections = elf.section_headers.iter();
            let found = sections.find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(name));
            let found = found.unwrap_or_else(|| panic!("{isa}: {name} is missing"));
            (found.sh_addr, &file[found.file_range().expect("bytes")])
        };
        let functions = elf.syms.iter().filter(|s| {
            let name = elf.strtab.get_at(s.st_name).unwrap_or_default();
            s.is_function() && !name.starts_with("__gate.")
        });
        let mut functions: Vec<u64> = functions.map(|s| s.st_value).collect();
        functions.sort_unstable();
        let (address, header) = section(".eh_frame_hdr");
        let (frames, bytes) = section(".eh_frame");
        let word =
            |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        assert_eq!(header[..4], [1, 0x1b, 3, 0x3b]);
        assert_eq!(
            (address + 4).wrapping_add_signed(i64::from(word(4))),
            frames
        );
        let count = word(8) as usize;
        let entry =
            |i: usize, k: usize| address.wrapping_add_signed(i64::from(word(12 + 8 * i + 4 * k)));
        let described: Vec<u64> = (0..count).map(|i| entry(i, 0)).collect();
        assert_eq!(
            described, functions,
            "{isa}: one description for each function"
        );
        let records = (0..count).map(|i| entry(i, 1));
        assert!(
            records
                .into_iter()
                .all(|r| (frames..frames + bytes.len() as u64).contains(&r))
        );
        let dump = readelf(&path);
        for function in functions {
            assert!(
                dump.contains(&format!("pc={function:016x}..")),
                "{isa}: {dump}"
            );
        }
        assert_eq!(
            dump.matches(" CIE").count(),
            1,
            "{isa}: equal common entries are one\n{dump}"
        );
    }
}

/// What gcc's `crtbegin.o` and `crtend.o` have: a name for the first record, in a section without any, and one for the
/// word that ends the list.
const BEGIN: &str =
    r#"asm(".pushsection .eh_frame,\"a\",@progbits\n.globl frames\nframes:\n.popsection");"#;
const END: &str = r#"asm(".pushsection .eh_frame,\"a\",@progbits\n.globl frames_end\nframes_end: .long 0\n.popsection");"#;

const WALK: &str = "
    extern const char frames[], frames_end[];
    int answer(void) {
        int records = 0;
        const char *at = frames;
        for (; *(const int *)at; at += 4 + *(const int *)at)
            records++;
        return at == frames_end ? records : -1;
    }";

#[test]
fn names_at_the_ends_of_frames_lie_at_the_ends_of_what_is_collected() {
    let (with, without) = (
        ["-fasynchronous-unwind-tables"],
        ["-fno-asynchronous-unwind-tables"],
    );
    let walk = |flags: &[&str]| {
        let linked = Link::new()
            .c_with("begin", BEGIN, [&without; 2])
            .c_with("start", &start(), [&without; 2])
            .c_with("walk", WALK, [flags; 2])
            .c_with("end", END, [&without; 2])
            .ok();
        linked.run_views()
    };
    assert_eq!(
        walk(&with),
        [Some(2); 2],
        "a common entry and a description"
    );
    assert_eq!(walk(&without), [Some(0); 2], "nothing but the end");
}

#[test]
fn a_common_entry_that_is_referred_to_stays_without_descriptions() {
    let entry = r#"asm(".pushsection .eh_frame,\"a\",@progbits\n.globl entry\nentry: .long 12, 0, 0x1, 0x78010000\n.popsection");
        extern const int entry[]; int answer(void) { return entry[0] + 30; }"#;
    let flags: [&[&str]; 2] = [&["-fno-asynchronous-unwind-tables"]; 2];
    let linked = Link::new()
        .c_with("start", &start(), flags)
        .c_with("main", entry, flags)
        .ok();
    assert_eq!(linked.run_views(), [Some(42); 2]);
}
