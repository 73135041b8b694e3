//! Debug information in other files: with them, the command says exactly what it says of files that hold it themselves;
//! without them, or with wrong ones, it says so.

mod support;

use std::process::Command;

use serde_json::Value;
use support::Scratch;

const SHARED: &str = "
    struct inner { char flag; LONG hits; };
    struct outer { struct inner in[3]; union { int i; float f; } u; unsigned bits : 3; };
    enum color { RED, GREEN = 7 };
    typedef struct { enum color color; struct outer *next; } named;
";
const FIRST: &str = "
    #include \"shared.h\"
    struct outer first[2]; static named second; named *third = &second;
    int main() { static struct inner local; return (int)(long)&local & 0; }
";
const SECOND: &str = "
    #include \"shared.h\"
    struct only { struct outer o; short s; } fourth; static named second = { GREEN, 0 }; named *fifth = &second;
";

/// Sources of a program whose types differ if `LONG` does.
fn sources(name: &str) -> Scratch {
    let scratch = Scratch::new(&format!("companions-{name}"));
    for (file, text) in [
        ("shared.h", SHARED),
        ("first.c", FIRST),
        ("second.c", SECOND),
        ("first.cc", FIRST),
        ("second.cc", SECOND),
    ] {
        write(&scratch, file, text);
    }
    scratch
}

fn write(scratch: &Scratch, file: &str, text: &str) {
    std::fs::write(scratch.path().join(file), text).expect("the file can be written");
}

fn tool(scratch: &Scratch, program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(scratch.path())
        .output()
        .unwrap_or_else(|error| panic!("{program} does not run: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

/// Compiles and links both sources by `compiler`, with objects that are called after the program.
fn program(scratch: &Scratch, compiler: &str, name: &str, long: &str, flags: &[&str]) {
    let suffix = if compiler.ends_with("++") { "cc" } else { "c" };
    let mut objects = Vec::new();
    for part in ["first", "second"] {
        let object = format!("{name}-{part}.o");
        let define = format!("-DLONG={long}");
        let source = format!("{part}.{suffix}");
        let mut arguments = vec!["-g", &define, "-c", &source, "-o", &object];
        arguments.extend(flags);
        tool(scratch, compiler, &arguments);
        objects.push(object);
    }
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let with_id = ["-Wl,--build-id", "-o", name];
    tool(scratch, compiler, &[&objects[..], &with_id].concat());
}

/// What the command says, as JSON, with the sides called `a` and `b`, and on standard error.
fn judge(scratch: &Scratch, a: &str, b: &str, more: &[&str]) -> (Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_abi-check"))
        .args([a, b, "--name=a", "--name=b", "--format=json"])
        .args(more)
        .current_dir(scratch.path())
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout);
    (
        document.unwrap_or_else(|_| panic!("no report: {said}")),
        said,
    )
}

/// A report without the examples of ways to each finding, which depend on the order of units.
fn without_ways(mut report: Value) -> Value {
    for finding in report["findings"].as_array_mut().expect("a list") {
        finding["reached"].take();
        finding["more_roots"].take();
    }
    report
}

/// With both selections: what is said of `apart` is what is said of `whole`, which has findings against `other`.
fn is_as_good_as(scratch: &Scratch, apart: &str, whole: &str, other: &str, more: &[&str]) {
    for selection in ["--root=*", "--all"] {
        let arguments = [&[selection], more].concat();
        let (expected, _) = judge(scratch, whole, other, &arguments);
        assert_eq!(expected["verdict"], "mismatch", "{expected:#}");
        let (found, said) = judge(scratch, apart, other, &arguments);
        assert_eq!(without_ways(found), without_ways(expected), "{said}");
        let (found, said) = judge(scratch, other, apart, &arguments);
        let (expected, _) = judge(scratch, other, whole, &arguments);
        assert_eq!(without_ways(found), without_ways(expected), "{said}");
        let (found, _) = judge(scratch, apart, whole, &arguments);
        let (expected, _) = judge(scratch, whole, whole, &arguments);
        assert_eq!(found["verdict"], "equal");
        assert_eq!(found["compared"], expected["compared"]);
    }
}

/// Every way of splitting that the compilers have.
fn ways() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut result = Vec::new();
    for compiler in ["gcc", "g++", "clang", "clang++"] {
        for version in ["-gdwarf-4", "-gdwarf-5"] {
            result.push((compiler, vec![version]));
            if compiler != "clang" {
                result.push((compiler, vec![version, "-fdebug-types-section"]));
            }
        }
    }
    result
}

#[test]
fn dwo_files_are_as_good_as_types_in_the_file_itself() {
    for (compiler, flags) in ways() {
        let scratch = sources(&format!("dwo-{compiler}{}", flags.join("")));
        let split = [&flags[..], &["-gsplit-dwarf"]].concat();
        program(&scratch, compiler, "whole", "long", &flags);
        program(&scratch, compiler, "other", "int", &flags);
        program(&scratch, compiler, "split", "long", &split);
        eprintln!("{compiler} {flags:?}");
        is_as_good_as(&scratch, "split", "whole", "other", &[]);
        is_as_good_as(
            &scratch,
            "split-first.o",
            "whole-first.o",
            "other-first.o",
            &[],
        );
    }
}

#[test]
fn packages_of_dwo_files_are_as_good_as_the_files() {
    // The `dwp` of binutils 2.40 does not know DWARF 5.
    for (packer, versions) in [
        ("dwp", &["-gdwarf-4"][..]),
        ("llvm-dwp", &["-gdwarf-4", "-gdwarf-5"]),
    ] {
        for (compiler, version) in ["g++", "clang++"]
            .into_iter()
            .flat_map(|compiler| versions.iter().map(move |version| (compiler, version)))
        {
            let scratch = sources(&format!("{packer}-{compiler}{version}"));
            let flags = [version, "-fdebug-types-section"];
            program(&scratch, compiler, "whole", "long", &flags);
            program(&scratch, compiler, "other", "int", &flags);
            let split = [&flags[..], &["-gsplit-dwarf"]].concat();
            program(&scratch, compiler, "split", "long", &split);
            tool(&scratch, packer, &["-e", "split", "-o", "split.dwp"]);
            for part in ["split-first.dwo", "split-second.dwo"] {
                std::fs::remove_file(scratch.path().join(part)).expect("a file");
            }
            eprintln!("{packer} {compiler} {version}");
            is_as_good_as(&scratch, "split", "whole", "other", &[]);
        }
    }
}

#[test]
fn an_object_may_hold_its_own_split_units() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let scratch = sources(&format!("single{version}"));
        program(&scratch, "clang", "whole", "long", &[version]);
        program(&scratch, "clang", "other", "int", &[version]);
        program(
            &scratch,
            "clang",
            "split",
            "long",
            &[version, "-gsplit-dwarf=single"],
        );
        is_as_good_as(
            &scratch,
            "split-first.o",
            "whole-first.o",
            "other-first.o",
            &[],
        );
        let (_, said) = judge(&scratch, "split-first.o", "whole-first.o", &[]);
        assert_eq!(said, "");
    }
}

