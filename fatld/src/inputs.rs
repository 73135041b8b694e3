//! Phase 1: the files of each slice, found, mapped and taken apart into what they offer.
//!
//! A slice's offers keep the order of the command line and of the archives' members; everything after this phase is a
//! function of that order, never of the order in which threads happened to finish. Objects that take part in any case
//! are read at once and in parallel; members of an archive with a symbol table only when something needs them.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use memmap2::Mmap;
use rayon::prelude::*;

use crate::archive::{self, Archive, Content};
use crate::elf::{self, ElfObject};
use crate::error::{Error, Problem, check, unreadable};
use crate::isa::{self, Isa};
use crate::options::{Input, InputName, Options, SliceOptions, SymbolValue};

/// The mapped files of one slice. Objects borrow from them.
#[derive(Debug)]
pub struct SliceFiles {
    /// ISA of the slice.
    pub isa: &'static dyn Isa,
    files: Vec<InputFile>,
}

#[derive(Debug)]
struct InputFile {
    path: PathBuf,
    map: Mmap,
    whole_archive: bool,
    lazy: bool,
    /// Members of a thin archive, mapped when they are needed.
    thin: HashMap<PathBuf, OnceLock<Mmap>>,
}

/// What one slice has to link.
#[derive(Debug)]
pub struct Inputs<'d> {
    /// ISA of the slice.
    pub isa: &'static dyn Isa,
    /// Objects that may take part.
    pub candidates: Vec<Candidate<'d>>,
    /// What they offer, in order.
    pub offers: Vec<Offer<'d>>,
}

impl<'d> Inputs<'d> {
    /// The objects that were read.
    pub fn objects(&self) -> impl Iterator<Item = &ElfObject<'d>> {
        let read = self.candidates.iter().filter_map(|c| c.object.get());
        read.flatten()
    }
}

/// What the command line puts before the phase of resolution.
#[derive(Debug)]
pub enum Offer<'d> {
    /// An object that takes part.
    Object(usize),
    /// An object that takes part if it defines what something needs.
    Lazy(usize),
    /// Names of an archive's symbol table, and the members that define them.
    Archive(Vec<(&'d str, usize)>),
}

/// An object that may take part.
#[derive(Debug)]
pub struct Candidate<'d> {
    name: Name<'d>,
    bytes: Bytes<'d>,
    object: OnceLock<Result<ElfObject<'d>, Problem>>,
}

/// How messages call a file: its path, with the archive member in parentheses.
#[derive(Debug, Clone, Copy)]
pub struct Name<'d> {
    path: &'d Path,
    member: Option<&'d str>,
}

#[derive(Debug, Clone, Copy)]
enum Bytes<'d> {
    Mapped(&'d [u8]),
    /// To be mapped when it is needed.
    File(&'d Path, &'d OnceLock<Mmap>),
}

