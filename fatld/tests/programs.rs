//! C programs that check themselves: linked fat for all ISAs, fat for each pair and plain for each, every program must
//! end with the status 42. Any other is the number of the check that failed.

mod common;

use common::{Link, TARGETS, start};

/// The files of `programs/several`: tables of function pointers, local statics of equal names, a queue of callbacks.
const SEVERAL: [(&str, &str); 4] = [
    ("tools", include_str!("programs/several/tools.c")),
    ("left", include_str!("programs/several/left.c")),
    ("right", include_str!("programs/several/right.c")),
    ("main", include_str!("programs/several/main.c")),
];

/// A link of all ISAs with the entry and `shapes.h` in place.
fn program() -> Link {
    let link = Link::all();
    let header = include_str!("programs/several/shapes.h");
    std::fs::write(link.path("shapes.h"), header).expect("header written");
    link.c("start", &start())
}

/// The program of several files, compiled with these flags more for x86_64, riscv64 and aarch64.
fn several_with(flags: [&[&str]; 3]) -> Link {
    SEVERAL.iter().fold(program(), |link, (name, source)| {
        link.c_with(name, source, flags)
    })
}

/// One source, checked everywhere.
fn check(source: &str) {
    program().c("main", source).answers_everywhere(42);
}

#[test]
fn several_files_not_optimized() {
    several_with([&["-O0"]; 3]).answers_everywhere(42);
}

#[test]
fn several_files_optimized_a_little() {
    several_with([&["-O1", "-finline"]; 3]).answers_everywhere(42);
}

#[test]
fn several_files_optimized() {
    several_with([&["-O2", "-finline"]; 3]).answers_everywhere(42);
}

#[test]
fn several_files_optimized_for_size() {
    several_with([&["-Os", "-finline"]; 3]).answers_everywhere(42);
}

#[test]
fn local_statics_exist_once() {
    for optimization in ["-O0", "-O1", "-O2", "-Os"] {
        let linked = several_with([&[optimization, "-finline"]; 3]).ok();
        let map = linked.map();
        // A list without entries is left out.
        let list = |title: &str| {
            let rest = map
                .split_once(&format!("\n{title}\n"))
                .map_or("", |(_, rest)| rest);
            rest.split_once("\n\n").map_or(rest, |(list, _)| list)
        };
        let (shared, private) = (list("Shared data"), list("Private data"));
        const NAME: usize = 2;
        let names = |list: &str, column: usize, name: &str| {
            let of_list = list
                .lines()
                .filter_map(|line| line.split_whitespace().nth(column));
            of_list
                .filter(|own| own.split('.').next() == Some(name))
                .count()
        };
        // Of each library one, and two counts of one file.
        for name in ["uses", "counter", "grown", "count", "circle", "triangle"] {
            let expected = if matches!(name, "circle" | "triangle") {
                1
            } else {
                2
            };
            assert_eq!(
                names(shared, NAME, name),
                expected,
                "{name} at {optimization}:\n{map}"
            );
            assert_eq!(
                names(private, NAME + 1, name),
                0,
                "{name} at {optimization}:\n{map}"
            );
        }
    }
}

/// Two functions with a variable of one name, and on one ISA a third.
fn functions_with_counts(place_of_third: [&str; 2]) -> String {
    let [before, behind] = place_of_third;
    let function = |name: &str, first: u32| {
        format!("int {name}(void) {{ static int n = {first}; return n++; }}")
    };
    let third = "\n#ifdef __riscv\nint third(void) { static int n = 1; return n++; }\n#else\nint third(void) { return 1; }\n#endif\n";
    format!(
        "{}{}{}{} int answer(void) {{ return one() + two() + one() + two() + third() == 7 ? 42 : 1; }}",
        if before.is_empty() { "" } else { third },
        function("one", 1),
        function("two", 1),
        if behind.is_empty() { "" } else { third },
    )
}