/// Links a library by rustc.
fn rust_library(scratch: &Scratch, name: &str, long: &str, flags: &[&str]) {
    let source = format!(
        "pub enum E {{ A(u8), B({long}) }}
         #[unsafe(no_mangle)] pub static FIRST: Option<E> = None;
         #[unsafe(no_mangle)] pub static mut SECOND: [(u8, {long}); 3] = [(0, 0); 3];"
    );
    write(scratch, "app.rs", &source);
    let common = [
        "RUSTC_BOOTSTRAP=1",
        "rustc",
        "--edition=2024",
        "--crate-type=cdylib",
        "-Cdebuginfo=2",
        "-o",
        name,
        "app.rs",
    ];
    tool(scratch, "env", &[&common[..], flags].concat());
}

#[test]
fn split_units_of_rustc_are_as_good_as_whole_ones() {
    for kind in ["unpacked", "packed"] {
        for version in ["-Zdwarf-version=4", "-Zdwarf-version=5"] {
            let scratch = Scratch::new(&format!("companions-rust-{kind}{version}"));
            rust_library(&scratch, "whole", "u64", &[version]);
            rust_library(&scratch, "other", "u32", &[version]);
            let kind = format!("-Csplit-debuginfo={kind}");
            let split = [&kind, "-Zsplit-dwarf-kind=split", version];
            rust_library(&scratch, "split", "u64", &split);
            is_as_good_as(&scratch, "split", "whole", "other", &[]);
        }
    }
}

