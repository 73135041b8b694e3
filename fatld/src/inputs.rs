//! Phase 1: the files of each slice, read and taken apart into objects.
//!
//! A slice's objects keep the order of the command line and of the archives' members; everything after this phase is a
//! function of that order, never of the order in which threads happened to finish.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use object::read::archive::ArchiveFile;
use rayon::prelude::*;

use crate::elf::{self, ElfObject};
use crate::error::{Error, Place, Problem, check, unreadable};
use crate::isa::{self, Isa};
use crate::options::{Input, InputName, SliceOptions};

/// The mapped files of one slice. Objects borrow from them.
#[derive(Debug)]
pub struct SliceFiles {
    /// ISA of the slice.
    pub isa: &'static dyn Isa,
    files: Vec<(PathBuf, Mmap)>,
}

/// An object that a slice offers.
#[derive(Debug)]
pub struct Candidate<'d> {
    /// The object.
    pub object: ElfObject<'d>,
    /// All its bytes.
    pub data: &'d [u8],
    /// An archive member: taken only if it defines what something needs.
    pub lazy: bool,
}

/// Maps the files of every slice, and finds out its ISA if the command line does not say it.
pub fn open(slices: &[SliceOptions]) -> Result<Vec<SliceFiles>, Error> {
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    for slice in slices {
        let mut files = Vec::new();
        for input in &slice.inputs {
            match find(input, &slice.library_paths) {
                Ok((path, map)) => files.push((path, map)),
                Err(problem) => problems.push(problem),
            }
        }
        match slice.isa.map_or_else(|| first_isa(&files), Ok) {
            Ok(isa) => out.push(SliceFiles { isa, files }),
            Err(problem) => problems.push(problem),
        }
    }
    check(problems).map(|()| out)
}

/// Finds and maps an input.
fn find(input: &Input, folders: &[PathBuf]) -> Result<(PathBuf, Mmap), Problem> {
    let name = match &input.name {
        InputName::Path(path) => {
            let map = map_file(path).map_err(|e| unreadable(path, &e))?;
            return Ok((path.clone(), map));
        }
        InputName::Library(name) => name,
    };
    let file = match name.strip_prefix(':') {
        Some(file) => file.to_owned(),
        None => format!("lib{name}.a"),
    };
    let mut candidates = folders.iter().map(|folder| folder.join(&file));
    let path = candidates.find(|path| path.exists());
    let path = path.ok_or_else(|| Problem::NoLibrary {
        name: name.clone(),
        file,
        folders: folders.to_vec(),
    })?;
    let map = map_file(&path).map_err(|e| unreadable(&path, &e))?;
    Ok((path, map))
}

/// The ISA of the first object, be it a file or an archive's member.
fn first_isa(files: &[(PathBuf, Mmap)]) -> Result<&'static dyn Isa, Problem> {
    for (path, map) in files {
        if let Some(member) = members_of(path, map)?.first() {
            let machine = elf::machine(&member.name, member.data)?;
            let mut all = isa::ALL.iter().copied();
            let known = all.find(|isa| isa.machine() == machine);
            return known.ok_or_else(|| elf::unknown_machine(&member.name, machine));
        }
    }
    Err(Problem::Usage(
        "no object tells the ISA: name it by --slice or -m".to_owned(),
    ))
}

fn map_file(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    // SAFETY: the mapping is read-only and private; as with every linker, a file that another process truncates while
    // it is linked ends the process by a signal rather than giving a wrong image.
    unsafe { Mmap::map(&file) }
}

/// Reads headers and symbols of all objects of all slices.
pub fn read(files: &[SliceFiles]) -> Result<Vec<Vec<Candidate<'_>>>, Error> {
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    for slice in files {
        let mut members = Vec::new();
        for (path, map) in &slice.files {
            match members_of(path, map) {
                Ok(more) => members.extend(more),
                Err(problem) => problems.push(problem),
            }
        }
        let read: Vec<_> = members
            .into_par_iter()
            .map(|Member { name, data, lazy }| {
                elf::read(name, data, slice.isa).map(|object| Candidate { object, data, lazy })
            })
            .collect();
        let mut candidates = Vec::with_capacity(read.len());
        for result in read {
            match result {
                Ok(candidate) => candidates.push(candidate),
                Err(problem) => problems.push(problem),
            }
        }
        out.push(candidates);
    }
    check(problems).map(|()| out)
}

struct Member<'d> {
    name: String,
    data: &'d [u8],
    lazy: bool,
}

/// Member of an rlib that holds metadata for rustc, not code.
const RUST_METADATA: &[u8] = b"lib.rmeta";

fn members_of<'d>(path: &Path, data: &'d [u8]) -> Result<Vec<Member<'d>>, Problem> {
    let file = path.display().to_string();
    if data.starts_with(&object::archive::THIN_MAGIC) {
        let place = Place {
            file,
            section: "archive header".to_owned(),
            offset: 0,
        };
        return Err(Problem::Unsupported {
            place,
            what: "thin archives".to_owned(),
        });
    }
    if !data.starts_with(&object::archive::MAGIC) {
        return Ok(vec![Member {
            name: file,
            data,
            lazy: false,
        }]);
    }
    let bad = |offset: u64, expected: String| {
        let place = Place {
            file: file.clone(),
            section: "archive".to_owned(),
            offset,
        };
        Problem::Malformed { place, expected }
    };
    let archive = ArchiveFile::parse(data).map_err(|e| bad(0, e.to_string()))?;
    let (mut out, mut at) = (Vec::new(), 0);
    for member in archive.members() {
        let member = member.map_err(|e| bad(at, e.to_string()))?;
        at = member.file_range().0;
        let bytes = member.data(data).map_err(|e| bad(at, e.to_string()))?;
        if member.name() == RUST_METADATA {
            continue;
        }
        let name = format!("{file}({})", String::from_utf8_lossy(member.name()));
        out.push(Member {
            name,
            data: bytes,
            lazy: true,
        });
    }
    Ok(out)
}
