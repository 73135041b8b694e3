//! The command line: what arguments mean together, and what is refused.

use super::*;

fn parse(line: &str) -> Result<Command, String> {
    Command::parse(line.split_whitespace().map(OsString::from)).map_err(|e| e.to_string())
}

fn options(line: &str) -> Options {
    match parse(line) {
        Ok(Command::Link(options)) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str) -> String {
    match parse(line) {
        Err(said) => said,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn inputs_belong_to_the_slice_before_them() {
    let options = options("-o out --slice x86_64 a.o b.o --slice=riscv64 c.o -Map=m");
    let inputs: Vec<_> = options.slices.iter().map(|s| s.inputs.len()).collect();
    assert_eq!(inputs, [2, 1]);
    assert_eq!(options.map, Some("m".into()));
    assert!(!options.is_plain());
}

#[test]
fn without_slices_all_inputs_are_of_one_isa_yet_unknown() {
    let options = options("-static a.o b.o -o out --gc-sections -e main");
    assert!(options.is_plain() && options.slices[0].isa.is_none() && options.gc_sections);
    assert_eq!(
        (options.entry.as_str(), options.image_base),
        ("main", 0x20_0000)
    );
}

#[test]
fn what_holds_by_default_depends_on_the_number_of_slices() {
    let (plain, fat) = (
        options("a.o -o out"),
        options("-o out --slice x86_64 a.o --slice riscv64 b.o"),
    );
    assert_eq!((plain.gc_sections, plain.image_base), (false, 0x20_0000));
    assert_eq!((fat.gc_sections, fat.image_base), (true, 0x1_0000_0000));
}

#[test]
fn values_follow_short_names_at_once_and_long_ones_by_equals_or_in_the_next_argument() {
    for line in [
        "a.o -oout -emain -uf -znow -O1",
        "a.o --output=out --entry=main --undefined=f -z now -O 1",
        "a.o -output out -entry main -undefined f -z now -O2",
    ] {
        let options = options(line);
        assert_eq!(options.output, PathBuf::from("out"));
        assert_eq!(
            (options.entry, options.undefined),
            ("main".into(), vec!["f".into()])
        );
    }
}

#[test]
fn rustc_may_name_its_flavor_first() {
    assert!(options("-flavor gnu a.o -o out").is_plain());
    assert_eq!(refused("-flavor link a.o"), "error: -flavor: expected gnu");
}

#[test]
fn the_line_that_rustc_writes_is_taken() {
    let line = "-flavor gnu a.o --as-needed -Bstatic libcore.rlib -L dir -Bdynamic --eh-frame-hdr -z noexecstack -o out \
         --gc-sections -z relro -z now -O1";
    let options = options(line);
    assert_eq!(options.slices[0].library_paths, [PathBuf::from("dir")]);
    assert!(options.eh_frame_header);
}

#[test]
fn unknown_arguments_are_refused_all_of_them_with_what_was_meant() {
    assert_eq!(
        refused("-o x a.o --fast --gc-section --not-a-thing=1 -z nowt"),
        "error: -z: unknown keyword 'nowt', did you mean 'now'\n\
             error: unknown argument '--fast'\n\
             error: unknown argument '--gc-section', did you mean '--gc-sections'\n\
             error: unknown argument '--not-a-thing=1'"
    );
}

#[test]
fn what_other_linkers_know_is_refused_with_the_reason() {
    for (line, said) in [
        (
            "-pie",
            "-pie: position-independent executables are not supported",
        ),
        ("-shared", "-shared: shared libraries are not supported"),
        ("-r", "-r: relocatable output is not supported"),
        ("-T x.ld", "-T: linker scripts are not supported"),
        (
            "--hash-style=gnu",
            "--hash-style: there is no dynamic symbol table",
        ),
        (
            "--build-id=sha1",
            "--build-id: only 'none' is supported, found 'sha1'",
        ),
        (
            "-z execstack",
            "-z execstack: an executable stack is not supported",
        ),
        (
            "-z max-page-size=65536",
            "-z max-page-size: only 4096 is supported, found 65536",
        ),
        ("--gc-sections=yes", "--gc-sections: takes no value"),
        ("-z now=1", "-z now: takes no value"),
        ("-z max-page-size", "-z max-page-size=4096: missing value"),
        ("--entry", "--entry: missing value"),
        ("-O9", "-O: expected 0 or 1 or 2 or 3, found '9'"),
        ("--threads=0", "--threads: expected at least one thread"),
        (
            "--slice vax",
            "--slice: input a.o stands before the first --slice",
        ),
        (
            "--image-base=0xfffffffffffff000",
            "--image-base: address 0xfffffffffffff000 is not below 0x200000000000000",
        ),
        (
            "--image-base=0x123",
            "--image-base: address 0x123 is not a multiple of 0x1000",
        ),
        ("--defsym a", "--defsym: expected NAME=VALUE, found 'a'"),
        (
            "--defsym a=b+1",
            "--defsym: expected a number or a symbol, found 'b+1'",
        ),
        ("--defsym a=1k", "--defsym: expected a number, found '1k'"),
    ] {
        assert_eq!(
            refused(&format!("-o x a.o {line}")),
            format!("error: {said}")
        );
    }
}

#[test]
fn slices_are_known_and_have_inputs() {
    let said = refused("--slice vax");
    assert!(
        said.starts_with("error: --slice: unknown ISA 'vax', known are "),
        "{said}"
    );
    assert_eq!(
        refused("-o x --slice x86_64"),
        "error: --slice x86_64: no inputs"
    );
    assert_eq!(
        refused("--slice x86_64 a.o --slice x86_64"),
        "error: --slice: x86_64 is given twice"
    );
    assert_eq!(
        refused("-o x a.o --view=x86_64=v"),
        "error: --view x86_64: there is no such slice"
    );
}

#[test]
fn an_emulation_names_the_isa_and_must_fit_the_slice() {
    assert_eq!(
        options("-m elf_x86_64 a.o -o x").slices[0]
            .isa
            .map(|i| i.name()),
        Some("x86_64")
    );
    assert_eq!(
        refused("-o x --slice x86_64 -melf64lriscv a.o"),
        "error: -m: elf64lriscv is riscv64, but the slice is x86_64"
    );
}

#[test]
fn what_holds_for_inputs_ends_with_the_slice() {
    let options = options(
        "-o x -L all --slice x86_64 --whole-archive a.a -L own -lm --slice riscv64 b.a --start-lib c.o --end-lib d.o",
    );
    let how = |slice: usize| -> Vec<_> {
        let inputs = options.slices[slice].inputs.iter();
        inputs.map(|i| (i.whole_archive, i.lazy)).collect()
    };
    assert_eq!(how(0), [(true, false), (true, false)]);
    assert_eq!(how(1), [(false, false), (false, true), (false, false)]);
    assert_eq!(
        options.slices[0].library_paths,
        ["own", "all"].map(PathBuf::from)
    );
    assert_eq!(options.slices[1].library_paths, ["all"].map(PathBuf::from));
}

#[test]
fn groups_and_libraries_begin_and_end() {
    for (line, said) in [
        ("--start-group a.a", "--start-group: --end-group is missing"),
        ("-( a.a", "--start-group: --end-group is missing"),
        ("-( -( a.a -)", "-(: --end-group is missing before it"),
        (
            "a.a --end-group",
            "--end-group: --start-group is missing before it",
        ),
        ("--start-lib a.o", "--start-lib: --end-lib is missing"),
        (
            "a.o --end-lib",
            "--end-lib: --start-lib is missing before it",
        ),
        (
            "-( --start-lib a.o",
            "--start-lib: may not stand in a group",
        ),
    ] {
        let all = refused(&format!("-o x {line}"));
        assert_eq!(all, format!("error: {said}"), "{line}");
    }
    assert_eq!(
        refused("-o x --slice x86_64 -( a.a --slice riscv64 -) b.a"),
        "error: -): --start-group is missing before it\n\
         error: --slice: --start-group: --end-group is missing"
    );
}

#[test]
fn the_version_alone_is_printed_and_beside_inputs_the_link_goes_on() {
    assert!(matches!(parse("-v"), Ok(Command::Print(_))));
    assert!(options("-v a.o -o x").verbose);
    assert!(matches!(parse("--version a.o"), Ok(Command::Print(_))));
    assert!(matches!(parse("--help"), Ok(Command::Print(_))));
}

#[test]
fn every_name_stands_once_in_the_table() {
    let mut names: Vec<_> = flags::FLAGS.iter().flat_map(|flag| flag.names).collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn the_documentation_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/command-line.md");
    if std::env::var_os("FATLD_WRITE_DOCS").is_some() {
        std::fs::write(path, help::page()).expect("written");
    }
    let page = std::fs::read_to_string(path).expect("docs/command-line.md");
    assert_eq!(
        page,
        help::page(),
        "FATLD_WRITE_DOCS=1 cargo test -p fatld --lib documentation"
    );
}
