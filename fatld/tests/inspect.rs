//! `fatld inspect`: what it says of an image, against what goblin and the views say.

mod common;

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::process::{Command, Output};

use common::{Link, Linked, start};
use goblin::elf::Elf;
use serde_json::Value;
use testsuite::damage::{Random, Sound};

const PROGRAM: &str = r#"
    static int twice(int x) { return 2 * x; }
    int more(int x) { return x + 1; }
    int (*const table[])(int) = { twice, more };
    int counter = 5; int zeros[10]; volatile int at;
    int answer(void) { zeros[1] = counter; return table[at](zeros[1]); }
"#;

fn program() -> Linked {
    let own = "int own[4] = { 3 };";
    let user = "extern int own[]; int use(void); int use(void) { return own[0]; }";
    let linked = Link::new().c("start", &start()).c("main", PROGRAM);
    let linked = linked.c_on(1, "own", own).c_on(1, "user", user);
    linked.ok()
}

fn inspect(linked: &Linked, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fatld"));
    command.current_dir(linked.link.dir.path()).arg("inspect");
    command.args(arguments).output().expect("fatld runs")
}

fn said(output: &Output) -> String {
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn json(linked: &Linked) -> Value {
    serde_json::from_str(&said(&inspect(linked, &["out.fat", "--json"]))).expect("JSON")
}

fn address(value: &Value) -> u64 {
    let text = value.as_str().expect("an address is a string");
    u64::from_str_radix(text.strip_prefix("0x").expect("hexadecimal"), 16).expect("a number")
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}

#[test]
fn sections_are_those_of_the_file() {
    let linked = program();
    let elf = Elf::parse(&linked.image).expect("goblin reads the image");
    let expected: Vec<_> = elf
        .section_headers
        .iter()
        .filter(|s| s.is_alloc())
        .map(|s| {
            let name = elf.shdr_strtab.get_at(s.sh_name).expect("a name");
            // goblin knows no physical addresses of sections: the segment has it.
            let load = elf.program_headers.iter().find(|p| {
                p.p_type == goblin::elf::program_header::PT_LOAD
                    && p.vm_range().contains(&(s.sh_addr as usize))
                    && (s.sh_type == goblin::elf::section_header::SHT_NOBITS
                        || p.file_range().contains(&(s.sh_offset as usize)))
            });
            let load = load.expect("a segment");
            let physical = load.p_paddr + (s.sh_addr - load.p_vaddr);
            (name.to_owned(), s.sh_addr, physical, s.sh_size)
        })
        .collect();
    let found: Vec<_> = each(&json(&linked)["sections"])
        .map(|s| {
            (
                s["name"].as_str().expect("a name").to_owned(),
                address(&s["address"]),
                address(&s["physical"]),
                s["size"].as_u64().expect("a size"),
            )
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn arrays_have_the_code_that_the_views_name() {
    let linked = program();
    let json = json(&linked);
    let names: Vec<_> = each(&json["arrays"])
        .map(|a| a["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["more", "twice"]);
    for isa in ["x86_64", "riscv64"] {
        let bytes = std::fs::read(linked.link.path(&format!("{isa}.elf"))).expect("view");
        let view = Elf::parse(&bytes).expect("goblin reads the view");
        let symbols: BTreeMap<_, _> = view
            .syms
            .iter()
            .map(|s| {
                (
                    view.strtab.get_at(s.st_name).unwrap_or_default(),
                    s.st_value,
                )
            })
            .collect();
        for array in each(&json["arrays"]) {
            let name = array["name"].as_str().expect("a name");
            let gate = symbols[format!("__gate.{name}").as_str()];
            assert_eq!(address(&array["gate"]), gate);
            let element = each(&array["elements"])
                .find(|e| e["isa"] == isa)
                .expect("element");
            assert_eq!(
                address(&element["address"]),
                symbols[name],
                "{name} on {isa}"
            );
            assert_eq!(element["leads_to"], "function");
        }
    }
}

#[test]
fn the_totals_count_every_byte_once() {
    let json = json(&program());
    let totals = &json["totals"];
    let sum = |counts_as: &str, isa: Option<&str>| -> u64 {
        each(&json["sections"])
            .filter(|s| s["counts_as"] == counts_as && s["isa"].as_str() == isa)
            .map(|s| s["size"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(totals["shared"], sum("shared", None));
    assert_eq!(totals["private"][0], sum("private", Some("x86_64")));
    assert_eq!(totals["private"][1], sum("private", Some("riscv64")));
    let all: u64 = each(&json["sections"])
        .map(|s| s["size"].as_u64().unwrap())
        .sum();
    assert_eq!(totals["total"], all);
    let parts =
        ["shared", "gates", "arrays", "symbols", "notes"].map(|p| totals[p].as_u64().unwrap());
    let private: u64 = each(&totals["private"]).map(|p| p.as_u64().unwrap()).sum();
    assert_eq!(parts.iter().sum::<u64>() + private, all);
    // counter, zeros, at and the table, and what alignment puts between them.
    assert!((4 + 40 + 4 + 16..128).contains(&sum("shared", None)));
}

#[test]
fn an_isa_sees_its_own_gates_and_executes_its_own_text_only() {
    let linked = program();
    let json = json(&linked);
    for (isa, other) in [("x86_64", "riscv64"), ("riscv64", "x86_64")] {
        let bytes = std::fs::read(linked.link.path(&format!("{isa}.elf"))).expect("view");
        let elf = Elf::parse(&bytes).expect("goblin reads the view");
        let view = each(&json["views"])
            .find(|v| v["isa"] == isa)
            .expect("a view");
        let mappings: Vec<_> = each(&view["mappings"]).collect();
        // Every byte that the view's file loads is mapped with the permissions of its segment.
        for load in elf
            .program_headers
            .iter()
            .filter(|p| p.p_type == goblin::elf::program_header::PT_LOAD)
        {
            let mapping = mappings.iter().find(|m| {
                let start = address(&m["start"]);
                (start..start + m["size"].as_u64().unwrap()).contains(&load.p_vaddr)
            });
            let mapping = mapping.expect("a mapping");
            let letters = [
                (load.is_read(), 'r'),
                (load.is_write(), 'w'),
                (load.is_executable(), 'x'),
            ];
            let letters: String = letters
                .map(|(may, letter)| if may { letter } else { '-' })
                .iter()
                .collect();
            assert_eq!(mapping["permissions"], letters.as_str());
            assert_eq!(
                address(&mapping["physical"]) + (load.p_vaddr - address(&mapping["start"])),
                load.p_paddr
            );
        }
        let foreign = mappings.iter().filter(|m| m["isa"] == other);
        assert!(foreign.clone().all(|m| m["exclusive"] == false));
        assert!(foreign.clone().count() > 0);
    }
}

#[test]
fn text_at_the_same_addresses_has_no_arrays_and_each_isa_sees_its_own() {
    let link = Link::new().c("start", &start()).c("main", PROGRAM);
    let json = json(&link.arg("--text=aliased").ok());
    assert_eq!(
        (&json["image"]["aliased"], each(&json["arrays"]).count()),
        (&true.into(), 0)
    );
    for view in each(&json["views"]) {
        let text = format!(".text.{}", view["isa"].as_str().expect("a name"));
        let executable = each(&view["mappings"]).filter(|m| m["permissions"] == "r-x");
        let sections: Vec<_> = executable.flat_map(|m| each(&m["sections"])).collect();
        assert_eq!(sections, [text.as_str()]);
    }
    assert!(each(&json["totals"]["private"]).all(|bytes| bytes.as_u64() > Some(0)));
}

#[test]
fn a_trap_is_told_from_a_function() {
    let main = "void set(void); int answer(void) { set(); return 0; }";
    let user = "int only(void) { return 1; } int (*volatile pointer)(void); void set(void) { pointer = only; }";
    let other = "int (*volatile pointer)(void); void set(void) { }";
    let link = Link::new().c("start", &start()).c("main", main);
    let link = link.c_on(0, "user", user).c_on(1, "other", other);
    let linked = link.arg("--missing-code=trap").ok();
    let json = json(&linked);
    let kinds: Vec<_> = each(&json["arrays"][0]["elements"])
        .map(|e| &e["leads_to"])
        .collect();
    assert_eq!(kinds, ["function", "trap"]);
    let text = said(&inspect(&linked, &["out.fat"]));
    assert!(text.contains("only (riscv64: trap, no code)"), "{text}");
}

#[test]
fn an_element_of_another_name_is_flagged() {
    let mut linked = program();
    let elf = Elf::parse(&linked.image).expect("goblin reads the image");
    let named = |s: &&goblin::elf::SectionHeader| {
        elf.shdr_strtab.get_at(s.sh_name) == Some(".fat.functions")
    };
    let arrays = elf
        .section_headers
        .iter()
        .find(named)
        .and_then(|s| s.file_range());
    let arrays = arrays.expect("function arrays");
    // The second ISA's elements of both arrays change places.
    for byte in arrays.start + 8..arrays.start + 16 {
        linked.image.swap(byte, byte + 16);
    }
    std::fs::write(linked.link.image(), &linked.image).expect("written");
    let text = said(&inspect(&linked, &["out.fat"]));
    assert!(
        text.contains("more (riscv64: twice)") && text.contains("twice (riscv64: more)"),
        "{text}"
    );
    let elements = json(&linked)["arrays"][0]["elements"].clone();
    let kinds: Vec<_> = each(&elements).map(|e| &e["leads_to"]).collect();
    assert_eq!(kinds, ["function", "other-function"]);
}

#[test]
fn names_are_demangled_unless_asked_for() {
    let mangled = "_RNvC4demo3run";
    let source = format!(
        "int {mangled}(void) {{ return 7; }} int (*volatile p)(void) = {mangled};
         int answer(void) {{ return p(); }}"
    );
    let linked = Link::new().c("start", &start()).c("main", &source).ok();
    let plain = said(&inspect(&linked, &["out.fat"]));
    assert!(
        plain.contains("demo::run") && !plain.contains(mangled),
        "{plain}"
    );
    let kept = said(&inspect(&linked, &["--mangled", "out.fat"]));
    assert!(
        kept.contains(mangled) && !kept.contains("demo::run"),
        "{kept}"
    );
    let array = &json(&linked)["arrays"][0];
    assert_eq!(
        (&array["name"], &array["symbol"]),
        (&"demo::run".into(), &mangled.into())
    );
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let linked = program();
    std::fs::write(linked.link.path("text"), "no ELF file").expect("written");
    std::fs::write(linked.link.path("empty"), "").expect("written");
    let refusals = ["x86_64/main.o", "riscv64.elf", "text", "empty", "none"].map(|file| {
        let output = inspect(&linked, &[file]);
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(1), 0),
            "{file}"
        );
        String::from_utf8(output.stderr).expect("UTF-8")
    });
    let place = |text: &str| match text.find("+0x") {
        Some(at) if text.contains("header table") => {
            let end = text[at + 3..].find(')').unwrap_or(0);
            format!("{}+#{}", &text[..at], &text[at + 3 + end..])
        }
        _ => text.to_owned(),
    };
    insta::assert_snapshot!(refusals.map(|r| place(&r)).concat(), @r"
    error: x86_64/main.o:(section header table+#): expected a section .note.fat: this ELF file is no fat image
    error: riscv64.elf:(section header table+#): expected a section .fat.symbols.riscv64: this is no fat image but a view of one
    error: text:(ELF header+0x0): expected a fat image, which is an ELF file
    error: empty:(ELF header+0x0): expected a fat image, which is an ELF file
    error: cannot open none: No such file or directory (os error 2)
    ");
}

#[test]
fn a_wrong_command_line_ends_with_status_2() {
    let linked = program();
    for arguments in [&[][..], &["out.fat", "--yaml"], &["out.fat", "again"]] {
        assert_eq!(
            inspect(&linked, arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

#[test]
fn no_damage_makes_a_reader_panic() {
    let image = Sound::binary(program().image);
    let (mut read, mut refused) = (0, 0);
    for seed in 1..=8000_u64 {
        let bytes = image.damaged(&mut Random::new(1, seed));
        let outcome = catch_unwind(|| match fatld::image::read("damaged", &bytes) {
            Ok(image) => {
                let shown = fatld::inspect::inspect("damaged", &image);
                let text = fatld::inspect::render(&shown, fatld::inspect::Style::default());
                assert!(!text.is_empty() && serde_json::to_string(&shown).is_ok());
                for isa in 0..image.isas.len() {
                    let made = fatld::extract::extract(&image, isa);
                    made.write(&mut vec![0; made.size() as usize]);
                }
                None
            }
            Err(problem) => Some(fatld::Error::from(problem).to_string()),
        });
        match outcome.unwrap_or_else(|_| panic!("seed {seed}")) {
            None => read += 1,
            Some(said) => {
                assert!(
                    said.starts_with("error: damaged:(") && said.contains("expected"),
                    "seed {seed}: {said}"
                );
                refused += 1;
            }
        }
    }
    assert!(
        read > 100 && refused > 100,
        "{read} read, {refused} refused"
    );
}
