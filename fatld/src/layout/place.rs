//! Addresses of output sections and of everything in them.

use fat_image::{NOTE_HEADER, PAGE_SIZE, Region};

use super::plan::{Group, Key, Plan, Rank};
use super::{Inputs, Item, Layout, OutputSection, Tls, alias, regions};
use crate::error::Problem;
use crate::frames;
use crate::hash::{HashMap, IndexMap};
use crate::ids::{CollectionId, SliceId};
use crate::landmark::Landmark;
use crate::options::{Options, Text};
use crate::relax::Shapes;

/// Largest output section with bytes in the file: a damaged input must not ask for more memory than there is.
const MAX_FILE_SECTION: u64 = 1 << 32;

fn align_up(value: u64, align: u64) -> u64 {
    value.next_multiple_of(align)
}

/// Gives all of a plan addresses.
pub(super) fn place(
    inputs: Inputs<'_, '_>,
    shapes: Shapes,
    plan: Plan,
    options: &Options,
) -> (Layout, Vec<Problem>) {
    let layout = Layout {
        sections: Vec::new(),
        regions: Vec::new(),
        image: (options.image_base, options.image_base),
        header: 0,
        gates: 0,
        aliases: None,
        functions: 0,
        gots: plan.gots,
        tls: Tls {
            address: 0,
            size: 0,
            align: 1,
        },
        thunks: vec![0; shapes.thunk_count()],
        shapes,
        symbols: plan.symbols,
        traps: HashMap::default(),
        addresses: vec![None; inputs.program.sections.len()],
        bounds: HashMap::default(),
        landmarks: HashMap::default(),
    };
    let mut placer = Placer {
        inputs,
        options,
        layout,
        aliases: HashMap::default(),
        problems: plan.problems,
    };
    let mut groups: Vec<_> = plan.groups.into_iter().collect();
    // The sort is stable: sections of one rank and slice keep the order in which they came up.
    groups.sort_by_key(|(key, _)| (key.rank, key.slice));
    placer.measure_tls(&groups);
    placer.place(groups);
    for (copy, first) in plan.folded {
        placer.layout.addresses[copy.at()] = placer.layout.addresses[first.at()];
    }
    placer.share_addresses();
    placer.find_landmarks();
    placer.layout.regions = regions::regions(&placer.layout.sections);
    regions::check_overlap(&placer.layout.sections, &mut placer.problems);
    if options.text == Text::Aliased && !options.is_plain() {
        alias::check(inputs, &mut placer.layout, &mut placer.problems);
    }
    (placer.layout, placer.problems)
}

struct Placer<'a, 'd> {
    inputs: Inputs<'a, 'd>,
    options: &'a Options,
    layout: Layout,
    /// Address of the aliased sections of a rank.
    aliases: HashMap<Rank, u64>,
    problems: Vec<Problem>,
}

impl Placer<'_, '_> {
    /// The TLS segment begins where its strictest section may.
    fn measure_tls(&mut self, groups: &[(Key, Group)]) {
        let tls = groups.iter().filter(|(key, _)| key.rank.is_tls());
        let aligns = tls.flat_map(|(_, group)| group.parts.iter().map(|part| part.align));
        self.layout.tls.align = aligns.max().unwrap_or(1);
    }

    /// Puts the groups one behind the other.
    fn place(&mut self, groups: Vec<(Key, Group)>) {
        let regions = groups.len() * size_of::<Region>();
        let starts = self.options.section_starts.iter();
        let mut starts: IndexMap<&str, u64> = starts.map(|(n, a)| (n.as_str(), *a)).collect();
        let (mut cursor, mut run) = (self.options.image_base, None);
        for (key, mut group) in groups {
            let name = self.name_of(&key);
            if key.rank == Rank::Note && name == fat_image::NOTE_SECTION {
                // The region table stands behind the header; one region per section is the most there can be.
                group.parts[0].size += NOTE_HEADER + regions as u64;
            }
            let own_start = starts.shift_remove(name.as_str());
            if key.rank == Rank::Boot && own_start.is_none() && !self.options.is_plain() {
                let problem = self.unplaced(&name, &group);
                self.problems.push(problem);
                continue;
            }
            // Notes are for whoever loads the image: they need no pages of their own.
            let owner = key.slice.filter(|_| key.rank != Rank::Note);
            let pages = (key.rank.flags(), owner, group.aliased);
            if own_start.is_none() && run.replace(pages) != Some(pages) {
                cursor = align_up(cursor, PAGE_SIZE);
            }
            let start = own_start.unwrap_or(cursor);
            let (address, end) = self.place_section(
                (key.rank, key.slice, name),
                group,
                start,
                own_start.is_some(),
            );
            if own_start.is_none() {
                cursor = end.max(address);
            }
        }
        self.layout.image.1 = align_up(cursor, PAGE_SIZE);
        for (name, _) in starts {
            self.problems.push(Problem::Usage(format!(
                "--section-start={name}: there is no such output section"
            )));
        }
    }

