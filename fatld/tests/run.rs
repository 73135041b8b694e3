//! Images that run: each view, as a Linux process of its ISA, must give the answer that the source promises.

mod common;

use common::{Link, start};

fn answers(sources: &[(&str, &str)], expected: i32) -> common::Linked {
    let mut link = Link::new().c("start", &start());
    for (name, source) in sources {
        link = link.c(name, source);
    }
    let linked = link.ok();
    assert_eq!(linked.run_views(), [Some(expected); 2], "{}", linked.map());
    linked
}

#[test]
fn calls_data_and_strings() {
    let source = r#"
        static const char text[] = "forty";
        int counter = 30; int zeros[100];
        int length(const char *s) { int n = 0; while (s[n]) n++; return n; }
        int answer(void) { zeros[99] = counter; return zeros[99] + length(text) + length("seventh"); }
    "#;
    answers(&[("main", source)], 42);
}

#[test]
fn function_pointers_in_tables_structs_and_arguments() {
    let source = r#"
        typedef int (*op)(int);
        static int twice(int x) { return 2 * x; }
        int more(int x) { return x + 1; }
        struct device { const char *name; op run; } const devices[] = { { "twice", twice }, { "more", more } };
        op volatile chosen = more;
        static int apply(op f, int x) { return f(x); }
        int answer(void) {
            int sum = devices[0].run(5) + chosen(9) + apply(twice, 10);
            return sum + (devices[1].run == chosen) + (devices[0].run != chosen);
        }
    "#;
    let linked = answers(&[("main", source)], 42);
    let map = linked.map();
    let arrays = map
        .split("\n\n")
        .find(|table| table.starts_with("Function arrays"));
    let arrays: Vec<_> = arrays.expect("the list").lines().skip(2).collect();
    assert!(
        arrays.len() == 2 && arrays[0].ends_with("  more") && arrays[1].ends_with("  twice"),
        "{map}"
    );
}

#[test]
fn jump_tables_stay_private() {
    let source = r#"
        int step(int x) {
            switch (x) {
                case 0: return 3; case 1: return counter_of(7); case 2: return 11; case 3: return counter_of(2);
                case 4: return 19; case 5: return counter_of(5); case 6: return 31; default: return 0;
            }
        }
        int answer(void) { int sum = 0; for (int i = 0; i < 8; i++) sum += step(i); return sum; }
    "#;
    let source = format!("int counter_of(int); {source} int counter_of(int x) {{ return x * x; }}");
    answers(&[("main", &source)], 3 + 49 + 11 + 4 + 19 + 25 + 31);
}

#[test]
fn local_data_and_functions_of_two_files_with_one_name() {
    let one = "static int hidden = 20; static int get(void) { return hidden; } int (*first(void))(void) { return get; }";
    let two = "static int hidden = 22; static int get(void) { return hidden; } int (*second(void))(void) { return get; }";
    let main = r#"
        int (*first(void))(void); int (*second(void))(void);
        int answer(void) { return first() == second() ? 1 : first()() + second()(); }
    "#;
    answers(&[("one", one), ("two", two), ("main", main)], 42);
}

#[test]
fn several_data_in_one_section_stay_together() {
    let data = "int a = 1; int b = 40; int *volatile p = &b; static int c = 1; int get(void) { return a + *p + c; }";
    let link = Link::new()
        .c("start", &start())
        .c("main", "int get(void); int answer(void) { return get(); }")
        // One ISA's compiler puts each datum into a section of its own, the other's puts them all into one.
        .c_with(
            "data",
            data,
            [&[], &["-fno-data-sections", "-fno-section-anchors"]],
        );
    assert_eq!(link.ok().run_views(), [Some(42); 2]);
}

#[test]
fn weak_and_missing_weak_symbols() {
    let main = r#"
        __attribute__((weak)) int absent(void); __attribute__((weak)) int value(void) { return 1; }
        int answer(void) { return absent ? 1 : value(); }
    "#;
    answers(
        &[("main", main), ("strong", "int value(void) { return 42; }")],
        42,
    );
}

#[test]
fn common_symbols() {
    let link = Link::new().c("start", &start()).c_with(
        "one",
        "int pool[4]; int answer(void) { pool[3] = 42; return pool[3] + pool[0]; }",
        [&["-fcommon"]; 2],
    );
    assert_eq!(link.ok().run_views(), [Some(42); 2]);
}

#[test]
fn names_that_differ_by_a_crates_hash_are_paired_by_path() {
    // As cargo would name `kern::twice` and `kern::LIMIT` for two targets.
    let source = r#"
        int twice(int) __asm__("_RNvCs" HASH "_4kern5twice");
        extern int limit __asm__("_RNvCs" HASH "_4kern5LIMIT");
        int twice(int x) { return 2 * x; }
        int limit = 21;
        int (*volatile chosen)(int) = twice;
        int answer(void) { return chosen(limit); }
    "#;
    let hashes: [&[&str]; 2] = [&["-DHASH=\"4HyXdRH8Z4o\""], &["-DHASH=\"5XNKoiTNGoC\""]];
    let linked = Link::new()
        .c("start", &start())
        .c_with("main", source, hashes)
        .ok();
    assert_eq!(linked.run_views(), [Some(42); 2]);
    let map = linked.map();
    let table = |title: &str| map.split("\n\n").find(|table| table.starts_with(title));
    let shared = table("Shared data").expect("the list");
    assert!(shared.contains("kern::LIMIT"), "{map}");
    assert_eq!(table("Private data"), None);
}

