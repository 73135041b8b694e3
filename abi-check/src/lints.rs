//! Types of equal layout whose values mean something else on each side.
//!
//! A lint is data: names of types, and what their values mean by the side's machine or by what else the side has. It
//! becomes a finding of its own where the meanings differ; where the layouts differ already, it says why.
//!
//! Invariant: a lint never takes anything back. Without one the result has the same errors.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::elf::Elf;
use crate::error::Error;
use crate::glob::Glob;
use crate::input::{CodePointers, Selection};
use crate::read;
use crate::report::{Finding, Kind, Note, Reached, SideView};

/// What is known of some types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Its name.
    pub name: String,
    /// Qualified names of the types that it is about.
    pub types: Vec<Glob>,
    /// What means something else, as the end of a sentence.
    pub what: String,
    /// How to mend it.
    pub hint: String,
    /// The meaning on a side that defines a type of such a name; the first that fits counts.
    pub by_type: Vec<(Glob, String)>,
    /// The meaning on a machine, by the name of its psABI; `*` stands for all others. Asked if no type tells.
    pub by_machine: BTreeMap<String, String>,
}

impl Lint {
    /// Whether it is about a type.
    pub(crate) fn is_about(&self, name: &str) -> bool {
        self.types.iter().any(|glob| glob.matches(name))
    }

    /// What values mean on a side, if that is known.
    fn meaning(&self, machine: &str, found: &[bool]) -> Option<&str> {
        let mut by_type = self.by_type.iter().zip(found);
        if let Some(((_, meaning), _)) = by_type.find(|(_, found)| **found) {
            return Some(meaning);
        }
        let by_machine = self.by_machine.get(machine);
        by_machine
            .or_else(|| self.by_machine.get("*"))
            .map(String::as_str)
    }
}

/// Adds what lints say of the types that they are about.
pub(crate) fn add(
    elves: &[Vec<Elf<'_>>],
    lints: &[Lint],
    met: BTreeMap<(String, usize), Vec<Reached>>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let mut views: BTreeMap<usize, Option<Vec<SideView>>> = BTreeMap::new();
    for ((name, index), reached) in met {
        let lint = &lints[index];
        let note = Note {
            lint: lint.name.clone(),
            what: lint.what.clone(),
            hint: lint.hint.clone(),
        };
        let mut about = findings
            .iter_mut()
            .filter(|finding| finding.type_name == name)
            .peekable();
        if about.peek().is_some() {
            about.for_each(|finding| finding.note = Some(note.clone()));
            continue;
        }
        if let std::collections::btree_map::Entry::Vacant(slot) = views.entry(index) {
            slot.insert(differing(elves, lint)?);
        }
        if let Some(Some(sides)) = views.get(&index) {
            findings.push(Finding {
                kind: Kind::Meaning,
                type_name: name,
                member: None,
                reached,
                more_roots: 0,
                sides: sides.clone(),
                table: None,
                also_affects: Vec::new(),
                note: Some(note),
                suppressed: None,
            });
        }
    }
    findings.sort_by_key(|finding| finding.kind.severity());
    Ok(())
}

/// The meaning on each side, unless it is the same everywhere.
fn differing(elves: &[Vec<Elf<'_>>], lint: &Lint) -> Result<Option<Vec<SideView>>, Error> {
    let found = defined(elves, &lint.by_type)?;
    let machines = elves
        .iter()
        .map(|side| side.first().map_or("", |elf| elf.machine.name));
    let machines: Vec<&str> = machines.collect();
    let depends = !lint.by_type.is_empty() || !lint.by_machine.is_empty();
    let meanings: Vec<Option<&str>> = machines
        .iter()
        .zip(&found)
        .map(|(machine, found)| lint.meaning(machine, found))
        .collect();
    let is_known = !meanings.contains(&None);
    let is_same = match is_known {
        true => meanings.iter().all(|meaning| *meaning == meanings[0]),
        false => machines.iter().all(|machine| *machine == machines[0]),
    };
    if depends && is_same {
        return Ok(None);
    }
    let views = meanings.iter().zip(&machines).enumerate();
    Ok(Some(
        views
            .map(|(side, (meaning, machine))| SideView {
                side,
                place: None,
                text: meaning.unwrap_or(machine).to_owned(),
                bytes: None,
            })
            .collect(),
    ))
}

/// For each side, which of the names some type of it has.
fn defined(elves: &[Vec<Elf<'_>>], wanted: &[(Glob, String)]) -> Result<Vec<Vec<bool>>, Error> {
    let found = Mutex::new(vec![vec![false; wanted.len()]; elves.len()]);
    if wanted.is_empty() {
        return Ok(found.into_inner().unwrap_or_default());
    }
    let note = |side: usize, name: &str| {
        for (at, _) in wanted
            .iter()
            .enumerate()
            .filter(|(_, (glob, _))| glob.matches(name))
        {
            if let Ok(mut found) = found.lock() {
                found[side][at] = true;
            }
        }
        false
    };
    let selection = Selection {
        statics: &|_| false,
        types: Some(&|ty| note(ty.side, ty.name)),
        code_pointers: CodePointers::Allowed,
        lints: &[],
    };
    read::selected(elves, selection)?;
    Ok(found.into_inner().unwrap_or_default())
}
