//! Everything that can go wrong in a command. Shown by `fatcc`'s renderer.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use fatcc::error::render;
use fatcc::machine::{NotSeen, Outcome};

use crate::http::HttpError;

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Build or machine failed.
    #[error(transparent)]
    Fat(#[from] fatcc::error::Error),
    /// A program could not be started.
    #[error("could not start {program}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A call to the system failed.
    #[error("could not {doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Packages are missing, and only the administrator can install them.
    #[error("{} missing; install it by\n  {line}", missing.join(", "))]
    NotRoot {
        /// What is missing.
        missing: Vec<&'static str>,
        /// What to do.
        line: String,
    },
    /// Something is missing that cannot be installed from here.
    #[error("missing:\n{report}")]
    Missing {
        /// A line for each tool, with what installs it.
        report: String,
    },
    /// `apt-get` failed, and said why.
    #[error("apt-get could not install {} ({status})", packages.join(" "))]
    Install {
        /// What was to be installed.
        packages: Vec<String>,
        /// Its status.
        status: ExitStatus,
    },
    /// Tests failed.
    #[error("cargo test failed ({status})")]
    Tests {
        /// Its status.
        status: ExitStatus,
    },
    /// Mutants crashed the linker, made it hang or were refused without a place.
    #[error("{failed} mutants failed")]
    Fuzz {
        /// How many.
        failed: usize,
    },
    /// A random program of tasks gave something else than it should, or nothing.
    #[error("{said}")]
    Programs {
        /// What is known of it.
        said: String,
    },
    /// A tool of the benchmark or of the fixtures failed.
    #[error("{program} failed:\n{said}")]
    Tool {
        /// Which one.
        program: String,
        /// What it said.
        said: String,
    },
    /// The benchmark has no compiler flags for an ISA.
    #[error("no kernel can be generated for {isa}: x86_64, riscv64 and aarch64 are known")]
    UnknownIsa {
        /// As it was called.
        isa: String,
    },
    /// The corpus of the benchmark cannot be written.
    #[error("the corpus cannot be written: {said}")]
    Corpus {
        /// What the writer said.
        said: String,
    },
    /// A case of the testsuite cannot be compiled.
    #[error("the case {name} cannot be compiled: {said}")]
    Case {
        /// Which one.
        name: String,
        /// What the compiler said.
        said: String,
    },
    /// A file of the benchmark has no debug information that can be found.
    #[error("{} has no `.debug_info` that can be read: {said}", file.display())]
    NoDebugInfo {
        /// The file.
        file: std::path::PathBuf,
        /// Why.
        said: String,
    },
    /// `abi-check` does not find what the corpus was made to have.
    #[error("abi-check finds in the corpus\n  {found}\nbut it was made with\n  {expected}")]
    WrongFindings {
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// This program does not stand where cargo puts it.
    #[error("{} does not stand in cargo's target folder", program.display())]
    NoTarget {
        /// Where it stands.
        program: std::path::PathBuf,
    },
    /// The server never said that it listens.
    #[error("the program did not write `{words}`: {source}\n{consoles}")]
    NotReady {
        /// What was waited for.
        words: &'static str,
        /// Why it did not come.
        source: NotSeen,
        /// Last lines of the consoles.
        consoles: String,
    },
    /// The machine ended by itself.
    #[error("the machine has ended: {0}")]
    Ended(Outcome),
    /// The checks over a bad wire failed.
    #[error("the checks over a bad wire failed ({status})")]
    BadWire {
        /// Status of the process that made them.
        status: ExitStatus,
    },
    /// A check failed.
    #[error("check failed: {what}\n{consoles}")]
    Check {
        /// Which one.
        what: &'static str,
        /// Why.
        #[source]
        source: Wrong,
        /// Last lines of the consoles.
        consoles: String,
    },
}

impl Error {
    /// The error as shown to people.
    pub fn rendered(&self) -> String {
        match self {
            Error::Fat(error) => render(error),
            error => render(error),
        }
    }
}

/// What a check found wrong.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// No usable answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Another status than expected.
    #[error("{request} was answered with status {seen}, not {expected}")]
    Status {
        /// The request.
        request: String,
        /// As expected.
        expected: u16,
        /// As seen.
        seen: u16,
    },
    /// A field of the answer is not what it must be.
    #[error("{field} is `{seen}`, not `{expected}`")]
    Field {
        /// What.
        field: &'static str,
        /// As expected.
        expected: String,
        /// As seen.
        seen: String,
    },
    /// The answer's body is no JSON of the expected form.
    #[error("{path} is not of the expected form: {source} in `{body}`")]
    Json {
        /// Where it comes from.
        path: &'static str,
        /// What the parser said.
        source: serde_json::Error,
        /// What came.
        body: String,
    },
    /// The server's own checks failed.
    #[error("the self-test failed:\n{}", failed.join("\n"))]
    SelfTest {
        /// A line for each failed check.
        failed: Vec<String>,
    },
    /// A CPU was never rung.
    #[error("the doorbell count of {cpu} did not grow: {before} before, {after} after")]
    Doorbell {
        /// Which one.
        cpu: String,
        /// Count before.
        before: u64,
        /// Count after.
        after: u64,
    },
    /// A console takes no line.
    #[error("nothing can be typed at the console: {source}")]
    Console {
        /// What the system said.
        source: io::Error,
    },
    /// A console did not show a line.
    #[error("the console should show `{line}`: {source}")]
    NotShown {
        /// How the line begins.
        line: String,
        /// What was seen instead.
        source: fatcc::machine::NotSeen,
    },
    /// It took longer than all checks may take.
    #[error("time is over: all checks together may take {} s", limit.as_secs())]
    TimedOut {
        /// What they may take.
        limit: Duration,
    },
}
