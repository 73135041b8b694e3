//! How to mend what a finding is about, in a line.
//!
//! Invariant: a hint follows from facts of the finding (its types, numbers and languages); where they give nothing better
//! than the kind's general advice, it is that.

use super::quoted;
use crate::report::{FieldRow, Finding, Kind, Report};

/// C's types whose size the psABI decides, as gcc and clang write them.
const C_SIZES: [&str; 9] = [
    "long",
    "long int",
    "unsigned long",
    "long unsigned int",
    "size_t",
    "ssize_t",
    "wchar_t",
    "intptr_t",
    "uintptr_t",
];
/// Numbers that no other width makes an integer.
const FLOATS: [&str; 5] = ["float", "double", "long double", "f32", "f64"];
/// Rust's types whose size the target decides.
const RUST_SIZES: [&str; 2] = ["usize", "isize"];

/// What to do about a finding.
pub(super) fn hint(report: &Report, finding: &Finding) -> String {
    if let Some(note) = &finding.note {
        return note.hint.clone();
    }
    let rust = is_rust(report, finding);
    let ty = quoted(&finding.type_name);
    match finding.kind {
        Kind::Size | Kind::FieldType | Kind::BaseEncoding | Kind::Kind | Kind::DifferentType
            if let Some(name) = of_the_target(finding) =>
        {
            let bits = widest(finding).unwrap_or(8).saturating_mul(8);
            let signed =
                !name.contains("unsigned") && !["size_t", "usize", "uintptr_t"].contains(&name);
            format!(
                "the size of {} is the target's choice; use {}",
                quoted(name),
                quoted(&fixed_width(bits, signed, RUST_SIZES.contains(&name)))
            )
        }
        Kind::BaseEncoding if names(finding).any(|name| name == "char") => {
            "the sign of `char` is the target's choice; write `signed char` or `unsigned char`"
                .to_owned()
        }
        // An alias has no name of its own in Rust's debug information.
        Kind::BaseEncoding
            if ["i8", "u8"]
                .iter()
                .all(|one| names(finding).any(|name| name == *one)) =>
        {
            "the sign of `c_char` is the target's choice; write `i8` or `u8`".to_owned()
        }
        Kind::BaseEncoding if finding.member.is_some() => {
            "use one type of fixed width and sign on every side".to_owned()
        }
        Kind::FloatFormat if names(finding).any(|name| name == "long double") => {
            "the format of `long double` is the target's choice; use `double` or `_Float128`"
                .to_owned()
        }
        Kind::Alignment
            if let Some(most) = finding.sides.iter().filter_map(|view| view.bytes).max() =>
        {
            match rust {
                true => format!(
                    "put `#[repr(C, align({most}))]` on {ty}, the largest alignment of all sides"
                ),
                false => format!(
                    "declare {ty} with `__attribute__((aligned({most})))`, the largest alignment of all sides, and not \
                     packed on one side only"
                ),
            }
        }
        Kind::FieldOffset if rust => {
            format!("put `#[repr(C)]` on {ty}, so that its fields keep their order")
        }
        Kind::Discriminant if rust => {
            format!("put `#[repr(u8)]` or `#[repr(C)]` on {ty} and give every variant a value")
        }
        Kind::FieldMissing => format!(
            "declare {} on every side, unused where it is not needed",
            quoted(finding.member.as_deref().unwrap_or("the field"))
        ),
        kind => first_sentence(kind.entry().mend),
    }
}

/// Whether the finding is about Rust: by the source's name, else by the compilers.
fn is_rust(report: &Report, finding: &Finding) -> bool {
    let mut places = finding
        .sides
        .iter()
        .filter_map(|view| view.place.as_ref())
        .peekable();
    if places.peek().is_some() {
        return places.any(|place| place.file.ends_with(".rs"));
    }
    let concerned = |side: usize| finding.sides.iter().any(|view| view.side == side);
    let mut of_them = report
        .producers
        .iter()
        .filter(|producer| concerned(producer.side))
        .peekable();
    of_them.peek().is_some() && of_them.all(|producer| producer.text.contains("rustc"))
}

/// The row of the finding's field.
fn row(finding: &Finding) -> Option<&FieldRow> {
    let member = finding.member.as_ref()?;
    finding
        .table
        .as_ref()?
        .rows
        .iter()
        .find(|row| row.name == *member)
}

/// Names of the types at fault: the finding's own, or those of its field.
fn names(finding: &Finding) -> impl Iterator<Item = &str> {
    let of_field = row(finding)
        .into_iter()
        .flat_map(|row| row.cells.iter().flatten());
    let own = finding
        .member
        .is_none()
        .then_some(finding.type_name.as_str());
    own.into_iter()
        .chain(of_field.map(|cell| cell.type_name.as_str()))
}

/// A type at fault whose size the target decides, if what differs may be just that.
fn of_the_target(finding: &Finding) -> Option<&str> {
    if names(finding).any(|name| FLOATS.contains(&name)) {
        return None;
    }
    names(finding).find(|name| C_SIZES.contains(name) || RUST_SIZES.contains(name))
}

/// The most bytes that any side has.
fn widest(finding: &Finding) -> Option<u64> {
    let of_field = row(finding)
        .into_iter()
        .flat_map(|row| row.cells.iter().flatten());
    let of_sides = finding.sides.iter().filter_map(|view| view.bytes);
    of_sides
        .chain(of_field.filter_map(|cell| Some(cell.bit_size? / 8)))
        .filter(|bytes| matches!(bytes, 1 | 2 | 4 | 8 | 16))
        .max()
}

fn fixed_width(bits: u64, signed: bool, rust: bool) -> String {
    match (rust, signed) {
        (true, true) => format!("i{bits}"),
        (true, false) => format!("u{bits}"),
        (false, true) => format!("int{bits}_t"),
        (false, false) => format!("uint{bits}_t"),
    }
}

/// As a hint begins and ends: with a small letter, and without a period.
fn first_sentence(text: &str) -> String {
    let end = text.find(". ").unwrap_or(text.trim_end_matches('.').len());
    let mut result = text[..end].to_owned();
    if let Some(first) = result.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_advice_is_one_sentence() {
        for kind in Kind::ALL {
            let hint = first_sentence(kind.entry().mend);
            assert!(
                !hint.is_empty() && !hint.ends_with('.') && !hint.contains(". "),
                "{hint}"
            );
        }
        assert_eq!(first_sentence("Use one. Or two."), "use one");
        assert_eq!(first_sentence("Use one."), "use one");
    }

    #[test]
    fn types_of_fixed_width_are_named_in_the_language_of_the_source() {
        assert_eq!(fixed_width(64, false, true), "u64");
        assert_eq!(fixed_width(32, true, true), "i32");
        assert_eq!(fixed_width(64, true, false), "int64_t");
        assert_eq!(fixed_width(16, false, false), "uint16_t");
    }
}
