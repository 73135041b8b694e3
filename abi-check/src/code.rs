//! Pointers to code: a value that is right on one CPU and means nothing on another.
//!
//! `fatld` makes them function arrays, which every CPU reads through gates of its own; in memory that is shared without
//! it they are a mistake however alike their layout is.

use crate::model::{Graph, Shape, TypeId};
use crate::names::Stripped;

impl Graph<'_> {
    /// Whether values of a type lead to code: pointers to functions, and Rust's pointers to trait objects.
    pub(crate) fn is_code(&self, id: TypeId) -> bool {
        let ty = self.ty(id);
        match &ty.shape {
            Shape::Pointer { target } => match self.strip(ty.unit, *target) {
                Stripped::Type(to) => matches!(self.ty(to).shape, Shape::Function { .. }),
                _ => false,
            },
            Shape::Record(record) if self.unit_of(id).is_rust => {
                let names = record.members.iter().map(|member| member.name);
                names.eq([Some("pointer"), Some("vtable")])
            }
            _ => false,
        }
    }
}