#[test]
fn split_files_in_an_archive_belong_to_its_objects() {
    let scratch = sources("archive");
    program(&scratch, "gcc", "whole", "long", &[]);
    program(&scratch, "gcc", "other", "int", &[]);
    program(&scratch, "gcc", "split", "long", &["-gsplit-dwarf"]);
    let members = [
        "split-first.o",
        "split-second.o",
        "split-first.dwo",
        "split-second.dwo",
    ];
    tool(&scratch, "ar", &[&["rc", "split.a"][..], &members].concat());
    tool(
        &scratch,
        "ar",
        &["rc", "whole.a", "whole-first.o", "whole-second.o"],
    );
    for part in ["split-first.dwo", "split-second.dwo"] {
        std::fs::remove_file(scratch.path().join(part)).expect("a file");
    }
    is_as_good_as(&scratch, "split.a", "whole.a", "other", &[]);
}

#[test]
fn a_dwo_file_of_another_compilation_is_refused_and_named() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let scratch = sources(&format!("stale{version}"));
        program(
            &scratch,
            "gcc",
            "split",
            "long",
            &["-gsplit-dwarf", version],
        );
        let object = std::fs::read(scratch.path().join("split-first.o")).expect("an object");
        program(&scratch, "gcc", "split", "int", &["-gsplit-dwarf", version]);
        std::fs::write(scratch.path().join("split-first.o"), object).expect("can be written");
        let (report, said) = judge(&scratch, "split-first.o", "split-first.o", &[]);
        assert_eq!(report["verdict"], "nothing-compared", "{report:#}");
        assert_eq!(report["unproved"][0]["reason"], "unreadable");
        let subject = report["unproved"][0]["subject"].as_str().expect("a name");
        assert!(
            subject.starts_with('/') && subject.ends_with("/split-first.dwo"),
            "{subject}"
        );
        let warning = said.lines().next().expect("a warning");
        assert!(warning.contains("split-first.dwo: is not used for split-first.o: it has unit 0x"));
        assert!(warning.contains(", expected unit 0x"), "{warning}");
    }
}

#[test]
fn dwo_files_are_looked_for_in_debug_directories() {
    let scratch = sources("moved");
    program(&scratch, "gcc", "whole", "long", &[]);
    program(&scratch, "gcc", "other", "int", &[]);
    program(&scratch, "gcc", "split", "long", &["-gsplit-dwarf"]);
    let (apart, inside) = (scratch.path().join("apart"), scratch.path().join("inside"));
    // One by its name, the other by its path.
    let folder = inside.join(scratch.path().strip_prefix("/").expect("an absolute path"));
    for folder in [&apart, &folder] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    for (part, folder) in [("split-first.dwo", &apart), ("split-second.dwo", &folder)] {
        std::fs::rename(scratch.path().join(part), folder.join(part)).expect("a file");
    }
    let options = ["--debug-directory=apart", "--debug-directory=inside"];
    is_as_good_as(&scratch, "split", "whole", "other", &options);
    let (report, _) = judge(&scratch, "split", "whole", &options[..1]);
    assert_eq!(report["verdict"], "unproved", "{report:#}");
}

/// Takes the debug information of a program out into another file.
fn strip(scratch: &Scratch, name: &str, debug: &str, link: bool) {
    tool(scratch, "objcopy", &["--only-keep-debug", name, debug]);
    tool(scratch, "strip", &["--strip-all", name]);
    if link {
        let link = format!("--add-gnu-debuglink={debug}");
        tool(scratch, "objcopy", &[&link, name]);
    }
}

#[test]
fn the_debug_file_of_a_stripped_file_is_found_beside_it_and_below_debug_directories() {
    let scratch = sources("stripped");
    for (name, flags) in [("whole", &[][..]), ("split", &["-gsplit-dwarf"])] {
        program(&scratch, "gcc", name, "long", flags);
    }
    program(&scratch, "gcc", "other", "int", &[]);
    std::fs::copy(scratch.path().join("whole"), scratch.path().join("bare")).expect("a copy");
    strip(&scratch, "bare", "bare.debug", true);
    strip(&scratch, "split", "split.debug", true);
    is_as_good_as(&scratch, "bare", "whole", "other", &[]);
    is_as_good_as(&scratch, "split", "whole", "other", &[]);
    let own = scratch.path().strip_prefix("/").expect("an absolute path");
    let mut before = scratch.path().join("bare.debug");
    for place in [
        scratch.path().join(".debug"),
        scratch.path().join("root").join(own),
    ] {
        std::fs::create_dir_all(&place).expect("a folder");
        let after = place.join("bare.debug");
        std::fs::rename(&before, &after).expect("a file");
        is_as_good_as(
            &scratch,
            "bare",
            "whole",
            "other",
            &["--debug-directory=root"],
        );
        before = after;
    }
    let (report, said) = judge(&scratch, "bare", "whole", &[]);
    assert_eq!(report["verdict"], "nothing-compared", "{report:#}");
    assert!(
        said.contains("warning: bare: its debug information is in another file"),
        "{said}"
    );
    assert!(said.contains("/usr/lib/debug/"), "{said}");
}

