//! Types of well-known crates, built for two ISAs: those that differ are found with the right reason, the others are proved.

mod support;

use support::{cargo_abi_check, said};

/// Compares the types of the fixture whose names match.
fn compare(types: &[&str]) -> (i32, String) {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/crates/Cargo.toml"
    );
    let targets = "x86_64-unknown-linux-gnu,riscv64imac-unknown-none-elf";
    let mut command = cargo_abi_check();
    command.args(["--manifest-path", fixture, "--targets", targets, "--"]);
    said(command.args(types.iter().flat_map(|glob| ["--type", glob])))
}

#[test]
fn what_depends_on_the_cpu_is_found_with_its_reason() {
    for (glob, expected) in [
        (
            "crates::Letter",
            [
                "error[AC0009]: field `letter` of `crates::Letter` is not encoded alike",
                "hint: the sign of `c_char` is the target's choice",
            ]
            .as_slice(),
        ),
        (
            "crossbeam_utils::*",
            &[
                "error[AC0002]: `crossbeam_utils::cache_padded::CachePadded<",
                "reason: crossbeam aligns it to what the CPU's cache prefers",
                "alignment 128",
                "alignment 64",
            ],
        ),
        (
            "memchr::memmem::Finder",
            &[
                "error[AC0004]: field `avx2` of `memchr::memmem::searcher::SearcherKind`",
                "reason: the searcher and its state are chosen by the vector instructions",
            ],
        ),
        (
            "hashbrown::map::Iter*",
            &["field `__0` of `hashbrown::control::bitmask::BitMask` has not the same type"],
        ),
    ] {
        let (status, text) = compare(&[glob]);
        assert_eq!(status, 1, "{glob}: {text}");
        for expected in expected {
            assert!(text.contains(expected), "{glob}: {expected}: {text}");
        }
    }
}

#[test]
fn a_map_of_equal_layout_is_warned_of_where_groups_are_not_as_wide() {
    let (status, text) = compare(&["hashbrown::map::HashMap*"]);
    assert_eq!(status, 0, "{text}");
    for expected in [
        "warning[AC0019]: `hashbrown::raw::RawTableInner`",
        "groups of 16 bytes",
        "one machine word",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn what_does_not_depend_on_the_cpu_is_proved() {
    for globs in [
        ["smoltcp::*"].as_slice(),
        &["heapless::*"],
        &["spin::*"],
        &[
            "alloc::collections::*",
            "alloc::sync::*",
            "alloc::string::*",
            "alloc::vec::*",
        ],
    ] {
        let (status, text) = compare(globs);
        assert_eq!(status, 0, "{globs:?}: {text}");
        assert!(text.contains("all proved equal"), "{globs:?}: {text}");
    }
}
