//! The report as SARIF 2.1.0 (OASIS standard, 27 March 2020), for services that show findings in the source.
//!
//! A finding's place is that of the first side for which DWARF tells one; the other sides' are related locations. What is
//! unproved is a result of kind `open` with the level `none`, as §3.27.9 has it for what could not be decided.
//!
//! Invariant: every `ruleId` is the `id` of the rule that `ruleIndex` counts to.

use serde_json::{Value, json};

use super::{doubt, excuse, headline, hint::hint, quoted, reason_of, summary};
use crate::report::{Finding, Kind, Place, Report, Suppressed, Unproved, Verdict};

/// The rule of what could not be compared.
const UNPROVED: &str = "unproved";

impl Report {
    /// The report as one SARIF 2.1.0 document with a line feed at its end.
    pub fn to_sarif(&self) -> String {
        let findings = self
            .findings
            .iter()
            .map(|finding| self.sarif_finding(finding));
        let unproved = self
            .unproved
            .iter()
            .map(|unproved| self.sarif_unproved(unproved));
        super::pretty(&json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": env!("CARGO_PKG_NAME"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules(),
                } },
                "columnKind": "unicodeCodePoints",
                "invocations": [{
                    "executionSuccessful": true,
                    "toolExecutionNotifications": self.notifications(),
                }],
                "results": findings.chain(unproved).collect::<Vec<Value>>(),
            }],
        }))
    }

    /// What is no result: that nothing was compared, that compilers or their flags differ.
    fn notifications(&self) -> Vec<Value> {
        let notification =
            |level: &str, text: String| json!({ "level": level, "message": { "text": text } });
        let mut result = Vec::new();
        if self.verdict() == Verdict::NothingCompared {
            result.push(notification("error", summary(self)));
        }
        if self.compilers_differ() {
            result.push(notification("warning", super::COMPILERS_DIFFER.to_owned()));
        }
        let flags = super::flags(self, quoted);
        result.extend(flags.into_iter().map(|text| notification("warning", text)));
        result
    }

    fn sarif_finding(&self, finding: &Finding) -> Value {
        let sides = finding
            .sides
            .iter()
            .map(|view| format!("{}: {}", self.side(view.side), view.text));
        let sides: Vec<String> = sides.collect();
        let reason = reason_of(finding).map(|note| format!(" Reason: {}.", note.what));
        let text = format!(
            "{}. {}.{} Hint: {}.",
            headline(finding, quoted),
            sides.join("; "),
            reason.unwrap_or_default(),
            hint(self, finding)
        );
        let with_place = || {
            finding
                .sides
                .iter()
                .filter_map(|view| Some((view, view.place.as_ref()?)))
        };
        let name = [
            finding.type_name.as_str(),
            finding.member.as_deref().unwrap_or(""),
        ];
        let name = name
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("::");
        let mut result = json!({
            "ruleId": finding.kind.id(),
            "ruleIndex": rule_index(finding.kind),
            "kind": "fail",
            "level": finding.kind.severity().word(),
            "message": { "text": text },
            "partialFingerprints": { "finding/v1": format!("{}:{name}", finding.kind.id()) },
        });
        let mut location = json!({});
        if let Some((_, place)) = with_place().next() {
            location["physicalLocation"] = physical(place);
        }
        if !name.is_empty() {
            let kind = if finding.member.is_some() {
                "member"
            } else {
                "type"
            };
            location["logicalLocations"] = json!([{ "fullyQualifiedName": name, "kind": kind }]);
        }
        if location
            .as_object()
            .is_some_and(|location| !location.is_empty())
        {
            result["locations"] = json!([location]);
        }
        let related: Vec<Value> = with_place()
            .skip(1)
            .enumerate()
            .map(|(index, (view, place))| {
                json!({
                    "id": index + 1,
                    "physicalLocation": physical(place),
                    "message": { "text": format!("{}: {}", self.side(view.side), view.text) },
                })
            })
            .collect();
        if !related.is_empty() {
            result["relatedLocations"] = json!(related);
        }
        with_excuse(result, finding.suppressed.as_ref())
    }

    fn sarif_unproved(&self, unproved: &Unproved) -> Value {
        let result = json!({
            "ruleId": UNPROVED,
            "ruleIndex": Kind::ALL.len(),
            "kind": "open",
            "level": "none",
            "message": { "text": doubt(self, unproved, quoted) },
            "locations": [{ "logicalLocations": [{ "fullyQualifiedName": unproved.subject }] }],
        });
        with_excuse(result, unproved.suppressed.as_ref())
    }
}

fn with_excuse(mut result: Value, suppressed: Option<&Suppressed>) -> Value {
    if let Some(suppressed) = suppressed {
        let kind = match suppressed.in_source {
            true => "inSource",
            false => "external",
        };
        result["suppressions"] = json!([{ "kind": kind, "justification": excuse(suppressed) }]);
    }
    result
}

/// A rule for each kind, in their order, then that of what is unproved.
fn rules() -> Vec<Value> {
    let rule = |kind: &Kind| {
        let entry = kind.entry();
        json!({
            "id": entry.id,
            "name": format!("{kind:?}"),
            "shortDescription": { "text": format!("{}.", entry.title) },
            "fullDescription": { "text": entry.means },
            "help": { "text": format!("{}\n\n{}\n\n{}", entry.why, entry.example, entry.mend) },
            "defaultConfiguration": { "level": entry.severity.word() },
        })
    };
    let unproved = json!({
        "id": UNPROVED,
        "name": "Unproved",
        "shortDescription": { "text": "Something could not be compared." },
        "fullDescription": { "text": "The debug information does not tell whether the layouts are alike." },
        "defaultConfiguration": { "level": "none" },
    });
    Kind::ALL.iter().map(rule).chain([unproved]).collect()
}

fn rule_index(kind: Kind) -> usize {
    Kind::ALL.iter().take_while(|other| **other != kind).count()
}

fn physical(place: &Place) -> Value {
    let mut location = json!({ "artifactLocation": { "uri": uri(&place.file) } });
    // Lines of SARIF begin with 1.
    if place.line > 0 {
        location["region"] = json!({ "startLine": place.line });
    }
    location
}

/// A path as a URI: absolute ones with the scheme `file`, relative ones as relative references (RFC 3986, RFC 8089).
fn uri(path: &str) -> String {
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    let mut result = scheme.to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                result.push(char::from(byte));
            }
            _ => result.push_str(&format!("%{byte:02X}")),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("src/a b.c"), "src/a%20b.c");
        assert_eq!(
            uri("/usr/include/c++/12/new"),
            "file:///usr/include/c%2B%2B/12/new"
        );
        assert_eq!(uri("<built-in>"), "%3Cbuilt-in%3E");
        assert_eq!(uri("ü:x"), "%C3%BC%3Ax");
    }
}
