//! The Rust source: `const _: () = assert!(…)`, for `include!` or as a module of its own.
//!
//! Types of Rust are called by their paths, with the prefixes that were asked for; types of C by their names, which the
//! source that includes the file has in scope.
//!
//! Invariant: what is asserted needs nothing but `core`, and no feature.

use abi_check::{Access, Language, ProvedField, ProvedType, Report, TypeForm};

use super::prefix::Prefixes;
use super::{Chosen, Designated, Naming, Written, origin, written};

/// Words that stand for types in every module.
const PRIMITIVES: &str =
    "bool char str u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 const mut";
/// Keywords that a field can be called by only as `r#type`.
const KEYWORDS: &str = "abstract as async await become box break const continue do dyn else enum extern false final fn for \
    gen if impl in let loop macro match mod move mut override priv pub ref return static struct trait true try type typeof \
    unsafe unsized use virtual where while yield";
/// Keywords that not even that makes names.
const RESERVED: &str = "crate self super Self _";

/// The file's text.
pub(super) fn asserts(report: &Report, chosen: &Chosen<'_>, prefixes: &Prefixes) -> String {
    let hidden = |ty: &&&ProvedType| ty.language == Language::Rust && !prefixes.sees(ty, ty.access);
    let hidden: Vec<String> = chosen
        .types
        .iter()
        .filter(hidden)
        .map(|ty| ty.path.join("::"))
        .collect();
    let (asserted, listed) = written(chosen, |ty| of(ty, prefixes, &hidden));
    let mut lines = origin(report);
    lines.push(String::new());
    lines.extend(prefixes.lines());
    lines.push(
        "Types of C are called as they are in C: have mirrors of those names in scope.".to_owned(),
    );
    if !listed.is_empty() {
        lines.push(String::new());
        lines.push("Not asserted:".to_owned());
        lines.extend(listed.iter().map(|line| format!("  {line}")));
    }
    let mut text = String::new();
    for line in lines {
        text.push_str(format!("// {line}").trim_end());
        text.push('\n');
    }
    for block in asserted {
        text.push('\n');
        for line in block {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn of(ty: &ProvedType, prefixes: &Prefixes, hidden: &[String]) -> Written {
    match path(ty, prefixes, hidden) {
        Ok(path) => {
            let lines = lines(ty, &path, prefixes);
            Written::Asserted(path, lines)
        }
        Err(reason) => Written::Listed(reason),
    }
}

/// What Rust calls the type, or why it cannot.
fn path(ty: &ProvedType, prefixes: &Prefixes, hidden: &[String]) -> Result<String, String> {
    let full = ty.path.join("::");
    let refuse = |reason: &str| Err(reason.to_owned());
    match ty.language {
        Language::Other => refuse("neither of C nor of Rust"),
        Language::Cplusplus => refuse("of C++"),
        _ if ty.is_local => refuse("a function encloses it"),
        Language::C if ty.is_builtin => {
            refuse("the compiler's own: no line of the source declares it")
        }
        Language::C => Ok(identifier(&full).ok_or("a keyword of Rust")?),
        Language::Rust if ty.in_type => refuse("what a variant of an enum holds"),
        Language::Rust if full.contains('{') => {
            refuse("a closure, coroutine or constant has no path")
        }
        Language::Rust if ty.path.len() == 1 => refuse("a type that Rust itself makes"),
        Language::Rust
            if prefixes
                .path(&ty.path[..ty.path.len() - 1].join("::"))
                .is_none() =>
        {
            refuse("of another crate; --emit-prefix asserts it")
        }
        Language::Rust if hidden.contains(&full) => refuse("private to its module"),
        Language::Rust => arguments(&full, prefixes, hidden),
    }
}

/// A path with its generic arguments, all of them as they are called here.
fn arguments(full: &str, prefixes: &Prefixes, hidden: &[String]) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = full;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            if !"<>[](), ;&*-".contains(first) {
                return Err("an argument of it has no path".to_owned());
            }
            result.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, behind) = rest.split_at(length);
        rest = behind;
        let is_plain = word.starts_with(|c: char| c.is_ascii_digit())
            || PRIMITIVES.split_whitespace().any(|plain| plain == word);
        if is_plain {
            result.push_str(word);
            continue;
        }
        if hidden.iter().any(|hidden| hidden == word) {
            return Err(format!("`{word}` is private to its module"));
        }
        let path = prefixes.path(word);
        let path =
            path.ok_or_else(|| format!("`{word}` is of no crate that --emit-prefix names"))?;
        let parts: Option<Vec<String>> = path.split("::").map(segment).collect();
        result.push_str(&parts.ok_or("a keyword of Rust")?.join("::"));
    }
    Ok(result)
}

