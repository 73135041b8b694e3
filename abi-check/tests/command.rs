//! The command: exit statuses, archives, and what it prints first.

mod support;

use std::path::Path;
use std::process::Command;

use support::{Scratch, gcc, said};

fn run(scratch: &Scratch, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abi-check"));
    said(command.args(arguments).current_dir(scratch.path()))
}

fn objects(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    gcc(
        &scratch,
        "a",
        "struct s { int n; } x; struct t { char c; } only_here;",
        &[],
    );
    gcc(&scratch, "same", "struct s { int n; } x;", &[]);
    gcc(&scratch, "other", "struct s { long n; } x;", &[]);
    gcc(&scratch, "bare", "int x;", &["-g0"]);
    scratch
}

#[test]
fn the_exit_status_tells_the_verdict() {
    let scratch = objects("status");
    let status = |arguments: &[&str]| run(&scratch, arguments).0;
    assert_eq!(status(&["same.o", "same.o"]), 0);
    assert_eq!(status(&["same.o", "other.o"]), 1);
    assert_eq!(status(&["a.o", "same.o"]), 2, "only_here is unproved");
    assert_eq!(status(&["a.o", "same.o", "--allow-unproved"]), 0);
    assert_eq!(status(&["a.o", "same.o", "--static", "x"]), 0);
    assert_eq!(status(&["a.o", "same.o", "--static", "nobody"]), 2);
    assert_eq!(status(&["bare.o", "bare.o"]), 2, "nothing was compared");
    assert_eq!(
        status(&["bare.o", "bare.o", "--allow-unproved"]),
        2,
        "nothing was compared"
    );
    assert_eq!(status(&["a.o"]), 3);
    assert_eq!(status(&["a.o", "missing.o"]), 3);
    assert_eq!(status(&["a.o", "app.c"]), 3);
    assert_eq!(status(&["--help"]), 0);
}

#[test]
fn the_first_lines_say_what_was_compared() {
    let scratch = objects("first");
    let (_, text) = run(&scratch, &["same.o", "same.o"]);
    assert!(
        text.starts_with("compared 1 root and 2 types of same.o, same.o\n  same.o: GNU C"),
        "{text}"
    );
    let (_, text) = run(&scratch, &["bare.o", "bare.o"]);
    assert!(text.contains("error: nothing was compared"), "{text}");
}

#[test]
fn members_of_archives_are_read_and_metadata_is_not() {
    let scratch = objects("archive");
    std::fs::write(scratch.path().join("lib.rmeta"), b"rust").expect("the file can be written");
    let archive = |name: &str, members: &[&str]| {
        let status = Command::new("ar")
            .arg("rc")
            .arg(name)
            .args(members)
            .current_dir(scratch.path())
            .status();
        assert!(status.expect("ar runs").success());
    };
    archive("liba.rlib", &["lib.rmeta", "same.o"]);
    archive("libb.rlib", &["lib.rmeta", "other.o"]);
    assert_eq!(run(&scratch, &["liba.rlib", "same.o"]).0, 0);
    let (status, text) = run(&scratch, &["liba.rlib", "libb.rlib"]);
    assert_eq!(status, 1, "{text}");
    archive("libc.rlib", &["app.c", "same.o"]);
    let (status, text) = run(&scratch, &["liba.rlib", "libc.rlib"]);
    assert_eq!(status, 3, "{text}");
    assert!(
        text.contains("libc.rlib(app.c): is not an ELF file"),
        "{text}"
    );
    assert!(Path::new(&scratch.path().join("libc.rlib")).exists());
}

#[test]
fn the_format_changes_what_is_printed_and_not_the_exit_status() {
    let scratch = objects("format");
    for (format, beginning) in [
        ("human", "compared 1 root"),
        ("json", "{\n  \"schema\": 1,"),
        ("markdown", "**abi-check: 1 mismatch**"),
        ("sarif", "{\n  \"$schema\":"),
    ] {
        let (status, text) = run(&scratch, &["same.o", "other.o", "--format", format]);
        assert_eq!(status, 1, "{format}");
        assert!(text.starts_with(beginning), "{text}");
    }
    assert_eq!(run(&scratch, &["same.o", "other.o", "--format=xml"]).0, 3);
}

