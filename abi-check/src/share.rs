//! Equal types of the units of one side, kept once.
//!
//! Types are told apart by their hashes (`fingerprint`), in which records and enumerations that a type refers to count with
//! their names only. C allows a name to mean different things in different units, of which headers know nothing. So when
//! all is loaded, [`separate`] looks for names with several meanings, and gives units to which they mean different things
//! copies of what leads to one of them. Copies that mean the same after all (`alike`) become one again.
//!
//! Invariants: after [`separate`], everything that a type leads to is the same from all units that share it. Ids depend on
//! the order of units only, not on that of threads.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::alike;
use crate::error::Error;
use crate::hash::{Hash, Hasher};
use crate::load::{Found, targets_of};
use crate::model::{DieOffset, Graph, Level, Scope, ScopeId, Type, TypeId, UnitId};
use crate::types;
use crate::unit::UnitReader;

/// Types by what tells them from others.
#[derive(Debug)]
pub(crate) struct Types<'a> {
    /// By id.
    pub(crate) all: Vec<Type<'a>>,
    /// Scopes by id.
    pub(crate) scopes: Vec<Scope<'a>>,
    /// What tells each type from others.
    pub(crate) hashes: Vec<Hash>,
    /// What the types say themselves that refer to other units.
    pub(crate) open: FxHashMap<TypeId, Hasher>,
    ids: Vec<FxHashMap<(Hash, Level), TypeId>>,
    scope_ids: FxHashMap<Scope<'a>, ScopeId>,
}

impl<'a> Types<'a> {
    /// None yet.
    pub(crate) fn new(sides: usize) -> Types<'a> {
        Types {
            all: Vec::new(),
            // Stands for what is in no scope.
            scopes: vec![Scope {
                parent: ScopeId(0),
                name: "",
            }],
            hashes: Vec::new(),
            open: FxHashMap::default(),
            ids: vec![FxHashMap::default(); sides],
            scope_ids: FxHashMap::default(),
        }
    }

    /// A type.
    pub(crate) fn ty(&self, id: TypeId) -> &Type<'a> {
        &self.all[id.0 as usize]
    }

    /// Its hash.
    pub(crate) fn hash(&self, id: TypeId) -> Hash {
        self.hashes[id.0 as usize]
    }

    /// Whether its hash does not say all, as it refers to other units.
    pub(crate) fn is_open(&self, id: TypeId) -> bool {
        self.open.contains_key(&id)
    }

    /// The type of a side that has a hash.
    pub(crate) fn find(&self, side: usize, hash: Hash, level: Level) -> Option<TypeId> {
        self.ids[side].get(&(hash, level)).copied()
    }

    /// Adds what a unit has that is new, and says which types its entries are.
    pub(crate) fn add(
        &mut self,
        unit: UnitId,
        side: usize,
        loaded: Vec<(DieOffset, Found<'a>)>,
        scopes: &[Scope<'a>],
    ) -> Result<Vec<(DieOffset, TypeId)>, Error> {
        let mut own = vec![ScopeId(0)];
        for scope in scopes {
            let parent = own[scope.parent.0 as usize];
            let id = self.scope(Scope { parent, ..*scope });
            own.push(id);
        }
        let mut result = Vec::with_capacity(loaded.len());
        for (offset, found) in loaded {
            let id = match found {
                Found::Known(id) => id,
                Found::New(ty, hash, open) => match self.find(side, hash, ty.level) {
                    Some(id) => id,
                    None => {
                        let scope = own[ty.scope.0 as usize];
                        let level = ty.level;
                        let id = push(&mut self.all, Type { unit, scope, ..*ty })?;
                        self.hashes.push(hash);
                        self.open.extend(open.map(|own| (id, own)));
                        self.ids[side].insert((hash, level), id);
                        id
                    }
                },
            };
            result.push((offset, id));
        }
        Ok(result)
    }

    fn scope(&mut self, scope: Scope<'a>) -> ScopeId {
        let next = ScopeId(self.scopes.len() as u32);
        let id = *self.scope_ids.entry(scope).or_insert(next);
        if id == next {
            self.scopes.push(scope);
        }
        id
    }
}

fn push<'a>(types: &mut Vec<Type<'a>>, ty: Type<'a>) -> Result<TypeId, Error> {
    let id = u32::try_from(types.len()).ok().filter(|id| *id < u32::MAX);
    let Some(id) = id else {
        return Err(Error::TooLarge {
            what: "types".to_owned(),
            limit: u64::from(u32::MAX),
        });
    };
    types.push(ty);
    Ok(TypeId(id))
}

