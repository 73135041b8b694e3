//! How refusals are shown: colours when a terminal is to be served, JSON when a program is.

mod common;

use common::{Link, start};
use serde_json::Value;

/// A refusal of several kinds of lines.
fn refused() -> Link {
    Link::new()
        .c("start", &start())
        .c(
            "main",
            "int port(void);\nint answer(void) { return port(); }",
        )
        .c_on(0, "other", "int Port(void) { return 1; }")
}

/// What is said on stderr with these settings of the environment.
fn said(link: &Link, environment: &[(&str, &str)]) -> String {
    let mut command = link.command();
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
    command.envs(environment.iter().copied());
    let output = command.output().expect("fatld runs");
    assert_eq!(output.stdout, b"");
    String::from_utf8(output.stderr).expect("UTF-8")
}

/// The text without escape sequences of colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sequence, rest) = part.split_once('m').expect("an end of the sequence");
        assert!(sequence.starts_with('['), "{sequence}");
        out.push_str(rest);
    }
    out
}

#[test]
fn colours_change_nothing_but_the_look() {
    let bare = said(&refused(), &[]);
    assert!(!bare.contains('\x1b'));
    for flag in [
        "--color=always",
        "--color-diagnostics",
        "--color-diagnostics=always",
    ] {
        let colored = said(&refused().arg(flag), &[]);
        assert!(colored.starts_with("\x1b["), "{colored}");
        assert_eq!(plain(&colored), bare);
    }
}

