//! Files that hold debug information of the files that are compared: found as debuggers find them, and added to the
//! sides.
//!
//! The debug file of a stripped file takes its place. Split units and what `dwz` moved become further objects of the side,
//! where the library puts together what belongs together.
//!
//! Invariants: each file is mapped once; no file is used whose id or sum is another one than the object names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use abi_check::{Elsewhere, Error, NotUsed, ObjectFile, Side, WrongFile};

use crate::files::{self, Bytes};

/// Where distributions keep debug information.
const SYSTEM: &str = "/usr/lib/debug";

/// The files of all sides.
#[derive(Default)]
pub(crate) struct Inputs {
    /// Folders in which what is missing beside a file is looked for.
    roots: Vec<PathBuf>,
    files: Vec<Loaded>,
    sides: Vec<Files>,
    /// Ids of the split units of files that were looked at.
    units: HashMap<PathBuf, Rc<HashSet<u64>>>,
    said: HashSet<PathBuf>,
    problems: Vec<NotUsed>,
}

/// A file in memory.
struct Loaded {
    path: PathBuf,
    data: Rc<Bytes>,
}

/// Indexes of the files of a side.
struct Files {
    main: usize,
    /// What takes the place of a stripped object, by the index of that.
    instead: BTreeMap<usize, usize>,
    more: Vec<usize>,
    /// Split units that are in `more`.
    units: HashSet<u64>,
}

impl Inputs {
    /// Reads the files, and all that hold parts of their debug information.
    pub(crate) fn read(paths: &[PathBuf], roots: &[PathBuf]) -> Result<Inputs, Error> {
        let mut inputs = Inputs {
            roots: roots.to_vec(),
            ..Inputs::default()
        };
        inputs.roots.push(SYSTEM.into());
        for path in paths {
            let main = inputs.load(path)?;
            inputs.sides.push(Files {
                main,
                instead: BTreeMap::new(),
                more: Vec::new(),
                units: HashSet::new(),
            });
            let side = inputs.sides.len() - 1;
            let data = Rc::clone(&inputs.files[main].data);
            for (index, object) in abi_check::objects(&shown(path), &data)?.iter().enumerate() {
                if let Ok(own) = abi_check::split_ids(object) {
                    inputs.sides[side].units.extend(own);
                }
                inputs.complete(side, (index, object), path)?;
            }
        }
        Ok(inputs)
    }

    /// What was found and is not used, and what was not found.
    pub(crate) fn problems(&self) -> &[NotUsed] {
        &self.problems
    }

