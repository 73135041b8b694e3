//! `testsuite/cases/`: sources that `abi-check` must judge as their `case.toml` says, compiled for real.
//!
//! A compiler that is missing fails the cases that need it. All cases run, and all that are judged otherwise are listed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

mod compile;
mod core_library;

use compile::{compile, run};
use serde::Deserialize;
use testsuite::workspace;

/// A `case.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it is about, in a sentence.
    shows: String,
    /// The sides.
    targets: Vec<String>,
    /// Flags of each side, if any.
    #[serde(default)]
    flags: Vec<Vec<String>>,
    /// Exit status.
    status: i32,
    /// All findings: `ID TYPE.MEMBER`.
    findings: Vec<String>,
    /// All that is unproved: `REASON SUBJECT`.
    #[serde(default)]
    unproved: Vec<String>,
    /// With `-DTWIN`, in Rust `--cfg=twin`, everything is equal.
    #[serde(default)]
    twin: bool,
}

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

impl Case {
    fn read(folder: &Path) -> Result<Case, String> {
        let path = folder.join("case.toml");
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let case: Case = toml::from_str(&text).map_err(|e| e.to_string())?;
        if case.shows.is_empty() || case.targets.len() < 2 {
            return Err("a case shows something, on two targets or more".to_owned());
        }
        Ok(case)
    }

    fn judge(&self, judge: &Path, from: &Path, twin: bool) -> Result<Judged, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut command = Command::new(judge);
        command.arg("--format=json");
        let side = &|(side, target): (usize, &String)| {
            let object = folder.path().join(format!("{side}.o"));
            let flags = self.flags.get(side).map_or(&[][..], Vec::as_slice);
            compile(from, target, flags, twin, &object).map(|()| object)
        };
        let objects: Vec<Result<PathBuf, String>> = std::thread::scope(|scope| {
            let sides = self.targets.iter().enumerate();
            let running: Vec<_> = sides.map(|each| scope.spawn(move || side(each))).collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended
                .map(|result| result.unwrap_or_else(|_| Err("a thread panicked".to_owned())))
                .collect()
        });
        for object in objects {
            command.arg(object?);
        }
        let output = run(&mut command)?;
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

fn check(judge: &Path, folder: &Path) -> Result<(), String> {
    let case = Case::read(folder)?;
    let expected = Judged {
        status: case.status,
        findings: case.findings.clone(),
        unproved: case.unproved.clone(),
    };
    let found = case.judge(judge, folder, false)?;
    if found != expected {
        return Err(format!("expected {expected:?}\n     found {found:?}"));
    }
    if !case.twin {
        return Ok(());
    }
    let found = case.judge(judge, folder, true)?;
    // Warnings, of types that have different names, leave it equal.
    match found.status == 0 && found.unproved.is_empty() {
        true => Ok(()),
        false => Err(format!("the twin is equal, found {found:?}")),
    }
}

#[test]
fn every_case_is_judged_as_it_says() {
    let judge = abi_check();
    let folder = workspace().join("testsuite/cases");
    let entries = std::fs::read_dir(&folder).expect("the cases are there");
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    let mut cases: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "there are no cases");
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(&judge, case) {
                        let name = case.file_name().unwrap_or_default().to_string_lossy();
                        let mut wrong = wrong.lock().expect("no thread panicked");
                        wrong.push(format!("{name}: {why}"));
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
