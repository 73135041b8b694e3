//! The linker that rustc calls: it links nothing and records what was to be linked.
//!
//! In the place of the program it writes a [`Record`]: the objects and archives of the link line in their order, and
//! how each crate was compiled. cargo takes that file for the program, so its freshness is cargo's own business. rustc
//! deletes its objects after linking, so they are kept beside the record; rlibs stay where they are.
//!
//! Every flag of the link line is known here, or refused: `fatld` gets none of them, so each one's meaning must be
//! fulfilled by `fatld` in any case or be without meaning for an image.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;
use crate::wrapper::{Unit, note_path};

/// What one slice is linked from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Objects and archives, in the order of the link line.
    pub inputs: Vec<PathBuf>,
    /// How the program and each of its rlibs were compiled.
    pub units: Vec<Unit>,
}

/// The meaning of a link line.
#[derive(Debug, PartialEq, Eq)]
struct LinkLine {
    output: PathBuf,
    inputs: Vec<PathBuf>,
}

/// Flags without argument that need no doing: `fatld` collects garbage, decides on its own optimization, places
/// exception tables and relocates for fixed addresses; there is nothing dynamic in an image.
const DROPPED: [&str; 11] = [
    "--as-needed",
    "-Bstatic",
    "-Bdynamic",
    "--eh-frame-hdr",
    "--gc-sections",
    "--no-gc-sections",
    "-pie",
    "-static",
    "-O0",
    "-O1",
    "-O2",
];

/// Flags with an argument that need no doing. A search path is only used by `-l`, which is refused.
const DROPPED_WITH_ARGUMENT: [&str; 2] = ["-flavor", "-L"];

/// `-z` keywords that need no doing: page permissions and the lack of a stack are fixed by the image's layout.
const DROPPED_KEYWORDS: [&str; 3] = ["noexecstack", "relro", "now"];

/// Flags that are understood and cannot be followed: their beginning, and why.
const REFUSED: [(&str, &str); 6] = [
    (
        "-l",
        "a native library must come as an object or archive, by its path (`cargo::rustc-link-arg=PATH`)",
    ),
    (
        "-T",
        "an image has one layout for all ISAs, which no linker script of one slice can give",
    ),
    (
        "--script",
        "an image has one layout for all ISAs, which no linker script of one slice can give",
    ),
    (
        "--strip-",
        "layouts are proved equal by debugging information; leave `strip` out of the profile",
    ),
    (
        "-shared",
        "an image is linked from programs, not from shared libraries",
    ),
    ("-r", "an image is linked whole"),
];

fn parse(arguments: &[OsString]) -> Result<LinkLine, Error> {
    let mut output = None;
    let mut inputs = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let flag = argument.to_string_lossy();
        let mut value = || {
            arguments.next().ok_or_else(|| Error::LinkFlagArgument {
                flag: flag.clone().into_owned(),
            })
        };
        if !argument.as_bytes().starts_with(b"-") {
            inputs.push(PathBuf::from(argument));
        } else if flag == "-o" {
            output = Some(PathBuf::from(value()?));
        } else if flag == "-z" {
            let keyword = value()?;
            if !DROPPED_KEYWORDS.iter().any(|known| *known == keyword) {
                let mut flag = OsString::from("-z ");
                flag.push(keyword);
                return Err(Error::LinkFlag { flag });
            }
        } else if DROPPED_WITH_ARGUMENT.contains(&&*flag) {
            value()?;
        } else if !DROPPED.contains(&&*flag) && !flag.starts_with("-L") {
            let flag = argument.clone();
            return Err(
                match REFUSED
                    .iter()
                    .find(|(start, _)| flag.as_bytes().starts_with(start.as_bytes()))
                {
                    Some((_, why)) => Error::LinkFlagRefused { flag, why },
                    None => Error::LinkFlag { flag },
                },
            );
        }
    }
    Ok(LinkLine {
        output: output.ok_or(Error::LinkOutput)?,
        inputs,
    })
}

/// The words of a response file as rustc writes it for this flavor of linker: one a line, spaces and backslashes
/// preceded by a backslash.
fn response_words(text: &[u8]) -> Vec<OsString> {
    let mut words = Vec::new();
    for line in text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let mut word = Vec::with_capacity(line.len());
        let mut bytes = line.iter();
        while let Some(byte) = bytes.next() {
            word.push(if *byte == b'\\' {
                *bytes.next().unwrap_or(byte)
            } else {
                *byte
            });
        }
        words.push(OsString::from_vec(word));
    }
    words
}