/// Maps the files of every slice, and finds out its ISA if the command line does not say it.
pub fn open(slices: &[SliceOptions]) -> Result<Vec<SliceFiles>, Error> {
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    for slice in slices {
        let mut files = Vec::new();
        for input in &slice.inputs {
            match InputFile::open(input, &slice.library_paths) {
                Ok(file) => files.push(file),
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

impl InputFile {
    fn open(input: &Input, folders: &[PathBuf]) -> Result<Self, Problem> {
        let path = find(&input.name, folders)?;
        let map = map_file(&path).map_err(|e| unreadable(&path, &e))?;
        let mut thin = HashMap::new();
        if archive::is_thin(&map) {
            for member in archive::read(&path, &map)?.members {
                if let Content::File(path) = member.content {
                    thin.insert(path, OnceLock::new());
                }
            }
        }
        Ok(Self {
            path,
            map,
            whole_archive: input.whole_archive,
            lazy: input.lazy,
            thin,
        })
    }
}

/// Path of an input.
fn find(name: &InputName, folders: &[PathBuf]) -> Result<PathBuf, Problem> {
    let name = match name {
        InputName::Path(path) => return Ok(path.clone()),
        InputName::Library(name) => name,
    };
    let file = match name.strip_prefix(':') {
        Some(file) => file.to_owned(),
        None => format!("lib{name}.a"),
    };
    let mut candidates = folders.iter().map(|folder| folder.join(&file));
    candidates
        .find(|path| path.exists())
        .ok_or_else(|| Problem::NoLibrary {
            name: name.clone(),
            file,
            folders: folders.to_vec(),
        })
}

/// Maps a regular file.
pub fn map_file(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    // SAFETY: the mapping is read-only and private; as with every linker, a file that another process truncates while
    // it is linked ends the process by a signal rather than giving a wrong image.
    unsafe { Mmap::map(&file) }
}

/// The ISA of the first object, be it a file or an archive's member.
fn first_isa(files: &[InputFile]) -> Result<&'static dyn Isa, Problem> {
    for file in files {
        let mut members = Vec::new();
        file.take_apart(&mut members, &mut Vec::new())?;
        if let Some(first) = members.first() {
            let (name, data) = (first.name.to_string(), first.data()?);
            let machine = elf::machine(&name, data)?;
            let mut all = isa::ALL.iter().copied();
            let known = all.find(|isa| isa.machine() == machine);
            return known.ok_or_else(|| elf::unknown_machine(&name, machine));
        }
    }
    let unknown = "no object tells the ISA: name it by --slice or -m";
    Err(Problem::Usage(unknown.to_owned()))
}

/// Takes the files of every slice apart, and reads the objects that take part in any case.
pub fn read<'d>(files: &'d [SliceFiles], options: &'d Options) -> Result<Vec<Inputs<'d>>, Error> {
    let read: Vec<_> = files.par_iter().map(|slice| slice.read(options)).collect();
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    for result in read {
        match result {
            Ok(inputs) => out.push(inputs),
            Err(more) => problems.extend(more),
        }
    }
    check(problems).map(|()| out)
}

impl SliceFiles {
    fn read<'d>(&'d self, options: &'d Options) -> Result<Inputs<'d>, Vec<Problem>> {
        let (mut candidates, mut offers, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(object) = command_line(options) {
            offers.push(Offer::Object(candidates.len()));
            candidates.push(object);
        }
        for file in &self.files {
            problems.extend(file.take_apart(&mut candidates, &mut offers).err());
        }
        let at_once: Vec<usize> = offers
            .iter()
            .filter_map(|offer| match offer {
                Offer::Object(index) | Offer::Lazy(index) => Some(*index),
                Offer::Archive(_) => None,
            })
            .collect();
        let read = |index: &usize| candidates[*index].object(self.isa).err();
        let refused: Vec<_> = at_once.par_iter().filter_map(read).collect();
        problems.extend(refused);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Inputs {
            isa: self.isa,
            candidates,
            offers,
        })
    }
}

impl InputFile {
    /// Adds what the file offers.
    fn take_apart<'d>(
        &'d self,
        candidates: &mut Vec<Candidate<'d>>,
        offers: &mut Vec<Offer<'d>>,
    ) -> Result<(), Problem> {
        let first = candidates.len();
        if !archive::is_archive(&self.map) {
            candidates.push(self.candidate(None, Bytes::Mapped(&self.map)));
            offers.push(if self.lazy {
                Offer::Lazy(first)
            } else {
                Offer::Object(first)
            });
            return Ok(());
        }
        let Archive { members, symbols } = archive::read(&self.path, &self.map)?;
        let all = first..first + members.len();
        for member in members {
            let bytes = match member.content {
                Content::Here(bytes) => Bytes::Mapped(bytes),
                Content::File(path) => {
                    let found = self.thin.get_key_value(&path);
                    let (path, map) = found.ok_or_else(|| {
                        unreadable(
                            &self.path,
                            &std::io::Error::other("it changes while it is read"),
                        )
                    })?;
                    Bytes::File(path, map)
                }
            };
            candidates.push(self.candidate(Some(member.name), bytes));
        }
        match symbols {
            _ if self.whole_archive => offers.extend(all.map(Offer::Object)),
            Some(symbols) => {
                let symbols = symbols
                    .into_iter()
                    .map(|(name, member)| (name, first + member));
                offers.push(Offer::Archive(symbols.collect()));
            }
            None => offers.extend(all.map(Offer::Lazy)),
        }
        Ok(())
    }

    fn candidate<'d>(&'d self, member: Option<&'d str>, bytes: Bytes<'d>) -> Candidate<'d> {
        Candidate {
            name: Name {
                path: &self.path,
                member,
            },
            bytes,
            object: OnceLock::new(),
        }
    }
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.member {
            Some(member) => write!(f, "{}({member})", self.path.display()),
            None => write!(f, "{}", self.path.display()),
        }
    }
}

impl<'d> Candidate<'d> {
    /// The file, with the archive member in parentheses.
    pub fn file(&self) -> Name<'d> {
        self.name
    }

    fn data(&self) -> Result<&'d [u8], Problem> {
        match self.bytes {
            Bytes::Mapped(bytes) => Ok(bytes),
            Bytes::File(path, map) => {
                if map.get().is_none() {
                    let mapped = map_file(path).map_err(|e| unreadable(path, &e))?;
                    // Another slice may have been quicker: both mapped the same file.
                    let _ = map.set(mapped);
                }
                Ok(map.get().map_or(&[], |map| map))
            }
        }
    }

    /// The object. It is read when this is called first.
    pub fn object(&self, isa: &dyn Isa) -> Result<&ElfObject<'d>, Problem> {
        let read = || elf::read(self.name.to_string(), self.data()?, isa);
        self.object.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

/// The object that stands for what the command line needs and defines itself.
fn command_line(options: &Options) -> Option<Candidate<'_>> {
    if options.undefined.is_empty() && options.definitions.is_empty() {
        return None;
    }
    let defined = options.definitions.iter().map(|(name, value)| match value {
        SymbolValue::Absolute(value) => (name.as_str(), Some(*value)),
        // The value is that of the other symbol: resolution finds it.
        SymbolValue::Symbol(_) => (name.as_str(), Some(0)),
    });
    let needed = options.undefined.iter().map(|name| (name.as_str(), None));
    let others = options
        .definitions
        .iter()
        .filter_map(|(_, value)| match value {
            SymbolValue::Symbol(other) => Some((other.as_str(), None)),
            SymbolValue::Absolute(_) => None,
        });
    let object = ElfObject::of_command_line(needed.chain(others).chain(defined));
    Some(Candidate {
        name: Name {
            path: Path::new(elf::COMMAND_LINE),
            member: None,
        },
        bytes: Bytes::Mapped(&[]),
        object: OnceLock::from(Ok(object)),
    })
}
