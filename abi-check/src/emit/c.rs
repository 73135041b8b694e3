//! The C header: `_Static_assert`, or `static_assert` where C++ includes it.
//!
//! Invariant: what is asserted is valid in C11 but for the types of C++, which only C++ sees.

use std::path::Path;

use abi_check::{Language, ProvedField, ProvedType, Report, TypeForm};

use super::prefix::Prefixes;
use super::{Chosen, Designated, Naming, Written, origin, written};

/// Words that name no member in C.
const KEYWORDS: &str = "alignas alignof auto bool break case char const constexpr continue default do double else enum \
    extern false float for goto if inline int long nullptr register restrict return short signed sizeof static \
    static_assert struct switch thread_local true typedef typeof typeof_unqual union unsigned void volatile while";

const MACROS: &str = "\
#include <stddef.h>

#ifdef __cplusplus
#define ABI_CHECK_ASSERT(condition, text) static_assert(condition, text)
#define ABI_CHECK_ALIGNOF(type) alignof(type)
#else
#define ABI_CHECK_ASSERT(condition, text) _Static_assert(condition, text)
#define ABI_CHECK_ALIGNOF(type) _Alignof(type)
#endif
";

/// The header that is written to `path`.
pub(super) fn header(
    report: &Report,
    chosen: &Chosen<'_>,
    prefixes: &Prefixes,
    path: &Path,
) -> String {
    let (plain, mut listed) = written(&chosen.in_language(false), |ty| of(ty, prefixes));
    let nothing_else = Chosen {
        others: Vec::new(),
        unnamed: 0,
        ..chosen.in_language(true)
    };
    let (plus, more) = written(&nothing_else, |ty| of(ty, prefixes));
    listed.extend(more);
    let guard = guard(path);
    let mut text = String::from("/*\n");
    for line in origin(report) {
        text.push_str(&format!(" * {}\n", harmless(&line)));
    }
    text.push_str(" *\n * Include what declares the types before this. A type of Rust is a struct, union or enum of its last name.\n");
    if !listed.is_empty() {
        text.push_str(" *\n * Not asserted:\n");
        for line in &listed {
            text.push_str(&format!(" *   {}\n", harmless(line)));
        }
    }
    text.push_str(&format!(
        " */\n#ifndef {guard}\n#define {guard}\n\n{MACROS}"
    ));
    let mut add = |blocks: &[Vec<String>]| {
        for block in blocks {
            text.push('\n');
            for line in block {
                text.push_str(line);
                text.push('\n');
            }
        }
    };
    add(&plain);
    if !plus.is_empty() {
        add(&[vec!["#ifdef __cplusplus".to_owned()]]);
        add(&plus);
        add(&[vec!["#endif".to_owned()]]);
    }
    text.push_str("\n#undef ABI_CHECK_ASSERT\n#undef ABI_CHECK_ALIGNOF\n\n#endif\n");
    text
}

impl<'p> Chosen<'p> {
    fn in_language(&self, plus: bool) -> Chosen<'p> {
        let fits = |ty: &&&ProvedType| (ty.language == Language::Cplusplus) == plus;
        Chosen {
            types: self.types.iter().filter(fits).copied().collect(),
            others: self.others.clone(),
            unnamed: self.unnamed,
        }
    }
}

/// A name that cannot end a comment.
fn harmless(line: &str) -> String {
    line.replace("*/", "* /").replace("/*", "/ *")
}

/// A macro's name from that of the file.
fn guard(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let letter = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    format!("ABI_CHECK_{}", name.chars().map(letter).collect::<String>())
}

fn of(ty: &ProvedType, prefixes: &Prefixes) -> Written {
    match refusal(ty, prefixes) {
        Some(reason) => Written::Listed(reason.to_owned()),
        None => {
            let name = name(ty);
            let lines = lines(ty, &name);
            Written::Asserted(name, lines)
        }
    }
}

