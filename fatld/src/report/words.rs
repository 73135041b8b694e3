//! What each kind of problem is called.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::{Definition, Place, Problem, SliceView, SourceLine, Target};
use crate::evidence::{Container, Evidence, Likeness, Suggestion, Surroundings};

use super::names::{demangle, printable};

/// A problem in words, not yet in a form.
#[derive(Debug, Default)]
pub struct Message {
    /// What is wrong, on one line.
    pub title: String,
    /// More about it.
    pub lines: Vec<Line>,
    /// A text that is a message already and stands for all the others.
    pub report: Option<String>,
}

/// A line behind `>>>`.
#[derive(Debug)]
pub enum Line {
    /// Something that is so.
    Fact(String),
    /// Marks below the fact before it.
    Marks(String),
    /// What can be done.
    Advice(String),
}

impl Message {
    fn new(title: String) -> Self {
        Self {
            title,
            ..Self::default()
        }
    }

    fn fact(&mut self, text: String) {
        self.lines.push(Line::Fact(text));
    }

    fn advice(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Advice(text.into()));
    }
}

/// References shown per undefined symbol, as many as lld shows.
const MAX_REFERENCES: usize = 3;

/// The words for a problem.
pub fn message(problem: &Problem, evidence: &Evidence) -> Message {
    let at = |place: &Place| located(place, evidence);
    match problem {
        Problem::Usage(what) => Message::new(what.clone()),
        Problem::Read { file, reason } => {
            Message::new(format!("cannot open {}: {reason}", file.display()))
        }
        Problem::NoLibrary {
            name,
            file,
            folders,
        } => no_library(name, file, folders),
        Problem::Malformed { place, expected } => {
            let title = format!("{}: expected {}", at(place), printable(expected));
            from_line(Message::new(title), place, evidence)
        }
        Problem::Unsupported { place, what } => {
            let title = format!("{}: not supported: {}", at(place), printable(what));
            from_line(Message::new(title), place, evidence)
        }
        Problem::Undefined {
            symbol,
            isa,
            references,
        } => undefined(symbol, isa, references, evidence),
        Problem::Duplicate {
            symbol,
            isa,
            definitions,
        } => duplicate(symbol, isa, definitions, evidence),
        Problem::Mismatch {
            symbol,
            what,
            sides,
            hint,
        } => mismatch((symbol, what), sides, *hint),
        Problem::Layout(report) => layout(report),
        Problem::MissingCode {
            function,
            isa,
            taken_by,
        } => missing_code(function, isa, taken_by, evidence),
        Problem::Overflow { .. } | Problem::Misaligned { .. } => unfit(problem, evidence),
        Problem::Output { file, reason } => {
            Message::new(format!("cannot write {}: {reason}", file.display()))
        }
    }
}

/// The last message, if there are more problems than are shown.
pub fn too_many(more: usize) -> Message {
    Message::new(format!(
        "too many errors emitted, {more} more not shown (use --error-limit=0 to see all errors)"
    ))
}

/// A place with the function or variable that contains it.
fn located(place: &Place, evidence: &Evidence) -> String {
    let (file, section) = (printable(&place.file), printable(&place.section));
    let inside = match evidence.of(place).part_of {
        Some(Container::Function(name)) => format!("function {}: ", demangle(&name)),
        Some(Container::Variable(name)) => format!("variable {}: ", demangle(&name)),
        None => String::new(),
    };
    format!("{file}:({inside}{section}+{:#x})", place.offset)
}

/// Adds the source line of the place that the title names.
fn from_line(mut message: Message, place: &Place, evidence: &Evidence) -> Message {
    if let Some(source) = evidence.of(place).source {
        message.fact(format!("referenced by {}", printable(&source.to_string())));
    }
    message
}

/// `what SOURCE` with the place in the object below, or `what PLACE` if no source is known.
fn from_source(message: &mut Message, what: &str, source: Option<&SourceLine>, place: &str) {
    match source {
        Some(source) => {
            message.fact(format!("{what} {}", printable(&source.to_string())));
            message.fact(format!("{:width$} {place}", "", width = what.len()));
        }
        None => message.fact(format!("{what} {place}")),
    }
}

/// A place that refers to a symbol.
fn from_place(message: &mut Message, what: &str, place: &Place, evidence: &Evidence) {
    let source = evidence.of(place).source;
    from_source(message, what, source.as_ref(), &located(place, evidence));
}

