//! Maps by a symbol's name, with a hash that is quick on long names and that no input can foresee.

use indexmap::IndexMap;

/// A map by name, in the order in which names came in: its hash has no influence on any result.
pub type NameMap<'d, V> = IndexMap<&'d str, V, foldhash::fast::RandomState>;
