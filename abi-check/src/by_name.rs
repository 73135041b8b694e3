//! Where the source defines a type of Rust whose line the debug information lacks: rustc writes none for types, unless it
//! is told to by `-Zdebug-info-type-line-numbers=yes`.
//!
//! The crate's root file is known from its units; modules lead from there to the definition, in the file or in files of
//! their own. Sources are read as tokens, so that neither comments nor strings nor macros are taken for definitions.
//!
//! Invariant: a place is only told if the name has one definition; under `cfg` it may have several.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use abi_check::{CrateRoot, Place, Report};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Files longer than this are not read.
const MAX_BYTES: u64 = 16 << 20;

/// Adds places to findings that have none.
pub(crate) fn add(report: &mut Report) {
    let mut sources = Sources::default();
    for finding in &mut report.findings {
        let Some(path) = path(&finding.type_name) else {
            continue;
        };
        for view in finding.sides.iter_mut().filter(|view| view.place.is_none()) {
            let of_side = report.crates.iter().filter(|root| root.side == view.side);
            let mut found: Vec<Place> = of_side
                .filter(|root| Some(root.name.as_str()) == path.first().copied())
                .flat_map(|root| sources.definitions(root, &path[1..]))
                .collect();
            found.sort();
            found.dedup();
            if found.len() == 1 {
                view.place = found.pop();
            }
        }
    }
}

/// The parts of a type's name without generic arguments; `None` if something in it has no name in the source.
fn path(name: &str) -> Option<Vec<&str>> {
    let plain = name.split('<').next()?;
    let parts: Vec<&str> = plain.split("::").collect();
    let is_name = |part: &str| {
        let letters = |c: char| c.is_alphanumeric() || c == '_';
        !part.is_empty() && part.chars().all(letters)
    };
    (parts.len() > 1 && parts.iter().all(|part| is_name(part))).then_some(parts)
}

/// Files of the source, each of which is read once.
#[derive(Default)]
struct Sources(BTreeMap<PathBuf, Option<TokenStream>>);

/// Where in the source a search is.
#[derive(Clone)]
struct Scope {
    /// The file.
    file: PathBuf,
    /// The folder of files of modules that are declared here.
    folder: PathBuf,
}

impl Sources {
    fn definitions(&mut self, root: &CrateRoot, path: &[&str]) -> Vec<Place> {
        let file = Path::new(&root.directory).join(&root.file);
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let mut found = Vec::new();
        self.in_file(&Scope { file, folder }, path, &mut found);
        for place in &mut found {
            // As the compiler was given it: from the folder that it ran in.
            let relative = Path::new(&place.file).strip_prefix(&root.directory);
            if let Ok(relative) = relative {
                place.file = relative.display().to_string();
            }
        }
        found
    }

    fn in_file(&mut self, scope: &Scope, path: &[&str], found: &mut Vec<Place>) {
        let tokens = self
            .0
            .entry(scope.file.clone())
            .or_insert_with(|| read(&scope.file));
        if let Some(tokens) = tokens.clone() {
            self.in_tokens(tokens, scope, path, found);
        }
    }

    /// Looks through the items of a module or of a function's body.
    fn in_tokens(
        &mut self,
        tokens: TokenStream,
        scope: &Scope,
        path: &[&str],
        found: &mut Vec<Place>,
    ) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut opened = false;
        let mut named_file = None;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(keyword) => {
                    let is_named =
                        matches!(tokens.get(at + 1), Some(TokenTree::Ident(name)) if name == first);
                    let keyword_text = keyword.to_string();
                    match keyword_text.as_str() {
                        "struct" | "enum" | "union" if is_named => {
                            // What a variant holds is where its enum is.
                            let of_variant = keyword_text == "enum" && rest.len() == 1;
                            if rest.is_empty() || of_variant {
                                found.push(Place {
                                    file: scope.file.display().to_string(),
                                    line: keyword.span().start().line as u64,
                                    is_found_by_name: true,
                                });
                            }
                        }
                        "mod" if is_named => match tokens.get(at + 2) {
                            Some(TokenTree::Punct(end)) if end.as_char() == ';' => {
                                for next in scope.files(first, named_file.as_deref()) {
                                    self.in_file(&next, rest, found);
                                }
                            }
                            _ => opened = true,
                        },
                        "fn" if is_named => opened = true,
                        _ => {}
                    }
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    if std::mem::take(&mut opened) {
                        let inside = Scope {
                            file: scope.file.clone(),
                            folder: scope.folder.join(first),
                        };
                        self.in_tokens(group.stream(), &inside, rest, found);
                    }
                    named_file = None;
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                    named_file = path_attribute(group.stream()).or(named_file);
                }
                TokenTree::Punct(end) if end.as_char() == ';' => {
                    (opened, named_file) = (false, None);
                }
                _ => {}
            }
        }
    }
}

impl Scope {
    /// The files that a module declared here may be in.
    fn files(&self, module: &str, named: Option<&str>) -> Vec<Scope> {
        if let Some(named) = named {
            let file = self.file.parent().unwrap_or(Path::new("")).join(named);
            let folder = file.parent().unwrap_or(Path::new("")).to_owned();
            return vec![Scope { file, folder }];
        }
        let folder = self.folder.join(module);
        [
            self.folder.join(format!("{module}.rs")),
            folder.join("mod.rs"),
        ]
        .map(|file| Scope {
            file,
            folder: folder.clone(),
        })
        .into()
    }
}

/// The file of `path = "file"`.
fn path_attribute(tokens: TokenStream) -> Option<String> {
    let mut tokens = tokens.into_iter();
    match (tokens.next(), tokens.next(), tokens.next()) {
        (
            Some(TokenTree::Ident(name)),
            Some(TokenTree::Punct(_)),
            Some(TokenTree::Literal(file)),
        ) if name == "path" => {
            let text = file.to_string();
            Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned())
        }
        _ => None,
    }
}

/// The tokens of a file, if it is there and is Rust.
fn read(file: &Path) -> Option<TokenStream> {
    if std::fs::metadata(file).ok()?.len() > MAX_BYTES {
        return None;
    }
    std::fs::read_to_string(file).ok()?.parse().ok()
}
