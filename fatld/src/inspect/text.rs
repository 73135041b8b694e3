//! An image for people.

use std::collections::HashMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Look};

use super::model::{Array, Element, Inspection, LeadsTo, Use};
use crate::notation::Address;
use crate::table::{Align, Cell, Table};

/// How to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Columns of the terminal, if there is one.
    pub width: Option<usize>,
    /// Names as the compiler mangled them.
    pub mangled: bool,
}

const HEADING: Look = Look::new().underline();
const TITLE: Look = Look::new().bold();
const ODD: Look = AnsiColor::Yellow.on_default();

/// The text, with ANSI escapes: whoever prints it leaves them out where they are not wanted.
pub fn render(inspection: &Inspection, style: Style) -> String {
    let mut page = Page {
        inspection,
        style,
        out: String::new(),
    };
    page.head();
    page.arrays();
    page.sections();
    page.sizes();
    page.regions();
    page.out
}

struct Page<'a> {
    inspection: &'a Inspection,
    style: Style,
    out: String,
}

fn hex(address: Address) -> Cell {
    format!("{:#x}", address.0).into()
}

fn left(names: &[&str]) -> Vec<(String, Align)> {
    names
        .iter()
        .map(|n| ((*n).to_owned(), Align::Left))
        .collect()
}

fn right(names: &[&str]) -> Vec<(String, Align)> {
    names
        .iter()
        .map(|n| ((*n).to_owned(), Align::Right))
        .collect()
}

