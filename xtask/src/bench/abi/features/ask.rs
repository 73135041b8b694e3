//! One question to one tool: do these files differ?

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::bench::abi::tools::Tool;

/// Seconds that a tool may take for two small objects.
const SECONDS: &str = "60";
/// What `timeout` ends with if time is over.
const TIME_IS_OVER: i32 = 124;
/// What `timeout` ends with, at least, if a signal ended the tool.
const SIGNAL: i32 = 128;

/// What a tool says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Something differs.
    Noticed,
    /// Something is worth a warning.
    Warned,
    /// Something could not be compared.
    Unproved,
    /// Nothing differs.
    Silent,
    /// It could not compare these files, and says so.
    Refused,
    /// A signal ended it.
    Crashed,
    /// It did not end.
    Hung,
}

/// A tool that is asked.
#[derive(Debug)]
pub struct Asked {
    program: PathBuf,
    /// abi-check if there is none.
    tool: Option<Tool>,
}

/// abi-check first, then the others.
pub fn all(abi_check: &Path, tools: Vec<(Tool, PathBuf)>) -> Vec<Asked> {
    let own = Asked {
        program: abi_check.to_owned(),
        tool: None,
    };
    let others = tools.into_iter().map(|(tool, program)| Asked {
        program,
        tool: Some(tool),
    });
    std::iter::once(own).chain(others).collect()
}

impl Asked {
    /// The tool's name.
    pub fn name(&self) -> &'static str {
        self.tool.as_ref().map_or("abi-check", |tool| tool.name)
    }

    /// What counts as noticed.
    pub fn rule(&self) -> &'static str {
        const OWN: &str = "`abi-check A B …` ends with 1; with 0 and a finding it is a warning, with 2 something is unproved. \
            It gets the options that the case is about, the others none";
        self.tool.as_ref().map_or(OWN, |tool| tool.rule)
    }

    /// Its version: the last word of the first line that it says of it.
    pub fn version(&self) -> String {
        let text = self.says(&["--version"]);
        let line = text.lines().next().unwrap_or_default();
        let word = line.split(' ').next_back().unwrap_or_default();
        word.trim_start_matches('v').to_owned()
    }

    /// What it prints.
    pub fn says(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.program).args(arguments).output();
        let text = output.map_or(Vec::new(), |output| output.stdout);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Its answer; `arguments` are for abi-check. Who compares two files is asked about the first one and each other.
    pub fn answer(&self, arguments: &[String], files: &[PathBuf]) -> Answer {
        let Some(tool) = &self.tool else {
            return self.own(arguments, files);
        };
        let (first, others) = files.split_first().expect("a case has two sides or more");
        let answers = others.iter().map(|other| self.between(tool, first, other));
        let worst = |a, b| match (a, b) {
            (Answer::Silent, b) => b,
            (a, _) => a,
        };
        answers.fold(Answer::Silent, worst)
    }

    fn own(&self, arguments: &[String], files: &[PathBuf]) -> Answer {
        let mut command = self.limited();
        let output = command
            .arg("--format=json")
            .args(arguments)
            .args(files)
            .output();
        let Ok(output) = output else {
            return Answer::Refused;
        };
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let finds = report["findings"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        match output.status.code() {
            Some(0) if finds => Answer::Warned,
            Some(0) => Answer::Silent,
            Some(1) => Answer::Noticed,
            Some(2) => Answer::Unproved,
            status => failure(status),
        }
    }

    fn between(&self, tool: &Tool, one: &Path, other: &Path) -> Answer {
        let run = |files: &[&Path]| self.limited().args(tool.flags).args(files).output();
        let outputs: Result<Vec<Output>, _> = match tool.is_single {
            true => [one, other].into_iter().map(|file| run(&[file])).collect(),
            false => run(&[one, other]).map(|output| vec![output]),
        };
        let Ok(outputs) = outputs else {
            return Answer::Refused;
        };
        let is_answer = |output: &&Output| {
            output
                .status
                .code()
                .is_some_and(|status| (tool.is_answer)(status))
        };
        match outputs.iter().find(|output| !is_answer(output)) {
            Some(output) => failure(output.status.code()),
            None if (tool.notices)(&outputs) => Answer::Noticed,
            None => Answer::Silent,
        }
    }

    fn limited(&self) -> Command {
        let mut command = Command::new("timeout");
        command.arg(SECONDS).arg(&self.program);
        command
    }
}

fn failure(status: Option<i32>) -> Answer {
    match status {
        Some(TIME_IS_OVER) => Answer::Hung,
        Some(SIGNAL..) | None => Answer::Crashed,
        Some(_) => Answer::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::abi::tools::OTHERS;

    fn answer_of(script: &str, tool: usize) -> Answer {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("tool");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("rights");
        let tool = OTHERS.into_iter().nth(tool);
        Asked { program, tool }.answer(&[], &["a".into(), "b".into()])
    }

    #[test]
    fn each_tool_is_judged_by_its_own_way_of_saying_that_files_differ() {
        for (tool, script, answer) in [
            (0, "echo changed", Answer::Noticed),
            (0, "true", Answer::Silent),
            (1, "echo $#", Answer::Silent),
            (1, "echo \"$@\"", Answer::Noticed),
            (1, "exit 1", Answer::Refused),
            (2, "echo unchanged", Answer::Silent),
            (2, "exit 4", Answer::Noticed),
            (2, "exit 5", Answer::Refused),
            (2, "kill -SEGV $$", Answer::Crashed),
            (3, "echo changed", Answer::Noticed),
            (3, "exit 1", Answer::Refused),
        ] {
            assert_eq!(answer_of(script, tool), answer, "{tool}: {script}");
        }
    }
}
