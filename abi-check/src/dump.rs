//! The layouts of one side as a list, for tools and for comparing this crate with other witnesses.
//!
//! Invariant: the numbers are those that a comparison uses.

use crate::error::Error;
use crate::input::Side;
use crate::layout::Layouts;
use crate::model::{Member, Shape, TypeId, UnitId};
use crate::read;

/// The layout of a named struct, union or enum.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Layout {
    /// Qualified name.
    pub name: String,
    /// Bytes.
    pub size: Option<u64>,
    /// Bytes.
    pub alignment: Option<u64>,
    /// Members, sorted by place.
    pub fields: Vec<Field>,
    /// For an enum that carries data: its variants, in the order of the source.
    pub variants: Vec<VariantLayout>,
}

/// The fields that one variant adds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VariantLayout {
    /// Name.
    pub name: String,
    /// Members, sorted by place.
    pub fields: Vec<Field>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    /// Bits from the start of the type.
    pub bit_offset: Option<u64>,
    /// Name; empty if it has none.
    pub name: String,
    /// Bits, if known.
    pub bit_size: Option<u64>,
}

/// The layouts of all structs, unions and enums that one side defines, sorted; equal ones of several units once.
///
/// # Errors
/// As [`crate::compare`].
pub fn layouts(side: &Side<'_>) -> Result<Vec<Layout>, Error> {
    let sides = std::slice::from_ref(side);
    let files = read::files(sides)?;
    let objects = read::objects(&files)?;
    let graph = read::everything(&objects)?;
    let mut computed = Layouts::new(&graph);
    let mut result = Vec::new();
    for id in (0..graph.types.len() as u32).map(TypeId) {
        let ty = graph.ty(id);
        let fields = |members: &[Member<'_>]| fields(&graph, ty.unit, members);
        let (members, variants) = match &ty.shape {
            _ if graph.given_name(id).is_none() || graph.is_declaration(id) => continue,
            Shape::Record(record) => {
                let all = record.variant_parts.iter().flat_map(|part| &part.variants);
                let variants = all
                    .filter_map(|variant| variant.members.first())
                    .map(|member| VariantLayout {
                        name: member.name.unwrap_or("").to_owned(),
                        fields: match member
                            .target
                            .and_then(|target| graph.resolve(ty.unit, target))
                        {
                            Some(payload) => match &graph.ty(payload).shape {
                                Shape::Record(record) => fields(&record.members),
                                _ => Vec::new(),
                            },
                            None => Vec::new(),
                        },
                    });
                (fields(&record.members), variants.collect())
            }
            Shape::Enumeration { .. } => (Vec::new(), Vec::new()),
            _ => continue,
        };
        result.push(Layout {
            name: graph.type_name(id),
            size: graph.size(id),
            alignment: computed.alignment(id),
            fields: members,
            variants,
        });
    }
    result.sort();
    result.dedup();
    Ok(result)
}

fn fields(graph: &crate::model::Graph<'_>, unit: UnitId, members: &[Member<'_>]) -> Vec<Field> {
    let mut fields: Vec<Field> = members
        .iter()
        .map(|member| Field {
            bit_offset: graph.bit_offset(unit, member),
            name: member.name.unwrap_or("").to_owned(),
            bit_size: member
                .bit_size
                .or_else(|| graph.target_size(unit, member.target)?.checked_mul(8)),
        })
        .collect();
    fields.sort();
    fields
}
