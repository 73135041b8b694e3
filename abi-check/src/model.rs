//! Types and statics of all sides in one graph.
//!
//! The graph holds what DWARF says, nothing more: alignments that DWARF leaves out are computed in `layout`, names are
//! compared in `names`. Types are numbered over all sides, so a pair of types is two ids wherever they come from.
//! References between types stay offsets of debugging information entries and are resolved when they are followed:
//! most are never followed.
//!
//! Invariants: a [`TypeId`] or [`UnitId`] handed out is valid for the graph's life; a reference that leads nowhere
//! resolves to `None`, never to another entry.

use std::borrow::Cow;

use gimli::{DwAte, DwEnd};

use crate::elf::Elf;
use crate::input::Location;
use crate::object::{Object, PartId};
use crate::report::RootKind;

/// A type of any unit of any side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) u32);

/// A unit of any object of any side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct UnitId(pub(crate) u32);

/// A namespace, type or function that names are qualified by; 0 is outside of all.
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

/// How much is known of what a type refers to. What is not known looks like a reference that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Level {
    /// So much that it has a name: what types without a name refer to, up to types with one.
    #[default]
    Name,
    /// Also the names of its members' types.
    Surface,
    /// Everything that a comparison looks at.
    Full,
}

/// One type as DWARF describes it.
#[derive(Debug)]
pub(crate) struct Type<'a> {
    /// Its unit.
    pub(crate) unit: UnitId,
    /// Its entry.
    pub(crate) offset: DieOffset,
    /// `DW_AT_name`.
    pub(crate) name: Option<&'a str>,
    /// The name that a typedef gives it, if it has none.
    pub(crate) given: Option<&'a str>,
    /// What it is declared in.
    pub(crate) scope: ScopeId,
    /// `DW_AT_byte_size`.
    pub(crate) size: Option<u64>,
    /// `DW_AT_alignment`.
    pub(crate) alignment: Option<u64>,
    /// Where the source declares it.
    pub(crate) declared: Declared,
    /// How much of what it refers to is known.
    pub(crate) level: Level,
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
    /// Typedef, `const` and other things that add no layout but, of an atomic, an alignment.
    Alias {
        /// What it stands for.
        target: Target,
        /// Whether it is `_Atomic`.
        atomic: bool,
    },
    /// `DW_TAG_unspecified_type`, such as the type of `nullptr`.
    Unspecified,
    /// Something that this crate does not compare; says what.
    Opaque(&'static str),
}

impl Shape<'_> {
    /// Whether it is declared and not defined in its entry.
    pub(crate) fn is_declaration(&self) -> bool {
        match self {
            Shape::Record(record) => record.declaration,
            Shape::Enumeration { declaration, .. } => *declaration,
            _ => false,
        }
    }

    /// Whether its name, if it has one, stands for it in other types.
    pub(crate) fn is_nominal(&self) -> bool {
        matches!(self, Shape::Record(_) | Shape::Enumeration { .. })
    }
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
    /// Classes of C++: functions that are called through the vtable.
    pub(crate) virtual_functions: Vec<VirtualFunction<'a>>,
    /// Whether it is only declared.
    pub(crate) declaration: bool,
    /// Vtables: the type that they are for. What [stands for its parameter](crate::shape::stands_for_parameter): that.
    pub(crate) containing: Target,
    /// A construct in it that this crate does not compare.
    pub(crate) opaque: Option<&'static str>,
}

/// A function in the vtable of its class.
#[derive(Debug)]
pub(crate) struct VirtualFunction<'a> {
    /// Name without parameters: overloaded functions share it.
    pub(crate) name: &'a str,
    /// Index in the vtable.
    pub(crate) index: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope<'a> {
    /// What it is in itself.
    pub(crate) parent: ScopeId,
    /// Name.
    pub(crate) name: &'a str,
}