#[test]
fn numbered_variables_are_not_mixed_up() {
    let links = [["third", ""], ["", "third"]].map(|place| {
        let link = program()
            .c("main", &functions_with_counts(place))
            .arg("-Map=out.map");
        let output = link.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    });
    // gcc counts from the end of the file: the numbers move if what is missing stands there.
    let refused = links.iter().filter(|(status, _)| *status == Some(1));
    let refused: Vec<_> = refused.map(|(_, said)| said).collect();
    assert_eq!(refused.len(), 1, "{links:?}");
    for part in [
        "its variable in the source is not the same on every ISA",
        "one::n",
        "two::n",
    ] {
        assert!(refused[0].contains(part), "{}", refused[0]);
    }
}

#[test]
fn variables_that_compilers_name_differently_are_one() {
    let counts = functions_with_counts(["", ""]).replace(" + third() == 7", " == 6");
    let named = ["one", "two"].map(|name| format!("int {name}(void)"));
    for source in [
        counts.clone(),
        counts.replace(&named[1], &format!("\n{}", named[1])),
    ] {
        let link = program().by_clang("riscv64").c("main", &source);
        if source == counts {
            // In one line, nothing tells them apart.
            let said = link.refused(1);
            for part in [
                "one::n is shared, but its symbol is not the same on every ISA",
                "one.n",
            ] {
                assert!(said.contains(part), "{said}");
            }
        } else {
            link.answers_fat(42);
            let map = link.ok().map();
            assert!(!map.contains("\nPrivate data\n"), "{map}");
        }
    }
}

#[test]
fn functions_of_a_file_in_one_section() {
    several_with([&["-O2", "-fno-function-sections"]; 3]).answers_everywhere(42);
}

#[test]
fn functions_and_data_of_a_file_in_one_section_each() {
    let flags: &[&str] = &["-fno-function-sections", "-fno-data-sections"];
    several_with([flags; 3]).answers_plain(42);
}

#[test]
fn position_independent_executables() {
    several_with([&["-O2", "-fPIE"]; 3]).answers_everywhere(42);
}

#[test]
fn position_independent_as_for_a_library() {
    several_with([&["-O2", "-fPIC"]; 3]).answers_everywhere(42);
}

#[test]
fn absolute_addresses_below_two_gigabytes() {
    let flags: [&[&str]; 3] = [&["-fno-pie"], &["-mcmodel=medlow"], &[]];
    several_with(flags)
        .arg("--image-base=0x200000")
        .answers_everywhere(42);
}

#[test]
fn large_code_models() {
    let large: &[&str] = &["-O2", "-fno-pie", "-mcmodel=large"];
    several_with([large, &["-O2"], large]).answers_everywhere(42);
}

#[test]
fn without_procedure_linkage_tables() {
    several_with([&["-O2", "-fPIC", "-fno-plt"]; 3]).answers_everywhere(42);
}

#[test]
fn clang_for_every_isa() {
    let link = TARGETS
        .iter()
        .fold(program(), |link, target| link.by_clang(target.isa));
    SEVERAL
        .iter()
        .fold(link, |link, (name, source)| {
            link.c_with(name, source, [&["-O2"]; 3])
        })
        .answers_everywhere(42);
}

#[test]
fn clang_for_one_isa_and_gcc_for_the_others() {
    for target in &TARGETS {
        let link = program().by_clang(target.isa);
        SEVERAL
            .iter()
            .fold(link, |link, (name, source)| link.c(name, source))
            .answers_everywhere(42);
    }
}

