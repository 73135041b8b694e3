//! What tells a type from others of its side: a hash of everything that its entry says, and of what it refers to.
//!
//! C repeats the types of a header in every unit. A reference to a record or an enumeration with a name counts as that
//! name, whether this unit defines it or only declares it; all other types count with what they consist of. So equal hashes
//! mean equal types only as long as a name means one thing on its side: where it means several, `share` takes apart what
//! refers to it.
//!
//! Invariant: types with equal hashes cannot be told apart by a comparison, names of other types taken as said.

use crate::error::Error;
use crate::hash::{Hash, Hasher};
use crate::load::{Loader, qualified};
use crate::model::{DieOffset, Level, Member, MemberPlace, Record, Shape, Target, Type};

/// Types without a name within each other deeper than this are not shared.
const MAX_DEPTH: u32 = 64;

impl<'a> Loader<'_, 'a> {
    /// The hash of a type that was read in this round.
    pub(crate) fn hash_of(&mut self, slot: usize) -> Result<Hash, Error> {
        self.hash_within(slot, MAX_DEPTH)
    }

    fn hash_within(&mut self, slot: usize, depth: u32) -> Result<Hash, Error> {
        let read = &mut self.read[slot];
        if let Some(hash) = read.hash {
            return Ok(hash);
        }
        let offset = read.ty.offset;
        let Some(depth) = depth.checked_sub(1).filter(|_| !read.busy) else {
            return Ok(self.instance(offset));
        };
        read.busy = true;
        // Taken out while its targets are looked at, which never ask for it: it is busy.
        let shape = std::mem::replace(&mut read.ty.shape, Shape::Unspecified);
        let result = self.compute(slot, &shape, depth);
        let read = &mut self.read[slot];
        read.ty.shape = shape;
        read.busy = false;
        let hash = result?;
        read.hash = Some(hash);
        Ok(hash)
    }

    /// Tells an entry from all others.
    fn instance(&self, offset: DieOffset) -> Hash {
        let mut hasher = Hasher::new(2);
        hasher.number(self.unit.side as u64);
        hasher.number(self.unit.object as u64);
        hasher.number(offset.0.into());
        hasher.finish()
    }

    fn compute(&mut self, slot: usize, shape: &Shape<'a>, depth: u32) -> Result<Hash, Error> {
        let (_, scope) = self.scope(self.index.types[self.read[slot].at].1)?;
        let level = self.read[slot].level;
        let ty = &self.read[slot].ty;
        let mut hasher = Hasher::new(3);
        hasher.hash(scope);
        hasher.name(ty.name);
        hasher.name(ty.given);
        hasher.optional(ty.size);
        hasher.optional(ty.alignment);
        hasher.number(ty.declared.line.into());
        let nothing_more = level == Level::Name && ty.name.is_some();
        match shape {
            Shape::Base {
                encoding,
                endianity,
            } => {
                hasher.number(10);
                hasher.number(encoding.0.into());
                hasher.optional(endianity.map(|order| order.0.into()));
                self.machine(&mut hasher);
            }
            Shape::Record(record) => {
                hasher.number(11);
                hasher.number(record.kind as u64);
                hasher.number(record.declaration.into());
                hasher.name(record.opaque);
                if !nothing_more {
                    self.record(&mut hasher, record, depth)?;
                }
            }
            Shape::Enumeration {
                underlying,
                enumerators,
                declaration,
            } => {
                hasher.number(12);
                hasher.number((*declaration).into());
                hasher.number(enumerators.len() as u64);
                for enumerator in enumerators {
                    hasher.text(enumerator.name);
                    hasher.wide(enumerator.value);
                }
                self.target(&mut hasher, *underlying, depth)?;
            }
            Shape::Array {
                element,
                dimensions,
                vector,
            } => {
                hasher.number(13);
                hasher.number((*vector).into());
                hasher.number(dimensions.len() as u64);
                for count in dimensions {
                    hasher.optional(*count);
                }
                self.target(&mut hasher, *element, depth)?;
            }
            Shape::Pointer { target } => {
                hasher.number(14);
                self.machine(&mut hasher);
                self.target(&mut hasher, *target, depth)?;
            }
            Shape::Function {
                result,
                parameters,
                variadic,
            } => {
                hasher.number(15);
                hasher.number((*variadic).into());
                hasher.number(parameters.len() as u64);
                for target in std::iter::once(result).chain(parameters) {
                    self.target(&mut hasher, *target, depth)?;
                }
            }
            Shape::Alias { target, typedef } => {
                hasher.number(16);
                hasher.number((*typedef).into());
                self.target(&mut hasher, *target, depth)?;
            }
            Shape::Unspecified => hasher.number(17),
            Shape::Opaque(what) => {
                hasher.number(18);
                hasher.text(what);
            }
        }
        Ok(hasher.finish())
    }

    /// What scalars depend on beyond their entries.
    fn machine(&self, hasher: &mut Hasher) {
        let elf = self.reader.elf;
        hasher.number(elf.machine.e_machine.into());
        hasher.number((elf.endian == gimli::RunTimeEndian::Big).into());
        hasher.number(self.unit.address_size.into());
        hasher.number(elf.machine.has_own_long_double(self.unit.producer).into());
    }

    fn record(
        &mut self,
        hasher: &mut Hasher,
        record: &Record<'a>,
        depth: u32,
    ) -> Result<(), Error> {
        self.target(hasher, record.containing, depth)?;
        self.members(hasher, &record.members, depth)?;
        hasher.number(record.variant_parts.len() as u64);
        for part in &record.variant_parts {
            // As its place among the members, which is the same in all units.
            let discriminant = part.discriminant.and_then(|offset| {
                let mut members = part.members.iter().chain(&record.members);
                members.position(|member| member.offset == offset)
            });
            hasher.optional(discriminant.map(|at| at as u64));
            hasher.number(part.discriminant.is_some().into());
            self.members(hasher, &part.members, depth)?;
            hasher.number(part.variants.len() as u64);
            for variant in &part.variants {
                hasher.number(variant.values.len() as u64);
                for (low, high) in &variant.values {
                    hasher.wide(*low);
                    hasher.wide(*high);
                }
                hasher.number(variant.declared.line.into());
                self.members(hasher, &variant.members, depth)?;
            }
        }
        Ok(())
    }

    fn members(
        &mut self,
        hasher: &mut Hasher,
        members: &[Member<'a>],
        depth: u32,
    ) -> Result<(), Error> {
        hasher.number(members.len() as u64);
        for member in members {
            hasher.name(member.name);
            match member.place {
                MemberPlace::Bits(bits) => {
                    hasher.number(0);
                    hasher.number(bits);
                }
                MemberPlace::Storage {
                    byte_offset,
                    bit_offset,
                    storage,
                } => {
                    hasher.number(1);
                    hasher.number(byte_offset);
                    hasher.number(bit_offset as u64);
                    hasher.optional(storage);
                }
            }
            hasher.optional(member.bit_size);
            hasher.optional(member.alignment);
            hasher.number(member.declared.line.into());
            self.target(hasher, member.target, depth)?;
        }
        Ok(())
    }

    /// Adds what a reference leads to.
    fn target(&mut self, hasher: &mut Hasher, target: Target, depth: u32) -> Result<(), Error> {
        let Some(offset) = target else {
            hasher.number(20);
            return Ok(());
        };
        let at = self.index.type_at(offset);
        let outside = !(self.unit.start..self.unit.end).contains(&offset.0);
        let Some(at) = at.filter(|_| !outside) else {
            hasher.number(if outside { 21 } else { 22 });
            if outside {
                hasher.hash(self.instance(offset));
            }
            return Ok(());
        };
        let slot = self.slot(at);
        let former = self.former(offset);
        let name = match (slot, former) {
            (Some(slot), _) => self.read[slot].nominal,
            (None, Some(id)) => nominal_name(self.known.ty(id)),
            (None, None) => None,
        };
        if let Some(name) = name {
            let (_, scope) = self.scope(self.index.types[at].1)?;
            hasher.number(23);
            hasher.hash(qualified(scope, name));
            return Ok(());
        }
        let hash = match (slot, former) {
            (Some(slot), _) => self.hash_within(slot, depth)?,
            (None, Some(id)) => self.known.hash(id),
            (None, None) => self.instance(offset),
        };
        hasher.number(24);
        hasher.hash(hash);
        Ok(())
    }
}

/// The name of a type by which others refer to it, whatever it consists of.
pub(crate) fn nominal_name<'a>(ty: &Type<'a>) -> Option<&'a str> {
    ty.name.filter(|_| ty.shape.is_nominal())
}
