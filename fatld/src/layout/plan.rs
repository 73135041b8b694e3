//! Which output section everything belongs to, and in which order.

use std::collections::BTreeMap;

use fat_image::{GATE_SIZE, Header, Isa as IsaRecord, PAGE_SIZE, Region, Symbol as SymbolRecord};
use object::elf::STT_FUNC;

use super::{Got, Inputs, Item, RuntimeSymbols, alias};
use crate::elf::belongs_to;
use crate::error::{Problem, SliceView};
use crate::frames;
use crate::gc::Reference;
use crate::hash::{HashMap, IndexMap};
use crate::ids::{ClassId, ClusterId, CollectionId, GateId, SectionId, SliceId};
use crate::isa::{Expression, Operand, Slot};
use crate::landmark::Landmark;
use crate::options::{Options, Text};
use crate::program::{Frame, Section, SectionKind, SymbolHome};
use crate::relax::Shapes;

/// Groups of output sections in the order of the image. Those of one rank have equal permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rank {
    Boot,
    Note,
    Text,
    Gates,
    ReadOnly,
    Functions,
    Data,
    Tls,
    TlsBss,
    Bss,
}

impl Rank {
    pub(super) fn flags(self) -> u32 {
        match self {
            Self::Boot => Region::READ | Region::WRITE | Region::EXECUTE | Region::BOOT,
            Self::Note | Self::ReadOnly => Region::READ,
            Self::Text => Region::READ | Region::EXECUTE,
            Self::Gates => Region::READ | Region::EXECUTE | Region::GATES,
            Self::Functions | Self::Data | Self::Tls | Self::TlsBss | Self::Bss => {
                Region::READ | Region::WRITE
            }
        }
    }

    pub(super) fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::TlsBss)
    }

    /// Its sections have no bytes in the file.
    pub(super) fn is_bss(self) -> bool {
        matches!(self, Self::TlsBss | Self::Bss)
    }
}

/// What an output section is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) rank: Rank,
    /// Slice that it is private to.
    pub(super) slice: Option<SliceId>,
    /// Name, without the ISA.
    pub(super) name: String,
}

/// A part of an output section.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) item: Item,
    pub(super) size: u64,
    pub(super) align: u64,
    /// Its offset, if that is not simply behind the part before it.
    pub(super) at: Option<u64>,
}

/// An output section to be.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) parts: Vec<Part>,
    /// The collected array that it is.
    pub(super) collection: Option<CollectionId>,
    /// All slices' sections of this kind have one virtual address.
    pub(super) aliased: bool,
}

/// The result.
pub(super) struct Plan {
    pub(super) groups: IndexMap<Key, Group>,
    pub(super) gots: Vec<Got>,
    pub(super) symbols: Vec<RuntimeSymbols>,
    /// Common entries of `.eh_frame` that are stored by another one.
    pub(super) folded: HashMap<SectionId, SectionId>,
    pub(super) problems: Vec<Problem>,
}

/// Decides what goes where.
pub(super) fn plan(inputs: Inputs<'_, '_>, shapes: &Shapes, options: &Options) -> Plan {
    let slices = inputs.program.slices.len();
    let mut planner = Planner {
        inputs,
        shapes,
        options,
        plan: Plan {
            groups: IndexMap::default(),
            gots: (0..slices).map(|_| Got::default()).collect(),
            symbols: (0..slices).map(|_| RuntimeSymbols::default()).collect(),
            folded: frames::fold(inputs.program, inputs.live),
            problems: Vec::new(),
        },
    };
    planner.collect_got();
    let is_image = !options.is_plain() || inputs.live.image_header;
    if is_image {
        planner.collect_symbols();
        planner.plan_header();
    }
    let gates = !options.is_plain() && options.text == Text::Separate;
    if gates {
        planner.plan_gates();
    }
    planner.plan_inputs();
    planner.plan_collections();
    planner.plan_frames();
    for slice in (0..slices).map(SliceId::next) {
        planner.plan_got(slice);
        if is_image {
            planner.plan_tables(slice);
        }
    }
    if gates {
        planner.plan_arrays();
    }
    if !options.is_plain() {
        planner.plan_traps();
    }
    if options.text == Text::Aliased && !options.is_plain() {
        alias::align(inputs, &mut planner.plan);
    }
    planner.plan
}

struct Planner<'a, 'd> {
    inputs: Inputs<'a, 'd>,
    shapes: &'a Shapes,
    options: &'a Options,
    plan: Plan,
}

