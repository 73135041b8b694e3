//! Sizes, alignments and places that DWARF leaves to the reader.
//!
//! rustc writes the alignment of every struct; C compilers write it only where the source asks for one. What is missing
//! is computed as the psABIs do it: scalars are aligned as the machine's table says, records to their most aligned member. An offset
//! or a size that is no multiple of that shows a packed record.
//!
//! Invariant: every result is memoised or depth-bounded; a cycle gives `None`.

use rustc_hash::FxHashMap;

use gimli::RunTimeEndian;

use crate::model::{Graph, Level, Member, MemberPlace, Record, Shape, Target, TypeId, UnitId};
use crate::names::{MAX_ALIASES, Stripped};

/// Types nested by value deeper than this have no alignment here.
const MAX_DEPTH: u32 = 200;

/// Result of looking for the definition of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    /// The type is defined here.
    At(TypeId),
    /// Declared only.
    Missing,
    /// Several definitions of that name, which do not look alike.
    Ambiguous,
}

/// Computes what DWARF does not say.
#[derive(Debug)]
pub(crate) struct Layouts<'g, 'a> {
    graph: &'g Graph<'a>,
    alignments: FxHashMap<TypeId, Option<u64>>,
    /// Definitions by side and qualified name; made when the first declaration is met.
    definitions: Option<FxHashMap<(usize, String), Candidates>>,
}

/// Definitions of one name.
#[derive(Debug, Default)]
struct Candidates {
    ids: Vec<TypeId>,
    /// Whether they are one definition seen from several units; computed when first asked for.
    one: Option<bool>,
}

impl<'g, 'a> Layouts<'g, 'a> {
    /// Nothing computed yet.
    pub(crate) fn new(graph: &'g Graph<'a>) -> Self {
        Layouts {
            graph,
            alignments: FxHashMap::default(),
            definitions: None,
        }
    }

    /// Alignment in bytes.
    pub(crate) fn alignment(&mut self, id: TypeId) -> Option<u64> {
        self.alignment_within(id, MAX_DEPTH)
    }

    fn alignment_within(&mut self, id: TypeId, depth: u32) -> Option<u64> {
        let ty = self.graph.ty(id);
        if ty.alignment.is_some() {
            return ty.alignment;
        }
        if let Some(known) = self.alignments.get(&id) {
            return *known;
        }
        let depth = depth.checked_sub(1)?;
        // Stands while the members are looked at: a record within itself has no alignment.
        self.alignments.insert(id, None);
        let result = self.computed_alignment(id, depth);
        self.alignments.insert(id, result);
        result
    }

    fn computed_alignment(&mut self, id: TypeId, depth: u32) -> Option<u64> {
        let graph = self.graph;
        let ty = graph.ty(id);
        let unit = graph.unit_of(id);
        let (machine, producer) = (graph.elf(unit).machine, unit.producer);
        match &ty.shape {
            Shape::Base { encoding, .. } => {
                let complex = *encoding == gimli::DW_ATE_complex_float;
                let size = ty.size?;
                let part = if complex { size / 2 } else { size };
                let bit_int = ty.name.is_some_and(|name| name.contains("_BitInt"));
                machine.alignment(part, *encoding, bit_int, producer)
            }
            Shape::Pointer { .. } => Some(u64::from(graph.unit_of(id).address_size)),
            Shape::Array { vector: true, .. } => machine.vector_alignment(graph.size(id)?),
            Shape::Array { element, .. } => self.target_alignment(ty.unit, *element, depth),
            Shape::Enumeration { underlying, .. } => match underlying {
                Some(_) => self.target_alignment(ty.unit, *underlying, depth),
                None => machine.alignment(ty.size?, gimli::DW_ATE_unsigned, false, producer),
            },
            Shape::Record(record) => {
                let parts = record.variant_parts.iter();
                let inner = parts.flat_map(|part| {
                    part.members
                        .iter()
                        .chain(part.variants.iter().flat_map(|variant| &variant.members))
                });
                let mut result = 1;
                let size = ty.size.unwrap_or(0);
                for member in record.members.iter().chain(inner) {
                    let own = self.member_alignment(ty.unit, member, depth)?;
                    let fills = graph.target_size(ty.unit, member.target) == Some(size);
                    result = result.max(match fills && graph.is_atomic(ty.unit, member.target) {
                        true => machine.sole_atomic_alignment(own, size, producer),
                        false => own,
                    });
                }
                let packing = self.packing(ty.unit, record, size, depth).unwrap_or(result);
                Some(shared_power(result.min(packing), size))
            }
            Shape::Alias { target, atomic } => {
                let plain = self.target_alignment(ty.unit, *target, depth)?;
                match atomic {
                    true => machine.atomic_alignment(
                        graph.target_size(ty.unit, *target)?,
                        plain,
                        producer,
                    ),
                    false => Some(plain),
                }
            }
            Shape::Unspecified | Shape::Function { .. } | Shape::Opaque(_) => None,
        }
    }

