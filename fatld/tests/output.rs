//! The files: what second readers make of them, that every byte is written, and what an interrupted link leaves.

mod common;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Link, start};
use fatld::options::{Command as Parsed, Options};
use goblin::elf::{Elf, program_header, section_header, sym};

const PROGRAM: &str = r#"
    static const char text[] = "text"; const char *volatile strings[] = { "a", "b", text };
    static int twice(int x) { return 2 * x; }
    int more(int x) { return x + 1; }
    __attribute__((weak)) int weakling(int x) { return x; }
    int (*const table[])(int) = { twice, more, weakling };
    int counter = 5; int zeros[10]; char odd[3] = "od"; static volatile short hidden = 3;
    int answer(void) { return table[zeros[1]](counter) + table[2](hidden) + strings[1][0] + odd[0]; }
"#;

fn program() -> Link {
    Link::new().c("start", &start()).c("main", PROGRAM)
}

/// Options of a link, with what it writes in a folder of its own.
fn options(link: &Link, folder: &str) -> (Options, Vec<PathBuf>) {
    std::fs::create_dir(link.path(folder)).expect("folder");
    let place = |name: &str| link.path(folder).join(name);
    let outputs = ["image", "x86_64", "riscv64"].map(place);
    let mut arguments: Vec<OsString> = vec!["-o".into(), outputs[0].clone().into()];
    for (isa, output) in ["x86_64", "riscv64"].iter().zip(&outputs[1..]) {
        let object = |name: &str| link.path(isa).join(name).into_os_string();
        arguments.extend(["--slice".into(), isa.into()]);
        arguments.extend([object("start.o"), object("main.o")]);
        arguments.extend([format!("--view={isa}={}", output.display()).into()]);
    }
    match Parsed::parse(arguments) {
        Ok(Parsed::Link(options)) => (*options, outputs.to_vec()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_byte_is_written() {
    let link = program();
    let made = [("clean", 0), ("soiled", 0xa5)].map(|(folder, background)| {
        let (options, outputs) = options(&link, folder);
        fatld::link_image_over(&options, background).expect("linked");
        read(&outputs)
    });
    assert!(made[0] == made[1]);
}

fn read(outputs: &[PathBuf]) -> Vec<Vec<u8>> {
    let bytes = outputs
        .iter()
        .map(|path| std::fs::read(path).expect("made"));
    bytes.collect()
}

#[test]
fn views_and_map_are_the_same_at_any_number_of_threads() {
    let link = program()
        .arg("--view=x86_64=x86_64.elf")
        .arg("--view=riscv64=riscv64.elf")
        .arg("-Map=map");
    let build = |threads: &str| {
        let mut command = link.command();
        let status = command.env("RAYON_NUM_THREADS", threads).status();
        assert!(status.expect("fatld runs").success());
        let outputs = ["out.fat", "x86_64.elf", "riscv64.elf", "map"].map(|name| link.path(name));
        read(&outputs)
    };
    let first = build("1");
    assert!(build("2") == first && build("8") == first);
}

/// What `readelf -a` complains about.
fn complaints(path: &Path) -> String {
    let output = Command::new("readelf")
        .args(["-aW", "--debug-dump=info,decodedline,aranges"])
        .arg(path)
        .output();
    let output = output.expect("readelf runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let odd = |line: &&str| line.contains("Warning") || line.contains("orrupt");
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.extend(text.lines().filter(odd));
    said
}

#[test]
fn readelf_has_nothing_to_complain_of() {
    let linked = program().ok();
    let views = ["x86_64.elf", "riscv64.elf"].map(|view| linked.link.path(view));
    for path in views.iter().chain([&linked.link.image()]) {
        assert_eq!(complaints(path), "", "{}", path.display());
    }
    for isa in ["x86_64", "riscv64"] {
        let alone = Link::of(&[isa])
            .c("start", &start())
            .c("main", PROGRAM)
            .ok();
        assert_eq!(complaints(&alone.link.image()), "", "{isa}");
    }
}

/// What holds for every file, as goblin reads it.
fn check_file(bytes: &[u8]) {
    let elf = Elf::parse(bytes).expect("goblin reads the file");
    let header = |name: &str| {
        let found = elf
            .section_headers
            .iter()
            .find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(name));
        found.unwrap_or_else(|| panic!("no section {name}"))
    };
    let (symtab, strtab) = (header(".symtab"), header(".strtab"));
    let linked = &elf.section_headers[symtab.sh_link as usize];
    assert_eq!(linked.sh_offset, strtab.sh_offset);
    for (at, symbol) in elf.syms.iter().enumerate() {
        let is_local = symbol.st_bind() == sym::STB_LOCAL;
        assert_eq!(is_local, at < symtab.sh_info as usize, "symbol {at}");
        let name = elf.strtab.get_at(symbol.st_name).expect("a name");
        let section = symbol.st_shndx as u32;
        let is_somewhere =
            section != section_header::SHN_ABS && section != section_header::SHN_UNDEF;
        if !is_somewhere || symbol.st_type() == sym::STT_TLS {
            continue;
        }
        let home = &elf.section_headers[section as usize];
        let range = home.sh_addr..=home.sh_addr + home.sh_size;
        assert!(range.contains(&symbol.st_value), "{name}: {symbol:x?}");
    }
    for segment in &elf.program_headers {
        if segment.p_type == program_header::PT_LOAD {
            assert_eq!(segment.p_offset % 4096, segment.p_vaddr % 4096);
            assert_eq!(segment.p_offset % 4096, segment.p_paddr % 4096);
            assert!(segment.p_filesz <= segment.p_memsz);
            assert!(!(segment.is_write() && segment.is_executable()));
        }
    }
    let stack = elf
        .program_headers
        .iter()
        .find(|p| p.p_type == program_header::PT_GNU_STACK);
    assert!(!stack.expect("PT_GNU_STACK").is_executable());
    check_no_overlap(&elf, bytes.len() as u64);
}

/// Headers and sections share no byte of the file.
fn check_no_overlap(elf: &Elf<'_>, size: u64) {
    let header = &elf.header;
    let table = |at: u64, count: u16, entry: u16| (at, at + u64::from(count) * u64::from(entry));
    let mut ranges = vec![
        (0, u64::from(header.e_ehsize)),
        table(header.e_phoff, header.e_phnum, header.e_phentsize),
        table(header.e_shoff, header.e_shnum, header.e_shentsize),
    ];
    let sections = elf.section_headers.iter();
    let filled = sections.filter(|s| s.sh_type != section_header::SHT_NOBITS && s.sh_size > 0);
    ranges.extend(filled.map(|s| (s.sh_offset, s.sh_offset + s.sh_size)));
    ranges.sort_unstable();
    assert!(
        ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{ranges:x?}"
    );
    assert!(ranges.iter().all(|(_, end)| *end <= size));
}

#[test]
fn headers_segments_and_symbols_agree() {
    let linked = program().ok();
    check_file(&linked.image);
    for view in ["x86_64.elf", "riscv64.elf"] {
        check_file(&std::fs::read(linked.link.path(view)).expect("view"));
    }
}

/// Binding, type and size of the symbols with a name.
fn symbols(elf: &Elf<'_>, name: &str) -> Vec<(u8, u8, u64)> {
    let named = elf
        .syms
        .iter()
        .filter(|s| elf.strtab.get_at(s.st_name) == Some(name));
    named
        .map(|s| (s.st_bind(), s.st_type(), s.st_size))
        .collect()
}

#[test]
fn symbols_keep_binding_type_and_size() {
    let assembly = r#"
        __asm__(".globl marker\nmarker:\n .globl fixed\n .set fixed, 0x1234\n .set own, 0x77");
        __attribute__((weak)) extern int nowhere;
    "#;
    let source = format!("{PROGRAM} {assembly} int *volatile looked = &nowhere;");
    let link = Link::of(&["x86_64"])
        .c("start", &start())
        .c("main", &source);
    let linked = link
        .c("other", "int weakling(int x) { return x + 10; }")
        .ok();
    let bytes = std::fs::read(linked.link.path("x86_64.elf")).expect("view");
    assert_eq!(bytes, linked.image, "one slice's image is its view");
    check_file(&bytes);
    let elf = Elf::parse(&bytes).expect("goblin reads the view");
    let (local, global) = (sym::STB_LOCAL, sym::STB_GLOBAL);
    assert_eq!(symbols(&elf, "hidden"), [(local, sym::STT_OBJECT, 2)]);
    assert_eq!(symbols(&elf, "counter"), [(global, sym::STT_OBJECT, 4)]);
    assert_eq!(symbols(&elf, "fixed"), [(global, sym::STT_NOTYPE, 0)]);
    assert_eq!(symbols(&elf, "own"), [(local, sym::STT_NOTYPE, 0)]);
    assert_eq!(symbols(&elf, "main.c"), [(local, sym::STT_FILE, 0)]);
    assert_eq!(
        symbols(&elf, "nowhere"),
        [(sym::STB_WEAK, sym::STT_NOTYPE, 0)]
    );
    // A definition that another one overrides is no symbol of the output.
    let [(binding, kind, _)] = symbols(&elf, "weakling")[..] else {
        panic!("one weakling");
    };
    assert_eq!((binding, kind), (global, sym::STT_FUNC));
    let value = |name: &str| {
        let mut found = elf
            .syms
            .iter()
            .filter(|s| elf.strtab.get_at(s.st_name) == Some(name));
        let found = found.next().expect("a symbol");
        (found.st_value, found.st_shndx as u32)
    };
    assert_eq!(value("fixed"), (0x1234, section_header::SHN_ABS));
    assert_eq!(value("nowhere"), (0, section_header::SHN_UNDEF));
}

/// Sources with everything that has a segment or a symbol of its own.
const SPECIAL: &str = r#"
    _Thread_local long counted = 5; _Thread_local int cleared; _Thread_local short late = 9;
    extern char _end[], __bss_start[]; char *volatile bounds[] = { _end, __bss_start };
    static int set; __attribute__((constructor)) static void construct(void) { set = 1; }
    long zeros[3000];
    int answer(void) { return set + (bounds[0] > bounds[1]) + (int)zeros[2]; }
"#;

#[test]
fn special_segments_and_symbols() {
    let flags: &[&str] = &["-g0", "-fasynchronous-unwind-tables"];
    for isa in ["x86_64", "riscv64"] {
        let link = Link::of(&[isa]).c("start", &start());
        let linked = link.c_with("main", SPECIAL, [flags]).ok();
        assert_eq!(complaints(&linked.link.image()), "", "{isa}");
        check_file(&linked.image);
        let elf = Elf::parse(&linked.image).expect("goblin reads it");
        let segment = |kind| elf.program_headers.iter().find(|p| p.p_type == kind);
        let tls = segment(program_header::PT_TLS).expect("PT_TLS");
        assert_eq!(tls.p_align, 8);
        let value = |name: &str| {
            let mut symbols = elf.syms.iter();
            let found = symbols.find(|s| elf.strtab.get_at(s.st_name) == Some(name));
            found.expect(name)
        };
        for (name, size) in [("counted", 8), ("cleared", 4), ("late", 2)] {
            let symbol = value(name);
            assert_eq!((symbol.st_type(), symbol.st_size), (sym::STT_TLS, size));
            assert!(symbol.st_value + size <= tls.p_memsz, "{name}");
        }
        let initial = |name: &str| linked.image[(tls.p_offset + value(name).st_value) as usize];
        assert_eq!((initial("counted"), initial("late")), (5, 9));
        assert!(value("cleared").st_value >= tls.p_filesz);
        let (start, end) = (value("__bss_start").st_value, value("_end").st_value);
        let zeros = value("zeros");
        assert!((start..end).contains(&zeros.st_value));
        assert_eq!(zeros.st_shndx, value("_end").st_shndx);
        let array = elf
            .section_headers
            .iter()
            .find(|s| s.sh_type == section_header::SHT_INIT_ARRAY);
        assert_eq!(array.expect("SHT_INIT_ARRAY").sh_size, 8);
    }
}

#[test]
fn hidden_symbols_become_local() {
    let hidden = r#"__attribute__((visibility("hidden"))) int concealed(void) { return 1; }"#;
    let user = r#"
        int concealed(void); int shown(void); __attribute__((visibility("hidden"))) int shown(void);
        int answer(void) { return concealed() + shown(); }
    "#;
    let link = Link::of(&["x86_64"]).c("start", &start()).c("main", user);
    let linked = link
        .c("hidden", hidden)
        .c("shown", "int shown(void) { return 2; }")
        .ok();
    check_file(&linked.image);
    let elf = Elf::parse(&linked.image).expect("goblin reads it");
    for name in ["concealed", "shown"] {
        let [(binding, _, _)] = symbols(&elf, name)[..] else {
            panic!("one {name}");
        };
        assert_eq!(binding, sym::STB_LOCAL, "{name}");
    }
}

#[test]
fn weak_symbols_stay_weak() {
    let linked = program().ok();
    let bytes = std::fs::read(linked.link.path("riscv64.elf")).expect("view");
    let elf = Elf::parse(&bytes).expect("goblin reads the view");
    let [(binding, kind, _)] = symbols(&elf, "weakling")[..] else {
        panic!("one weakling");
    };
    assert_eq!((binding, kind), (sym::STB_WEAK, sym::STT_FUNC));
}

/// The bytes of a section.
fn section<'a>(bytes: &'a [u8], name: &str) -> &'a [u8] {
    let elf = Elf::parse(bytes).expect("goblin reads the file");
    let found = elf
        .section_headers
        .iter()
        .find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(name));
    &bytes[found.expect(name).file_range().expect("bytes")]
}

