//! Everything that can be wrong with a link, as data.
//!
//! A phase that finds something wrong returns all problems of its kind; nothing formats a message where it fails. A new
//! kind of problem has a variant of [`Problem`] here with its code ([`Problem::code`]) and its places
//! ([`Problem::places`]), its words in `report/words.rs`, and a line in `docs/errors.md`.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use crate::evidence::Evidence;
use crate::ids::SymbolId;
pub use crate::report::demangle;
use crate::report::{self, Palette};

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

impl Place {
    /// The file, and the member if the file is an archive: archives write `a(b)` for member `b`.
    pub fn file_and_member(&self) -> (&str, Option<&str>) {
        let inside = self.file.strip_suffix(')').and_then(|f| f.split_once('('));
        inside.map_or((&self.file, None), |(file, member)| (file, Some(member)))
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:({}+{:#x})", self.file, self.section, self.offset)
    }
}

/// A line of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLine {
    /// The file as the compiler was given it.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
}

impl Display for SourceLine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
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
    pub source: Option<SourceLine>,
    /// The symbol whose declaration is to be found.
    pub definition: Option<SymbolId>,
}

/// A definition of a symbol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Definition {
    /// In the object.
    pub place: Place,
    /// Its line in the source, if known.
    pub source: Option<SourceLine>,
}

/// What a relocation refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The symbol; `None` if the relocation names a section or an assembler's label, and the place says what is meant.
    pub symbol: Option<String>,
    /// Where that is defined, if anywhere in the inputs.
    pub place: Option<Place>,
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
        /// What it refers to.
        target: Target,
        /// The value, in bytes.
        value: i128,
        /// Smallest and largest value that fit, in bytes.
        range: (i128, i128),
        /// The value is an address, not a distance.
        absolute: bool,
    },
    /// A value that is not a multiple of what its field can hold.
    Misaligned {
        /// The field.
        place: Place,
        /// Name of the relocation type.
        relocation: &'static str,
        /// What it refers to.
        target: Target,
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

/// What a place has to do with a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Here it is wrong.
    Wrong,
    /// This refers to the symbol.
    Reference,
    /// This defines the symbol.
    Definition,
}

impl Problem {
    /// What kind of problem it is: a word that stays the same in all versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Read { .. } => "unreadable-file",
            Self::NoLibrary { .. } => "missing-library",
            Self::Malformed { .. } => "malformed-input",
            Self::Unsupported { .. } => "unsupported-input",
            Self::Undefined { .. } => "undefined-symbol",
            Self::Duplicate { .. } => "duplicate-symbol",
            Self::Mismatch { .. } => "slice-mismatch",
            Self::Layout(_) => "layout-mismatch",
            Self::MissingCode { .. } => "missing-code",
            Self::Overflow { .. } => "relocation-overflow",
            Self::Misaligned { .. } => "relocation-misaligned",
            Self::Output { .. } => "unwritable-output",
        }
    }

    /// Its places in the inputs: the source lines of all of them are looked up.
    pub fn places(&self) -> Vec<(Role, &Place)> {
        match self {
            Self::Malformed { place, .. } | Self::Unsupported { place, .. } => {
                vec![(Role::Wrong, place)]
            }
            Self::Overflow { place, target, .. } | Self::Misaligned { place, target, .. } => {
                let defined = target.place.iter().map(|p| (Role::Definition, p));
                [(Role::Wrong, place)].into_iter().chain(defined).collect()
            }
            Self::Undefined { references, .. } => {
                references.iter().map(|p| (Role::Reference, p)).collect()
            }
            Self::Duplicate { definitions, .. } => definitions
                .iter()
                .map(|d| (Role::Definition, &d.place))
                .collect(),
            Self::MissingCode { taken_by, .. } => {
                taken_by.iter().map(|(_, p)| (Role::Reference, p)).collect()
            }
            Self::Usage(_)
            | Self::Read { .. }
            | Self::NoLibrary { .. }
            | Self::Mismatch { .. }
            | Self::Layout(_)
            | Self::Output { .. } => Vec::new(),
        }
    }

    /// The symbol it is about, as the objects spell it.
    pub fn symbol(&self) -> Option<&str> {
        match self {
            Self::Undefined { symbol, .. }
            | Self::Duplicate { symbol, .. }
            | Self::Mismatch { symbol, .. } => Some(symbol),
            Self::Overflow { target, .. } | Self::Misaligned { target, .. } => {
                target.symbol.as_deref()
            }
            Self::MissingCode { function, .. } => Some(function),
            _ => None,
        }
    }

    /// The ISA whose slice it is about, if it is one's.
    pub fn isa(&self) -> Option<&str> {
        match self {
            Self::Undefined { isa, .. }
            | Self::Duplicate { isa, .. }
            | Self::MissingCode { isa, .. } => Some(isa),
            _ => None,
        }
    }
}

/// A link that was refused, with everything that was found wrong up to the phase that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    problems: Vec<Problem>,
    evidence: Evidence,
    limit: usize,
}

/// Problems that are shown unless `--error-limit` says otherwise, as many as lld shows.
pub const DEFAULT_LIMIT: usize = 20;

impl Error {
    /// Sorts the problems, so that their order does not depend on the order of the work.
    pub fn new(mut problems: Vec<Problem>) -> Self {
        for problem in &mut problems {
            if let Problem::Undefined { references, .. } = problem {
                references.sort();
                references.dedup();
            }
        }
        problems.sort();
        problems.dedup();
        Self {
            problems,
            evidence: Evidence::default(),
            limit: DEFAULT_LIMIT,
        }
    }

    /// Shows at most `limit` problems; 0 shows all.
    pub fn limited_to(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Adds what the inputs tell about the problems.
    pub fn explained_by(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }

    /// What is wrong, sorted.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The first of them, as many as are shown, and the number of those that are not.
    pub fn shown(&self) -> (&[Problem], usize) {
        let all = self.problems.len();
        let shown = if self.limit == 0 {
            all
        } else {
            self.limit.min(all)
        };
        (&self.problems[..shown], all - shown)
    }

    /// What the inputs tell about them.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
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
        f.write_str(&report::text(self, &Palette::default()))
    }
}