#[test]
fn one_array_per_first_element() {
    // Two names of one function on the first ISA, two functions on the second: one pointer.
    let link = Link::new()
        .c("start", &start())
        .c_on(
            0,
            "both",
            "int one(int x) { return x + 1; } int two(int) __attribute__((alias(\"one\")));",
        )
        .c_on(
            1,
            "both",
            "int one(int x) { return x + 1; } int two(int x) { return x + 1; }",
        )
        .c(
            "main",
            r#"
            int one(int); int two(int);
            int (*volatile p)(int) = one; int (*volatile q)(int) = two;
            int answer(void) { return (p == q) * 40 + p(0) + q(0); }
            "#,
        );
    assert_eq!(link.ok().run_views(), [Some(42); 2]);
}

#[test]
fn objects_of_two_compilers() {
    let source = r#"
        static int twice(int x) { return 2 * x; }
        int (*const table[])(int) = { twice };
        volatile int n = 21;
        int answer(void) { return table[0](n); }
    "#;
    for isa in ["x86_64", "riscv64"] {
        let link = Link::new().by_clang(isa);
        let link = link.c("start", &start()).c("main", source);
        assert_eq!(link.ok().run_views(), [Some(42); 2], "clang for {isa}");
    }
}

#[test]
fn an_address_taken_with_the_relocation_of_a_call() {
    // As cranelift does.
    let taken = r#"
        int f(int);
        __asm__(".text\n.globl taken\n.type taken, @function\ntaken:\n"
                " .byte 0x48, 0x8d, 0x05\n .reloc ., R_X86_64_PLT32, f - 4\n .long 0\n ret");
    "#;
    let other = "int f(int); int (*taken(void))(int) { return f; }";
    let main = r#"
        int f(int x) { return x + 1; } int (*taken(void))(int); int (*volatile known)(int) = f;
        int answer(void) { return taken() == known ? taken()(41) : 1; }
    "#;
    let link = Link::new().c("start", &start()).c_on(0, "taken", taken);
    let link = link.c_on(1, "taken", other).c("main", main);
    assert_eq!(link.ok().run_views(), [Some(42); 2]);
}

#[test]
fn three_isas_share_tables_of_functions_and_statics() {
    let source = r#"
        typedef int (*op)(int);
        static int twice(int x) { return 2 * x; }
        int more(int x) { return x + 1; }
        const op table[] = { twice, more, twice };
        static int hidden = 5;
        op volatile chosen = more;
        static int apply(op f, int x) { return f(x); }
        int answer(void) {
            int sum = 0;
            for (int i = 0; i < 3; i++) sum += table[i](hidden);
            return sum + apply(chosen, hidden) + (table[1] == chosen) + (table[0] != table[2]) + 9;
        }
    "#;
    for first in [
        ["aarch64", "x86_64", "riscv64"],
        ["riscv64", "aarch64", "x86_64"],
    ] {
        let link = Link::of(&first).c("start", &start()).c("main", source);
        assert_eq!(link.ok().run_views(), [Some(42); 3]);
    }
}

#[test]
fn a_variable_that_one_isa_dropped_does_not_pair_with_its_namesake_in_another_file() {
    // Two files of one name with a `count` each; on the first ISA the first file has lost its own.
    let first = "#ifdef __riscv\nstatic int count = 5; int *first(void) { return &count; }\n#else\n\
                 int *first(void) { static int other; return &other; }\n#endif";
    let second = "static int count = 42; int *second(void) { return &count; }";
    let link = Link::new().c("start", &start()).c(
        "main",
        "int *second(void); int answer(void) { return *second(); }",
    );
    let (mut objects, dir) = (Vec::new(), link.path("util"));
    std::fs::create_dir_all(&dir).expect("folder");
    for (slice, isa) in ["x86_64", "riscv64"].into_iter().enumerate() {
        for (name, source) in [("first", first), ("second", second)] {
            let compiled = link.compile(slice, "util", source, &[]);
            let object = dir.join(format!("{isa}-{name}.o"));
            std::fs::rename(compiled, &object).expect("renamed");
            objects.push((slice, object));
        }
    }
    let mut link = link.c(
        "keep",
        "int *first(void); int *(*volatile keep)(void) = first; int use(void) { return *keep(); }",
    );
    for (slice, object) in objects {
        link = link.input(slice, object);
    }
    let linked = link.arg("--no-gc-sections").ok();
    assert_eq!(linked.run_views(), [Some(42); 2]);
    let map = linked.map();
    assert!(
        map.contains("count  x86_64-second.o, riscv64-second.o"),
        "{map}"
    );
}
