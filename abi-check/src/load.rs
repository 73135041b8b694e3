//! The second pass over a unit: the types that are needed, and what they need in turn.
//!
//! From each type the pass goes on to what a comparison would look at ([`Level`]). What is in another unit, or only
//! declared here, is left for a later round (`read`).
//!
//! Invariant: what is loaded of a unit depends on what was asked for, not on the order of asking; each entry is read
//! at most once per round.

use rustc_hash::FxHashMap;

use crate::error::Error;
use crate::fingerprint::{Sketch, sketch};
use crate::hash::{Hash, Hasher};
use crate::index::{Index, LocalScope, Reference};
use crate::model::{DieOffset, Level, Member, Scope, ScopeId, Shape, Target, Type, TypeId, Unit};
use crate::share::Types;
use crate::types;
use crate::unit::UnitReader;

/// Not loaded.
const NONE: u32 = u32::MAX;

/// A type that is needed, and how much of it.
pub(crate) type Request = (DieOffset, Level);

/// What a round found out about a unit.
#[derive(Debug, Default)]
pub(crate) struct Loaded<'a> {
    /// Types, ascending by offset.
    pub(crate) types: Vec<(DieOffset, Found<'a>)>,
    /// Their scopes, the outer ones first; the types' and scopes' ids are indexes here, from 1.
    pub(crate) scopes: Vec<Scope<'a>>,
    /// Needed types of other units.
    pub(crate) outside: Vec<Request>,
    /// Qualified names of types that are needed and only declared, sorted.
    pub(crate) declared: Vec<Hash>,
}

/// One type of a unit.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// Equal to one that is known.
    Known(TypeId),
    /// Not seen yet when the round began; with what tells it from others, and what it says itself if it refers to other
    /// units, so that this is not all.
    New(Box<Type<'a>>, Hash, Option<Hasher>),
}

/// A type that is needed.
pub(crate) struct Met<'a> {
    /// As an index of the unit's types.
    pub(crate) at: usize,
    /// How much of it is needed.
    pub(crate) level: Level,
    /// What its entry says.
    pub(crate) sketch: Sketch<'a>,
    /// The name that a typedef gives it, if it has none.
    pub(crate) given: Option<&'a str>,
    /// The hash of the name that stands for it, once it was asked for.
    pub(crate) nominal: Option<Hash>,
    /// Its hash, once it is known.
    pub(crate) hash: Option<Hash>,
    /// Whether its hash is being computed.
    pub(crate) busy: bool,
    /// What it says itself, if it leads to other units without a name in between.
    pub(crate) open: Option<Hasher>,
}

/// Loads types of one unit.
pub(crate) struct Loader<'r, 'a> {
    pub(crate) reader: &'r UnitReader<'a>,
    pub(crate) index: &'r Index<'a>,
    /// The unit as former rounds left it.
    pub(crate) unit: &'r Unit<'a>,
    /// What former rounds found.
    pub(crate) known: &'r Types<'a>,
    /// What is needed of it in this round.
    pub(crate) met: Vec<Met<'a>>,
    /// What that refers to.
    pub(crate) targets: Vec<Reference>,
    /// Index in `met` of each type of the unit.
    slots: Vec<u32>,
    todo: Vec<u32>,
    scopes: FxHashMap<LocalScope, (ScopeId, Hash)>,
    /// What scalars depend on beyond their entries, once that was asked for.
    pub(crate) machine: Option<Hash>,
    typedefs: Option<FxHashMap<DieOffset, &'a str>>,
    out: Loaded<'a>,
}

impl<'r, 'a> Loader<'r, 'a> {
    /// Nothing loaded yet.
    pub(crate) fn new(
        reader: &'r UnitReader<'a>,
        index: &'r Index<'a>,
        unit: &'r Unit<'a>,
        known: &'r Types<'a>,
    ) -> Self {
        Loader {
            reader,
            index,
            unit,
            known,
            met: Vec::new(),
            targets: Vec::new(),
            slots: Vec::new(),
            todo: Vec::new(),
            scopes: FxHashMap::default(),
            machine: None,
            typedefs: None,
            out: Loaded::default(),
        }
    }

