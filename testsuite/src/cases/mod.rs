//! `testsuite/cases/`: sources, the targets that they are compiled for, and what `abi-check` must say of the objects.
//!
//! Each folder is a case; `testsuite/cases/README.md` says what is in it.

mod compile;
mod core_library;

use std::path::{Path, PathBuf};

pub use core_library::CoreLibraries;
use serde::Deserialize;

/// A `case.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is about, in a sentence.
    pub shows: String,
    /// The sides.
    pub targets: Vec<String>,
    /// Flags of each side, if any.
    #[serde(default)]
    pub flags: Vec<Vec<String>>,
    /// Options of `abi-check`.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Exit status.
    pub status: i32,
    /// All findings: `ID TYPE.MEMBER`.
    pub findings: Vec<String>,
    /// All that is unproved: `REASON SUBJECT`.
    #[serde(default)]
    pub unproved: Vec<String>,
    /// With `-DTWIN`, in Rust `--cfg=twin`, everything is equal.
    #[serde(default)]
    pub twin: bool,
}

/// The folders of all cases, in order.
pub fn folders() -> std::io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(crate::workspace().join("testsuite/cases"))? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The name of a case's folder.
pub fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

impl Case {
    /// The case in a folder.
    pub fn read(folder: &Path) -> Result<Case, String> {
        let path = folder.join("case.toml");
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let case: Case = toml::from_str(&text).map_err(|e| e.to_string())?;
        if case.shows.is_empty() || case.targets.len() < 2 {
            return Err("a case shows something, on two targets or more".to_owned());
        }
        Ok(case)
    }

    /// Compiles the source in `from` for each side, its twin if that is wanted; the objects are in `folder`.
    pub fn objects(
        &self,
        libraries: &CoreLibraries,
        from: &Path,
        twin: bool,
        folder: &Path,
    ) -> Result<Vec<PathBuf>, String> {
        let side = &|(side, target): (usize, &String)| {
            let object = folder.join(format!("{side}.o"));
            let flags = self.flags.get(side).map_or(&[][..], Vec::as_slice);
            compile::compile(libraries, from, target, flags, twin, &object).map(|()| object)
        };
        std::thread::scope(|scope| {
            let sides = self.targets.iter().enumerate();
            let running: Vec<_> = sides.map(|each| scope.spawn(move || side(each))).collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended
                .map(|result| result.unwrap_or_else(|_| Err("a thread panicked".to_owned())))
                .collect()
        })
    }

    /// The kinds of its findings, each once.
    pub fn kinds(&self) -> Vec<&str> {
        let ids = self
            .findings
            .iter()
            .filter_map(|text| text.split(' ').next());
        let mut ids: Vec<&str> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
