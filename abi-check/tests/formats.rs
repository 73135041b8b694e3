//! What a report looks like in each format, made from what gcc writes.

mod support;

use std::collections::BTreeSet;

use abi_check::{Kind, Look, Report};
use serde_json::Value;
use support::{Scratch, compare, gcc, rustc};

/// What differs: a field's type, an alignment, the sign of `char`, an enumerator; and what cannot be compared.
const SOURCE: &str = "
#ifdef B
#define WIDE __attribute__((aligned(64)))
typedef int count;
enum kind { PLAIN = 1, ODD = 5 };
#else
#define WIDE
typedef long count;
enum kind { PLAIN = 1, ODD = 3 };
int only_here;
#endif
struct inner { char flag; long n; };
struct counters { char flag; count hits; short last; };
struct outer { struct counters counters; enum kind kind; } first;
struct WIDE line { int head; } second;
struct hidden;
struct hidden *third;
#line 7 \"/usr/src/a b.h\"
struct named { char text[LENGTH]; char end; } fourth;
";

/// A report of two sides whose compilers have names that do not depend on the machine.
fn report(name: &str) -> Report {
    let scratch = Scratch::new(name);
    let a = gcc(&scratch, "a", SOURCE, &["-DLENGTH=4"]);
    let b = gcc(
        &scratch,
        "b",
        SOURCE,
        &["-DLENGTH=8", "-DB", "-funsigned-char"],
    );
    let mut report = compare(&[&a, &b]);
    for producer in &mut report.producers {
        assert!(producer.text.starts_with("GNU C"), "{}", producer.text);
        producer.text = "GNU C".to_owned();
    }
    report
}

fn array(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("an array: {value}"))
}

fn string(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a string: {value}"))
}

#[test]
fn as_text() {
    insta::assert_snapshot!(report("as_text").to_string());
}

#[test]
fn what_differs_is_coloured_and_nothing_else() {
    let report = report("coloured");
    let look = Look {
        color: true,
        ..Look::default()
    };
    let coloured = report.to_text(look);
    let (mut plain, mut marked) = (String::new(), Vec::new());
    for (index, part) in coloured.split('\x1b').enumerate() {
        let (sequence, text) = match index {
            0 => ("", part),
            _ => part.split_once('m').expect("a sequence ends"),
        };
        // Bold and red come as two sequences; the second one is followed by the text.
        if sequence == "[31" {
            marked.push(text);
        }
        plain.push_str(text);
    }
    assert_eq!(plain, report.to_string());
    for text in ["long ", "8", "16", "alignment", "64", "signed", "unsigned"] {
        let found = marked.iter().any(|part| part.trim() == text.trim());
        assert_eq!(found, text != "alignment", "{text}: {marked:?}");
    }
}

#[test]
fn in_a_narrow_terminal() {
    let scratch = Scratch::new("narrow");
    let source = "
        struct with_a_very_long_name_that_says_little { VALUE value; struct s *__attribute__((aligned(8))) next; };
        struct s { unsigned long long same_on_both_sides_and_long; struct with_a_very_long_name_that_says_little held; } x;
        enum e { FIRST_OF_SOME = 1, SECOND_OF_SOME = V, THIRD_OF_SOME = V + 1, FOURTH_OF_SOME } y;";
    let a = gcc(&scratch, "a", source, &["-DVALUE=unsigned short", "-DV=2"]);
    let b = gcc(&scratch, "b", source, &["-DVALUE=unsigned char", "-DV=12"]);
    let mut report = compare(&[&a, &b]);
    report.producers.clear();
    let text = report.to_text(Look {
        width: 56,
        color: false,
    });
    insta::assert_snapshot!(text);
}

#[test]
fn padding_between_members_without_names_is_shown_once() {
    let source = "struct s { char a; union { int b; }; char c; union { int d; }; M e; } x;";
    let scratch = Scratch::new("padding");
    let a = gcc(&scratch, "a", source, &["-DM=int"]);
    let b = gcc(&scratch, "b", source, &["-DM=float"]);
    let text = compare(&[&a, &b]).to_string();
    for padding in ["1[3] padding", "9[3] padding"] {
        let row = |line: &&str| line.matches(padding).count() == 2;
        assert_eq!(text.lines().filter(row).count(), 1, "{text}");
    }
}

#[test]
fn hints_speak_the_language_of_the_source() {
    let source = "
        #[cfg_attr(b, repr(align(128)))] #[cfg_attr(not(b), repr(align(64)))] pub struct Pad(pub u8);
        #[cfg(not(b))] #[repr(C)] pub struct Order { pub a: u32, pub c: u32 }
        #[cfg(b)] #[repr(C)] pub struct Order { pub c: u32, pub a: u32 }
        pub struct Width { pub n: Count }
        #[cfg(b)] pub type Count = usize;
        #[cfg(not(b))] pub type Count = u32;
        #[unsafe(no_mangle)] pub static X: Pad = Pad(1);
        #[unsafe(no_mangle)] pub static Y: Order = Order { a: 1, c: 2 };
        #[unsafe(no_mangle)] pub static Z: Width = Width { n: 3 };";
    let scratch = Scratch::new("hints");
    let (a, _) = rustc(&scratch, "a", source, &[]);
    let (b, _) = rustc(&scratch, "b", source, &["--cfg=b"]);
    let text = compare(&[&a, &b]).to_string();
    for hint in [
        "hint: put `#[repr(C, align(128))]` on `app::Pad`, the largest alignment of all sides\n",
        "hint: put `#[repr(C)]` on `app::Order`, so that its fields keep their order\n",
        "hint: the size of `usize` is the target's choice; use `u64`\n",
    ] {
        assert!(text.contains(hint), "{hint}{text}");
    }
}

