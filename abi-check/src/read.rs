//! Reads what is needed of all objects of all sides, in parallel, a batch of units at a time.
//!
//! The first round passes over all units for the statics that the caller selects, and loads their types. What these need
//! of other units is loaded in further rounds: references across units, and definitions of what is only declared, which
//! are found by name in an index of all units that is made when the first declaration is met.
//!
//! Invariant: the result, and which error is returned if there are several, do not depend on the order of threads.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::across;
use crate::candidates;
use crate::definitions::{self, Definitions, OfUnit};
use crate::error::Error;
use crate::hash::Hash;
use crate::headers::Header;
use crate::index::Index;
use crate::input::{Progress, Selection, Side, StaticRef, TypeRef};
use crate::load::{Loaded, Loader, Request};
use crate::model::{DieOffset, Graph, Level, Static, Unit, UnitId, unit_at};
use crate::object::{self, File, Object, PartId};
use crate::report::RootKind;
use crate::share::{self, Types};
use crate::unit::UnitReader;

/// Bytes of units that are loaded at the same time, for each thread: types of so much may be held twice.
const BATCH: u64 = 1 << 20;
/// After so many rounds, a unit that is still asked for is loaded as a whole. No compiler needs as many.
const MAX_ROUNDS: usize = 16;

/// Debug sections of every file, by side.
pub(crate) fn files<'a>(sides: &'a [Side<'_>]) -> Result<Vec<Vec<File<'a>>>, Error> {
    let of_side = |side: &'a Side<'_>| side.objects.par_iter().map(File::read).collect();
    let read: Vec<Vec<Result<File<'a>, Error>>> = sides.par_iter().map(of_side).collect();
    read.into_iter()
        .map(|side| side.into_iter().collect())
        .collect()
}

/// Every object with what other files of its side have of it.
pub(crate) fn objects<'a>(files: &'a [Vec<File<'a>>]) -> Result<Vec<Vec<Object<'a>>>, Error> {
    files.iter().map(|side| object::of_side(side)).collect()
}

/// The statics and types that are selected, and the types that they lead to.
pub(crate) fn selected<'a>(
    objects: &'a [Vec<Object<'a>>],
    selection: Selection<'_>,
) -> Result<Graph<'a>, Error> {
    Reader::new(objects).read(&Wanted::Selected(selection))
}

/// All types.
pub(crate) fn everything<'a>(objects: &'a [Vec<Object<'a>>]) -> Result<Graph<'a>, Error> {
    Reader::new(objects).read(&Wanted::AllTypes)
}

/// All statics, without types.
pub(crate) fn statics<'a>(objects: &'a [Vec<Object<'a>>]) -> Result<Graph<'a>, Error> {
    Reader::new(objects).read(&Wanted::AllStatics)
}

/// What `take` gives for the types of the first unit of a side for which it gives something; later ones need not be read.
pub(crate) fn first_type<R: Ord + Send>(
    objects: &[Vec<Object<'_>>],
    side: usize,
    take: &(dyn Fn(&str) -> Option<R> + Sync),
) -> Result<Option<R>, Error> {
    let of_unit = |source: &Source<'_>| -> Result<Option<R>, Error> {
        let (reader, unit) = source.open()?;
        let index = Index::read(&reader, false)?;
        let types = candidates::types(&reader, &unit, &index)?;
        Ok(types.iter().filter_map(|ty| take(&ty.root.name)).min())
    };
    let sources = Reader::new(objects).sources;
    let found = sources
        .par_iter()
        .with_max_len(1)
        .filter(|source| source.indexes.0 == side)
        .map(of_unit)
        .find_first(|found| !matches!(found, Ok(None)));
    found.unwrap_or(Ok(None))
}

enum Wanted<'s> {
    Selected(Selection<'s>),
    AllTypes,
    AllStatics,
}

/// One unit, before it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    object: &'a Object<'a>,
    part: PartId,
    header: Header,
    /// Side and object.
    indexes: (usize, usize),
}

impl<'a> Source<'a> {
    /// A reader of it, and what it says of itself.
    pub(crate) fn open(&self) -> Result<(UnitReader<'a>, Unit<'a>), Error> {
        UnitReader::new(self.object, self.part, self.header, self.indexes)
    }

    /// Its side and its bytes.
    fn size(&self) -> (usize, u64) {
        (
            self.indexes.0,
            u64::from(self.header.end - self.header.start),
        )
    }
}

/// What the first round finds in a unit.
struct First<'a> {
    unit: Unit<'a>,
    statics: Vec<Static<'a>>,
    loaded: Loaded<'a>,
    /// What it defines, if that was asked for.
    definitions: Option<OfUnit>,
}

/// All units, while rounds go on.
struct Reader<'a> {
    objects: &'a [Vec<Object<'a>>],
    sources: Vec<Source<'a>>,
    units: Vec<Unit<'a>>,
    statics: Vec<Static<'a>>,
    types: Types<'a>,
    /// Needed types of other units than the one that needs them, which comes first.
    outside: Vec<(UnitId, Request)>,
    /// Needed definitions, and the unit that needs each.
    declared: Vec<(UnitId, Hash)>,
    /// What units define, by unit, as far as that was found on the way.
    definitions: Vec<Option<OfUnit>>,
}