impl Page<'_> {
    fn title(&mut self, title: &str) {
        let _ = writeln!(self.out, "\n{TITLE}{title}{TITLE:#}");
    }

    fn table(&mut self, table: &Table) {
        self.out += &table.render(self.style.width, HEADING);
    }

    fn isa_names(&self) -> Vec<&str> {
        self.inspection
            .isas
            .iter()
            .map(|i| i.name.as_str())
            .collect()
    }

    fn head(&mut self) {
        let image = &self.inspection.image;
        let (start, end) = (image.start.0, image.end.0);
        let _ = writeln!(
            self.out,
            "{}: fat image version {} of {}\n{start:#x}..{end:#x}, {} bytes; {} function arrays{}",
            self.inspection.file,
            image.version,
            self.isa_names().join(", "),
            end - start,
            self.inspection.arrays.len(),
            if image.aliased {
                ", text at the same addresses"
            } else {
                ""
            },
        );
        self.title("ISAs");
        let columns = [
            left(&["ISA", "machine"]),
            right(&["entry", "gates at", "functions"]),
        ];
        let mut table = Table::new(columns.concat().into_iter().chain(left(&["entry is"])));
        for isa in &self.inspection.isas {
            let machine = isa
                .machine_name
                .map_or_else(|| isa.machine.to_string(), str::to_owned);
            let entry = isa.entry_symbol.as_deref().map(|name| self.shown(name));
            table.row(vec![
                isa.name.as_str().into(),
                machine.into(),
                hex(isa.entry),
                hex(isa.gates_physical),
                isa.function_count.to_string().into(),
                entry.unwrap_or_default().into(),
            ]);
        }
        self.table(&table);
    }

    /// A mangled name as asked for.
    fn shown(&self, symbol: &str) -> String {
        if self.style.mangled {
            symbol.to_owned()
        } else {
            crate::error::demangle(symbol)
        }
    }

    fn arrays(&mut self) {
        if self.inspection.arrays.is_empty() {
            return;
        }
        self.title("Function arrays");
        let isas = self.isa_names();
        let columns = right(&["gate"]).into_iter().chain(right(&isas));
        let mut table = Table::new(columns.chain(left(&["function"])));
        for array in &self.inspection.arrays {
            let mut row = vec![hex(array.gate)];
            row.extend(array.elements.iter().map(|element| match element.leads_to {
                LeadsTo::Function => hex(element.address),
                _ => hex(element.address).styled(ODD),
            }));
            row.push(self.function(array));
            table.row(row);
        }
        self.table(&table);
    }

    /// The function's name, and what is odd about its elements.
    fn function(&self, array: &Array) -> Cell {
        let name = array
            .symbol
            .as_deref()
            .map_or("?".to_owned(), |name| self.shown(name));
        let odd = array
            .elements
            .iter()
            .filter(|e| e.leads_to != LeadsTo::Function);
        let odd: Vec<_> = odd
            .map(|element| format!("{}: {}", element.isa, self.odd(element)))
            .collect();
        if odd.is_empty() {
            return name.into();
        }
        Cell::from(format!("{name} ({})", odd.join(", "))).styled(ODD)
    }

    fn odd(&self, element: &Element) -> String {
        match (element.leads_to, &element.symbol) {
            (LeadsTo::Trap, _) => "trap, no code".to_owned(),
            (_, Some(symbol)) => self.shown(symbol),
            (_, None) => "no function begins there".to_owned(),
        }
    }

    fn sections(&mut self) {
        self.title("Sections");
        let columns = right(&["address", "physical", "size", "in file"]).into_iter();
        let mut table = Table::new(columns.chain(left(&["", "name"])));
        for section in &self.inspection.sections {
            table.row(vec![
                hex(section.address),
                hex(section.physical),
                section.size.to_string().into(),
                section.file_size.to_string().into(),
                section.permissions.as_str().into(),
                section.name.as_str().into(),
            ]);
        }
        self.table(&table);
    }

    /// Sizes by name and owner, and what being fat costs and saves.
    fn sizes(&mut self) {
        self.title("Bytes in memory");
        let isas = self.isa_names();
        let columns = left(&[""]).into_iter().chain(right(&["shared"]));
        let mut table = Table::new(columns.chain(right(&isas)));
        let dash = |bytes: u64| match bytes {
            0 => Cell::from("-"),
            bytes => bytes.to_string().into(),
        };
        for (stem, bytes) in self.sizes_by_name(&isas) {
            let mut row = vec![Cell::from(stem)];
            row.extend(bytes.into_iter().map(dash));
            table.row(row);
        }
        let totals = &self.inspection.totals;
        let mut sum = vec![Cell::from("all"), dash(totals.shared)];
        sum.extend(totals.private.iter().map(|bytes| dash(*bytes)));
        table.row(sum);
        self.table(&table);
        let _ = writeln!(
            self.out,
            "gates {}, function arrays {}, tables for backtraces {}, notes {}; in all {}",
            totals.gates, totals.arrays, totals.symbols, totals.notes, totals.total
        );
        let _ = writeln!(
            self.out,
            "a copy of what is shared for each ISA would take {} more",
            totals.copies
        );
    }

    /// Shared and private sections by their names without the ISA, in the order of the image: the shared bytes, then
    /// those of each ISA.
    fn sizes_by_name(&self, isas: &[&str]) -> indexmap::IndexMap<String, Vec<u64>> {
        let mut sizes = indexmap::IndexMap::new();
        for section in &self.inspection.sections {
            if !matches!(section.counts_as, Use::Shared | Use::Private) {
                continue;
            }
            let isa = section.isa.as_deref();
            let stem = isa.and_then(|isa| section.name.strip_suffix(isa)?.strip_suffix('.'));
            let column = isa
                .and_then(|isa| isas.iter().position(|i| *i == isa))
                .map_or(0, |at| at + 1);
            let row = sizes.entry(stem.unwrap_or(&section.name).to_owned());
            row.or_insert_with(|| vec![0; isas.len() + 1])[column] += section.size;
        }
        sizes
    }

    /// The regions, and with which permissions each ISA maps them, if it does.
    fn regions(&mut self) {
        self.title("Regions, and what each ISA may do there");
        let views = &self.inspection.views;
        let columns = right(&["start", "end", "physical"]).into_iter();
        let columns = columns.chain(left(&self.isa_names()));
        let mut table = Table::new(columns.chain(left(&["sections"])));
        // A view has a part of the regions, in another order.
        let seen: Vec<HashMap<_, _>> = views
            .iter()
            .map(|view| {
                let places = view.mappings.iter();
                let places = places.map(|m| (m.physical, m.permissions.as_str()));
                places.collect()
            })
            .collect();
        for region in &self.inspection.regions {
            let end = Address(region.start.0 + region.size);
            let mut row = [region.start, end, region.physical].map(hex).to_vec();
            let permissions = seen.iter().map(|view| view.get(&region.physical));
            row.extend(permissions.map(|p| Cell::from(p.copied().unwrap_or(""))));
            row.push(region.sections.join(" ").into());
            table.row(row);
        }
        self.table(&table);
    }
}
