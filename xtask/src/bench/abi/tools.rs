//! The tools of others that look for differences of types in DWARF: how each is called, and what its answer means.
//!
//! Each gets the options by which it compares types. pahole compares nothing: it prints the types of one file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fatcc::tools::which;

use crate::progress::{say, step};

/// A tool of others.
#[derive(Debug)]
pub struct Tool {
    /// Its name in tables of what it notices.
    pub name: &'static str,
    /// Its name in tables of what it costs.
    pub row: &'static str,
    program: &'static str,
    /// Options before the files.
    pub flags: &'static [&'static str],
    /// It takes one file at a time.
    pub is_single: bool,
    /// Exit statuses that are answers.
    pub is_answer: fn(i32) -> bool,
    /// Whether it says that files differ, of its outputs: one, or one for each file if it takes one at a time.
    pub notices: fn(&[Output]) -> bool,
    /// The same in words.
    pub rule: &'static str,
    /// What installs it.
    pub install: &'static str,
}

fn prints(outputs: &[Output]) -> bool {
    outputs
        .iter()
        .any(|output| !output.stdout.trim_ascii().is_empty())
}

/// The tools.
pub const OTHERS: [Tool; 4] = [
    Tool {
        name: "codiff",
        row: "codiff -s",
        program: "codiff",
        flags: &["-s"],
        is_single: false,
        is_answer: |status| status <= 1,
        notices: prints,
        rule: "`codiff -s A B` prints something (its exit status is 0 either way)",
        install: "apt-get install dwarves",
    },
    Tool {
        name: "pahole",
        row: "pahole, both files",
        program: "pahole",
        flags: &["-F", "dwarf"],
        is_single: true,
        is_answer: |status| status == 0,
        notices: |outputs| outputs.windows(2).any(|two| two[0].stdout != two[1].stdout),
        rule: "`pahole -F dwarf` does not print the same text for both files: it has no comparison of its own",
        install: "apt-get install dwarves",
    },
    Tool {
        name: "abidiff",
        row: "abidiff",
        program: "abidiff",
        flags: &["--no-architecture"],
        is_single: false,
        // Bits 1 and 2 are errors, 4 and 8 say that something changed.
        is_answer: |status| status & 3 == 0,
        notices: |outputs| {
            let status = outputs.iter().filter_map(|output| output.status.code());
            status.fold(0, |all, status| all | status) & 12 != 0
        },
        rule: "`abidiff --no-architecture A B` ends with bit 4 or 8 in its exit status: something changed",
        install: "apt-get install abigail-tools",
    },
    Tool {
        name: "ddbug",
        row: "ddbug",
        program: "ddbug",
        flags: &["-c", "type", "--diff"],
        is_single: false,
        is_answer: |status| status == 0,
        notices: prints,
        rule: "`ddbug -c type --diff A B` prints something (its exit status is 0 either way)",
        install: DDBUG,
    },
];

/// The version that the measured tables were made with.
const DDBUG_VERSION: &str = "0.6.1";
const DDBUG: &str = "cargo install ddbug";

/// The tools that are here, and what is missing with what installs it. `folder` has programs too, and gets those that
/// cargo installs.
pub fn all(folder: &Path) -> (Vec<(Tool, PathBuf)>, Vec<String>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for tool in OTHERS {
        let own = folder.join("bin").join(tool.program);
        if tool.install == DDBUG && which(tool.program).is_none() && !own.is_file() {
            install(tool.program, folder);
        }
        match which(tool.program).or_else(|| own.is_file().then_some(own)) {
            Some(program) => found.push((tool, program)),
            None => missing.push(format!("{} ({})", tool.program, tool.install)),
        }
    }
    (found, missing)
}

/// Installs a tool by cargo; what cargo says is shown, and a tool that is still not there is missing.
fn install(program: &str, folder: &Path) {
    let installed = step(&format!("Installing {program}"), || {
        let mut command = Command::new(env!("CARGO"));
        command.args(["install", "--quiet", "--locked", program]);
        command
            .args(["--version", DDBUG_VERSION, "--root"])
            .arg(folder);
        let status = command.status().map_err(|error| error.to_string())?;
        match status.success() {
            true => Ok(((), String::new())),
            false => Err(status.to_string()),
        }
    });
    if let Err(why) = installed {
        say(&format!("{program} cannot be installed: {why}"));
    }
}
