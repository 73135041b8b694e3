//! The command line: low-level arguments in, meant options out.
//!
//! Every argument is looked up in one table (`options/flags.rs`), which is also the help text and `docs/command-line.md`.
//! The spelling follows ld and lld (`-Map F`, `-Map=F`, `--entry=S`, one dash or two); `--slice ISA` begins the inputs
//! of one ISA. An argument that is not in the table is an error: nothing is dropped silently.

mod draft;
mod flags;
mod help;
mod response;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::error::{Error, Problem, check};
use crate::ids::SliceId;
use crate::isa::Isa;
use draft::Draft;
use flags::{Action, Flag, Value};
pub use help::version;

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// The image.
    pub output: PathBuf,
    /// The ISAs and their inputs; the first is the first element.
    pub slices: Vec<SliceOptions>,
    /// Views to write beside the image.
    pub views: Vec<(SliceId, PathBuf)>,
    /// Map to write.
    pub map: Option<PathBuf>,
    /// How to write it.
    pub map_format: MapFormat,
    /// Entry symbol, the same name in every slice.
    pub entry: String,
    /// Names that are needed although no object refers to them, in every slice.
    pub undefined: Vec<String>,
    /// Symbols that the command line defines, in every slice.
    pub definitions: Vec<(String, SymbolValue)>,
    /// Address of the image's first byte.
    pub image_base: u64,
    /// Output sections with an address of their own.
    pub section_starts: Vec<(String, u64)>,
    /// What to do when a function array lacks an element.
    pub missing_code: MissingCode,
    /// How text is placed.
    pub text: Text,
    /// Leave out what nothing needs.
    pub gc_sections: bool,
    /// Shorten instruction sequences where the psABI allows it.
    pub relax: bool,
    /// Write a table of the frames for binary search.
    pub eh_frame_header: bool,
    /// What to leave out of the output's symbols and debug information.
    pub strip: Strip,
    /// Say which files and archive members take part.
    pub trace: bool,
    /// Print what each phase takes.
    pub time: bool,
    /// Say the linker's version.
    pub verbose: bool,
    /// Threads to use; otherwise as many as there are CPUs.
    pub threads: Option<NonZeroUsize>,
    /// How many problems to show; 0 for all.
    pub error_limit: usize,
    /// How problems are shown.
    pub presentation: Presentation,
}

/// How problems are shown on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presentation {
    /// Whether messages have colours.
    pub color: Color,
    /// Form of the messages.
    pub error_format: ErrorFormat,
}

impl Options {
    /// One ISA: an ordinary static link, without function arrays, gates and the note of fat images.
    pub fn is_plain(&self) -> bool {
        self.slices.len() == 1
    }
}

/// One slice of the command line.
#[derive(Debug, Default)]
pub struct SliceOptions {
    /// Its ISA; without `--slice` and `-m` that of the first object.
    pub isa: Option<&'static dyn Isa>,
    /// Objects, archives and rlibs in order.
    pub inputs: Vec<Input>,
    /// Folders to look for libraries in.
    pub library_paths: Vec<PathBuf>,
}

/// An input and how it is taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The file.
    pub name: InputName,
    /// Take in all members of an archive.
    pub whole_archive: bool,
    /// Take in an object as if it were an archive's member.
    pub lazy: bool,
}

/// How an input is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputName {
    /// By its path.
    Path(PathBuf),
    /// `-l NAME`: `libNAME.a` of a library folder; `-l :FILE`: `FILE` of one.
    Library(String),
}

/// Value of a symbol that the command line defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SymbolValue {
    /// An address.
    Absolute(u64),
    /// That of another symbol.
    Symbol(String),
}

/// `--missing-code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingCode {
    /// Refuse the link.
    Error,
    /// Fill the element with a trap.
    Trap,
}

/// `--map-format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapFormat {
    /// Tables for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// `--text`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Text {
    /// Each ISA's text at addresses of its own; function pointers are gates.
    #[default]
    Separate,
    /// Each function at one address on all ISAs; no gates.
    Aliased,
}

/// `--strip-debug`, `--strip-all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Strip {
    /// Leave nothing out.
    #[default]
    Nothing,
    /// Leave debug information out.
    Debug,
    /// Leave debug information and the symbol table out.
    All,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// If a terminal reads the messages and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// Never.
    Never,
}

/// `--error-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorFormat {
    /// For people.
    #[default]
    Human,
    /// A JSON object per line.
    Json,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Link.
    Link(Box<Options>),
    /// Print this and end well.
    Print(String),
}