/// Where a comparison starts: a variable with a place in memory, or a type that was asked for.
#[derive(Debug)]
pub(crate) struct Static<'a> {
    /// Which of them.
    pub(crate) kind: RootKind,
    /// Its unit.
    pub(crate) unit: UnitId,
    /// Qualified name.
    pub(crate) name: Cow<'a, str>,
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
#[derive(Debug, Default)]
pub(crate) struct Unit<'a> {
    /// Index of the side.
    pub(crate) side: usize,
    /// Index of the object in the side.
    pub(crate) object: usize,
    /// First byte.
    pub(crate) start: u32,
    /// Byte after the last.
    pub(crate) end: u32,
    /// Those of its types that are known, ascending by offset.
    pub(crate) types: Vec<(DieOffset, TypeId)>,
    /// Whether it has types at all.
    pub(crate) has_types: bool,
    /// Whether some of its types refer to other units, as far as they are known.
    pub(crate) refers_outside: bool,
    /// `DW_AT_name`.
    pub(crate) name: &'a str,
    /// `DW_AT_comp_dir`.
    pub(crate) directory: &'a str,
    /// `DW_AT_producer`.
    pub(crate) producer: &'a str,
    /// Bytes of an address.
    pub(crate) address_size: u8,
    /// `DW_AT_language` is Rust.
    pub(crate) is_rust: bool,
    /// `DW_AT_stmt_list`.
    pub(crate) line_table: Option<u64>,
    /// Whether the types are in another file.
    pub(crate) skeleton: bool,
    /// `DW_AT_dwo_name`: the file that the types are in.
    pub(crate) dwo_name: &'a str,
    /// What a split unit or its skeleton is called by.
    pub(crate) id: Option<u64>,
    /// Whether `dwz` moved parts of it to other units.
    pub(crate) imports: bool,
    /// Whether it is not a compilation but what several have in common.
    pub(crate) is_partial: bool,
    /// Which of the object's files it is in.
    pub(crate) part: PartId,
    /// Which of them its line table is in.
    pub(crate) line_part: PartId,
    /// Whether it is not a compilation but one type, which compilations share.
    pub(crate) is_type_unit: bool,
}

/// Types and statics of all sides, as far as they are needed. Equal types of one side's units are one.
#[derive(Debug, Default)]
pub(crate) struct Graph<'a> {
    /// The objects, by side.
    pub(crate) objects: &'a [Vec<Object<'a>>],
    /// Units in the order of sides, objects and offsets.
    pub(crate) units: Vec<Unit<'a>>,
    /// Types in the order in which they were found to be needed.
    pub(crate) types: Vec<Type<'a>>,
    /// Selected statics in the order of units and offsets.
    pub(crate) statics: Vec<Static<'a>>,
    /// Scopes of types.
    pub(crate) scopes: Vec<Scope<'a>>,
}

impl<'a> Graph<'a> {
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
    pub(crate) fn object(&self, unit: &Unit<'_>) -> &'a Object<'a> {
        &self.objects[unit.side][unit.object]
    }

    /// The sections of a unit.
    pub(crate) fn elf(&self, unit: &Unit<'_>) -> &'a Elf<'a> {
        self.object(unit).elf(unit.part)
    }

    /// The type at `offset` in the object of `from`.
    pub(crate) fn resolve(&self, from: UnitId, offset: DieOffset) -> Option<TypeId> {
        let types = &self.unit(unit_at(&self.units, from, offset)?).types;
        let index = types.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
        Some(types[index].1)
    }

    /// The name of a type, or the one that a typedef gives it.
    pub(crate) fn given_name(&self, id: TypeId) -> Option<&'a str> {
        self.ty(id).name.or(self.ty(id).given)
    }
}

/// The unit that `offset` is in, in the object of `from`.
pub(crate) fn unit_at(units: &[Unit<'_>], from: UnitId, offset: DieOffset) -> Option<UnitId> {
    let here = &units[from.0 as usize];
    if (here.start..here.end).contains(&offset.0) {
        return Some(from);
    }
    let key = |unit: &Unit<'_>| (unit.side, unit.object, unit.start);
    let after = units.partition_point(|unit| key(unit) <= (here.side, here.object, offset.0));
    let found = after.checked_sub(1)?;
    let unit = &units[found];
    let inside = (unit.side, unit.object) == (here.side, here.object) && offset.0 < unit.end;
    inside.then_some(UnitId(found as u32))
}
