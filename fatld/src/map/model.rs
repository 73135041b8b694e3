//! The facts of a link, ready to be shown.

use abi_check::Report;
use fat_image::Region;
use rayon::prelude::*;
use serde::Serialize;

use crate::content::Sources;
use crate::error::demangle;
use crate::ids::{ClusterId, EntityId, GateId, SectionId, SliceId, SymbolId};
use crate::layout::{Item, OutputSection};
use crate::notation::{Address, permissions};
use crate::pair::{Entity, Pairing};
use crate::program::{Program, SectionKind, SymbolHome};

/// Name of the JSON form.
const FORMAT: &str = "fatld.map";
/// Version of the JSON form: raised when a field changes its meaning or goes away, not when one is added.
const VERSION: u32 = 1;

/// All that the map says.
#[derive(Debug, Serialize)]
pub(super) struct Map<'a> {
    format: &'static str,
    version: u32,
    /// The slices' ISAs, first element first. Lists per ISA elsewhere have this order.
    pub(super) isas: Vec<Isa<'a>>,
    pub(super) sections: Vec<Section<'a>>,
    pub(super) functions: Vec<Function<'a>>,
    pub(super) arrays: Vec<Array<'a>>,
    pub(super) shared_data: Vec<SharedDatum<'a>>,
    pub(super) private_data: Vec<PrivateDatum<'a>>,
    pub(super) constants: Constants,
    pub(super) unpaired: Vec<Unpaired<'a>>,
    pub(super) discarded: Vec<Discarded<'a>>,
    pub(super) layouts: Option<Layouts<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Isa<'a> {
    pub(super) name: &'a str,
    pub(super) entry: Address,
}

#[derive(Debug, Serialize)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    /// ISA that it is private to.
    pub(super) isa: Option<&'a str>,
    pub(super) address: Address,
    pub(super) physical: Address,
    pub(super) size: u64,
    pub(super) permissions: String,
}

/// A function that at least one ISA has.
#[derive(Debug, Serialize)]
pub(super) struct Function<'a> {
    pub(super) name: String,
    pub(super) symbol: &'a str,
    /// The value of its function pointer, if its address is taken.
    pub(super) gate: Option<Address>,
    /// Per ISA.
    pub(super) code: Vec<Option<Code<'a>>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Code<'a> {
    pub(super) address: Address,
    pub(super) size: u64,
    pub(super) file: &'a str,
}

/// A function array.
#[derive(Debug, Serialize)]
pub(super) struct Array<'a> {
    pub(super) name: String,
    pub(super) symbol: &'a str,
    pub(super) gate: Address,
    /// Per ISA.
    pub(super) elements: Vec<Element<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Element<'a> {
    pub(super) address: Address,
    /// The function there; none is a trap.
    pub(super) symbol: Option<&'a str>,
}

/// Data that is stored once for several ISAs.
#[derive(Debug, Serialize)]
pub(super) struct SharedDatum<'a> {
    pub(super) address: Address,
    pub(super) size: u64,
    pub(super) name: String,
    pub(super) symbol: &'a str,
    /// File of the definition, per ISA.
    pub(super) files: Vec<Option<&'a str>>,
}

/// Data of one ISA.
#[derive(Debug, Serialize)]
pub(super) struct PrivateDatum<'a> {
    pub(super) isa: &'a str,
    pub(super) address: Address,
    pub(super) size: u64,
    /// Its name, or that of its section if it has none.
    pub(super) name: String,
    pub(super) symbol: Option<&'a str>,
    pub(super) file: &'a str,
}

/// Constants without a name, and what storing things once saves.
#[derive(Debug, Default, Serialize)]
pub(super) struct Constants {
    pub(super) shared: Amount,
    /// Per ISA.
    pub(super) private: Vec<Amount>,
    /// Copies of equal constants that are not stored.
    pub(super) duplicates: Amount,
    /// Strings that are not stored because another one ends with them.
    pub(super) tails: Amount,
    /// Copies of shared data with a name that are not stored.
    pub(super) shared_copies: Amount,
}

/// How many there are of something, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Amount {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Amount {
    fn add(&mut self, count: u64, bytes: u64) {
        self.count += count;
        self.bytes += bytes * count;
    }
}

/// What some ISA lacks.
#[derive(Debug, Serialize)]
pub(super) struct Unpaired<'a> {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) symbol: &'a str,
    /// ISAs that have it.
    pub(super) isas: Vec<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Function,
    Data,
}