/// A value that its field cannot hold.
fn unfit(problem: &Problem, evidence: &Evidence) -> Message {
    let (place, target, what, limit) = match problem {
        Problem::Overflow {
            place,
            relocation,
            target,
            value,
            range: (low, high),
            ..
        } => {
            let what = format!("relocation {relocation} out of range: {value}");
            (place, target, what, format!("in [{low}, {high}]"))
        }
        Problem::Misaligned {
            place,
            relocation,
            target,
            value,
            multiple,
        } => {
            let what = format!("improper alignment for relocation {relocation}: {value:#x}");
            (place, target, what, format!("a multiple of {multiple}"))
        }
        _ => return Message::default(),
    };
    let mut title = format!("{}: {what} is not {limit}", located(place, evidence));
    if let Some(name) = referent(target, evidence) {
        title += &format!("; references '{name}'");
    }
    let mut message = from_line(Message::new(title), place, evidence);
    if let Some(defined) = &target.place {
        let source = evidence.of(defined).source;
        from_source(&mut message, "defined at", source.as_ref(), &bare(defined));
    }
    if let Problem::Overflow {
        absolute: true,
        value,
        range: (_, high),
        ..
    } = problem
        && value > high
    {
        message.advice(
            "the instruction or datum holds an address, and none as high as this: compile the code \
             position-independent or for a larger code model, or place the image lower (--image-base)",
        );
    }
    message
}

/// The name of what a relocation refers to, or of what is at its place.
fn referent(target: &Target, evidence: &Evidence) -> Option<String> {
    if let Some(symbol) = &target.symbol {
        return Some(demangle(symbol));
    }
    let place = target.place.as_ref()?;
    Some(match evidence.of(place).part_of {
        Some(container) => demangle(container.name()),
        None => bare(place),
    })
}

/// A place without what contains it.
fn bare(place: &Place) -> String {
    printable(&place.to_string()).into_owned()
}

/// The ISA behind a symbol's name, if there is more than one.
fn on(isa: &str, evidence: &Evidence) -> String {
    if evidence.fat {
        format!(" ({isa})")
    } else {
        String::new()
    }
}

fn no_library(name: &str, file: &str, folders: &[PathBuf]) -> Message {
    let mut message = Message::new(format!("unable to find library -l{name}"));
    if folders.is_empty() {
        message.advice(format!("no folder to look for {file} in: -L names one"));
    }
    for folder in folders {
        message.fact(format!("looked for {}", folder.join(file).display()));
    }
    message
}

fn undefined(symbol: &str, isa: &str, references: &[Place], evidence: &Evidence) -> Message {
    let title = format!(
        "undefined symbol: {}{}",
        demangle(symbol),
        on(isa, evidence)
    );
    let mut message = Message::new(title);
    let distinct = distinct_lines(references, evidence);
    for place in distinct.iter().take(MAX_REFERENCES) {
        from_place(&mut message, "referenced by", place, evidence);
    }
    match distinct.len().saturating_sub(MAX_REFERENCES) {
        0 => {}
        1 => message.fact("referenced 1 more time".to_owned()),
        more => message.fact(format!("referenced {more} more times")),
    }
    if references.is_empty() {
        message.fact("referenced by the command line".to_owned());
    }
    suggest(&mut message, symbol, isa, evidence);
    message
}

/// References without those that another one in the same function and line has said already: an ISA that takes two
/// instructions for an address has two for each. By file and line.
fn distinct_lines<'a>(references: &'a [Place], evidence: &Evidence) -> Vec<&'a Place> {
    let mut seen = BTreeSet::new();
    let mut distinct = Vec::new();
    for place in references {
        let Surroundings {
            part_of, source, ..
        } = evidence.of(place);
        let part_of = part_of.map(|container| container.name().to_owned());
        if source.is_none_or(|source| seen.insert((&place.file, part_of, source))) {
            distinct.push(place);
        }
    }
    distinct.sort_by_key(|place| (&place.file, evidence.of(place).source));
    distinct
}

/// What could be meant, in lld's words where lld has some.
fn suggest(message: &mut Message, symbol: &str, isa: &str, evidence: &Evidence) {
    for suggestion in evidence.suggestions(symbol, isa) {
        match suggestion {
            Suggestion::OtherSlice { isa: other, file } => {
                let file = printable(file);
                message.advice(format!("defined on {other} in {file}, but not on {isa}"));
            }
            Suggestion::Alike {
                likeness,
                name,
                file,
            } => {
                message.advice(alike(*likeness, symbol, name));
                message.fact(format!("defined in: {}", printable(file)));
            }
        }
    }
}

