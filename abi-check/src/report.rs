//! The result of a comparison, as data.
//!
//! Invariant: everything in a [`Report`] is sorted and owned, so that two runs over equal input give equal reports.
//! Nothing here knows how it is printed (`render`) or found (`walk`, `explain`).

use std::collections::{BTreeMap, BTreeSet};

/// What a comparison found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Names of the sides, in the caller's order; indexes elsewhere refer to it.
    pub sides: Vec<String>,
    /// Differences, root causes only; what follows from them is folded into them.
    pub findings: Vec<Finding>,
    /// What could neither be proved equal nor different.
    pub unproved: Vec<Unproved>,
    /// Roots (statics and vtables) that were paired over sides and compared.
    pub compared_roots: usize,
    /// Distinct types of the first side that were compared.
    pub compared_types: usize,
    /// Places in them, fields above all, that hold a pointer to code.
    pub code_pointers: usize,
    /// Compilers, per side.
    pub producers: Vec<Producer>,
    /// How Rust code panics, per side; `None` without Rust, or where nothing tells.
    pub panics: Vec<Option<PanicStrategy>>,
    /// Rust crates, per side.
    pub crates: Vec<CrateRoot>,
}

/// What a panic of Rust does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PanicStrategy {
    /// `-Cpanic=unwind`.
    Unwind,
    /// `-Cpanic=abort`.
    Abort,
}

impl PanicStrategy {
    /// As rustc's option has it.
    pub fn word(self) -> &'static str {
        match self {
            PanicStrategy::Unwind => "unwind",
            PanicStrategy::Abort => "abort",
        }
    }
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Every selected root exists on every side and all layouts are alike (there may be warnings).
    Equal,
    /// At least one layout differs.
    Mismatch,
    /// Nothing differs, but not everything could be compared.
    Unproved,
    /// Nothing differs and nothing is unproved but what somebody bears.
    Suppressed,
    /// No root was compared, so nothing is known.
    NothingCompared,
}

impl Report {
    /// The answer in one word: a mismatch weighs more than nothing compared, that more than something unproved.
    pub fn verdict(&self) -> Verdict {
        let is_error = |finding: &&Finding| finding.kind.severity() == Severity::Error;
        let mut errors = self.findings.iter().filter(is_error);
        if errors.clone().any(|finding| finding.suppressed.is_none()) {
            Verdict::Mismatch
        } else if self.compared_roots == 0 {
            Verdict::NothingCompared
        } else if self.open().next().is_some() {
            Verdict::Unproved
        } else if errors.next().is_some() || !self.unproved.is_empty() {
            Verdict::Suppressed
        } else {
            Verdict::Equal
        }
    }

    /// What could not be compared, without what is suppressed.
    pub fn open(&self) -> impl Iterator<Item = &Unproved> {
        let counts = |unproved: &&Unproved| unproved.suppressed.is_none();
        self.unproved.iter().filter(counts)
    }

    /// How many differences of a severity count.
    pub fn number_of(&self, severity: Severity) -> usize {
        let counts = |finding: &&Finding| {
            finding.suppressed.is_none() && finding.kind.severity() == severity
        };
        self.findings.iter().filter(counts).count()
    }

    /// How many findings and unproved types are shown and do not count.
    pub fn number_of_suppressed(&self) -> usize {
        self.findings.len() - self.number_of(Severity::Error) - self.number_of(Severity::Warning)
            + self.unproved.len()
            - self.open().count()
    }