/// What an ISA's inputs have and nothing needs.
#[derive(Debug, Serialize)]
pub(super) struct Discarded<'a> {
    pub(super) isa: &'a str,
    /// Input sections of which nothing is kept.
    pub(super) sections: u64,
    /// Their bytes, and those of single strings and constants.
    pub(super) bytes: u64,
}

/// What abi-check found.
#[derive(Debug, Serialize)]
pub(super) struct Layouts<'a> {
    pub(super) roots: usize,
    pub(super) types: usize,
    pub(super) findings: Vec<Finding<'a>>,
    pub(super) unproved: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding<'a> {
    pub(super) kind: &'a str,
    pub(super) type_name: &'a str,
}

/// Collects the facts.
pub(super) fn collect<'a>(
    sources: Sources<'a, 'a>,
    pairing: &'a Pairing<'a>,
    report: Option<&'a Report>,
) -> Map<'a> {
    let collector = Collector { sources, pairing };
    Map {
        format: FORMAT,
        version: VERSION,
        isas: collector.isas(),
        sections: collector.sections(),
        functions: collector.functions(),
        arrays: collector.arrays(),
        shared_data: collector.shared_data(),
        private_data: collector.private_data(),
        constants: collector.constants(),
        unpaired: collector.unpaired(),
        discarded: collector.discarded(),
        layouts: report.map(layouts),
    }
}

fn layouts(report: &Report) -> Layouts<'_> {
    let findings = report.findings.iter().map(|finding| Finding {
        kind: finding.kind.id(),
        type_name: &finding.type_name,
    });
    Layouts {
        roots: report.compared_roots,
        types: report.compared_types,
        findings: findings.collect(),
        unproved: report.unproved.iter().map(|u| u.subject.as_str()).collect(),
    }
}

/// A file without its folders. A member of an archive keeps its own name.
fn file_name(file: &str) -> &str {
    let archive = file.strip_suffix(')').and_then(|file| file.split_once('('));
    let path = archive.map_or(file, |(path, _)| path);
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    &file[start..]
}

struct Collector<'a> {
    sources: Sources<'a, 'a>,
    pairing: &'a Pairing<'a>,
}

impl<'a> Collector<'a> {
    fn program(&self) -> &'a Program<'a> {
        self.sources.values.program
    }