/// A part of a path, of which only the first ones may be keywords.
fn segment(name: &str) -> Option<String> {
    match name {
        "" | "crate" | "self" | "super" => Some(name.to_owned()),
        name => identifier(name),
    }
}

/// A name, so that it is no keyword.
fn identifier(name: &str) -> Option<String> {
    let is = |words: &str| words.split_whitespace().any(|word| word == name);
    match () {
        () if is(RESERVED) => None,
        () if is(KEYWORDS) => Some(format!("r#{name}")),
        () => Some(name.to_owned()),
    }
}

fn lines(ty: &ProvedType, path: &str, prefixes: &Prefixes) -> Vec<String> {
    let assert = |condition: String| format!("const _: () = assert!({condition});");
    let mut lines = Vec::new();
    match ty.size {
        Some(size) => lines.push(assert(format!(
            "::core::mem::size_of::<{path}>() == {size}"
        ))),
        None => lines.push(format!("// {path}: its size is not known")),
    }
    match ty.alignment {
        Some(alignment) => {
            lines.push(assert(format!(
                "::core::mem::align_of::<{path}>() == {alignment}"
            )));
        }
        None => lines.push(format!("// {path}: its alignment is not that of all sides")),
    }
    let member = |field: &ProvedField| match ty.language {
        Language::Rust if !sees_field(ty, field, prefixes) => Err("private".to_owned()),
        _ => field_name(ty, field),
    };
    let naming = Naming {
        name: &member,
        unnamed_are_seen_through: false,
    };
    for found in naming.designate(ty) {
        lines.push(match found {
            Designated::At(field, bytes) => assert(format!(
                "::core::mem::offset_of!({path}, {field}) == {bytes}"
            )),
            Designated::Not(text) => format!("// {text}"),
        });
    }
    for found in &ty.enumerators {
        let Some(name) = identifier(&found.name) else {
            lines.push(format!("// {}: a keyword of Rust", found.name));
            continue;
        };
        let sign = if found.is_negative { "-" } else { "" };
        let number = match found.magnitude > i128::MAX as u128 && !found.is_negative {
            true => "u128",
            false => "i128",
        };
        let value = found.magnitude;
        lines.push(assert(format!(
            "{path}::{name} as {number} == {sign}{value}"
        )));
    }
    if ty.form == TypeForm::Variants {
        lines.push("// the fields of its variants: offset_of! names none of them".to_owned());
    }
    lines
}

/// Fields of enumerations and the like have no access of their own.
fn sees_field(ty: &ProvedType, field: &ProvedField, prefixes: &Prefixes) -> bool {
    field.access == Access::Public || prefixes.sees(ty, field.access)
}

/// What Rust calls a field: those of tuples have numbers.
fn field_name(ty: &ProvedType, field: &ProvedField) -> Result<String, String> {
    let name = field.name.as_deref().unwrap_or_default();
    let number = name
        .strip_prefix("__")
        .filter(|rest| rest.parse::<u32>().is_ok());
    match number {
        Some(number) if ty.language == Language::Rust => Ok(number.to_owned()),
        _ => identifier(name).ok_or_else(|| "a keyword of Rust".to_owned()),
    }
}
