//! Files with assertions of what was proved, for the compilers of the source: `--emit-c-header`, `--emit-rust-asserts`.
//!
//! A type that a language cannot name, or that is none of its own, is listed in a comment with the reason.
//!
//! Invariant: every named type that was compared is in the file, asserted or listed; a file is there as a whole or not
//! at all.

mod c;
mod prefix;
mod rust;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use abi_check::{Error, Glob, Proved, ProvedField, ProvedType, Report};

use prefix::{Prefix, Prefixes};

/// Options that write files.
#[derive(Debug, clap::Args)]
pub(crate) struct Emitting {
    /// Write a C header that asserts the layouts which are proved equal.
    #[arg(long, value_name = "FILE")]
    emit_c_header: Option<PathBuf>,
    /// Write Rust source that asserts the layouts which are proved equal.
    #[arg(long, value_name = "FILE")]
    emit_rust_asserts: Option<PathBuf>,
    /// Assert only types whose qualified name matches. May be repeated.
    #[arg(long = "emit-type", value_name = "GLOB")]
    emit_types: Vec<String>,
    /// What the asserting source calls a crate or module of Rust: `app=crate`. May be repeated.
    #[arg(long = "emit-prefix", value_name = "PATH=PATH")]
    emit_prefixes: Vec<Prefix>,
}

/// Files that are written and have no name yet.
#[derive(Default)]
pub(crate) struct Pending(Vec<(PathBuf, tempfile::NamedTempFile)>);

impl Emitting {
    /// Whether anything is to be written.
    pub(crate) fn is_wanted(&self) -> bool {
        self.emit_c_header.is_some() || self.emit_rust_asserts.is_some()
    }

    /// Makes the files.
    pub(crate) fn make(&self, report: &Report, proved: &Proved) -> Result<Pending, Error> {
        let globs: Vec<Glob> = self
            .emit_types
            .iter()
            .map(|glob| glob.as_str().into())
            .collect();
        let wanted = |name: &str| globs.is_empty() || globs.iter().any(|glob| glob.matches(name));
        let types = proved.types.iter();
        let chosen = Chosen {
            types: types.filter(|ty| wanted(&ty.path.join("::"))).collect(),
            others: proved.others.iter().filter(|name| wanted(name)).collect(),
            unnamed: proved.unnamed,
        };
        let prefixes = Prefixes::new(&self.emit_prefixes, &proved.crates);
        let mut pending = Pending::default();
        if let Some(path) = &self.emit_c_header {
            pending.add(path, &c::header(report, &chosen, &prefixes, path))?;
        }
        if let Some(path) = &self.emit_rust_asserts {
            pending.add(path, &rust::asserts(report, &chosen, &prefixes))?;
        }
        Ok(pending)
    }
}

impl Pending {
    fn add(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        let fail = |source| failed(path, source);
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let reason = "it exists and is not a regular file";
            return Err(fail(std::io::Error::other(reason)));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .prefix(".abi-check-")
            // The umask takes from it, as from any new file.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(fail)?;
        file.write_all(text.as_bytes()).map_err(fail)?;
        self.0.push((path.to_owned(), file));
        Ok(())
    }

    /// Gives the files their names, in place of what had them.
    pub(crate) fn publish(self) -> Result<(), Error> {
        for (path, file) in self.0 {
            file.persist(&path)
                .map_err(|error| failed(&path, error.error))?;
        }
        Ok(())
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        file: path.display().to_string(),
        source,
    }
}

/// What goes into the files.
struct Chosen<'p> {
    types: Vec<&'p ProvedType>,
    /// Names of types that are not proved equal.
    others: Vec<&'p String>,
    unnamed: usize,
}

/// The assertions of one type, or why there are none.
enum Written {
    /// What the language calls the type, and lines.
    Asserted(String, Vec<String>),
    /// Why not.
    Listed(String),
}

