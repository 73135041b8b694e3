//! The report as JSON, for tools. `docs/abi-check.md` describes it field by field.
//!
//! Invariant: the structs here are the format. Whoever renames or removes one of their fields, or gives one another
//! meaning, raises [`SCHEMA`]; new fields do not.

use serde::Serialize;

use super::{doubt, headline, hint::hint, noun, quoted, same};
use crate::report::{
    Cell, FieldTable, Finding, PanicStrategy, Reached, Report, Severity, Suppressed, Unproved,
    Verdict,
};

/// Version of the format.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'r> {
    schema: u32,
    tool: Tool,
    verdict: &'static str,
    sides: Vec<SideEntry<'r>>,
    compared: Compared,
    counts: Counts,
    compilers_differ: bool,
    flags_that_differ: Vec<FlagEntry<'r>>,
    findings: Vec<FindingEntry<'r>>,
    unproved: Vec<UnprovedEntry<'r>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct SideEntry<'r> {
    name: &'r str,
    compilers: Vec<CompilerEntry<'r>>,
    panic: Option<&'static str>,
}

#[derive(Serialize)]
struct CompilerEntry<'r> {
    name: &'r str,
    flags: &'r [String],
    units: usize,
}

#[derive(Serialize)]
struct Compared {
    roots: usize,
    types: usize,
    code_pointers: usize,
}

#[derive(Serialize)]
struct Counts {
    errors: usize,
    warnings: usize,
    unproved: usize,
    suppressed: usize,
}

#[derive(Serialize)]
struct FlagEntry<'r> {
    flag: &'r str,
    sides: Vec<usize>,
}

#[derive(Serialize)]
struct FindingEntry<'r> {
    id: &'static str,
    severity: &'static str,
    #[serde(rename = "type")]
    type_name: Option<&'r str>,
    member: Option<&'r str>,
    message: String,
    hint: String,
    sides: Vec<ViewEntry<'r>>,
    fields: Option<TableEntry<'r>>,
    also_affects: &'r [String],
    reached: Vec<ReachedEntry<'r>>,
    more_roots: usize,
    lint: Option<LintEntry<'r>>,
    suppressed: Option<SuppressedEntry<'r>>,
}

#[derive(Serialize)]
struct ViewEntry<'r> {
    side: usize,
    file: Option<&'r str>,
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found_by: Option<&'static str>,
    text: &'r str,
}

#[derive(Serialize)]
struct TableEntry<'r> {
    sides: &'r [usize],
    sizes: &'r [Option<u64>],
    rows: Vec<RowEntry<'r>>,
}

#[derive(Serialize)]
struct RowEntry<'r> {
    name: &'r str,
    differs: bool,
    cells: Vec<Option<CellEntry<'r>>>,
}

#[derive(Serialize)]
struct CellEntry<'r> {
    bit_offset: u64,
    bit_size: Option<u64>,
    #[serde(rename = "type")]
    type_name: &'r str,
}

#[derive(Serialize)]
struct ReachedEntry<'r> {
    kind: &'static str,
    root: &'r str,
    path: &'r str,
}

#[derive(Serialize)]
struct UnprovedEntry<'r> {
    reason: &'static str,
    subject: &'r str,
    message: String,
    sides: &'r [usize],
    reached: Vec<ReachedEntry<'r>>,
    suppressed: Option<SuppressedEntry<'r>>,
}

#[derive(Serialize)]
struct SuppressedEntry<'r> {
    reason: &'r str,
    until: Option<&'r str>,
    origin: &'r str,
}

#[derive(Serialize)]
struct LintEntry<'r> {
    name: &'r str,
    what: &'r str,
}

impl Report {
    /// The report as one JSON document with a line feed at its end; `docs/abi-check.md` describes it.
    pub fn to_json(&self) -> String {
        super::pretty(&self.document())
    }

