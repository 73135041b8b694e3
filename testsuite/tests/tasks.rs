//! Random programs of tasks give what they should, wherever their parts run.

use std::path::Path;

use fatcc::machine::Platform;
use testsuite::processes;
use testsuite::tasks::{Runs, expect_right};

fn runs(folder: &Path, platform: Platform) -> Runs {
    Runs {
        image: processes::image("tasks", "", folder),
        platform,
        cpus: 2,
        words: Vec::new(),
    }
}

#[test]
fn random_programs_give_what_they_should() {
    let folder = tempfile::tempdir().expect("a folder");
    let processes = runs(folder.path(), Platform::User);
    let count = expect_right(&processes, processes.for_seconds(1, 50));
    let boards = runs(folder.path(), Platform::Board);
    let more = expect_right(&boards, boards.for_seconds(1 << 32, 10));
    assert!(count > 0 && more > 0, "{count} and {more} programs");
}

#[test]
fn what_goes_wrong_is_found_and_made_small() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut runs = runs(folder.path(), Platform::User);
    runs.words.push("mistake".to_owned());
    let trouble = runs.for_seconds(1, 5).expect_err("a mistake is made");
    let smallest = runs.smallest(&trouble.suspects).expect("one is enough");
    assert_eq!(smallest.keep.len(), 1, "{smallest}");
    assert!(smallest.said.contains("Object("), "{smallest}");
}
