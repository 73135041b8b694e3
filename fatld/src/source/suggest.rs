//! What could be meant by a symbol that nothing in its slice defines.
//!
//! The answer that only a linker of several ISAs can give comes first: another slice defines the symbol. Then come the
//! names of the own slice that are nearly the same: a `static` one, another spelling, one that was declared without or
//! with `extern "C"`, one of another build of the same crate. The slices' symbols are gone through once.

use std::collections::{BTreeMap, HashMap};

use object::elf::STB_LOCAL;

use crate::elf::Home;
use crate::evidence::{Likeness, Suggestion};
use crate::inputs::{Inputs, Name, Offer};
use crate::report::demangled;

/// A symbol without definition: its name, and the ISA of its slice.
pub type Missing = (String, String);

/// Symbols for which similar names are looked for: whoever misses more than these has not misspelt a name.
const MAX_LIKENED: usize = 100;

/// Names shorter than this are like too many others.
const SHORTEST_MISSPELT: usize = 4;

/// Suggestions for each missing symbol, the best first: a definition per other slice, and at most one other name.
pub fn suggest(missing: &[Missing], slices: &[Inputs<'_>]) -> BTreeMap<Missing, Vec<Suggestion>> {
    let mut names: HashMap<&str, Vec<&Missing>> = HashMap::new();
    for symbol in missing {
        names.entry(&symbol.0).or_default().push(symbol);
    }
    let wanted: Vec<_> = missing.iter().take(MAX_LIKENED).map(Wanted::new).collect();
    let mut found: BTreeMap<&Missing, Found<'_>> = BTreeMap::new();
    if missing.is_empty() {
        return BTreeMap::new();
    }
    for slice in slices {
        let isa = slice.isa.name();
        let own: Vec<_> = wanted.iter().filter(|w| w.missing.1 == isa).collect();
        each_definition(slice, |definition| {
            for missing in names.get(definition.name).into_iter().flatten() {
                let found = found.entry(missing).or_default();
                if missing.1 != isa && !definition.is_local {
                    found.elsewhere.entry(isa).or_insert(definition.file);
                } else if missing.1 == isa && definition.is_local {
                    found.like(Likeness::Local, definition);
                }
            }
            for wanted in own.iter().filter(|_| !definition.is_local) {
                if let Some(likeness) = wanted.likeness(definition.name) {
                    let found = found.entry(wanted.missing).or_default();
                    found.like(likeness, definition);
                }
            }
        });
    }
    let suggestions = found.into_iter();
    suggestions
        .map(|(missing, found)| (missing.clone(), found.suggestions()))
        .collect()
}

/// A symbol that a slice could have.
#[derive(Clone, Copy)]
struct Definition<'a> {
    name: &'a str,
    is_local: bool,
    file: DefinedIn<'a>,
}

#[derive(Clone, Copy)]
enum DefinedIn<'a> {
    Object(&'a str),
    /// A member that nothing needed: only its archive's symbol table was read.
    Member(Name<'a>),
}

impl DefinedIn<'_> {
    fn name(self) -> String {
        match self {
            Self::Object(file) => file.to_owned(),
            Self::Member(name) => name.to_string(),
        }
    }
}

/// Goes through the symbols that the objects of a slice define, and those that archives could add.
fn each_definition<'a>(slice: &'a Inputs<'_>, mut visit: impl FnMut(Definition<'a>)) {
    for object in slice.objects() {
        for symbol in object.symbols().skip(1) {
            if symbol.home != Home::Undefined && symbol.is_named() {
                visit(Definition {
                    name: symbol.name(),
                    is_local: symbol.binding == STB_LOCAL,
                    file: DefinedIn::Object(&object.file),
                });
            }
        }
    }
    for offer in &slice.offers {
        let Offer::Archive(symbols) = offer else {
            continue;
        };
        for (name, member) in symbols {
            visit(Definition {
                name,
                is_local: false,
                file: DefinedIn::Member(slice.candidates[*member].file()),
            });
        }
    }
}

/// What was found for one symbol.
#[derive(Default)]
struct Found<'a> {
    elsewhere: BTreeMap<&'static str, DefinedIn<'a>>,
    alike: Option<(Likeness, Definition<'a>)>,
}