    fn document(&self) -> Document<'_> {
        let compilers = |side: usize| {
            let of_side = self
                .producers
                .iter()
                .filter(move |producer| producer.side == side);
            of_side.map(|producer| CompilerEntry {
                name: &producer.text,
                flags: &producer.flags,
                units: producer.units,
            })
        };
        let sides = self.sides.iter().enumerate().map(|(side, name)| SideEntry {
            name,
            compilers: compilers(side).collect(),
            panic: self
                .panics
                .get(side)
                .copied()
                .flatten()
                .map(PanicStrategy::word),
        });
        let flags = self.flags_that_differ().into_iter();
        Document {
            schema: SCHEMA,
            tool: Tool {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
            },
            verdict: verdict(self.verdict()),
            sides: sides.collect(),
            compared: Compared {
                roots: self.compared_roots,
                types: self.compared_types,
                code_pointers: self.code_pointers,
            },
            counts: Counts {
                errors: self.number_of(Severity::Error),
                warnings: self.number_of(Severity::Warning),
                unproved: self.open().count(),
                suppressed: self.number_of_suppressed(),
            },
            compilers_differ: self.compilers_differ(),
            flags_that_differ: flags
                .map(|(flag, sides)| FlagEntry { flag, sides })
                .collect(),
            findings: self
                .findings
                .iter()
                .map(|finding| self.finding_entry(finding))
                .collect(),
            unproved: self
                .unproved
                .iter()
                .map(|unproved| self.unproved_entry(unproved))
                .collect(),
        }
    }

    fn finding_entry<'r>(&'r self, finding: &'r Finding) -> FindingEntry<'r> {
        let views = finding.sides.iter().map(|view| ViewEntry {
            side: view.side,
            file: view.place.as_ref().map(|place| place.file.as_str()),
            line: view.place.as_ref().map(|place| place.line),
            found_by: match &view.place {
                Some(place) if place.is_found_by_name => Some("name"),
                _ => None,
            },
            text: &view.text,
        });
        FindingEntry {
            id: finding.kind.id(),
            severity: finding.kind.severity().word(),
            type_name: (!finding.type_name.is_empty()).then_some(finding.type_name.as_str()),
            member: finding.member.as_deref(),
            message: headline(finding, quoted),
            hint: hint(self, finding),
            sides: views.collect(),
            fields: finding.table.as_ref().map(table),
            also_affects: &finding.also_affects,
            reached: reached(&finding.reached),
            more_roots: finding.more_roots,
            lint: finding.note.as_ref().map(|note| LintEntry {
                name: &note.lint,
                what: &note.what,
            }),
            suppressed: finding.suppressed.as_ref().map(suppressed),
        }
    }

    fn unproved_entry<'r>(&'r self, unproved: &'r Unproved) -> UnprovedEntry<'r> {
        UnprovedEntry {
            reason: unproved.reason.word(),
            subject: &unproved.subject,
            message: doubt(self, unproved, quoted),
            sides: &unproved.sides,
            reached: reached(&unproved.reached),
            suppressed: unproved.suppressed.as_ref().map(suppressed),
        }
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Equal => "equal",
        Verdict::Mismatch => "mismatch",
        Verdict::Unproved => "unproved",
        Verdict::Suppressed => "suppressed",
        Verdict::NothingCompared => "nothing-compared",
    }
}

fn suppressed(suppressed: &Suppressed) -> SuppressedEntry<'_> {
    SuppressedEntry {
        reason: &suppressed.reason,
        until: suppressed.until.as_deref(),
        origin: &suppressed.origin,
    }
}

fn reached(all: &[Reached]) -> Vec<ReachedEntry<'_>> {
    all.iter()
        .map(|Reached { kind, root, path }| ReachedEntry {
            kind: noun(*kind),
            root,
            path,
        })
        .collect()
}

fn table(table: &FieldTable) -> TableEntry<'_> {
    let rows = table.rows.iter().map(|row| RowEntry {
        name: &row.name,
        differs: !row
            .cells
            .iter()
            .all(|cell| same(cell.as_ref(), row.cells[0].as_ref())),
        cells: row
            .cells
            .iter()
            .map(|cell| cell.as_ref().map(cell_entry))
            .collect(),
    });
    TableEntry {
        sides: &table.sides,
        sizes: &table.sizes,
        rows: rows.collect(),
    }
}

fn cell_entry(cell: &Cell) -> CellEntry<'_> {
    CellEntry {
        bit_offset: cell.bit_offset,
        bit_size: cell.bit_size,
        type_name: &cell.type_name,
    }
}
