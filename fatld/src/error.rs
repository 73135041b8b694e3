//! Everything that can be wrong with a link, as data, and the one place that puts it into words.
//!
//! The words follow lld's grammar (`error: undefined symbol: f`, `>>> referenced by …`), which editors and people
//! know. A phase that finds something wrong returns all problems of its kind; nothing formats a message where it fails.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use crate::ids::SymbolId;

/// Where in the inputs something was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// File, with the archive member in parentheses.
    pub file: String,
    /// Section, or a part of the file (`section header table`).
    pub section: String,
    /// Offset in it, in bytes.
    pub offset: u64,
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:({}+{:#x})", self.file, self.section, self.offset)
    }
}

/// One slice's view of a shared atom that the slices do not agree on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SliceView {
    /// Name of the ISA.
    pub isa: String,
    /// File that defines it there.
    pub file: String,
    /// What it is there.
    pub value: String,
    /// File and line of its declaration, if known: see [`crate::source`].
    pub source: Option<String>,
    /// The symbol whose declaration is to be found.
    pub definition: Option<SymbolId>,
}

/// A definition of a symbol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Definition {
    /// In the object.
    pub place: Place,
    /// File and line in the source, if known.
    pub source: Option<String>,
}

/// One thing that makes the link impossible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The command line is wrong.
    Usage(String),
    /// A file could not be read.
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// No library folder has a library.
    NoLibrary {
        /// Name given to `-l`.
        name: String,
        /// File that was looked for.
        file: String,
        /// Where it was looked for.
        folders: Vec<PathBuf>,
    },
    /// A file is not what it should be.
    Malformed {
        /// Where.
        place: Place,
        /// What should have been there.
        expected: String,
    },
    /// Valid input that this linker does not take.
    Unsupported {
        /// Where.
        place: Place,
        /// What it is.
        what: String,
    },
    /// A symbol without definition.
    Undefined {
        /// Its name.
        symbol: String,
        /// ISA of the slice.
        isa: String,
        /// Who refers to it.
        references: Vec<Place>,
    },
    /// A symbol with two definitions.
    Duplicate {
        /// Its name.
        symbol: String,
        /// ISA of the slice.
        isa: String,
        /// Both definitions.
        definitions: [Definition; 2],
    },
    /// A shared datum that is not the same on every ISA.
    Mismatch {
        /// Its name.
        symbol: String,
        /// In what they differ.
        what: &'static str,
        /// Each side.
        sides: Vec<SliceView>,
        /// How it can be mended, if known.
        hint: Option<&'static str>,
    },
    /// A shared static whose type is laid out differently, as `abi-check` reports it.
    Layout(String),
    /// A function whose address is taken has no code for an ISA.
    MissingCode {
        /// The function.
        function: String,
        /// The ISA without code.
        isa: String,
        /// Who takes its address, in which slice.
        taken_by: Vec<(String, Place)>,
    },
    /// A relocation whose value does not fit its field.
    Overflow {
        /// The field.
        place: Place,
        /// Name of the relocation type.
        relocation: &'static str,
        /// Symbol it refers to.
        symbol: String,
        /// The value, in bytes.
        value: i128,
        /// Smallest and largest value that fit, in bytes.
        range: (i128, i128),
    },
    /// A value that is not a multiple of what its field can hold.
    Misaligned {
        /// The field.
        place: Place,
        /// Name of the relocation type.
        relocation: &'static str,
        /// Symbol it refers to.
        symbol: String,
        /// The value, in bytes.
        value: i128,
        /// What it must be a multiple of.
        multiple: u64,
    },
    /// The output could not be written.
    Output {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A link that was refused, with everything that was found wrong up to the phase that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    problems: Vec<Problem>,
    limit: usize,
}

/// Problems that are shown unless `--error-limit` says otherwise, as many as lld shows.
pub const DEFAULT_LIMIT: usize = 20;

impl Error {
    /// Sorts the problems, so that their order does not depend on the order of the work.
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self {
            problems,
            limit: DEFAULT_LIMIT,
        }
    }

    /// Shows at most `limit` problems; 0 shows all.
    pub fn limited_to(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// What is wrong, sorted.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Exit status for a command that ends with this: 2 for a wrong command line, 1 for a refused link.
    pub fn exit_status(&self) -> u8 {
        if self.problems.iter().all(|p| matches!(p, Problem::Usage(_))) {
            2
        } else {
            1
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}

/// `Ok` if nothing is wrong.
pub fn check(problems: Vec<Problem>) -> Result<(), Error> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::new(problems))
    }
}

/// A problem with a whole file.
pub fn unreadable(file: &Path, error: &std::io::Error) -> Problem {
    Problem::Read {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}

impl std::error::Error for Error {}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let all = self.problems.len();
        let shown = if self.limit == 0 {
            all
        } else {
            self.limit.min(all)
        };
        for (i, problem) in self.problems[..shown].iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        match all - shown {
            0 => Ok(()),
            more => write!(
                f,
                "\nerror: too many errors emitted, {more} more\n>>> --error-limit=0 shows all"
            ),
        }
    }
}

