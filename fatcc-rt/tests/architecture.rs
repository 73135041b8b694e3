//! Rules of this crate that the compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};

/// Path below `src` and text of every source file.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(files.len() > 20);
    files
}

#[test]
fn only_arch_asks_for_the_instruction_set() {
    for (path, text) in sources() {
        let asks = text
            .lines()
            .any(|line| line.contains("target_arch") && !line.trim_start().starts_with("//"));
        assert_eq!(asks, path == Path::new("arch/mod.rs"), "{}", path.display());
        let has_assembly = text.contains("asm!(");
        assert!(
            !has_assembly || path.starts_with("arch"),
            "{}",
            path.display()
        );
    }
}

/// A static under the same name on two ISAs would be paired and have to be equal.
#[test]
fn statics_of_an_isa_carry_its_name() {
    for (path, text) in sources() {
        let prefix = match path.iter().nth(1) {
            Some(isa) if isa == "x86_64" => "X86_64_",
            Some(isa) if isa == "riscv64" => "RISCV64_",
            _ => continue,
        };
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("static ") {
                assert!(name.starts_with(prefix), "{}: {line}", path.display());
            }
        }
    }
}

/// Code that is called through pointers must be there on every ISA, and a trait's implementation is what `dyn` calls.
#[test]
fn types_of_an_isa_are_not_formatted() {
    for (path, text) in sources() {
        let of_isa = path.starts_with("arch/x86_64") || path.starts_with("arch/riscv64");
        let formats =
            text.contains("fmt::") || text.contains("derive(Debug") || text.contains("dyn ");
        assert!(!of_isa || !formats, "{}", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{}", path.display());
        assert!(text.lines().count() < 600, "{}", path.display());
    }
}
