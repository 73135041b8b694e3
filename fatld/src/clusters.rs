//! Phase 5: which sections of named data are one and the same.
//!
//! A datum that several slices define ties their sections together at a fixed distance; a cluster is all that is tied.
//! With one datum per section, which is what compilers are asked for, a cluster is one section per slice at distance 0.
//! It also works where one compiler put several data into one section (LLVM's GlobalMerge, C without
//! `-fdata-sections`): the others' sections are then placed as that section dictates. Contradictions are problems.

use crate::collect::Collections;
use crate::error::{Problem, SliceView};
use crate::ids::{ClusterId, SectionId, SymbolId};
use crate::pair::Pairing;
use crate::program::{Program, SectionKind, SymbolHome};

/// Sections that are placed as one.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Its sections with their distance from the cluster's first byte, by distance.
    pub members: Vec<(SectionId, u64)>,
}

/// All clusters.
#[derive(Debug)]
pub struct Clusters {
    /// The clusters.
    pub clusters: Vec<Cluster>,
    of_section: Vec<Option<ClusterId>>,
    data: Vec<Vec<SymbolId>>,
}

impl Clusters {
    /// The cluster that a section is tied into.
    pub fn of(&self, section: SectionId) -> Option<ClusterId> {
        self.of_section[section.at()]
    }

    /// The section holds data with a name.
    pub fn is_named(&self, section: SectionId) -> bool {
        !self.data[section.at()].is_empty()
    }

    /// The named data of a section.
    pub fn data(&self, section: SectionId) -> &[SymbolId] {
        &self.data[section.at()]
    }
}