/// A symbol's name for people: demangled, without the crate's hash.
pub fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// References shown per undefined symbol, as many as lld shows.
const MAX_REFERENCES: usize = 3;

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => write!(f, "error: {what}"),
            Self::Read { file, reason } => {
                write!(f, "error: cannot open {}: {reason}", file.display())
            }
            Self::NoLibrary {
                name,
                file,
                folders,
            } => no_library(f, name, file, folders),
            Self::Malformed { place, expected } => write!(f, "error: {place}: expected {expected}"),
            Self::Unsupported { place, what } => write!(f, "error: {place}: not supported: {what}"),
            Self::Undefined {
                symbol,
                isa,
                references,
            } => undefined(f, symbol, isa, references),
            Self::Duplicate {
                symbol,
                isa,
                definitions,
            } => duplicate(f, symbol, isa, definitions),
            Self::Mismatch {
                symbol,
                what,
                sides,
                hint,
            } => mismatch(f, (symbol, what), sides, *hint),
            Self::Layout(report) => write!(f, "{report}"),
            Self::MissingCode {
                function,
                isa,
                taken_by,
            } => missing_code(f, function, isa, taken_by),
            Self::Overflow {
                place,
                relocation,
                symbol,
                value,
                range,
            } => write!(
                f,
                "error: {place}: relocation {relocation} out of range: {value} is not in [{}, {}]; references {}",
                range.0,
                range.1,
                demangle(symbol)
            ),
            Self::Misaligned {
                place,
                relocation,
                symbol,
                value,
                multiple,
            } => write!(
                f,
                "error: {place}: improper alignment for relocation {relocation}: {value:#x} is not a multiple of \
                 {multiple}; references {}",
                demangle(symbol)
            ),
            Self::Output { file, reason } => {
                write!(f, "error: cannot write {}: {reason}", file.display())
            }
        }
    }
}

fn no_library(f: &mut Formatter<'_>, name: &str, file: &str, folders: &[PathBuf]) -> fmt::Result {
    write!(f, "error: unable to find library -l{name}")?;
    if folders.is_empty() {
        return write!(f, "\n>>> no folder to look for {file} in: -L names one");
    }
    let mut looked = folders.iter();
    looked.try_for_each(|folder| write!(f, "\n>>> looked for {}", folder.join(file).display()))
}

fn undefined(f: &mut Formatter<'_>, symbol: &str, isa: &str, references: &[Place]) -> fmt::Result {
    write!(f, "error: undefined symbol: {} ({isa})", demangle(symbol))?;
    for place in references.iter().take(MAX_REFERENCES) {
        write!(f, "\n>>> referenced by {place}")?;
    }
    match references.len().saturating_sub(MAX_REFERENCES) {
        0 => Ok(()),
        more => write!(f, "\n>>> referenced {more} more times"),
    }
}

fn duplicate(
    f: &mut Formatter<'_>,
    symbol: &str,
    isa: &str,
    definitions: &[Definition],
) -> fmt::Result {
    write!(f, "error: duplicate symbol: {} ({isa})", demangle(symbol))?;
    definitions
        .iter()
        .try_for_each(|Definition { place, source }| match source {
            Some(source) => {
                write!(f, "\n>>> defined at {source}\n>>>            {place}")
            }
            None => write!(f, "\n>>> defined at {place}"),
        })
}

fn mismatch(
    f: &mut Formatter<'_>,
    (symbol, what): (&str, &str),
    sides: &[SliceView],
    hint: Option<&str>,
) -> fmt::Result {
    write!(
        f,
        "error: {} is shared, but its {what} is not the same on every ISA",
        demangle(symbol)
    )?;
    let width = sides.iter().map(|s| s.isa.len()).max().unwrap_or(0);
    for side in sides {
        write!(
            f,
            "\n>>> {:width$}  {}\n>>> {:width$}  ",
            side.isa, side.value, ""
        )?;
        if let Some(source) = &side.source {
            write!(f, "{source} ")?;
        }
        write!(f, "in {}", side.file)?;
    }
    hint.map_or(Ok(()), |hint| write!(f, "\n>>> {hint}"))
}

fn missing_code(
    f: &mut Formatter<'_>,
    function: &str,
    isa: &str,
    taken_by: &[(String, Place)],
) -> fmt::Result {
    write!(
        f,
        "error: {} has no code for {isa}, but its address is taken",
        demangle(function)
    )?;
    for (taker, place) in taken_by.iter().take(MAX_REFERENCES) {
        write!(f, "\n>>> address taken on {taker} by {place}")?;
    }
    write!(
        f,
        "\n>>> a function pointer must have code on every ISA; in assembly, a label that is not \
         `.type …, @function` keeps its own address"
    )
}