    fn isa_name(&self, slice: SliceId) -> &'a str {
        self.program().isa(slice).name()
    }

    fn slices(&self) -> impl Iterator<Item = SliceId> + 'static {
        (0..self.program().slices.len()).map(SliceId::next)
    }

    fn address(&self, symbol: SymbolId) -> Option<Address> {
        let values = self.sources.values;
        values
            .layout
            .symbol_address(values.program, symbol)
            .map(Address)
    }

    fn isas(&self) -> Vec<Isa<'a>> {
        let entries = &self.sources.values.live.entries;
        let isas = self.slices().zip(entries).map(|(slice, entry)| Isa {
            name: self.isa_name(slice),
            entry: self.address(*entry).unwrap_or(Address(0)),
        });
        isas.collect()
    }

    fn sections(&self) -> Vec<Section<'a>> {
        let sections = self.sources.values.layout.sections.iter();
        let sections = sections.map(|section| Section {
            name: &section.name,
            isa: section.slice.map(|slice| self.isa_name(slice)),
            address: Address(section.address),
            physical: Address(section.phys),
            size: section.size,
            permissions: permissions(section.flags),
        });
        sections.collect()
    }

    /// Functions in the order of their addresses on the first ISA that has them.
    fn functions(&self) -> Vec<Function<'a>> {
        let entities = self.pairing.entities.par_iter().enumerate();
        let functions = entities.filter(|(_, entity)| entity.is_function);
        let functions = functions.filter_map(|(at, entity)| {
            let code: Vec<_> = entity
                .definitions
                .iter()
                .map(|symbol| self.code((*symbol)?))
                .collect();
            code.iter().any(Option::is_some).then(|| Function {
                name: demangle(entity.name),
                symbol: entity.name,
                gate: self.gate(EntityId::next(at)),
                code,
            })
        });
        let mut functions: Vec<_> = functions.collect();
        functions.sort_by_cached_key(|function| {
            let code = function.code.iter().map(|code| match code {
                Some(code) => code.address,
                None => Address(u64::MAX),
            });
            (code.collect::<Vec<_>>(), function.symbol)
        });
        functions
    }

    fn code(&self, symbol: SymbolId) -> Option<Code<'a>> {
        let values = self.sources.values;
        if !self.is_live(symbol) {
            return None;
        }
        Some(Code {
            address: self.address(symbol)?,
            size: values.layout.symbol_size(values.program, symbol),
            file: self.file(symbol),
        })
    }

    fn is_live(&self, symbol: SymbolId) -> bool {
        let found = self.program().symbol(symbol);
        let SymbolHome::Section(section) = found.home else {
            return false;
        };
        let (section, _) = self.program().locate(section, found.value as i64);
        self.sources.values.live.sections[section.at()]
    }

    fn file(&self, symbol: SymbolId) -> &'a str {
        file_name(self.program().file_of(symbol))
    }

    fn gate(&self, function: EntityId) -> Option<Address> {
        let values = self.sources.values;
        let taken = values.live.taken.contains_key(&function) && self.program().slices.len() > 1;
        taken.then(|| Address(values.layout.gate(values.functions.gate(function))))
    }

    fn arrays(&self) -> Vec<Array<'a>> {
        let values = self.sources.values;
        if self.program().slices.len() == 1 {
            return Vec::new();
        }
        let arrays = values.functions.arrays.iter().enumerate();
        let arrays = arrays.map(|(at, array)| {
            let gate = GateId::next(at);
            let symbol = self.pairing.entities[array.function.at()].name;
            let elements = array.elements.iter().zip(self.slices());
            let elements = elements.map(|(code, slice)| match code {
                Some(code) => Element {
                    address: self.address(*code).unwrap_or(Address(0)),
                    symbol: Some(self.program().symbol(*code).name()),
                },
                None => Element {
                    address: Address(values.layout.traps[&(slice, gate)]),
                    symbol: None,
                },
            });
            Array {
                name: demangle(symbol),
                symbol,
                gate: Address(values.layout.gate(gate)),
                elements: elements.collect(),
            }
        });
        arrays.collect()
    }

    /// The parts of sections that hold data.
    fn data_parts(&self) -> impl Iterator<Item = (&'a OutputSection, Item, u64)> {
        let sections = self.sources.values.layout.sections.iter();
        let data = sections.filter(|s| !s.is_note && s.flags & Region::EXECUTE == 0);
        data.flat_map(|section| {
            let items = section.items.iter();
            items.map(move |(item, offset)| (section, *item, section.address + offset))
        })
    }

    fn shared_data(&self) -> Vec<SharedDatum<'a>> {
        let mut data = Vec::new();
        for (_, item, address) in self.data_parts() {
            if let Item::Cluster(id) = item {
                self.cluster(id, address, &mut data);
            }
        }
        data
    }

    fn cluster(&self, id: ClusterId, address: u64, data: &mut Vec<SharedDatum<'a>>) {
        let first = data.len();
        for (member, start) in &self.sources.clusters.clusters[id.at()].members {
            for symbol in self.sources.clusters.data(*member) {
                let Some(entity) = self.entity(*symbol) else {
                    continue;
                };
                // One row for all slices' definitions.
                if entity.definitions.iter().flatten().next() != Some(symbol) {
                    continue;
                }
                let found = self.program().symbol(*symbol);
                let files = entity.definitions.iter();
                data.push(SharedDatum {
                    address: Address(address + start + found.value),
                    size: found.size,
                    name: demangle(entity.name),
                    symbol: entity.name,
                    files: files.map(|s| s.map(|s| self.file(s))).collect(),
                });
            }
        }
        data[first..].sort_by(|a, b| (a.address, a.symbol).cmp(&(b.address, b.symbol)));
    }

    fn entity(&self, symbol: SymbolId) -> Option<&'a Entity<'a>> {
        let entity = self.pairing.entity(symbol)?;
        Some(&self.pairing.entities[entity.at()])
    }

    fn private_data(&self) -> Vec<PrivateDatum<'a>> {
        let mut data = Vec::new();
        for (_, item, address) in self.data_parts() {
            if let Item::Section(id) = item {
                self.private_section(id, address, &mut data);
            }
        }
        data
    }

    fn private_section(&self, id: SectionId, address: u64, data: &mut Vec<PrivateDatum<'a>>) {
        let section = &self.program().sections[id.at()];
        if section.kind == SectionKind::Unwind {
            return;
        }
        let row = |address, size, name: String, symbol| PrivateDatum {
            isa: self.isa_name(section.slice),
            address: Address(address),
            size,
            name,
            symbol,
            file: file_name(&self.program().objects[section.object.at()].elf.file),
        };
        let symbols = self.sources.clusters.data(id);
        if symbols.is_empty() {
            data.push(row(address, section.size, section.name.to_owned(), None));
        }
        let symbols = symbols.iter().map(|id| self.program().symbol(*id));
        data.extend(symbols.map(|symbol| {
            let name = demangle(symbol.name());
            row(
                address + symbol.value,
                symbol.size,
                name,
                Some(symbol.name()),
            )
        }));
    }

    fn constants(&self) -> Constants {
        let program = self.program();
        let mut constants = Constants {
            private: vec![Amount::default(); program.slices.len()],
            ..Constants::default()
        };
        for class in &self.sources.sharing.classes {
            let first = &program.sections[class.members[0].at()];
            let copies = class.members.len() as u64;
            if class.tail_of.is_some() {
                constants.tails.add(copies, first.size);
                continue;
            }
            constants.duplicates.add(copies - 1, first.size);
            let owner = if class.shared {
                &mut constants.shared
            } else {
                &mut constants.private[first.slice.at()]
            };
            owner.add(1, first.size);
        }
        for (_, item, _) in self.data_parts() {
            let Item::Cluster(id) = item else { continue };
            let members = &self.sources.clusters.clusters[id.at()].members;
            let sizes = members
                .iter()
                .map(|(s, start)| start + program.sections[s.at()].size);
            let size = sizes.max().unwrap_or(0);
            let has = |slice| {
                members
                    .iter()
                    .any(|(s, _)| program.sections[s.at()].slice == slice)
            };
            let copies = self.slices().filter(|slice| has(*slice)).count() as u64;
            constants.shared_copies.add(copies.saturating_sub(1), size);
        }
        constants
    }

    /// Functions and data that are in the image for some ISAs only.
    fn unpaired(&self) -> Vec<Unpaired<'a>> {
        if self.program().slices.len() == 1 {
            return Vec::new();
        }
        let entities = self.pairing.entities.par_iter();
        let unpaired = entities.filter_map(|entity| {
            let live = |symbol: &Option<SymbolId>| symbol.is_some_and(|s| self.is_live(s));
            let lacks: Vec<_> = entity.definitions.iter().map(|s| !live(s)).collect();
            let some = lacks.contains(&true) && lacks.contains(&false);
            let kind = if entity.is_function {
                Kind::Function
            } else {
                Kind::Data
            };
            some.then_some((kind, lacks, entity.name))
        });
        let mut unpaired: Vec<_> = unpaired.collect();
        // What the first ISAs have comes first.
        unpaired.sort_unstable();
        let unpaired = unpaired.into_iter().map(|(kind, lacks, symbol)| {
            let isas = self.slices().zip(lacks).filter(|(_, lacks)| !lacks);
            Unpaired {
                kind,
                name: demangle(symbol),
                symbol,
                isas: isas.map(|(slice, _)| self.isa_name(slice)).collect(),
            }
        });
        unpaired.collect()
    }

    fn discarded(&self) -> Vec<Discarded<'a>> {
        let mut discarded: Vec<_> = self
            .slices()
            .map(|slice| Discarded {
                isa: self.isa_name(slice),
                sections: 0,
                bytes: 0,
            })
            .collect();
        let live = &self.sources.values.live.sections;
        let mut whole = vec![true; live.len()];
        for (id, section) in self.program().sections() {
            section
                .pieces
                .iter()
                .for_each(|piece| whole[piece.at()] = false);
            if section.kind == SectionKind::Debug || section.size == 0 {
                continue;
            }
            let of_isa = &mut discarded[section.slice.at()];
            let kept = live[id.at()] || section.pieces.iter().any(|piece| live[piece.at()]);
            if whole[id.at()] && !kept {
                of_isa.sections += 1;
            }
            if section.pieces.is_empty() && !live[id.at()] {
                of_isa.bytes += section.size;
            }
        }
        discarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_without_folders() {
        let files = ["main.o", "/a/b/main.o", "lib/libx.a(y.o)", "libx.a(d/y.o)"];
        let names = files.map(file_name);
        assert_eq!(names, ["main.o", "main.o", "libx.a(y.o)", "libx.a(d/y.o)"]);
    }
}
