//! Types and statics of all sides in one graph.
//!
//! The graph holds what DWARF says, nothing more: alignments that DWARF leaves out are computed in `layout`, names are
//! compared in `names`. Types are numbered over all sides, so a pair of types is two ids wherever they come from.
//! References between types stay offsets of debugging information entries and are resolved when they are followed:
//! most are never followed.
//!
//! Invariants: a [`TypeId`] or [`UnitId`] handed out is valid for the graph's life; a reference that leads nowhere
//! resolves to `None`, never to another entry.

use gimli::{DwAte, DwEnd};
use rustc_hash::FxHashMap;

use crate::elf::Elf;
use crate::error::Error;
use crate::input::Location;

/// A type of any unit of any side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) u32);

/// A unit of any object of any side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct UnitId(pub(crate) u32);

/// A namespace, type or function that names are qualified by; an index in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct ScopeId(pub(crate) u32);

/// Offset of an entry in its object's `.debug_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct DieOffset(pub(crate) u32);

/// A reference to a type; `None` is `void`.
pub(crate) type Target = Option<DieOffset>;

/// `DW_AT_decl_file` and `DW_AT_decl_line`; zeros if absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Declared {
    /// Index in the line table of the unit.
    pub(crate) file: u32,
    /// Line, from 1; 0 if unknown.
    pub(crate) line: u32,
}

/// One type as DWARF describes it.
#[derive(Debug)]
pub(crate) struct Type<'a> {
    /// Its unit.
    pub(crate) unit: UnitId,
    /// `DW_AT_name`.
    pub(crate) name: Option<&'a str>,
    /// What it is declared in.
    pub(crate) scope: ScopeId,
    /// `DW_AT_byte_size`.
    pub(crate) size: Option<u64>,
    /// `DW_AT_alignment`.
    pub(crate) alignment: Option<u64>,
    /// Where the source declares it.
    pub(crate) declared: Declared,
    /// The rest, by tag.
    pub(crate) shape: Shape<'a>,
}

/// What the tag of a type says.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    /// `DW_TAG_base_type`.
    Base {
        /// Encoding.
        encoding: DwAte,
        /// Byte order, if it is not the object's.
        endianity: Option<DwEnd>,
    },
    /// Structure, class or union.
    Record(Box<Record<'a>>),
    /// `DW_TAG_enumeration_type`.
    Enumeration {
        /// Its integer type.
        underlying: Target,
        /// All values.
        enumerators: Vec<Enumerator<'a>>,
        /// Whether it is only declared.
        declaration: bool,
    },
    /// `DW_TAG_array_type`.
    Array {
        /// Type of an element.
        element: Target,
        /// Elements in each dimension; `None` if that is open.
        dimensions: Vec<Option<u64>>,
        /// Whether it is a vector of the psABI, which is aligned to its size.
        vector: bool,
    },
    /// Pointer or reference.
    Pointer {
        /// What it points to.
        target: Target,
    },
    /// `DW_TAG_subroutine_type`.
    Function {
        /// What it returns.
        result: Target,
        /// What it takes.
        parameters: Vec<Target>,
        /// Whether it takes more.
        variadic: bool,
    },
    /// Typedef, `const` and other things that add no layout.
    Alias {
        /// What it stands for.
        target: Target,
        /// Whether it gives its target a name.
        typedef: bool,
    },
    /// `DW_TAG_unspecified_type`, such as the type of `nullptr`.
    Unspecified,
    /// Something that this crate does not compare; says what.
    Opaque(&'static str),
}

/// Whether members lie one after the other or on top of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// Structure or class.
    Struct,
    /// Union.
    Union,
}

/// A structure, class or union.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// Which of them.
    pub(crate) kind: RecordKind,
    /// Members in the order of the debug information, which is that of the source.
    pub(crate) members: Vec<Member<'a>>,
    /// Enums: what depends on a discriminant.
    pub(crate) variant_parts: Vec<VariantPart<'a>>,
    /// Whether it is only declared.
    pub(crate) declaration: bool,
    /// Vtables: the type that they are for.
    pub(crate) containing: Target,
    /// A construct in it that this crate does not compare.
    pub(crate) opaque: Option<&'static str>,
}

