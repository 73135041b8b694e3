//! The command line: low-level arguments in, meant options out.
//!
//! The spelling follows ld and lld (`-Map F`, `-Map=F`, `--entry=S`, one dash or two); `--slice ISA` begins the inputs
//! of one ISA. An argument that is not known is an error: nothing is dropped silently.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{DEFAULT_LIMIT, Error, Problem, unreadable};
use crate::ids::SliceId;
use crate::isa::{self, Isa};

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
    /// Entry symbol, the same name in every slice.
    pub entry: String,
    /// Address of the image's first byte.
    pub image_base: u64,
    /// Output sections with an address of their own.
    pub section_starts: Vec<(String, u64)>,
    /// What to do when a function array lacks an element.
    pub missing_code: MissingCode,
    /// How many problems to show; 0 for all.
    pub error_limit: usize,
}

/// One slice of the command line.
#[derive(Debug)]
pub struct SliceOptions {
    /// Its ISA.
    pub isa: &'static dyn Isa,
    /// Objects, archives and rlibs in order.
    pub inputs: Vec<PathBuf>,
}

/// `--missing-code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingCode {
    /// Refuse the link.
    Error,
    /// Fill the element with a trap.
    Trap,
}

/// The help text of the command.
pub const HELP: &str = "\
Usage: fatld -o OUT --slice ISA INPUT... --slice ISA INPUT... [options]

Links the objects, archives and rlibs of each ISA into one image with one set of data.

  -o FILE                   write the image to FILE
  --slice ISA               the inputs that follow are of this ISA (x86_64, riscv64)
  --view ISA=FILE           also write an ELF of one ISA, with its symbols and DWARF
  -Map FILE                 also write a map
  -e, --entry SYMBOL        entry of every slice [_start]
  --image-base ADDRESS      address of the image [0x100000000]
  --section-start NAME=ADDRESS
                            address of an output section, e.g. .boot.x86_64=0x100000
  --missing-code error|trap what to do if a function whose address is taken has no code for an ISA [error]
  --error-limit N           show N errors, 0 for all [20]
  @FILE                     arguments from FILE
  --help, --version
";

const DEFAULT_BASE: u64 = 0x1_0000_0000;

/// What a command line asks for besides a link.
#[derive(Debug)]
pub enum Command {
    /// Link.
    Link(Options),
    /// Print this and end well.
    Print(String),
}

impl Command {
    /// Reads the arguments, program name left out.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let mut expanded = Vec::new();
        for argument in arguments {
            expand_response_file(argument, &mut expanded, 0)?;
        }
        let mut parser = Parser {
            arguments: expanded.into_iter(),
            partial: Partial::default(),
        };
        while let Some(argument) = parser.arguments.next() {
            if let Some(text) = parser.argument(argument)? {
                return Ok(Self::Print(text));
            }
        }
        Ok(Self::Link(parser.partial.finish()?))
    }
}

/// Response files may name response files, but not without end.
const MAX_RESPONSE_DEPTH: u32 = 8;

