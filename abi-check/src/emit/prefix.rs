//! What the source that asserts calls the modules of Rust.
//!
//! Invariant: of several prefixes that fit, the longest counts.

use std::str::FromStr;

use abi_check::{Access, ProvedType};

/// `FROM=TO`: paths that begin with the one are written with the other.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    from: String,
    to: String,
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Prefix, String> {
        let is_path = |path: &str| {
            let ident = |part: &str| {
                let mut letters = part.chars();
                letters
                    .next()
                    .is_some_and(|c| c.is_alphabetic() || c == '_')
                    && letters.all(|c| c.is_alphanumeric() || c == '_')
            };
            path.split("::").all(ident)
        };
        match text.split_once('=') {
            Some((from, to)) if is_path(from) && is_path(to.trim_start_matches("::")) => {
                Ok(Prefix {
                    from: from.to_owned(),
                    to: to.to_owned(),
                })
            }
            _ => Err("expected two paths, as in app::wire=crate::wire".to_owned()),
        }
    }
}

impl Prefix {
    /// What is left of a path behind it.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(&self.from)?;
        (rest.is_empty() || rest.starts_with("::")).then_some(rest)
    }

    /// Whether the asserting source is in the same crate.
    fn is_own(&self) -> bool {
        let first = self.to.split("::").next();
        first.is_some_and(|first| matches!(first, "crate" | "self" | "super"))
    }

    fn sees(&self, access: Access, module: &str) -> bool {
        match access {
            Access::Public => true,
            Access::Restricted => self.is_own(),
            // What is private to a module is seen by the modules in it, and a file stands for `FROM` or for one in it.
            Access::Private => self.is_own() && module == self.from,
        }
    }
}

/// All of them.
pub(super) struct Prefixes(Vec<Prefix>);

impl Prefixes {
    /// Those that were given; else the one crate of the sides is the file's own, and several are called by their names.
    pub(super) fn new(given: &[Prefix], crates: &[String]) -> Prefixes {
        let to = |name: &String| match crates.len() {
            1 => "crate".to_owned(),
            _ => name.clone(),
        };
        let own = crates.iter().map(|name| Prefix {
            from: name.clone(),
            to: to(name),
        });
        Prefixes(match given {
            [] => own.collect(),
            given => given.to_vec(),
        })
    }

    fn find(&self, path: &str) -> Option<(&Prefix, String)> {
        let fitting = self
            .0
            .iter()
            .filter_map(|prefix| Some((prefix, prefix.rest(path)?)));
        let (prefix, rest) = fitting.max_by_key(|(prefix, _)| prefix.from.len())?;
        Some((prefix, format!("{}{rest}", prefix.to)))
    }

    /// What a path is called here.
    pub(super) fn path(&self, path: &str) -> Option<String> {
        self.find(path).map(|(_, path)| path)
    }

    /// Whether something of `access` in the module of a type can be named here.
    pub(super) fn sees(&self, ty: &ProvedType, access: Access) -> bool {
        let module = ty.path[..ty.path.len() - 1].join("::");
        let found = self.find(&module);
        found.is_some_and(|(prefix, _)| prefix.sees(access, &module))
    }

    /// The prefixes, for a comment.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0
            .iter()
            .map(|prefix| format!("`{}` is called `{}`", prefix.from, prefix.to))
    }
}