/// Ties sections together by the data that slices share.
pub fn find(
    program: &Program<'_>,
    pairing: &Pairing<'_>,
    collections: &Collections<'_>,
) -> Result<Clusters, Vec<Problem>> {
    let mut ties = Ties {
        parent: (0..program.sections.len() as u32)
            .map(|i| (SectionId(i), 0))
            .collect(),
    };
    let (mut problems, mut tied) = (Vec::new(), vec![false; program.sections.len()]);
    let mut data = vec![Vec::new(); program.sections.len()];
    for (_, entity) in pairing.entities().filter(|(_, e)| !e.is_function) {
        let homes: Vec<_> = entity
            .definitions
            .iter()
            .flatten()
            .filter_map(|s| home(program, *s))
            .filter(|(_, section, _)| !collections.is_private(*section))
            .collect();
        for (symbol, section, _) in &homes {
            data[section.at()].push(*symbol);
        }
        let Some(((first, section, offset), others)) = homes.split_first() else {
            continue;
        };
        for (other, other_section, other_offset) in others {
            tied[section.at()] = true;
            tied[other_section.at()] = true;
            let distance = *offset as i64 - *other_offset as i64;
            if ties.tie(*section, *other_section, distance).is_err() {
                problems.push(contradiction(program, entity.name, [*first, *other]));
            }
        }
    }
    for collection in collections.collections.iter().filter(|c| c.shared) {
        for (at, first) in collection.sections[0].iter().enumerate() {
            for section in collection.sections.iter().map(|sections| sections[at]) {
                tied[section.at()] = true;
                // A name that pairs another element with this one contradicts the order of the array.
                if ties.tie(*first, section, 0).is_err() {
                    problems.push(disorder(program, collection.name, [*first, section]));
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut clusters = Clusters {
        clusters: Vec::new(),
        of_section: vec![None; program.sections.len()],
        data,
    };
    let mut of_root: Vec<Option<ClusterId>> = vec![None; program.sections.len()];
    let mut members: Vec<Vec<(SectionId, i64)>> = Vec::new();
    for at in (0..program.sections.len()).filter(|at| tied[*at]) {
        let section = SectionId::next(at);
        let (root, distance) = ties.find(section);
        let id = *of_root[root.at()].get_or_insert_with(|| {
            members.push(Vec::new());
            ClusterId::next(members.len() - 1)
        });
        members[id.at()].push((section, distance));
        clusters.of_section[at] = Some(id);
    }
    for mut list in members {
        let base = list.iter().map(|(_, d)| *d).min().unwrap_or(0);
        list.sort_by_key(|(section, distance)| (*distance, *section));
        let members = list
            .into_iter()
            .map(|(section, distance)| (section, (distance - base) as u64))
            .collect();
        clusters.clusters.push(Cluster { members });
    }
    check_overlap(program, &clusters).map(|()| clusters)
}

/// A datum's symbol, section and offset, if it is in memory.
fn home(program: &Program<'_>, symbol: SymbolId) -> Option<(SymbolId, SectionId, u64)> {
    let found = program.symbol(symbol);
    let SymbolHome::Section(section) = found.home else {
        return None;
    };
    let (section, offset) = program.locate(section, found.value as i64);
    let kind = program.sections[section.at()].kind;
    matches!(
        kind,
        SectionKind::ReadOnly
            | SectionKind::Data
            | SectionKind::Bss
            | SectionKind::Tls
            | SectionKind::TlsBss
    )
    .then_some((symbol, section, offset as u64))
}

fn contradiction(program: &Program<'_>, name: &str, symbols: [SymbolId; 2]) -> Problem {
    let sides = symbols.map(|symbol| {
        let found = program.symbol(symbol);
        let section = match found.home {
            SymbolHome::Section(section) => program.sections[section.at()].name,
            _ => "?",
        };
        SliceView {
            isa: program.isa(program.slice_of(symbol)).name().to_owned(),
            file: program.file_of(symbol).to_owned(),
            value: format!("at {:#x} in {section}", found.value),
            source: None,
            definition: Some(symbol),
        }
    });
    Problem::Mismatch {
        symbol: name.to_owned(),
        what: "place among the data of its section",
        sides: sides.to_vec(),
        hint: Some("compile with one section per datum (-fdata-sections)"),
    }
}

fn disorder(program: &Program<'_>, name: &str, sections: [SectionId; 2]) -> Problem {
    let sides = sections.map(|id| {
        let section = &program.sections[id.at()];
        SliceView {
            isa: program.isa(section.slice).name().to_owned(),
            file: program.objects[section.object.at()].elf.file.clone(),
            value: format!("{} bytes at this place", section.size),
            source: None,
            definition: None,
        }
    });
    Problem::Mismatch {
        symbol: name.to_owned(),
        what: "order of elements",
        sides: sides.to_vec(),
        hint: Some("name the objects in the same order for every ISA"),
    }
}

/// No two sections of one slice may claim the same bytes.
fn check_overlap(program: &Program<'_>, clusters: &Clusters) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for cluster in &clusters.clusters {
        for slice in 0..program.slices.len() {
            let own = cluster
                .members
                .iter()
                .filter(|(s, _)| program.sections[s.at()].slice.at() == slice);
            let own: Vec<_> = own.collect();
            for pair in own.windows(2) {
                let ((first, at), (second, next)) = (pair[0], pair[1]);
                if at + program.sections[first.at()].size > *next {
                    let view = |section: SectionId| SliceView {
                        isa: program.slices[slice].isa.name().to_owned(),
                        file: program.place(section, 0).file,
                        value: format!(
                            "{} bytes of {}",
                            program.sections[section.at()].size,
                            program.sections[section.at()].name
                        ),
                        source: None,
                        definition: clusters.data(section).first().copied(),
                    };
                    problems.push(Problem::Mismatch {
                        symbol: program.sections[second.at()].name.to_owned(),
                        what: "distance from its neighbour",
                        sides: vec![view(*first), view(*second)],
                        hint: Some("compile with one section per datum (-fdata-sections)"),
                    });
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// Union-find whose edges carry the distance between sections.
struct Ties {
    /// Parent, and distance of this section's start from the parent's.
    parent: Vec<(SectionId, i64)>,
}

impl Ties {
    /// Root of a section, and the section's distance from it.
    fn find(&mut self, section: SectionId) -> (SectionId, i64) {
        let (mut at, mut distance) = (section, 0);
        while self.parent[at.at()].0 != at {
            let (parent, step) = self.parent[at.at()];
            distance += step;
            at = parent;
        }
        let root = at;
        let (mut at, mut left) = (section, distance);
        while self.parent[at.at()].0 != at {
            let (parent, step) = self.parent[at.at()];
            self.parent[at.at()] = (root, left);
            left -= step;
            at = parent;
        }
        (root, distance)
    }

    /// Puts `b` at `distance` from `a`. Fails if they already stand at another distance.
    fn tie(&mut self, a: SectionId, b: SectionId, distance: i64) -> Result<(), ()> {
        let ((root_a, at_a), (root_b, at_b)) = (self.find(a), self.find(b));
        if root_a == root_b {
            return if at_b - at_a == distance {
                Ok(())
            } else {
                Err(())
            };
        }
        self.parent[root_b.at()] = (root_a, at_a + distance - at_b);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_add_up_and_contradictions_are_found() {
        let mut ties = Ties {
            parent: (0..4).map(|i| (SectionId(i), 0)).collect(),
        };
        let [a, b, c, d] = [0, 1, 2, 3].map(SectionId);
        assert_eq!(ties.tie(a, b, 8), Ok(()));
        assert_eq!(ties.tie(c, d, -4), Ok(()));
        assert_eq!(ties.tie(b, d, 16), Ok(()));
        let ((root_a, at_a), (root_c, at_c)) = (ties.find(a), ties.find(c));
        assert_eq!((root_a, at_c - at_a), (root_c, 28));
        assert_eq!(ties.tie(a, c, 28), Ok(()));
        assert_eq!(ties.tie(a, c, 24), Err(()));
    }
}