#[test]
fn environment_decides_if_the_command_line_does_not() {
    let colored =
        |link: Link, environment: &[(&str, &str)]| said(&link, environment).contains('\x1b');
    // A pipe is no terminal.
    assert!(!colored(refused(), &[]));
    assert!(colored(refused(), &[("CLICOLOR_FORCE", "1")]));
    assert!(!colored(
        refused(),
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(colored(
        refused().arg("--color=always"),
        &[("NO_COLOR", "1")]
    ));
    for never in ["--color=never", "--no-color-diagnostics"] {
        assert!(!colored(refused().arg(never), &[("CLICOLOR_FORCE", "1")]));
    }
}

/// Objects of `--error-format=json`, one per line.
fn json(link: Link) -> Vec<Value> {
    let lines = said(&link.arg("--error-format=json"), &[("CLICOLOR_FORCE", "1")]);
    assert!(lines.ends_with('\n'));
    let objects = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    objects.collect()
}

#[test]
fn json_says_all_that_people_are_told() {
    let objects = json(refused());
    let rendered: Vec<_> = objects
        .iter()
        .filter_map(|o| o["rendered"].as_str())
        .collect();
    assert_eq!(rendered.join("\n\n") + "\n", said(&refused(), &[]));
    let codes: Vec<_> = objects.iter().filter_map(|o| o["code"].as_str()).collect();
    assert_eq!(codes, ["undefined-symbol", "undefined-symbol"]);
}

#[test]
fn an_undefined_symbol_in_json() {
    let mut objects = json(refused());
    let mut object = objects.pop().expect("an object");
    object
        .as_object_mut()
        .expect("an object")
        .remove("rendered");
    insta::assert_snapshot!(serde_json::to_string_pretty(&object).expect("JSON"), @r#"
    {
      "code": "undefined-symbol",
      "isa": "x86_64",
      "message": "undefined symbol: port (x86_64)",
      "notes": [
        "did you mean: Port"
      ],
      "places": [
        {
          "file": "x86_64/main.o",
          "isa": "x86_64",
          "member": null,
          "offset": 5,
          "part_of": "answer",
          "role": "reference",
          "section": ".text.answer",
          "source": {
            "file": "main.c",
            "line": 2
          }
        }
      ],
      "schema": 1,
      "severity": "error",
      "suggestions": [
        {
          "file": "x86_64/other.o",
          "kind": "spelling",
          "symbol": "Port"
        }
      ],
      "symbol": "port"
    }
    "#);
}

#[test]
fn every_object_has_the_common_fields() {
    let two_definitions = refused().c_on(0, "twice", "int answer(void) { return 2; }");
    let differing = Link::new()
        .c("start", &start())
        .c(
            "main",
            "int value = sizeof(long double); int answer(void) { return value; }",
        )
        .c_on(
            0,
            "data",
            "int shared = 1; int *use(void) { return &shared; }",
        )
        .c_on(
            1,
            "data",
            "int shared = 2; int *use(void) { return &shared; }",
        )
        .c(
            "root",
            "int *use(void); __attribute__((retain)) int *(*const root)(void) = use;",
        );
    let overflow = Link::new()
        .c("start", &start())
        .c("value", "int value = 1;")
        .c_with(
            "main",
            "extern int value; int *volatile kept; int answer(void) { kept = &value; return 1; }",
            [&["-fno-pie", "-mcmodel=small"], &[]],
        );
    let cases = [
        (refused(), "undefined-symbol"),
        (two_definitions, "duplicate-symbol"),
        (differing, "slice-mismatch"),
        (overflow, "relocation-overflow"),
        (refused().input(0, "nowhere.o".into()), "unreadable-file"),
        (refused().arg("-lnowhere"), "missing-library"),
        (refused().arg("--fast"), "usage"),
    ];
    for (link, code) in cases {
        let objects = json(link);
        assert!(!objects.is_empty());
        for object in objects {
            assert_eq!(object["code"], code);
            assert_eq!(
                (&object["schema"], &object["severity"]),
                (&1.into(), &"error".into())
            );
            let message = object["message"].as_str().expect("a message");
            let rendered = object["rendered"].as_str().expect("a text");
            assert_eq!(rendered.lines().next(), Some(&*format!("error: {message}")));
            for (field, is_right) in [
                (
                    "symbol",
                    object["symbol"].is_string() || object["symbol"].is_null(),
                ),
                ("isa", object["isa"].is_string() || object["isa"].is_null()),
                ("places", object["places"].is_array()),
                ("notes", object["notes"].is_array()),
            ] {
                assert!(object.get(field).is_some() && is_right, "{field}: {object}");
            }
        }
    }
}

#[test]
fn each_code_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
    let page = std::fs::read_to_string(page).expect("docs/errors.md");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/error.rs");
    let source = std::fs::read_to_string(source).expect("error.rs");
    let table = source
        .split("pub fn code(&self)")
        .nth(1)
        .expect("the table of codes");
    let table = table.split("pub fn ").next().unwrap_or_default();
    let codes: Vec<_> = table.split('"').skip(1).step_by(2).collect();
    assert!(codes.len() > 10);
    for code in codes {
        assert!(page.contains(&format!("\n| `{code}` | ")), "{code}");
    }
}

#[test]
fn the_last_object_counts_what_is_not_shown() {
    let objects = json(refused().arg("--error-limit=1"));
    let codes: Vec<_> = objects.iter().filter_map(|o| o["code"].as_str()).collect();
    assert_eq!(codes, ["undefined-symbol", "too-many-errors"]);
    assert_eq!(objects[1]["more"], 1);
}

#[test]
fn a_wrong_command_line_is_told_in_json_wherever_that_is_asked_for() {
    for line in [
        ["--error-format=json", "--fast"],
        ["--fast", "--error-format=json"],
    ] {
        let link = line.into_iter().fold(refused(), Link::arg);
        let object: Value = serde_json::from_str(&said(&link, &[])).expect("JSON");
        assert_eq!(object["code"], "usage");
    }
}

#[test]
fn a_name_cannot_move_the_cursor() {
    let link = Link::plain("x86_64").c("start", &start());
    let source = "int strange_name(void); int answer(void) { return strange_name(); }";
    let object = link.compile(0, "main", source, &["-g0"]);
    let mut bytes = std::fs::read(&object).expect("object");
    let at = bytes.windows(12).position(|name| name == b"strange_name");
    bytes[at.expect("the name") + 7] = 0x1b;
    std::fs::write(&object, bytes).expect("object written");
    let said = link.input(0, object).refused(1);
    assert!(
        said.starts_with("error: undefined symbol: strange\\x1bname\n"),
        "{said}"
    );
    assert!(!said.contains('\x1b'));
}