    /// Asks about everything that is not suppressed yet; what is goes to the end.
    pub fn suppress(&mut self, judge: &mut dyn FnMut(Issue<'_>) -> Option<Suppressed>) {
        for finding in &mut self.findings {
            if finding.suppressed.is_none() {
                finding.suppressed = judge(Issue::Finding(finding));
            }
        }
        for unproved in &mut self.unproved {
            if unproved.suppressed.is_none() {
                unproved.suppressed = judge(Issue::Unproved(unproved));
            }
        }
        self.findings
            .sort_by_key(|finding| finding.suppressed.is_some());
        self.unproved
            .sort_by_key(|unproved| unproved.suppressed.is_some());
    }

    /// Whether the sides were made by different compilers or versions of one.
    pub fn compilers_differ(&self) -> bool {
        let of = |side: usize| -> BTreeSet<&str> {
            self.producers
                .iter()
                .filter(|producer| producer.side == side)
                .map(|producer| producer.text.as_str())
                .collect()
        };
        (1..self.sides.len()).any(|side| of(0) != of(side))
    }

    /// Flags that change layouts or meanings and that not every side was compiled with, with the sides that were.
    pub fn flags_that_differ(&self) -> Vec<(&str, Vec<usize>)> {
        let mut sides: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for producer in &self.producers {
            for flag in &producer.flags {
                sides.entry(flag).or_default().insert(producer.side);
            }
        }
        let differing = sides
            .into_iter()
            .filter(|(_, having)| having.len() < self.sides.len());
        differing
            .map(|(flag, having)| (flag, having.into_iter().collect()))
            .collect()
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of difference.
    pub kind: Kind,
    /// The type that holds it; empty if it is the root's own type.
    pub type_name: String,
    /// The field, variant or enumerator of it, if it is one's.
    pub member: Option<String>,
    /// Roots that reach it and how; the first few.
    pub reached: Vec<Reached>,
    /// How many more roots reach it.
    pub more_roots: usize,
    /// What there is on each side that takes part.
    pub sides: Vec<SideView>,
    /// All fields of the type side by side, if it is a struct or union.
    pub table: Option<FieldTable>,
    /// Types whose layout holds this one by value, sorted.
    pub also_affects: Vec<String>,
    /// What a lint knows of the type.
    pub note: Option<Note>,
    /// Whether somebody knows of it and bears it: then it is shown and does not count.
    pub suppressed: Option<Suppressed>,
}

/// What a lint has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Name of the lint.
    pub lint: String,
    /// What means something else on each side.
    pub what: String,
    /// How to mend it.
    pub hint: String,
}

/// Why something is shown and does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suppressed {
    /// The reason that was given.
    pub reason: String,
    /// The last day on which it holds, as in `2027-01-31`.
    pub until: Option<String>,
    /// Where it was said: a file, and a line if known.
    pub origin: String,
    /// Whether that is the source itself.
    pub in_source: bool,
}

/// Something that may be suppressed.
#[derive(Clone, Copy, Debug)]
pub enum Issue<'r> {
    /// A difference.
    Finding(&'r Finding),
    /// Something that could not be compared.
    Unproved(&'r Unproved),
}

/// How bad a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Data of one side would be misread by the other.
    Error,
    /// The bytes agree, the meaning may not.
    Warning,
}

/// What kind of difference; [`Kind::id`] is stable. What is known of each is in the table of `kinds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// Size of a type.
    Size,
    /// Alignment of a type.
    Alignment,
    /// Place of a field.
    FieldOffset,
    /// A field that only some sides have.
    FieldMissing,
    /// Type of a field, with another layout.
    FieldType,
    /// An enumerator's value, or an enumerator that only some sides have.
    Enumerator,
    /// Place, type or values of an enum's discriminant.
    Discriminant,
    /// A variant that only some sides have.
    Variant,
    /// Encoding of a base type, for example the signedness of `char`.
    BaseEncoding,
    /// A struct here, something else there.
    Kind,
    /// Number of elements.
    ArrayLength,
    /// Size of pointers.
    PointerWidth,
    /// Format of a floating-point number.
    FloatFormat,
    /// Byte order.
    ByteOrder,
    /// Place or width of a bit field.
    Bitfield,
    /// Parameters or result of a function behind a pointer.
    Signature,
    /// A type with another name and the same layout.
    DifferentType,
    /// A pointer to code in memory that CPUs with other code share.
    CodePointer,
    /// Place of a virtual function in the vtable of its class.
    VirtualFunction,
    /// A type that a lint knows: its values do not mean the same on every side.
    Meaning,
}

