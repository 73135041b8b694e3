//! Damaged input: cut off at every length that matters, bits flipped at random places. It may be refused, or compared
//! and found different; it may not panic, and not take long.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use abi_check::{Definition, ObjectFile, Side};
use support::objects::{RISCV64, Target, X86_64, object};
use support::{Scratch, cc, gcc, rustc, sides};

/// More than any small object takes, even on a loaded machine without optimization.
const SLOW: Duration = Duration::from_secs(20);

/// Marsaglia's xorshift: a failing mutant is named by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

fn survives(name: &str, original: &[u8], mutant: &[u8]) {
    let start = Instant::now();
    let result = abi_check::compare(&sides(&[original, mutant]), &|_| true);
    if let Ok(report) = &result {
        assert!(!report.to_string().is_empty());
    }
    let sides = sides(&[mutant]);
    let _ = abi_check::layouts(&sides[0]);
    let wanted = ["x", "f"].map(|name| Definition {
        name,
        location: None,
    });
    let _ = abi_check::declarations(&sides[0].objects[0], &wanted);
    assert!(start.elapsed() < SLOW, "{name} took {:?}", start.elapsed());
}

/// A side whose debug information is in several files.
struct Apart {
    name: &'static str,
    files: Vec<Vec<u8>>,
}

/// Objects with split units in files, in packages and in themselves, and what `dwz` moved.
fn apart(scratch: &Scratch) -> Vec<Apart> {
    let source = "struct s { int a : 3; struct s *next; union { char c[4]; float f; } u; } x;
        enum e { A, B } y; int main() { static struct s local; return local.a; }";
    let read = |name: &str| std::fs::read(scratch.path().join(name)).expect("a file");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(scratch.path())
            .output()
            .unwrap_or_else(|error| panic!("{program} does not run: {error}"));
        assert!(output.status.success(), "{program}: {output:?}");
    };
    let mut result = Vec::new();
    for (name, version) in [
        ("split, DWARF 4", "-gdwarf-4"),
        ("split, DWARF 5", "-gdwarf-5"),
    ] {
        let flags = [version, "-gsplit-dwarf", "-fdebug-types-section"];
        let object = cc(
            "g++",
            scratch,
            "split",
            source,
            &[&flags[..], &["-xc++"]].concat(),
        );
        run("llvm-dwp", &["-o", "split.dwp", "split.dwo"]);
        for other in ["split.dwo", "split.dwp"] {
            result.push(Apart {
                name,
                files: vec![object.clone(), read(other)],
            });
        }
    }
    result.push(Apart {
        name: "single",
        files: vec![cc(
            "clang",
            scratch,
            "single",
            source,
            &["-gsplit-dwarf=single"],
        )],
    });
    let members: String = (0..40).map(|at| format!("long member_{at};")).collect();
    let large = format!("struct large {{ {members} }} large; {source}");
    std::fs::write(scratch.path().join("large.c"), large).expect("can be written");
    for (name, options) in [("dwz", &["-m"][..]), ("dwz, standard", &["-5", "-m"])] {
        for program in ["a", "b"] {
            run("gcc", &["-g", "large.c", "-o", program]);
        }
        run("dwz", &[options, &["common", "a", "b"]].concat());
        result.push(Apart {
            name,
            files: vec![read("a"), read("common")],
        });
    }
    result
}

fn side_of(files: &[Vec<u8>]) -> Side<'_> {
    let object = |data| ObjectFile {
        name: "file".to_owned(),
        data,
    };
    Side {
        name: "side".to_owned(),
        objects: files.iter().map(|data| object(data)).collect(),
    }
}

