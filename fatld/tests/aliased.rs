//! `--text=aliased`: every function at one address on all ISAs, without gates.

mod common;

use common::{Link, start};

const MAIN: &str = r#"
    int one(int x) { return x + 1; } int two(int x) { return 3 * x; }
    int (*const table[])(int) = { one, two, one };
    int (*volatile chosen)(int) = two;
    int answer(void) { return chosen(13) + table[0](1) + (table[0] == table[2]); }
"#;

#[test]
fn function_pointers_are_the_addresses_of_code_on_every_isa() {
    let link = Link::new().c("start", &start()).c("main", MAIN);
    let linked = link.arg("--text=aliased").ok();
    assert_eq!(linked.run_views(), [Some(42); 2]);
    let elf = goblin::elf::Elf::parse(&linked.image).expect("an image");
    let names = elf
        .section_headers
        .iter()
        .filter_map(|s| elf.shdr_strtab.get_at(s.sh_name));
    assert!(
        names
            .into_iter()
            .all(|n| !n.starts_with(".gates") && n != ".fat.functions")
    );
    let address = |isa: &str, name: &str| {
        let file = std::fs::read(linked.link.path(&format!("{isa}.elf"))).expect("a view");
        let elf = goblin::elf::Elf::parse(&file).expect("a view");
        let found = elf
            .syms
            .iter()
            .find(|s| elf.strtab.get_at(s.st_name) == Some(name));
        found
            .unwrap_or_else(|| panic!("{name} is missing"))
            .st_value
    };
    for name in ["one", "two"] {
        assert_eq!(address("x86_64", name), address("riscv64", name), "{name}");
    }
}

#[test]
fn functions_that_cannot_have_one_address_are_refused() {
    // Without optimization the first function is longer on one ISA.
    let flags: [&[&str]; 2] = [
        &["-fno-function-sections", "-O0"],
        &["-fno-function-sections"],
    ];
    let link = Link::new()
        .c_with("start", &start(), flags)
        .c_with("main", MAIN, flags)
        .arg("--text=aliased");
    let said = link.refused(1);
    assert!(
        said.contains("two is shared, but its address is not the same on every ISA")
            && said.contains("-ffunction-sections"),
        "{said}"
    );
}