    /// Loads what is asked for, and all that it needs in this unit.
    pub(crate) fn load(
        mut self,
        requests: impl IntoIterator<Item = Request>,
    ) -> Result<Loaded<'a>, Error> {
        for (offset, level) in requests {
            self.want(self.index.reference(offset), level)?;
        }
        while let Some(slot) = self.todo.pop() {
            let met = &self.met[slot as usize];
            let Some((targets, level)) = met.sketch.needs(met.level) else {
                continue;
            };
            for index in targets {
                self.want(self.targets[index], level)?;
            }
        }
        self.declarations()?;
        self.finish()
    }

    fn want(&mut self, reference: Reference, level: Level) -> Result<(), Error> {
        let at = match reference {
            Reference::Type(at) => at,
            Reference::Nothing => return Ok(()),
            Reference::Outside(offset) => {
                self.out.outside.push((offset, level));
                return Ok(());
            }
        };
        if self.slots.is_empty() {
            self.slots = vec![NONE; self.index.types.len()];
        }
        let slot = self.slots[at];
        if let Some(met) = self.met.get_mut(slot as usize) {
            if met.level < level {
                met.level = level;
                self.todo.push(slot);
            }
            return Ok(());
        }
        let (offset, _) = self.index.types[at];
        if self
            .former(offset)
            .is_some_and(|id| self.known.ty(id).level >= level)
        {
            return Ok(());
        }
        let Some(sketch) = sketch(self.reader, self.index, offset, &mut self.targets)? else {
            return Ok(());
        };
        let given = if sketch.name.is_none() && sketch.is_nominal() {
            self.typedef(offset)?
        } else {
            None
        };
        let slot = self.met.len() as u32;
        self.slots[at] = slot;
        self.todo.push(slot);
        self.met.push(Met {
            at,
            level,
            sketch,
            given,
            nominal: None,
            hash: None,
            busy: false,
            open: None,
        });
        Ok(())
    }

    /// The type at `offset`, if a former round loaded it.
    pub(crate) fn former(&self, offset: DieOffset) -> Option<TypeId> {
        let types = &self.unit.types;
        let index = types.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
        Some(types[index].1)
    }

    /// The type at an index of the unit's types, if this round needs it.
    pub(crate) fn slot(&self, at: usize) -> Option<usize> {
        let slot = *self.slots.get(at)?;
        (slot != NONE).then_some(slot as usize)
    }

    /// The name that the first typedef of the unit gives to the type at `offset`.
    fn typedef(&mut self, offset: DieOffset) -> Result<Option<&'a str>, Error> {
        if self.typedefs.is_none() {
            self.typedefs = Some(typedefs(self.reader, self.index)?);
        }
        let all = self.typedefs.as_ref();
        Ok(all.and_then(|all| all.get(&offset).copied()))
    }

    /// A scope as the result names it, and the hash of its qualified name.
    pub(crate) fn scope(&mut self, scope: LocalScope) -> Result<(ScopeId, Hash), Error> {
        if scope == LocalScope(0) {
            return Ok((ScopeId(0), Hash::NOTHING));
        }
        if let Some(known) = self.scopes.get(&scope) {
            return Ok(*known);
        }
        let mut result = (ScopeId(0), Hash::NOTHING);
        for scope in self.index.path(scope) {
            if let Some(known) = self.scopes.get(&scope) {
                result = *known;
                continue;
            }
            if let Some(name) = self.index.scope_name(self.reader, scope)? {
                self.out.scopes.push(Scope {
                    parent: result.0,
                    name,
                });
                result = (
                    ScopeId(self.out.scopes.len() as u32),
                    qualified(result.1, name),
                );
            }
            self.scopes.insert(scope, result);
        }
        self.scopes.insert(scope, result);
        Ok(result)
    }

    /// Names what must be looked for in other units.
    fn declarations(&mut self) -> Result<(), Error> {
        for slot in 0..self.met.len() {
            let met = &self.met[slot];
            let name = met.sketch.name.or(met.given);
            let is_missing = met.level == Level::Full && met.sketch.is_declaration;
            if let Some(name) = name.filter(|_| is_missing && met.sketch.is_nominal()) {
                let scope = self.index.types[met.at].1;
                let (_, hash) = self.scope(scope)?;
                self.out.declared.push(qualified(hash, name));
            }
        }
        self.out.declared.sort_unstable();
        self.out.declared.dedup();
        Ok(())
    }

    fn finish(mut self) -> Result<Loaded<'a>, Error> {
        self.out.types.reserve_exact(self.met.len());
        for at in 0..self.slots.len() {
            let Some(slot) = self.slot(at) else {
                continue;
            };
            let hash = self.hash_of(slot)?;
            let Met { level, given, .. } = self.met[slot];
            let (offset, scope) = self.index.types[at];
            let found = match self.known.find(self.unit.side, hash, level) {
                Some(id) => Found::Known(id),
                None => {
                    let (scope, _) = self.scope(scope)?;
                    let Some(read) = types::read(self.reader, offset)? else {
                        continue;
                    };
                    let ty = Type {
                        scope,
                        level,
                        given,
                        ..read
                    };
                    Found::New(Box::new(ty), hash, self.met[slot].open)
                }
            };
            self.out.types.push((offset, found));
        }
        Ok(self.out)
    }
}

