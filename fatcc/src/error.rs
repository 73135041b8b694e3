//! Everything that can go wrong here, and how it is shown.
//!
//! Nothing is formatted where it fails: a failure is a value with fields, and [`render`] is the only place that writes
//! one for people.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a build, a link or a run did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read, written, linked, made or removed.
    #[error("could not {doing} {}", path.display())]
    File {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of our own holds something else than we write there.
    #[error("{} is not what cargo-fat writes there", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A program could not be started.
    #[error("could not start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A call to the system failed that does not name a file.
    #[error("could not {doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `cargo metadata` failed.
    #[error("could not read the package's metadata")]
    Metadata(#[from] cargo_metadata::Error),
    /// No package was named and there is none in the current folder.
    #[error(
        "no package is named, and the current folder has none (packages with ISAs: {})",
        list(fat)
    )]
    NoPackage {
        /// Packages that have `[package.metadata.fat]`.
        fat: Vec<String>,
    },
    /// The workspace has no such package.
    #[error(
        "the workspace has no package `{name}` (packages with ISAs: {})",
        list(fat)
    )]
    UnknownPackage {
        /// What was asked for.
        name: String,
        /// Packages that have `[package.metadata.fat]`.
        fat: Vec<String>,
    },
    /// The package does not say what ISAs it is for.
    #[error("package `{package}` has no `[package.metadata.fat] isas = [\"…\", …]`")]
    NoIsas {
        /// The package.
        package: String,
    },
    /// `[package.metadata.fat]` has another form than expected.
    #[error("`[package.metadata.fat]` of package `{package}` is malformed")]
    Manifest {
        /// The package.
        package: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An ISA that we know nothing of.
    #[error("unknown ISA `{name}` (known: {})", list(&crate::isa::ISAS.map(|isa| isa.name.to_owned())))]
    UnknownIsa {
        /// Its name.
        name: String,
    },
    /// An ISA is listed twice.
    #[error("package `{package}` lists the ISA `{name}` twice")]
    IsaTwice {
        /// The package.
        package: String,
        /// The ISA's name.
        name: String,
    },
    /// The package has no such program, or none at all.
    #[error("package `{package}` has no program {}(programs: {})", asked.as_ref().map_or(String::new(), |name| format!("`{name}` ")), list(programs))]
    NoProgram {
        /// The package.
        package: String,
        /// What was asked for.
        asked: Option<String>,
        /// What there is.
        programs: Vec<String>,
    },
    /// One program is to be run and there are several.
    #[error(
        "package `{package}` has several programs: choose one of {} by --bin",
        list(programs)
    )]
    WhichProgram {
        /// The package.
        package: String,
        /// What there is.
        programs: Vec<String>,
    },
    /// No toolchain with the standard library's source.
    #[error("no Rust toolchain has the source of its standard library\n{}", tried.join("\n"))]
    NoStdSource {
        /// A line for each toolchain looked at.
        tried: Vec<String>,
    },
    /// cargo failed, and said why on its standard error.
    #[error("cargo could not build package `{package}` ({status})")]
    Cargo {
        /// The package.
        package: String,
        /// Its status.
        status: ExitStatus,
    },
    /// rustc's link line has a flag whose meaning for an image is not defined.
    #[error("the link line has `{}`, which a fat link does not know", flag.display())]
    LinkFlag {
        /// The flag, with its argument if it has one.
        flag: OsString,
    },
    /// rustc's link line has a flag for what a fat link cannot do.
    #[error("the link line has `{}`: {why}", flag.display())]
    LinkFlagRefused {
        /// The flag, with its argument if it has one.
        flag: OsString,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// A flag at the end of rustc's link line lacks its argument.
    #[error("the link line ends with `{flag}`, which wants an argument")]
    LinkFlagArgument {
        /// The flag.
        flag: String,
    },
    /// rustc's link line does not name an output.
    #[error("the link line has no -o")]
    LinkOutput,
    /// An rlib that the wrapper has not seen the compilation of.
    #[error("{} was not compiled by cargo fat", rlib.display())]
    UnknownRlib {
        /// The rlib.
        rlib: PathBuf,
    },
    /// A crate was compiled in different ways for two ISAs.
    #[error(
        "crate `{crate_name}` is compiled with {what} `{first}` for {first_isa} and `{other}` for {other_isa}"
    )]
    Different {
        /// The crate.
        crate_name: String,
        /// What differs.
        what: &'static str,
        /// The first ISA.
        first_isa: String,
        /// Its value.
        first: String,
        /// The other ISA.
        other_isa: String,
        /// Its value.
        other: String,
    },
    /// The linker's answer.
    #[error("could not link {}", image.display())]
    Link {
        /// The image that was to be.
        image: PathBuf,
        /// Why not.
        #[source]
        source: fatld::Error,
    },
    /// A path that must be given to QEMU and is not UTF-8.
    #[error("{} is not UTF-8", path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// A file that should be an image.
    #[error("{} cannot be read as an image", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: fatld::Error,
    },
    /// An image that cannot be run as Linux processes.
    #[error("{} cannot be run as Linux processes: {why}", path.display())]
    NotForLinux {
        /// The image.
        path: PathBuf,
        /// Why not.
        why: NotForLinux,
    },
    /// A setting of the machine outside of what it can have.
    #[error("{what} of {value} MiB: must be a multiple of 2 MiB, at least {least} MiB")]
    Memory {
        /// Which memory.
        what: &'static str,
        /// What was asked for.
        value: u64,
        /// What is possible.
        least: u64,
    },
    /// More CPUs than a machine can have.
    #[error("{asked} CPUs are too many: a machine has {most} at most, of all ISAs together")]
    TooManyCpus {
        /// What was asked for.
        asked: u64,
        /// What is possible.
        most: usize,
    },
    /// More words for the program than the machine has room for.
    #[error("the program's command line has {size} bytes: the machine has room for {most}")]
    LongCommandLine {
        /// Bytes of all words, with one more for each.
        size: usize,
        /// What is possible.
        most: usize,
    },
    /// A word for the program that would be two.
    #[error("the word {word:?} of the program's command line has a NUL in it")]
    NulInWord {
        /// The word.
        word: String,
    },
    /// A program that comes in a Debian package is not there.
    #[error("{program} is not installed (apt-get install {})", packages.join(" or "))]
    Missing {
        /// The program.
        program: String,
        /// The package, one of these.
        packages: &'static [&'static str],
    },
    /// QEMU did not become ready, or did not answer.
    #[error("QEMU of the {cpu} CPU failed: {reason}{}", said(stderr))]
    Emulator {
        /// The CPU.
        cpu: &'static str,
        /// What was expected and not seen.
        reason: QmpError,
        /// What it wrote to its standard error.
        stderr: Vec<String>,
    },
}

