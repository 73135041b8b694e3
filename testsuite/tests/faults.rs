//! Exceptions of a CPU: they end a task or call; outside of those the CPU, and the others go on.

use testsuite::fat;

fn runs(arguments: &[&str], words: &[&str]) {
    let run = ["run", "--release", "-p", "faults", "--cpus", "2"];
    let output = fat(&[&run, arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is missing in\n{said}");
    }
}

const ALL: [&str; 8] = [
    "x86_64 goes on after every exception",
    "riscv64 goes on after every exception",
    "x86_64.1 goes on after every exception",
    "riscv64.1 goes on after every exception",
    ": the stack is full",
    "backtrace, innermost first:",
    "faults::deeper",
    "is poisoned",
];

const LAST: [&str; 4] = [
    ": address 0x10",
    "riscv64.1 has failed: it is offline from now on",
    "the others go on without riscv64.1",
    "riscv64.1 is back",
];

#[test]
fn an_exception_ends_its_task_or_call_on_boards() {
    runs(&[], &ALL);
}

#[test]
fn an_exception_ends_its_task_or_call_in_processes() {
    runs(&["--user"], &ALL);
}

/// One test: both share the name of the image.
#[test]
fn an_exception_elsewhere_ends_its_cpu() {
    let outside = ["--features", "outside"];
    runs(&outside, &LAST);
    let process = "riscv64 lost its CPU 1 (signal: 6 (SIGABRT)";
    runs(
        &[&["--user"], outside.as_slice()].concat(),
        &[&LAST[..], &[process]].concat(),
    );
}
