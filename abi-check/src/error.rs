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
