//! Debug information that is in another file: what cannot be read is named, and never equal.

mod support;

use std::process::Command;

use abi_check::{Reason, Verdict};
use support::{Scratch, cc, compare, gcc, sides};

const SOURCE: &str = "struct s { int a; long b; }; struct s one, two;";

#[test]
fn a_missing_dwo_file_is_unproved_and_named() {
    for compiler in ["gcc", "clang"] {
        for version in ["-gdwarf-4", "-gdwarf-5"] {
            let scratch = Scratch::new(&format!("split-{compiler}{version}"));
            let flags = ["-gsplit-dwarf", version];
            let split = cc(compiler, &scratch, "split", SOURCE, &flags);
            let plain = gcc(&scratch, "plain", SOURCE, &[version]);
            for [a, b] in [[&split, &split], [&plain, &split], [&split, &plain]] {
                let report = compare(&[a, b]);
                let verdict = report.verdict();
                assert_eq!(verdict, Verdict::NothingCompared, "{flags:?}: {report}");
                let named = report.unproved.iter().any(|unproved| {
                    matches!(unproved.reason, Reason::Unreadable(_))
                        && unproved.subject.ends_with("split.dwo")
                });
                assert!(named, "{compiler} {flags:?}: {report}");
            }
        }
    }
}

#[test]
fn what_dwz_moved_to_another_file_is_an_error_that_names_the_file_that_lacks_it() {
    let scratch = Scratch::new("dwz_common");
    let members: String = (0..40).map(|at| format!("long member_{at};")).collect();
    for name in ["a", "b"] {
        let path = scratch.path().join(format!("{name}.c"));
        let source = format!("struct shared {{ {members} }}; struct shared variable;");
        std::fs::write(path, source).expect("the source can be written");
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program)
                .args(arguments)
                .current_dir(scratch.path())
                .output()
                .unwrap_or_else(|error| panic!("{program} does not run: {error}"));
            assert!(output.status.success(), "{program}: {output:?}");
        };
        let source = format!("{name}.c");
        run("gcc", &["-g", "-shared", "-fPIC", &source, "-o", name]);
        if name == "b" {
            run("dwz", &["-m", "common", "a", "b"]);
        }
    }
    let read = |name: &str| std::fs::read(scratch.path().join(name)).expect("dwz wrote the file");
    let (a, b) = (read("a"), read("b"));
    let error = abi_check::compare(&sides(&[&a, &b]), &|_| true)
        .expect_err("the types are in another file")
        .to_string();
    assert!(error.starts_with("a.o: .debug_info+0x"), "{error}");
    assert!(error.contains("supplementary file"), "{error}");
}
