//! `abi-check.toml`: what is compared, what is suppressed, and lints beside those that are built in.
//!
//! Invariant: a key or value that is not understood is an error that names file and line; none is passed over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use abi_check::{Glob, Kind, Lint, Reason};
use serde::Deserialize;
use toml::Spanned;

/// The name of the file.
const NAME: &str = "abi-check.toml";
/// The lints that need no file.
const BUILT_IN: &str = include_str!("lints.toml");

/// What a file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// `--root`.
    #[serde(default)]
    pub(crate) roots: Vec<String>,
    /// `--type`.
    #[serde(default)]
    pub(crate) types: Vec<String>,
    /// `--section`.
    #[serde(default)]
    pub(crate) sections: Vec<String>,
    /// `--all`.
    #[serde(default)]
    pub(crate) all: bool,
    /// `--no-vtables`.
    #[serde(default)]
    pub(crate) no_vtables: bool,
    /// `--all-vtables`.
    #[serde(default)]
    pub(crate) all_vtables: bool,
    /// `--code-pointers`.
    pub(crate) code_pointers: Option<crate::wanted::Rule>,
    /// `--allow-unproved`.
    #[serde(default)]
    pub(crate) allow_unproved: bool,
    /// `--deny-warnings`.
    #[serde(default)]
    pub(crate) deny_warnings: bool,
    /// What is known and borne.
    #[serde(default)]
    pub(crate) suppress: Vec<Spanned<Suppress>>,
    #[serde(default)]
    lint: Vec<LintEntry>,
    /// Where it was read.
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// The file, for messages.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    path: PathBuf,
    text: String,
}

impl Origin {
    /// File and line of an entry.
    pub(crate) fn of(&self, entry: &Spanned<Suppress>) -> String {
        let before = self.text.get(..entry.span().start).unwrap_or("");
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

/// What is known and borne.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Suppress {
    /// Ids of findings, or words for what is unproved.
    id: OneOrMore,
    /// The type, or the static.
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// Its field, variant or enumerator.
    member: Option<String>,
    /// Why it may stay.
    pub(crate) reason: String,
    /// The last day on which it may stay.
    pub(crate) expires: toml::value::Datetime,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Suppress {
    /// Ids and words.
    pub(crate) fn ids(&self) -> &[String] {
        match &self.id {
            OneOrMore::One(id) => std::slice::from_ref(id),
            OneOrMore::More(ids) => ids,
        }
    }

    /// Whether it speaks of something of such an id or word, type and member.
    pub(crate) fn is_about(&self, id: &str, type_name: &str, member: Option<&str>) -> bool {
        let fits = |pattern: &Option<String>, name: &str| {
            let pattern = pattern.as_ref();
            pattern.is_none_or(|pattern| Glob::from(pattern.as_str()).matches(name))
        };
        self.ids()
            .iter()
            .any(|known| known.eq_ignore_ascii_case(id))
            && fits(&self.type_name, type_name)
            && fits(&self.member, member.unwrap_or(""))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LintEntry {
    name: String,
    types: Vec<String>,
    what: String,
    hint: String,
    #[serde(default)]
    by_type: Vec<(String, String)>,
    #[serde(default)]
    by_machine: BTreeMap<String, String>,
}

impl From<LintEntry> for Lint {
    fn from(entry: LintEntry) -> Lint {
        let glob = |text: String| Glob::from(text.as_str());
        let by_type = entry.by_type.into_iter();
        Lint {
            name: entry.name,
            types: entry.types.into_iter().map(glob).collect(),
            what: entry.what,
            hint: entry.hint,
            by_type: by_type
                .map(|(pattern, meaning)| (glob(pattern), meaning))
                .collect(),
            by_machine: entry.by_machine,
        }
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The system's reason.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not what the format is.
    #[error("{}: {source}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// An id that nothing has.
    #[error("{place}: suppress: id `{id}` is neither a kind of finding (abi-check explain lists them) nor a reason for \
        being unproved ({})", Reason::WORDS.join(", "))]
    UnknownId {
        /// File and line.
        place: String,
        /// The id.
        id: String,
    },
    /// Nobody knows why.
    #[error("{place}: suppress: reason is empty; say why the difference may stay")]
    NoReason {
        /// File and line.
        place: String,
    },
    /// A time of day, or the like.
    #[error("{place}: suppress: expires = {found}: expected a day, such as 2027-01-31")]
    NoDay {
        /// File and line.
        place: String,
        /// What there is.
        found: String,
    },
}

impl Config {
    /// Reads the given file, or the one of that name in this folder or the nearest one above; without any, it is empty.
    pub(crate) fn find(given: Option<&Path>) -> Result<Config, ConfigError> {
        let here = std::env::current_dir().unwrap_or_default();
        let nearest = || {
            here.ancestors()
                .map(|folder| folder.join(NAME))
                .find(|path| path.is_file())
        };
        let Some(path) = given.map(Path::to_owned).or_else(nearest) else {
            return Ok(Config::default());
        };
        let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read {
            path: path.clone(),
            source,
        })?;
        let shown = path.strip_prefix(&here).unwrap_or(&path).to_owned();
        Config::parse(&text, shown)
    }

    fn parse(text: &str, path: PathBuf) -> Result<Config, ConfigError> {
        let parsed = toml::from_str(text).map_err(|source| ConfigError::Parse {
            path: path.clone(),
            source: Box::new(source),
        });
        let config = Config {
            origin: Origin {
                path,
                text: text.to_owned(),
            },
            ..parsed?
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        for entry in &self.suppress {
            let place = || self.origin.of(entry);
            let suppress = entry.get_ref();
            let is_known =
                |id: &String| Kind::from_id(id).is_some() || Reason::WORDS.contains(&id.as_str());
            if let Some(id) = suppress.ids().iter().find(|id| !is_known(id)) {
                return Err(ConfigError::UnknownId {
                    place: place(),
                    id: id.clone(),
                });
            }
            if suppress.reason.trim().is_empty() {
                return Err(ConfigError::NoReason { place: place() });
            }
            if suppress.expires.date.is_none() || suppress.expires.time.is_some() {
                return Err(ConfigError::NoDay {
                    place: place(),
                    found: suppress.expires.to_string(),
                });
            }
        }
        Ok(())
    }

    /// The lints that are built in, then its own.
    pub(crate) fn lints(&mut self) -> Vec<Lint> {
        let built_in = Config::parse(BUILT_IN, PathBuf::from("lints.toml"));
        let mut lints = built_in.expect("the built-in lints have the format").lint;
        lints.append(&mut self.lint);
        lints.into_iter().map(Lint::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_lints_can_be_read() {
        assert!(Config::default().lints().len() >= 10);
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        for (text, expected) in [
            ("\nrots = []", "line 2"),
            (
                "[[suppress]]\nid = \"AC0003\"\nreason = \"r\"",
                "missing field `expires`",
            ),
            (
                "\n[[suppress]]\nid = \"AC9999\"\nreason = \"r\"\nexpires = 2027-01-31",
                "a.toml:2: suppress: id `AC9999`",
            ),
            (
                "[[suppress]]\nid = \"AC0003\"\nreason = \" \"\nexpires = 2027-01-31",
                "reason is empty",
            ),
            (
                "[[suppress]]\nid = \"AC0003\"\nreason = \"r\"\nexpires = 07:32:00",
                "expected a day",
            ),
        ] {
            let error = Config::parse(text, PathBuf::from("a.toml"))
                .expect_err(text)
                .to_string();
            assert!(error.starts_with("a.toml:"), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
}
