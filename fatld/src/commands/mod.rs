//! What the command does besides linking: a subcommand is its first argument.
//!
//! A subcommand reads its own arguments, checks them before it opens a file, and fails as a link does: with problems for
//! the one renderer, and exit status 1, or 2 for a wrong command line.

mod extract;
mod inspect;

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;
use memmap2::Mmap;

use crate::error::{Error, unreadable};

/// A subcommand and its arguments.
#[derive(Debug, Parser)]
#[command(name = "fatld", disable_help_subcommand = true, version)]
pub enum Subcommand {
    /// Show what is in a fat image
    Inspect(inspect::Arguments),
    /// Write a plain ELF file of one ISA of a fat image
    Extract(extract::Arguments),
}

impl Subcommand {
    /// The subcommand that the arguments ask for, program name left out. `None`: they are a link's.
    pub fn parse(arguments: &[OsString]) -> Option<Result<Self, clap::Error>> {
        let first = arguments.first()?.to_str()?;
        let known = ["inspect", "extract"].contains(&first);
        let program = OsString::from("fatld");
        known.then(|| Self::try_parse_from(std::iter::once(&program).chain(arguments)))
    }

    /// Does it.
    pub fn run(&self) -> Result<(), Error> {
        match self {
            Self::Inspect(arguments) => inspect::run(arguments),
            Self::Extract(arguments) => extract::run(arguments),
        }
    }
}

fn open(path: &Path) -> Result<Mmap, Error> {
    crate::inputs::map_file(path).map_err(|error| unreadable(path, &error).into())
}
