//! Proves, by DWARF, that types are laid out alike in the compilations of one source for several CPUs.
//!
//! A *side* is everything that was compiled for one ISA. [`compare`] reads the debug information of all sides, pairs
//! the statics and vtables that the caller selects (the *roots*), and walks their types in parallel: through members,
//! array elements, variants and pointers. What it says is one of three things, and never silence: the layouts are
//! alike, they are not (a [`Finding`]), or the debug information does not tell (an [`Unproved`]).
//!
//! One link of files to phases:
//!
//! | phase | file | makes |
//! | --- | --- | --- |
//! | read | `archive`, `elf`, `relocation`, `machine` | sections; relocations are looked up where a value is read |
//! | join | `object`, `package`, `supplement` | what several files hold of one object |
//! | find | `headers`, `unit`, `abbreviation`, `cursor`, `index`, `origins`, `candidates`, `location` | where the types and statics of each unit are; those that are selected |
//! | load | `load`, `types`, `shape`, `attributes`, `form`, `definitions` | the types that the selected statics lead to, and no others |
//! | share | `share`, `across`, `alike`, `fingerprint`, `hash`, `model` | equal types of a side's units as one, all in one graph |
//! | pair | `roots`, `producer`, `pairing`, `matching` | roots that belong together |
//! | walk | `walk`, `compare`, `variants`, `listed`, `layout`, `names` | pairs of types and what differs in each of them |
//! | explain | `explain`, `covered`, `code`, `ways`, `collected`, `lints`, `table`, `lines` | findings: root causes first, what follows from them folded |
//! | render | `render`, `kinds` | the text, and the formats for tools |
//!
//! `read` goes through the first five for a batch of units at a time, in parallel: what a unit shares with those before it
//! is forgotten at once, so that memory holds the files and what differs between units.
//!
//! Where asked to, `proved` with `nameable` says what was proved of which type. Besides a comparison, `dump` lists the
//! layouts of a side, and `declarations` finds symbols in the source.
//!
//! Invariants: no input makes it panic or loop, the result is a pure function of the input (no hash or thread order in
//! it), and nothing is compared by name alone: a name selects a partner, the layouts decide.
#![forbid(unsafe_code)]

mod abbreviation;
mod across;
mod alike;
mod archive;
mod attributes;
mod candidates;
mod code;
mod collected;
mod compare;
mod covered;
mod cursor;
mod declarations;
mod definitions;
mod dump;
mod elf;
#[cfg(feature = "command")]
mod elsewhere;
mod error;
mod explain;
mod fingerprint;
mod form;
mod glob;
mod hash;
mod headers;
mod index;
mod input;
mod kinds;
mod layout;
mod lines;
mod lints;
mod listed;
mod load;
mod location;
mod machine;
mod matching;
mod model;
mod nameable;
mod names;
mod object;
mod origins;
mod package;
mod pairing;
mod producer;
mod proved;
mod read;
mod relocation;
mod render;
mod report;
mod roots;
mod shape;
mod share;
mod supplement;
mod table;
mod types;
mod unit;
mod variants;
mod walk;
mod ways;

use std::collections::BTreeSet;

pub use archive::objects;
pub use declarations::{Definition, declarations};
pub use dump::{Field, Layout, VariantLayout, layouts};
#[cfg(feature = "command")]
pub use elsewhere::{Elsewhere, elsewhere, split_ids};
pub use error::{Error, NotUsed, WrongFile};
pub use glob::Glob;
pub use input::{
    CodePointers, Location, ObjectFile, Progress, Selection, Side, StaticRef, TypeRef,
};
pub use kinds::KindEntry;
pub use lints::Lint;
pub use nameable::{Access, Language};
pub use proved::{Proved, ProvedEnumerator, ProvedField, ProvedType, TypeForm};
pub use render::Look;
pub use report::{
    Cell, CrateRoot, FieldRow, FieldTable, Finding, Issue, Kind, Note, PanicStrategy, Place,
    Producer, Reached, Reason, Report, RootKind, Severity, SideView, Suppressed, Unproved, Verdict,
};