#[test]
fn jump_tables_of_many_cases() {
    let cases: String = (0..40)
        .map(|case| format!("case {case}: return f{}(x) + {};\n", case % 3, case * case))
        .collect();
    let source = format!(
        "static int f0(int x) {{ return x; }} static int f1(int x) {{ return 2 * x; }} static int f2(int x) {{ return -x; }}
        int step(int i, int x) {{ switch (i) {{ {cases} default: return 1; }} }}
        int answer(void) {{
            int sum = 0;
            for (int i = 0; i < 50; i++) sum += step(i, 2 * i);
            /* 10 defaults, the sum of squares below 40, twice each case by its function. */
            int expected = 10 + 20540;
            for (int i = 0; i < 40; i++) expected += i % 3 == 0 ? 2 * i : i % 3 == 1 ? 4 * i : -2 * i;
            return sum == expected ? 42 : 1;
        }}"
    );
    for flags in [&["-O1"] as &[&str], &["-O2"], &["-O2", "-fPIC"]] {
        program()
            .c_with("main", &source, [flags; 3])
            .answers_everywhere(42);
    }
}

#[test]
fn jump_tables_of_clang() {
    let cases: String = (0..40)
        .map(|case| format!("case {case}: other({case}); return {};\n", 7 * case + 3))
        .collect();
    let source = format!(
        "static int calls; void other(int x) {{ calls += x; }}
        int step(int i) {{ switch (i) {{ {cases} default: return 1; }} }}
        int answer(void) {{
            int sum = 0;
            for (int i = 0; i < 50; i++) sum += step(i);
            return sum == 10 + 7 * 780 + 120 && calls == 780 ? 42 : 1;
        }}"
    );
    let link = TARGETS
        .iter()
        .fold(program(), |link, target| link.by_clang(target.isa));
    link.c("main", &source).answers_everywhere(42);
}

#[test]
fn bit_fields() {
    check(
        r#"
        struct packed { unsigned a : 1, b : 7, c : 24; signed d : 9; unsigned long e : 40, f : 24; };
        struct packed table[] = { { 1, 100, 0xabcdef, -200, 0x123456789aUL, 0xfedcba }, { 0, 1, 2, 3, 4, 5 } };
        int answer(void) {
            struct packed *volatile p = table;
            if (p->a != 1 || p->b != 100 || p->c != 0xabcdef) return 1;
            if (p->d != -200 || p->e != 0x123456789aUL || p->f != 0xfedcba) return 2;
            p[1].d--; p[1].f = p->f + 1;
            return p[1].d == 2 && p[1].f == 0xfedcbb && p[1].e == 4 ? 42 : 3;
        }
        "#,
    );
}

#[test]
fn integers_of_128_bits() {
    check(
        r#"
        typedef unsigned __int128 wide;
        struct number { char tag; wide value; } numbers[] = { { 1, ((wide)1 << 100) + 5 }, { 2, 7 } };
        static wide times(wide a, wide b) { return a * b; }
        wide (*const operation)(wide, wide) = times;
        int answer(void) {
            struct number *volatile p = numbers;
            if ((unsigned long)p & 15) return 1;
            wide product = operation(p[0].value, p[1].value);
            return product >> 100 == 7 && (unsigned long)product == 35 && p[1].tag == 2 ? 42 : 2;
        }
        "#,
    );
}

#[test]
fn aliases_are_the_same_function_and_the_same_datum() {
    check(
        r#"
        int value = 20; extern int other_value __attribute__((alias("value")));
        int get(void) { return value; } int other_get(void) __attribute__((alias("get")));
        static int hidden(void) { return 2; } int shown(void) __attribute__((weak, alias("hidden")));
        int (*const getters[])(void) = { get, other_get, shown, hidden };
        int answer(void) {
            int *volatile p = &value, *volatile q = &other_value;
            if (p != q || &value != &other_value) return 1;
            int (*const *volatile g)(void) = getters;
            if (g[0] != g[1] || g[2] != g[3] || g[0] == g[2]) return 2;
            *q += 20;
            return g[1]() + g[2]();
        }
        "#,
    );
}

