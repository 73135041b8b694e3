//! What a machine tells its owner: lines, and how its CPUs came to their ends.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

/// How a CPU came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program ended the machine, and well.
    Success,
    /// The program ended the machine with an error.
    Failure {
        /// Its code.
        code: i32,
    },
    /// The machine was reset, as by a fault within a fault.
    Reset,
    /// The emulator ended in a way that no program has asked for.
    Emulator {
        /// Its status.
        status: ExitStatus,
    },
    /// A Linux process died by a signal.
    Died {
        /// The CPU's place among those of its ISA.
        ordinal: u32,
        /// Its status.
        status: ExitStatus,
    },
    /// It was ended from outside.
    Killed,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Success => f.write_str("ended well"),
            End::Failure { code } => write!(f, "ended with code {code}"),
            End::Reset => f.write_str("was reset"),
            End::Emulator { status } => write!(f, "lost its emulator ({status})"),
            End::Died { ordinal: 0, status } => write!(f, "died ({status})"),
            End::Died { ordinal, status } => write!(f, "lost its CPU {ordinal} ({status})"),
            End::Killed => f.write_str("was stopped"),
        }
    }
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The program, on the CPU's console.
    Console,
    /// The CPU's process, on its standard error: an emulator, or Linux before the program runs.
    Emulator,
    /// Who runs the machine, of the CPU's process.
    Runner,
}

/// A line, as it is delivered.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Name of the CPU's ISA.
    pub cpu: &'static str,
    /// Who wrote it.
    pub source: Source,
    /// The line without its end.
    pub text: &'a str,
}

impl fmt::Display for Line<'_> {
    /// The line after its CPU's name, which the runtime may have written already.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = format!("[{}] ", self.cpu);
        let text = self.text.strip_prefix(&prefix).unwrap_or(self.text);
        let mark = if self.source == Source::Console {
            '|'
        } else {
            '!'
        };
        write!(f, "{:>7} {mark} {text}", self.cpu)
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The end of each CPU, in the order in which they came.
    pub ends: Vec<(&'static str, End)>,
    /// Processes without which the others have gone on, in the order of their ends.
    pub lost: Vec<(&'static str, End)>,
    /// The time given was over.
    pub timed_out: bool,
}

impl Outcome {
    /// Whether the first CPU to end has ended well, and no other one badly in the time it was given then.
    pub fn success(&self) -> bool {
        let first = self
            .ends
            .first()
            .is_some_and(|(_, end)| *end == End::Success);
        first
            && self
                .ends
                .iter()
                .all(|(_, end)| matches!(end, End::Success | End::Killed))
    }
}

impl Outcome {
    /// The exit status that says the same: the program's own, if it has ended the run with one.
    pub fn code(&self) -> u8 {
        match self.ends.first() {
            _ if self.success() => 0,
            Some((_, End::Failure { code })) => u8::try_from(*code)
                .ok()
                .filter(|code| *code != 0)
                .unwrap_or(1),
            _ => 1,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.timed_out {
            f.write_str("time is over: ")?;
        }
        let ends: Vec<String> = self
            .lost
            .iter()
            .chain(&self.ends)
            .map(|(cpu, end)| format!("{cpu} {end}"))
            .collect();
        f.write_str(&ends.join(", "))
    }
}

/// Why a line was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSeen {
    /// A CPU ended before.
    #[error("{cpu} {end} before that")]
    Ended {
        /// Which one, the first.
        cpu: &'static str,
        /// How.
        end: End,
    },
    /// Somebody stopped the machine.
    #[error("the machine was stopped before that")]
    Stopped,
    /// It took too long.
    #[error("it did not come within {} s", limit.as_secs())]
    TimedOut {
        /// The time given.
        limit: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_with_their_cpu_once() {
        let shown = |source, text| {
            Line {
                cpu: "riscv64",
                source,
                text,
            }
            .to_string()
        };
        assert_eq!(shown(Source::Console, "hello"), "riscv64 | hello");
        assert_eq!(shown(Source::Console, "[riscv64] hello"), "riscv64 | hello");
        assert_eq!(
            shown(Source::Console, "[x86_64] hello"),
            "riscv64 | [x86_64] hello"
        );
        assert_eq!(shown(Source::Emulator, "warning"), "riscv64 ! warning");
    }

    #[test]
    fn the_first_failure_gives_the_status() {
        let code = |ends: &[End]| {
            let ends = ends.iter().map(|end| ("cpu", *end)).collect();
            let (timed_out, lost) = (false, Vec::new());
            let outcome = Outcome {
                ends,
                lost,
                timed_out,
            };
            outcome.code()
        };
        assert_eq!(code(&[End::Success, End::Killed]), 0);
        assert_eq!(code(&[End::Failure { code: 101 }, End::Killed]), 101);
        assert_eq!(code(&[End::Failure { code: 256 }]), 1);
        assert_eq!(code(&[End::Killed, End::Failure { code: 7 }]), 1);
        assert_eq!(code(&[]), 1);
    }

    #[test]
    fn a_run_succeeds_by_its_first_end() {
        let outcome = |ends: &[End]| Outcome {
            ends: ends.iter().map(|end| ("cpu", *end)).collect(),
            lost: vec![("cpu", End::Reset)],
            timed_out: false,
        };
        let failure = End::Failure { code: 1 };
        assert!(outcome(&[End::Success, End::Success]).success());
        assert!(outcome(&[End::Success, End::Killed]).success());
        assert!(!outcome(&[End::Killed, End::Success]).success());
        assert!(!outcome(&[End::Success, failure]).success());
        assert!(!outcome(&[failure, End::Success]).success());
        assert!(!outcome(&[End::Reset, End::Killed]).success());
        assert!(!outcome(&[]).success());
    }
}
