//! The map: what is where, what is shared, and what could not be.
//!
//! A pure function of the link: files are named without their folders, and every list is in the order of addresses or
//! names.

use std::fmt::Write as _;

use abi_check::Report;

use crate::clusters::Clusters;
use crate::content::Sources;
use crate::error::demangle;
use crate::ids::{ClusterId, GateId, SectionId, SliceId, SymbolId};
use crate::layout::Item;
use crate::pair::Pairing;
use crate::program::SymbolHome;

/// Writes the map.
pub fn render(sources: Sources<'_, '_>, pairing: &Pairing<'_>, report: Option<&Report>) -> String {
    let mut map = Map {
        sources,
        pairing,
        out: String::new(),
    };
    map.head();
    map.sections();
    map.arrays();
    map.shared();
    map.private();
    map.unpaired();
    map.judgement(report);
    map.out
}

struct Map<'a, 'd> {
    sources: Sources<'a, 'd>,
    pairing: &'a Pairing<'d>,
    out: String,
}

/// Writing to a `String` cannot fail.
macro_rules! line {
    ($map:expr, $($part:tt)*) => {
        let _ = writeln!($map.out, $($part)*);
    };
}

impl Map<'_, '_> {
    fn head(&mut self) {
        let program = self.sources.values.program;
        let isas: Vec<_> = program.slices.iter().map(|s| s.isa.name()).collect();
        line!(self, "fat image version {}", fat_image::VERSION);
        line!(self, "ISAs: {}", isas.join(", "));
        for (isa, entry) in isas.iter().zip(&self.sources.values.live.entries) {
            let address = self
                .sources
                .values
                .layout
                .symbol_address(program, *entry)
                .unwrap_or_default();
            line!(self, "entry of {isa}: {address:#x}");
        }
    }

    fn sections(&mut self) {
        line!(
            self,
            "\nSections\n{:>16} {:>16} {:>8}  name",
            "address",
            "physical",
            "size"
        );
        for section in &self.sources.values.layout.sections {
            line!(
                self,
                "{:16x} {:16x} {:8x}  {}",
                section.address,
                section.phys,
                section.size,
                section.name
            );
        }
    }

    fn arrays(&mut self) {
        let values = self.sources.values;
        let isas: Vec<_> = values
            .program
            .slices
            .iter()
            .map(|s| format!("{:>16}", s.isa.name()))
            .collect();
        line!(
            self,
            "\nFunction arrays\n{:>16} {}  function",
            "gate",
            isas.join(" ")
        );
        for (gate, array) in values.functions.arrays.iter().enumerate() {
            let elements = array.elements.iter().map(|code| match code {
                Some(code) => format!(
                    "{:16x}",
                    values
                        .layout
                        .symbol_address(values.program, *code)
                        .unwrap_or_default()
                ),
                None => format!("{:>16}", "trap"),
            });
            let elements: Vec<_> = elements.collect();
            let name = demangle(self.pairing.entities[array.function.at()].name);
            line!(
                self,
                "{:16x} {}  {name}",
                values.layout.gate(GateId::next(gate)),
                elements.join(" ")
            );
        }
    }

    fn shared(&mut self) {
        line!(self, "\nShared data\n{:>16} {:>8}  name", "address", "size");
        let layout = self.sources.values.layout;
        for section in layout.sections.iter().filter(|s| s.slice.is_none()) {
            for (item, offset) in &section.items {
                if let Item::Cluster(id) = item {
                    self.cluster(*id, section.address + offset);
                }
            }
        }
        let classes = &self.sources.sharing.classes;
        let shared = classes.iter().filter(|c| c.shared);
        let size = |class: &crate::share::Class| {
            self.sources.values.program.sections[class.members[0].at()].size
        };
        let (count, bytes) = shared.fold((0, 0), |(n, b), class| (n + 1, b + size(class)));
        line!(self, "and {count} constants without a name, {bytes} bytes");
    }