    /// What a packed record's members are aligned to at most: where some lie off their alignments, and none lies further
    /// behind the one before it than packing asks for, those that lie well do so by chance.
    fn packing(&mut self, unit: UnitId, record: &Record<'a>, size: u64, depth: u32) -> Option<u64> {
        let mut placed = Vec::new();
        for member in &record.members {
            let (None, MemberPlace::Bits(bits)) = (member.bit_size, member.place) else {
                return None;
            };
            let natural = match member.alignment {
                Some(alignment) => alignment,
                None => self.target_alignment(unit, member.target, depth)?,
            };
            placed.push((
                bits / 8,
                self.graph.target_size(unit, member.target)?,
                natural,
            ));
        }
        placed.sort_unstable();
        let off = placed.iter().filter_map(|(offset, _, natural)| {
            let shared = shared_power(*natural, *offset);
            (shared < *natural).then_some(shared)
        });
        let packing = off.min()?.max(1);
        let mut end = 0_u64;
        for (offset, length, _) in placed {
            if offset > end.checked_next_multiple_of(packing)? {
                return None;
            }
            end = end.max(offset.checked_add(length)?);
        }
        (size <= end.checked_next_multiple_of(packing)?).then_some(packing)
    }

    fn member_alignment(&mut self, unit: UnitId, member: &Member<'a>, depth: u32) -> Option<u64> {
        let declared = match member.alignment {
            Some(alignment) => alignment,
            None => self.target_alignment(unit, member.target, depth)?,
        };
        match (member.bit_size, member.place) {
            (None, MemberPlace::Bits(bits)) => Some(shared_power(declared, bits / 8)),
            _ => Some(declared),
        }
    }

    /// A typedef may have an alignment of its own.
    fn target_alignment(
        &mut self,
        mut unit: UnitId,
        mut target: Target,
        depth: u32,
    ) -> Option<u64> {
        for _ in 0..MAX_ALIASES {
            let id = self.graph.resolve(unit, target?)?;
            let ty = self.graph.ty(id);
            match &ty.shape {
                Shape::Alias {
                    target: next,
                    atomic: false,
                } if ty.alignment.is_none() => {
                    unit = ty.unit;
                    target = *next;
                }
                _ => return self.alignment_within(id, depth),
            }
        }
        None
    }

    /// The definition of a type that may only be declared: here, or anywhere on the same side.
    pub(crate) fn definition(&mut self, id: TypeId) -> Definition {
        if !self.graph.is_declaration(id) {
            return Definition::At(id);
        }
        if self.graph.given_name(id).is_none() {
            return Definition::Missing;
        }
        let graph = self.graph;
        let all = self.definitions.get_or_insert_with(|| graph.definitions());
        let key = (graph.unit_of(id).side, graph.type_name(id));
        let Some(Candidates { ids, one }) = all.get_mut(&key) else {
            return Definition::Missing;
        };
        let Some((first, rest)) = ids.split_first() else {
            return Definition::Missing;
        };
        if !*one.get_or_insert_with(|| rest.iter().all(|other| graph.look_alike(*first, *other))) {
            return Definition::Ambiguous;
        }
        // Of all others only the surface is known.
        let whole = || {
            let all = ids.iter().copied();
            all.filter(|other| graph.ty(*other).level == Level::Full)
        };
        let object = graph.unit_of(id).object;
        let nearest = whole().find(|other| graph.unit_of(*other).object == object);
        Definition::At(nearest.or_else(|| whole().next()).unwrap_or(*first))
    }
}

impl<'a> Graph<'a> {
    /// Size in bytes.
    pub(crate) fn size(&self, id: TypeId) -> Option<u64> {
        self.size_within(id, MAX_DEPTH)
    }

    fn size_within(&self, id: TypeId, depth: u32) -> Option<u64> {
        let ty = self.ty(id);
        if ty.size.is_some() {
            return ty.size;
        }
        let depth = depth.checked_sub(1)?;
        match &ty.shape {
            Shape::Pointer { .. } => Some(u64::from(self.unit_of(id).address_size)),
            Shape::Array {
                element,
                dimensions,
                ..
            } => {
                let element = self.target_size_within(ty.unit, *element, depth)?;
                dimensions
                    .iter()
                    .try_fold(element, |size, count| size.checked_mul((*count)?))
            }
            Shape::Enumeration { underlying, .. } => {
                self.target_size_within(ty.unit, *underlying, depth)
            }
            Shape::Alias { target, .. } => self.target_size_within(ty.unit, *target, depth),
            _ => None,
        }
    }

    /// Size in bytes of what a reference leads to.
    pub(crate) fn target_size(&self, unit: UnitId, target: Target) -> Option<u64> {
        self.target_size_within(unit, target, MAX_DEPTH)
    }

    fn target_size_within(&self, unit: UnitId, target: Target, depth: u32) -> Option<u64> {
        match self.strip(unit, target) {
            Stripped::Type(id) => self.size_within(id, depth),
            _ => None,
        }
    }

