//! Whatever goes wrong on either CPU ends the run with a status that is not 0, and says where, by the names of
//! functions.

use std::process::Output;

use testsuite::fat;

fn run(cpu: &str, features: &str) -> (Output, String) {
    let features = if cpu == "riscv64" {
        format!("{features},second")
    } else {
        features.to_owned()
    };
    let output = fat(&["run", "-p", "crash", "--release", "--features", &features]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

/// The run must fail, and the crashing CPU's console must have these words.
fn crashes(way: &str, words: &[&str]) {
    for cpu in ["x86_64", "riscv64"] {
        let (output, said) = run(cpu, way);
        assert!(
            !output.status.success(),
            "{way} on {cpu} ended well:\n{said}"
        );
        let tag = format!("[{cpu}]");
        let own: Vec<_> = said
            .lines()
            .filter(|line| line.contains(&tag) || line.contains(&format!("{cpu} |")))
            .collect();
        for word in words {
            let word = word.replace("{cpu}", cpu);
            assert!(
                own.iter().any(|line| line.contains(&word)),
                "{way} on {cpu}: {word} is missing in\n{said}"
            );
        }
    }
}

/// One test: all ways share the name of the image.
#[test]
fn every_end_is_reported() {
    let (output, said) = run("x86_64", "default");
    assert!(output.status.success(), "{said}");
    crashes(
        "panic",
        &["about to end", "depth 2", "crash::inner", "crash::outer"],
    );
    crashes("fault", &["crash::inner", "crash::outer"]);
    crashes("write-text", &["crash::inner", "crash::outer"]);
    crashes(
        "foreign-text",
        &[
            "a jump into code of",
            "called by crash::inner",
            "crash::outer",
        ],
    );
    crashes("status", &["about to end"]);
}
