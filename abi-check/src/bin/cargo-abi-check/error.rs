//! Everything that keeps this command from having something to compare.

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to compare with.
    #[error("--targets: expected two different targets or more")]
    OneTarget,
    /// A program could not be called.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// cargo could not describe the package.
    #[error("cannot read the package: {0}")]
    Metadata(#[from] cargo_metadata::Error),
    /// No package was named and the manifest has several.
    #[error("the workspace has several packages: name one by --package ({})", .0.join(", "))]
    SeveralPackages(Vec<String>),
    /// No such package.
    #[error("package {name} is not in the workspace, which has {}", known.join(", "))]
    NoPackage {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// Nothing to build.
    #[error(
        "package {0} has no library: types of programs are compared by abi-check on what was linked"
    )]
    NoLibrary(String),
    /// The compiler refused, and said why.
    #[error("{package} could not be built for {target}")]
    Build {
        /// The package.
        package: String,
        /// The target.
        target: String,
    },
    /// The standard library can be had in neither form.
    #[error(
        "there is no standard library for {target}: rustup target add {target}, or its source to compile `core` and `alloc` from: rustup component add rust-src"
    )]
    NoStandardLibrary {
        /// The target.
        target: String,
    },
    /// The compiler does not know the target.
    #[error("rustc does not know the target {target}: {said}")]
    UnknownTarget {
        /// The target.
        target: String,
        /// What it said.
        said: String,
    },
    /// cargo succeeded and named no file.
    #[error("cargo named no .rlib of {package} for {target}")]
    NoArtifact {
        /// The package.
        package: String,
        /// The target.
        target: String,
    },
}