#[test]
fn comments_name_every_tool_once() {
    let linked = program().ok();
    let view = std::fs::read(linked.link.path("x86_64.elf")).expect("view");
    for bytes in [&view, &linked.image] {
        let comment = String::from_utf8(section(bytes, ".comment").to_vec()).expect("UTF-8");
        let mut texts: Vec<_> = comment.split_terminator('\0').skip(1).collect();
        assert!(texts.iter().any(|text| text.starts_with("GCC: ")));
        let own = concat!("Linker: fatld ", env!("CARGO_PKG_VERSION"));
        assert_eq!(texts.last(), Some(&own));
        let count = texts.len();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), count, "{comment:?}");
    }
}

#[test]
fn debug_strings_are_there_once() {
    let linked = program()
        .c("second", "int second(int argument) { return argument; }")
        .c(
            "third",
            "extern int second(int argument); int third(int argument) { return second(argument); }",
        )
        .c(
            "user",
            "int third(int); int use(void) { return third(1); } int (*volatile used)(void) = use;",
        )
        .ok();
    let bytes = std::fs::read(linked.link.path("riscv64.elf")).expect("view");
    let mut strings: Vec<_> = section(&bytes, ".debug_str").split(|b| *b == 0).collect();
    strings.pop();
    let count = strings.len();
    strings.sort_unstable();
    strings.dedup();
    assert_eq!(strings.len(), count);
}

