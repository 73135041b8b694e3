//! `testsuite/cases/`: sources that `abi-check` must judge as their `case.toml` says, compiled for real.
//!
//! A compiler that is missing fails the cases that need it. All cases run, and all that are judged otherwise are listed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use testsuite::cases::{Case, CoreLibraries, folders, name};
use testsuite::workspace;

/// What was judged.
#[derive(Debug, PartialEq)]
struct Judged {
    status: i32,
    findings: Vec<String>,
    unproved: Vec<String>,
}

/// The command, built as users build it.
fn abi_check() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--package",
            "abi-check",
            "--bin",
            "abi-check",
        ])
        .args(["--message-format=json-render-diagnostics"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).expect("cargo writes JSON");
        message["executable"].as_str().map(PathBuf::from)
    });
    messages.flatten().next().expect("cargo names the command")
}

/// What is needed to judge cases.
struct Judge {
    command: PathBuf,
    libraries: CoreLibraries,
}

impl Judge {
    fn judge(&self, case: &Case, from: &Path, twin: bool) -> Result<Judged, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut command = Command::new(&self.command);
        command.arg("--format=json").args(&case.arguments);
        command.args(case.objects(&self.libraries, from, twin, folder.path())?);
        let output = command.output().map_err(|e| e.to_string())?;
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|e| format!("{e}: {}", said()))?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
        let finding = |finding: &serde_json::Value| {
            let parts = [text(&finding["type"]), text(&finding["member"])];
            let place: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{} {}", text(&finding["id"]), place.join("."))
                .trim_end()
                .to_owned()
        };
        let doubt = |doubt: &serde_json::Value| {
            format!("{} {}", text(&doubt["reason"]), text(&doubt["subject"]))
        };
        Ok(Judged {
            status: output.status.code().unwrap_or(-1),
            findings: list("findings").iter().map(finding).collect(),
            unproved: list("unproved").iter().map(doubt).collect(),
        })
    }
}

fn check(judge: &Judge, folder: &Path) -> Result<(), String> {
    let case = Case::read(folder)?;
    let expected = Judged {
        status: case.status,
        findings: case.findings.clone(),
        unproved: case.unproved.clone(),
    };
    let found = judge.judge(&case, folder, false)?;
    if found != expected {
        return Err(format!("expected {expected:?}\n     found {found:?}"));
    }
    if !case.twin {
        return Ok(());
    }
    let found = judge.judge(&case, folder, true)?;
    // Warnings, of types that have different names, leave it equal.
    match found.status == 0 && found.unproved.is_empty() {
        true => Ok(()),
        false => Err(format!("the twin is equal, found {found:?}")),
    }
}

#[test]
fn every_case_is_judged_as_it_says() {
    let judge = Judge {
        command: abi_check(),
        libraries: CoreLibraries::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("core")),
    };
    let cases = folders().expect("the cases are there");
    assert!(!cases.is_empty(), "there are no cases");
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(&judge, case) {
                        let mut wrong = wrong.lock().expect("no thread panicked");
                        wrong.push(format!("{}: {why}", name(case)));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().expect("no thread panicked");
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_kind_of_finding_has_a_case_and_a_case_with_an_equal_twin() {
    let text = std::fs::read_to_string(workspace().join("docs/abi-check.md")).expect("the page");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| AC"));
    let known: Vec<String> = rows
        .filter_map(|row| row.split(' ').next())
        .map(|digits| format!("AC{digits}"))
        .collect();
    assert!(known.len() >= 20, "{known:?}");
    let folders = folders().expect("the cases are there");
    let cases: Vec<Case> = folders
        .iter()
        .map(|folder| Case::read(folder).expect("a case"))
        .collect();
    for id in known {
        let of_kind = || cases.iter().filter(|case| case.kinds().contains(&&*id));
        assert!(of_kind().next().is_some(), "{id} has no case");
        assert!(
            of_kind().any(|case| case.twin),
            "no case of {id} has an equal twin"
        );
    }
}
