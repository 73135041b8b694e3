//! What the command compares.
//!
//! Two things that only some sides have are not counted as unproved: a vtable, because where one is made depends on what
//! the optimizer inlined, and a type that nobody asked for by name, because a compiler describes only those that it used.

use std::sync::atomic::{AtomicBool, Ordering};

use abi_check::{
    CodePointers, Error, Glob, Lint, Proved, Reason, Report, RootKind, Selection, Side, StaticRef,
    TypeRef,
};

use crate::config::Config;
use crate::progress::Bar;
use crate::sections::Sections;

/// Options that select.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// Compare statics (and vtables) whose qualified name matches; `*` and `?` are wildcards. May be repeated.
    #[arg(long = "root", visible_alias = "static", value_name = "GLOB")]
    roots: Vec<String>,
    /// Compare types whose qualified name matches. May be repeated.
    #[arg(long = "type", value_name = "GLOB")]
    types: Vec<String>,
    /// Compare statics in sections whose name matches. May be repeated.
    #[arg(long = "section", value_name = "GLOB")]
    sections: Vec<String>,
    /// Compare all statics, vtables and types that the files have in common.
    #[arg(long, conflicts_with_all = ["roots", "types", "sections"])]
    all: bool,
    /// Leave out the types behind vtables.
    #[arg(long, conflicts_with = "all_vtables")]
    no_vtables: bool,
    /// Count vtables that only some of the files have as unproved.
    #[arg(long)]
    all_vtables: bool,
    /// Whether code pointers are findings; unless said, they are in statics that --root or --section choose.
    #[arg(long, value_enum, value_name = "RULE")]
    code_pointers: Option<Rule>,
}

/// What is said of code pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rule {
    /// Count them: the data is no shared memory, or the files become one image by fatld.
    Allow,
    /// Report them: code of one CPU means nothing to another one.
    Refuse,
}

impl Wanted {
    /// The same, with what the file says where the command line says nothing.
    pub(crate) fn or(mut self, config: &mut Config) -> Wanted {
        let selects = self.all
            || !(self.roots.is_empty() && self.types.is_empty() && self.sections.is_empty());
        if !selects {
            self.roots = std::mem::take(&mut config.roots);
            self.types = std::mem::take(&mut config.types);
            self.sections = std::mem::take(&mut config.sections);
            self.all = config.all;
        }
        self.no_vtables |= config.no_vtables && !self.all_vtables;
        self.all_vtables |= config.all_vtables && !self.no_vtables;
        self.code_pointers = self.code_pointers.or(config.code_pointers);
        self
    }
}

/// Modules of the standard library that are about one ISA.
const INTERNAL: [&str; 6] = [
    "core::core_arch::",
    "core::arch::",
    "core::core_simd::",
    "std::arch::",
    "std::std_detect::",
    "compiler_builtins::",
];

/// A pattern, and whether it matched anything.
#[derive(Debug)]
struct Pattern {
    option: &'static str,
    text: String,
    glob: Glob,
    used: AtomicBool,
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        let found = self.glob.matches(name);
        if found {
            self.used.store(true, Ordering::Relaxed);
        }
        found
    }
}

/// The options, ready to be asked.
pub(crate) struct Wanting<'a> {
    options: &'a Wanted,
    roots: Vec<Pattern>,
    types: Vec<Pattern>,
    sections: Vec<Pattern>,
    tables: Sections,
    lints: &'a [Lint],
}

impl<'a> Wanting<'a> {
    /// Reads what is needed to answer.
    pub(crate) fn new(
        options: &'a Wanted,
        lints: &'a [Lint],
        sides: &[Side<'_>],
    ) -> Result<Wanting<'a>, Error> {
        let patterns = |option, texts: &[String]| {
            let pattern = |text: &String| Pattern {
                option,
                text: text.clone(),
                glob: Glob::from(text.as_str()),
                used: AtomicBool::new(false),
            };
            texts.iter().map(pattern).collect()
        };
        Ok(Wanting {
            options,
            lints,
            roots: patterns("--root", &options.roots),
            types: patterns("--type", &options.types),
            sections: patterns("--section", &options.sections),
            tables: match options.sections.is_empty() {
                true => Sections::default(),
                false => Sections::read(sides)?,
            },
        })
    }

