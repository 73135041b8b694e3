//! What the inputs tell about a refusal beyond the problems themselves: whose place it is, and what could be meant.
//!
//! [`crate::source`] gathers it, the report shows it. All of it may be missing: a message then says less.

use std::collections::BTreeMap;

use crate::error::{Place, SourceLine};

/// What was found out about the places and symbols of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The link has several slices, so messages name the ISA.
    pub fat: bool,
    /// By place.
    pub places: BTreeMap<Place, Surroundings>,
}

/// What a place is part of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// ISA of the file.
    pub isa: Option<&'static str>,
    /// The function or variable that contains the place.
    pub part_of: Option<Container>,
    /// Line of the source that the place was made from.
    pub source: Option<SourceLine>,
}

/// A symbol that contains a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Container {
    /// A function.
    Function(String),
    /// A variable.
    Variable(String),
}

impl Container {
    /// The symbol's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Function(name) | Self::Variable(name) => name,
        }
    }
}

impl Evidence {
    /// What is known about a place.
    pub fn of(&self, place: &Place) -> Surroundings {
        self.places.get(place).cloned().unwrap_or_default()
    }
}