    fn cluster(&mut self, id: ClusterId, address: u64) {
        let program = self.sources.values.program;
        let clusters: &Clusters = self.sources.clusters;
        let mut seen = Vec::new();
        for (member, start) in &clusters.clusters[id.at()].members {
            for symbol in clusters.data(*member) {
                let found = &program.symbols[symbol.at()];
                let datum = (
                    address + start + found.value,
                    found.size,
                    demangle(found.name),
                );
                if !seen.contains(&datum) {
                    seen.push(datum);
                }
            }
        }
        seen.sort();
        for (address, size, name) in seen {
            line!(self, "{address:16x} {size:8x}  {name}");
        }
    }

    fn private(&mut self) {
        line!(
            self,
            "\nPrivate data\n{:>16} {:>8} {:>8}  name",
            "address",
            "size",
            "ISA"
        );
        let values = self.sources.values;
        for section in values
            .layout
            .sections
            .iter()
            .filter(|s| s.slice.is_some() && !s.is_note)
        {
            let Some(isa) = section.slice.map(|s| values.program.isa(s).name()) else {
                continue;
            };
            for (item, offset) in &section.items {
                let address = section.address + offset;
                match item {
                    Item::Section(id) if section.flags & fat_image::Region::EXECUTE == 0 => {
                        self.private_section(*id, address, isa);
                    }
                    Item::Class(id) => {
                        let first = self.sources.sharing.classes[id.at()].members[0];
                        let found = &values.program.sections[first.at()];
                        line!(
                            self,
                            "{address:16x} {:8x} {isa:>8}  {}",
                            found.size,
                            found.name
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    fn private_section(&mut self, id: SectionId, address: u64, isa: &str) {
        let program = self.sources.values.program;
        let section = &program.sections[id.at()];
        let data = self.sources.clusters.data(id);
        if data.is_empty() {
            line!(
                self,
                "{address:16x} {:8x} {isa:>8}  {}",
                section.size,
                section.name
            );
        }
        for symbol in data {
            let found = &program.symbols[symbol.at()];
            line!(
                self,
                "{:16x} {:8x} {isa:>8}  {}",
                address + found.value,
                found.size,
                demangle(found.name)
            );
        }
    }

    /// Code that only some ISAs have: called by name only, or its address would have been an error.
    fn unpaired(&mut self) {
        line!(
            self,
            "\nFunctions of one ISA only\n{:>16} {:>8}  name",
            "address",
            "ISA"
        );
        let values = self.sources.values;
        let alone = self.pairing.entities().filter(|(_, e)| e.is_function);
        let alone = alone.filter(|(_, e)| {
            e.definitions.iter().flatten().count() == 1 && values.program.slices.len() > 1
        });
        let mut lines: Vec<(SliceId, u64, SymbolId)> = Vec::new();
        for symbol in alone.filter_map(|(_, e)| e.definitions.iter().flatten().next()) {
            let SymbolHome::Section(section) = values.program.symbols[symbol.at()].home else {
                continue;
            };
            if let Some(address) = values.layout.symbol_address(values.program, *symbol)
                && values.live.sections[section.at()]
            {
                lines.push((values.program.slice_of(*symbol), address, *symbol));
            }
        }
        lines.sort();
        for (slice, address, symbol) in lines {
            let name = demangle(values.program.symbols[symbol.at()].name);
            line!(
                self,
                "{address:16x} {:>8}  {name}",
                values.program.isa(slice).name()
            );
        }
    }

    fn judgement(&mut self, report: Option<&Report>) {
        let Some(report) = report else { return };
        line!(
            self,
            "\nLayouts\n{} roots, {} types compared",
            report.compared_roots,
            report.compared_types
        );
        for finding in &report.findings {
            line!(self, "{}: {}", finding.kind.id(), finding.type_name);
        }
        for unproved in &report.unproved {
            line!(self, "unproved: {}", unproved.subject);
        }
    }
}
