//! What an object is made of, for people: which section a place is in, and which function or variable is there.
//!
//! A refusal may have very many places in one object, so sections and symbols are looked up in tables.

use std::collections::HashMap;

use object::elf;

use super::lines::Spot;
use crate::elf::{ElfObject, ElfSymbol, Home};
use crate::error::Place;

/// Sections of an object by name, and the named symbols of each by value.
pub struct Parts<'a, 'd> {
    object: &'a ElfObject<'d>,
    sections: HashMap<&'d str, Vec<usize>>,
    symbols: HashMap<usize, Vec<usize>>,
}

/// Symbols before a byte among which the one that contains it is looked for.
const MAX_NESTED: usize = 256;

impl<'a, 'd> Parts<'a, 'd> {
    /// Makes the tables.
    pub fn of(object: &'a ElfObject<'d>) -> Self {
        let mut sections: HashMap<_, Vec<_>> = HashMap::new();
        for (index, section) in object.sections.iter().enumerate() {
            sections.entry(section.name).or_default().push(index);
        }
        let mut symbols: HashMap<_, Vec<_>> = HashMap::new();
        for (index, symbol) in object.symbols().enumerate() {
            if let Home::Section(home) = symbol.home
                && symbol.is_named()
            {
                symbols.entry(home).or_default().push(index);
            }
        }
        for symbols in symbols.values_mut() {
            symbols.sort_by_key(|at| object.symbol(*at).value);
        }
        Self {
            object,
            sections,
            symbols,
        }
    }

    /// The section of a place, if its name and size leave no doubt.
    pub fn spot(&self, place: &Place) -> Option<Spot> {
        let same_name = self.sections.get(place.section.as_str())?;
        let mut large_enough = same_name
            .iter()
            .filter(|index| place.offset < self.object.sections[**index].size);
        let index = large_enough.next()?;
        let only = large_enough.next().is_none();
        only.then_some((*index, place.offset))
    }

    /// The symbol of the function or variable that contains a byte.
    pub fn container(&self, (section, offset): Spot) -> Option<usize> {
        let symbols = self.symbols.get(&section)?;
        let symbol = |at: &usize| self.object.symbol(*at);
        let before = symbols.partition_point(|at| symbol(at).value <= offset);
        let nearest = symbols[..before].iter().rev().take(MAX_NESTED);
        let inside = nearest
            .filter(|at| symbol(at).size == 0 || offset - symbol(at).value < symbol(at).size);
        // In assembly, a label that is no function stands for what follows it only if nothing else does.
        let rank = |symbol: &ElfSymbol<'_>| {
            (
                symbol.size > 0,
                symbol.kind != elf::STT_NOTYPE,
                symbol.value,
            )
        };
        inside.copied().max_by_key(|at| rank(&symbol(at)))
    }

    /// The symbol is in instructions.
    pub fn is_code(&self, symbol: usize) -> bool {
        match self.object.symbol(symbol).home {
            Home::Section(home) => self.object.sections[home]
                .flags
                .contains(elf::SHF_EXECINSTR),
            _ => false,
        }
    }
}
