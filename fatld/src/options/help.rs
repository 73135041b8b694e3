//! Texts for people that are made from the table of arguments: help, documentation, and what an unknown argument may
//! have meant.

use std::fmt::Write;

use super::flags::{Action, FLAGS, Flag, Value};
use crate::isa;

const HEAD: &str = "\
Usage: fatld -o OUT --slice ISA INPUT... --slice ISA INPUT... [options]
       fatld -o OUT INPUT... [options]
       fatld inspect IMAGE         shows what is in a fat image
       fatld extract --isa ISA IMAGE -o OUT
                                   writes a plain ELF file of one ISA

Links the objects, archives and rlibs of each ISA into one image with one set of data. With one ISA it is an ordinary
static linker.
";

/// Columns of the help text before the explanations.
const INDENT: usize = 28;

/// The help text.
pub(super) fn text() -> String {
    let mut out = HEAD.to_owned();
    let known: Vec<_> = isa::ALL.iter().map(|isa| isa.name()).collect();
    let _ = writeln!(out, "\nISAs: {}\n\nOptions:", known.join(", "));
    for flag in FLAGS.iter().filter(|f| is_option(f)) {
        line(&mut out, &spelling(flag), flag.help);
    }
    line(&mut out, "@FILE", "arguments from FILE");
    let _ = writeln!(out, "\nAccepted, because what they ask for holds anyway:");
    for (name, flag) in with_keywords(is_needless) {
        line(&mut out, &name, flag.help);
    }
    out
}

/// The linker's name and version, as `--version` prints them.
pub fn version() -> String {
    format!("fatld {}\n", env!("CARGO_PKG_VERSION"))
}

fn line(out: &mut String, name: &str, help: &str) {
    if name.len() + 3 > INDENT {
        let _ = writeln!(out, "  {name}\n{:INDENT$}{help}", "");
    } else {
        let _ = writeln!(out, "  {name:width$}{help}", width = INDENT - 2);
    }
}

fn is_option(flag: &Flag) -> bool {
    matches!(
        flag.action,
        Action::Set(_) | Action::Print(_) | Action::Keyword(_)
    )
}

fn is_needless(flag: &Flag) -> bool {
    matches!(flag.action, Action::Nothing | Action::Only(_))
}

/// The entries of both tables that `wanted` takes, with how they are written.
fn with_keywords(wanted: fn(&Flag) -> bool) -> impl Iterator<Item = (String, &'static Flag)> {
    FLAGS.iter().flat_map(move |flag| {
        let own = wanted(flag).then(|| (spelling(flag), flag));
        let keywords = match flag.action {
            Action::Keyword(keywords) => keywords,
            _ => &[],
        };
        let of_keyword = move |keyword: &'static Flag| {
            let names: Vec<_> = keyword
                .names
                .iter()
                .map(|name| format!("-z {name}"))
                .collect();
            (names.join(", ") + &value(keyword, true), keyword)
        };
        own.into_iter()
            .chain(keywords.iter().filter(move |k| wanted(k)).map(of_keyword))
    })
}

fn dashed(name: &str) -> String {
    let dashes = if name.chars().count() == 1 || name.starts_with(|c: char| c.is_ascii_uppercase())
    {
        "-"
    } else {
        "--"
    };
    format!("{dashes}{name}")
}

fn value(flag: &Flag, long: bool) -> String {
    match flag.value {
        Value::None => String::new(),
        Value::Required(value) if long => format!("={value}"),
        Value::Required(value) => format!(" {value}"),
        Value::Optional(value) => format!("[={value}]"),
    }
}

/// All spellings of an argument and its value.
fn spelling(flag: &Flag) -> String {
    let names: Vec<_> = flag.names.iter().map(|name| dashed(name)).collect();
    let is_long = flag.names.last().is_some_and(|name| name.len() > 1);
    names.join(", ") + &value(flag, is_long)
}

/// The page `docs/command-line.md`.
#[cfg(test)]
pub(super) fn page() -> String {
    let mut out = "# The command line of fatld\n\nMade from the table in `fatld/src/options/flags.rs`. \
         Names of several letters may have one dash or two, and their value\nfollows `=` or is the next argument. \
         An argument that is not on this page is an error.\n"
        .to_owned();
    type Wanted = fn(&Flag) -> bool;
    let lists: [(&str, Wanted); 3] = [
        ("Options", is_option),
        (
            "Accepted, because what they ask for holds anyway",
            is_needless,
        ),
        ("Refused", |flag| matches!(flag.action, Action::Refuse)),
    ];
    for (title, wanted) in lists {
        let _ = write!(out, "\n## {title}\n\n| argument | |\n| --- | --- |\n");
        for (name, flag) in with_keywords(wanted) {
            let _ = writeln!(out, "| `{}` | {} |", name.replace('|', "\\|"), flag.help);
        }
    }
    out
}

/// What is said of an argument that is not in the table.
pub(super) fn unknown(text: &str) -> String {
    let name = text.trim_start_matches('-');
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    let all = FLAGS.iter().flat_map(|flag| flag.names).copied();
    match nearest(name, all) {
        Some(near) => format!("unknown argument '{text}', did you mean '{}'", dashed(near)),
        None => format!("unknown argument '{text}'"),
    }
}

/// What is said of a keyword of `written` that is not in its table.
pub(super) fn unknown_keyword(written: &str, name: &str, keywords: &'static [Flag]) -> String {
    match nearest(name, keywords.iter().flat_map(|flag| flag.names).copied()) {
        Some(near) => format!("{written}: unknown keyword '{name}', did you mean '{near}'"),
        None => format!("{written}: unknown keyword '{name}'"),
    }
}

/// The name that is close enough to be what was meant.
fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = name.chars().count() / 3;
    let distance = |other: &&str| strsim::osa_distance(name, other);
    all.filter(|other| other.len() > 1 && distance(other) <= allowed)
        .min_by_key(distance)
}