    /// What the page tables of no CPU may map as it is needs a place before there are any.
    fn unplaced(&self, name: &str, group: &Group) -> Problem {
        let program = self.inputs.program;
        let what = format!(
            "a writable and executable section {name} without a place of its own: give --section-start={name}=ADDRESS"
        );
        let section = group.parts.iter().find_map(|part| match part.item {
            Item::Section(section) => Some(section),
            Item::Class(class) => Some(self.inputs.sharing.classes[class.at()].members[0]),
            Item::Cluster(cluster) => {
                Some(self.inputs.clusters.clusters[cluster.at()].members[0].0)
            }
            _ => None,
        });
        match section {
            Some(section) => Problem::Unsupported {
                place: program.place(section, 0),
                what,
            },
            None => Problem::Usage(what),
        }
    }

    /// A section that one slice has alone among several says so.
    fn name_of(&self, key: &Key) -> String {
        match key.slice {
            Some(slice) if key.rank != Rank::Note && !self.options.is_plain() => {
                format!("{}.{}", key.name, self.inputs.program.isa(slice).name())
            }
            _ => key.name.clone(),
        }
    }

    /// Gives a section's parts their offsets. Returns its first address and the one behind it.
    fn place_section(
        &mut self,
        (rank, slice, name): (Rank, Option<SliceId>, String),
        group: Group,
        start: u64,
        fixed: bool,
    ) -> (u64, u64) {
        let align = group.parts.iter().map(|part| part.align).max().unwrap_or(1);
        let first_of_tls = rank.is_tls() && self.layout.tls.address == 0;
        let phys = align_up(
            start,
            if first_of_tls {
                self.layout.tls.align
            } else {
                align
            },
        );
        // Sections that are aliased lie at the first one's address, each with a place of its own.
        let address = if group.aliased {
            *self.aliases.entry(rank).or_insert(phys)
        } else {
            phys
        };
        let aliased = if group.aliased { Region::GATES } else { 0 };
        let mut section = OutputSection {
            name,
            slice,
            flags: rank.flags() | aliased | if fixed { Region::BOOT } else { 0 },
            is_bss: rank.is_bss(),
            is_note: rank == Rank::Note,
            is_tls: rank.is_tls(),
            address,
            phys,
            size: 0,
            align,
            items: Vec::with_capacity(group.parts.len()),
        };
        for part in group.parts {
            let offset = part
                .at
                .unwrap_or_else(|| align_up(section.size, part.align));
            section.items.push((part.item, offset));
            section.size = offset + part.size;
            self.note_address(part.item, address + offset);
        }
        let size = section.size;
        self.note_section(&section, rank, group.collection);
        if !section.is_bss && size > MAX_FILE_SECTION {
            let what = format!("section {} of {size:#x} bytes in a file", section.name);
            self.problems.push(Problem::Usage(what));
        }
        self.layout.sections.push(section);
        (phys, phys + size)
    }

    fn note_section(
        &mut self,
        section: &OutputSection,
        rank: Rank,
        collection: Option<CollectionId>,
    ) {
        let (start, end) = (section.address, section.address + section.size);
        if let Some(collection) = collection {
            let shared = self.inputs.collections.collections[collection.at()].shared;
            let home = section.slice.filter(|_| !shared).unwrap_or(SliceId(0));
            self.layout.bounds.insert((collection, home), (start, end));
        }
        if rank == Rank::Gates && self.layout.gates == 0 {
            self.layout.gates = start;
        }
        if rank.is_tls() {
            let tls = &mut self.layout.tls;
            if tls.address == 0 {
                tls.address = start;
            }
            tls.size = end - tls.address;
        }
    }

