//! The map for people: tables with the ISAs side by side.

use std::fmt::Write as _;

use anstyle::Style;

use super::model::{Amount, Kind, Map};
use crate::notation::Address;
use crate::table::{Align, Cell, Table};

/// The text.
pub(super) fn render(map: &Map<'_>) -> String {
    let mut page = Page {
        map,
        out: String::new(),
    };
    page.head();
    page.sections();
    page.functions();
    page.arrays();
    page.shared_data();
    page.private_data();
    page.constants();
    page.unpaired();
    page.discarded();
    page.layouts();
    page.out
}

struct Page<'a> {
    map: &'a Map<'a>,
    out: String,
}

/// Writing to a `String` cannot fail.
macro_rules! line {
    ($page:expr, $($part:tt)*) => {
        let _ = writeln!($page.out, $($part)*);
    };
}

fn address(address: Address) -> Cell {
    format!("{:#x}", address.0).into()
}

fn number(number: u64) -> Cell {
    number.to_string().into()
}

fn right<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<(String, Align)> {
    let names = names.into_iter();
    names.map(|name| (name.to_owned(), Align::Right)).collect()
}

fn left<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<(String, Align)> {
    let names = names.into_iter();
    names.map(|name| (name.to_owned(), Align::Left)).collect()
}

impl Page<'_> {
    fn isas(&self) -> Vec<&str> {
        self.map.isas.iter().map(|isa| isa.name).collect()
    }

    fn table(&mut self, title: &str, columns: Vec<(String, Align)>, rows: Vec<Vec<Cell>>) {
        if rows.is_empty() {
            return;
        }
        let mut table = Table::new(columns);
        rows.into_iter().for_each(|row| table.row(row));
        line!(self, "\n{title}");
        self.out += &table.render(None, Style::new());
    }

    fn head(&mut self) {
        line!(self, "ISAs: {}", self.isas().join(", "));
        for isa in &self.map.isas {
            line!(self, "entry of {}: {:#x}", isa.name, isa.entry.0);
        }
    }

    fn sections(&mut self) {
        let columns = [right(["address", "physical", "size"]), left(["", "name"])];
        let rows = self.map.sections.iter().map(|section| {
            vec![
                address(section.address),
                address(section.physical),
                number(section.size),
                section.permissions.as_str().into(),
                section.name.into(),
            ]
        });
        self.table("Sections", columns.concat(), rows.collect());
    }

    fn functions(&mut self) {
        let isas = self.isas();
        let columns = isas.iter().flat_map(|isa| [*isa, "size"]);
        let mut columns = right(columns);
        let has_gates = !self.map.arrays.is_empty();
        if has_gates {
            columns.extend(right(["gate"]));
        }
        columns.extend(left(["name"]));
        let rows = self.map.functions.iter().map(|function| {
            let code = function.code.iter().flat_map(|code| match code {
                Some(code) => [address(code.address), number(code.size)],
                None => ["-".into(), "-".into()],
            });
            let mut row: Vec<Cell> = code.collect();
            if has_gates {
                row.push(function.gate.map_or("".into(), address));
            }
            row.push(function.name.as_str().into());
            row
        });
        self.table("Functions", columns, rows.collect());
    }

    fn arrays(&mut self) {
        let mut columns = right(["gate"]);
        columns.extend(right(self.isas()));
        columns.extend(left(["function"]));
        let rows = self.map.arrays.iter().map(|array| {
            let mut row = vec![address(array.gate)];
            row.extend(array.elements.iter().map(|element| match element.symbol {
                Some(_) => address(element.address),
                None => "trap".into(),
            }));
            row.push(array.name.as_str().into());
            row
        });
        self.table("Function arrays", columns, rows.collect());
    }

    fn shared_data(&mut self) {
        let columns = [right(["address", "size"]), left(["name", "defined in"])];
        let rows = self.map.shared_data.iter().map(|datum| {
            let mut files: Vec<_> = datum.files.iter().map(|f| f.unwrap_or("-")).collect();
            // Said once if all say it.
            files.dedup();
            vec![
                address(datum.address),
                number(datum.size),
                datum.name.as_str().into(),
                files.join(", ").into(),
            ]
        });
        self.table("Shared data", columns.concat(), rows.collect());
    }

    fn private_data(&mut self) {
        let columns = [
            right(["address", "size"]),
            left(["ISA", "name", "defined in"]),
        ];
        let rows = self.map.private_data.iter().map(|datum| {
            vec![
                address(datum.address),
                number(datum.size),
                datum.isa.into(),
                datum.name.as_str().into(),
                datum.file.into(),
            ]
        });
        let title = match self.map.isas.len() {
            1 => "Data",
            _ => "Private data",
        };
        self.table(title, columns.concat(), rows.collect());
    }

    fn constants(&mut self) {
        let constants = &self.map.constants;
        let private = self
            .map
            .isas
            .iter()
            .map(|isa| isa.name)
            .zip(&constants.private);
        let shared = ("all", &constants.shared);
        let rows = std::iter::once(shared).chain(private);
        let rows = rows.filter(|(_, amount)| amount.count > 0);
        let rows =
            rows.map(|(of, amount)| vec![of.into(), number(amount.count), number(amount.bytes)]);
        let columns = [left(["of"]), right(["count", "bytes"])];
        self.table("Constants without a name", columns.concat(), rows.collect());
        let saved = [
            ("copies of constants", constants.duplicates),
            ("strings that others end with", constants.tails),
            ("copies of shared data", constants.shared_copies),
        ];
        let rows = saved
            .into_iter()
            .filter(|(_, Amount { count, .. })| *count > 0);
        let rows = rows
            .map(|(what, amount)| vec![what.into(), number(amount.count), number(amount.bytes)]);
        let columns = [left([""]), right(["count", "bytes"])];
        self.table(
            "Not stored, because it is there already",
            columns.concat(),
            rows.collect(),
        );
    }

    fn unpaired(&mut self) {
        for (kind, title) in [
            (Kind::Function, "Functions that some ISA lacks"),
            (Kind::Data, "Data that some ISA lacks"),
        ] {
            let rows = self
                .map
                .unpaired
                .iter()
                .filter(|unpaired| unpaired.kind == kind);
            let rows = rows.map(|unpaired| {
                vec![
                    unpaired.isas.join(", ").into(),
                    unpaired.name.as_str().into(),
                ]
            });
            self.table(title, left(["only on", "name"]), rows.collect());
        }
    }

    fn discarded(&mut self) {
        let rows = self.map.discarded.iter().filter(|of_isa| of_isa.bytes > 0);
        let rows = rows.map(|of_isa| {
            vec![
                of_isa.isa.into(),
                number(of_isa.sections),
                number(of_isa.bytes),
            ]
        });
        let columns = [left(["ISA"]), right(["sections", "bytes"])];
        self.table(
            "Left out, because nothing needs it",
            columns.concat(),
            rows.collect(),
        );
    }

    fn layouts(&mut self) {
        let Some(layouts) = &self.map.layouts else {
            return;
        };
        line!(
            self,
            "\nLayouts\n{} roots, {} types compared",
            layouts.roots,
            layouts.types
        );
        for finding in &layouts.findings {
            line!(self, "{}: {}", finding.kind, finding.type_name);
        }
        for unproved in &layouts.unproved {
            line!(self, "unproved: {unproved}");
        }
    }
}
