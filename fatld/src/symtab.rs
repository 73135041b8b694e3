//! Symbol tables of image and views.

use std::borrow::Cow;

use object::elf::{STT_FILE, STT_FUNC, STT_OBJECT};

use crate::error::demangle;
use crate::ids::{GateId, SliceId, SymbolId};
use crate::layout::Layout;
use crate::output::FileSymbol;
use crate::pair::Pairing;
use crate::program::{Program, SectionKind, SymbolHome};
use crate::relocate::Values;

/// Prefix of the symbols that name gates in views, where the plain name is the code's.
const GATE_PREFIX: &str = "__gate.";

/// Symbols of the image: each ISA's code behind a file symbol with the ISA's name, shared data once, gates by the names
/// of their functions.
pub fn of_image<'d>(values: Values<'_, 'd>, pairing: &Pairing<'d>) -> Vec<FileSymbol<'d>> {
    let program = values.program;
    let mut symbols = Vec::new();
    for (at, slice) in program.slices.iter().enumerate() {
        symbols.push(FileSymbol {
            name: slice.isa.name().into(),
            address: 0,
            size: 0,
            kind: STT_FILE,
            local: true,
        });
        let own = live_symbols(values, SliceId::next(at));
        // Data that an earlier slice has under the same address is the same data.
        let news = own
            .filter(|(id, _)| is_code(program, *id) || !shared_with_earlier(values, pairing, *id));
        symbols.extend(news.map(|(id, address)| symbol(values, id, address, true)));
        symbols.extend(traps(values, pairing, SliceId::next(at)));
    }
    for (gate, array) in values.functions.arrays.iter().enumerate() {
        let name = pairing.entities[array.function.at()].name.into();
        symbols.push(gate_symbol(values.layout, GateId::next(gate), name));
    }
    symbols
}

/// Symbols of a view: the slice's own, and its gates.
pub fn of_view<'d>(
    values: Values<'_, 'd>,
    pairing: &Pairing<'d>,
    slice: SliceId,
) -> Vec<FileSymbol<'d>> {
    let own = live_symbols(values, slice).map(|(id, address)| symbol(values, id, address, false));
    let mut symbols: Vec<_> = own.collect();
    symbols.extend(traps(values, pairing, slice));
    for (gate, array) in values.functions.arrays.iter().enumerate() {
        let name = format!(
            "{GATE_PREFIX}{}",
            pairing.entities[array.function.at()].name
        );
        symbols.push(gate_symbol(values.layout, GateId::next(gate), name.into()));
    }
    symbols.sort_by_key(|s| !s.local);
    symbols
}

fn gate_symbol<'d>(layout: &Layout, gate: GateId, name: Cow<'d, str>) -> FileSymbol<'d> {
    FileSymbol {
        name,
        address: layout.gate(gate),
        size: fat_image::GATE_SIZE,
        kind: STT_FUNC,
        local: false,
    }
}

/// Named symbols of a slice that are in the image. Labels in code are left to debug information.
fn live_symbols<'a>(
    values: Values<'a, '_>,
    slice: SliceId,
) -> impl Iterator<Item = (SymbolId, u64)> + 'a {
    values.program.symbols().filter_map(move |(id, symbol)| {
        let SymbolHome::Section(section) = symbol.home else {
            return None;
        };
        let (section, _) = values.program.locate(section, symbol.value as i64);
        let wanted = symbol.is_named()
            && values.program.slice_of(id) == slice
            && values.live.sections[section.at()]
            && values.program.sections[section.at()].kind != SectionKind::Debug;
        wanted
            .then(|| values.layout.symbol_address(values.program, id))
            .flatten()
            .map(|address| (id, address))
    })
}

fn is_code(program: &Program<'_>, symbol: SymbolId) -> bool {
    match program.symbols[symbol.at()].home {
        SymbolHome::Section(section) => program.sections[section.at()].kind == SectionKind::Text,
        _ => false,
    }
}

fn shared_with_earlier(values: Values<'_, '_>, pairing: &Pairing<'_>, symbol: SymbolId) -> bool {
    let slice = values.program.slice_of(symbol);
    let Some(entity) = pairing.entity(symbol) else {
        return false;
    };
    pairing.entities[entity.at()].definitions[..slice.at()]
        .iter()
        .any(Option::is_some)
}

fn symbol<'d>(
    values: Values<'_, 'd>,
    id: SymbolId,
    address: u64,
    all_local: bool,
) -> FileSymbol<'d> {
    let program = values.program;
    let symbol = &program.symbols[id.at()];
    let kind = match symbol.kind {
        STT_FUNC => STT_FUNC,
        _ if is_code(program, id) => object::elf::STT_NOTYPE,
        _ => STT_OBJECT,
    };
    let local = all_local || symbol.is_local();
    FileSymbol {
        name: symbol.name.into(),
        address,
        size: values.layout.symbol_size(program, id),
        kind,
        local,
    }
}

/// What is reached in place of code that an ISA does not have, by the name of the function.
fn traps<'d>(values: Values<'_, 'd>, pairing: &Pairing<'d>, slice: SliceId) -> Vec<FileSymbol<'d>> {
    let mut traps: Vec<_> = values
        .layout
        .traps
        .iter()
        .filter(|((s, _), _)| *s == slice)
        .collect();
    traps.sort();
    let named = traps.into_iter().map(|((_, gate), address)| {
        let name = pairing.entities[values.functions.arrays[gate.at()].function.at()].name;
        let size = values.program.isa(slice).trap().len() as u64;
        let name = format!("no code: {}", demangle(name)).into();
        FileSymbol {
            name,
            address: *address,
            size,
            kind: STT_FUNC,
            local: true,
        }
    });
    named.collect()
}
