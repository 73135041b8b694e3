//! `cargo fat run --user`: the image that boots on boards, run as Linux processes.

use std::process::Output;

use testsuite::{fat, workspace};

fn run(arguments: &[&str]) -> (Output, String) {
    let output = fat(&[&["run", "--user", "--release"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

fn runs(arguments: &[&str], words: &[&str]) {
    let (output, said) = run(arguments);
    assert!(output.status.success(), "{said}");
    let console = String::from_utf8_lossy(&output.stdout);
    for word in words {
        assert!(console.contains(word), "{word} is missing in\n{said}");
    }
}

#[test]
fn hello_says_what_it_says_on_boards() {
    runs(
        &["-p", "hello"],
        &[
            " x86_64 | Hello, I am CPU 0 of 2.",
            "riscv64 | Hello, I am CPU 1 of 2.",
            " x86_64 | A closure made on x86_64 was called on riscv64.",
        ],
    );
}

#[test]
fn processes_work_together() {
    runs(&["-p", "together"], &["all checks passed on 2 CPUs"]);
}

/// Board or process is found out when the image starts: it is not built for either.
#[test]
fn boards_run_the_same_image() {
    let image = || std::fs::read(target().join("fat/release/together.fat")).expect("the image");
    runs(&["-p", "together"], &["all checks passed on 2 CPUs"]);
    let run_as_processes = image();
    let parameter = "place=placed::by_parameter:nic";
    let output = fat(&["run", "--release", "-p", "together", "--", parameter]);
    let console = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{console}");
    assert!(console.contains("all checks passed on 2 CPUs"), "{console}");
    assert!(console.contains("by_parameter on riscv64"), "{console}");
    assert!(run_as_processes == image(), "the image was built anew");
}

/// The target folder that `cargo fat` uses.
fn target() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), Into::into)
}

#[test]
fn each_isa_may_have_several_processes() {
    runs(
        &["-p", "together", "--cpus", "x86_64=1,riscv64=3"],
        &["all checks passed on 4 CPUs"],
    );
    runs(
        &["-p", "cpus", "--cpus", "2"],
        &[
            "4 CPUs, 2 of them the first of an ISA",
            "the CPUs agree on the time",
            "no increment and no byte of the heap was lost",
        ],
    );
}

#[test]
fn boot_parameters_place_functions() {
    runs(
        &["-p", "together", "--", "place=by_parameter:riscv64"],
        &[
            "together::placed::by_parameter is placed on riscv64",
            "every call ran at one place; by_parameter on riscv64",
        ],
    );
    let wrong = ["place=visits:x86_64", "place=visit:nic", "place=visit"];
    runs(
        &[&["-p", "together", "--"], wrong.as_slice()].concat(),
        &[
            "boot parameter place=visits:x86_64: no placeable function has the name `visits` (there are: together::placed::",
            "boot parameter place=visit:nic: no CPU has the name `nic` (there are: x86_64, riscv64;",
            "boot parameter place=visit: expected FUNCTION:CPU",
            "all checks passed on 2 CPUs",
        ],
    );
    let (output, said) = run(&["-p", "together", "--", &"long".repeat(1024)]);
    assert_eq!(output.status.code(), Some(1));
    let room = fat_image::machine::CommandLine::ROOM;
    let words =
        format!("the program's command line has 4097 bytes: the machine has room for {room}");
    assert!(said.contains(&words), "{said}");
}

#[test]
fn devices_are_refused() {
    let (output, said) = run(&["-p", "hello", "--forward", "8080:80"]);
    assert!(!output.status.success());
    assert!(
        said.contains("'--user' cannot be used with '--forward"),
        "{said}"
    );
}

/// A program that crashes in a way and on a CPU ends with that status, and says so.
fn crashes(way: &str, status: i32, words: &[&str]) {
    for (cpu, features) in [
        ("x86_64", way.to_owned()),
        ("riscv64", format!("{way},second")),
    ] {
        let (output, said) = run(&["-p", "crash", "--features", &features]);
        assert_eq!(output.status.code(), Some(status), "{way} on {cpu}: {said}");
        let mut own = said.lines().filter(|line| line.contains(cpu));
        let ended = format!("{cpu} ended with code {status}");
        assert!(own.any(|line| line.contains(&ended)), "{said}");
        for word in words {
            let seen = |line: &str| line.contains(&format!("{cpu} |")) && line.contains(word);
            assert!(said.lines().any(seen), "{way} on {cpu}: {word}: {said}");
        }
    }
}

/// One test: all ways share the name of the image.
#[test]
fn every_end_is_reported_as_on_boards() {
    crashes("panic", 101, &["depth 2", "crash::inner", "crash::outer"]);
    let page_fault = ["page fault", "crash::inner", "crash::outer"];
    crashes("fault", 101, &page_fault);
    crashes("write-text", 101, &page_fault);
    let jump = ["a jump into code of", "called by crash::inner"];
    crashes("foreign-text", 101, &jump);
    crashes("status", 7, &["about to end"]);
    // One of several processes of an ISA ends the run of all.
    let all = &["-p", "crash", "--cpus", "2", "--features"];
    runs(&[all, ["success"].as_slice()].concat(), &["about to end"]);
    let (output, said) = run(&[all, ["panic,second"].as_slice()].concat());
    assert_eq!(output.status.code(), Some(101), "{said}");
}