impl Planner<'_, '_> {
    fn collect_got(&mut self) {
        let (program, live) = (self.inputs.program, self.inputs.live);
        for (id, section) in program.sections().filter(|(id, _)| live.sections[id.at()]) {
            let references = section.relocations.iter().zip(&live.references[id.at()]);
            for (at, (relocation, reference)) in references.enumerate() {
                let form = self.shapes.form(id, at);
                let expression = form.map_or(relocation.rule.expression, |form| form.expression);
                let got = &mut self.plan.gots[section.slice.at()];
                if expression.needs_got()
                    || matches!(reference, Reference::Landmark(Landmark::Got, _))
                {
                    // What counts from the GOT needs one, be it without use.
                    got.add(Slot::Address, Reference::Nothing);
                }
                if let Expression::Value(Operand::Slot(kind), _) = expression {
                    got.add(kind, *reference);
                }
            }
        }
    }

    fn collect_symbols(&mut self) {
        let (program, live) = (self.inputs.program, self.inputs.live);
        for (id, symbol) in program
            .named_symbols()
            .filter(|(_, s)| s.kind == STT_FUNC && s.is_named())
        {
            let SymbolHome::Section(section) = symbol.home else {
                continue;
            };
            if live.sections[section.at()]
                && program.sections[section.at()].kind == SectionKind::Text
            {
                let table = &mut self.plan.symbols[program.slice_of(id).at()];
                table.functions.push(id);
                table.names_size += symbol.name().len() as u64 + 1;
            }
        }
    }

    fn plan_header(&mut self) {
        let slices = self.inputs.program.slices.len();
        let header = size_of::<Header>() + slices * size_of::<IsaRecord>();
        let name = fat_image::NOTE_SECTION;
        self.add(Rank::Note, None, name, Item::ImageNote, header as u64, 8);
    }

    fn plan_gates(&mut self) {
        for slice in (0..self.inputs.program.slices.len()).map(SliceId::next) {
            let size = self.inputs.functions.arrays.len() as u64 * GATE_SIZE;
            let key = (Rank::Gates, Some(slice), ".gates");
            let group = self.add(key.0, key.1, key.2, Item::Gates(slice), size, PAGE_SIZE);
            group.aliased = true;
        }
    }

    fn plan_arrays(&mut self) {
        let arrays = &self.inputs.functions.arrays;
        let size = (arrays.len() * self.inputs.program.slices.len() * 8) as u64;
        let name = fat_image::FUNCTIONS_SECTION;
        self.add(Rank::Functions, None, name, Item::FunctionArrays, size, 8);
    }

    fn plan_traps(&mut self) {
        for (gate, array) in self.inputs.functions.arrays.iter().enumerate() {
            for (at, _) in array
                .elements
                .iter()
                .enumerate()
                .filter(|(_, e)| e.is_none())
            {
                let slice = SliceId::next(at);
                let size = self.inputs.program.isa(slice).trap().len() as u64;
                let item = Item::Trap(slice, GateId::next(gate));
                self.add(Rank::Text, Some(slice), ".text", item, size, 16);
            }
        }
    }

    /// What comes from the inputs: clusters and classes once, sections of one slice.
    fn plan_inputs(&mut self) {
        let inputs = self.inputs;
        let program = inputs.program;
        let mut clusters = vec![false; inputs.clusters.clusters.len()];
        let mut classes = vec![false; inputs.sharing.classes.len()];
        for (id, section) in program.sections() {
            let elsewhere = !section.pieces.is_empty()
                || section.kind == SectionKind::Unwind
                || inputs.collections.of(id).is_some();
            if elsewhere || !inputs.live.sections[id.at()] {
                continue;
            }
            if let Some(cluster) = inputs.clusters.of(id) {
                if !std::mem::replace(&mut clusters[cluster.at()], true) {
                    self.add_cluster(cluster, None);
                }
            } else if let Some(class) = inputs.sharing.class(id) {
                if !std::mem::replace(&mut classes[class.at()], true) {
                    self.add_class(class);
                }
            } else {
                self.add_section(id);
            }
        }
    }

    /// Collected arrays, in their order.
    fn plan_collections(&mut self) {
        let inputs = self.inputs;
        for (at, collection) in inputs.collections.collections.iter().enumerate() {
            let id = CollectionId::next(at);
            let copies = if collection.shared {
                1
            } else {
                inputs.program.slices.len()
            };
            for sections in &collection.sections[..copies] {
                for section in sections.iter().filter(|s| inputs.live.sections[s.at()]) {
                    let group = match inputs.clusters.of(*section).filter(|_| collection.shared) {
                        Some(cluster) => self.add_cluster(cluster, Some(collection.name)),
                        None => self.add_own(*section, collection.name),
                    };
                    group.collection = Some(id);
                }
            }
        }
    }