impl<'a> Found<'a> {
    /// Keeps the best reason, then the least name, then what came first.
    fn like(&mut self, likeness: Likeness, definition: Definition<'a>) {
        let known = self.alike.map(|(likeness, known)| (likeness, known.name));
        if known.is_none_or(|known| (likeness, definition.name) < known) {
            self.alike = Some((likeness, definition));
        }
    }

    fn suggestions(self) -> Vec<Suggestion> {
        let elsewhere = self.elsewhere.into_iter().map(|(isa, file)| {
            let file = file.name();
            Suggestion::OtherSlice { isa, file }
        });
        let alike = self.alike.map(|(likeness, definition)| Suggestion::Alike {
            likeness,
            name: definition.name.to_owned(),
            file: definition.file.name(),
        });
        elsewhere.chain(alike).collect()
    }
}

/// A missing symbol, prepared for comparison.
struct Wanted<'a> {
    missing: &'a Missing,
    /// Its path, if its name is mangled.
    path: Option<String>,
}

impl<'a> Wanted<'a> {
    fn new(missing: &'a Missing) -> Self {
        Self {
            missing,
            path: demangled(&missing.0),
        }
    }

    /// In what a defined name is like this one.
    fn likeness(&self, defined: &str) -> Option<Likeness> {
        let wanted = self.missing.0.as_str();
        if defined == wanted {
            return None;
        }
        match &self.path {
            Some(path) => {
                let own = last_segment(path);
                if defined == own {
                    return Some(Likeness::Unmangled);
                }
                let same_path = is_mangled(defined)
                    && defined.contains(own)
                    && demangled(defined).as_ref() == Some(path);
                same_path.then_some(Likeness::OtherBuild)
            }
            None if is_mangled(defined) => {
                let path = defined.contains(wanted).then(|| demangled(defined))??;
                (last_segment(&path) == wanted).then_some(Likeness::Mangled)
            }
            None if plain(wanted).eq_ignore_ascii_case(plain(defined)) => Some(Likeness::Spelling),
            None => {
                let misspelt =
                    wanted.len() >= SHORTEST_MISSPELT && within_one_edit(wanted, defined);
                misspelt.then_some(Likeness::Spelling)
            }
        }
    }
}

fn is_mangled(name: &str) -> bool {
    name.starts_with("_R") || name.starts_with("_Z")
}

/// A name without the underscores that some object formats put before it.
fn plain(name: &str) -> &str {
    name.trim_start_matches('_')
}

/// `f` of `a::b<c::d>::f(x::y)`.
fn last_segment(path: &str) -> &str {
    let mut depth = 0_i32;
    let mut start = 0;
    for (at, c) in path.char_indices() {
        match c {
            '(' if depth == 0 && at > start => return &path[start..at],
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            ':' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    &path[start..]
}

/// One character more, less, other, or two swapped.
fn within_one_edit(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same..], &b[same..]);
    let same = a.iter().rev().zip(b.iter().rev());
    let same = same.take_while(|(x, y)| x == y).count();
    match (&a[..a.len() - same], &b[..b.len() - same]) {
        ([], _) | (_, []) | ([_], [_]) => true,
        ([p, q], [r, s]) => (p, q) == (s, r),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit() {
        for near in ["first", "firsts", "irst", "fizst", "frist", "tirst"] {
            assert!(within_one_edit("first", near), "{near}");
        }
        for far in ["fir", "first12", "tsrif", "fisrts", "second"] {
            assert!(!within_one_edit("first", far), "{far}");
        }
    }

    #[test]
    fn last_segments_of_paths_and_signatures() {
        assert_eq!(last_segment("f"), "f");
        assert_eq!(last_segment("a::b::f"), "f");
        assert_eq!(last_segment("f(a::b, int)"), "f");
        assert_eq!(last_segment("a::b<c::d>::f(x::y)"), "f");
        assert_eq!(last_segment("<a::B as c::D>::f"), "f");
        assert_eq!(last_segment(">>::("), ">>::(", "no path at all");
    }
}