#[test]
fn a_debug_file_is_found_by_the_build_id_alone() {
    let scratch = sources("build-id");
    program(
        &scratch,
        "gcc",
        "whole",
        "long",
        &["-Wl,--build-id=0xabcdef12"],
    );
    let link = [
        "whole-first.o",
        "whole-second.o",
        "-Wl,--build-id=0xabcdef12",
        "-o",
        "whole",
    ];
    tool(&scratch, "gcc", &link);
    program(&scratch, "gcc", "other", "int", &[]);
    std::fs::copy(scratch.path().join("whole"), scratch.path().join("bare")).expect("a copy");
    let folder = scratch.path().join("root/.build-id/ab");
    std::fs::create_dir_all(&folder).expect("a folder");
    strip(&scratch, "bare", "root/.build-id/ab/cdef12.debug", false);
    is_as_good_as(
        &scratch,
        "bare",
        "whole",
        "other",
        &["--debug-directory=root"],
    );
}

#[test]
fn a_debug_file_of_another_build_is_refused_and_named() {
    let scratch = sources("wrong");
    program(&scratch, "gcc", "bare", "long", &[]);
    program(&scratch, "gcc", "other", "int", &[]);
    strip(&scratch, "bare", "bare.debug", true);
    std::fs::copy(
        scratch.path().join("other"),
        scratch.path().join("bare.debug"),
    )
    .expect("a copy");
    let refused = |with: &str| {
        let (report, said) = judge(&scratch, "bare", "other", &[]);
        assert_eq!(report["verdict"], "nothing-compared", "{report:#}");
        let expected = format!("warning: bare.debug: is not used for bare: its {with}");
        assert!(said.starts_with(&expected), "{said}");
        assert!(said.contains(", expected "), "{said}");
    };
    refused("build id is ");
    // Without build ids, the sum counts.
    for file in ["bare", "bare.debug"] {
        tool(
            &scratch,
            "objcopy",
            &["--remove-section=.note.gnu.build-id", file],
        );
    }
    refused("CRC-32 is 0x");
    std::fs::write(scratch.path().join("bare.debug"), "no ELF").expect("can be written");
    let (_, said) = judge(&scratch, "bare", "other", &[]);
    assert!(said.starts_with("warning: bare.debug: "), "{said}");
}

#[test]
fn what_dwz_moved_is_as_good_as_where_it_was() {
    for (name, options) in [
        ("one", &[][..]),
        ("several", &["-m", "common"]),
        ("standard", &["-5", "-m", "common"]),
    ] {
        for compiler in ["gcc", "g++"] {
            let scratch = sources(&format!("dwz-{name}-{compiler}"));
            // So much that it is worth moving.
            let members: String = (0..40).map(|at| format!("LONG member_{at};")).collect();
            let more = format!("struct large {{ {members} }};\n{SHARED}");
            write(&scratch, "shared.h", &more);
            let second = SECOND.replace("short s;", "short s; struct large l;");
            for (suffix, text) in [("c", second.as_str()), ("cc", &second)] {
                write(&scratch, &format!("second.{suffix}"), text);
                let first = format!("{FIRST} struct large of_first;");
                write(&scratch, &format!("first.{suffix}"), &first);
            }
            program(&scratch, compiler, "whole", "long", &[]);
            program(&scratch, compiler, "other", "int", &[]);
            std::fs::copy(scratch.path().join("whole"), scratch.path().join("a")).expect("a copy");
            program(&scratch, compiler, "b", "long", &["-O1"]);
            match options {
                [] => tool(&scratch, "dwz", &["a"]),
                options => tool(&scratch, "dwz", &[options, &["a", "b"]].concat()),
            }
            eprintln!("{name} {compiler}");
            is_as_good_as(&scratch, "a", "whole", "other", &[]);
            if options.is_empty() {
                continue;
            }
            std::fs::copy(scratch.path().join("other"), scratch.path().join("common"))
                .expect("a copy");
            let output = Command::new(env!("CARGO_BIN_EXE_abi-check"))
                .args(["a", "whole"])
                .current_dir(scratch.path())
                .output()
                .expect("the command runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(
                said.starts_with("warning: common: is not used for a: its build id is "),
                "{said}"
            );
            assert!(said.contains("error: a: .debug_info+0x"), "{said}");
        }
    }
}
