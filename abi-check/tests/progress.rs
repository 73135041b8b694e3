//! The bar that a long comparison shows, and where it does not.

mod support;

use std::process::Command;

use support::{Scratch, gcc, said};

/// An object of so many structures.
fn object_of(scratch: &Scratch, structures: u32) {
    let structure =
        |n: u32| format!("struct s{n} {{ int a{n}; char b[{n} + 1]; struct s0 *next; }} v{n};");
    let source: String = (0..structures).map(structure).collect();
    gcc(scratch, "a", &source, &[]);
}

fn run(scratch: &Scratch, command: &mut Command) -> String {
    said(command.current_dir(scratch.path())).1
}

#[test]
fn a_long_comparison_shows_a_bar_on_a_terminal_only() {
    let scratch = Scratch::new("progress");
    let program = env!("CARGO_BIN_EXE_abi-check");
    let line = format!("{program} a.o a.o --type 's*'");
    let on_terminal = || {
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &line, "/dev/null"]);
        let shown = run(&scratch, script.env("TERM", "xterm"));
        assert!(shown.contains("all proved equal"), "{shown}");
        shown
    };
    // How many structures take longer to read than the bar waits for is the machine's business.
    let mut sizes = (0..6).map(|doubled| 40_000 << doubled);
    let seen = sizes.any(|structures| {
        object_of(&scratch, structures);
        on_terminal().contains("of types")
    });
    assert!(seen, "no bar however long the comparison takes");
    let in_pipe = run(&scratch, Command::new("sh").args(["-c", &line]));
    assert!(in_pipe.contains("all proved equal"), "{in_pipe}");
    assert!(
        !in_pipe.contains("of types\r") && !in_pipe.contains("iB of "),
        "{in_pipe}"
    );
}
