//! Machines with several CPUs per ISA.

use testsuite::fat;

/// Runs the program of checks on so many CPUs and returns what it said.
fn run(cpus: &str) -> String {
    let output = fat(&["run", "-p", "cpus", "--release", "--cpus", cpus]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{cpus}: {said}");
    said
}

fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word} is missing in\n{said}");
    }
}

#[test]
fn two_cpus_of_each_isa_boot_and_share_tasks_time_and_memory() {
    says(
        &run("2"),
        &[
            "4 CPUs, 2 of them the first of an ISA",
            "a task has run on every CPU",
            "the CPUs agree on the time",
            "no increment and no byte of the heap was lost",
            "every CPU goes on after a panic",
            "calls crossed on 4 CPUs",
            "the others go on without riscv64.1",
            "x86_64 is back",
            "riscv64 is back",
            "x86_64.1 is back",
            "riscv64.1 is back",
        ],
    );
}

#[test]
fn isas_may_have_different_numbers_of_cpus() {
    says(&run("x86_64=1,riscv64=3"), &["4 CPUs, 2 of them"]);
    says(&run("x86_64=2"), &["3 CPUs, 2 of them"]);
    says(&run("1"), &["x86_64 is back", "riscv64 is back"]);
}
