//! Names as people read them: demangled, and never able to draw on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// A symbol's name for people: demangled, without the crate's hash.
pub fn demangle(name: &str) -> String {
    printable(&demangled(name).unwrap_or_else(|| name.to_owned())).into_owned()
}

/// The path or signature that a mangled name stands for, by the scheme of Rust or of C++.
pub fn demangled(name: &str) -> Option<String> {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return Some(format!("{rust:#}"));
    }
    if !name.starts_with("_Z") {
        return None;
    }
    let symbol = cpp_demangle::Symbol::new(name).ok()?;
    symbol.demangle().ok()
}

/// The text with control characters escaped: names come from files, and what a terminal does comes from us.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_three_languages() {
        assert_eq!(demangle("plain"), "plain");
        assert_eq!(
            demangle("_ZN4core3fmt5write17h0123456789abcdefE"),
            "core::fmt::write"
        );
        assert_eq!(demangle("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
        assert_eq!(demangle("_Z3addiPKc"), "add(int, char const*)");
        assert_eq!(demangle("_Z"), "_Z");
    }

    #[test]
    fn a_name_cannot_write_lines_of_its_own() {
        assert_eq!(demangle("a\nerror: b\x1b[31m"), "a\\x0aerror: b\\x1b[31m");
    }
}
