//! Outcome of the self-test, as text for the console and as JSON.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// One check across the CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// ISA that made the thing, and ISA that used it.
    pub direction: (&'static str, &'static str),
    /// Whether it was as it must be.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = self.direction;
        let verdict = if self.ok { "ok" } else { "FAILED" };
        write!(
            f,
            "self-test: {:<24} {from:>8} -> {to:<8} {verdict}: {}",
            self.name, self.detail
        )
    }
}

/// All checks of a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order they ran.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether every check passed, and there was one.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.ok)
    }

    /// The document behind `GET /selftest.json`.
    pub fn json(&self) -> String {
        let mut json = alloc::format!("{{\"passed\": {}, \"checks\": [", self.passed());
        for (index, check) in self.checks.iter().enumerate() {
            let (from, to) = check.direction;
            let comma = if index == 0 { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(
                json,
                "{comma}\n  {{\"name\": {}, \"direction\": {}, \"ok\": {}, \"detail\": {}}}",
                Quoted(check.name),
                Quoted(&alloc::format!("{from}->{to}")),
                check.ok,
                Quoted(&check.detail),
            );
        }
        json.push_str("\n]}\n");
        json
    }
}

/// A JSON string (RFC 8259, 7).
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(char))?,
                _ => f.write_char(char)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_all_and_text_is_escaped() {
        let check = |ok| Check {
            name: "a\"b",
            direction: ("x", "y"),
            ok,
            detail: String::from("c\n\\"),
        };
        assert!(
            !Report::default().passed(),
            "nothing checked is nothing proved"
        );
        let report = Report {
            checks: alloc::vec![check(true), check(false)],
        };
        assert!(!report.passed());
        let entry = |ok| {
            alloc::format!(
                "\n  {{\"name\": \"a\\\"b\", \"direction\": \"x->y\", \"ok\": {ok}, \"detail\": \"c\\u000a\\\\\"}}"
            )
        };
        let expected = alloc::format!(
            "{{\"passed\": false, \"checks\": [{},{}\n]}}\n",
            entry(true),
            entry(false)
        );
        assert_eq!(report.json(), expected);
    }
}
