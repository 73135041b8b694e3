//! Types that refer to other units, told apart after all units have been read.
//!
//! While a unit is read, what it refers to in another unit is not known, and so a type with such a reference is not known
//! to equal any other. Optimizers that work across units make them: nearly every type of a Rust program that was built in
//! several codegen units leads to one. Here their hashes are finished as if all had been in one unit (`fingerprint`), and
//! those that turn out to be equal become one.
//!
//! Invariant: a reference that leads nowhere is unlike any other.

use rustc_hash::FxHashMap;

use crate::hash::{Hash, Hasher};
use crate::load::{qualified, targets_of};
use crate::model::{Graph, ScopeId, TypeId};
use crate::share;

/// References without a name within each other are followed so far.
const MAX_DEPTH: u32 = 64;

/// Finishes the hashes of the types in `open`, which are what their entries say, and keeps equal types of a side once.
pub(crate) fn close(
    graph: &mut Graph<'_>,
    hashes: &mut Vec<Hash>,
    open: &FxHashMap<TypeId, Hasher>,
) {
    if open.is_empty() {
        return;
    }
    let mut closer = Closer {
        graph,
        hashes,
        open,
        closed: FxHashMap::default(),
    };
    let mut ids: Vec<TypeId> = open.keys().copied().collect();
    ids.sort_unstable();
    for id in &ids {
        closer.hash(*id, MAX_DEPTH);
    }
    let closed = closer.closed;
    for (id, hash) in closed {
        hashes[id.0 as usize] = hash;
    }
    share::keep_one(graph, hashes);
}

struct Closer<'c, 'g, 'a> {
    graph: &'g Graph<'a>,
    hashes: &'c [Hash],
    open: &'c FxHashMap<TypeId, Hasher>,
    closed: FxHashMap<TypeId, Hash>,
}

impl Closer<'_, '_, '_> {
    fn hash(&mut self, id: TypeId, depth: u32) -> Hash {
        let Some(own) = self.open.get(&id) else {
            return self.hashes[id.0 as usize];
        };
        if let Some(hash) = self.closed.get(&id) {
            return *hash;
        }
        let Some(depth) = depth.checked_sub(1) else {
            return self.hashes[id.0 as usize];
        };
        // What leads back to itself without a name in between stays as it is.
        self.closed.insert(id, self.hashes[id.0 as usize]);
        let ty = self.graph.ty(id);
        let mut targets = Vec::new();
        targets_of(ty, ty.level, &mut |target, _| targets.extend(target));
        let mut hasher = *own;
        for offset in targets {
            match self.graph.resolve(ty.unit, offset) {
                None => {
                    hasher.number(21);
                    hasher.number(ty.unit.0.into());
                    hasher.number(offset.0.into());
                }
                Some(to) => match self.name(to) {
                    Some(name) => {
                        hasher.number(23);
                        hasher.hash(name);
                    }
                    None => {
                        let hash = self.hash(to, depth);
                        hasher.number(24);
                        hasher.hash(hash);
                    }
                },
            }
        }
        let hash = hasher.finish();
        self.closed.insert(id, hash);
        hash
    }

    /// The name that stands for a type, hashed.
    fn name(&self, id: TypeId) -> Option<Hash> {
        let ty = self.graph.ty(id);
        let name = ty.name.filter(|_| ty.shape.is_nominal())?;
        Some(qualified(self.scope(ty.scope), name))
    }

    fn scope(&self, id: ScopeId) -> Hash {
        let mut path = Vec::new();
        let mut at = id;
        while at != ScopeId(0) {
            let scope = &self.graph.scopes[at.0 as usize];
            path.push(scope.name);
            at = scope.parent;
        }
        path.iter()
            .rev()
            .fold(Hash::NOTHING, |hash, name| qualified(hash, name))
    }
}
