//! Findings and what is unproved, gathered over all pairs of sides.
//!
//! What several sides, or several types of one name, have to say alike becomes one finding with the ways of all of them.
//!
//! Invariant: the order of the result is that of names, then that in which ways were found.

use std::collections::{BTreeMap, BTreeSet};

use crate::input::CodePointers;
use crate::model::{Graph, TypeId};
use crate::report::{Finding, Kind, Reached, Reason, SideView, Unproved};
use crate::table;
use crate::ways::MAX_REACHED;

/// Findings by what they say, so that equal ones of several units or sides become one.
#[derive(Default)]
pub(crate) struct Collected {
    refused: CodePointers,
    code_pointers: BTreeSet<String>,
    has_numbers: bool,
    lints: BTreeMap<(String, usize), Vec<Reached>>,
    findings: BTreeMap<(String, Kind, Option<String>), Vec<Draft>>,
    unproved: BTreeMap<(Reason, String, Vec<usize>), Vec<Reached>>,
}

/// A finding on the way into the report.
pub(crate) struct Draft {
    /// What it says.
    pub(crate) finding: Finding,
    /// The types whose fields its table shows, with their sides.
    pub(crate) types: Vec<(usize, TypeId)>,
}

impl Collected {
    /// Nothing found yet.
    pub(crate) fn new(refused: CodePointers) -> Self {
        Collected {
            refused,
            ..Collected::default()
        }
    }

    /// Counts a place that holds a code pointer, and says whether that is a finding.
    pub(crate) fn refuses_code(&mut self, place: String) -> bool {
        self.code_pointers.insert(place);
        self.refused == CodePointers::Refused
    }

    /// Notes that a lint, by its index, is about a type.
    pub(crate) fn lint(&mut self, lint: usize, name: &str, reached: Vec<Reached>) {
        let all = self.lints.entry((name.to_owned(), lint)).or_default();
        add_ways(all, reached);
    }

    /// The types that lints are about, with the lints' indexes.
    pub(crate) fn take_lints(&mut self) -> BTreeMap<(String, usize), Vec<Reached>> {
        std::mem::take(&mut self.lints)
    }

    /// How many places hold code pointers.
    pub(crate) fn code_pointers(&self) -> usize {
        self.code_pointers.len()
    }

    /// Adds something that could not be compared.
    pub(crate) fn unproved(
        &mut self,
        reason: Reason,
        subject: String,
        sides: Vec<usize>,
        reached: Vec<Reached>,
    ) {
        let all = self.unproved.entry((reason, subject, sides)).or_default();
        add_ways(all, reached);
    }

    /// Notes that something was compared whose bytes lie in the order of the CPU.
    pub(crate) fn met_number(&mut self) {
        self.has_numbers = true;
    }

    /// Reports sides whose byte order is not that of the first one, unless nothing of more than a byte is shared.
    pub(crate) fn byte_orders(&mut self, graph: &Graph<'_>, sides: usize) {
        let order = |side: usize| {
            let unit = graph.units.iter().find(|unit| unit.side == side)?;
            Some(match graph.elf(unit).endian {
                gimli::RunTimeEndian::Little => "little-endian",
                gimli::RunTimeEndian::Big => "big-endian",
            })
        };
        let views: Vec<SideView> = (0..sides)
            .filter_map(|side| {
                Some(SideView {
                    side,
                    place: None,
                    text: order(side)?.to_owned(),
                    bytes: None,
                })
            })
            .collect();
        if self.has_numbers && views.iter().any(|view| view.text != views[0].text) {
            let finding = Finding {
                kind: Kind::ByteOrder,
                type_name: String::new(),
                member: None,
                reached: Vec::new(),
                more_roots: 0,
                sides: views,
                table: None,
                also_affects: Vec::new(),
                note: None,
                suppressed: None,
            };
            self.finding(Draft {
                finding,
                types: Vec::new(),
            });
        }
    }

    /// Adds a difference.
    pub(crate) fn finding(&mut self, draft: Draft) {
        let new = &draft.finding;
        let key = (new.type_name.clone(), new.kind, new.member.clone());
        let known = self.findings.entry(key).or_default();
        let fits = |old: &&mut Draft| {
            new.sides.iter().all(|view| {
                old.finding
                    .sides
                    .iter()
                    .filter(|other| other.side == view.side)
                    .all(|other| other.text == view.text)
            })
        };
        let Some(old) = known.iter_mut().find(fits) else {
            return known.push(draft);
        };
        for view in draft.finding.sides {
            if !old
                .finding
                .sides
                .iter()
                .any(|other| other.side == view.side)
            {
                old.finding.sides.push(view);
            }
        }
        for (side, ty) in draft.types {
            if !old.types.iter().any(|(other, _)| *other == side) {
                old.types.push((side, ty));
            }
        }
        for reached in draft.finding.reached {
            let all = &mut old.finding.reached;
            if all.len() < MAX_REACHED && !all.iter().any(|other| other.root == reached.root) {
                all.push(reached);
            }
        }
        old.finding.more_roots = old.finding.more_roots.max(draft.finding.more_roots);
        let affected: BTreeSet<String> = old
            .finding
            .also_affects
            .drain(..)
            .chain(draft.finding.also_affects)
            .collect();
        old.finding.also_affects = affected.into_iter().collect();
    }

    /// Everything, sorted: errors before warnings, then by type.
    pub(crate) fn finish(self, graph: &Graph<'_>) -> (Vec<Finding>, Vec<Unproved>) {
        let mut findings: Vec<Finding> = self
            .findings
            .into_values()
            .flatten()
            .map(|draft| Finding {
                table: table::fields(graph, &draft.types),
                ..draft.finding
            })
            .collect();
        findings.sort_by_key(|finding| finding.kind.severity());
        let unproved = self
            .unproved
            .into_iter()
            .map(|((reason, subject, sides), reached)| Unproved {
                reason,
                subject,
                sides,
                reached,
                suppressed: None,
            })
            .collect();
        (findings, unproved)
    }
}

fn add_ways(all: &mut Vec<Reached>, more: Vec<Reached>) {
    for reached in more {
        if all.len() < MAX_REACHED && !all.contains(&reached) {
            all.push(reached);
        }
    }
}
