//! Inputs that are cut short or no objects at all are refused by name. `cargo xtask fuzz link` damages them at random.

mod common;

use std::path::{Path, PathBuf};

use common::{Link, start};

const PROGRAM: &str = r#"
    static const char text[] = "text"; const char *volatile strings[] = { "a", "b", text };
    static int twice(int x) { return 2 * x; }
    int (*const table[])(int) = { twice };
    int counter = 5; int zeros[10];
    int answer(void) { return table[0](zeros[1] + counter) + strings[1][0]; }
"#;

struct Fixture {
    link: Link,
    objects: [PathBuf; 2],
    start: [PathBuf; 2],
}

impl Fixture {
    fn new() -> Self {
        let link = Link::new();
        let objects = [0, 1].map(|slice| link.compile(slice, "main", PROGRAM, &[]));
        let start = [0, 1].map(|slice| link.compile(slice, "start", &start(), &[]));
        Self {
            link,
            objects,
            start,
        }
    }

    /// Links with one input of a slice replaced; returns the message of a refusal.
    fn link(&self, slice: usize, damaged: &Path) -> Option<String> {
        let mut arguments = vec!["-o".into(), self.link.path("out").into_os_string()];
        for (at, isa) in ["x86_64", "riscv64"].iter().enumerate() {
            let main = if at == slice {
                damaged
            } else {
                &self.objects[at]
            };
            arguments.extend([
                "--slice".into(),
                (*isa).into(),
                main.into(),
                self.start[at].clone().into_os_string(),
            ]);
        }
        arguments.extend([
            "--view".into(),
            format!("x86_64={}", self.link.path("view").display()).into(),
        ]);
        fatld::link(arguments).err().map(|e| e.to_string())
    }
}

#[test]
fn every_truncation_is_refused_by_name() {
    let fixture = Fixture::new();
    let damaged = fixture.link.path("damaged.o");
    for slice in 0..2 {
        let whole = std::fs::read(&fixture.objects[slice]).expect("object");
        for len in (0..64).chain((64..whole.len() - 1).step_by(97)) {
            std::fs::write(&damaged, &whole[..len]).expect("written");
            let said = fixture
                .link(slice, &damaged)
                .unwrap_or_else(|| panic!("{len} bytes were linked"));
            assert!(said.contains("damaged.o"), "{len} bytes: {said}");
        }
    }
}

#[test]
fn garbage_and_empty_files_are_refused_by_name() {
    let fixture = Fixture::new();
    let damaged = fixture.link.path("damaged.o");
    for bytes in [
        b"".as_slice(),
        b"hello",
        b"!<arch>\n",
        b"!<arch>\ngarbage that is no member header at all, long enough for one",
        b"\x7fELF",
    ] {
        std::fs::write(&damaged, bytes).expect("written");
        match fixture.link(0, &damaged) {
            Some(said) => assert!(
                said.contains("damaged.o") || said.contains("undefined symbol"),
                "{said}"
            ),
            None => panic!("{bytes:?} was linked"),
        }
    }
}
