//! Symbols: read from their objects whenever somebody asks for one.
//!
//! Most symbols of an object are labels that only its debug information knows; a table of all would be larger than all the
//! others together.

use object::elf;

use super::Program;
use crate::elf::{ElfSymbol, Home};
use crate::ids::{ObjectId, SectionId, SliceId, SymbolId};

/// Symbols between two that say which object they are of: most objects have more.
pub(super) const BLOCK: usize = 64;

/// Where a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolHome {
    /// In a section, at [`Symbol::value`].
    Section(SectionId),
    /// In a section that is not part of the link.
    Discarded,
    /// At the address [`Symbol::value`].
    Absolute,
    /// Elsewhere: [`Program::definition`] finds it.
    Undefined,
}

/// A symbol.
#[derive(Clone, Copy, Debug)]
pub struct Symbol<'d> {
    /// What its object says.
    pub(super) input: ElfSymbol<'d>,
    /// Object whose table it stands in.
    pub object: ObjectId,
    /// Where it is.
    pub home: SymbolHome,
    /// Offset in the section, or the address.
    pub value: u64,
    /// Bytes.
    pub size: u64,
    /// `STT_…`
    pub kind: elf::SymbolType,
}

impl<'d> Symbol<'d> {
    /// Its name.
    pub fn name(&self) -> &'d str {
        self.input.name()
    }

    /// `STB_…`
    pub fn binding(&self) -> elf::SymbolBind {
        self.input.binding
    }

    /// Only its own object can refer to it.
    pub fn is_local(&self) -> bool {
        self.binding() == elf::STB_LOCAL
    }

    /// It has a name that was given to an entity: [`ElfSymbol::is_named`].
    pub fn is_named(&self) -> bool {
        self.input.is_named()
    }
}

impl<'d> Program<'d> {
    /// A symbol.
    pub fn symbol(&self, id: SymbolId) -> Symbol<'d> {
        self.symbol_of(self.object_of(id), id)
    }

    /// A symbol of an object.
    #[inline]
    pub fn symbol_of(&self, object: ObjectId, id: SymbolId) -> Symbol<'d> {
        let own = &self.objects[object.at()];
        let input = own.elf.symbol((id.0 - own.first_symbol.0) as usize);
        let (home, value) = match input.home {
            Home::Undefined => (SymbolHome::Undefined, input.value),
            Home::Common => match self.commons.get(&id) {
                Some(section) => (SymbolHome::Section(*section), 0),
                None => (SymbolHome::Undefined, input.value),
            },
            Home::Absolute => match self.aliases.get(&id) {
                Some(alias) => return *alias,
                None => (SymbolHome::Absolute, input.value),
            },
            Home::Section(index) => {
                let section = own.sections[index];
                let home = section.map_or(SymbolHome::Discarded, SymbolHome::Section);
                (home, input.value)
            }
        };
        Symbol {
            input,
            object,
            home,
            value,
            size: input.size,
            kind: input.kind,
        }
    }

    /// Object of a symbol.
    fn object_of(&self, symbol: SymbolId) -> ObjectId {
        let mut object = self.object_of_block[symbol.at() / BLOCK];
        let next = |object: ObjectId| ObjectId(object.0 + 1);
        let begins = |object: ObjectId| self.objects.get(object.at()).map(|o| o.first_symbol);
        while begins(next(object)).is_some_and(|first| first <= symbol) {
            object = next(object);
        }
        object
    }

    /// Name of the source file that a local symbol's object gives before it.
    pub fn source_of(&self, symbol: SymbolId) -> &'d str {
        let object = &self.objects[self.object_of(symbol).at()];
        let index = symbol.0 - object.first_symbol.0;
        object.elf.source_of(index as usize).unwrap_or_default()
    }

    /// Slice of a symbol.
    pub fn slice_of(&self, symbol: SymbolId) -> SliceId {
        self.objects[self.object_of(symbol).at()].slice
    }

    /// The symbol that defines what `symbol` means, if anything does.
    pub fn definition(&self, symbol: SymbolId) -> Option<SymbolId> {
        let of = self.object_of(symbol);
        self.definition_by_name(of, symbol).unwrap_or_else(|| {
            let home = self.symbol_of(of, symbol).home;
            (home != SymbolHome::Undefined).then_some(symbol)
        })
    }

    /// What a symbol of an object means: the symbol that defines it, if anything does.
    #[inline]
    pub fn meaning_of(&self, of: ObjectId, symbol: SymbolId) -> Option<Symbol<'d>> {
        match self.definition_by_name(of, symbol) {
            Some(definition) => definition.map(|id| self.symbol(id)),
            None => {
                let own = self.symbol_of(of, symbol);
                (own.home != SymbolHome::Undefined).then_some(own)
            }
        }
    }

    /// What defines a global name in the object's slice; nothing for a local symbol.
    fn definition_by_name(&self, of: ObjectId, symbol: SymbolId) -> Option<Option<SymbolId>> {
        let object = &self.objects[of.at()];
        let index = symbol.0 - object.first_symbol.0;
        let name = object.resolved.name(index as usize)?;
        Some(self.slices[object.slice.at()].definitions[name])
    }

    /// File that a symbol's definition comes from.
    pub fn file_of(&self, symbol: SymbolId) -> &str {
        &self.objects[self.object_of(symbol).at()].elf.file
    }

    /// The symbols with names ([`ElfObject::named`]) and their ids.
    pub fn named_symbols(&self) -> impl Iterator<Item = (SymbolId, Symbol<'d>)> {
        let objects = self.objects.iter().enumerate();
        objects.flat_map(move |(at, object)| {
            let id = ObjectId::next(at);
            object
                .named()
                .map(move |symbol| (symbol, self.symbol_of(id, symbol)))
        })
    }
}