fn expand_response_file(
    argument: OsString,
    out: &mut Vec<OsString>,
    depth: u32,
) -> Result<(), Error> {
    let Some(path) = argument.to_str().and_then(|a| a.strip_prefix('@')) else {
        out.push(argument);
        return Ok(());
    };
    if depth == MAX_RESPONSE_DEPTH {
        return Err(usage(format!(
            "response files nest more than {MAX_RESPONSE_DEPTH} deep at {path}"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(Path::new(path), &e))?;
    split_response(&text)
        .into_iter()
        .try_for_each(|word| expand_response_file(word.into(), out, depth + 1))
}

/// Splits as GNU tools do: white space separates, quotes and backslashes protect.
fn split_response(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut inside) = (Vec::new(), String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => {
                word.extend(chars.next());
                inside = true;
            }
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => (quote, inside) = (Some(c), true),
            (c, None) if c.is_whitespace() => {
                if std::mem::take(&mut inside) {
                    words.push(std::mem::take(&mut word));
                }
            }
            (c, _) => {
                word.push(c);
                inside = true;
            }
        }
    }
    if inside {
        words.push(word);
    }
    words
}

fn usage(what: impl Into<String>) -> Error {
    Problem::Usage(what.into()).into()
}

/// Options that take a value, with every accepted spelling.
const VALUED: &[(&str, &[&str])] = &[
    ("output", &["o", "output"]),
    ("slice", &["slice"]),
    ("view", &["view"]),
    ("map", &["Map", "map"]),
    ("entry", &["e", "entry"]),
    ("image-base", &["image-base"]),
    ("section-start", &["section-start"]),
    ("missing-code", &["missing-code"]),
    ("error-limit", &["error-limit"]),
];

#[derive(Default)]
struct Partial {
    output: Option<PathBuf>,
    slices: Vec<SliceOptions>,
    views: Vec<(String, PathBuf)>,
    map: Option<PathBuf>,
    entry: Option<String>,
    image_base: Option<u64>,
    section_starts: Vec<(String, u64)>,
    missing_code: Option<MissingCode>,
    error_limit: Option<usize>,
}

struct Parser {
    arguments: std::vec::IntoIter<OsString>,
    partial: Partial,
}

impl Parser {
    /// Takes one argument, and its value if it has one. Returns a text that the command shall print instead of linking.
    fn argument(&mut self, argument: OsString) -> Result<Option<String>, Error> {
        let text = argument.to_str().unwrap_or_default();
        let Some(flag) = text
            .strip_prefix("--")
            .or_else(|| text.strip_prefix('-'))
            .filter(|f| !f.is_empty())
        else {
            let slice = self.partial.slices.last_mut();
            let slice = slice
                .ok_or_else(|| usage(format!("input {text} stands before the first --slice")))?;
            slice.inputs.push(argument.into());
            return Ok(None);
        };
        match flag {
            "help" => return Ok(Some(HELP.to_owned())),
            "version" | "v" => return Ok(Some(format!("fatld {}\n", env!("CARGO_PKG_VERSION")))),
            _ => {}
        }
        let (name, attached) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let Some((option, _)) = VALUED
            .iter()
            .find(|(_, spellings)| spellings.contains(&name))
        else {
            return Err(usage(format!("unknown argument '{text}'")));
        };
        let value = match attached {
            Some(value) => value,
            None => self.next_value(text)?,
        };
        self.partial.set(option, value)?;
        Ok(None)
    }

    fn next_value(&mut self, of: &str) -> Result<String, Error> {
        let value = self
            .arguments
            .next()
            .ok_or_else(|| usage(format!("{of}: missing value")))?;
        value
            .into_string()
            .map_err(|_| usage(format!("{of}: value is not UTF-8")))
    }
}

impl Partial {
    fn set(&mut self, option: &str, value: String) -> Result<(), Error> {
        match option {
            "output" => self.output = Some(value.into()),
            "map" => self.map = Some(value.into()),
            "entry" => self.entry = Some(value),
            "slice" => {
                if self.slices.iter().any(|s| s.isa.name() == value) {
                    return Err(usage(format!("--slice {value} is given twice")));
                }
                self.slices.push(SliceOptions {
                    isa: known_isa(&value)?,
                    inputs: Vec::new(),
                });
            }
            "view" => {
                let (isa, path) = assignment("--view", &value)?;
                self.views.push((isa.to_owned(), path.into()));
            }
            "image-base" => self.image_base = Some(address("--image-base", &value)?),
            "section-start" => {
                let (name, start) = assignment("--section-start", &value)?;
                self.section_starts
                    .push((name.to_owned(), address("--section-start", start)?));
            }
            "missing-code" => {
                self.missing_code = Some(match value.as_str() {
                    "error" => MissingCode::Error,
                    "trap" => MissingCode::Trap,
                    _ => {
                        return Err(usage(format!(
                            "--missing-code: expected error or trap, found '{value}'"
                        )));
                    }
                });
            }
            "error-limit" => {
                let limit = value.parse().map_err(|_| {
                    usage(format!("--error-limit: expected a number, found '{value}'"))
                })?;
                self.error_limit = Some(limit);
            }
            _ => unreachable!("every name in VALUED is handled"),
        }
        Ok(())
    }

    fn finish(self) -> Result<Options, Error> {
        let output = self
            .output
            .ok_or_else(|| usage("no output: -o FILE is missing"))?;
        if self.slices.is_empty() {
            return Err(usage("no slice: --slice ISA is missing"));
        }
        if let Some(empty) = self.slices.iter().find(|s| s.inputs.is_empty()) {
            return Err(usage(format!("--slice {}: no inputs", empty.isa.name())));
        }
        let image_base = self.image_base.unwrap_or(DEFAULT_BASE);
        let starts = self
            .section_starts
            .iter()
            .map(|(_, a)| *a)
            .chain([image_base]);
        if let Some(odd) = starts.into_iter().find(|a| a % fat_image::PAGE_SIZE != 0) {
            return Err(usage(format!(
                "address {odd:#x} is not a multiple of {:#x}",
                fat_image::PAGE_SIZE
            )));
        }
        let views = self.views.into_iter().map(|(isa, path)| {
            let slice = self.slices.iter().position(|s| s.isa.name() == isa);
            slice
                .map(|s| (SliceId::next(s), path))
                .ok_or_else(|| usage(format!("--view {isa}: there is no such slice")))
        });
        Ok(Options {
            output,
            views: views.collect::<Result<_, _>>()?,
            slices: self.slices,
            map: self.map,
            entry: self.entry.unwrap_or_else(|| "_start".to_owned()),
            image_base,
            section_starts: self.section_starts,
            missing_code: self.missing_code.unwrap_or(MissingCode::Error),
            error_limit: self.error_limit.unwrap_or(DEFAULT_LIMIT),
        })
    }
}

fn known_isa(name: &str) -> Result<&'static dyn Isa, Error> {
    isa::by_name(name).ok_or_else(|| {
        let known: Vec<_> = isa::ALL.iter().map(|i| i.name()).collect();
        usage(format!(
            "--slice: unknown ISA '{name}', known are {}",
            known.join(", ")
        ))
    })
}

