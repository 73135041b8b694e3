//! The map, as text and as JSON: snapshots with the numbers blanked out, which are the compilers' doing, and what the
//! numbers must be.

mod common;

use std::collections::BTreeMap;

use common::{Link, Linked, start};
use goblin::elf::Elf;
use serde_json::Value;

const COMMON: &str = r#"
    static int twice(int x) { return 2 * x; }
    int more(int x) { return x + 1; }
    int (*table[])(int) = { twice, more };
    const char *names[] = { "twice", "more" };
    int counter = 5; int zeros[10]; const long limit = 42;
    volatile int at; int nobody_needs_it = 1;
"#;

fn program() -> Link {
    let main = "int answer(void) { zeros[1] = counter; return table[at](1) + names[at][0] + limit + own; }";
    let source = |extra: &str| format!("{COMMON} {extra} {main}");
    let first =
        "int first_only = 3; int own_x(int x) { return first_only + x; }\n#define own own_x(1)\n";
    let second = "int second_only = 4;\n#define own second_only\n";
    let link = Link::new().c("start", &start());
    link.c_on(0, "main", &source(first))
        .c_on(1, "main", &source(second))
}

fn json(linked: &Linked) -> Value {
    serde_json::from_str(&linked.map()).expect("JSON")
}

fn address(value: &Value) -> u64 {
    let text = value.as_str().expect("an address is a string");
    u64::from_str_radix(text.strip_prefix("0x").expect("hexadecimal"), 16).expect("a number")
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}

/// Numbers become `#`, and what stands between columns one space.
fn blank(map: &str) -> String {
    let is_number = |word: &str| {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_hexdigit())
            || word.starts_with("0x")
    };
    let blank = |word| if is_number(word) { "#" } else { word };
    let lines = map.lines().map(|line| {
        line.split_whitespace()
            .map(blank)
            .collect::<Vec<_>>()
            .join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Numbers and addresses of a JSON value become `#`.
fn blank_json(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(blank_json),
        Value::Object(fields) => fields.values_mut().for_each(blank_json),
        Value::Number(_) => *value = "#".into(),
        Value::String(text) if text.starts_with("0x") => *value = "#".into(),
        _ => {}
    }
}

#[test]
fn a_map_shows_the_isas_side_by_side() {
    insta::assert_snapshot!(blank(&program().ok().map()));
}

#[test]
fn as_json_it_says_the_same() {
    let mut map = json(&program().arg("--map-format=json").ok());
    blank_json(&mut map);
    insta::assert_snapshot!(serde_json::to_string_pretty(&map).expect("text"));
}

#[test]
fn a_plain_link_has_neither_arrays_nor_shared_data() {
    let link = Link::plain("x86_64").c("start", &start());
    let linked = link
        .c(
            "main",
            &format!("{COMMON} int answer(void) {{ return table[at](1); }}"),
        )
        .arg("--gc-sections")
        .ok();
    insta::assert_snapshot!(blank(&linked.map()));
}

/// Symbols of a view by name.
fn view(linked: &Linked, isa: &str) -> BTreeMap<String, (u64, u64)> {
    let bytes = std::fs::read(linked.link.path(&format!("{isa}.elf"))).expect("view");
    let elf = Elf::parse(&bytes).expect("goblin reads the view");
    let symbols = elf.syms.iter().map(|s| {
        let name = elf.strtab.get_at(s.st_name).unwrap_or_default();
        (name.to_owned(), (s.st_value, s.st_size))
    });
    symbols.collect()
}

#[test]
fn functions_and_data_are_where_the_views_have_them() {
    let linked = program().arg("--map-format=json").ok();
    let map = json(&linked);
    let isas = ["x86_64", "riscv64"];
    let views = isas.map(|isa| view(&linked, isa));
    let place = |of: &Value| {
        (
            address(&of["address"]),
            of["size"].as_u64().expect("a size"),
        )
    };
    let mut seen = 0;
    for function in each(&map["functions"]) {
        let symbol = function["symbol"].as_str().expect("a name");
        for (code, view) in each(&function["code"]).zip(&views) {
            let expected = view.get(symbol).copied();
            assert_eq!((!code.is_null()).then(|| place(code)), expected, "{symbol}");
            seen += usize::from(expected.is_some());
        }
        let gate = views[0]
            .get(&format!("__gate.{symbol}"))
            .map(|(address, _)| *address);
        assert_eq!(
            (!function["gate"].is_null()).then(|| address(&function["gate"])),
            gate
        );
    }
    // _start, twice, more, answer on both; own_x on one.
    assert!(seen >= 9, "{map:#}");
    for datum in each(&map["shared_data"]) {
        let symbol = datum["symbol"].as_str().expect("a name");
        assert!(
            views.iter().all(|view| view[symbol] == place(datum)),
            "{symbol}"
        );
        assert!(each(&datum["files"]).all(|file| file == "main.o"));
    }
    assert_eq!(each(&map["shared_data"]).count(), 5);
    for datum in each(&map["private_data"]) {
        let symbol = datum["symbol"].as_str().expect("a name");
        let at = isas
            .iter()
            .position(|isa| datum["isa"] == *isa)
            .expect("an ISA");
        assert_eq!(views[at][symbol], place(datum));
    }
}

#[test]
fn constants_and_what_is_stored_once_are_counted() {
    let source = r#"
        const char *words[] = { "countingsheep", "countingsheep", "sheep" }; volatile int at;
        int answer(void) { return words[at][0]; }
    "#;
    let link = Link::new().c("start", &start()).c("main", source);
    let map = json(&link.arg("--map-format=json").ok());
    let constants = &map["constants"];
    // The array and `at` besides. Compilers merge equal strings of one file, so each ISA has two: "sheep" is the end of the other,
    // eight bytes from its beginning as some compilers align them.
    assert_eq!(
        constants["shared"],
        serde_json::json!({ "count": 1, "bytes": 14 })
    );
    assert_eq!(
        constants["duplicates"],
        serde_json::json!({ "count": 1, "bytes": 14 })
    );
    assert_eq!(
        constants["tails"],
        serde_json::json!({ "count": 2, "bytes": 12 })
    );
    assert_eq!(
        constants["shared_copies"],
        serde_json::json!({ "count": 2, "bytes": 28 })
    );
}

#[test]
fn the_map_names_no_folder() {
    let linked = program().arg("--map-format=json").ok();
    let folder = linked.link.dir.path().to_str().expect("UTF-8").to_owned();
    for map in [linked.map(), program().ok().map()] {
        assert!(
            !map.contains(&folder) && !map.contains("x86_64/main.o"),
            "{map}"
        );
    }
}

#[test]
fn an_unknown_format_is_refused() {
    let said = program().arg("-Map=map").arg("--map-format=xml").refused(2);
    assert!(said.contains("--map-format"), "{said}");
}
