//! What is known and borne: entries of `abi-check.toml`, and comments in the source.
//!
//! A comment stands in the line of a declaration or in the comment lines before it:
//! `// abi-check: allow(AC0003, until 2027-01-31) both CPUs go through read_ring()`.
//!
//! Invariant: nothing is suppressed without a reason and a day, and nothing after that day; what no longer helps is told.

use std::collections::BTreeMap;

use abi_check::{Finding, Issue, Kind, Place, Report, Suppressed};
use jiff::civil::Date;

use crate::config::Config;

/// What begins a comment's sentence.
const MARK: &str = "abi-check: allow(";

/// Suppresses what is to be, and says what of that is void: a line each.
pub(crate) fn apply(config: &Config, report: &mut Report) -> Vec<String> {
    let today = jiff::Zoned::now().date();
    let mut notes = Vec::new();
    let mut live = Vec::new();
    for entry in &config.suppress {
        let origin = config.origin.of(entry);
        let until = entry.get_ref().expires.to_string();
        match is_over(&until, today) {
            Some(true) => notes.push(format!(
                "warning: {origin}: expired on {until}, and is void"
            )),
            _ => live.push((entry.get_ref(), origin, until, false)),
        }
    }
    let mut comments = Comments::default();
    report.suppress(&mut |issue| {
        let (id, name, member) = match issue {
            Issue::Finding(finding) => {
                let name = &finding.type_name;
                (finding.kind.id(), name.as_str(), finding.member.as_deref())
            }
            Issue::Unproved(unproved) => (unproved.reason.word(), unproved.subject.as_str(), None),
        };
        // A finding about a static itself has its name as the member.
        let (name, member) = match (name, member) {
            ("", Some(root)) => (root, None),
            other => other,
        };
        let of_file = live
            .iter_mut()
            .find(|(entry, ..)| entry.is_about(id, name, member));
        if let Some((entry, origin, until, used)) = of_file {
            *used = true;
            return Some(Suppressed {
                reason: entry.reason.clone(),
                until: Some(until.clone()),
                origin: origin.clone(),
                in_source: false,
            });
        }
        match issue {
            Issue::Finding(finding) => comments.about(finding, today),
            Issue::Unproved(_) => None,
        }
    });
    for (_, origin, ..) in live.iter().filter(|(.., used)| !used) {
        notes.push(format!("warning: {origin}: nothing is suppressed by this"));
    }
    notes.append(&mut comments.notes);
    notes
}

/// Whether a day is past; `None` if it is none.
fn is_over(day: &str, today: Date) -> Option<bool> {
    Some(day.parse::<Date>().ok()? < today)
}

/// Comments of sources, which are read once.
#[derive(Default)]
struct Comments {
    sources: BTreeMap<String, Option<Vec<String>>>,
    notes: Vec<String>,
}

impl Comments {
    fn about(&mut self, finding: &Finding, today: Date) -> Option<Suppressed> {
        let mut places: Vec<&Place> = finding
            .sides
            .iter()
            .filter_map(|view| view.place.as_ref())
            .collect();
        places.sort();
        places.dedup();
        places
            .into_iter()
            .find_map(|place| self.at(place, finding.kind, today))
    }

    fn at(&mut self, place: &Place, kind: Kind, today: Date) -> Option<Suppressed> {
        let Comments { sources, notes } = self;
        let lines = sources.entry(place.file.clone()).or_insert_with(|| {
            let text = std::fs::read(&place.file).ok()?;
            Some(
                String::from_utf8_lossy(&text)
                    .lines()
                    .map(str::to_owned)
                    .collect(),
            )
        });
        let lines = lines.as_ref()?;
        let declared = usize::try_from(place.line).ok()?.checked_sub(1)?;
        let before = (0..declared)
            .rev()
            .take_while(|at| lines.get(*at).is_some_and(|line| is_comment(line)));
        for at in std::iter::once(declared).chain(before) {
            let origin = format!("{}:{}", place.file, at + 1);
            let Some(allowance) = lines.get(at).and_then(|line| Allowance::find(line)) else {
                continue;
            };
            match allowance {
                Err(problem) => note(notes, format!("warning: {origin}: {problem}")),
                Ok(found) if !found.ids.contains(&kind) => {}
                Ok(found) if is_over(&found.until, today) == Some(true) => {
                    note(
                        notes,
                        format!("warning: {origin}: expired on {}, and is void", found.until),
                    );
                }
                Ok(found) => {
                    return Some(Suppressed {
                        reason: found.reason,
                        until: Some(found.until),
                        origin,
                        in_source: true,
                    });
                }
            }
        }
        None
    }
}

fn note(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "/*", "*", "#["]
        .iter()
        .any(|start| line.starts_with(start))
}

/// What a comment allows.
#[derive(Debug, PartialEq, Eq)]
struct Allowance {
    ids: Vec<Kind>,
    until: String,
    reason: String,
}

impl Allowance {
    /// The first one in a line, or what is wrong with it.
    fn find(line: &str) -> Option<Result<Allowance, String>> {
        let (_, rest) = line.split_once(MARK)?;
        Some(Allowance::parse(rest))
    }

    fn parse(text: &str) -> Result<Allowance, String> {
        let example = "expected `abi-check: allow(AC0003, until 2027-01-31) reason`";
        let (list, reason) = text.split_once(')').ok_or(format!("no `)`: {example}"))?;
        let (mut ids, mut until) = (Vec::new(), None);
        for part in list.split(',').map(str::trim) {
            match (part.strip_prefix("until "), Kind::from_id(part)) {
                (Some(day), _) if day.trim().parse::<Date>().is_ok() => until = Some(day.trim()),
                (None, Some(kind)) => ids.push(kind),
                _ => {
                    return Err(format!(
                        "`{part}` is neither a kind of finding nor a day: {example}"
                    ));
                }
            }
        }
        let reason = reason.trim_start_matches(':').trim_end_matches("*/").trim();
        match (until, reason.is_empty()) {
            (None, _) => Err(format!("no day: {example}")),
            (_, true) => Err(format!("no reason: {example}")),
            (Some(day), false) => Ok(Allowance {
                ids,
                until: day.to_owned(),
                reason: reason.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_names_kinds_a_day_and_a_reason() {
        let found = Allowance::find(
            "/* abi-check: allow(AC0003, AC0002, until 2027-01-31): padded by hand */",
        );
        let expected = Allowance {
            ids: vec![Kind::FieldOffset, Kind::Alignment],
            until: "2027-01-31".to_owned(),
            reason: "padded by hand".to_owned(),
        };
        assert_eq!(found, Some(Ok(expected)));
        assert_eq!(Allowance::find("// nothing of the kind"), None);
    }

    #[test]
    fn a_comment_without_day_or_reason_is_void_and_says_so() {
        for (line, problem) in [
            ("// abi-check: allow(AC0003) why", "no day"),
            ("// abi-check: allow(AC0003, until 2027-01-31)", "no reason"),
            (
                "// abi-check: allow(AC9999, until 2027-01-31) why",
                "`AC9999`",
            ),
            (
                "// abi-check: allow(AC0003, until 2027-02-31) why",
                "`until 2027-02-31`",
            ),
            ("// abi-check: allow(AC0003", "no `)`"),
        ] {
            let error = Allowance::find(line).expect("it is one").expect_err(line);
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_day_is_over_when_the_next_one_has_begun() {
        let day = |text: &str| text.parse::<Date>().expect("a day");
        assert_eq!(is_over("2027-01-31", day("2027-01-31")), Some(false));
        assert_eq!(is_over("2027-01-31", day("2027-02-01")), Some(true));
    }
}