#[test]
fn damage_in_any_of_the_files_of_a_side_is_survived() {
    let scratch = Scratch::new("apart");
    for Apart { name, files } in apart(&scratch) {
        let original = [side_of(&files), side_of(&files)];
        let report = abi_check::compare(&original, &|_| true).expect("the originals are whole");
        assert!(report.compared_roots > 0, "{name}: {report}");
        for at in 0..files.len() {
            let places = interesting(&files[at]);
            for seed in 1..=400u64 {
                let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let mut mutant = files.clone();
                for _ in 0..=random.below(3) {
                    let place = places[random.below(places.len())];
                    mutant[at][place] = match random.below(2) {
                        0 => mutant[at][place] ^ (1 << random.below(8)),
                        _ => random.next() as u8,
                    };
                }
                let start = Instant::now();
                let sides = [side_of(&files), side_of(&mutant)];
                let _ = abi_check::compare(&sides, &|_| true);
                let _ = abi_check::layouts(&sides[1]);
                for object in &sides[1].objects {
                    let _ = abi_check::elsewhere(object);
                    let _ = abi_check::split_ids(object);
                }
                assert!(start.elapsed() < SLOW, "{name}, file {at}, seed {seed}");
            }
        }
    }
}

fn inputs(scratch: &Scratch) -> Vec<(&'static str, Vec<u8>)> {
    let rust = "pub struct S { pub a: u8, pub b: Option<Box<S>> } pub enum E { A(S), B(u32), C }
        #[unsafe(no_mangle)] pub static X: Option<fn(&E) -> u8> = None;
        pub trait T { fn f(&self) -> u8; } impl T for S { fn f(&self) -> u8 { self.a } }
        pub fn make() -> Box<dyn T> { Box::new(S { a: 1, b: None }) }";
    let c = "struct s { int a : 3; struct s *next; union { char c[4]; float f; } u; } x; enum e { A, B } y;
        int f(void) { static struct s local; return local.a; }";
    let written = |target| {
        object(target, |builder| {
            let number = builder.base("u64", 8, gimli::DW_ATE_unsigned);
            let record = builder.record("S", 16, &[("a", number, 0), ("b", number, 8)]);
            let pointer = builder.pointer(record);
            builder.variable("X", pointer);
        })
    };
    vec![
        (
            "rust, DWARF 4",
            rustc(scratch, "rust4", rust, &["-Cdwarf-version=4"]).0,
        ),
        (
            "rust, DWARF 5",
            rustc(scratch, "rust5", rust, &["-Cdwarf-version=5"]).0,
        ),
        ("C", gcc(scratch, "c", c, &[])),
        ("C, compressed", gcc(scratch, "z", c, &["-gz"])),
        ("written for riscv64", written(RISCV64)),
        (
            "written for x86_64, DWARF 5",
            written(Target {
                version: 5,
                ..X86_64
            }),
        ),
    ]
}

/// Bytes of the sections that are read, so that few mutants hit code.
fn interesting(data: &[u8]) -> Vec<usize> {
    use object::{Object, ObjectSection};
    let file = object::File::parse(data).expect("the original can be read");
    let ranges = file
        .sections()
        .filter(|section| section.name().is_ok_and(|name| name.contains("debug")));
    let mut all: Vec<usize> = ranges
        .filter_map(|section| section.file_range())
        .flat_map(|(start, size)| start as usize..(start + size) as usize)
        .collect();
    // The headers: ELF's own, and those of the sections.
    all.extend(0..64);
    all.extend(data.len().saturating_sub(1024)..data.len());
    all
}

#[test]
fn flipped_bits_are_survived() {
    let scratch = Scratch::new("flips");
    for (name, original) in inputs(&scratch) {
        let places = interesting(&original);
        for seed in 1..=500u64 {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut mutant = original.clone();
            for _ in 0..=random.below(3) {
                let at = places[random.below(places.len())];
                mutant[at] = match random.below(3) {
                    0 => mutant[at] ^ (1 << random.below(8)),
                    1 => [0, 0x7f, 0x80, 0xff][random.below(4)],
                    _ => random.next() as u8,
                };
            }
            survives(&format!("{name}, seed {seed}"), &original, &mutant);
        }
    }
}

#[test]
fn cut_off_files_are_survived() {
    let scratch = Scratch::new("cuts");
    for (name, original) in inputs(&scratch) {
        for part in 0..200 {
            let length = original.len() * part / 200;
            survives(
                &format!("{name}, {length} bytes"),
                &original,
                &original[..length],
            );
        }
    }
}
