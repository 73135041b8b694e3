//! `fatld extract`: what it writes is the view that the link writes, and runs.

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

use common::{Link, Linked, Target, start};
use goblin::elf::Elf;

const PROGRAM: &str = r#"
    static int twice(int x) { return 2 * x; }
    int more(int x) { return x + 1; }
    int (*const table[])(int) = { twice, more, more };
    const char *names[] = { "twice", "more" };
    static int kept = 6; int counter = 5; int zeros[10]; volatile int at;
    int answer(void) {
        zeros[1] = counter + kept++;
        return table[at](zeros[1]) + table[at + 1](2) + table[at + 2](names[at][0] - 't');
    }
"#;

fn link() -> Link {
    let own = "int own = 3; int own_code(void) { return own; }";
    let link = Link::new().c("start", &start()).c("main", PROGRAM);
    link.c_on(0, "first", own).c_on(1, "second", own)
}

fn program() -> Linked {
    link().ok()
}

fn extract(linked: &Linked, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fatld"));
    command.current_dir(linked.link.dir.path()).arg("extract");
    command.args(arguments).output().expect("fatld runs")
}

/// Extracts an ISA's file, quietly.
fn extracted(linked: &Linked, isa: &str) -> PathBuf {
    let name = format!("{isa}.extract");
    let output = extract(linked, &["--isa", isa, "out.fat", "-o", &name]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    assert!(output.stdout.is_empty());
    linked.link.path(&name)
}

/// A section by everything but its place in the file: the bytes, too.
type SectionFacts = (String, u32, u64, u64, u64, u64, Vec<u8>);

fn sections(bytes: &[u8]) -> Vec<SectionFacts> {
    let elf = Elf::parse(bytes).expect("goblin reads it");
    let in_memory = elf.section_headers.iter().filter(|s| s.is_alloc());
    let facts = in_memory.map(|s| {
        let name = elf
            .shdr_strtab
            .get_at(s.sh_name)
            .expect("a name")
            .to_owned();
        let data = s
            .file_range()
            .map_or(Vec::new(), |range| bytes[range].to_vec());
        (
            name,
            s.sh_type,
            s.sh_flags,
            s.sh_addr,
            s.sh_size,
            s.sh_addralign,
            data,
        )
    });
    facts.collect()
}

fn segments(bytes: &[u8]) -> Vec<[u64; 6]> {
    let elf = Elf::parse(bytes).expect("goblin reads it");
    let facts = elf.program_headers.iter().map(|p| {
        let kind = (u64::from(p.p_type), u64::from(p.p_flags));
        [kind.0, kind.1, p.p_vaddr, p.p_paddr, p.p_filesz, p.p_memsz]
    });
    facts.collect()
}

/// Functions, data and gates by name, address, size, type and section. What else a view has is not in the image: names of
/// files, marks of assemblers, absolute symbols; and whether a symbol is global.
fn symbols(bytes: &[u8]) -> BTreeSet<(String, u64, u64, u8, String)> {
    let elf = Elf::parse(bytes).expect("goblin reads it");
    let facts = elf.syms.iter().filter_map(|s| {
        let name = elf.strtab.get_at(s.st_name).expect("a name").to_owned();
        let section = elf
            .section_headers
            .get(s.st_shndx)
            .filter(|_| s.st_shndx != 0)?;
        let section = elf.shdr_strtab.get_at(section.sh_name).expect("a name");
        let facts = (name, s.st_value, s.st_size, s.st_type(), section.to_owned());
        (!facts.0.starts_with('$')).then_some(facts)
    });
    facts.collect()
}

#[test]
fn an_extract_has_the_sections_segments_and_symbols_of_the_view() {
    compare_with_views(&program());
}

#[test]
fn so_has_one_of_text_at_the_same_addresses() {
    compare_with_views(&link().arg("--text=aliased").ok());
}

#[test]
fn thread_local_data_and_frames_keep_their_segments() {
    let thread = "__attribute__((used, retain)) __thread int initialized = 3;
                  __attribute__((used, retain)) __thread int zeroed[9];";
    let frames: &[&str] = &["-fasynchronous-unwind-tables"];
    let link = link()
        .c_with("thread", thread, [&["-g0"][..]; 2])
        .arg("--eh-frame-hdr");
    let linked = link
        .c_with("frames", "int more_of_it(void) { return 1; }", [frames; 2])
        .c_with("user", "int more_of_it(void); __attribute__((used, retain)) int user(void) { return more_of_it(); }", [frames; 2])
        .ok();
    let kinds: Vec<_> = segments(&std::fs::read(linked.link.path("x86_64.elf")).expect("view"))
        .iter()
        .map(|s| s[0] as u32)
        .collect();
    use goblin::elf::program_header::{PT_GNU_EH_FRAME, PT_TLS};
    assert!(
        kinds.contains(&PT_TLS) && kinds.contains(&PT_GNU_EH_FRAME),
        "{kinds:x?}"
    );
    compare_with_views(&linked);
}

fn compare_with_views(linked: &Linked) {
    for isa in ["x86_64", "riscv64"] {
        let extract = std::fs::read(extracted(linked, isa)).expect("made");
        let view = std::fs::read(linked.link.path(&format!("{isa}.elf"))).expect("view");
        let (one, other) = (Elf::parse(&extract).unwrap(), Elf::parse(&view).unwrap());
        let head = |elf: &Elf<'_>| {
            let header = elf.header;
            (
                header.e_type,
                header.e_machine,
                header.e_flags,
                header.e_entry,
            )
        };
        assert_eq!(head(&one), head(&other), "{isa}");
        assert_eq!(sections(&extract), sections(&view), "{isa}");
        assert_eq!(segments(&extract), segments(&view), "{isa}");
        assert_eq!(symbols(&extract), symbols(&view), "{isa}");
        assert!(!sections(&extract).is_empty() && symbols(&extract).len() > 8);
    }
}

