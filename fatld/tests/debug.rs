//! Debug information of a view, beside what lld makes of the same objects.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Link, start};

const PROGRAM: &str = r#"
    struct point { int x, y; const char *name; };
    static int loop(int x) { int sum = 0; for (int i = 0; i < x; i++) { int square = i * i; sum += square; } return sum; }
    int unreached(int x) { int twice = 2 * x; while (x--) { int step = x * twice; twice += step; } return twice; }
    struct point origin = { 1, 2, "origin" };
    int more(int);
    int answer(void) { return loop(origin.x + 4) + more(origin.name[0]); }
"#;

/// Where both linkers put the program.
const ADDRESSES: std::ops::Range<u64> = 0x10_0000..0x20_0000;

/// Debug sections as readelf shows them, without what may differ: places of strings and addresses in memory.
fn dump(file: &Path) -> Vec<String> {
    let output = Command::new("readelf")
        .arg("--debug-dump=info,abbrev,Ranges,loc,aranges,rawline,str-offsets,addr")
        .arg(file)
        .output()
        .expect("readelf runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| !line.contains("Hash"));
    lines.map(without_addresses).collect()
}

fn without_addresses(line: &str) -> String {
    // Offsets among merged strings, and the bytes of an expression that is shown decoded behind them.
    let hidden = [("string, offset: ", "): "), (" byte block: ", "(DW_OP")];
    let hidden = hidden
        .iter()
        .find_map(|(from, to)| Some((line.find(from)?, line.find(to)?)));
    let line = match hidden {
        Some((start, end)) if start < end => format!("{}{}", &line[..start], &line[end..]),
        _ => line.to_owned(),
    };
    let words = line.split([' ', '\t', ')', '(', ',', ':']);
    let words = words.map(|word| {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        match u64::from_str_radix(digits, 16) {
            Ok(number) if ADDRESSES.contains(&number) => "ADDRESS",
            _ => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Links the same objects with the distribution's lld: the toolchain's, of version 22, makes distances in dead code of
/// riscv64 0.
fn lld(link: &Link, isa: &str, objects: &[&str]) -> std::path::PathBuf {
    let (output, base) = (link.path("lld"), "--image-base=0x100000");
    let objects = objects
        .iter()
        .map(|o| link.path(isa).join(format!("{o}.o")));
    let status = Command::new("ld.lld")
        .args(["--gc-sections", "-e", "_start", "--no-relax", base, "-o"])
        .arg(&output)
        .args(objects)
        .status();
    assert!(status.expect("ld.lld runs").success());
    output
}

fn same_as_lld(isa: &'static str, version: &str) {
    let flags: [&[&str]; 1] = [&[version]];
    let linked = Link::of(&[isa])
        .c_with("start", &start(), flags)
        .c_with("main", PROGRAM, flags)
        .c_with("more", "int more(int argument) { return argument; }", flags)
        .arg("--image-base=0x100000")
        .arg("--gc-sections")
        .ok();
    let ours = dump(&linked.link.image());
    let theirs = dump(&lld(&linked.link, isa, &["start", "main", "more"]));
    assert!(ours.iter().any(|line| line.contains("unreached")));
    for (at, (our, their)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(our, their, "line {at}");
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn compressed_debug_information_is_as_if_it_were_not() {
    let linked = Link::new()
        .c("start", &start())
        .c("main", PROGRAM)
        .c("more", "int more(int argument) { return argument; }")
        .ok();
    let views = || {
        ["x86_64.elf", "riscv64.elf"]
            .map(|view| std::fs::read(linked.link.path(view)).expect("view"))
    };
    let plain = views();
    for format in ["zlib-gabi", "zstd"] {
        for (objcopy, isa) in [
            ("objcopy", "x86_64"),
            ("riscv64-linux-gnu-objcopy", "riscv64"),
        ] {
            for object in ["start", "main", "more"] {
                let status = Command::new(objcopy)
                    .arg(format!("--compress-debug-sections={format}"))
                    .arg(linked.link.path(isa).join(format!("{object}.o")))
                    .status();
                assert!(status.expect("objcopy runs").success());
            }
        }
        let output = linked.link.run();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(views() == plain, "{format}");
    }
}

#[test]
fn an_object_of_nothing_but_debug_information_stays() {
    let linked = Link::new()
        .c("start", &start())
        .c("main", "int answer(void) { return 1; }")
        .c(
            "types",
            "struct only_here { int field; }; typedef struct only_here one;",
        )
        .c("dead", "int dead_code(void) { return 1; }");
    let linked = linked.arg("-Map=map").ok();
    let output = Command::new("readelf")
        .arg("--debug-dump=info")
        .arg(linked.link.path("x86_64.elf"))
        .output();
    let text = String::from_utf8(output.expect("readelf runs").stdout).expect("UTF-8");
    assert!(
        text.contains("types.c") && !text.contains("dead.c"),
        "{text}"
    );
}

#[test]
fn dwarf_5_is_as_lld_makes_it() {
    same_as_lld("x86_64", "-gdwarf-5");
    same_as_lld("riscv64", "-gdwarf-5");
}

#[test]
fn dwarf_4_is_as_lld_makes_it() {
    same_as_lld("x86_64", "-gdwarf-4");
    same_as_lld("riscv64", "-gdwarf-4");
}