/// Why C has no such type.
fn refusal(ty: &ProvedType, prefixes: &Prefixes) -> Option<&'static str> {
    let own = ty.path.last().map_or("", String::as_str);
    let in_rust = ty.language == Language::Rust;
    let ordered = || {
        let places = ty.fields.iter().map(|field| field.bit_offset);
        places.is_sorted() || ty.form == TypeForm::Union
    };
    match () {
        () if ty.language == Language::Other => Some("neither of C nor of C++ nor of Rust"),
        () if ty.is_local => Some("a function encloses it"),
        () if in_rust && !own.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            Some("C has no generic types, closures or types that Rust itself makes")
        }
        () if in_rust && ty.in_type => Some("what a variant of an enum holds"),
        () if in_rust && ty.form == TypeForm::Variants => {
            Some("C has no enums whose variants hold something")
        }
        () if in_rust && prefixes.path(&ty.path.join("::")).is_none() => {
            Some("of another crate; --emit-prefix asserts it")
        }
        () if in_rust && ty.size == Some(0) => Some("C has no types of no size"),
        () if in_rust && !ordered() => {
            Some("its fields are not in the order of the source: no repr(C)")
        }
        () if in_rust && ty.form == TypeForm::Enumeration && ty.size != Some(4) => {
            Some("an enum that is no int")
        }
        () if in_rust => None,
        () if ty.is_builtin => Some("the compiler's own: no line of the source declares it"),
        () if own.contains('<') => Some("a template"),
        () if ty.language == Language::Cplusplus && ty.access != abi_check::Access::Public => {
            Some("private to the class that it is in")
        }
        () => None,
    }
}

fn name(ty: &ProvedType) -> String {
    let own = ty.path.last().map_or("", String::as_str);
    match (ty.language, ty.form) {
        (Language::Cplusplus, _) => ty.path.join("::"),
        _ if ty.is_typedef => own.to_owned(),
        (_, TypeForm::Union) => format!("union {own}"),
        (_, TypeForm::Enumeration) => format!("enum {own}"),
        _ => format!("struct {own}"),
    }
}

fn lines(ty: &ProvedType, name: &str) -> Vec<String> {
    let assert = |condition: String, what: &str| {
        format!("ABI_CHECK_ASSERT({condition}, \"{name}: {what}\");")
    };
    let mut lines = Vec::new();
    match ty.size {
        Some(size) => lines.push(assert(format!("sizeof({name}) == {size}"), "size")),
        None => lines.push(format!("/* {name}: its size is not known */")),
    }
    match ty.alignment {
        Some(alignment) => {
            let condition = format!("ABI_CHECK_ALIGNOF({name}) == {alignment}");
            lines.push(assert(condition, "alignment"));
        }
        None => lines.push(format!(
            "/* {name}: its alignment is not that of all sides */"
        )),
    }
    let member = |field: &ProvedField| member(ty, field);
    let naming = Naming {
        name: &member,
        unnamed_are_seen_through: true,
    };
    for found in naming.designate(ty) {
        lines.push(match found {
            Designated::At(path, bytes) => assert(
                format!("offsetof({name}, {path}) == {bytes}"),
                &format!("offset of {path}"),
            ),
            Designated::Not(text) => format!("/* {} */", harmless(&text)),
        });
    }
    for found in &ty.enumerators {
        let qualified = match ty.language {
            Language::Cplusplus => format!("{name}::{}", found.name),
            _ => found.name.clone(),
        };
        let (kind, value) = match (found.is_negative, u64::try_from(found.magnitude)) {
            (_, Err(_)) => {
                lines.push(format!("/* {qualified}: more than 64 bits */"));
                continue;
            }
            (true, Ok(value)) if value == 1 << 63 => {
                ("long long", "(-9223372036854775807ll - 1)".to_owned())
            }
            (true, Ok(value)) => ("long long", format!("-{value}ll")),
            (false, Ok(value)) if value >= 1 << 63 => ("unsigned long long", format!("{value}ull")),
            (false, Ok(value)) => ("long long", format!("{value}ll")),
        };
        let what = format!("value of {}", found.name);
        lines.push(assert(format!("({kind}){qualified} == {value}"), &what));
    }
    lines
}

/// What C calls a member.
fn member(ty: &ProvedType, field: &ProvedField) -> Result<String, String> {
    let name = field.name.as_deref().unwrap_or_default();
    if ty.language == Language::Rust {
        let positional = name
            .strip_prefix("__")
            .is_some_and(|rest| rest.parse::<u32>().is_ok());
        if positional || !name.is_ascii() || KEYWORDS.split_whitespace().any(|word| word == name) {
            return Err("no name in C".to_owned());
        }
    } else if ty.language == Language::Cplusplus {
        if field.access != abi_check::Access::Public {
            return Err("private".to_owned());
        }
        if name.starts_with("_vptr") {
            return Err("the compiler's own".to_owned());
        }
    }
    Ok(name.to_owned())
}