    fn note_address(&mut self, item: Item, address: u64) {
        match item {
            Item::Section(id) => self.layout.addresses[id.at()] = Some(address),
            Item::Cluster(id) => {
                for (member, start) in &self.inputs.clusters.clusters[id.at()].members {
                    self.layout.addresses[member.at()] = Some(address + start);
                }
            }
            Item::Class(id) => {
                for member in &self.inputs.sharing.classes[id.at()].members {
                    self.layout.addresses[member.at()] = Some(address);
                }
            }
            Item::ImageNote => self.layout.header = address + NOTE_HEADER,
            Item::FunctionArrays => self.layout.functions = address,
            Item::Got(slice) => self.layout.gots[slice.at()].address = address,
            Item::Thunk(thunk) => self.layout.thunks[thunk.at()] = address,
            Item::Symbols(slice) => self.layout.symbols[slice.at()].table = address,
            Item::Names(slice) => self.layout.symbols[slice.at()].names = address,
            Item::Trap(slice, gate) => {
                self.layout.traps.insert((slice, gate), address);
            }
            Item::Gates(_) | Item::FrameHeader(_) | Item::FrameEnd => {}
        }
    }

    /// Strings that are the ends of others lie in those.
    fn share_addresses(&mut self) {
        let classes = &self.inputs.sharing.classes;
        for class in classes {
            let Some((host, offset)) = class.tail_of else {
                continue;
            };
            let host = self.layout.addresses[classes[host.at()].members[0].at()];
            for member in &class.members {
                self.layout.addresses[member.at()] = host.map(|address| address + offset);
            }
        }
    }

    fn find_landmarks(&mut self) {
        let layout = &mut self.layout;
        let own: Vec<_> = layout
            .sections
            .iter()
            .filter(|s| s.flags & Region::BOOT == 0)
            .collect();
        let written = |s: &&&OutputSection| s.flags & Region::WRITE != 0;
        let end = |s: &&OutputSection| s.address + s.size;
        let data = own
            .iter()
            .filter(|s| written(s) && !s.is_bss)
            .map(end)
            .max();
        let bss = own.iter().filter(|s| s.is_bss && !s.is_tls);
        let last = own.iter().map(end).max().unwrap_or(layout.image.1);
        let data_end = data.unwrap_or(last);
        let tls = own.iter().filter(|s| s.is_tls && !s.is_bss).map(end).max();
        let mut landmarks = HashMap::default();
        for at in 0..self.inputs.program.slices.len() {
            let slice = SliceId::next(at);
            let isa = self.inputs.program.isa(slice);
            let thread_pointer = -isa.tp_offset(0, layout.tls.size, layout.tls.align);
            let is_text =
                |s: &&&OutputSection| s.flags & Region::EXECUTE != 0 && s.slice == Some(slice);
            let text = own.iter().filter(is_text).map(end).max();
            let frames = own.iter().find(|s| {
                let last = s.items.last().map(|(item, _)| *item);
                s.slice == Some(slice) && last == Some(Item::FrameEnd)
            });
            let frames = frames.map_or((layout.image.0, layout.image.0), |s| {
                (s.address, s.address + s.size - frames::END as u64)
            });
            let places = [
                (Landmark::FramesStart, frames.0),
                (Landmark::FramesEnd, frames.1),
                (Landmark::Start, layout.image.0),
                (Landmark::TextEnd, text.unwrap_or(layout.image.0)),
                (Landmark::DataEnd, data_end),
                (
                    Landmark::BssStart,
                    bss.clone().map(|s| s.address).min().unwrap_or(data_end),
                ),
                (Landmark::End, last),
                (Landmark::Got, layout.gots[at].address),
                (Landmark::TlsStart, layout.tls.address),
                (Landmark::TlsDataEnd, tls.unwrap_or(layout.tls.address)),
                (Landmark::TlsEnd, layout.tls.address + layout.tls.size),
                (
                    Landmark::TlsModule,
                    layout.tls.address.wrapping_add_signed(thread_pointer),
                ),
            ];
            landmarks.extend(places.map(|(landmark, address)| ((landmark, slice), address)));
        }
        layout.landmarks = landmarks;
    }
}