/// The link line with its response files in their places.
fn expand(arguments: &[OsString]) -> Result<Vec<OsString>, Error> {
    let mut expanded = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match argument.as_bytes().strip_prefix(b"@") {
            Some(path) => {
                let path = Path::new(OsStr::from_bytes(path));
                expanded.extend(response_words(
                    &fs::read(path).map_err(files::context("read", path))?,
                ));
            }
            None => expanded.push(argument.clone()),
        }
    }
    Ok(expanded)
}

/// Where the wrapper noted how this rlib was compiled.
fn note_of_rlib(rlib: &Path) -> Option<PathBuf> {
    let stem = rlib.file_stem()?.to_str()?.strip_prefix("lib")?;
    Some(note_path(rlib.parent()?, stem))
}

/// Keeps an object that rustc is going to delete.
fn keep(object: &Path, dir: &Path, number: usize) -> Result<PathBuf, Error> {
    let name = object
        .file_name()
        .and_then(OsStr::to_str)
        .unwrap_or("object.o");
    let kept = dir.join(format!("{number}-{name}"));
    fs::hard_link(object, &kept)
        .or_else(|_| fs::copy(object, &kept).map(drop))
        .map_err(files::context("keep a copy of", object))?;
    Ok(kept)
}

/// Does the linker's part: `arguments` are those of a linker.
pub fn run(arguments: &[OsString]) -> Result<(), Error> {
    let line = parse(&expand(arguments)?)?;
    let dir = line.output.parent().unwrap_or(Path::new("."));
    let stem = line
        .output
        .file_name()
        .and_then(OsStr::to_str)
        .unwrap_or("program")
        .to_owned();

    let kept = dir.join(format!("{stem}.inputs"));
    match fs::remove_dir_all(&kept) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(files::context("remove", &kept)(error));
        }
        _ => fs::create_dir_all(&kept).map_err(files::context("make", &kept))?,
    }

    let mut record = Record {
        inputs: Vec::new(),
        units: Vec::new(),
    };
    let program = note_path(dir, &stem);
    if program.exists() {
        record.units.push(files::read_json(&program)?);
    }
    for (number, input) in line.inputs.iter().enumerate() {
        record
            .inputs
            .push(match input.extension().and_then(OsStr::to_str) {
                Some("rlib") => {
                    let unknown = || Error::UnknownRlib {
                        rlib: input.clone(),
                    };
                    record.units.push(files::read_json(
                        &note_of_rlib(input)
                            .filter(|note| note.exists())
                            .ok_or_else(unknown)?,
                    )?);
                    input.clone()
                }
                Some("o") => keep(input, &kept, number)?,
                _ => input.clone(),
            });
    }
    files::write_json(&line.output, &record)
}

/// Fails if a crate that two slices have was not compiled alike for both. A crate that only one of them has is its
/// private affair: a driver, say, that only one of the machines needs.
pub fn compare(slices: &[(&str, &Record)]) -> Result<(), Error> {
    for (at, (other_isa, other)) in slices.iter().enumerate() {
        for (first_isa, first) in &slices[..at] {
            for unit in &other.units {
                let same = |candidate: &&Unit| {
                    (
                        &candidate.package,
                        &candidate.crate_name,
                        &candidate.version,
                    ) == (&unit.package, &unit.crate_name, &unit.version)
                };
                if let Some(counterpart) = first.units.iter().find(same) {
                    compare_units((first_isa, counterpart), (other_isa, unit))?;
                }
            }
        }
    }
    Ok(())
}

fn compare_units(
    (first_isa, first): (&str, &Unit),
    (other_isa, other): (&str, &Unit),
) -> Result<(), Error> {
    let features = |unit: &Unit| unit.features.join(",");
    let properties = [
        ("rustc", first.rustc.clone(), other.rustc.clone()),
        ("features", features(first), features(other)),
        ("panic strategy", first.panic.clone(), other.panic.clone()),
        (
            "optimization level",
            first.opt_level.clone(),
            other.opt_level.clone(),
        ),
        (
            "debug assertions",
            first.debug_assertions.to_string(),
            other.debug_assertions.to_string(),
        ),
        ("edition", first.edition.clone(), other.edition.clone()),
    ];
    match properties
        .into_iter()
        .find(|(_, first, other)| first != other)
    {
        None => Ok(()),
        Some((what, first_value, other_value)) => Err(Error::Different {
            crate_name: first.crate_name.clone(),
            what,
            first_isa: first_isa.to_owned(),
            first: first_value,
            other_isa: other_isa.to_owned(),
            other: other_value,
        }),
    }
}

#[cfg(test)]
mod tests;