/// Hash of a name in a scope.
pub(crate) fn qualified(scope: Hash, name: &str) -> Hash {
    let mut hasher = Hasher::new(1);
    hasher.hash(scope);
    hasher.text(name);
    hasher.finish()
}

/// The names that typedefs of a unit give, by what they name; the first one counts.
pub(crate) fn typedefs<'a>(
    reader: &UnitReader<'a>,
    index: &Index<'a>,
) -> Result<FxHashMap<DieOffset, &'a str>, Error> {
    let mut names = FxHashMap::default();
    for offset in &index.typedefs {
        let Some(attributes) = reader.attributes_at(*offset)? else {
            continue;
        };
        if let (Some(target), Some(name)) = (attributes.target, attributes.name) {
            names.entry(target).or_insert(name);
        }
    }
    Ok(names)
}

/// Calls `to` with everything that a type refers to, and how much of that is needed.
pub(crate) fn targets_of(ty: &Type<'_>, level: Level, to: &mut dyn FnMut(Target, Level)) {
    let inner = match level {
        Level::Full => Level::Full,
        Level::Surface | Level::Name => Level::Name,
    };
    match &ty.shape {
        // What has a name needs nothing else to be named.
        Shape::Record(_) if level == Level::Name && ty.name.is_some() => {}
        Shape::Record(record) => {
            to(record.containing, inner);
            let parts = record.variant_parts.iter();
            let all = parts.flat_map(|part| {
                let variants = part.variants.iter().flat_map(|variant| &variant.members);
                part.members.iter().chain(variants)
            });
            for Member { target, .. } in record.members.iter().chain(all) {
                to(*target, inner);
            }
        }
        Shape::Enumeration { underlying, .. } => to(*underlying, inner),
        Shape::Array { element, .. } => to(*element, inner),
        Shape::Pointer { target } | Shape::Alias { target, .. } => to(*target, inner),
        Shape::Function {
            result, parameters, ..
        } => {
            to(*result, inner);
            parameters.iter().for_each(|target| to(*target, inner));
        }
        Shape::Base { .. } | Shape::Unspecified | Shape::Opaque(_) => {}
    }
}