/// Assertions and reasons in the order of the types; types that get one name and differ are listed.
fn written<'p>(
    chosen: &Chosen<'p>,
    write: impl Fn(&ProvedType) -> Written,
) -> (Vec<Vec<String>>, Vec<String>) {
    let mut listed = Vec::new();
    let mut by_name: BTreeMap<String, Vec<(&'p ProvedType, Vec<String>)>> = BTreeMap::new();
    for ty in &chosen.types {
        match write(ty) {
            Written::Asserted(name, lines) => {
                let same = by_name.entry(name).or_default();
                if same.iter().all(|(_, known)| *known != lines) {
                    same.push((ty, lines));
                }
            }
            Written::Listed(reason) => listed.push(format!("{}: {reason}", ty.path.join("::"))),
        }
    }
    let mut asserted = Vec::new();
    for (name, mut same) in by_name {
        match (same.pop(), same.len()) {
            (Some((_, lines)), 0) => asserted.push(lines),
            (last, _) => listed.extend(same.into_iter().chain(last).map(|(ty, _)| {
                format!(
                    "{}: several types would be called {name}",
                    ty.path.join("::")
                )
            })),
        }
    }
    listed.sort();
    listed.dedup();
    for name in &chosen.others {
        listed.push(format!("{name}: is not proved equal on all sides"));
    }
    if chosen.unnamed > 0 {
        let number = chosen.unnamed;
        listed.push(format!(
            "{number} without a name: their members are asserted in what holds them"
        ));
    }
    (asserted, listed)
}

/// What the files say of their origin, in lines.
fn origin(report: &Report) -> Vec<String> {
    let version = env!("CARGO_PKG_VERSION");
    let mut lines = vec![format!(
        "Written by abi-check {version}; layouts proved equal in:"
    )];
    for (side, name) in report.sides.iter().enumerate() {
        let of_side = report.producers.iter().filter(|made| made.side == side);
        let compilers: Vec<&str> = of_side.map(|made| made.text.as_str()).collect();
        lines.push(format!("  {name}: {}", compilers.join(", ")));
    }
    lines
}

/// A member as a designator such as `outer.inner`, with the bytes before it; or what cannot be asserted of it.
enum Designated {
    At(String, u64),
    Not(String),
}

/// Which members a language can name.
struct Naming<'n> {
    /// What it calls a member; an error says why it cannot.
    name: &'n dyn Fn(&ProvedField) -> Result<String, String>,
    /// Whether the members of a member without a name are those of what holds it.
    unnamed_are_seen_through: bool,
}

impl Naming<'_> {
    /// All members of a type.
    fn designate(&self, ty: &ProvedType) -> Vec<Designated> {
        let mut out = Vec::new();
        self.add("", Some(0), &ty.fields, &mut out);
        out
    }

    fn add(
        &self,
        before: &str,
        base: Option<u64>,
        fields: &[ProvedField],
        out: &mut Vec<Designated>,
    ) {
        for field in fields {
            let bits = base
                .zip(field.bit_offset)
                .and_then(|(a, b)| a.checked_add(b));
            let shown = field.name.as_deref().unwrap_or("(unnamed)");
            let mut not = |why: &str| out.push(Designated::Not(format!("{before}{shown}: {why}")));
            if field.is_bit_field {
                not("a bit field, only the size of what holds it is asserted");
                continue;
            }
            if field.name.is_none() {
                match self.unnamed_are_seen_through {
                    true => self.add(before, bits, &field.inner, out),
                    false => not("has no name here, nor have its members"),
                }
                continue;
            }
            match ((self.name)(field), bits) {
                (Err(why), _) => not(&why),
                (_, None) => not("its place is not known"),
                (Ok(name), Some(bits)) => {
                    let path = format!("{before}{name}");
                    out.push(Designated::At(path.clone(), bits / 8));
                    self.add(&format!("{path}."), Some(bits), &field.inner, out);
                }
            }
        }
    }
}
