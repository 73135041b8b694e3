//! What a type's own entry says, before its children are read.
//!
//! Invariant: every tag that DWARF 5 has for types is known here, if only as something that is not compared.

use gimli::constants as dw;

use crate::attributes::{Attributes, MemberLocation};
use crate::model::{MemberPlace, Record, RecordKind, Shape};

/// Whether a type stands for its type parameter: Rust's `PhantomData`. Containers that keep what they hold behind a pointer
/// without its type, as `Vec` does, say by it what that is.
pub(crate) fn stands_for_parameter(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with("PhantomData<"))
}

/// Whether a tag is that of a type.
pub(crate) fn is_type(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_base_type
            | dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_interface_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_enumeration_type
            | dw::DW_TAG_array_type
            | dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type
            | dw::DW_TAG_ptr_to_member_type
            | dw::DW_TAG_subroutine_type
            | dw::DW_TAG_typedef
            | dw::DW_TAG_template_alias
            | dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type
            | dw::DW_TAG_immutable_type
            | dw::DW_TAG_packed_type
            | dw::DW_TAG_shared_type
            | dw::DW_TAG_unspecified_type
            | dw::DW_TAG_subrange_type
            | dw::DW_TAG_string_type
            | dw::DW_TAG_set_type
            | dw::DW_TAG_file_type
            | dw::DW_TAG_coarray_type
            | dw::DW_TAG_dynamic_type
            | dw::DW_TAG_thrown_type
    )
}

/// Whether entries of a tag may stand for a type in a type unit.
fn is_named(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_interface_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_enumeration_type
    )
}

/// What an entry says by its tag and attributes; its children are added later.
pub(crate) fn shape_of<'a>(tag: gimli::DwTag, attributes: &Attributes<'a>) -> Shape<'a> {
    let target = attributes.target;
    let elsewhere = attributes.signature.filter(|_| is_named(tag));
    if let Some(target) = elsewhere {
        return Shape::Alias {
            target: Some(target),
            atomic: false,
        };
    }
    match tag {
        dw::DW_TAG_base_type => match attributes.encoding {
            Some(encoding) => Shape::Base {
                encoding,
                endianity: attributes.endianity,
            },
            None => Shape::Opaque("a base type without an encoding"),
        },
        dw::DW_TAG_structure_type
        | dw::DW_TAG_class_type
        | dw::DW_TAG_interface_type
        | dw::DW_TAG_union_type => Shape::Record(Box::new(Record {
            kind: if tag == dw::DW_TAG_union_type {
                RecordKind::Union
            } else {
                RecordKind::Struct
            },
            members: Vec::new(),
            variant_parts: Vec::new(),
            virtual_functions: Vec::new(),
            declaration: attributes.declaration,
            containing: attributes.containing,
            opaque: None,
        })),
        dw::DW_TAG_enumeration_type => Shape::Enumeration {
            underlying: target,
            enumerators: Vec::new(),
            declaration: attributes.declaration,
        },
        dw::DW_TAG_array_type if attributes.strided => Shape::Opaque("an array with a stride"),
        dw::DW_TAG_array_type => Shape::Array {
            element: target,
            dimensions: Vec::new(),
            vector: attributes.vector,
        },
        dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => {
            Shape::Pointer { target }
        }
        dw::DW_TAG_subroutine_type => Shape::Function {
            result: target,
            parameters: Vec::new(),
            variadic: false,
        },
        dw::DW_TAG_unspecified_type => Shape::Unspecified,
        dw::DW_TAG_ptr_to_member_type => Shape::Opaque("a pointer to a member"),
        dw::DW_TAG_subrange_type => Shape::Opaque("a range type"),
        dw::DW_TAG_string_type | dw::DW_TAG_set_type | dw::DW_TAG_file_type => {
            Shape::Opaque("a Fortran or Pascal type")
        }
        dw::DW_TAG_coarray_type | dw::DW_TAG_dynamic_type => {
            Shape::Opaque("a type of run-time shape")
        }
        _ => Shape::Alias {
            target,
            atomic: tag == dw::DW_TAG_atomic_type,
        },
    }
}

/// Place of a member, and whether it is only known at run time.
pub(crate) fn member_place(attributes: &Attributes<'_>) -> (MemberPlace, bool) {
    let (byte_offset, computed) = match attributes.member_location {
        None => (0, false),
        Some(MemberLocation::Bytes(bytes)) => (bytes, false),
        Some(MemberLocation::Computed) => (0, true),
    };
    let place = match (attributes.data_bit_offset, attributes.bit_offset) {
        (Some(bits), _) => MemberPlace::Bits(byte_offset.saturating_mul(8).saturating_add(bits)),
        (None, Some(bit_offset)) => MemberPlace::Storage {
            byte_offset,
            bit_offset,
            storage: attributes.byte_size,
        },
        (None, None) => MemberPlace::Bits(byte_offset.saturating_mul(8)),
    };
    (place, computed)
}