#[test]
fn pointers_to_one_function_are_equal_in_all_files() {
    let file = |name: &str| {
        format!(
            "int shared(int); static int own(int x) {{ return x; }} typedef int (*f)(int);
            f {name}_table[] = {{ shared, own }}; f {name}_shared(void) {{ return shared; }} f {name}_own(void) {{ return own; }}"
        )
    };
    let main = r#"
        typedef int (*f)(int);
        int shared(int x) { return x + 1; }
        extern f a_table[], b_table[]; f a_shared(void), b_shared(void), a_own(void), b_own(void);
        int answer(void) {
            if (a_table[0] != shared || b_table[0] != shared || a_shared() != b_shared()) return 1;
            if (a_table[1] != a_own() || b_table[1] != b_own() || a_own() == b_own()) return 2;
            return a_table[0](20) + b_table[1](21);
        }
    "#;
    program()
        .c("a", &file("a"))
        .c("b", &file("b"))
        .c("main", main)
        .answers_everywhere(42);
}

#[test]
fn local_names_of_two_files_of_one_name() {
    // What a symbol table knows of a file is its name without the folder.
    let source = |value: u32, name: &str| {
        format!(
            "static int count = {value}; static int get(void) {{ return count++; }} int (*{name}(void))(void) {{ return get; }}"
        )
    };
    let main = r#"
        int (*first(void))(void); int (*second(void))(void);
        int answer(void) {
            if (first() == second() || first()() != 10 || second()() != 20) return 1;
            return first()() + second()() + 10;
        }
    "#;
    let link = program();
    for folder in ["one", "two"] {
        std::fs::create_dir(link.path(folder)).expect("folder");
    }
    let link = (0..TARGETS.len()).fold(link, |link, slice| {
        let parts = [("one", 10, "first"), ("two", 20, "second")];
        parts.into_iter().fold(link, |link, (folder, value, name)| {
            std::fs::create_dir_all(link.path(&format!("{}/{folder}", TARGETS[slice].isa)))
                .expect("folder");
            let object = link.compile(slice, &format!("{folder}/util"), &source(value, name), &[]);
            link.input(slice, object)
        })
    });
    link.c("main", main).answers_everywhere(42);
}

#[test]
fn common_symbols_of_two_files_are_one() {
    let one = "int pool[4]; int size; int *one(void) { return pool; }";
    let two = "int pool[4]; int size; int *two(void) { size = 2; return pool; }";
    let main = r#"
        int *one(void), *two(void); extern int size;
        int answer(void) { one()[3] = 40; return one() == two() ? two()[3] + size : 1; }
    "#;
    [("one", one), ("two", two), ("main", main)]
        .iter()
        .fold(program(), |link, (name, source)| {
            link.c_with(name, source, [&["-fcommon"]; 3])
        })
        .answers_everywhere(42);
}

#[test]
fn a_strong_definition_replaces_a_weak_one_before_and_behind_it() {
    let weak =
        "__attribute__((weak)) int before(void) { return 1; } __attribute__((weak)) int behind = 1;
        int (*weak_before)(void) = before; int *weak_behind = &behind;";
    let main = r#"
        int before(void); extern int behind, *weak_behind; extern int (*weak_before)(void);
        int answer(void) { return weak_before == before && weak_behind == &behind ? before() + behind : 1; }
    "#;
    program()
        .c("strong_first", "int before(void) { return 20; }")
        .c("weak", weak)
        .c("strong_last", "int behind = 22;")
        .c("main", main)
        .answers_everywhere(42);
}

#[test]
fn weak_symbols_that_nobody_defines_are_null() {
    check(
        r#"
        extern __attribute__((weak)) int absent(void); extern __attribute__((weak)) int nothing[];
        int (*const function)(void) = absent; int *const datum = nothing; int *const behind = nothing + 3;
        int answer(void) {
            int (*volatile f)(void) = absent; int *volatile d = nothing;
            if (f || d || absent || nothing) return 1;
            int (*const volatile *p)(void) = &function; int *const volatile *q = &datum;
            return *p || *q || (unsigned long)*(int *const volatile *)&behind != 12 ? 2 : 42;
        }
        "#,
    );
}