    /// Compares; if there is nothing in common to start from and nothing was asked for, all types.
    ///
    /// What is proved of types is told only if it is wanted.
    pub(crate) fn compare(
        &self,
        sides: &[Side<'_>],
        proved: bool,
    ) -> Result<(Report, Proved), Error> {
        let statics = |found: &StaticRef<'_>| self.takes_static(found);
        let types = |found: &TypeRef<'_>| self.takes_type(found);
        let compare = |with_types: bool| {
            let bar = Bar::new();
            let selection = Selection {
                statics: &statics,
                types: with_types.then_some(&types),
                code_pointers: self.code_pointers(),
                lints: self.lints,
                progress: Some(&|progress| bar.show(progress)),
            };
            match proved {
                true => abi_check::compare_proved(sides, selection),
                false => Ok((
                    abi_check::compare_selected(sides, selection)?,
                    Proved::default(),
                )),
            }
        };
        let result = compare(self.options.all || !self.types.is_empty())?;
        if result.0.compared_roots > 0 || self.names_something() || self.options.all {
            return Ok(result);
        }
        let of_types = compare(true)?;
        Ok(match of_types.0.compared_roots > 0 {
            true => of_types,
            false => result,
        })
    }

    fn code_pointers(&self) -> CodePointers {
        let named = !self.roots.is_empty() || !self.sections.is_empty();
        match self.options.code_pointers {
            Some(Rule::Refuse) => CodePointers::Refused,
            None if named => CodePointers::Refused,
            _ => CodePointers::Allowed,
        }
    }

    fn names_something(&self) -> bool {
        self.patterns().next().is_some()
    }

    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.roots.iter().chain(&self.types).chain(&self.sections)
    }

    fn takes_static(&self, found: &StaticRef<'_>) -> bool {
        if self.options.no_vtables && found.is_vtable() {
            return false;
        }
        if !self.names_something() {
            return true;
        }
        // Every pattern is asked, so that each knows whether it matched something.
        let section = || self.tables.name(found).unwrap_or_default();
        let by_name = matching(&self.roots, || found.name);
        let by_section = matching(&self.sections, section);
        by_name || by_section
    }

    fn takes_type(&self, found: &TypeRef<'_>) -> bool {
        if self.names_something() {
            return matching(&self.types, || found.name);
        }
        !found.is_alias && !INTERNAL.iter().any(|module| found.name.starts_with(module))
    }

    /// Removes what may be on some sides only, and says of what kind and how many.
    pub(crate) fn hide_one_sided(&self, report: &mut Report) -> Vec<(&'static str, usize)> {
        let is_named = |name: &str| self.types.iter().any(|pattern| pattern.glob.matches(name));
        let (mut vtables, mut types) = (0, 0);
        report.unproved.retain(|unproved| {
            let hidden = match unproved.reason {
                Reason::OneSided(RootKind::Vtable) if !self.options.all_vtables => &mut vtables,
                Reason::OneSided(RootKind::Type) if !is_named(&unproved.subject) => &mut types,
                _ => return true,
            };
            *hidden += 1;
            false
        });
        let all = [("vtable", vtables), ("type", types)];
        all.into_iter().filter(|(_, number)| *number > 0).collect()
    }

    /// Options whose pattern matched nothing.
    pub(crate) fn unmatched(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let unused = |pattern: &&Pattern| !pattern.used.load(Ordering::Relaxed);
        self.patterns()
            .filter(unused)
            .map(|pattern| (pattern.option, pattern.text.as_str()))
    }
}

fn matching<'n>(patterns: &[Pattern], name: impl FnOnce() -> &'n str) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let name = name();
    patterns
        .iter()
        .fold(false, |found, pattern| pattern.matches(name) | found)
}
