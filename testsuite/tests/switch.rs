//! The measurement of ways from CPU to CPU measures all of them. How long they take is not tested.

use std::time::Duration;

use fatcc::machine::Platform;
use testsuite::processes;
use testsuite::switch::{ROWS, Run};

fn measures(platform: Platform, cpus: &str, peer: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Run {
        image: processes::image("switch", "", folder.path()),
        platform,
        cpus: cpus.to_owned(),
        peer: peer.to_owned(),
        rounds: 1,
        samples: 2,
        pinned: false,
        limit: Duration::from_secs(120),
    };
    let rows = run.measure().unwrap_or_else(|trouble| panic!("{trouble}"));
    assert_eq!(rows.len(), ROWS.len());
    for row in rows {
        assert!(row.median > 0.0 && row.median <= row.p99, "{row:?}");
    }
}

#[test]
fn processes_of_two_isas_are_measured() {
    measures(Platform::User, "1", "riscv64");
}

#[test]
fn processes_of_one_isa_are_measured() {
    measures(Platform::User, "x86_64=2", "x86_64.1");
}

#[test]
fn boards_are_measured() {
    measures(Platform::Board, "1", "riscv64");
}