/// Side, scope and name: what a name means is looked for under it.
type Key<'a> = (usize, ScopeId, &'a str);

/// Gives units to which names mean different things their own copies of the types that lead to such a name.
pub(crate) fn separate<'a>(
    graph: &mut Graph<'a>,
    hashes: &[Hash],
    reader: &(dyn Fn(UnitId) -> Result<UnitReader<'a>, Error> + Sync),
) -> Result<(), Error> {
    let several = several_meanings(graph, hashes);
    if several.is_empty() {
        return Ok(());
    }
    let apart = leading_to(graph, &several);
    let views = views(graph, &several);
    let Copies { originals, uses } = needed_copies(graph, &apart, &views);
    let of_units: Vec<&[Place]> = originals.chunk_by(|one, next| one.0 == next.0).collect();
    let copies: Vec<Result<Vec<Option<Type<'a>>>, Error>> = of_units
        .into_par_iter()
        .map(|places| copies(graph, places, reader))
        .collect();
    let mut hashes = hashes.to_vec();
    let mut ids = Vec::with_capacity(originals.len());
    for (copy, (unit, index)) in copies_in_order(copies)?.into_iter().zip(originals) {
        let shown = graph.unit(unit).types[index].1;
        ids.push(match copy {
            Some(ty) => {
                hashes.push(hashes[shown.0 as usize]);
                push(&mut graph.types, ty)?
            }
            None => shown,
        });
    }
    for ((unit, index), copy) in uses {
        graph.units[unit.0 as usize].types[index].1 = ids[copy];
    }
    keep_one(graph, &mut alike::classes(graph, &apart, hashes));
    Ok(())
}

/// Of types of a side that have one hash, the first one is enough.
pub(crate) fn keep_one(graph: &mut Graph<'_>, hashes: &mut Vec<Hash>) {
    let mut first: FxHashMap<(usize, Hash, Level), TypeId> = FxHashMap::default();
    let mut kept = 0;
    let mut new_ids = Vec::with_capacity(hashes.len());
    let mut is_kept = Vec::with_capacity(hashes.len());
    for (ty, hash) in graph.types.iter().zip(hashes.iter()) {
        let side = graph.units[ty.unit.0 as usize].side;
        let next = TypeId(kept);
        let id = *first.entry((side, *hash, ty.level)).or_insert(next);
        is_kept.push(id == next);
        kept += u32::from(id == next);
        new_ids.push(id);
    }
    let mut keep = is_kept.iter();
    graph.types.retain(|_| keep.next().copied().unwrap_or(true));
    let mut keep = is_kept.iter();
    hashes.retain(|_| keep.next().copied().unwrap_or(true));
    for (_, id) in graph.units.iter_mut().flat_map(|unit| &mut unit.types) {
        *id = new_ids[id.0 as usize];
    }
}

/// What a type is looked for under, if it is a definition or declaration with a name.
fn key<'a>(graph: &Graph<'a>, id: TypeId) -> Option<Key<'a>> {
    let ty = graph.ty(id);
    let name = graph.given_name(id).filter(|_| ty.shape.is_nominal())?;
    Some((graph.unit(ty.unit).side, ty.scope, name))
}

fn several_meanings<'a>(graph: &Graph<'a>, hashes: &[Hash]) -> FxHashSet<Key<'a>> {
    let mut meanings: FxHashMap<Key<'a>, Hash> = FxHashMap::default();
    let mut several = FxHashSet::default();
    for (index, hash) in hashes.iter().enumerate() {
        let id = TypeId(index as u32);
        let ty = graph.ty(id);
        if ty.level >= Level::Surface
            && !ty.shape.is_declaration()
            && let Some(key) = key(graph, id)
            && *meanings.entry(key).or_insert(*hash) != *hash
        {
            several.insert(key);
        }
    }
    several
}

