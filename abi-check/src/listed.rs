//! Lists whose items have names: which of them belong together, and what of that differs, in one message.

use rustc_hash::FxHashMap;

use crate::compare::Two;
use crate::model::{Declared, UnitId};
use crate::report::Kind;
use crate::walk::{Diff, SourceLine};

/// How many enumerators or variants one message names.
const MAX_LISTED: usize = 8;

/// Matches the elements of two lists by name and number of occurrence; the order is that of the first list, then that
/// of what only the second one has.
pub(crate) fn match_by_name<'t, 's, T>(
    a: &'t [T],
    b: &'t [T],
    name: impl Fn(&'t T) -> &'s str,
) -> Vec<Two<Option<&'t T>>> {
    if a.len() == b.len() && a.iter().zip(b).all(|(x, y)| name(x) == name(y)) {
        return a.iter().zip(b).map(|(x, y)| [Some(x), Some(y)]).collect();
    }
    let keyed = |list: &'t [T]| {
        let mut seen = FxHashMap::<&str, usize>::default();
        list.iter()
            .map(|item| {
                let count = seen.entry(name(item)).or_default();
                *count += 1;
                ((name(item), *count), item)
            })
            .collect::<Vec<_>>()
    };
    let (left, right) = (keyed(a), keyed(b));
    let of_left: FxHashMap<_, _> = left.iter().copied().collect();
    let of_right: FxHashMap<_, _> = right.iter().copied().collect();
    let both = left
        .iter()
        .map(|(key, item)| [Some(*item), of_right.get(key).copied()]);
    let rest = right
        .iter()
        .filter(|(key, _)| !of_left.contains_key(key))
        .map(|(_, item)| [None, Some(*item)]);
    both.chain(rest).collect()
}

/// Several small differences of one kind that make one message.
#[derive(Default)]
pub(crate) struct Listed {
    items: Vec<(String, Two<String>)>,
    total: usize,
    at: Two<Option<SourceLine>>,
}

impl Listed {
    /// Adds one.
    pub(crate) fn add(
        &mut self,
        name: &str,
        text: Two<String>,
        at: Two<Option<(UnitId, Declared)>>,
    ) {
        if self.total == 0 {
            self.at = at;
        }
        self.total += 1;
        if self.items.len() < MAX_LISTED {
            self.items.push((name.to_owned(), text));
        }
    }

    /// All of them, if any.
    pub(crate) fn into_diff(self, kind: Kind) -> Option<Diff> {
        let (first, _) = self.items.first()?;
        let rest = if self.total > self.items.len() {
            ", …"
        } else {
            ""
        };
        let text = [0, 1].map(|side| {
            let items: Vec<String> = self
                .items
                .iter()
                .map(|(name, text)| format!("{name}: {}", text[side]))
                .collect();
            items.join(", ") + rest
        });
        Some(Diff::new(kind, text).of_member(first.clone()).at(self.at))
    }
}

/// A value as the bits that memory holds.
pub(crate) fn masked(value: u128, size: Option<u64>) -> u128 {
    match size {
        Some(size @ 0..16) => value & ((1 << (8 * size)) - 1),
        _ => value,
    }
}