/// Compares the types of the statics and vtables for which `select` is true, over all sides.
///
/// `select` is called once for every static that has a place in memory, of every side; it must not depend on the order
/// of calls. A root that some side lacks is reported as [`Reason::OneSided`].
///
/// # Errors
/// Input that is not ELF, malformed DWARF, or a relocation that this crate does not know on data that it needs.
pub fn compare<'a>(
    sides: &[Side<'a>],
    select: &(dyn Fn(&StaticRef<'_>) -> bool + Sync),
) -> Result<Report, Error> {
    let selection = Selection {
        statics: select,
        types: None,
        code_pointers: CodePointers::Allowed,
        lints: &[],
        progress: None,
    };
    compare_selected(sides, selection)
}

/// Compares the statics, vtables and types that a selection wants, over all sides.
///
/// A type that one side has in several layouts under one name (C allows it) is compared with those that the other sides
/// have under it: each needs an equal one.
///
/// # Errors
/// As [`compare`].
pub fn compare_selected(sides: &[Side<'_>], selection: Selection<'_>) -> Result<Report, Error> {
    comparison(sides, selection, false).map(|(report, _)| report)
}

/// As [`compare_selected`], and says what it proved of the types that it met.
///
/// # Errors
/// As [`compare`].
pub fn compare_proved(
    sides: &[Side<'_>],
    selection: Selection<'_>,
) -> Result<(Report, Proved), Error> {
    comparison(sides, selection, true)
}

fn comparison(
    sides: &[Side<'_>],
    selection: Selection<'_>,
    wants_proved: bool,
) -> Result<(Report, Proved), Error> {
    let files = read::files(sides)?;
    let objects = read::objects(&files)?;
    let graph = read::selected(&objects, selection)?;
    let roots = roots::by_side(&graph, sides.len());
    let mut collected = collected::Collected::new(selection.code_pointers);
    let mut types = BTreeSet::new();
    let mut paired = Vec::new();
    let mut verdicts = wants_proved.then(proved::Verdicts::default);
    for side in 1..sides.len() {
        let pairing = pairing::pair(&graph, &roots[0], &roots[side]);
        let mut walk = walk::Walk::new(&graph);
        let matching = matching::match_groups(&graph, &mut walk, &pairing.groups)?;
        let explain = explain::Explain::new(&walk, &matching.roots, [0, side]);
        explain.compared(&mut types, selection.lints, &mut collected);
        let reaches = verdicts.as_ref().map(|_| explain.reaches());
        explain.collect(&mut collected);
        if let Some((verdicts, reaches)) = verdicts.as_mut().zip(reaches) {
            verdicts.add(&mut walk, &reaches, side);
        }
        roots::undecided(&graph, &matching, [0, side], &mut collected);
        paired.push((pairing, matching));
    }
    roots::one_sided(&graph, &roots, &paired, &mut collected);
    roots::whole_sides(&graph, sides.len(), &mut collected);
    let code_pointers = collected.code_pointers();
    let met = collected.take_lints();
    let (mut findings, unproved) = collected.finish(&graph);
    lints::add(&objects, selection.lints, met, &mut findings)?;
    let proved = match verdicts {
        Some(verdicts) => verdicts.finish(&graph, sides.len(), &findings)?,
        None => Proved::default(),
    };
    let report = Report {
        sides: sides.iter().map(|side| side.name.clone()).collect(),
        findings,
        unproved,
        compared_roots: roots::compared(&roots, &paired),
        compared_types: types.len(),
        code_pointers,
        producers: roots::producers(&graph, sides.len()),
        panics: roots::panics(&graph, sides.len()),
        crates: roots::crates(&graph),
    };
    Ok((report, proved))
}
