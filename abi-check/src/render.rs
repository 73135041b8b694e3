//! Reports in words: the only place that formats findings.
//!
//! Here are the words that all formats share; each format has a file of its own in `render/`.
//!
//! Invariant: what is printed is a function of the report and of the chosen looks (width, colour) alone.

mod columns;
mod hint;
mod human;
mod json;
mod markdown;
mod sarif;

pub use human::Look;

use crate::report::{
    Cell, Finding, Kind, Note, Reason, Report, RootKind, Severity, Suppressed, Unproved, Verdict,
};

/// A warning that concerns the whole report.
const COMPILERS_DIFFER: &str = "the sides were made by different compilers";

impl Report {
    fn side(&self, index: usize) -> &str {
        self.sides.get(index).map_or("?", String::as_str)
    }
}

/// A document with a line feed at its end.
fn pretty(document: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(document)
        .expect("structs of strings, numbers and lists have a form in JSON")
        + "\n"
}

/// A name between backticks.
fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// What stands before a finding.
fn level(finding: &Finding) -> &'static str {
    match finding.suppressed {
        Some(_) => "suppressed",
        None => finding.kind.severity().word(),
    }
}

/// Why something does not count, and for how long.
fn excuse(suppressed: &Suppressed) -> String {
    let until = suppressed.until.as_ref();
    let until = until.map_or(String::new(), |day| format!(" until {day}"));
    format!(
        "suppressed{until}: {} ({})",
        suppressed.reason, suppressed.origin
    )
}

/// The answer in one line.
fn summary(report: &Report) -> String {
    let mut text = match report.verdict() {
        Verdict::Equal => "all proved equal".to_owned(),
        Verdict::Mismatch => count(report.number_of(Severity::Error), "mismatch"),
        Verdict::Unproved => format!("no mismatch, {} unproved", report.open().count()),
        Verdict::Suppressed => "all proved equal but what is suppressed".to_owned(),
        Verdict::NothingCompared => "error: nothing was compared".to_owned(),
    };
    match report.number_of(Severity::Warning) {
        0 => {}
        warnings => {
            text.push_str(", ");
            text.push_str(&count(warnings, "warning"));
        }
    }
    if report.number_of_suppressed() > 0 {
        text.push_str(&format!(", {} suppressed", report.number_of_suppressed()));
    }
    text
}

/// Why something is unproved; `quote` marks names as such.
fn doubt(report: &Report, unproved: &Unproved, quote: fn(&str) -> String) -> String {
    let sides: Vec<String> = unproved
        .sides
        .iter()
        .map(|side| quote(report.side(*side)))
        .collect();
    let sides = sides.join(", ");
    let subject = quote(&unproved.subject);
    match unproved.reason {
        Reason::OneSided(kind) => format!("{} {subject} is only defined on {sides}", noun(kind)),
        Reason::NoDefinition => format!("{subject} is not defined on {sides}"),
        Reason::Ambiguous => format!("{subject} has several definitions on {sides}"),
        Reason::Unreadable(what) => format!("{subject}: {what} on {sides}"),
        Reason::NoTypes => format!("{sides} has no type information (-Cdebuginfo=2, or -g)"),
        Reason::TooManyCandidates(kind) => format!(
            "{} {subject} has too many candidates on {sides}",
            noun(kind)
        ),
    }
}

/// A line for each flag that only some sides were compiled with.
fn flags(report: &Report, quote: fn(&str) -> String) -> Vec<String> {
    let line = |(flag, sides): (&str, Vec<usize>)| {
        let sides: Vec<String> = sides.iter().map(|side| quote(report.side(*side))).collect();
        format!("{} was given to {} only", quote(flag), sides.join(", "))
    };
    report.flags_that_differ().into_iter().map(line).collect()
}

/// The compilers of a side.
fn compilers(report: &Report, side: usize) -> String {
    let of_side = report
        .producers
        .iter()
        .filter(|producer| producer.side == side);
    let texts: Vec<String> = of_side
        .map(|producer| {
            let flags: String = producer
                .flags
                .iter()
                .map(|flag| format!(" {flag}"))
                .collect();
            format!(
                "{}{flags} ({})",
                producer.text,
                count(producer.units, "unit")
            )
        })
        .collect();
    let panic = report.panics.get(side).copied().flatten();
    let panic = panic.map_or(String::new(), |panic| format!(", panic={}", panic.word()));
    match texts.is_empty() {
        true => "no types".to_owned(),
        false => texts.join(", ") + &panic,
    }
}

