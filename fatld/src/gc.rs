//! Phase 6: what is needed, over all slices at once, and what every needed section refers to.
//!
//! Beside the references in a slice there are two between slices: a cluster that one slice needs is needed in all, and a
//! function whose address is taken keeps its code everywhere. The walk turns each relocation of a live section into a
//! [`Reference`], so that later phases need neither symbols nor instruction bytes.

use std::collections::{BTreeMap, BTreeSet};

use object::elf::{STB_WEAK, STT_GNU_IFUNC};

use crate::clusters::Clusters;
use crate::collect::{self, Collections, End};
use crate::elements;
use crate::error::{Error, Place, Problem, check};
use crate::frames;
use crate::hash::{HashMap, IndexMap};
use crate::ids::{CollectionId, EntityId, SectionId, SliceId, SymbolId};
use crate::isa::{Expression, Role};
use crate::landmark::{self, Landmark};
use crate::options::{MissingCode, Options};
use crate::pair::Pairing;
use crate::program::{Program, Relocation, SectionKind, Symbol, SymbolHome};
use crate::relax::swallows_next;

/// What a relocation refers to: its `S`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// Nothing that has an address.
    Nothing,
    /// A place in a section. It may lie outside of it, as the addend does not belong to it.
    Place {
        /// The section.
        section: SectionId,
        /// Offset in it.
        offset: i64,
    },
    /// The gate of a function: `S` is the gate's address plus `adjust`, so that `S + A` means the gate.
    Gate {
        /// The function.
        function: EntityId,
        /// What undoes the addend.
        adjust: i64,
    },
    /// The code of a function for one ISA, in an array of the program's own: `S` is its address plus `adjust`.
    Element {
        /// The function.
        function: EntityId,
        /// Whose code.
        slice: SliceId,
        /// What undoes the addend.
        adjust: i64,
    },
    /// A number.
    Absolute(u64),
    /// Zero: a weak symbol that nothing defines.
    WeakUndefined,
    /// The first byte of the image's header.
    ImageHeader,
    /// An end of a collected array: of the one copy, or of the slice's own.
    Bound(CollectionId, End, SliceId),
    /// A place of the output that the linker names.
    Landmark(Landmark, SliceId),
}

/// What is needed.
#[derive(Debug)]
pub struct Live {
    /// Per section: it is in the image.
    pub sections: Vec<bool>,
    /// Per live section: the references of its relocations.
    pub references: Vec<Vec<Reference>>,
    /// Functions whose address is taken, and the first place that does so in each slice.
    pub taken: IndexMap<EntityId, BTreeMap<SliceId, Place>>,
    /// Entry symbol of each slice.
    pub entries: Vec<SymbolId>,
    /// Something refers to the image's header.
    pub image_header: bool,
    /// Slices in which something refers to an end of `.eh_frame`.
    pub frame_ends: BTreeSet<SliceId>,
}

/// Walks from the roots.
pub fn mark(
    program: &Program<'_>,
    pairing: &Pairing<'_>,
    collections: &Collections<'_>,
    clusters: &Clusters,
    options: &Options,
) -> Result<Live, Error> {
    let live = Live {
        sections: vec![false; program.sections.len()],
        references: vec![Vec::new(); program.sections.len()],
        taken: IndexMap::default(),
        entries: Vec::new(),
        image_header: false,
        frame_ends: BTreeSet::new(),
    };
    let mut marker = Marker {
        program,
        pairing,
        collections,
        clusters,
        dependents: dependents(program),
        gates: !options.is_plain(),
        live,
        queue: Vec::new(),
        problems: Vec::new(),
        undefined: IndexMap::default(),
    };
    marker.roots(options);
    while let Some(section) = marker.queue.pop() {
        marker.visit(section);
    }
    marker.finish(options.missing_code)
}

/// Frame descriptions of code, and sections that others are linked to.
fn dependents(program: &Program<'_>) -> HashMap<SectionId, Vec<SectionId>> {
    let frames = frames::of_code(program).into_iter();
    let mut dependents: HashMap<SectionId, Vec<SectionId>> = frames
        .map(|(code, frames)| (code, frames.iter().flat_map(|(d, c)| [*d, *c]).collect()))
        .collect();
    for (id, section) in program.sections() {
        if let Some(linked_to) = section.linked_to {
            dependents.entry(linked_to).or_default().push(id);
        }
    }
    dependents
}

/// What the linker itself defines by a name.
pub fn defined(collections: &Collections<'_>, name: &str, slice: SliceId) -> Option<Reference> {
    if name == fat_image::IMAGE_SYMBOL {
        return Some(Reference::ImageHeader);
    }
    if let Some((id, end)) = collections.bound(name) {
        let home = collect::home(&collections.collections[id.at()], slice);
        return Some(Reference::Bound(id, end, home));
    }
    landmark::named(name).map(|landmark| Reference::Landmark(landmark, slice))
}