/// Where a comparison starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RootKind {
    /// A static variable.
    Static,
    /// A Rust vtable: leads to the type that it is for.
    Vtable,
    /// A type.
    Type,
}

/// A root and the way from it to a difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// What the root is.
    pub kind: RootKind,
    /// Qualified name of the root.
    pub root: String,
    /// From the root, for example `STATS.inner.count`; `*` is a pointer followed.
    pub path: String,
}

/// What one side has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideView {
    /// Index in [`Report::sides`].
    pub side: usize,
    /// Where the source says so, if DWARF tells.
    pub place: Option<Place>,
    /// What is there, for example `offset 8  size 4  u32`.
    pub text: String,
    /// The number that `text` is about, of an alignment or a size: bytes.
    pub bytes: Option<u64>,
}

/// A line of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the compiler was given it.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Whether the debug information does not tell and the source was searched for the name.
    pub is_found_by_name: bool,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self.is_found_by_name {
            true => " (found by name)",
            false => "",
        };
        write!(f, "{}:{}{how}", self.file, self.line)
    }
}

/// The fields of a type on all sides that take part in a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTable {
    /// Indexes in [`Report::sides`], one for each cell of a row.
    pub sides: Vec<usize>,
    /// Bytes of the whole type, for each of `sides`, if known.
    pub sizes: Vec<Option<u64>>,
    /// A row for each field.
    pub rows: Vec<FieldRow>,
    /// Whether the fields cannot lie on top of each other, as those of a union or of variants do.
    pub sequential: bool,
}

/// One field on all sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRow {
    /// Name of the field.
    pub name: String,
    /// What each side has; `None` if it lacks the field.
    pub cells: Vec<Option<Cell>>,
}

/// One field on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Bits from the start of the type.
    pub bit_offset: u64,
    /// Bits, if known.
    pub bit_size: Option<u64>,
    /// Name of its type.
    pub type_name: String,
}

/// Something that could not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproved {
    /// Why not.
    pub reason: Reason,
    /// The static or type.
    pub subject: String,
    /// Indexes in [`Report::sides`] that `reason` speaks of.
    pub sides: Vec<usize>,
    /// Roots that reach it and how; the first few.
    pub reached: Vec<Reached>,
    /// Whether somebody knows of it and bears it: then it is shown and does not count.
    pub suppressed: Option<Suppressed>,
}

/// Why something could not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// A root that only the given sides define.
    OneSided(RootKind),
    /// A type that is only declared on the given sides.
    NoDefinition,
    /// Several different types of this name and nothing that tells which one is meant.
    Ambiguous,
    /// The given sides' DWARF uses a construct that this crate does not compare.
    Unreadable(&'static str),
    /// The given sides have no type information at all.
    NoTypes,
    /// Too many roots of one name to find out which belong together.
    TooManyCandidates(RootKind),
}

impl Reason {
    /// A stable word for it.
    pub fn word(self) -> &'static str {
        match self {
            Reason::OneSided(_) => "one-sided",
            Reason::NoDefinition => "no-definition",
            Reason::Ambiguous => "ambiguous",
            Reason::Unreadable(_) => "unreadable",
            Reason::NoTypes => "no-types",
            Reason::TooManyCandidates(_) => "too-many-candidates",
        }
    }

    /// All words.
    pub const WORDS: &[&str] = &[
        "one-sided",
        "no-definition",
        "ambiguous",
        "unreadable",
        "no-types",
        "too-many-candidates",
    ];
}

/// A compiler that made some units of a side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// Index in [`Report::sides`].
    pub side: usize,
    /// `DW_AT_producer` without command-line flags.
    pub text: String,
    /// Those of its flags that change layouts or meanings, sorted, if `DW_AT_producer` has flags.
    pub flags: Vec<String>,
    /// Number of its units.
    pub units: usize,
}

/// A Rust crate that units of a side are of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrateRoot {
    /// Index in [`Report::sides`].
    pub side: usize,
    /// Its name.
    pub name: String,
    /// Its root file, as the compiler was given it.
    pub file: String,
    /// The folder that the compiler ran in.
    pub directory: String,
}