/// Which types lead to one of the names. A reference to a record with a name may mean each that has it.
fn leading_to<'a>(graph: &Graph<'a>, several: &FxHashSet<Key<'a>>) -> Vec<bool> {
    let mut named: FxHashMap<Key<'a>, Vec<TypeId>> = FxHashMap::default();
    let mut unnamed: FxHashMap<TypeId, Vec<TypeId>> = FxHashMap::default();
    for index in 0..graph.types.len() as u32 {
        let from = TypeId(index);
        let ty = graph.ty(from);
        targets_of(ty, ty.level, &mut |target, _| {
            let Some(to) = target.and_then(|offset| graph.resolve(ty.unit, offset)) else {
                return;
            };
            match key(graph, to) {
                Some(key) => named.entry(key).or_default().push(from),
                None => unnamed.entry(to).or_default().push(from),
            }
        });
    }
    let mut result = vec![false; graph.types.len()];
    let mut names: Vec<Key<'a>> = several.iter().copied().collect();
    let mut seen = several.clone();
    let mut types: Vec<TypeId> = Vec::new();
    // Declarations stand for definitions of their name, of which each unit may have another.
    for index in 0..graph.types.len() as u32 {
        let id = TypeId(index);
        if graph.ty(id).shape.is_declaration()
            && key(graph, id).is_some_and(|key| several.contains(&key))
        {
            result[index as usize] = true;
        }
    }
    loop {
        let found = match (names.pop(), types.pop()) {
            (Some(name), ty) => {
                types.extend(ty);
                named.remove(&name)
            }
            (None, Some(ty)) => unnamed.remove(&ty),
            (None, None) => return result,
        };
        for from in found.into_iter().flatten() {
            if std::mem::replace(&mut result[from.0 as usize], true) {
                continue;
            }
            types.push(from);
            if let Some(key) = key(graph, from)
                && seen.insert(key)
            {
                names.push(key);
            }
        }
    }
}

/// What the names with several meanings mean to a unit.
#[derive(PartialEq, Eq, Hash)]
enum View {
    /// What types of these ids mean, of which no two have one name. What is only declared is looked for from the object.
    Same(usize, Vec<TypeId>),
    /// What it means to no other unit.
    Own(UnitId),
}

/// The view of each unit, as a number; those of equal views have equal numbers. A type that units of one view share means the
/// same in all of them, for so does every name that it leads to.
fn views<'a>(graph: &Graph<'a>, several: &FxHashSet<Key<'a>>) -> Vec<u32> {
    let keys: Vec<Option<Key<'a>>> = (0..graph.types.len() as u32)
        .into_par_iter()
        .map(|index| key(graph, TypeId(index)).filter(|key| several.contains(key)))
        .collect();
    let units = (0..graph.units.len() as u32).into_par_iter().map(UnitId);
    let views: Vec<View> = units.map(|unit| view(graph, unit, &keys)).collect();
    let mut numbers = FxHashMap::default();
    let number = |view| {
        let next = numbers.len() as u32;
        *numbers.entry(view).or_insert(next)
    };
    views.into_iter().map(number).collect()
}

fn view(graph: &Graph<'_>, id: UnitId, keys: &[Option<Key<'_>>]) -> View {
    let unit = graph.unit(id);
    let mut seen = FxHashMap::default();
    for (_, ty) in &unit.types {
        let Some(key) = keys[ty.0 as usize] else {
            continue;
        };
        if *seen.entry(key).or_insert(*ty) != *ty {
            return View::Own(id);
        }
    }
    if unit.refers_outside {
        return View::Own(id);
    }
    let mut types: Vec<TypeId> = seen.into_values().collect();
    types.sort_unstable();
    View::Same(unit.object, types)
}

/// A type of a unit, by its index there.
type Place = (UnitId, usize);

/// Which types must be there more than once.
#[derive(Default)]
struct Copies {
    /// Where a copy can be read, those of a unit together.
    originals: Vec<Place>,
    /// What is the copy with that number from then on.
    uses: Vec<(Place, usize)>,
}