#[test]
fn as_json() {
    let text = report("as_json").to_json();
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["schema"], 1);
    assert_eq!(document["verdict"], "mismatch");
    insta::assert_snapshot!(text);
}

#[test]
fn as_markdown() {
    insta::assert_snapshot!(report("as_markdown").to_markdown());
}

#[test]
fn as_sarif() {
    let text = report("as_sarif").to_sarif();
    let document: Value = serde_json::from_str(&text).expect("JSON");
    // The rules are the table of kinds, which has tests of its own.
    let mut results = document["runs"][0].clone();
    results.as_object_mut().expect("an object").remove("tool");
    insta::assert_snapshot!(serde_json::to_string_pretty(&results).expect("JSON"));
}

/// Required properties and value sets of the SARIF 2.1.0 schema, by hand.
#[test]
fn sarif_has_what_its_schema_requires() {
    let document: Value = serde_json::from_str(&report("sarif").to_sarif()).expect("JSON");
    assert_eq!(document["version"], "2.1.0");
    assert!(string(&document["$schema"]).ends_with("sarif-2.1.0.json"));
    assert_eq!(array(&document["runs"]).len(), 1);
    let run = &document["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "abi-check");
    assert!(run["invocations"][0]["executionSuccessful"].is_boolean());
    for notification in array(&run["invocations"][0]["toolExecutionNotifications"]) {
        string(&notification["message"]["text"]);
    }
    let levels = ["none", "note", "warning", "error"];
    let rules = array(&driver["rules"]);
    let mut ids = BTreeSet::new();
    for rule in rules {
        assert!(ids.insert(string(&rule["id"])), "ids are unique: {rule}");
        assert!(!string(&rule["shortDescription"]["text"]).is_empty());
        assert!(levels.contains(&string(&rule["defaultConfiguration"]["level"])));
    }
    for kind in Kind::ALL {
        assert!(ids.contains(kind.id()), "{}", kind.id());
    }
    let results = array(&run["results"]);
    assert!(results.len() >= 6, "{results:?}");
    let (mut absolute, mut relative, mut related) = (0, 0, 0);
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("a number");
        assert_eq!(rules[index as usize]["id"], result["ruleId"], "{result}");
        assert!(!string(&result["message"]["text"]).is_empty());
        assert!(levels.contains(&string(&result["level"])));
        // Of results of other kinds than `fail`, the level shall be `none` (§3.27.10).
        assert_eq!(
            result["kind"] != "fail",
            result["level"] == "none",
            "{result}"
        );
        let mut locations = array(&result["locations"]).clone();
        if let Some(others) = result.get("relatedLocations") {
            related += 1;
            locations.extend(array(others).iter().cloned());
        }
        for location in &locations {
            let Some(physical) = location.get("physicalLocation") else {
                assert!(!array(&location["logicalLocations"]).is_empty());
                continue;
            };
            let uri = string(&physical["artifactLocation"]["uri"]);
            assert!(!uri.contains([' ', '<', '>', '\\']), "{uri}");
            match uri {
                "file:///usr/src/a%20b.h" => absolute += 1,
                "app.c" => relative += 1,
                _ => panic!("{uri}"),
            }
            assert!(
                physical["region"]["startLine"].as_u64() >= Some(1),
                "{physical}"
            );
        }
    }
    assert!(
        absolute >= 2 && relative >= 2 && related >= 2,
        "{absolute} {relative} {related}"
    );
}

/// The documentation lists every kind, in order, as the table of kinds has it.
#[test]
fn the_documentation_lists_all_kinds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/abi-check.md");
    let text = std::fs::read_to_string(path).expect("the documentation is there");
    let listed: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| AC"))
        .collect();
    let rows = Kind::ALL.iter().map(|kind| {
        let entry = kind.entry();
        let severity = format!("{:?}", entry.severity).to_lowercase();
        format!("| {} | {severity} | {} |", entry.id, entry.title)
    });
    assert_eq!(listed, rows.collect::<Vec<_>>());
}

/// Every field that JSON has is in the documentation's tables.
#[test]
fn the_documentation_describes_every_field_of_json() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/abi-check.md");
    let documentation = std::fs::read_to_string(path).expect("the documentation is there");
    let document: Value = serde_json::from_str(&report("fields").to_json()).expect("JSON");
    let mut todo = vec![&document];
    while let Some(value) = todo.pop() {
        if let Value::Array(items) = value {
            todo.extend(items);
        }
        let Value::Object(fields) = value else {
            continue;
        };
        for (name, value) in fields {
            let described = [
                format!("`{name}`"),
                format!(".{name}`"),
                format!("`{name}[]."),
                format!("`{name}."),
            ];
            assert!(
                described.iter().any(|text| documentation.contains(text)),
                "{name}"
            );
            todo.push(value);
        }
    }
}