#[test]
fn colour_and_width_are_asked_for_or_found_out() {
    let scratch = objects("looks");
    let looks = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_abi-check"))
            .args(["same.o", "other.o"])
            .args(arguments)
            .env_remove("COLUMNS")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .envs(variables.iter().copied())
            .current_dir(scratch.path())
            .output()
            .expect("the command runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (text.contains('\x1b'), text)
    };
    assert!(!looks(&[], &[]).0, "a pipe is no terminal");
    assert!(looks(&["--color=always"], &[]).0);
    assert!(looks(&["--color=always"], &[("NO_COLOR", "1")]).0);
    assert!(looks(&[], &[("CLICOLOR_FORCE", "1")]).0);
    assert!(!looks(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).0);
    assert!(!looks(&["--color=never"], &[("CLICOLOR_FORCE", "1")]).0);
    assert!(!looks(&["--color=always", "--format=json"], &[]).0);
    let struct_s = |first: &str| {
        format!(
            "struct a_type_whose_name_is_very_long_indeed {{ int n; }};
             struct s {{ {first} c; struct a_type_whose_name_is_very_long_indeed t; }} x;"
        )
    };
    gcc(&scratch, "same", &struct_s("char"), &[]);
    gcc(&scratch, "other", &struct_s("long"), &[]);
    let wide = looks(&[], &[]).1;
    assert!(!wide.contains('…'), "{wide}");
    assert!(looks(&[], &[("COLUMNS", "60")]).1.contains('…'));
    assert_eq!(looks(&[], &[("COLUMNS", "many")]).1, wide);
}

#[test]
fn notes_do_not_spoil_a_document() {
    let scratch = objects("notes");
    let output = Command::new(env!("CARGO_BIN_EXE_abi-check"))
        .args([
            "same.o",
            "same.o",
            "--static=x",
            "--static=nobody",
            "--format=json",
        ])
        .current_dir(scratch.path())
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(2));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["verdict"], "equal");
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(notes.contains("--root nobody: nothing matches"), "{notes}");
}

#[test]
fn explain_lists_all_kinds_and_says_what_one_means() {
    let scratch = objects("explain");
    let (status, text) = run(&scratch, &["explain"]);
    assert_eq!(status, 0);
    assert_eq!(text.lines().count(), abi_check::Kind::ALL.len(), "{text}");
    let (status, text) = run(&scratch, &["explain", "ac0009"]);
    assert_eq!(status, 0);
    insta::assert_snapshot!(text);
    let (status, text) = run(&scratch, &["explain", "AC0001", "AC9999"]);
    assert_eq!(status, 3);
    assert_eq!(
        text,
        "error: AC9999: no kind of finding has this id (`abi-check explain` lists all)\n"
    );
}

#[test]
fn files_may_be_called_like_commands() {
    let scratch = objects("called");
    for name in ["explain", "man"] {
        std::fs::copy(scratch.path().join("same.o"), scratch.path().join(name)).expect("a copy");
    }
    assert_eq!(run(&scratch, &["./explain", "same.o"]).0, 0);
    assert_eq!(run(&scratch, &["same.o", "explain"]).0, 0);
    assert_eq!(run(&scratch, &["./man", "./explain"]).0, 0);
    assert_eq!(run(&scratch, &["./man"]).0, 3, "one file is too few");
}

#[test]
fn completions_and_the_man_page_know_the_options() {
    let scratch = objects("completions");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (status, text) = run(&scratch, &["completions", shell]);
        assert_eq!(status, 0, "{shell}");
        for word in ["allow-unproved", "explain"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    let (status, _) = run(&scratch, &["completions", "tcsh"]);
    assert_eq!(status, 3);
    std::fs::write(
        scratch.path().join("completions.bash"),
        run(&scratch, &["completions", "bash"]).1,
    )
    .expect("the file can be written");
    let complete = r#"
        source completions.bash
        definition=$(complete -p abi-check)
        function=${definition#*-F }
        COMP_WORDS=(abi-check --allow)
        COMP_CWORD=1
        ${function%% *} abi-check --allow abi-check
        echo "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["-c", complete])
        .current_dir(scratch.path())
        .output()
        .expect("bash runs");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "--allow-unproved"
    );
    let (status, text) = run(&scratch, &["man"]);
    assert_eq!(status, 0);
    for part in [".TH abi-check 1", ".SH SYNOPSIS", "Exit status", "explain"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