fn alike(likeness: Likeness, symbol: &str, name: &str) -> String {
    let shown = demangle(name);
    let is_rust = rustc_demangle::try_demangle(name).is_ok();
    match likeness {
        Likeness::Local => format!("{shown} is local to the file that defines it (static)"),
        Likeness::Spelling => format!("did you mean: {shown}"),
        Likeness::Unmangled => format!("did you mean: extern \"C\" {shown}"),
        Likeness::Mangled if is_rust => {
            format!("did you mean to declare {shown} as #[unsafe(no_mangle)] extern \"C\"?")
        }
        Likeness::Mangled => format!("did you mean to declare {shown} as extern \"C\"?"),
        Likeness::OtherBuild => format!(
            "another build of its crate is linked, whose symbol is {}, not {}",
            printable(name),
            printable(symbol)
        ),
    }
}

fn duplicate(symbol: &str, isa: &str, definitions: &[Definition], evidence: &Evidence) -> Message {
    let title = format!(
        "duplicate symbol: {}{}",
        demangle(symbol),
        on(isa, evidence)
    );
    let mut message = Message::new(title);
    for definition in definitions {
        let row = evidence.of(&definition.place).source;
        let source = definition.source.as_ref().or(row.as_ref());
        from_source(&mut message, "defined at", source, &bare(&definition.place));
    }
    message
}

fn mismatch((symbol, what): (&str, &str), sides: &[SliceView], hint: Option<&str>) -> Message {
    let mut message = Message::new(format!(
        "{} is shared, but its {what} is not the same on every ISA",
        demangle(symbol)
    ));
    let width = sides.iter().map(|s| s.isa.len()).max().unwrap_or(0);
    let values: Vec<_> = sides.iter().map(|side| printable(&side.value)).collect();
    let differing = differing_words(&values);
    for (side, value) in sides.iter().zip(&values) {
        message.fact(format!("{:width$}  {value}", side.isa));
        if let Some(marks) = marks_below(value, &differing) {
            message
                .lines
                .push(Line::Marks(format!("{:width$}  {marks}", "")));
        }
        let source = side.source.as_ref().map(|s| format!("{s} "));
        let source = source.unwrap_or_default();
        let (source, file) = (printable(&source), printable(&side.file));
        message.fact(format!("{:width$}  {source}in {file}", ""));
    }
    if let Some(hint) = hint {
        message.advice(hint);
    }
    message
}

/// Which of the words of values of one form are not the same in all of them. None are told if the form is not the same,
/// or so short that nobody has to search.
fn differing_words(values: &[Cow<'_, str>]) -> Vec<bool> {
    const LONG: usize = 4;
    let words: Vec<Vec<&str>> = values.iter().map(|v| v.split(' ').collect()).collect();
    let Some((first, others)) = words.split_first() else {
        return Vec::new();
    };
    if first.len() < LONG || others.iter().any(|other| other.len() != first.len()) {
        return Vec::new();
    }
    let differs = |at: usize| others.iter().any(|other| other[at] != first[at]);
    (0..first.len()).map(differs).collect()
}

/// A line with `^` below the marked words.
fn marks_below(value: &str, marked: &[bool]) -> Option<String> {
    let mut line = String::new();
    for (word, marked) in value.split(' ').zip(marked) {
        for c in word.chars() {
            let is_mark = *marked && !matches!(c, '(' | ')' | ':');
            line.push(if is_mark { '^' } else { ' ' });
        }
        line.push(' ');
    }
    let line = line.trim_end();
    (!line.is_empty()).then(|| line.to_owned())
}

/// `abi-check` has words of its own. Its first finding is the title.
fn layout(report: &str) -> Message {
    let finding = report.lines().find_map(|line| line.split_once("]: "));
    Message {
        title: finding
            .map_or("layouts differ", |(_, title)| title)
            .to_owned(),
        report: Some(report.to_owned()),
        ..Message::default()
    }
}

fn missing_code(
    function: &str,
    isa: &str,
    taken_by: &[(String, Place)],
    evidence: &Evidence,
) -> Message {
    let mut message = Message::new(format!(
        "{} has no code for {isa}, but its address is taken",
        demangle(function)
    ));
    for (taker, place) in taken_by.iter().take(MAX_REFERENCES) {
        from_place(
            &mut message,
            &format!("address taken on {taker} by"),
            place,
            evidence,
        );
    }
    suggest(&mut message, function, isa, evidence);
    message.advice(
        "a function pointer must have code on every ISA; in assembly, a label that is not `.type …, @function` keeps \
         its own address",
    );
    message
}