    /// The sides, called by `names` or else by the paths of their files.
    pub(crate) fn sides(&self, names: &[String]) -> Result<Vec<Side<'_>>, Error> {
        let mut result = Vec::new();
        for (at, side) in self.sides.iter().enumerate() {
            let Loaded { path, data } = &self.files[side.main];
            let mut objects = abi_check::objects(&shown(path), data)?;
            for (index, file) in &side.instead {
                objects[*index] = self.object(*file);
            }
            objects.extend(side.more.iter().map(|file| self.object(*file)));
            result.push(Side {
                name: names.get(at).cloned().unwrap_or_else(|| shown(path)),
                objects,
            });
        }
        Ok(result)
    }

    fn object(&self, file: usize) -> ObjectFile<'_> {
        let Loaded { path, data } = &self.files[file];
        ObjectFile {
            name: shown(path),
            data,
        }
    }

    /// Index of a file, which is read if it is new.
    fn load(&mut self, path: &Path) -> Result<usize, Error> {
        let is_same = |file: &Loaded| file.path == path || real(&file.path) == real(path);
        if let Some(known) = self.files.iter().position(is_same) {
            return Ok(known);
        }
        let data = read(path)?;
        self.files.push(Loaded {
            path: path.to_owned(),
            data: Rc::new(data),
        });
        Ok(self.files.len() - 1)
    }

    /// Finds what an object lacks; it is in the file at `path`.
    fn complete(
        &mut self,
        side: usize,
        (index, object): (usize, &ObjectFile<'_>),
        path: &Path,
    ) -> Result<(), Error> {
        for wanted in abi_check::elsewhere(object)? {
            match &wanted {
                Elsewhere::Split { id, .. } => self.split(side, *id, &wanted, (object, path))?,
                Elsewhere::Common { .. } => {
                    if let Some(file) = self.find(&wanted, object, path) {
                        self.sides[side].more.push(file);
                    }
                }
                Elsewhere::Stripped { .. } => {
                    if let Some(file) = self.find(&wanted, object, path) {
                        self.sides[side].instead.insert(index, file);
                        let Loaded { path: debug, data } = &self.files[file];
                        let (name, data, debug) = (shown(debug), Rc::clone(data), debug.clone());
                        let debug_file = ObjectFile { name, data: &data };
                        // Packages of split units are called like the file that was stripped.
                        for (wanted, from) in abi_check::elsewhere(&debug_file)?
                            .iter()
                            .flat_map(|wanted| [(wanted, &*debug), (wanted, path)])
                        {
                            if let Elsewhere::Split { id, .. } = wanted {
                                self.split(side, *id, wanted, (&debug_file, from))?;
                            } else if from == debug
                                && let Some(file) = self.find(wanted, &debug_file, from)
                            {
                                self.sides[side].more.push(file);
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds a split unit, unless a file that has it was found already. If none has it, the comparison says so.
    fn split(
        &mut self,
        side: usize,
        id: u64,
        wanted: &Elsewhere,
        (object, path): (&ObjectFile<'_>, &Path),
    ) -> Result<(), Error> {
        if self.sides[side].units.contains(&id) {
            return Ok(());
        }
        for place in places(wanted, path, &self.roots) {
            let units = match self.units_of(&place) {
                Ok(units) => units,
                Err(source) => {
                    self.unreadable(&place, object, source);
                    continue;
                }
            };
            if units.contains(&id) {
                let file = self.load(&place)?;
                let side = &mut self.sides[side];
                side.units.extend(units.iter());
                side.more.push(file);
                return Ok(());
            }
            let mut found: Vec<u64> = units.iter().copied().collect();
            found.sort_unstable();
            let why = WrongFile::Unit {
                expected: id,
                found,
            };
            self.wrong(&place, object, why);
        }
        Ok(())
    }

    fn units_of(&mut self, path: &Path) -> Result<Rc<HashSet<u64>>, Error> {
        if let Some(known) = self.units.get(path) {
            return Ok(Rc::clone(known));
        }
        let name = shown(path);
        let data = read(path)?;
        let object = ObjectFile { name, data: &data };
        let units: Rc<HashSet<u64>> = Rc::new(abi_check::split_ids(&object)?.into_iter().collect());
        self.units.insert(path.to_owned(), Rc::clone(&units));
        Ok(units)
    }

    /// The first file that is what `wanted` means.
    fn find(&mut self, wanted: &Elsewhere, object: &ObjectFile<'_>, path: &Path) -> Option<usize> {
        let mut is_wrong = false;
        for place in places(wanted, path, &self.roots) {
            if real(&place) == real(path) {
                continue;
            }
            let known = self.files.len();
            let checked = self.load(&place).and_then(|file| {
                let wrong = wanted.check(&self.object(file))?;
                Ok((file, wrong))
            });
            match checked {
                Ok((file, None)) => return Some(file),
                Ok((_, Some(why))) => self.wrong(&place, object, why),
                Err(source) => self.unreadable(&place, object, source),
            }
            is_wrong = true;
            self.files.truncate(known);
        }
        if !is_wrong {
            let places = all_places(wanted, path, &self.roots);
            self.problems.push(NotUsed::Missing {
                file: object.name.clone(),
                places: places.iter().map(|place| shown(place)).collect(),
            });
        }
        None
    }

    fn wrong(&mut self, place: &Path, object: &ObjectFile<'_>, why: WrongFile) {
        if self.said.insert(place.to_owned()) {
            self.problems.push(NotUsed::Wrong {
                path: shown(place),
                file: object.name.clone(),
                why,
            });
        }
    }

    fn unreadable(&mut self, place: &Path, object: &ObjectFile<'_>, source: Error) {
        if self.said.insert(place.to_owned()) {
            let file = object.name.clone();
            self.problems.push(NotUsed::Unreadable { file, source });
        }
    }
}

/// Files that exist where something may be.
fn places(wanted: &Elsewhere, path: &Path, roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = all_places(wanted, path, roots);
    all.retain(|place| place.is_file());
    all
}

/// Where something may be that the file at `path` lacks, the likeliest place first.
fn all_places(wanted: &Elsewhere, path: &Path, roots: &[PathBuf]) -> Vec<PathBuf> {
    let beside = path.parent().unwrap_or(Path::new(""));
    let folder = real(path).parent().map(Path::to_owned).unwrap_or_default();
    let mut result = Vec::new();
    match wanted {
        Elsewhere::Stripped { link, build_id } => {
            result.extend(roots.iter().filter_map(|root| by_id(root, build_id)));
            if let Some((name, _)) = link {
                result.push(beside.join(name));
                result.push(beside.join(".debug").join(name));
                result.extend(roots.iter().map(|root| below(root, &folder).join(name)));
            }
        }
        Elsewhere::Split {
            name, directory, ..
        } => {
            let mut package = path.as_os_str().to_owned();
            package.push(".dwp");
            let package = PathBuf::from(package);
            result.push(package.clone());
            let own = package.file_name().unwrap_or_default();
            result.extend(roots.iter().map(|root| below(root, &folder).join(own)));
            let written = Path::new(directory).join(name);
            result.push(written.clone());
            result.push(beside.join(name));
            let name = Path::new(name).file_name().unwrap_or_default();
            result.push(beside.join(name));
            result.extend(roots.iter().map(|root| below(root, &written)));
            result.extend(roots.iter().map(|root| root.join(name)));
        }
        Elsewhere::Common { name, id } => {
            result.push(beside.join(name));
            result.push(folder.join(name));
            let in_system = Path::new(name).strip_prefix(SYSTEM);
            let name = in_system.unwrap_or(Path::new(name));
            result.extend(roots.iter().map(|root| below(root, name)));
            result.extend(roots.iter().filter_map(|root| by_id(root, id)));
        }
    }
    let mut seen = HashSet::new();
    result.retain(|place| seen.insert(place.clone()));
    result
}

/// The name that a file has by its build id.
fn by_id(root: &Path, id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = id.split_first()?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = root.join(".build-id").join(format!("{first:02x}"));
    Some(folder.join(format!("{rest}.debug")))
}

/// A path with another root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The path without links; the same if there is no such file.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn read(path: &Path) -> Result<Bytes, Error> {
    files::open(path).map_err(|source| Error::Io {
        file: shown(path),
        source,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
