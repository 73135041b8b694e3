//! The machine, from outside: small images in assembly, run on both QEMUs.
//!
//! What is not installed makes these tests fail, not pass.

mod image;

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fatcc::error::Error;
use fatcc::machine::{Config, End, Forward, Line, Machine, NotSeen, Outcome, Platform, Source};
use image::{Image, Mode};

/// More than any of these runs takes.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs an image to its end and returns all lines that came, as `CPU: TEXT`.
fn run(x86_64: Mode, riscv64: Mode) -> (Outcome, Vec<String>) {
    let image = Image::new(x86_64, riscv64);
    let (sender, receiver) = mpsc::channel();
    let machine = Machine::start(&Config::new(image.path()), move |line: &Line<'_>| {
        sender.send(format!("{}: {}", line.cpu, line.text)).unwrap();
    });
    let outcome = machine.unwrap().wait(Some(LIMIT));
    (outcome, receiver.iter().collect())
}

fn end_of(outcome: &Outcome, cpu: &str) -> End {
    outcome
        .ends
        .iter()
        .find(|(name, _)| *name == cpu)
        .unwrap()
        .1
}

#[test]
fn both_cpus_ring_each_other_s_doorbell() {
    let (outcome, lines) = run(Mode::Ring, Mode::Ring);
    assert!(outcome.success(), "{outcome}: {lines:?}");
    assert_eq!(
        (end_of(&outcome, "x86_64"), end_of(&outcome, "riscv64")),
        (End::Success, End::Success)
    );
    for line in [
        "x86_64: hello from x86_64",
        "riscv64: hello from riscv64",
        "x86_64: peer 0",
        "riscv64: peer 1",
        "x86_64: rung",
        "riscv64: rung",
    ] {
        assert!(
            lines.iter().any(|seen| seen == line),
            "no `{line}` in {lines:?}"
        );
    }
    assert_eq!(lines.len(), 6, "{lines:?}");
}

#[test]
fn a_failure_of_one_cpu_is_a_failure_of_the_run() {
    let (outcome, _) = run(Mode::Fail, Mode::Forever);
    assert!(!outcome.success());
    assert_eq!(
        outcome.ends,
        [
            ("x86_64", End::Failure { code: 3 }),
            ("riscv64", End::Killed)
        ]
    );

    let (outcome, lines) = run(Mode::Forever, Mode::Fail);
    assert!(!outcome.success());
    assert_eq!(
        outcome.ends,
        [
            ("riscv64", End::Failure { code: 7 }),
            ("x86_64", End::Killed)
        ],
        "{lines:?}"
    );
}

#[test]
fn a_good_end_of_one_cpu_is_a_good_end() {
    let (outcome, lines) = run(Mode::Forever, Mode::Succeed);
    assert!(outcome.success(), "{outcome}: {lines:?}");
    assert_eq!(
        outcome.ends,
        [("riscv64", End::Success), ("x86_64", End::Killed)]
    );
}

#[test]
fn a_machine_is_stopped_by_time_by_others_and_by_being_dropped() {
    let image = Image::new(Mode::Forever, Mode::Forever);
    let start = || Machine::start(&Config::new(image.path()), |_| ()).unwrap();

    let outcome = start().wait(Some(Duration::from_millis(100)));
    assert!(outcome.timed_out && !outcome.success());
    assert_eq!(outcome.ends.len(), 2);

    let machine = start();
    assert!(machine.wait_for_line("hello from x86_64", LIMIT).is_ok());
    let stopper = machine.stopper();
    let stopping = thread::spawn(move || stopper.stop());
    let since = Instant::now();
    let outcome = machine.wait(None);
    stopping.join().unwrap();
    assert!(!outcome.timed_out && !outcome.success() && since.elapsed() < Duration::from_secs(30));

    drop(start());
}

#[test]
fn waiting_for_a_line_ends_with_the_line_the_machine_or_the_time() {
    let image = Image::new(Mode::Forever, Mode::Succeed);
    let machine = Machine::start(&Config::new(image.path()), |_| ()).unwrap();
    assert_eq!(
        machine.wait_for_line("hello from r", LIMIT).unwrap(),
        "hello from riscv64"
    );
    assert_eq!(
        machine.wait_for_line("no such line", LIMIT),
        Err(NotSeen::Ended {
            cpu: "riscv64",
            end: End::Success
        })
    );
    assert_eq!(
        machine.last_lines(5)[1],
        ("riscv64", vec!["hello from riscv64".to_owned()])
    );
    drop(machine);

    let image = Image::new(Mode::Forever, Mode::Forever);
    let machine = Machine::start(&Config::new(image.path()), |_| ()).unwrap();
    let limit = Duration::from_millis(50);
    assert_eq!(
        machine.wait_for_line("no such line", limit),
        Err(NotSeen::TimedOut { limit })
    );
}

#[test]
fn what_has_no_runtime_is_not_run_as_processes() {
    let image = Image::new(Mode::Succeed, Mode::Succeed);
    let config = Config {
        platform: Platform::User,
        ..Config::new(image.path())
    };
    match Machine::start(&config, |_| ()) {
        Err(error @ Error::Image { .. }) => {
            let shown = fatcc::error::render(&error);
            assert!(shown.contains("cannot be read as an image"), "{shown}");
            assert!(shown.contains(".note.fat"), "{shown}");
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn an_emulator_that_does_not_start_says_why() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let host = taken.local_addr().unwrap().port();
    let image = Image::new(Mode::Forever, Mode::Forever);
    let config = Config {
        forwards: vec![Forward { host, guest: 80 }],
        ..Config::new(image.path())
    };
    let (sender, receiver) = mpsc::channel();
    let listener = move |line: &Line<'_>| drop(sender.send((line.source, line.text.to_owned())));
    match Machine::start(&config, listener) {
        Err(Error::Emulator {
            cpu: "riscv64",
            stderr,
            ..
        }) => {
            assert!(
                stderr.iter().any(|line| line.contains("forwarding")),
                "{stderr:?}"
            );
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it started"),
    }
    assert!(
        receiver
            .iter()
            .any(|(source, _)| source == Source::Emulator)
    );
    assert!(matches!(
        Machine::start(&Config::new("/no/image"), |_| ()),
        Err(Error::File { .. })
    ));
}