/// What was compared, but for the names of the sides.
fn extent_of_comparison(report: &Report) -> String {
    let roots = count(report.compared_roots, "root");
    let types = count(report.compared_types, "type");
    format!("compared {roots} and {types}")
}

/// What a root is.
fn noun(root: RootKind) -> &'static str {
    match root {
        RootKind::Static => "static",
        RootKind::Vtable => "vtable",
        RootKind::Type => "type",
    }
}

/// What a finding says, in one line; `quote` marks names as such.
fn headline(finding: &Finding, quote: fn(&str) -> String) -> String {
    let bare = finding.type_name.is_empty();
    let ty = quote(&finding.type_name);
    let member = quote(finding.member.as_deref().unwrap_or(""));
    let of = if bare {
        format!("static {member}")
    } else {
        format!("field {member} of {ty}")
    };
    let whole = if finding.member.is_some() {
        of.clone()
    } else {
        ty.clone()
    };
    match finding.kind {
        Kind::Size => format!("{whole} is not of the same size"),
        Kind::Alignment => format!("{whole} is not aligned alike"),
        Kind::FieldOffset => format!("{of} is not at the same place"),
        Kind::FieldMissing => format!("{of} is not on every side"),
        Kind::FieldType => format!("{of} has not the same type"),
        Kind::Enumerator => format!("enumerators of {ty} differ, the first is {member}"),
        Kind::Discriminant if finding.member.is_none() => {
            format!("{ty} does not tell its variants apart alike")
        }
        Kind::Discriminant => {
            format!("{ty} does not tell its variants apart alike, the first is {member}")
        }
        Kind::Variant => format!("variant {member} of {ty} is not on every side"),
        Kind::BaseEncoding => format!("{whole} is not encoded alike"),
        Kind::Kind => format!("{whole} is not the same kind of type"),
        Kind::ArrayLength => format!("{whole} has not the same number of elements"),
        Kind::PointerWidth => format!("{whole}: pointers are not of the same size"),
        Kind::FloatFormat => format!("{whole} is not in the same floating-point format"),
        Kind::ByteOrder if bare => "the sides have not the same byte order".to_owned(),
        Kind::ByteOrder => format!("{whole} has not the same byte order"),
        Kind::Bitfield => format!("bit {of} is not at the same place"),
        Kind::Signature => format!("{whole}: functions have not the same signature"),
        Kind::DifferentType => format!("{of} has types of different names and the same layout"),
        Kind::VirtualFunction => {
            format!("virtual functions of {ty} differ, the first is {member}")
        }
        Kind::Meaning => match &finding.note {
            Some(note) => format!("{whole} does not mean the same: {}", note.what),
            None => format!("{whole} does not mean the same"),
        },
        Kind::CodePointer => format!("{of} is a code pointer in shared memory"),
    }
}

/// What a lint adds to a difference of layout; the finding that is its own says it already.
fn reason_of(finding: &Finding) -> Option<&Note> {
    finding
        .note
        .as_ref()
        .filter(|_| finding.kind != Kind::Meaning)
}

fn same(a: Option<&Cell>, b: Option<&Cell>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a.bit_offset == b.bit_offset && a.bit_size == b.bit_size && a.type_name == b.type_name
        }
        (a, b) => a.is_none() == b.is_none(),
    }
}

/// Offset and size of a field, in bytes unless it is a bit field.
fn extent(cell: &Cell) -> String {
    let in_bytes = cell.bit_offset.is_multiple_of(8)
        && cell.bit_size.is_none_or(|size| size.is_multiple_of(8));
    let size = |unit: u64| {
        cell.bit_size
            .map_or("?".to_owned(), |size| (size / unit).to_string())
    };
    if in_bytes {
        format!("{} [{}]", cell.bit_offset / 8, size(8))
    } else {
        format!("bit {} [{} bits]", cell.bit_offset, size(1))
    }
}

/// `1 root`, `2 roots`, `2 mismatches`.
fn count(number: usize, noun: &str) -> String {
    let plural = if noun.ends_with("ch") { "es" } else { "s" };
    format!("{number} {noun}{}", if number == 1 { "" } else { plural })
}
