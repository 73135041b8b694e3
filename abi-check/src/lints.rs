//! Types of equal layout whose values mean something else on each side.
//!
//! A lint is data: names of types, and what their values mean by the side's machine or by what else the side has. It
//! becomes a finding of its own where the meanings differ; where the layouts differ already, it says why.
//!
//! Invariant: a lint never takes anything back. Without one the result has the same errors.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::glob::Glob;
use crate::object::Object;
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
    fn meaning(&self, objects: &[Vec<Object<'_>>], side: usize) -> Result<Option<&str>, Error> {
        let fits = |name: &str| self.by_type.iter().position(|(glob, _)| glob.matches(name));
        if !self.by_type.is_empty()
            && let Some(at) = read::first_type(objects, side, &fits)?
        {
            return Ok(Some(&self.by_type[at].1));
        }
        let machine = machine(&objects[side]);
        let by_machine = self.by_machine.get(machine);
        Ok(by_machine
            .or_else(|| self.by_machine.get("*"))
            .map(String::as_str))
    }
}

/// Adds what lints say of the types that they are about.
pub(crate) fn add(
    objects: &[Vec<Object<'_>>],
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
            slot.insert(differing(objects, lint)?);
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
fn differing(objects: &[Vec<Object<'_>>], lint: &Lint) -> Result<Option<Vec<SideView>>, Error> {
    let machines: Vec<&str> = objects.iter().map(|side| machine(side)).collect();
    let meanings = (0..objects.len()).map(|side| lint.meaning(objects, side));
    let meanings: Vec<Option<&str>> = meanings.collect::<Result<_, Error>>()?;
    let depends = !lint.by_type.is_empty() || !lint.by_machine.is_empty();
    let is_same = match meanings.contains(&None) {
        true => machines.iter().all(|machine| *machine == machines[0]),
        false => meanings.iter().all(|meaning| *meaning == meanings[0]),
    };
    if depends && is_same {
        return Ok(None);
    }
    let views = meanings.iter().zip(&machines).enumerate();
    let view = |(side, (meaning, machine)): (usize, (&Option<&str>, &&str))| SideView {
        side,
        place: None,
        text: meaning.unwrap_or(machine).to_owned(),
        bytes: None,
    };
    Ok(Some(views.map(view).collect()))
}

fn machine(side: &[Object<'_>]) -> &'static str {
    side.first().map_or("", |object| object.own().machine.name)
}
