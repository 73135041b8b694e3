//! Hash tables for a linker's keys: numbers and names, millions of them. The standard library's hash guards against
//! senders who choose keys; here it cost a tenth of a link, and nothing in an image depends on the order of a table.

use foldhash::fast::RandomState;

/// A table in no order.
pub type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// A set in no order.
pub type HashSet<K> = std::collections::HashSet<K, RandomState>;

/// A table in the order of insertion.
pub type IndexMap<K, V> = indexmap::IndexMap<K, V, RandomState>;
