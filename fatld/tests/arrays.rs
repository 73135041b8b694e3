//! Collected arrays: elements that many objects put into one section, found through its bounds.

mod common;

use common::{Link, start};

const REGISTER: &str = r#"
    typedef int step(int);
    #define ELEMENT(section_name) __attribute__((section(section_name), used))
    extern step *const __start_steps[], *const __stop_steps[];
    static int run(int x) { for (step *const *s = __start_steps; s != __stop_steps; s++) x = (*s)(x); return x; }
"#;

fn with(body: &str) -> String {
    format!("{REGISTER}{body}")
}

const FIRST: &str = "static int twice(int x) { return 2 * x; } ELEMENT(\"steps\") static step *const first = twice; \
     int answer(void) { return run(20); }";
const MORE: &str = "int more(int x) { return x + 1; }";
const SECOND: &str = "int more(int); ELEMENT(\"steps\") static step *const a = more; \
     ELEMENT(\"steps\") static step *const b = more; int unused(void) { return run(0); }";

#[test]
fn elements_of_several_files_are_shared_and_in_order() {
    let link = Link::new()
        .c("start", &start())
        .c("more", MORE)
        .c("first", &with(FIRST))
        .c("second", &with(SECOND));
    let linked = link.ok();
    assert_eq!(linked.run_views(), [Some(42); 2]);
    let elf = goblin::elf::Elf::parse(&linked.image).expect("an image");
    let names: Vec<_> = elf
        .section_headers
        .iter()
        .filter_map(|s| elf.shdr_strtab.get_at(s.sh_name))
        .filter(|name| name.contains("steps"))
        .collect();
    assert_eq!(names, ["steps"], "one array for both");
}

#[test]
fn an_array_with_other_elements_is_each_isas_own() {
    let link = Link::new()
        .c("start", &start())
        .c("more", MORE)
        .c("first", &with(FIRST))
        .c_on(1, "second", &with(SECOND));
    assert_eq!(link.ok().run_views(), [Some(40), Some(42)]);
}

#[test]
fn a_written_array_must_have_the_same_elements() {
    let declare = "extern int __start_counts[], __stop_counts[];";
    let main = format!("{declare} int answer(void) {{ return __stop_counts - __start_counts; }}");
    let link = Link::new()
        .c("start", &start())
        .c("main", &main)
        .c_on(
            0,
            "one",
            "__attribute__((section(\"counts\"), used)) static int x = 1;",
        )
        .c_on(
            1,
            "two",
            "__attribute__((section(\"counts\"), used)) static int x[2] = { 1 };",
        );
    let said = link.refused(1);
    assert!(
        said.contains("counts is shared, but its list of elements is not the same on every ISA")
            && said.contains("1 sections, 4 bytes")
            && said.contains("1 sections, 8 bytes"),
        "{said}"
    );
}

#[test]
fn constructors_run_in_the_order_of_their_priorities() {
    let source = r#"
        typedef void constructor(void);
        extern constructor *const __init_array_start[], *const __init_array_end[];
        extern constructor *const __fini_array_start[], *const __fini_array_end[];
        static int value = 1;
        __attribute__((constructor)) static void last(void) { value += 2; }
        __attribute__((constructor(200))) static void second(void) { value *= 10; }
        __attribute__((constructor(101))) static void first(void) { value += 3; }
        int answer(void) {
            for (constructor *const *c = __init_array_start; c != __init_array_end; c++) (*c)();
            return value + (__fini_array_end - __fini_array_start);
        }
    "#;
    let link = Link::new().c("start", &start()).c("main", source);
    assert_eq!(link.ok().run_views(), [Some(42); 2]);
}

#[test]
fn elements_that_nothing_asks_for_are_dropped_and_those_asked_for_kept() {
    let main = "extern int __start_kept[], __stop_kept[]; int answer(void) { return __start_kept[0] + __stop_kept[-1]; }";
    let data = "__attribute__((section(\"kept\"))) int a = 40; int __attribute__((section(\"kept\"))) b = 2; \
                __attribute__((section(\"dropped\"))) int c = 7;";
    let linked = Link::new()
        .c("start", &start())
        .c("main", main)
        .c("data", data)
        .ok();
    assert_eq!(linked.run_views(), [Some(42); 2]);
    let elf = goblin::elf::Elf::parse(&linked.image).expect("an image");
    let has = |name: &str| {
        let names = elf
            .section_headers
            .iter()
            .filter_map(|s| elf.shdr_strtab.get_at(s.sh_name));
        names.into_iter().any(|known| known == name)
    };
    assert!(has("kept") && !has("dropped"));
}

#[test]
fn what_is_linked_to_a_section_lives_and_stands_with_it() {
    let order = r#"
        .section .text.first, "ax", @progbits
        .globl first
        .type first, @function
        first: .byte 0, 0, 0, 0
        .section .text.dead, "ax", @progbits
        dead: .byte 0, 0, 0, 0
        .section .text.second, "ax", @progbits
        .globl second
        .type second, @function
        second: .byte 0, 0, 0, 0
        .section notes, "ao", @progbits, .text.second
        .quad 2
        .section notes, "ao", @progbits, .text.dead
        .quad 9
        .section notes, "ao", @progbits, .text.first
        .quad 1
    "#;
    let main = "extern long __start_notes[], __stop_notes[]; void first(void); void second(void); \
         void (*volatile keep[])(void) = { first, second }; \
         int answer(void) { return (keep[0] != keep[1]) + __start_notes[0] * 10 + __start_notes[1] \
             + (__stop_notes - __start_notes) * 100; }";
    let order = format!("__asm__({order:?});");
    let linked = Link::new()
        .c("start", &start())
        .c("order", &order)
        .c("main", main)
        .ok();
    assert_eq!(linked.run_views(), [Some(1 + 10 + 2 + 200); 2]);
}