#[test]
fn alignments_that_a_program_asks_for() {
    check(
        r#"
        __attribute__((aligned(65536))) char page[3] = "x"; char odd = 1;
        __attribute__((aligned(4096))) static int zeros[5]; __attribute__((aligned(128))) static const char text[] = "text";
        struct line { int a; } __attribute__((aligned(64))) lines[2] = { { 1 }, { 2 } };
        __attribute__((aligned(256))) int aligned_code(int x) { return x + 1; }
        static int low(const volatile void *p, unsigned long mask) { return ((unsigned long)p & mask) != 0; }
        int answer(void) {
            if (low(page, 65535) || low(zeros, 4095) || low(text, 127) || low(lines, 63)) return 1;
            zeros[4] = lines[1].a; page[1] = odd;
            return aligned_code(38) + zeros[4] + page[1];
        }
        "#,
    );
}

#[test]
fn pointers_into_the_middle_before_and_behind() {
    check(
        r#"
        struct pair { int a; int b; }; extern struct pair pairs[]; extern const char text[];
        int *in = &pairs[2].b; struct pair *before = pairs - 1; struct pair *behind = pairs + 4; const char *tail = text + 3;
        const char *const *deep; const char *const list[] = { text + 1, "literal" + 2, text };
        const char *const *const middle = &list[1];
        struct pair pairs[4] = { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 } }; const char text[] = "abcdef";
        int answer(void) {
            if (*in != 6 || before[1].a != 1 || behind[-1].b != 8 || behind - before != 5) return 1;
            if (*tail != 'd' || **middle != 't' || list[0][1] != 'c' || list[2] != text) return 2;
            deep = list;
            return deep[1][4] == 'l' ? 42 : 3;
        }
        "#,
    );
}

#[test]
fn visibilities_and_local_names() {
    let library = r#"
        __attribute__((visibility("hidden"))) int inside = 1; __attribute__((visibility("protected"))) int kept = 2;
        __attribute__((visibility("hidden"))) int hidden(int x) { return x + inside; }
        __attribute__((visibility("internal"))) int internal(int x) { return x + kept; }
    "#;
    let main = r#"
        extern __attribute__((visibility("hidden"))) int inside; extern int kept; int internal(int);
        __attribute__((visibility("hidden"))) int hidden(int);
        int (*const both[])(int) = { hidden, internal };
        int answer(void) { return both[0](17) + both[1](19) + inside + kept; }
    "#;
    program()
        .c("library", library)
        .c("main", main)
        .answers_everywhere(42);
}