#[test]
fn an_extract_runs() {
    let linked = program();
    for isa in ["x86_64", "riscv64"] {
        let status = Target::of(isa).run(&extracted(&linked, isa));
        assert_eq!(status, Some(2 * 11 + 3 + 1), "{isa}");
    }
}

#[test]
fn a_trap_goes_into_the_extract_of_its_isa() {
    let main = "void set(void); int answer(void) { set(); return 0; }";
    let user = "int only(void) { return 1; } int (*volatile pointer)(void); void set(void) { pointer = only; }";
    let other = "int (*volatile pointer)(void); void set(void) { }";
    let link = Link::new().c("start", &start()).c("main", main);
    let link = link.c_on(0, "user", user).c_on(1, "other", other);
    let linked = link.arg("--missing-code=trap").ok();
    let of = |isa| symbols(&std::fs::read(extracted(&linked, isa)).expect("made"));
    let traps = |isa| of(isa).iter().filter(|s| s.0 == "no code: only").count();
    assert_eq!((traps("x86_64"), traps("riscv64")), (0, 1));
}

#[test]
fn an_unknown_isa_is_refused_with_those_that_there_are() {
    let linked = program();
    let output = extract(&linked, &["--isa", "vax", "out.fat", "-o", "vax.elf"]);
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr)
        ),
        (
            Some(2),
            "error: --isa vax: out.fat has x86_64, riscv64\n".into()
        )
    );
    assert!(!linked.link.path("vax.elf").exists());
}

#[test]
fn a_folder_is_not_replaced() {
    let linked = program();
    std::fs::create_dir(linked.link.path("folder")).expect("folder");
    let output = extract(&linked, &["--isa=x86_64", "out.fat", "-o", "folder"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(linked.link.path("folder").is_dir());
}

#[test]
fn a_view_is_no_image() {
    let linked = program();
    let output = extract(
        &linked,
        &["--isa=riscv64", "riscv64.elf", "-o", "again.elf"],
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "error: riscv64.elf:(section header table+0x0): expected a section .fat.symbols.riscv64: \
                    this is no fat image but a view of one\n";
    assert_eq!((output.status.code(), said.as_str()), (Some(1), expected));
}
