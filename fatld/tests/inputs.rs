//! Which objects and archive members take part: in the same order as lld takes them in, or refused by name.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::Link;

/// A folder with objects of one ISA, one per function.
struct Folder(Link);

const SOURCES: &[(&str, &str)] = &[
    (
        "start",
        "int f(void); int _start(void); int _start(void) { return f(); }",
    ),
    (
        "f",
        "int g(void); int f(void); int f(void) { return g() + 1; }",
    ),
    ("g", "int g(void); int g(void) { return 2; }"),
    // Needs what an earlier archive defines.
    (
        "back",
        "int f(void); int g(void); int back(void); int back(void) { return f() + g(); }",
    ),
    (
        "weak",
        "int back(void) __attribute__((weak)); int f(void); int f(void) { return back ? back() : 0; }",
    ),
    ("h", "int h; int also(void); int also(void) { return h; }"),
    (
        "common",
        "int shared[3] __attribute__((common)); int _start(void); int _start(void) { return shared[0]; }",
    ),
];

impl Folder {
    fn new() -> Self {
        let link = Link::plain("x86_64");
        for (name, source) in SOURCES {
            let object = link.compile(0, name, source, &[]);
            std::fs::rename(object, link.path(&format!("{name}.o"))).expect("moved");
        }
        Self(link)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn run(&self, program: &Path, arguments: &str) -> Output {
        let output = Command::new(program)
            .args(arguments.split_whitespace())
            .current_dir(self.0.dir.path())
            .output();
        output.unwrap_or_else(|e| panic!("{} is needed: {e}", program.display()))
    }

    /// Makes an archive.
    fn archive(self, arguments: &str) -> Self {
        let output = self.run(Path::new("ar"), arguments);
        assert!(output.status.success(), "{output:?}");
        self
    }

    fn fatld(&self, arguments: &str) -> Output {
        self.run(Path::new(env!("CARGO_BIN_EXE_fatld")), arguments)
    }

    /// What `-t` says of a link: by us and, in the same words, by lld.
    fn taken(&self, arguments: &str) -> String {
        let arguments = format!("-t {arguments} -o out");
        let ours = self.fatld(&arguments);
        let theirs = self.run(&testsuite::rust_lld(), &format!("-flavor gnu {arguments}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(ours.status.success(), "{}", text(&ours.stderr));
        assert!(theirs.status.success(), "{}", text(&theirs.stderr));
        assert_eq!(text(&ours.stdout), text(&theirs.stdout), "ours and lld's");
        text(&ours.stdout).replace('\n', " ").trim_end().to_owned()
    }

    /// What is said of a link that is refused.
    fn refused(&self, arguments: &str) -> String {
        // Left by an earlier link of the test.
        let _ = std::fs::remove_file(self.path("out"));
        let output = self.fatld(&format!("{arguments} -o out"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_ne!(output.status.code(), Some(0), "{said}");
        assert!(!self.path("out").exists(), "an output was left behind");
        said.trim_end().to_owned()
    }
}

#[test]
fn members_are_taken_when_something_needs_them() {
    let folder = Folder::new().archive("rc all.a back.o g.o f.o h.o");
    assert_eq!(
        folder.taken("start.o all.a"),
        "start.o all.a(f.o) all.a(g.o)"
    );
}

#[test]
fn what_a_member_needs_comes_before_what_the_object_needs_next() {
    let folder = Folder::new().archive("rc all.a g.o f.o back.o");
    assert_eq!(
        folder.taken("-u back start.o all.a"),
        "start.o all.a(f.o) all.a(g.o) all.a(back.o)"
    );
}

#[test]
fn archives_are_searched_regardless_of_their_order_in_groups_or_not() {
    let folder = Folder::new()
        .archive("rc one.a f.o")
        .archive("rc two.a back.o g.o");
    let plain = folder.taken("one.a two.a start.o");
    assert_eq!(
        plain,
        folder.taken("--start-group one.a two.a --end-group start.o")
    );
    assert_eq!(plain, folder.taken("-( one.a two.a -) start.o"));
}

#[test]
fn the_first_archive_that_defines_a_name_wins() {
    let folder = Folder::new()
        .archive("rc one.a g.o")
        .archive("rc two.a g.o");
    assert_eq!(
        folder.taken("start.o f.o one.a two.a"),
        "start.o f.o one.a(g.o)"
    );
}

#[test]
fn weak_references_take_nothing() {
    let folder = Folder::new().archive("rc all.a back.o g.o");
    assert_eq!(folder.taken("start.o weak.o all.a"), "start.o weak.o");
}

#[test]
fn an_entry_is_taken_from_an_archive_last() {
    let folder = Folder::new().archive("rc all.a start.o f.o g.o back.o");
    assert_eq!(
        folder.taken("h.o -u back all.a"),
        "h.o all.a(back.o) all.a(f.o) all.a(g.o) all.a(start.o)"
    );
}

#[test]
fn whole_archives_are_taken_until_told_otherwise() {
    let folder = Folder::new()
        .archive("rc one.a f.o h.o")
        .archive("rc two.a back.o g.o");
    assert_eq!(
        folder.taken("start.o --whole-archive one.a --no-whole-archive two.a"),
        "start.o one.a(f.o) one.a(h.o) two.a(g.o)"
    );
}

#[test]
fn objects_between_start_lib_and_end_lib_are_like_members() {
    let folder = Folder::new();
    assert_eq!(
        folder.taken("start.o --start-lib back.o f.o g.o --end-lib h.o"),
        "start.o f.o g.o h.o"
    );
    assert_eq!(
        folder.taken("start.o --whole-archive --start-lib back.o f.o g.o --end-lib"),
        "start.o f.o g.o"
    );
}

#[test]
fn an_archive_without_symbol_table_is_read_itself() {
    let folder = Folder::new().archive("rcS all.a back.o g.o f.o h.o");
    assert_eq!(
        folder.taken("start.o all.a"),
        "start.o all.a(f.o) all.a(g.o)"
    );
}

#[test]
fn members_of_a_thin_archive_are_files_beside_it() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("lib")).expect("folder");
    std::fs::rename(folder.path("f.o"), folder.path("lib/f.o")).expect("moved");
    let folder = folder.archive("rcT lib/all.a lib/f.o g.o back.o");
    assert_eq!(
        folder.taken("start.o lib/all.a"),
        "start.o lib/all.a(f.o) lib/all.a(../g.o)"
    );
}

#[test]
fn a_missing_file_of_a_thin_archive_matters_only_if_it_is_needed() {
    let folder = Folder::new().archive("rcT all.a f.o g.o back.o");
    std::fs::remove_file(folder.path("back.o")).expect("removed");
    assert!(folder.fatld("start.o all.a -o out").status.success());
    std::fs::remove_file(folder.path("g.o")).expect("removed");
    assert_eq!(
        folder.refused("start.o all.a"),
        "error: cannot open g.o: No such file or directory (os error 2)"
    );
}

#[test]
fn members_that_nothing_needs_are_not_read() {
    let folder = Folder::new().archive("rc all.a f.o g.o back.o");
    let mut bytes = std::fs::read(folder.path("all.a")).expect("archive");
    let back = std::fs::read(folder.path("back.o")).expect("object");
    let at = bytes
        .windows(back.len())
        .position(|w| w == back)
        .expect("the member");
    bytes[at..at + back.len()].fill(0xff);
    std::fs::write(folder.path("all.a"), bytes).expect("written");
    assert!(folder.fatld("start.o all.a -o out").status.success());
    assert_eq!(
        folder.refused("start.o all.a -u back"),
        "error: all.a(back.o):(ELF header+0x0): expected an ELF object, an archive or an rlib"
    );
}

#[test]
fn an_archive_in_an_archive_is_refused() {
    let folder = Folder::new()
        .archive("rc inner.a g.o")
        .archive("rc outer.a inner.a f.o");
    assert_eq!(
        folder.refused("start.o outer.a"),
        "error: outer.a:(archive+0x4e): expected an object, found the archive inner.a in an archive"
    );
}

#[test]
fn a_symbol_table_that_names_no_member_is_refused() {
    let folder = Folder::new().archive("rc all.a f.o g.o");
    let mut bytes = std::fs::read(folder.path("all.a")).expect("archive");
    // The first offset of the symbol table, behind the archive's magic, a header and the number of symbols.
    bytes[8 + 60 + 4 + 3] ^= 2;
    std::fs::write(folder.path("all.a"), bytes).expect("written");
    let said = folder.refused("start.o all.a");
    assert!(
        said.starts_with(
            "error: all.a:(archive symbol table+0x0): expected a member that defines f"
        ),
        "{said}"
    );
}

#[test]
fn an_rlib_s_metadata_is_no_object() {
    let folder = Folder::new();
    std::fs::write(folder.path("lib.rmeta"), "rust metadata").expect("written");
    let folder = folder
        .archive("rc all.rlib lib.rmeta f.o g.o")
        .archive("rc odd.a f.o g.o lib.rmeta");
    assert_eq!(
        folder.taken("start.o all.rlib"),
        "start.o all.rlib(f.o) all.rlib(g.o)"
    );
    assert!(
        folder
            .fatld("start.o --whole-archive all.rlib -o out")
            .status
            .success()
    );
    let said = folder.refused("start.o --whole-archive odd.a");
    assert!(said.contains("odd.a(lib.rmeta)"), "{said}");
}

#[test]
fn libraries_are_looked_for_in_the_folders_in_order() {
    let folder = Folder::new();
    for name in ["one", "two"] {
        std::fs::create_dir(folder.path(name)).expect("folder");
    }
    let folder = folder
        .archive("rc two/libf.a f.o")
        .archive("rc one/libg.a g.o")
        .archive("rc two/libg.a g.o");
    assert_eq!(
        folder.taken("start.o -lf -l:libg.a -Lone -L two"),
        "start.o two/libf.a(f.o) one/libg.a(g.o)"
    );
    assert_eq!(
        folder.refused("start.o -Lone -Ltwo -lnone"),
        "error: unable to find library -lnone\n>>> looked for one/libnone.a\n>>> looked for two/libnone.a"
    );
    assert_eq!(
        folder.refused("start.o -lf"),
        "error: unable to find library -lf\n>>> no folder to look for libf.a in: -L names one"
    );
}

#[test]
fn response_files_hold_arguments() {
    let folder = Folder::new();
    std::fs::write(folder.path("inner"), "'g.o'").expect("written");
    std::fs::write(folder.path("outer"), "start.o \"f.o\"\n@inner").expect("written");
    let output = folder.fatld("@outer -t -o out");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "start.o\nf.o\ng.o\n"
    );
    assert_eq!(
        folder.refused("@nowhere"),
        "error: cannot open nowhere: No such file or directory (os error 2)"
    );
    std::fs::write(folder.path("itself"), "@itself").expect("written");
    assert_eq!(
        folder.refused("@itself"),
        "error: response files nest more than 8 deep at itself"
    );
}

#[test]
fn a_file_named_twice_defines_everything_twice() {
    let said = Folder::new().refused("start.o f.o g.o g.o");
    assert!(said.starts_with("error: duplicate symbol: g"), "{said}");
}

#[test]
fn a_needed_name_that_nothing_defines_is_no_error_unless_something_refers_to_it() {
    let folder = Folder::new();
    assert_eq!(
        folder.taken("start.o f.o g.o -u nowhere"),
        "start.o f.o g.o"
    );
}

#[test]
fn the_isa_is_the_first_object_s_be_it_in_an_archive() {
    let folder = Folder::new().archive("rc all.a start.o f.o g.o");
    assert!(folder.fatld("all.a -o out").status.success());
    let said = folder.refused("-m elf64lriscv all.a");
    assert!(
        said.contains("all.a(start.o)") && said.contains("expected an object of riscv64"),
        "{said}"
    );
}