impl<'a> Reader<'a> {
    fn new(objects: &'a [Vec<Object<'a>>]) -> Reader<'a> {
        let mut sources = Vec::new();
        for (side, of_side) in objects.iter().enumerate() {
            for (index, object) in of_side.iter().enumerate() {
                sources.extend(object.units().map(|(part, header)| Source {
                    object,
                    part,
                    header: *header,
                    indexes: (side, index),
                }));
            }
        }
        Reader {
            objects,
            sources,
            units: Vec::new(),
            statics: Vec::new(),
            types: Types::new(objects.len()),
            outside: Vec::new(),
            declared: Vec::new(),
            definitions: Vec::new(),
        }
    }

    fn read(mut self, wanted: &Wanted<'_>) -> Result<Graph<'a>, Error> {
        let progress = match wanted {
            Wanted::Selected(selection) => selection.progress,
            _ => None,
        };
        let bytes = |sources: &[Source<'_>]| sources.iter().map(|source| source.size().1).sum();
        let (mut done, total) = (0, bytes(&self.sources));
        for batch in batches(&self.sources, Source::size) {
            // Whoever needs a definition will look for it in all units, which then need not be passed over again.
            let define = !self.declared.is_empty();
            let found: Vec<Result<First<'a>, Error>> = self.sources[batch.clone()]
                .par_iter()
                .with_max_len(1)
                .map(|source| first(source, wanted, &self.types, define))
                .collect();
            for found in found {
                let found = found?;
                let id = UnitId(self.units.len() as u32);
                let statics = found.statics.into_iter();
                let own = statics.map(|var| Static { unit: id, ..var });
                self.statics.extend(own);
                self.units.push(found.unit);
                self.definitions.push(found.definitions);
                self.merge(id, found.loaded)?;
            }
            done += bytes(&self.sources[batch]);
            if let Some(progress) = progress {
                progress(Progress { done, total });
            }
        }
        if let Wanted::Selected(_) = wanted {
            self.rounds()?;
        }
        let Types {
            all,
            scopes,
            mut hashes,
            open,
            ..
        } = self.types;
        let mut graph = Graph {
            objects: self.objects,
            units: self.units,
            types: all,
            statics: self.statics,
            scopes,
        };
        let sources = &self.sources;
        let reader = |id: UnitId| sources[id.0 as usize].open().map(|(reader, _)| reader);
        across::close(&mut graph, &mut hashes, &open);
        share::separate(&mut graph, &hashes, &reader)?;
        once(&mut graph);
        Ok(graph)
    }

    /// Takes over what was loaded of a unit.
    fn merge(&mut self, id: UnitId, loaded: Loaded<'a>) -> Result<(), Error> {
        let unit = &mut self.units[id.0 as usize];
        unit.refers_outside |= !loaded.outside.is_empty();
        let mut new = self
            .types
            .add(id, unit.side, loaded.types, &loaded.scopes)?;
        if !unit.types.is_empty() {
            // Of two entries for one type, the one that came first, the new one, knows more.
            new.append(&mut unit.types);
            new.sort_by_key(|(offset, _)| *offset);
            new.dedup_by_key(|(offset, _)| *offset);
        }
        new.shrink_to_fit();
        unit.types = new;
        let outside = loaded.outside.into_iter().map(|request| (id, request));
        self.outside.extend(outside);
        let declared = loaded.declared.into_iter().map(|name| (id, name));
        self.declared.extend(declared);
        Ok(())
    }

    /// Loads what is needed across units, until nothing more is.
    fn rounds(&mut self) -> Result<(), Error> {
        let mut definitions = None;
        let mut searched = FxHashSet::default();
        for round in 0.. {
            let mut requests: BTreeMap<UnitId, Vec<Request>> = BTreeMap::new();
            for (from, (offset, level)) in std::mem::take(&mut self.outside) {
                if let Some(unit) = unit_at(&self.units, from, offset) {
                    requests.entry(unit).or_default().push((offset, level));
                }
            }
            let declared = std::mem::take(&mut self.declared);
            if definitions.is_none() && !declared.is_empty() {
                let known = std::mem::take(&mut self.definitions);
                definitions = Some(Definitions::of(&self.sources, known)?);
            }
            if let Some(definitions) = &definitions {
                for (from, name) in declared {
                    let unit = &self.units[from.0 as usize];
                    let is_new = searched.insert((unit.side, name));
                    definitions.requests(name, unit, &self.units, is_new, &mut requests);
                }
            }
            self.keep_needed(&mut requests);
            if requests.is_empty() {
                return Ok(());
            }
            self.round(requests.into_iter().collect(), round >= MAX_ROUNDS)?;
        }
        Ok(())
    }

    /// Leaves out what is loaded already.
    fn keep_needed(&self, requests: &mut BTreeMap<UnitId, Vec<Request>>) {
        for (unit, requests) in requests.iter_mut() {
            requests.sort_unstable();
            requests.dedup();
            let known = &self.units[unit.0 as usize].types;
            requests.retain(|(offset, level)| {
                let index = known.binary_search_by_key(offset, |(at, _)| *at);
                !index.is_ok_and(|index| self.types.ty(known[index].1).level >= *level)
            });
        }
        requests.retain(|_, requests| !requests.is_empty());
    }

    fn round(&mut self, requests: Vec<(UnitId, Vec<Request>)>, whole: bool) -> Result<(), Error> {
        let size = |(unit, _): &(UnitId, Vec<Request>)| self.sources[unit.0 as usize].size();
        for batch in batches(&requests, size) {
            let found: Vec<Result<Loaded<'a>, Error>> = requests[batch.clone()]
                .par_iter()
                .with_max_len(1)
                .map(|(id, requests)| {
                    let (reader, _) = self.sources[id.0 as usize].open()?;
                    let index = Index::read(&reader, false)?;
                    let unit = &self.units[id.0 as usize];
                    let loader = Loader::new(&reader, &index, unit, &self.types);
                    match whole {
                        true => loader.load(all_types(&index)),
                        false => loader.load(requests.iter().copied()),
                    }
                })
                .collect();
            for ((id, _), found) in requests[batch].iter().zip(found) {
                self.merge(*id, found?)?;
            }
        }
        Ok(())
    }
}

/// The first round, for one unit; with what it defines, if that is to be found too.
fn first<'a>(
    source: &Source<'a>,
    wanted: &Wanted<'_>,
    types: &Types<'a>,
    define: bool,
) -> Result<First<'a>, Error> {
    let (reader, mut unit) = source.open()?;
    let index = Index::read(&reader, !matches!(wanted, Wanted::AllTypes))?;
    unit.has_types = !index.types.is_empty() || unit.imports;
    let mut statics = Vec::new();
    if let Wanted::Selected(Selection {
        types: Some(select),
        ..
    }) = wanted
    {
        for ty in candidates::types(&reader, &unit, &index)? {
            let shown = TypeRef {
                side: unit.side,
                name: &ty.root.name,
                is_alias: ty.is_alias,
            };
            if select(&shown) {
                statics.push(ty.root);
            }
        }
    }
    for found in &index.statics {
        let Some(var) = candidates::variable(&reader, &index, found)? else {
            continue;
        };
        let shown = StaticRef {
            side: unit.side,
            object: unit.object,
            name: &var.name,
            linkage_name: var.linkage_name,
            location: var.location,
        };
        if match wanted {
            Wanted::Selected(selection) => (selection.statics)(&shown),
            _ => true,
        } {
            statics.push(var);
        }
    }
    let loader = Loader::new(&reader, &index, &unit, types);
    let loaded = match wanted {
        Wanted::Selected(_) => {
            let roots = statics.iter().filter_map(|var| var.target);
            loader.load(roots.map(|offset| (offset, Level::Full)))?
        }
        Wanted::AllTypes => loader.load(all_types(&index))?,
        Wanted::AllStatics => Loaded::default(),
    };
    let definitions = match wanted {
        Wanted::Selected(_) if define => Some(definitions::in_unit(&reader, &index)?),
        _ => None,
    };
    Ok(First {
        unit,
        statics,
        loaded,
        definitions,
    })
}