/// What an image lacks to be run as Linux processes.
#[derive(Debug, thiserror::Error)]
pub enum NotForLinux {
    /// It has no such ISA.
    #[error("it has no ISA {isa}")]
    Isa {
        /// The ISA.
        isa: String,
    },
    /// A runtime without an entry for Linux, or none.
    #[error(
        "it has no function `{}` for {isa}; fatcc-rt has it",
        fat_image::machine::LINUX_ENTRY
    )]
    Entry {
        /// The ISA.
        isa: String,
    },
    /// Memory outside of what the processes share.
    #[error(
        "it takes up {start:#x}..{end:#x}, but the shared memory starts at {:#x}",
        fat_image::machine::SHARED_START
    )]
    Place {
        /// First byte.
        start: u64,
        /// First byte behind it.
        end: u64,
    },
    /// A section outside of the image.
    #[error("section {name} at {address:#x} is not within the image")]
    Section {
        /// The section.
        name: String,
        /// Its physical address.
        address: u64,
    },
}

/// Why a QMP connection did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The connection broke or nothing came in time.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The other side closed the connection, as it does when it exits.
    #[error("it exited before it was ready")]
    Closed,
    /// Something that is no QMP message.
    #[error("it sent `{line}` where a QMP message was expected")]
    Malformed {
        /// What it was.
        line: String,
    },
    /// The command was refused.
    #[error("it refused `{command}`: {description}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's words.
        description: String,
    },
    /// The machine is in another state than it should be.
    #[error("its state is `{state}`, not `{expected}`")]
    State {
        /// As reported.
        state: String,
        /// As expected.
        expected: &'static str,
    },
}

fn list(items: &[String]) -> String {
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

fn said(stderr: &[String]) -> String {
    stderr
        .iter()
        .fold(String::new(), |text, line| text + "\n  " + line)
}

/// The error and its causes, as shown to people: a line each, the causes indented. A cause whose words its effect
/// already contains is left out. The linker's words, which editors know, come first and as they are.
pub fn render(error: &(dyn StdError + 'static)) -> String {
    if let Some(Error::Link { source, .. }) = error.downcast_ref::<Error>() {
        return format!("{source}\nerror: {error}");
    }
    let mut shown = error.to_string();
    let mut text = format!("error: {shown}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !shown.contains(&words) {
            let _ = write!(text, "\n  because: {}", words.replace('\n', "\n  "));
            shown = words;
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_shown_once() {
        let error = Error::File {
            doing: "read",
            path: "/nowhere".into(),
            source: io::Error::from(io::ErrorKind::NotFound),
        };
        assert_eq!(
            render(&error),
            "error: could not read /nowhere\n  because: entity not found"
        );
        let error = Error::Emulator {
            cpu: "x86_64",
            reason: QmpError::Closed,
            stderr: vec!["qemu: no".to_owned()],
        };
        assert_eq!(
            render(&error),
            "error: QEMU of the x86_64 CPU failed: it exited before it was ready\n  qemu: no"
        );
    }
}