/// A copy for each view of what is apart, but for the view that the type was read in.
fn needed_copies(graph: &Graph<'_>, apart: &[bool], views: &[u32]) -> Copies {
    let mut result = Copies::default();
    let mut units: Vec<UnitId> = (0..graph.units.len() as u32).map(UnitId).collect();
    units.sort_by_key(|unit| views[unit.0 as usize]);
    let mut copied: FxHashMap<TypeId, usize> = FxHashMap::default();
    for of_view in units.chunk_by(|one, next| views[one.0 as usize] == views[next.0 as usize]) {
        copied.clear();
        for unit in of_view {
            for (index, (_, id)) in graph.unit(*unit).types.iter().enumerate() {
                let is_here = |from: UnitId| views[from.0 as usize] == views[unit.0 as usize];
                if !apart[id.0 as usize] || is_here(graph.ty(*id).unit) {
                    continue;
                }
                let copy = *copied.entry(*id).or_insert_with(|| {
                    result.originals.push((*unit, index));
                    result.originals.len() - 1
                });
                result.uses.push(((*unit, index), copy));
            }
        }
    }
    result
}

/// What one unit has at these places, read as its own.
fn copies<'a>(
    graph: &Graph<'a>,
    places: &[Place],
    reader: &(dyn Fn(UnitId) -> Result<UnitReader<'a>, Error> + Sync),
) -> Result<Vec<Option<Type<'a>>>, Error> {
    let Some((unit, _)) = places.first().copied() else {
        return Ok(Vec::new());
    };
    let reader = reader(unit)?;
    let copy = |(_, index): &Place| {
        let (offset, id) = graph.unit(unit).types[*index];
        let shown = graph.ty(id);
        let read = types::read(&reader, offset)?;
        Ok(read.map(|read| Type {
            unit,
            scope: shown.scope,
            given: shown.given,
            level: shown.level,
            ..read
        }))
    };
    places.iter().map(copy).collect()
}

fn copies_in_order<T>(copies: Vec<Result<Vec<T>, Error>>) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    for of_unit in copies {
        all.extend(of_unit?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Declared, Shape, Unit};

    fn ty(unit: u32, name: Option<&'static str>, shape: Shape<'static>) -> Type<'static> {
        Type {
            unit: UnitId(unit),
            offset: DieOffset::default(),
            name,
            given: None,
            scope: ScopeId(0),
            size: None,
            alignment: None,
            declared: Declared::default(),
            level: Level::Full,
            shape,
        }
    }

    fn unit(types: &[u32]) -> Unit<'static> {
        let at = |(index, id): (usize, &u32)| (DieOffset(index as u32), TypeId(*id));
        Unit {
            types: types.iter().enumerate().map(at).collect(),
            ..Unit::default()
        }
    }

    #[test]
    fn units_to_which_names_mean_the_same_have_one_copy() {
        let state = |unit| {
            let shape = Shape::Enumeration {
                underlying: None,
                enumerators: Vec::new(),
                declaration: false,
            };
            ty(unit, Some("state"), shape)
        };
        let pointer = ty(0, None, Shape::Pointer { target: None });
        let mut graph = Graph {
            types: vec![state(0), state(1), pointer],
            scopes: vec![Scope {
                parent: ScopeId(0),
                name: "",
            }],
            units: vec![
                unit(&[0, 2]),
                unit(&[1, 2]),
                unit(&[0, 2]),
                unit(&[1, 2]),
                unit(&[1, 0, 2]),
                unit(&[]),
            ],
            ..Graph::default()
        };
        let several = [(0, ScopeId(0), "state")].into_iter().collect();
        let views = |graph: &Graph<'_>| super::views(graph, &several);
        assert_eq!(views(&graph), [0, 1, 0, 1, 2, 3]);
        let Copies { originals, uses } =
            needed_copies(&graph, &[false, false, true], &views(&graph));
        let place = |unit, index| (UnitId(unit), index);
        assert_eq!(originals, [place(1, 1), place(4, 2)]);
        let copies = [(place(1, 1), 0), (place(3, 1), 0), (place(4, 2), 1)];
        assert_eq!(uses, copies);
        graph.units[3].refers_outside = true;
        assert_eq!(views(&graph), [0, 1, 0, 2, 3, 4]);
    }
}