/// Types that were asked for and are the same in several units start one comparison.
fn once(graph: &mut Graph<'_>) {
    let mut seen = FxHashSet::default();
    let statics = std::mem::take(&mut graph.statics);
    let is_new = |var: &Static<'_>| {
        let id = var.target.and_then(|at| graph.resolve(var.unit, at));
        var.kind != RootKind::Type || id.is_none_or(|id| seen.insert(id))
    };
    graph.statics = statics.into_iter().filter(is_new).collect();
}

fn all_types<'i>(index: &'i Index<'_>) -> impl Iterator<Item = (DieOffset, Level)> + use<'i> {
    index.types.iter().map(|(offset, _)| (*offset, Level::Full))
}

/// Ranges of items that are loaded at the same time, none of them of two sides.
///
/// What the units of one batch have in common is read by each of them, so the first ones, which know nothing yet, are small.
fn batches<T>(items: &[T], size: impl Fn(&T) -> (usize, u64)) -> Vec<std::ops::Range<usize>> {
    let largest = BATCH * rayon::current_num_threads() as u64;
    let mut result = Vec::new();
    let (mut start, mut sum, mut before, mut last) = (0, 0, 0, 0);
    for (index, item) in items.iter().enumerate() {
        let (side, bytes) = size(item);
        if side != last {
            result.push(start..index);
            (start, sum, before, last) = (index, 0, 0, side);
        }
        sum += bytes;
        if sum > before.min(largest) {
            result.push(start..index + 1);
            (start, sum, before) = (index + 1, 0, before + sum);
        }
    }
    result.push(start..items.len());
    result.retain(|range| !range.is_empty());
    result
}