struct Marker<'a, 'd> {
    program: &'a Program<'d>,
    pairing: &'a Pairing<'d>,
    collections: &'a Collections<'d>,
    clusters: &'a Clusters,
    /// What is needed together with a section without being referred to by it.
    dependents: HashMap<SectionId, Vec<SectionId>>,
    /// A function's address is its gate's.
    gates: bool,
    live: Live,
    queue: Vec<SectionId>,
    problems: Vec<Problem>,
    undefined: IndexMap<(SliceId, &'d str), Vec<Place>>,
}

impl<'d> Marker<'_, 'd> {
    fn roots(&mut self, options: &Options) {
        for slice in &self.program.slices {
            let defined = options.definitions.iter().map(|(name, _)| name);
            for name in options.undefined.iter().chain(defined) {
                let found = slice.definition(name).into_iter();
                found.for_each(|symbol| self.need_symbol(symbol));
            }
            let entry = options.entry.as_str();
            match slice.definition(entry) {
                Some(symbol) => {
                    self.live.entries.push(symbol);
                    self.need_symbol(symbol);
                }
                None => self.problems.push(Problem::Undefined {
                    symbol: entry.to_owned(),
                    isa: slice.isa.name().to_owned(),
                    references: vec![],
                }),
            }
        }
        for (id, section) in self.program.sections() {
            let kept = match section.kind {
                SectionKind::Debug | SectionKind::Unwind => false,
                _ => section.retained || !options.gc_sections,
            };
            let collection = self.collections.of(id);
            let array = collection.is_some_and(|c| self.collections.collections[c.at()].retained);
            if kept || array {
                self.need(id);
            }
        }
    }

    fn need(&mut self, section: SectionId) {
        if std::mem::replace(&mut self.live.sections[section.at()], true) {
            return;
        }
        self.queue.push(section);
        for dependent in self.dependents.remove(&section).unwrap_or_default() {
            self.need(dependent);
        }
        if let Some(cluster) = self.clusters.of(section) {
            let clusters = self.clusters;
            clusters.clusters[cluster.at()]
                .members
                .iter()
                .for_each(|(member, _)| self.need(*member));
        }
    }

    fn need_symbol(&mut self, symbol: SymbolId) {
        let found = self.program.symbol(symbol);
        if let SymbolHome::Section(section) = found.home {
            self.need(self.program.locate(section, found.value as i64).0);
        }
    }

    fn visit(&mut self, id: SectionId) {
        let section = &self.program.sections[id.at()];
        let mut references = Vec::with_capacity(section.relocations.len());
        let mut swallowed = false;
        for (at, relocation) in section.relocations.iter().enumerate() {
            let is_mark = relocation.rule.expression.is_mark();
            if swallowed && !is_mark {
                // The call of a function that the link does without.
                swallowed = false;
                references.push(Reference::Nothing);
                continue;
            }
            swallowed |= !is_mark && swallows_next(self.program, id, at);
            let reference = self.refer(id, relocation);
            match reference {
                Reference::Place { section, .. } => self.need(section),
                Reference::Gate { function, .. } => self.take_address(function, id, relocation),
                Reference::Bound(collection, ..) => self.need_collection(collection, section.slice),
                _ => {}
            }
            references.push(reference);
        }
        let badly_marked = elements::mark(self.program, self.pairing, id, &mut references);
        self.problems.extend(badly_marked);
        self.live.references[id.at()] = references;
    }

    fn need_collection(&mut self, collection: CollectionId, slice: SliceId) {
        let collections = self.collections;
        let sections = &collections.collections[collection.at()].sections[slice.at()];
        // What is linked to another section lives with that one only.
        let free = sections
            .iter()
            .filter(|id| self.program.sections[id.at()].linked_to.is_none());
        let free: Vec<_> = free.copied().collect();
        free.into_iter().for_each(|section| self.need(section));
    }

    fn refer(&mut self, from: SectionId, relocation: &Relocation) -> Reference {
        let program = self.program;
        // An index of 0 means that the expression has no symbol.
        let object = program.sections[from.at()].object;
        let own = &program.objects[object.at()];
        if relocation.rule.expression.is_mark() || relocation.symbol == own.first_symbol {
            return Reference::Nothing;
        }
        let symbol = program.symbol_of(object, relocation.symbol);
        let Some(definition) = program.meaning_of(object, relocation.symbol) else {
            return self.without_definition(from, relocation, &symbol);
        };
        if definition.kind == STT_GNU_IFUNC {
            self.problems.push(Problem::Unsupported {
                place: program.place(from, relocation.offset),
                what: format!(
                    "{}, a function chosen at start (STT_GNU_IFUNC)",
                    definition.name()
                ),
            });
            return Reference::Nothing;
        }
        match definition.home {
            SymbolHome::Section(section) => {
                self.place(from, relocation, &symbol, (section, definition.value))
            }
            SymbolHome::Absolute => Reference::Absolute(definition.value),
            SymbolHome::Discarded | SymbolHome::Undefined => {
                self.problems.push(Problem::Malformed {
                    place: program.place(from, relocation.offset),
                    expected: format!("{} in a section that is part of the link", symbol.name()),
                });
                Reference::Nothing
            }
        }
    }

