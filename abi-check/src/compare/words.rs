//! Types, members and their sizes in words, as differences show them.

use crate::model::{Member, RecordKind, Shape, UnitId};

pub(super) fn dimensions(list: &[Option<u64>]) -> String {
    let texts: Vec<String> = list
        .iter()
        .map(|count| count.map_or("?".to_owned(), |count| count.to_string()))
        .collect();
    format!("{} elements", texts.join(" × "))
}

/// A size for people.
pub(crate) fn bytes(size: Option<u64>) -> String {
    match size {
        None => "unknown size".to_owned(),
        Some(1) => "1 byte".to_owned(),
        Some(size) => format!("{size} bytes"),
    }
}

impl Shape<'_> {
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Shape::Base { .. } => "scalar",
            Shape::Record(record) if record.kind == RecordKind::Union => "union",
            Shape::Record(_) => "struct",
            Shape::Enumeration { .. } => "enumeration",
            Shape::Array { .. } => "array",
            Shape::Pointer { .. } => "pointer",
            Shape::Function { .. } => "function",
            Shape::Alias { .. } => "alias",
            Shape::Unspecified => "unspecified type",
            Shape::Opaque(_) => "unknown type",
        }
    }
}

impl crate::model::Graph<'_> {
    /// Place, size and type of a member.
    pub(crate) fn describe(&self, unit: UnitId, member: &Member<'_>) -> String {
        let name = self.target_name(unit, member.target);
        let start = self.bit_offset(unit, member);
        match (start, member.bit_size) {
            (Some(start), Some(width)) => {
                format!("bits {start}..{}  {name}", start.saturating_add(width))
            }
            (None, _) => format!("unknown offset  {name}"),
            (Some(start), None) => {
                let size = self
                    .target_size(unit, member.target)
                    .map_or("?".to_owned(), |size| size.to_string());
                format!("offset {}  size {size}  {name}", start / 8)
            }
        }
    }
}