/// Where a member starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberPlace {
    /// Bits from the start of the record.
    Bits(u64),
    /// The bit fields of DWARF 3: counted from the most significant bit of a storage unit.
    Storage {
        /// Bytes from the start of the record to the storage unit.
        byte_offset: u64,
        /// Bits from its most significant bit to that of the field; may be negative.
        bit_offset: i64,
        /// Its bytes, if not those of the member's type.
        storage: Option<u64>,
    },
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// Its own entry, which a discriminant is named by.
    pub(crate) offset: DieOffset,
    /// Name; anonymous structs, unions and discriminants have none.
    pub(crate) name: Option<&'a str>,
    /// Type.
    pub(crate) target: Target,
    /// Place.
    pub(crate) place: MemberPlace,
    /// Width, if it is a bit field.
    pub(crate) bit_size: Option<u64>,
    /// `DW_AT_alignment`.
    pub(crate) alignment: Option<u64>,
    /// Where the source declares it.
    pub(crate) declared: Declared,
}

/// A set of variants and what tells them apart.
#[derive(Debug, Default)]
pub(crate) struct VariantPart<'a> {
    /// The discriminant's entry; absent if there is one variant only.
    pub(crate) discriminant: Option<DieOffset>,
    /// Members of the part itself: the discriminant.
    pub(crate) members: Vec<Member<'a>>,
    /// The variants.
    pub(crate) variants: Vec<Variant<'a>>,
}

/// One variant.
#[derive(Debug, Default)]
pub(crate) struct Variant<'a> {
    /// Ranges of discriminants, both ends included; none for the default variant.
    pub(crate) values: Vec<(u128, u128)>,
    /// Its members; of a Rust enum, one, named like the variant.
    pub(crate) members: Vec<Member<'a>>,
    /// Where the source declares it.
    pub(crate) declared: Declared,
}

/// One value of an enumeration.
#[derive(Debug)]
pub(crate) struct Enumerator<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// Value, sign-extended if the form says that it is signed.
    pub(crate) value: u128,
}

/// A namespace, type or function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// What it is in itself; itself for the unit.
    pub(crate) parent: ScopeId,
    /// Name, `None` for the unit and for what has no name.
    pub(crate) name: Option<&'a str>,
}

/// A variable with a place in memory.
#[derive(Debug)]
pub(crate) struct Static<'a> {
    /// Its unit.
    pub(crate) unit: UnitId,
    /// Qualified name.
    pub(crate) name: String,
    /// Name of the symbol.
    pub(crate) linkage_name: Option<&'a str>,
    /// Type.
    pub(crate) target: Target,
    /// Place; `None` if it has no single one.
    pub(crate) location: Option<Location>,
    /// Where the source declares it.
    pub(crate) declared: Declared,
}

/// One unit of one object.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    /// Index of the side.
    pub(crate) side: usize,
    /// Index of the object in the side.
    pub(crate) object: usize,
    /// First byte in `.debug_info`.
    pub(crate) start: u32,
    /// Byte after the last.
    pub(crate) end: u32,
    /// Id of its first type.
    pub(crate) base: u32,
    /// Offsets of its types, ascending; the type of `offsets[i]` has the id `base + i`.
    pub(crate) offsets: Vec<DieOffset>,
    /// Names that qualify.
    pub(crate) scopes: Vec<Scope<'a>>,
    /// `DW_AT_name`.
    pub(crate) name: &'a str,
    /// `DW_AT_comp_dir`.
    pub(crate) directory: &'a str,
    /// `DW_AT_producer`.
    pub(crate) producer: &'a str,
    /// Bytes of an address.
    pub(crate) address_size: u8,
    /// `DW_AT_stmt_list`.
    pub(crate) line_table: Option<u64>,
    /// Whether the types are in another file.
    pub(crate) skeleton: bool,
}

/// All types and statics of all sides.
#[derive(Debug, Default)]
pub(crate) struct Graph<'a> {
    /// The objects' sections, by side and object.
    pub(crate) elves: &'a [Vec<Elf<'a>>],
    /// Units in the order of sides, objects and offsets.
    pub(crate) units: Vec<Unit<'a>>,
    /// Types in the order of units and offsets.
    pub(crate) types: Vec<Type<'a>>,
    /// Statics in the order of units and offsets.
    pub(crate) statics: Vec<Static<'a>>,
    /// Names that typedefs give to types without one.
    typedef_names: FxHashMap<TypeId, &'a str>,
}