#[test]
fn what_is_to_be_stripped_is_left_out() {
    let names = |argument: &str| {
        let linked = program().arg(argument).ok();
        let bytes = std::fs::read(linked.link.path("riscv64.elf")).expect("view");
        assert_eq!(complaints(&linked.link.path("riscv64.elf")), "");
        let elf = Elf::parse(&bytes).expect("goblin reads the view");
        let headers = elf.section_headers.iter();
        let names = headers.filter_map(|s| elf.shdr_strtab.get_at(s.sh_name));
        let has = |name: &str| names.clone().any(|n| n == name);
        [has(".debug_info"), has(".symtab"), has(".text")]
    };
    assert_eq!(names("-S"), [false, true, true]);
    assert_eq!(names("--strip-all"), [false, false, true]);
}

#[test]
fn an_existing_file_is_replaced_and_a_link_to_one_gives_way() {
    let link = program();
    let (kept, image) = (link.path("kept"), link.image());
    std::fs::write(&kept, "old").expect("written");
    std::os::unix::fs::symlink("kept", &image).expect("link");
    assert!(link.run().status.success());
    assert_eq!(std::fs::read(&kept).expect("still there"), b"old");
    assert!(
        !std::fs::symlink_metadata(&image)
            .expect("there")
            .is_symlink()
    );
    let first = std::fs::read(&image).expect("image");
    assert!(link.run().status.success());
    assert!(std::fs::read(&image).expect("image") == first);
}

