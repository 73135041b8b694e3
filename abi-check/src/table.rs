//! The fields of one type on several sides, next to each other.
//!
//! Invariant: rows are in the order of the first side's debug information, then what only later sides have.

use crate::model::{Graph, Member, RecordKind, Shape, TypeId};
use crate::report::{Cell, FieldRow, FieldTable};

/// Tables of more fields than this help nobody; the finding's own lines say what differs.
const MAX_ROWS: usize = 64;

/// A field's name and how often that name came before.
type Key = (String, usize);

/// Lines up the fields of `types`, given with their sides; `None` if there are none.
pub(crate) fn fields(graph: &Graph<'_>, types: &[(usize, TypeId)]) -> Option<FieldTable> {
    let mut rows: Vec<(Key, Vec<Option<Cell>>)> = Vec::new();
    for (column, (_, id)) in types.iter().enumerate() {
        let ty = graph.ty(*id);
        let Shape::Record(record) = &ty.shape else {
            return None;
        };
        let parts = record.variant_parts.iter();
        let inner = parts.flat_map(|part| {
            part.members
                .iter()
                .chain(part.variants.iter().flat_map(|variant| &variant.members))
        });
        for member in record.members.iter().chain(inner).take(MAX_ROWS) {
            let name = member.name.unwrap_or("(discriminant)").to_owned();
            let repeats = rows
                .iter()
                .filter(|((other, _), cells)| {
                    *other == name && cells.get(column).is_some_and(Option::is_some)
                })
                .count();
            let key = (name, repeats);
            let row = match rows.iter().position(|(other, _)| *other == key) {
                Some(row) => row,
                None => {
                    rows.push((key, vec![None; types.len()]));
                    rows.len() - 1
                }
            };
            rows[row].1[column] = Some(cell(graph, *id, member));
        }
    }
    if rows.is_empty() {
        return None;
    }
    Some(FieldTable {
        sides: types.iter().map(|(side, _)| *side).collect(),
        sizes: types.iter().map(|(_, id)| graph.size(*id)).collect(),
        sequential: types.iter().all(|(_, id)| is_sequential(graph, *id)),
        rows: rows
            .into_iter()
            .map(|((name, _), cells)| FieldRow { name, cells })
            .collect(),
    })
}

/// Whether all of a type's fields are there at once and all of them are in the table.
fn is_sequential(graph: &Graph<'_>, id: TypeId) -> bool {
    match &graph.ty(id).shape {
        Shape::Record(record) => {
            record.kind == RecordKind::Struct
                && record.variant_parts.is_empty()
                && record.members.len() <= MAX_ROWS
        }
        _ => false,
    }
}

fn cell(graph: &Graph<'_>, holder: TypeId, member: &Member<'_>) -> Cell {
    let unit = graph.ty(holder).unit;
    let bit_size = member
        .bit_size
        .or_else(|| graph.target_size(unit, member.target)?.checked_mul(8));
    Cell {
        bit_offset: graph.bit_offset(unit, member).unwrap_or(0),
        bit_size,
        type_name: graph.target_name(unit, member.target),
    }
}