    fn without_definition(
        &mut self,
        from: SectionId,
        relocation: &Relocation,
        symbol: &Symbol<'d>,
    ) -> Reference {
        let program = self.program;
        let slice = program.sections[from.at()].slice;
        if let Some(reference) = defined(self.collections, symbol.name(), slice) {
            self.live.image_header |= reference == Reference::ImageHeader;
            return reference;
        }
        if symbol.binding() == STB_WEAK {
            return Reference::WeakUndefined;
        }
        let key = (slice, symbol.name());
        self.undefined
            .entry(key)
            .or_default()
            .push(program.place(from, relocation.offset));
        Reference::Nothing
    }

    /// A reference to a place: to the gate if it is the first byte of a function whose address is taken.
    fn place(
        &mut self,
        from: SectionId,
        relocation: &Relocation,
        symbol: &Symbol<'_>,
        (section, value): (SectionId, u64),
    ) -> Reference {
        let program = self.program;
        if program.sections[section.at()].kind == SectionKind::Text {
            if self.gates
                && let Some((function, adjust)) =
                    self.address_taken(from, relocation, symbol, (section, value))
            {
                return Reference::Gate { function, adjust };
            }
            return Reference::Place {
                section,
                offset: value as i64,
            };
        }
        // The piece that a section symbol means is the one at the addend; a name's is the one at its value.
        let addend = if symbol.kind == object::elf::STT_SECTION {
            relocation.addend
        } else {
            0
        };
        let (piece, offset) = program.locate(section, (value as i64).wrapping_add(addend));
        if let Some(landmark) = frames::end(&program.sections[piece.at()]) {
            let slice = program.sections[piece.at()].slice;
            self.live.frame_ends.insert(slice);
            return Reference::Landmark(landmark, slice);
        }
        Reference::Place {
            section: piece,
            offset: offset.wrapping_sub(addend),
        }
    }

    fn address_taken(
        &self,
        from: SectionId,
        relocation: &Relocation,
        symbol: &Symbol<'_>,
        (section, value): (SectionId, u64),
    ) -> Option<(EntityId, i64)> {
        let (program, rule) = (self.program, relocation.rule);
        let source = &program.sections[from.at()];
        let isa = program.isa(source.slice);
        if source.kind == SectionKind::Unwind {
            return None;
        }
        let in_code = source.kind == SectionKind::Text;
        if rule.expression.is_about()
            || (in_code && isa.role(rule, source.data, relocation.offset as usize) == Role::Branch)
        {
            return None;
        }
        let bias = if in_code { isa.pc_bias(rule) } else { 0 };
        let distance = relocation.addend.checked_add(bias)?;
        let start = u64::try_from((value as i64).checked_add(distance)?).ok()?;
        let function = self.pairing.function_at(section, start)?;
        // In data, a distance from the field to the middle of a function can look like one to a function's start: only
        // a name that means a function is believed.
        let named = symbol.kind == object::elf::STT_FUNC;
        if rule.expression == Expression::RELATIVE && !in_code && !named {
            return None;
        }
        self.pairing
            .entity(function)
            .map(|entity| (entity, -distance))
    }

    fn take_address(&mut self, function: EntityId, by: SectionId, relocation: &Relocation) {
        let slice = self.program.sections[by.at()].slice;
        let known = self.live.taken.contains_key(&function);
        let takers = self.live.taken.entry(function).or_default();
        takers
            .entry(slice)
            .or_insert_with(|| self.program.place(by, relocation.offset));
        if !known {
            for slice in 0..self.program.slices.len() {
                if let Some(code) = self.pairing.code(function, slice) {
                    self.need_symbol(code);
                }
            }
        }
    }

    fn finish(mut self, missing: MissingCode) -> Result<Live, Error> {
        let (program, pairing) = (self.program, self.pairing);
        for ((slice, symbol), references) in self.undefined {
            let isa = program.isa(slice).name().to_owned();
            self.problems.push(Problem::Undefined {
                symbol: symbol.to_owned(),
                isa,
                references,
            });
        }
        if missing == MissingCode::Error {
            for (function, takers) in &self.live.taken {
                for slice in
                    (0..program.slices.len()).filter(|s| pairing.code(*function, *s).is_none())
                {
                    let taker = |(slice, place): (&SliceId, &Place)| {
                        (program.isa(*slice).name().to_owned(), place.clone())
                    };
                    self.problems.push(Problem::MissingCode {
                        function: pairing.entities[function.at()].name.to_owned(),
                        isa: program.slices[slice].isa.name().to_owned(),
                        taken_by: takers.iter().map(taker).collect(),
                    });
                }
            }
        }
        check(self.problems).map(|()| self.live)
    }
}
