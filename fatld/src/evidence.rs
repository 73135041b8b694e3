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
    /// What could be meant, by the missing symbol and the ISA that lacks it.
    pub suggestions: BTreeMap<(String, String), Vec<Suggestion>>,
}

/// What could be meant by a symbol that its slice does not define.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suggestion {
    /// That symbol, which another slice defines.
    OtherSlice {
        /// ISA of that slice.
        isa: &'static str,
        /// File that defines it there.
        file: String,
    },
    /// Another symbol of the slice.
    Alike {
        /// In what they are alike.
        likeness: Likeness,
        /// Its name.
        name: String,
        /// File that defines it.
        file: String,
    },
}

/// In what a defined symbol is like a missing one; the best reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// It has that name, but only its own file can refer to it.
    Local,
    /// It is the name alone where a mangled name is missing.
    Unmangled,
    /// It is the mangled name of a function or variable of that name.
    Mangled,
    /// It has the same path in another build of the crate.
    OtherBuild,
    /// It is the same but for case, underscores at the start, or one character.
    Spelling,
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
    /// What could be meant by a symbol that the slice of `isa` lacks.
    pub fn suggestions(&self, symbol: &str, isa: &str) -> &[Suggestion] {
        let key = (symbol.to_owned(), isa.to_owned());
        self.suggestions.get(&key).map_or(&[], Vec::as_slice)
    }

    /// What is known about a place.
    pub fn of(&self, place: &Place) -> Surroundings {
        self.places.get(place).cloned().unwrap_or_default()
    }
}