fn assignment<'a>(option: &str, value: &'a str) -> Result<(&'a str, &'a str), Error> {
    value
        .split_once('=')
        .ok_or_else(|| usage(format!("{option}: expected NAME=VALUE, found '{value}'")))
}

fn address(option: &str, value: &str) -> Result<u64, Error> {
    let parsed = match value.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => value.parse(),
    };
    parsed.map_err(|_| usage(format!("{option}: expected an address, found '{value}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.split_whitespace().map(OsString::from)).map_err(|e| e.to_string())
    }

    #[test]
    fn inputs_belong_to_the_slice_before_them() {
        let Ok(Command::Link(options)) =
            parse("-o out --slice x86_64 a.o b.o --slice=riscv64 c.o -Map=m")
        else {
            panic!("refused");
        };
        let inputs: Vec<_> = options.slices.iter().map(|s| s.inputs.len()).collect();
        assert_eq!((inputs, options.map), (vec![2, 1], Some("m".into())));
    }

    #[test]
    fn unknown_arguments_are_refused() {
        assert_eq!(
            parse("-o x --slice x86_64 a.o --fast").unwrap_err(),
            "error: unknown argument '--fast'"
        );
        assert_eq!(
            parse("a.o").unwrap_err(),
            "error: input a.o stands before the first --slice"
        );
        assert_eq!(
            parse("--slice vax").unwrap_err(),
            "error: --slice: unknown ISA 'vax', known are x86_64, riscv64"
        );
        assert_eq!(
            parse("-o x --slice x86_64").unwrap_err(),
            "error: --slice x86_64: no inputs"
        );
    }

    #[test]
    fn response_files_split_as_gnu_tools_do() {
        assert_eq!(
            split_response("a 'b c'\n\"d\\\"e\" f\\ g ''"),
            ["a", "b c", "d\"e", "f g", ""]
        );
    }
}
