//! Equal types of the units of one side, kept once.
//!
//! Types are told apart by their hashes (`fingerprint`), in which records and enumerations that a type refers to count with
//! their names only. C allows a name to mean different things in different units, of which headers know nothing. So when
//! all is loaded, [`separate`] looks for names with several meanings, and gives every unit its own copy of what
//! leads to one of them. Copies that mean the same after all (`alike`) become one again.
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

/// Gives every unit its own copy of the types that lead to a name with several meanings.
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
    let copies: Vec<Result<Vec<(usize, Type<'a>)>, Error>> = (0..graph.units.len() as u32)
        .into_par_iter()
        .map(|unit| copies(graph, UnitId(unit), &apart, reader))
        .collect();
    let mut hashes = hashes.to_vec();
    for (unit, copies) in copies.into_iter().enumerate() {
        for (index, ty) in copies? {
            let id = push(&mut graph.types, ty)?;
            let shown = &mut graph.units[unit].types[index].1;
            hashes.push(hashes[shown.0 as usize]);
            *shown = id;
        }
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

/// What a unit shares with others and must have of its own, with its index in the unit.
fn copies<'a>(
    graph: &Graph<'a>,
    id: UnitId,
    apart: &[bool],
    reader: &(dyn Fn(UnitId) -> Result<UnitReader<'a>, Error> + Sync),
) -> Result<Vec<(usize, Type<'a>)>, Error> {
    let types = graph.unit(id).types.iter().enumerate();
    let shared: Vec<_> = types
        .filter(|(_, (offset, ty))| {
            let shown = graph.ty(*ty);
            apart[ty.0 as usize] && (shown.unit, shown.offset) != (id, *offset)
        })
        .collect();
    let mut result = Vec::new();
    if shared.is_empty() {
        return Ok(result);
    }
    let reader = reader(id)?;
    for (index, (offset, ty)) in shared {
        let shown = graph.ty(*ty);
        if let Some(read) = types::read(&reader, *offset)? {
            let copy = Type {
                unit: id,
                scope: shown.scope,
                given: shown.given,
                level: shown.level,
                ..read
            };
            result.push((index, copy));
        }
    }
    Ok(result)
}