/// A unit as it was scanned, not yet numbered.
#[derive(Debug)]
pub(crate) struct ScannedUnit<'a> {
    /// The unit; `base` is not set.
    pub(crate) unit: Unit<'a>,
    /// Its types, parallel to `unit.offsets`.
    pub(crate) types: Vec<Type<'a>>,
    /// Its statics.
    pub(crate) statics: Vec<Static<'a>>,
}

impl<'a> Graph<'a> {
    /// Numbers the units' types. Units must come in the order of sides, objects and offsets.
    pub(crate) fn new(
        elves: &'a [Vec<Elf<'a>>],
        scanned: Vec<ScannedUnit<'a>>,
    ) -> Result<Self, Error> {
        let total: usize = scanned.iter().map(|unit| unit.types.len()).sum();
        if total >= u32::MAX as usize || scanned.len() >= u32::MAX as usize {
            return Err(Error::TooLarge {
                what: "types".to_owned(),
                limit: u64::from(u32::MAX),
            });
        }
        let mut graph = Graph {
            elves,
            ..Graph::default()
        };
        graph.types.reserve_exact(total);
        for mut part in scanned {
            let id = UnitId(graph.units.len() as u32);
            part.unit.base = graph.types.len() as u32;
            graph
                .types
                .extend(part.types.into_iter().map(|ty| Type { unit: id, ..ty }));
            graph.statics.extend(
                part.statics
                    .into_iter()
                    .map(|var| Static { unit: id, ..var }),
            );
            graph.units.push(part.unit);
        }
        graph.name_anonymous_types();
        Ok(graph)
    }

    fn name_anonymous_types(&mut self) {
        let mut names = FxHashMap::default();
        for (unit, ty) in self.types.iter().map(|ty| (ty.unit, ty)) {
            if let (
                Shape::Alias {
                    target: Some(target),
                    typedef: true,
                },
                Some(name),
            ) = (&ty.shape, ty.name)
                && let Some(id) = self.resolve(unit, *target)
                && self.ty(id).name.is_none()
                && matches!(
                    self.ty(id).shape,
                    Shape::Record(_) | Shape::Enumeration { .. }
                )
            {
                names.entry(id).or_insert(name);
            }
        }
        self.typedef_names = names;
    }

    /// A type.
    pub(crate) fn ty(&self, id: TypeId) -> &Type<'a> {
        &self.types[id.0 as usize]
    }

    /// The unit of a type.
    pub(crate) fn unit_of(&self, id: TypeId) -> &Unit<'a> {
        self.unit(self.ty(id).unit)
    }

    /// A unit.
    pub(crate) fn unit(&self, id: UnitId) -> &Unit<'a> {
        &self.units[id.0 as usize]
    }

    /// The object of a unit.
    pub(crate) fn elf(&self, unit: &Unit<'_>) -> &Elf<'a> {
        &self.elves[unit.side][unit.object]
    }

    /// The type at `offset` in the object of `from`.
    pub(crate) fn resolve(&self, from: UnitId, offset: DieOffset) -> Option<TypeId> {
        let here = self.unit(from);
        let unit = if (here.start..here.end).contains(&offset.0) {
            here
        } else {
            let key = |unit: &Unit<'_>| (unit.side, unit.object, unit.start);
            let after = self
                .units
                .partition_point(|unit| key(unit) <= (here.side, here.object, offset.0));
            let unit = self.units.get(after.checked_sub(1)?)?;
            if (unit.side, unit.object) != (here.side, here.object) {
                return None;
            }
            unit
        };
        let index = unit.offsets.binary_search(&offset).ok()?;
        Some(TypeId(unit.base + index as u32))
    }

    /// The name of a type, or the one that a typedef gives it.
    pub(crate) fn given_name(&self, id: TypeId) -> Option<&'a str> {
        self.ty(id)
            .name
            .or_else(|| self.typedef_names.get(&id).copied())
    }
}
