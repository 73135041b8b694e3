//! One run of a command: what the kernel counted for it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;
use wait4::Wait4 as _;

use crate::error::Error;

/// What a run costs. Of several runs: the sum, unless told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Seconds of CPU time, the system's included.
    pub cpu: f64,
    /// Seconds.
    pub wall: f64,
    /// Largest resident set in bytes.
    pub memory: f64,
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |a, b| Self {
            cpu: a.cpu + b.cpu,
            wall: a.wall + b.wall,
            memory: a.memory + b.memory,
        })
    }
}

impl Cost {
    /// The median of each figure.
    pub fn median(costs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut all: Vec<_> = costs.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            let (low, high) = (all.get((all.len().max(1) - 1) / 2), all.get(all.len() / 2));
            low.zip(high).map_or(0.0, |(low, high)| (low + high) / 2.0)
        };
        Self {
            cpu: of(|c| c.cpu),
            wall: of(|c| c.wall),
            memory: of(|c| c.memory),
        }
    }
}

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::System { doing, source }
}

/// Runs a command to its end; what it says goes to `log` and is shown if it fails.
pub fn run(command: &mut Command, log: &Path) -> Result<Cost, Error> {
    run_judged(command, log, |status| status == 0)
}

/// The same for commands that say by their exit status what they found.
pub fn run_judged(
    command: &mut Command,
    log: &Path,
    is_success: fn(i32) -> bool,
) -> Result<Cost, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = File::create(log).map_err(failed("make a log file"))?;
    let errors = out.try_clone().map_err(failed("make a log file"))?;
    command.stdin(Stdio::null()).stdout(out).stderr(errors);
    let start = Instant::now();
    let child = command.spawn().map_err(|source| Error::Start {
        program: program.clone(),
        source,
    })?;
    let used = child.wait4().map_err(failed("wait for a command"))?;
    let wall = start.elapsed().as_secs_f64();
    if !used.status.code().is_some_and(is_success) {
        let said = fs::read(log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said)
            .lines()
            .take(20)
            .collect::<Vec<_>>()
            .join("\n");
        // What a signal ends says nothing.
        let said = match said.trim().is_empty() {
            true => used.status.to_string(),
            false => said,
        };
        return Err(Error::Tool { program, said });
    }
    let usage = used.rusage;
    Ok(Cost {
        cpu: (usage.utime + usage.stime).as_secs_f64(),
        wall,
        memory: usage.maxrss as f64,
    })
}

/// Valgrind is there.
pub fn has_callgrind() -> bool {
    fatcc::tools::which("valgrind").is_some()
}

/// Runs a command under callgrind and returns the number of instructions.
pub fn instructions(command: &Command, folder: &Path) -> Result<u64, Error> {
    let counts = folder.join("callgrind.out");
    let mut whole = Command::new("valgrind");
    whole
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(command.get_program())
        .args(command.get_args());
    run(&mut whole, &folder.join("callgrind.log"))?;
    let text = fs::read_to_string(&counts).map_err(failed("read callgrind's result"))?;
    let _ = fs::remove_file(&counts);
    let total = text.lines().find_map(|line| {
        line.strip_prefix("totals:")
            .or(line.strip_prefix("summary:"))
    });
    let number = total.and_then(|number| number.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Error::Tool {
        program: "valgrind".to_owned(),
        said: "no total in callgrind's result".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_taken_figure_by_figure() {
        let cost = |cpu, wall, memory| Cost { cpu, wall, memory };
        let odd = [
            cost(3.0, 1.0, 5.0),
            cost(1.0, 9.0, 4.0),
            cost(2.0, 2.0, 6.0),
        ];
        assert_eq!(Cost::median(&odd), cost(2.0, 2.0, 5.0));
        assert_eq!(Cost::median(&odd[..2]), cost(2.0, 5.0, 4.5));
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_words() {
        let folder = std::env::temp_dir();
        let log = folder.join(format!("fatld-bench-test-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo refused >&2; exit 1"]);
        let error = run(&mut command, &log).expect_err("it fails");
        let _ = fs::remove_file(&log);
        assert!(matches!(error, Error::Tool { said, .. } if said == "refused"));
    }
}
