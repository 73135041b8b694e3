//! `cargo abi-check`: a crate built for two targets and compared.

mod support;

use support::{Scratch, cargo_abi_check, said};

/// A CPU whose cache lines are longer gets a wider type, as crates for one machine at a time do it.
const SOURCE: &str = r#"
#![no_std]
#[cfg_attr(any(target_arch = "x86_64", feature = "fixed"), repr(C, align(128)))]
#[cfg_attr(not(any(target_arch = "x86_64", feature = "fixed")), repr(C, align(64)))]
pub struct Padded(pub u32);
pub struct Ring { pub head: Padded, pub tail: Padded, pub slots: [u64; 4] }
pub fn fill(ring: &Ring) -> u32 { ring.head.0 - ring.tail.0 }
pub static EMPTY: Ring = Ring { head: Padded(0), tail: Padded(0), slots: [0; 4] };
"#;

fn package(scratch: &Scratch) {
    let write = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"ring-buffer\"\nedition = \"2024\"\n[features]\nfixed = []\n[workspace]\n",
    );
    write("src/lib.rs", SOURCE);
    write(
        "tool/Cargo.toml",
        "[package]\nname = \"tool\"\nedition = \"2024\"\n[workspace]\n",
    );
    write("tool/src/main.rs", "fn main() {}");
}

fn run(scratch: &Scratch, folder: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = cargo_abi_check();
    said(
        command
            .args(arguments)
            .current_dir(scratch.path().join(folder)),
    )
}

#[test]
fn a_crate_is_built_for_each_target_and_compared() {
    let scratch = Scratch::new("cargo");
    package(&scratch);
    let targets = [
        "--targets",
        "x86_64-unknown-linux-gnu,riscv64imac-unknown-none-elf",
    ];
    let (status, text) = run(&scratch, ".", &targets);
    assert_eq!(status, 1, "{text}");
    let expected = [
        "x86_64-unknown-linux-gnu, riscv64imac-unknown-none-elf",
        "alignment",
        "ring_buffer::Padded",
        "ring_buffer::Ring",
    ];
    for expected in expected {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let (status, text) = run(&scratch, ".", &[targets[0], targets[1], "-F", "fixed"]);
    assert_eq!(status, 0, "{text}");
    let only = [targets[0], targets[1], "--", "--type", "*Nothing"];
    let (status, text) = run(&scratch, ".", &only);
    assert!(
        status == 2 && text.contains("--type *Nothing: nothing matches"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_built_is_said() {
    let scratch = Scratch::new("cargo-errors");
    package(&scratch);
    let both = "x86_64-unknown-linux-gnu,nowhere-unknown-none";
    for (folder, arguments, expected) in [
        (
            ".",
            ["--targets", "a,a"].as_slice(),
            "expected two different targets",
        ),
        (
            ".",
            &["--targets", both],
            "rustc does not know the target nowhere-unknown-none",
        ),
        (
            ".",
            &["--targets", both, "-p", "other"],
            "package other is not in the workspace, which has ring-buffer",
        ),
        ("tool", &["--targets", both], "package tool has no library"),
        (
            ".",
            &[
                "--targets",
                "x86_64-unknown-linux-gnu,x86_64-unknown-none",
                "-F",
                "wrong",
            ],
            "could not be built for",
        ),
        (".", &[], "--targets"),
    ] {
        let (status, text) = run(&scratch, folder, arguments);
        assert!(
            status == 3 && text.contains(expected),
            "{expected}: {status}: {text}"
        );
    }
}