#[test]
fn a_link_to_something_that_is_no_regular_file_stays() {
    let link = program();
    std::os::unix::fs::symlink("/dev/zero", link.image()).expect("link");
    let said = String::from_utf8(link.run().stderr).expect("UTF-8");
    insta::assert_snapshot!(said, @"error: cannot write out.fat: it exists and is not a regular file");
    assert!(
        std::fs::symlink_metadata(link.image())
            .expect("there")
            .is_symlink()
    );
}

#[test]
fn a_refused_link_leaves_the_former_image() {
    let link = program().c("wrong", "int answer(void) { return 1; }");
    std::fs::write(link.image(), "former").expect("written");
    assert_eq!(link.run().status.code(), Some(1));
    assert_eq!(std::fs::read(link.image()).expect("there"), b"former");
}

#[test]
fn an_interrupted_link_leaves_the_former_image_or_the_new_one() {
    let link = program();
    let begin = Instant::now();
    assert!(link.run().status.success());
    let whole = begin.elapsed();
    let new = std::fs::read(link.image()).expect("image");
    let names = |link: &Link| {
        let folder = std::fs::read_dir(link.dir.path()).expect("folder");
        folder.flatten().map(|f| f.file_name()).collect::<Vec<_>>()
    };
    let (mut before, mut interrupted) = (names(&link).len(), 0);
    for step in 0..60 {
        std::fs::write(link.image(), "former").expect("written");
        let mut child = link.command().spawn().expect("fatld runs");
        std::thread::sleep(
            whole
                .mul_f64(f64::from(step) / 50.0)
                .max(Duration::from_micros(200)),
        );
        let signal = ["INT", "TERM", "KILL"][step as usize % 3];
        let mut kill = Command::new("kill");
        // It may have ended before.
        let _ = kill.args(["-s", signal, &child.id().to_string()]).output();
        interrupted += i32::from(child.wait().expect("ended").code().is_none());
        let found = std::fs::read(link.image()).expect("there");
        assert!(
            found == b"former" || found == new,
            "half a file at step {step}"
        );
        // Between a name beside the output's and its renaming only what cannot be caught ends the link.
        match signal {
            "KILL" => before = names(&link).len(),
            _ => assert_eq!(names(&link).len(), before, "{:?}", names(&link)),
        }
    }
    assert!(interrupted > 0);
}
