//! The bar that a long comparison shows, and where it does not.

mod support;

use std::process::Command;

use support::{Scratch, gcc, said};

/// So many structures that comparing them takes longer than the bar waits for, however fast the machine.
fn long(scratch: &Scratch) {
    let structure =
        |n: u32| format!("struct s{n} {{ int a{n}; char b[{n} + 1]; struct s0 *next; }} v{n};");
    let source: String = (0..40_000).map(structure).collect();
    gcc(scratch, "a", &source, &[]);
}

fn run(scratch: &Scratch, command: &mut Command) -> String {
    said(command.current_dir(scratch.path())).1
}

#[test]
fn a_long_comparison_shows_a_bar_on_a_terminal_only() {
    let scratch = Scratch::new("progress");
    long(&scratch);
    let program = env!("CARGO_BIN_EXE_abi-check");
    let line = format!("{program} a.o a.o --type 's*'");
    let on_terminal = run(
        &scratch,
        Command::new("script")
            .args(["-q", "-e", "-c", &line, "/dev/null"])
            .env("TERM", "xterm"),
    );
    assert!(on_terminal.contains("all proved equal"), "{on_terminal}");
    assert!(on_terminal.contains("of types"), "{on_terminal}");
    let in_pipe = run(&scratch, Command::new("sh").args(["-c", &line]));
    assert!(in_pipe.contains("all proved equal"), "{in_pipe}");
    assert!(
        !in_pipe.contains("of types\r") && !in_pipe.contains("iB of "),
        "{in_pipe}"
    );
}
