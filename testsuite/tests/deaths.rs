//! Processes that are killed at any moment: the others never wait for them in vain.

use std::path::Path;
use std::time::Duration;

use fatcc::machine::{Config, End, Machine, Outcome, Platform};
use testsuite::processes;

const LIMIT: Duration = Duration::from_secs(60);
const CPUS: usize = 4;

/// Runs the image on two CPUs per ISA, and kills the one with index `victim` so long after all have begun.
fn run_and_kill(image: &Path, victim: usize, after: Duration) -> (Outcome, Vec<String>) {
    let config = Config {
        platform: Platform::User,
        cpus: "2".parse().expect("a number"),
        ..Config::new(image)
    };
    let (sender, lines) = std::sync::mpsc::channel();
    let on_line = move |line: &fatcc::machine::Line<'_>| {
        let _ = sender.send(line.to_string());
    };
    let machine = Machine::start(&config, on_line).expect("processes");
    for cpu in 0..CPUS {
        let words = format!("CPU {cpu} works");
        machine.wait_for_line(&words, LIMIT).expect("a CPU runs");
    }
    let process = processes::of_cpu(image, victim % 2, victim / 2);
    std::thread::sleep(after);
    processes::kill(&process);
    let outcome = machine.wait(Some(LIMIT));
    (outcome, lines.try_iter().collect())
}

/// A moment for each round, the same ones in every run: powers, so that early ones are as frequent as late ones.
fn moments(count: u64) -> impl Iterator<Item = Duration> {
    let hash = |round: u64| (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..count)
        .map(move |round| Duration::from_micros((1 << (hash(round) % 18)) + hash(round) % 977))
}

#[test]
fn the_others_go_on_with_right_results_whenever_one_is_killed() {
    const ROUNDS: u64 = 32;
    let folder = tempfile::tempdir().expect("a folder");
    let image = processes::image("survive", "", folder.path());
    for (round, after) in moments(ROUNDS).enumerate() {
        let victim = round % CPUS;
        let (outcome, lines) = run_and_kill(&image, victim, after);
        let said = format!(
            "round {round}, CPU {victim} after {after:?}:\n{}",
            lines.join("\n")
        );
        assert!(!outcome.timed_out, "somebody hangs: {said}");
        assert_eq!(outcome.code(), 0, "{outcome}: {said}");
        let [(_, End::Died { ordinal, .. })] = outcome.lost.as_slice() else {
            panic!("{outcome}: {said}")
        };
        assert_eq!(*ordinal as usize, victim / 2);
        for cpu in (0..CPUS).filter(|cpu| *cpu != victim) {
            let words = format!("CPU {cpu} went on");
            assert!(
                lines.iter().any(|line| line.contains(&words)),
                "{words}: {said}"
            );
        }
        assert_eq!(processes::of(&image), []);
    }
}

#[test]
fn a_process_that_was_killed_can_be_started_again_and_joins() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = processes::image("survive", "restart", folder.path());
    for (victim, after) in (0..2 * CPUS).zip(moments(u64::MAX)) {
        let victim = victim % CPUS;
        let (outcome, lines) = run_and_kill(&image, victim, after);
        let said = format!("CPU {victim} after {after:?}:\n{}", lines.join("\n"));
        assert!(!outcome.timed_out, "somebody hangs: {said}");
        assert_eq!(
            (outcome.code(), outcome.lost.len()),
            (0, 1),
            "{outcome}: {said}"
        );
        let words = format!("CPU {victim} is back");
        assert!(
            lines.iter().any(|line| line.contains(&words)),
            "{words}: {said}"
        );
        assert_eq!(processes::of(&image), []);
    }
}