impl Command {
    /// Reads the arguments, program name left out.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        Self::parse_for(arguments, &mut Presentation::default())
    }

    /// The same, and notes how problems shall be shown, also if the command line is itself one.
    pub fn parse_for(
        arguments: impl IntoIterator<Item = OsString>,
        presentation: &mut Presentation,
    ) -> Result<Self, Error> {
        let mut expanded = Vec::new();
        for argument in arguments {
            response::expand(argument, &mut expanded)?;
        }
        // rustc says so to linkers that have several command lines.
        if expanded.first().is_some_and(|first| first == "-flavor") {
            let flavor = expanded.get(1).and_then(|f| f.to_str());
            if !matches!(flavor, Some("gnu" | "ld" | "ld.lld")) {
                return Err(usage("-flavor: expected gnu"));
            }
            expanded.drain(..2);
        }
        let mut parser = Parser {
            arguments: expanded.into_iter(),
            draft: Draft::default(),
        };
        let mut problems = Vec::new();
        while let Some(argument) = parser.arguments.next() {
            match parser.argument(argument) {
                Ok(None) => {}
                Ok(Some(text)) => return Ok(Self::Print(text)),
                Err(what) => problems.push(Problem::Usage(what)),
            }
        }
        *presentation = parser.draft.presentation;
        check(problems)?;
        if let Some(text) = parser.draft.only_version() {
            return Ok(Self::Print(text));
        }
        let options = parser.draft.finish().map_err(usage)?;
        Ok(Self::Link(Box::new(options)))
    }
}

fn usage(what: impl Into<String>) -> Error {
    Problem::Usage(what.into()).into()
}

struct Parser {
    arguments: std::vec::IntoIter<OsString>,
    draft: Draft,
}

/// An argument taken apart: its entry in the table, how it was written, and the value attached to it.
type Found<'a> = (&'static Flag, &'a str, Option<&'a str>);

impl Parser {
    /// Takes one argument, and its value if it has one. Returns a text that the command shall print instead of linking.
    fn argument(&mut self, argument: OsString) -> Result<Option<String>, String> {
        let Some(text) = argument
            .to_str()
            .filter(|a| a.starts_with('-') && *a != "-")
        else {
            return self
                .draft
                .add_input(InputName::Path(argument.into()))
                .map(|()| None);
        };
        let (flag, written, attached) = find(text).ok_or_else(|| help::unknown(text))?;
        let value = match (flag.value, attached) {
            (Value::None, Some(_)) => return Err(format!("{written}: takes no value")),
            (Value::None, None) => String::new(),
            (Value::Optional(_), value) => value.unwrap_or_default().to_owned(),
            (Value::Required(_), Some(value)) => value.to_owned(),
            (Value::Required(_), None) => self.next_value(written)?,
        };
        self.act(flag, written, &value)
    }

    fn act(&mut self, flag: &Flag, written: &str, value: &str) -> Result<Option<String>, String> {
        match flag.action {
            Action::Print(text) => return Ok(Some(text())),
            Action::Set(set) => {
                set(&mut self.draft, value).map_err(|e| format!("{written}: {e}"))?
            }
            Action::Only(expected) if value == expected => {}
            Action::Only(expected) => {
                return Err(format!(
                    "{written}: only '{expected}' is supported, found '{value}'"
                ));
            }
            Action::Nothing => {}
            Action::Refuse => return Err(format!("{written}: {}", flag.help)),
            Action::Keyword(keywords) => {
                let (name, value) = value
                    .split_once('=')
                    .map_or((value, None), |(n, v)| (n, Some(v)));
                let keyword = keywords.iter().find(|k| k.names.contains(&name));
                let keyword =
                    keyword.ok_or_else(|| help::unknown_keyword(written, name, keywords))?;
                let written = format!("{written} {name}");
                match (keyword.value, value) {
                    (Value::None, Some(_)) => return Err(format!("{written}: takes no value")),
                    (Value::Required(what), None) => {
                        return Err(format!("{written}={what}: missing value"));
                    }
                    _ => {}
                }
                return self.act(keyword, &written, value.unwrap_or_default());
            }
        }
        Ok(None)
    }

    fn next_value(&mut self, of: &str) -> Result<String, String> {
        let value = self
            .arguments
            .next()
            .ok_or_else(|| format!("{of}: missing value"))?;
        value
            .into_string()
            .map_err(|_| format!("{of}: value is not UTF-8"))
    }
}

/// Finds an argument in the table. `--name`, `-name`, `--name=value`; a name of one letter has one dash, and its value
/// may follow at once.
fn find(text: &str) -> Option<Found<'_>> {
    let dashes = if text.starts_with("--") { 2 } else { 1 };
    let body = &text[dashes..];
    let (name, attached) = body
        .split_once('=')
        .map_or((body, None), |(n, v)| (n, Some(v)));
    let is_long = |name: &str| name.chars().count() > 1;
    if is_long(name)
        && let Some(flag) = flags::by_name(name)
    {
        return Some((flag, &text[..dashes + name.len()], attached));
    }
    let first = body.chars().next().filter(|_| dashes == 1)?.len_utf8();
    let flag = flags::by_name(&body[..first])?;
    let value = &body[first..];
    let takes_value = !matches!(flag.value, Value::None);
    (value.is_empty() || takes_value).then(|| {
        (
            flag,
            &text[..1 + first],
            Some(value).filter(|v| !v.is_empty()),
        )
    })
}

#[cfg(test)]
mod tests;
