//! Places of types that rustc writes no lines for.

mod support;

use std::process::Command;

use support::Scratch;

const ROOT: &str = r##"
/* struct Inline { commented: u8 } */
const TEXT: &str = "pub mod inline { struct Inline { quoted: u8 } }";
macro_rules! make { () => { pub struct Inline { n: u8 } }; }
pub mod inline {
    pub mod deep {
        #[derive(Clone)]
        pub struct Inline { pub n: super::super::Wide }
    }
}
pub mod file;
#[path = "elsewhere.rs"] pub mod moved;
pub mod twice {
    #[cfg(wide)] pub struct Twice { pub n: u64 }
    #[cfg(not(wide))] pub struct Twice { pub n: u32 }
}
#[cfg(wide)] pub type Wide = u64;
#[cfg(not(wide))] pub type Wide = u32;
#[unsafe(no_mangle)] pub static A: inline::deep::Inline = inline::deep::Inline { n: 1 };
#[unsafe(no_mangle)] pub static B: file::child::Child<u8> = file::child::Child { n: 1, t: 1 };
#[unsafe(no_mangle)] pub static C: moved::Moved = moved::Moved::Of(1, 2);
#[unsafe(no_mangle)] pub static D: twice::Twice = twice::Twice { n: 1 };
pub fn f() -> usize { struct Local { n: Wide } static L: Local = Local { n: 1 }; &raw const L as usize }
"##;

fn compared(name: &str, format: &str) -> String {
    let scratch = Scratch::new(name);
    let write = |file: &str, text: &str| {
        let path = scratch.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        std::fs::write(path, text).expect("it can be written");
    };
    write("src/lib.rs", ROOT);
    write("src/file.rs", "pub mod child;\n");
    write(
        "src/file/child/mod.rs",
        "\n\npub struct Child<T> { pub n: crate::Wide, pub t: T }\n",
    );
    write(
        "src/elsewhere.rs",
        "\npub enum Moved { Of(u8, crate::Wide), Nothing }\n",
    );
    for (object, flags) in [("a.o", ["--cfg", "wide"]), ("b.o", ["--cfg", "narrow"])] {
        let status = Command::new("rustc")
            .args([
                "--edition=2024",
                "--crate-name=app",
                "--crate-type=lib",
                "--emit=obj",
            ])
            .args(["-Cdebuginfo=2", "-Awarnings", "src/lib.rs", "-o", object])
            .args(flags)
            .current_dir(scratch.path())
            .status();
        assert!(status.expect("rustc runs").success());
    }
    let output = Command::new(env!("CARGO_BIN_EXE_abi-check"))
        .args(["a.o", "b.o", "--format", format])
        .current_dir(scratch.path())
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn definitions_are_found_along_modules_and_files() {
    let text = compared("by-name", "human");
    let expected = [
        ("app::inline::deep::Inline`", "src/lib.rs:8 (found by name)"),
        (
            "app::file::child::Child<u8>`",
            "src/file/child/mod.rs:3 (found by name)",
        ),
        ("app::moved::Moved", "src/elsewhere.rs:2 (found by name)"),
        ("app::f::Local`", "src/lib.rs:23 (found by name)"),
    ];
    for (name, place) in expected {
        let mut findings = text
            .split("\nerror[")
            .filter(|part| part.lines().next().is_some_and(|line| line.contains(name)));
        let finding = findings.next().unwrap_or_else(|| panic!("{name}\n{text}"));
        assert_eq!(finding.matches(place).count(), 2, "{name}: {place}\n{text}");
    }
}

#[test]
fn a_name_with_several_definitions_has_no_place() {
    let text = compared("by-name-twice", "human");
    let finding = text
        .split("\nerror[")
        .find(|part| part.contains("`app::twice::Twice`"));
    assert!(
        !finding.expect("it differs").contains("found by name"),
        "{text}"
    );
}

#[test]
fn tools_are_told_how_a_place_was_found() {
    let text = compared("by-name-json", "json");
    assert!(
        text.contains(
            "\"file\": \"src/lib.rs\",\n          \"line\": 8,\n          \"found_by\": \"name\""
        ),
        "{text}"
    );
}
