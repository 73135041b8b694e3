//! What an address in data means, apart from where it will be.
//!
//! Two slices agree on an address if it has the same [`Meaning`] for both. Meanings name gates, clusters and classes, so
//! they need the tables of the phases that make those, and classes need the meanings of what they refer to.

use crate::clusters::Clusters;
use crate::collect::{Collections, End};
use crate::functions::Functions;
use crate::gc::{Live, Reference};
use crate::ids::{ClassId, ClusterId, CollectionId, GateId, SectionId, SliceId};
use crate::landmark::Landmark;
use crate::pair::Pairing;
use crate::program::Program;

/// What an address in data means, the same on every ISA if the ISAs share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// No address.
    Nothing,
    /// A function, by its gate.
    Gate(GateId, i64),
    /// A function's code for one ISA, by its gate.
    Element(GateId, SliceId, i64),
    /// Named data, and an offset in its cluster.
    Cluster(ClusterId, i64),
    /// A constant without a name, and an offset in it.
    Class(ClassId, i64),
    /// Something that only one ISA has: never equal to anything of another.
    Own(SectionId, i64),
    /// A number.
    Absolute(u64),
    /// The image's header, and an offset in it.
    ImageHeader(i64),
    /// An end of a collected array, of the slice that stores it, and an offset from there.
    Bound(CollectionId, End, SliceId, i64),
    /// A place of the output, for one slice if it is another for each, and an offset from there.
    Landmark(Landmark, Option<SliceId>, i64),
}

/// The tables that say what a reference means.
pub struct Context<'a, 'd> {
    /// Tables.
    pub program: &'a Program<'d>,
    /// Entities.
    pub pairing: &'a Pairing<'d>,
    /// Collected arrays.
    pub collections: &'a Collections<'d>,
    /// Clusters.
    pub clusters: &'a Clusters,
    /// What is needed.
    pub live: &'a Live,
    /// Function arrays.
    pub functions: &'a Functions,
    /// Class of each section that is known by its content, as far as it is classified.
    pub class_of: Vec<Option<ClassId>>,
}

impl Context<'_, '_> {
    /// What a reference with this addend means.
    pub fn meaning(&self, reference: &Reference, addend: i64) -> Meaning {
        match *reference {
            Reference::Nothing => Meaning::Nothing,
            Reference::WeakUndefined => Meaning::Absolute(addend as u64),
            Reference::Gate { function, adjust } => {
                Meaning::Gate(self.functions.gate(function), adjust + addend)
            }
            Reference::Element {
                function,
                slice,
                adjust,
            } => Meaning::Element(self.functions.gate(function), slice, adjust + addend),
            Reference::Absolute(value) => Meaning::Absolute(value.wrapping_add_signed(addend)),
            Reference::ImageHeader => Meaning::ImageHeader(addend),
            Reference::Bound(id, end, home) => Meaning::Bound(id, end, home, addend),
            Reference::Landmark(landmark, slice) => {
                Meaning::Landmark(landmark, landmark.is_of_slice().then_some(slice), addend)
            }
            Reference::Place { section, offset } => {
                let offset = offset.wrapping_add(addend);
                if let Some(cluster) = self.clusters.of(section) {
                    let members = &self.clusters.clusters[cluster.at()].members;
                    let start = members
                        .iter()
                        .find(|(s, _)| *s == section)
                        .map_or(0, |(_, start)| *start);
                    return Meaning::Cluster(cluster, start as i64 + offset);
                }
                match self.class_of[section.at()] {
                    Some(class) => Meaning::Class(class, offset),
                    None => Meaning::Own(section, offset),
                }
            }
        }
    }
}
