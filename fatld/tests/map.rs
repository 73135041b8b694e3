//! The map, with its numbers blanked out: they are the compilers' doing.

mod common;

use common::{Link, start};

const COMMON: &str = r#"
    static int twice(int x) { return 2 * x; }
    int more(int x) { return x + 1; }
    int (*table[])(int) = { twice, more };
    const char *names[] = { "twice", "more" };
    int counter = 5; int zeros[10]; const long limit = 42;
    volatile int at;
"#;

/// Hexadecimal words become `#`, but for a name at the end of a line.
fn blank(map: &str) -> String {
    let is_number = |word: &str| {
        word.strip_prefix("0x")
            .unwrap_or(word)
            .chars()
            .all(|c| c.is_ascii_hexdigit())
    };
    let lines = map.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let last = words.len().saturating_sub(1);
        let blanked = words.iter().enumerate().map(|(at, word)| {
            let digits = word.contains(|c: char| c.is_ascii_digit());
            if is_number(word) && (at < last || digits) {
                "#"
            } else {
                word
            }
        });
        blanked.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_map_shows_what_is_shared_private_and_unpaired() {
    let main = "int answer(void) { zeros[1] = counter; return table[at](1) + names[at][0] + limit + own; }";
    let source = |extra: &str| format!("{COMMON} {extra} {main}");
    let linked = Link::new()
        .c("start", &start())
        .c_on(0, "main", &source("int first_only = 3; int own_x(int x) { return first_only + x; }\n#define own own_x(1)\n"))
        .c_on(1, "main", &source("int second_only = 4;\n#define own second_only\n"))
        .ok();
    insta::assert_snapshot!(blank(&linked.map()));
}
