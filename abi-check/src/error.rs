//! Everything that keeps this crate from reading its input.
//!
//! Invariant: an error names the file, what was being read, and where; nothing else in the crate formats such a message.

/// Why the input could not be read. Differences between readable inputs are no errors, they are findings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not ELF, or its headers are damaged.
    #[error("{file}: cannot read {what}: {source}")]
    Elf {
        /// The file.
        file: String,
        /// What was being read.
        what: &'static str,
        /// The parser's reason.
        source: object::Error,
    },
    /// The file is of another format.
    #[error("{file}: is not an ELF file")]
    NotElf {
        /// The file.
        file: String,
    },
    /// The debug information is malformed.
    #[error("{file}: {section}+{offset:#x}: cannot read {what}: {source}")]
    Dwarf {
        /// The file.
        file: String,
        /// The section.
        section: &'static str,
        /// Offset in the section, after decompression.
        offset: u64,
        /// What was being read.
        what: &'static str,
        /// The parser's reason.
        source: gimli::Error,
    },
    /// A well-formed value where DWARF or this crate wants another.
    #[error("{file}: {section}+{offset:#x}: {what}: expected {expected}")]
    Unexpected {
        /// The file.
        file: String,
        /// The section.
        section: &'static str,
        /// Offset in the section.
        offset: u64,
        /// What was being read.
        what: &'static str,
        /// What would have been right.
        expected: &'static str,
    },
    /// A relocation whose meaning is unknown, at a value that is needed.
    #[error(
        "{file}: {section}+{offset:#x}: relocation type {r_type} of machine {machine} is not known here"
    )]
    Relocation {
        /// The file.
        file: String,
        /// The section that it applies to.
        section: &'static str,
        /// Offset in the section.
        offset: u64,
        /// `r_type` of the ELF relocation.
        r_type: u32,
        /// Name of the machine, or its `e_machine`.
        machine: String,
    },
    /// A relocation that points out of its section or at a symbol that does not exist.
    #[error("{file}: {section}+{offset:#x}: relocation {problem}")]
    BadRelocation {
        /// The file.
        file: String,
        /// The section that it applies to.
        section: &'static str,
        /// Offset in the section.
        offset: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More types, or pairs of types, than this crate is made for.
    #[error("{what}: more than {limit}")]
    TooLarge {
        /// What there are too many of.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// A file could not be read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// Where it is wrong: the file, if it is about one, the section or part of the file, and the offset in that.
    pub fn place(&self) -> (Option<&str>, &str, u64) {
        match self {
            Self::Elf { file, .. } | Self::NotElf { file } => (Some(file), "ELF header", 0),
            Self::Dwarf {
                file,
                section,
                offset,
                ..
            }
            | Self::Unexpected {
                file,
                section,
                offset,
                ..
            }
            | Self::Relocation {
                file,
                section,
                offset,
                ..
            }
            | Self::BadRelocation {
                file,
                section,
                offset,
                ..
            } => (Some(file), section, *offset),
            Self::TooLarge { .. } => (None, ".debug_info", 0),
            Self::Io { file, .. } => (Some(file), "file", 0),
        }
    }
}

/// Why a file that was found where an object's debug information should be is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongFile {
    /// Another content.
    #[error("its CRC-32 is {found:#010x}, expected {expected:#010x}")]
    Sum {
        /// The sum in `.gnu_debuglink`.
        expected: u32,
        /// That of the file.
        found: u32,
    },
    /// Another build, or none that is told.
    #[error("its build id is {}, expected {}", hexadecimal(found.as_deref()), hexadecimal(Some(expected)))]
    Id {
        /// What the object says.
        expected: Vec<u8>,
        /// What the file says.
        found: Option<Vec<u8>>,
    },
    /// Other units.
    #[error("it has {}, expected unit {expected:#018x}", units(found))]
    Unit {
        /// What the skeleton says.
        expected: u64,
        /// The units that are in the file.
        found: Vec<u64>,
    },
    /// No debug information either.
    #[error("it has no debug information")]
    Stripped,
}

fn hexadecimal(id: Option<&[u8]>) -> String {
    match id {
        Some(id) => id.iter().map(|byte| format!("{byte:02x}")).collect(),
        None => "missing".to_owned(),
    }
}

fn units(ids: &[u64]) -> String {
    match ids {
        [] => "no units".to_owned(),
        [id] => format!("unit {id:#018x}"),
        ids => format!("{} other units", ids.len()),
    }
}

/// What is said of files that hold debug information of an object, where they are not used.
#[derive(Debug, thiserror::Error)]
pub enum NotUsed {
    /// It belongs to something else.
    #[error("{path}: is not used for {file}: {why}")]
    Wrong {
        /// The file.
        path: String,
        /// The object.
        file: String,
        /// What is wrong with it.
        why: WrongFile,
    },
    /// It is damaged, or of another format.
    #[error("{source}: is not used for {file}")]
    Unreadable {
        /// The object.
        file: String,
        /// The reason, with the name of the file.
        source: Error,
    },
    /// It is nowhere.
    #[error("{file}: its debug information is in another file, which is not at {}", places.join(", "))]
    Missing {
        /// The object.
        file: String,
        /// Where it was looked for.
        places: Vec<String>,
    },
}
