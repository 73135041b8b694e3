//! One thing that differs on one ISA makes `cargo fat build` fail with a message that names it.

use testsuite::{built, fat_build, images};

/// Builds with a feature, which must be refused with these words, and leaves no image.
fn refused(feature: &str, words: &[&str]) {
    let image = images().join("flip.fat");
    let output = fat_build(&["-p", "flip", "--features", feature]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{feature}: was linked");
    for word in words {
        assert!(
            said.contains(word),
            "{feature}: {word} is missing in\n{said}"
        );
    }
    assert!(!image.exists(), "{feature}: an image was left behind");
}

/// All in one test: the features share the name of their outputs.
#[test]
fn every_difference_is_refused_by_name() {
    built("flip");
    let _ = std::fs::remove_file(images().join("flip.fat"));
    refused(
        "value",
        &[
            "flip::LIMIT is shared",
            "initial value",
            "7 (07 00 00 00)",
            "8 (08 00 00 00)",
            "flip",
        ],
    );
    refused(
        "field-type",
        &["error[AC", "level", "flip::Settings", "flip::SETTINGS"],
    );
    refused(
        "field-order",
        &["error[AC", "flip::Settings", "low", "high"],
    );
    refused(
        "size",
        &["flip::TABLE is shared", "size", "32 bytes", "40 bytes"],
    );
    refused("alignment", &["flip::SETTINGS"]);
    refused("trait-object", &["error[AC", "flip::Port", "width"]);
    refused("coroutine", &["error[AC", "kept"]);
    built("flip");
}