    /// `.eh_frame` of each slice: each common entry before its first description.
    fn plan_frames(&mut self) {
        let inputs = self.inputs;
        let program = inputs.program;
        let mut placed = vec![false; program.sections.len()];
        let ends = inputs.live.frame_ends.iter();
        let mut count: BTreeMap<SliceId, u64> = ends.map(|slice| (*slice, 0)).collect();
        for (id, section) in program
            .sections()
            .filter(|(id, _)| inputs.live.sections[id.at()])
        {
            let (common, description) = match section.frame {
                Some(Frame::Common) => (id, None),
                Some(Frame::Description(common)) => (common, Some(id)),
                None => continue,
            };
            let common = self.plan.folded.get(&common).copied().unwrap_or(common);
            if !std::mem::replace(&mut placed[common.at()], true) {
                self.add_own(common, ".eh_frame");
            }
            let count = count.entry(section.slice).or_default();
            if let Some(description) = description {
                self.add_own(description, ".eh_frame");
                *count += 1;
            }
        }
        // Records follow one another without a gap, which would end the list; readers like the first one aligned.
        for (key, group) in &mut self.plan.groups {
            if key.name == ".eh_frame" {
                group.parts[0].align = 8;
            }
        }
        for (slice, count) in count {
            let (owner, size) = (Some(slice), frames::END as u64);
            self.add(Rank::ReadOnly, owner, ".eh_frame", Item::FrameEnd, size, 1);
            if self.options.eh_frame_header && count > 0 {
                let (item, size) = (Item::FrameHeader(slice), frames::header_size(count));
                self.add(Rank::ReadOnly, owner, ".eh_frame_hdr", item, size, 4);
            }
        }
    }

    fn plan_got(&mut self, slice: SliceId) {
        let size = self.plan.gots[slice.at()].size;
        if size > 0 {
            let item = Item::Got(slice);
            self.add(Rank::ReadOnly, Some(slice), ".got", item, size, 8);
        }
    }

    /// What the runtime looks up.
    fn plan_tables(&mut self, slice: SliceId) {
        let symbols = &self.plan.symbols[slice.at()];
        let table = (symbols.functions.len() * size_of::<SymbolRecord>()) as u64;
        let names = symbols.names_size;
        let owner = Some(slice);
        self.add(
            Rank::ReadOnly,
            owner,
            ".fat.symbols",
            Item::Symbols(slice),
            table,
            8,
        );
        self.add(
            Rank::ReadOnly,
            owner,
            ".fat.names",
            Item::Names(slice),
            names,
            1,
        );
    }

    fn add(
        &mut self,
        rank: Rank,
        slice: Option<SliceId>,
        name: &str,
        item: Item,
        size: u64,
        align: u64,
    ) -> &mut Group {
        // A plain link has one slice and shares with none.
        let slice = if self.options.is_plain() {
            Some(SliceId(0))
        } else {
            slice
        };
        let key = Key {
            rank,
            slice,
            name: name.to_owned(),
        };
        let group = self.plan.groups.entry(key).or_default();
        group.parts.push(Part {
            item,
            size,
            align,
            at: None,
        });
        group
    }

    fn add_cluster(&mut self, id: ClusterId, name: Option<&str>) -> &mut Group {
        let program = self.inputs.program;
        let cluster = &self.inputs.clusters.clusters[id.at()];
        let sections = || {
            let members = cluster.members.iter();
            members.map(|(s, start)| (&program.sections[s.at()], *start))
        };
        let size = sections().map(|(s, start)| start + s.size).max();
        let align = sections().map(|(s, _)| s.align).max().unwrap_or(1);
        if let Some((odd, start)) = sections().find(|(s, start)| start % s.align != 0) {
            let others = sections().filter(|(s, _)| s.slice != odd.slice);
            let problem = self.out_of_line([(odd, start)].into_iter().chain(others));
            self.plan.problems.push(problem);
        }
        let has = |kind| sections().any(|(s, _)| s.kind == kind);
        let rank = if has(SectionKind::Tls) {
            Rank::Tls
        } else if has(SectionKind::TlsBss) {
            Rank::TlsBss
        } else if sections().any(|(s, _)| !s.writable) {
            Rank::ReadOnly
        } else if has(SectionKind::Data) {
            Rank::Data
        } else {
            Rank::Bss
        };
        let own = sections().next().map_or("", |(s, _)| s.name);
        let name = name.unwrap_or_else(|| output_name(rank, own));
        self.add(
            rank,
            None,
            name,
            Item::Cluster(id),
            size.unwrap_or(0),
            align,
        )
    }

