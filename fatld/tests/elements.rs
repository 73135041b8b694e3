//! Function arrays that the program keeps in its own data, in sections named `.fat.arrays`.

mod common;

use common::{Link, TARGETS, start};
use goblin::elf::Elf;

/// A device's table: each operation has its code for every ISA beside its name and number.
const TABLE: &str = r#"
    typedef int code(int);
    struct operation { const char *name; code *code[3]; unsigned number; };
    #if defined __x86_64__
    enum { OWN = 0 };
    #elif defined __riscv
    enum { OWN = 1 };
    #else
    enum { OWN = 2 };
    #endif
    static int twice(int x) { return 2 * x; }
    int next(int x) { return x + 1; }
    #define ARRAYS __attribute__((section(".fat.arrays.operations"), used))
    #define EACH(function) { function, function, function }
    ARRAYS const struct operation operations[] = {
        { "twice", EACH(twice), 7 }, { "next", EACH(next), 9 },
    };
    __attribute__((section(".fat.arrays"))) code *lone[3] = EACH(next);
    static code *const volatile pointer = next;
"#;

const MAIN: &str = r#"
    int answer(void) {
        const volatile struct operation *o = operations;
        int distinct = o[0].code[0] != o[0].code[1] && o[0].code[1] != o[0].code[2];
        int same = o[1].code[OWN] == lone[OWN] && o[1].code[0] == lone[0];
        int is_gate = pointer == lone[0] || pointer == lone[1] || pointer == lone[2];
        int kept = o[0].number == 7 && o[0].name[1] == 'w';
        return distinct && same && !is_gate && kept ? o[1].code[OWN](o[0].code[OWN](20)) + pointer(0) : 0;
    }
"#;

fn program() -> String {
    format!("{TABLE}{MAIN}")
}

/// Value of a symbol of a file.
fn value(elf: &Elf<'_>, name: &str) -> u64 {
    let mut symbols = elf.syms.iter();
    let found = symbols.find(|s| elf.strtab.get_at(s.st_name) == Some(name) && s.st_shndx != 0);
    found
        .unwrap_or_else(|| panic!("{name} is missing"))
        .st_value
}

#[test]
fn each_isa_finds_its_code_in_its_place() {
    let linked = Link::all().c("start", &start()).c("main", &program()).ok();
    assert_eq!(linked.run_views(), [Some(42); 3]);
}

#[test]
fn an_element_is_the_address_that_the_isas_view_has() {
    let linked = Link::all().c("start", &start()).c("main", &program()).ok();
    let views = TARGETS.map(|target| {
        std::fs::read(linked.link.path(&format!("{}.elf", target.isa))).expect("a view")
    });
    let views = views
        .each_ref()
        .map(|view| Elf::parse(view).expect("a view"));
    let image = Elf::parse(&linked.image).expect("an image");
    let table = value(&image, "operations");
    let section = image
        .section_headers
        .iter()
        .find(|s| s.vm_range().contains(&(table as usize)))
        .expect("a section with the table");
    let at = (section.sh_offset + table - section.sh_addr) as usize + 8;
    for (place, view) in views.iter().enumerate() {
        let word = linked.image[at + 8 * place..][..8]
            .try_into()
            .expect("8 bytes");
        assert_eq!(u64::from_le_bytes(word), value(view, "twice"));
    }
}

#[test]
fn a_program_for_one_isa_has_ordinary_addresses() {
    let linked = Link::plain("riscv64")
        .c("start", &start())
        .c("main", "int next(int x) { return x + 1; } \
            __attribute__((section(\".fat.arrays\"))) int (*const volatile lone[1])(int) = { next }; \
            int answer(void) { return lone[0] == next ? lone[0](41) : 0; }")
        .ok();
    assert_eq!(linked.run_views(), [Some(42)]);
}

#[test]
fn an_array_of_another_length_is_refused_by_place() {
    let source = "int next(int x) { return x + 1; } int last(int x) { return x - 1; } \
        __attribute__((section(\".fat.arrays\"), used)) int (*volatile table[3])(int) = { next, next, last }; \
        int answer(void) { return table[0](41); }";
    let said = Link::new()
        .c("start", &start())
        .c("main", source)
        .refused(1);
    for isa in ["x86_64", "riscv64"] {
        assert!(said.contains(&format!("{isa}/main.o")), "{said}");
    }
    assert!(
        said.contains("the address of last in 2 words one behind the other, one for each ISA"),
        "{said}"
    );
    assert!(!said.contains("address of next"), "{said}");
}
