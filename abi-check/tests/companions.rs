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

/// With both selections: what is said of `apart` is what is said of `whole`, which has findings against `other`.
fn is_as_good_as(scratch: &Scratch, apart: &str, whole: &str, other: &str, more: &[&str]) {
    for selection in ["--root=*", "--all"] {
        let arguments = [&[selection], more].concat();
        let (expected, _) = judge(scratch, whole, other, &arguments);
        assert_eq!(expected["verdict"], "mismatch", "{expected:#}");
        let (found, said) = judge(scratch, apart, other, &arguments);
        assert_eq!(found, expected, "{said}");
        let (found, said) = judge(scratch, other, apart, &arguments);
        let (expected, _) = judge(scratch, other, whole, &arguments);
        assert_eq!(found, expected, "{said}");
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