    /// Bits from the start of the record to the lowest-addressed bit of a member.
    pub(crate) fn bit_offset(&self, unit: UnitId, member: &Member<'_>) -> Option<u64> {
        let (byte_offset, bit_offset, storage) = match member.place {
            MemberPlace::Bits(bits) => return Some(bits),
            MemberPlace::Storage {
                byte_offset,
                bit_offset,
                storage,
            } => (byte_offset, bit_offset, storage),
        };
        let storage = storage.or_else(|| self.target_size(unit, member.target))?;
        let from_storage = match self.elf(self.unit(unit)).endian {
            RunTimeEndian::Big => i128::from(bit_offset),
            RunTimeEndian::Little => {
                i128::from(storage).checked_mul(8)?
                    - i128::from(bit_offset)
                    - i128::from(member.bit_size?)
            }
        };
        u64::try_from(i128::from(byte_offset) * 8 + from_storage).ok()
    }

    /// Whether a reference leads to an atomic, or to an array of them.
    fn is_atomic(&self, mut unit: UnitId, mut target: Target) -> bool {
        for _ in 0..MAX_ALIASES {
            let found = target.and_then(|offset| self.resolve(unit, offset));
            match found.map(|id| self.ty(id)) {
                Some(ty) => match ty.shape {
                    Shape::Alias { atomic: true, .. } => return true,
                    Shape::Alias { target: next, .. } | Shape::Array { element: next, .. } => {
                        (unit, target) = (ty.unit, next);
                    }
                    _ => return false,
                },
                None => return false,
            }
        }
        false
    }

    /// Whether a type itself, not what it holds, has bytes or bits in the order of the CPU.
    pub(crate) fn has_byte_order(&self, id: TypeId) -> bool {
        match &self.ty(id).shape {
            Shape::Base {
                endianity: None, ..
            }
            | Shape::Enumeration { .. } => self.size(id).is_none_or(|size| size > 1),
            Shape::Record(record) => record
                .members
                .iter()
                .any(|member| member.bit_size.is_some()),
            Shape::Pointer { .. } | Shape::Opaque(_) => true,
            _ => false,
        }
    }

    /// The byte order of a number.
    pub(crate) fn byte_order(&self, id: TypeId) -> gimli::DwEnd {
        let of_machine = match self.elf(self.unit_of(id)).endian {
            RunTimeEndian::Little => gimli::DW_END_little,
            RunTimeEndian::Big => gimli::DW_END_big,
        };
        match self.ty(id).shape {
            Shape::Base {
                endianity: Some(order),
                ..
            } => order,
            _ => of_machine,
        }
    }

    /// Whether a type is declared and not defined in this entry.
    pub(crate) fn is_declaration(&self, id: TypeId) -> bool {
        self.ty(id).shape.is_declaration()
    }

    fn definitions(&self) -> FxHashMap<(usize, String), Candidates> {
        let mut result: FxHashMap<_, Candidates> = FxHashMap::default();
        for index in 0..self.types.len() as u32 {
            let id = TypeId(index);
            let ty = self.ty(id);
            let defines = ty.shape.is_nominal() && ty.level >= Level::Surface;
            if defines && !self.is_declaration(id) && self.given_name(id).is_some() {
                result
                    .entry((self.unit_of(id).side, self.type_name(id)))
                    .or_default()
                    .ids
                    .push(id);
            }
        }
        let place = |id: &TypeId| (self.ty(*id).unit, self.ty(*id).offset);
        for candidates in result.values_mut() {
            candidates.ids.sort_by_key(place);
        }
        result
    }

    /// Whether two definitions on one side are the same one, seen from two units: equal on the surface.
    fn look_alike(&self, a: TypeId, b: TypeId) -> bool {
        let (x, y) = (self.ty(a), self.ty(b));
        x.size == y.size
            && match (&x.shape, &y.shape) {
                (Shape::Record(r), Shape::Record(s)) => {
                    r.kind == s.kind
                        && r.members.len() == s.members.len()
                        && r.members.iter().zip(&s.members).all(|(m, n)| {
                            m.name == n.name
                                && m.bit_size == n.bit_size
                                && self.bit_offset(x.unit, m) == self.bit_offset(y.unit, n)
                                && self.target_name(x.unit, m.target)
                                    == self.target_name(y.unit, n.target)
                        })
                }
                (
                    Shape::Enumeration { enumerators: r, .. },
                    Shape::Enumeration { enumerators: s, .. },
                ) => {
                    r.len() == s.len()
                        && r.iter()
                            .zip(s)
                            .all(|(m, n)| m.name == n.name && m.value == n.value)
                }
                _ => false,
            }
    }
}

/// The largest power of two that divides both, of which the first is one.
fn shared_power(alignment: u64, value: u64) -> u64 {
    match value {
        0 => alignment,
        _ => alignment.min(1 << value.trailing_zeros()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_member_lowers_the_alignment() {
        assert_eq!(shared_power(8, 0), 8);
        assert_eq!(shared_power(8, 4), 4);
        assert_eq!(shared_power(8, 3), 1);
    }
}