#[test]
fn callbacks_sort_what_they_are_given() {
    check(
        r#"
        typedef int (*order)(const void *, const void *);
        static int up(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
        static int down(const void *a, const void *b) { return up(b, a); }
        static void sort(int *of, int count, order before) {
            for (int i = 1; i < count; i++)
                for (int k = i; k && before(of + k, of + k - 1) < 0; k--) { int t = of[k]; of[k] = of[k - 1]; of[k - 1] = t; }
        }
        static int numbers[] = { 5, -2, 9, 0, 31, 7 };
        static const struct { order by; int first, last; } checks[] = { { up, -2, 31 }, { down, 31, -2 } };
        int answer(void) {
            for (int i = 0; i < 2; i++) {
                sort(numbers, 6, checks[i].by);
                if (numbers[0] != checks[i].first || numbers[5] != checks[i].last) return 1 + i;
            }
            return 42;
        }
        "#,
    );
}

#[test]
fn arguments_of_any_number() {
    check(
        r#"
        #include <stdarg.h>
        static long sum(int count, ...) {
            va_list list; va_start(list, count); long all = 0;
            while (count--) all += va_arg(list, int (*)(void))();
            va_end(list); return all;
        }
        static int one(void) { return 1; } static int twenty(void) { return 20; }
        int answer(void) { return sum(12, one, one, twenty, one, one, one, one, one, one, one, one, one) + sum(1, one) * 11; }
        "#,
    );
}

#[test]
fn equal_strings_and_their_tails() {
    let other = "const char *const words[] = { \"linker\", \"fat linker\", \"ker\", \"\" };";
    let main = r#"
        extern const char *const words[];
        static int same(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
        const char *const mine[] = { "linker", "a fat linker", "ker", "", "with\0zero" };
        int answer(void) {
            if (!same(words[0], mine[0]) || !same(words[1], mine[1] + 2) || !same(words[2], mine[2])) return 1;
            if (*words[3] || *mine[3] || mine[4][4] || mine[4][5] != 'z' || !same(mine[4] + 6, "ero")) return 2;
            return 42;
        }
    "#;
    program()
        .c("other", other)
        .c("main", main)
        .answers_everywhere(42);
}

#[test]
fn a_thousand_functions_and_data() {
    let functions: String = (0..1000)
        .map(|i| format!("static int f{i}(int x) {{ return x + d{i}++; }}\n"))
        .collect();
    let data: String = (0..1000).map(|i| format!("int d{i} = {i};")).collect();
    let table: String = (0..1000).map(|i| format!("f{i},")).collect();
    let source = format!(
        "{data} {functions} int (*const table[])(int) = {{ {table} }};
        int answer(void) {{
            for (int round = 0; round < 2; round++)
                for (int i = 0; i < 1000; i++) if (table[i](1) != 1 + i + round) return 1;
            return 42;
        }}"
    );
    program()
        .c_with("main", &source, [&["-g0"]; 3])
        .answers_everywhere(42);
}

/// Classes with virtual functions and inline functions in two files, in C++ for the sake of COMDAT groups.
#[test]
fn inline_functions_and_classes_of_two_files() {
    let header = r#"
        struct base { virtual int get() const { return 1; } virtual int twice() const { return 2 * get(); } int own = 3; };
        template <int N> struct fixed : base { int get() const override { return N; } };
        inline int counted() { static int count; return ++count; }
        inline int (*inline_pointer())() { return counted; }
        template <typename T> T largest(T a, T b) { return a < b ? b : a; }
    "#;
    let one = format!(
        "{header} extern \"C\" int (*one())() {{ counted(); return inline_pointer(); }}
        static fixed<5> five; extern \"C\" const base *five_of_one() {{ return &five; }}
        int (*const keep)(int, int) = largest<int>; extern \"C\" int largest_of_one(int a, int b) {{ return keep(a, b); }}"
    );
    let two = format!(
        "{header} extern \"C\" int (*one())(); extern \"C\" const base *five_of_one(); extern \"C\" int largest_of_one(int, int);
        static fixed<5> five; static fixed<6> six; int (*const keep_two)(int, int) = largest<int>;
        extern \"C\" int answer() {{
            if (one() != inline_pointer() || counted() != 2) return 1;
            const base *volatile all[] = {{ &five, &six, five_of_one() }};
            if (*(void *const *)all[0] != *(void *const *)all[2] || *(void *const *)all[0] == *(void *const *)all[1]) return 2;
            if (all[0]->twice() + all[1]->twice() + all[2]->get() != 27 || all[2]->own != 3) return 3;
            return largest_of_one(3, 42) == keep_two(42, 7) ? 42 : 4;
        }}"
    );
    let flags: &[&str] = &[
        "-xc++",
        "-fno-rtti",
        "-fno-exceptions",
        "-fno-threadsafe-statics",
        "-std=c++17",
    ];
    let link = TARGETS
        .iter()
        .fold(program(), |link, target| link.by_clang(target.isa));
    link.c_with("one", &one, [flags; 3])
        .c_with("two", &two, [flags; 3])
        .answers_everywhere(42);
}