    fn out_of_line<'s>(&self, sections: impl Iterator<Item = (&'s Section<'s>, u64)>) -> Problem {
        let program = self.inputs.program;
        let mut sections = sections.peekable();
        let name = sections.peek().map_or("", |(odd, _)| odd.name);
        let sides = sections.map(|(section, start)| SliceView {
            isa: program.isa(section.slice).name().to_owned(),
            file: program.objects[section.object.at()].elf.file.clone(),
            value: format!(
                "{start:#x} from the first datum, aligned to {}",
                section.align
            ),
            source: None,
            definition: None,
        });
        Problem::Mismatch {
            symbol: name.to_owned(),
            what: "place among the data of its section",
            sides: sides.collect(),
            hint: Some("compile with one section per datum (-fdata-sections)"),
        }
    }

    fn add_class(&mut self, id: ClassId) {
        let class = &self.inputs.sharing.classes[id.at()];
        if class.tail_of.is_some() {
            return;
        }
        let first = &self.inputs.program.sections[class.members[0].at()];
        let slice = (!class.shared).then_some(first.slice);
        let name = output_name(Rank::ReadOnly, first.name);
        let item = Item::Class(id);
        self.add(Rank::ReadOnly, slice, name, item, first.size, class.align);
    }

    fn add_section(&mut self, id: SectionId) {
        let section = &self.inputs.program.sections[id.at()];
        let Some(rank) = rank(section) else { return };
        self.add_own(id, output_name(rank, section.name));
    }

    /// Adds a section of one slice under an output section's name, with its thunks.
    fn add_own(&mut self, id: SectionId, name: &str) -> &mut Group {
        let program = self.inputs.program;
        let section = &program.sections[id.at()];
        let rank = rank(section).unwrap_or(Rank::ReadOnly);
        let slice = Some(section.slice);
        for thunk in self.shapes.thunks_beside(id) {
            let size = program
                .isa(section.slice)
                .thunk()
                .map_or(0, |kind| kind.size);
            self.add(rank, slice, name, Item::Thunk(*thunk), size, size);
        }
        let size = self.shapes.size(program, id);
        let align = self.shapes.align(program, id);
        self.add(rank, slice, name, Item::Section(id), size, align)
    }
}

fn rank(section: &Section<'_>) -> Option<Rank> {
    Some(match section.kind {
        SectionKind::Text if section.writable => Rank::Boot,
        SectionKind::Text => Rank::Text,
        SectionKind::ReadOnly | SectionKind::Unwind => Rank::ReadOnly,
        SectionKind::Data => Rank::Data,
        SectionKind::Bss => Rank::Bss,
        SectionKind::Tls => Rank::Tls,
        SectionKind::TlsBss => Rank::TlsBss,
        SectionKind::Note => Rank::Note,
        SectionKind::Debug => return None,
    })
}

/// Beginnings of input sections' names, and the output section that they go to, as in ld's and lld's default layouts.
/// Small data is no class of its own: it is reached as any other.
const OUTPUT_NAMES: &[(Rank, &[&str], &str)] = &[
    (Rank::Text, &[".text"], ".text"),
    (
        Rank::ReadOnly,
        &[
            ".rodata",
            ".srodata",
            ".lrodata",
            ".data.rel.ro",
            ".gnu.linkonce.r",
        ],
        ".rodata",
    ),
    (Rank::ReadOnly, &[".gcc_except_table"], ".gcc_except_table"),
    (
        Rank::Data,
        &[".data", ".sdata", ".ldata", ".gnu.linkonce.d"],
        ".data",
    ),
    (
        Rank::Bss,
        &[".bss", ".sbss", ".lbss", "COMMON", ".gnu.linkonce.b"],
        ".bss",
    ),
    // Zeroed data of one slice may be initialized in another.
    (Rank::Data, &[".bss", ".sbss", ".lbss", "COMMON"], ".data"),
    (
        Rank::ReadOnly,
        &[".data", ".sdata", ".bss", ".sbss", "COMMON"],
        ".rodata",
    ),
    (Rank::Tls, &[".tdata", ".tbss"], ".tdata"),
    (Rank::TlsBss, &[".tbss"], ".tbss"),
];

/// The output section that an input section belongs to; one of another name makes its own.
fn output_name(rank: Rank, name: &str) -> &str {
    let known = OUTPUT_NAMES
        .iter()
        .find(|(of, stems, _)| *of == rank && stems.iter().any(|stem| belongs_to(name, stem)));
    match (known, rank) {
        (Some((_, _, output)), _) => output,
        // `.boot.data` → `.boot`
        (None, Rank::Boot | Rank::Text) => stem(name),
        (None, _) => name,
    }
}

fn stem(name: &str) -> &str {
    let end = name
        .get(1..)
        .and_then(|rest| rest.find('.'))
        .map_or(name.len(), |dot| dot + 1);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_to_the_sections_that_linkers_agree_on() {
        assert_eq!(output_name(Rank::Text, ".text.unlikely.f"), ".text");
        assert_eq!(output_name(Rank::Text, ".boot.entry"), ".boot");
        assert_eq!(output_name(Rank::ReadOnly, ".data.rel.ro.x"), ".rodata");
        assert_eq!(output_name(Rank::Data, ".database"), ".database");
        assert_eq!(output_name(Rank::Bss, "COMMON"), ".bss");
    }
}
