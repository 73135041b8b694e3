//! What each tool notices of the project's own cases (`testsuite/cases`): the objects of a case's targets, compiled as
//! its test compiles them, are given to every tool.
//!
//! Invariant: a tool is judged by its own answer alone, with one rule for all cases, which stands beside the table.

mod ask;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use testsuite::cases::{self, Case, CoreLibraries};
use testsuite::workspace;

use super::tools::Tool;
use crate::error::Error;
use ask::{Answer, Asked};
use table::Page;

/// A case and what was answered.
#[derive(Debug)]
struct Row {
    name: String,
    /// What there is to notice: kinds of findings, or reasons for being unproved; nothing where all is equal.
    kinds: Vec<String>,
    /// What is asked for has a twin, of which these are the answers.
    twin: Option<Vec<Answer>>,
    answers: Vec<Answer>,
}

/// Asks all tools about all cases and writes the page; returns how many cases there are, and where the page is.
/// A page that lacks a tool replaces none: it is written into `folder`.
pub fn run(
    abi_check: &Path,
    tools: Vec<(Tool, PathBuf)>,
    is_complete: bool,
    folder: &Path,
) -> Result<(usize, PathBuf), Error> {
    let asked = ask::all(abi_check, tools);
    let libraries = CoreLibraries::new(super::target_folder()?.join("tmp/core"));
    let folders = cases::folders().map_err(|source| Error::System {
        doing: "read the cases",
        source,
    })?;
    let rows = rows(&folders, &asked, &libraries)?;
    let page = Page {
        rows: &rows,
        asked: &asked,
    };
    let path = match is_complete {
        true => workspace().join("docs/abi-check-tools.md"),
        false => folder.join("abi-check-tools.md"),
    };
    std::fs::write(&path, page.to_string()).map_err(|source| Error::System {
        doing: "write the table of the tools",
        source,
    })?;
    Ok((rows.len(), path))
}

/// All cases, as many at a time as there are CPUs.
fn rows(
    folders: &[PathBuf],
    asked: &[Asked],
    libraries: &CoreLibraries,
) -> Result<Vec<Row>, Error> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = row(folder, asked, libraries).map_err(|said| Error::Case {
                        name: cases::name(folder),
                        said,
                    });
                    if let Ok(mut done) = done.lock() {
                        done.push(row);
                    }
                }
            });
        }
    });
    let rows = done.into_inner().unwrap_or_default();
    let mut rows = rows.into_iter().collect::<Result<Vec<Row>, _>>()?;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

fn row(folder: &Path, asked: &[Asked], libraries: &CoreLibraries) -> Result<Row, String> {
    let case = Case::read(folder)?;
    let answers = |twin| {
        let objects = tempfile::tempdir().map_err(|e| e.to_string())?;
        let compiled = case.objects(libraries, folder, twin, objects.path());
        compiled.map(|files| {
            let of_tool = |asked: &Asked| asked.answer(&case.arguments, &files);
            asked.iter().map(of_tool).collect::<Vec<_>>()
        })
    };
    let mut kinds: Vec<String> = case.kinds().into_iter().map(str::to_owned).collect();
    let reasons = case
        .unproved
        .iter()
        .filter_map(|text| text.split(' ').next());
    kinds.extend(reasons.map(|reason| format!("unproved: {reason}")));
    kinds.dedup();
    Ok(Row {
        name: cases::name(folder),
        kinds,
        twin: case.twin.then(|| answers(true)).transpose()?,
        answers: answers(false)?,
    })
}
