//! Processes that are killed at any moment: the others never wait for them in vain.

use std::path::Path;
use std::time::Duration;

use fatcc::machine::{Config, End, Machine, Outcome, Platform};
use testsuite::processes;

const LIMIT: Duration = Duration::from_secs(60);
const CPUS: usize = 4;

/// Runs the image on two CPUs per ISA, and kills the one with index `victim` so long after all have begun.
fn run_and_kill(image: &Path, victim: usize, after: Duration) -> (Outcome, Vec<String>) {
    run_and_signal(image, "KILL", victim, after, &[])
}

/// Runs the image with that command line, and sends a signal.
fn run_and_signal(
    image: &Path,
    signal: &str,
    victim: usize,
    after: Duration,
    words: &[&str],
) -> (Outcome, Vec<String>) {
    let config = Config {
        platform: Platform::User,
        command_line: words.iter().copied().map(str::to_owned).collect(),
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
    processes::signal(&process, signal);
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
fn a_process_that_is_dead_or_stands_still_can_be_started_again_and_joins() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = processes::image("survive", "restart", folder.path());
    let check = |victim, signal, after, words: &[&str]| {
        let (outcome, lines) = run_and_signal(&image, signal, victim, after, words);
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
    };
    let mut moments = moments(u64::MAX);
    for victim in (0..2 * CPUS).map(|round| round % CPUS) {
        check(victim, "KILL", moments.next().expect("a moment"), &[]);
    }
    // What only stands still is killed when it is to be started again.
    for victim in 0..2 {
        check(
            victim,
            "STOP",
            moments.next().expect("a moment"),
            &["limit=3"],
        );
    }
}
