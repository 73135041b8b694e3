//! Phase 9, with layout: which instructions take a cheaper form, what padding goes, and which branches need a thunk.
//!
//! Addresses depend on sizes and sizes on addresses. Every site therefore begins with its cheapest form; after each
//! layout, those whose value does not fit take their next one, and a branch out of reach gets a thunk. No site ever goes
//! back, so this ends, also where alignment makes things move apart that came closer: when nothing changes, every
//! value fits. Padding for alignment (`R_RISCV_ALIGN`) is computed anew each time: a section's start is aligned to the
//! strictest of it, so it depends on what was cut before it in its own section only.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::Problem;
use crate::gc::{Live, Reference};
use crate::hash::HashMap;
use crate::ids::{SectionId, SliceId, ThunkId};
use crate::isa::{Expression, Form, Isa, Site};
use crate::program::{Program, SectionKind};
use crate::relocate::Values;

/// What became of the instructions of all sections.
#[derive(Debug)]
pub struct Shapes {
    of_section: Vec<Option<Box<Shape>>>,
    thunks: Vec<Thunk>,
    thunk_of: HashMap<(SectionId, usize), ThunkId>,
    thunks_beside: BTreeMap<SectionId, Vec<ThunkId>>,
}

/// A thunk: where a relocation would lead if its branch reached so far.
#[derive(Clone, Copy, Debug)]
pub struct Thunk {
    /// Section and index of the first relocation that needs it.
    pub branch: (SectionId, usize),
    slice: SliceId,
    target: (Reference, i64),
}

/// A section that is not as its object has it.
#[derive(Debug, Default)]
struct Shape {
    choices: Vec<Choice>,
    paddings: Vec<Padding>,
    /// What is cut out, by offset in the input.
    cuts: Vec<Cut>,
    align: u64,
    size: u64,
}

/// A site with cheaper forms.
#[derive(Debug)]
struct Choice {
    /// Index of its relocation.
    relocation: usize,
    /// Cheapest first.
    forms: &'static [Form],
    /// The one that holds; behind the last, the site is as it was.
    chosen: usize,
}

impl Choice {
    fn form(&self) -> Option<&'static Form> {
        self.forms.get(self.chosen)
    }
}

/// Padding that `R_RISCV_ALIGN` marks.
#[derive(Debug)]
struct Padding {
    offset: u64,
    bytes: u64,
    kept: u64,
}

impl Padding {
    /// "The smallest power of two that is greater than the addend" (RISC-V psABI, 8.5.1).
    fn align(&self) -> u64 {
        (self.bytes + 1).next_power_of_two()
    }
}

#[derive(Debug)]
struct Cut {
    at: u64,
    bytes: u64,
    /// Bytes that earlier cuts took.
    before: u64,
}

impl Shape {
    /// Where an offset in the input has gone. One that is cut out is where the next byte is.
    fn moved(&self, offset: u64) -> u64 {
        let Some(last) = self
            .cuts
            .partition_point(|cut| cut.at < offset)
            .checked_sub(1)
        else {
            return offset;
        };
        let cut = &self.cuts[last];
        offset - cut.before - cut.bytes.min(offset - cut.at)
    }

    /// Computes cuts, padding and size from the chosen forms.
    fn settle(&mut self, input_size: u64, relocations: &[crate::program::Relocation]) {
        let forms = self.choices.iter().filter_map(|choice| {
            let form = choice.form().filter(|form| form.cut > 0)?;
            let end = relocations[choice.relocation]
                .offset
                .wrapping_add_signed(form.start as i64)
                + form.len as u64;
            Some((end - form.cut as u64, form.cut as u64))
        });
        let mut wanted: Vec<(u64, Option<usize>, u64)> =
            forms.map(|(at, bytes)| (at, None, bytes)).collect();
        let paddings = self.paddings.iter().enumerate();
        wanted.extend(paddings.map(|(i, padding)| (padding.offset, Some(i), padding.bytes)));
        wanted.sort_unstable();
        self.cuts.clear();
        let mut before = 0;
        for (at, padding, bytes) in wanted {
            let (at, bytes) = match padding {
                None => (at, bytes),
                Some(index) => {
                    let padding = &mut self.paddings[index];
                    padding.kept = (at - before).wrapping_neg() & (padding.align() - 1);
                    (at + padding.kept, bytes.saturating_sub(padding.kept))
                }
            };
            if bytes > 0 {
                self.cuts.push(Cut { at, bytes, before });
                before += bytes;
            }
        }
        self.size = input_size - before;
    }
}

impl Shapes {
    /// The cheapest forms of everything that is needed.
    pub fn cheapest(program: &Program<'_>, live: &Live, relax: bool) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let shapes = program.sections().map(|(id, section)| {
            if !live.sections[id.at()] || section.kind != SectionKind::Text {
                return None;
            }
            let mut shape = Shape {
                align: section.align,
                ..Shape::default()
            };
            for (at, relocation) in section.relocations.iter().enumerate() {
                if relocation.rule.expression == Expression::Align {
                    problems.extend(shape.add_padding(program, id, at));
                } else if !relocation.rule.expression.is_mark() {
                    shape.add_choice(program, live, id, at, relax);
                }
            }
            if shape.choices.is_empty() && shape.paddings.is_empty() {
                return None;
            }
            shape.settle(section.size, &section.relocations);
            Some(Box::new(shape))
        });
        let of_section = shapes.collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            of_section,
            thunks: Vec::new(),
            thunk_of: HashMap::default(),
            thunks_beside: BTreeMap::new(),
        })
    }

    /// Where values do not fit, if anywhere.
    pub fn misfits(&self, values: Values<'_, '_>) -> Option<Misfits> {
        let misfits = Misfits {
            outgrown: self.outgrown(&values),
            out_of_reach: self.out_of_reach(&values),
        };
        (!misfits.outgrown.is_empty() || !misfits.out_of_reach.is_empty()).then_some(misfits)
    }

    /// Gives way where values do not fit.
    pub fn give_way(&mut self, program: &Program<'_>, misfits: Misfits) {
        for (id, choices) in misfits.outgrown {
            let section = &program.sections[id.at()];
            if let Some(shape) = &mut self.of_section[id.at()] {
                choices
                    .into_iter()
                    .for_each(|choice| shape.choices[choice].chosen += 1);
                shape.settle(section.size, &section.relocations);
            }
        }
        for (branch, thunk) in misfits.out_of_reach {
            match thunk {
                Lead::Over(thunk) => {
                    self.thunk_of.insert(branch, thunk);
                }
                Lead::New(thunk) => self.add_thunk(thunk),
            }
        }
    }

    /// Sites whose form does not hold its value any more, by section.
    fn outgrown(&self, values: &Values<'_, '_>) -> Vec<(SectionId, Vec<usize>)> {
        let mut outgrown = Vec::new();
        for (at, shape) in self.of_section.iter().enumerate() {
            let Some(shape) = shape else { continue };
            let id = SectionId::next(at);
            let choices = shape.choices.iter().enumerate().filter(|(_, choice)| {
                choice.form().is_some() && !values.fits(id, choice.relocation)
            });
            let choices: Vec<_> = choices.map(|(i, _)| i).collect();
            if !choices.is_empty() {
                outgrown.push((id, choices));
            }
        }
        outgrown
    }

    /// Branches that do not reach their targets, and what shall lead them on.
    fn out_of_reach(&self, values: &Values<'_, '_>) -> Vec<((SectionId, usize), Lead)> {
        let program = values.program;
        let mut led = Vec::new();
        let mut new: HashMap<(SectionId, Reference, i64), ()> = HashMap::default();
        for (id, section) in program.sections() {
            let Some(thunk) = program.isa(section.slice).thunk() else {
                continue;
            };
            if section.kind != SectionKind::Text || !values.live.sections[id.at()] {
                continue;
            }
            for (at, relocation) in section.relocations.iter().enumerate() {
                if !thunk.rules.contains(&relocation.rule.raw) || values.fits(id, at) {
                    continue;
                }
                let target = (values.live.references[id.at()][at], relocation.addend);
                let known = self.thunks.iter().enumerate().find(|(index, known)| {
                    known.target == target
                        && known.slice == section.slice
                        && values.fits_over(id, at, ThunkId::next(*index))
                });
                match known {
                    Some((index, _)) => led.push(((id, at), Lead::Over(ThunkId::next(index)))),
                    // One round per new thunk and section: the others find it in the next.
                    None if new.insert((id, target.0, target.1), ()).is_none()
                        && !self.thunk_of.contains_key(&(id, at)) =>
                    {
                        let thunk = Thunk {
                            branch: (id, at),
                            slice: section.slice,
                            target,
                        };
                        led.push(((id, at), Lead::New(thunk)));
                    }
                    None => {}
                }
            }
        }
        led
    }

    fn add_thunk(&mut self, thunk: Thunk) {
        let id = ThunkId::next(self.thunks.len());
        self.thunk_of.insert(thunk.branch, id);
        self.thunks_beside
            .entry(thunk.branch.0)
            .or_default()
            .push(id);
        self.thunks.push(thunk);
    }

    /// Bytes of a section in memory.
    pub fn size(&self, program: &Program<'_>, section: SectionId) -> u64 {
        match &self.of_section[section.at()] {
            Some(shape) => shape.size,
            None => program.sections[section.at()].size,
        }
    }

    /// Alignment of a section.
    pub fn align(&self, program: &Program<'_>, section: SectionId) -> u64 {
        match &self.of_section[section.at()] {
            Some(shape) => shape.align,
            None => program.sections[section.at()].align,
        }
    }

    /// Where an offset of a section has gone. It may lie outside of it.
    pub fn moved(&self, section: SectionId, offset: i64) -> i64 {
        match (&self.of_section[section.at()], u64::try_from(offset)) {
            (Some(shape), Ok(offset)) => shape.moved(offset) as i64,
            _ => offset,
        }
    }

    /// What stands in place of the instructions at a relocation.
    pub fn form(&self, section: SectionId, relocation: usize) -> Option<&'static Form> {
        let shape = self.of_section[section.at()].as_ref()?;
        let choices = &shape.choices;
        let found = choices.binary_search_by_key(&relocation, |choice| choice.relocation);
        choices[found.ok()?].form()
    }

    /// The thunk that leads a branch on.
    pub fn thunk_of(&self, section: SectionId, relocation: usize) -> Option<ThunkId> {
        self.thunk_of.get(&(section, relocation)).copied()
    }

    /// The thunks that stand beside a section.
    pub fn thunks_beside(&self, section: SectionId) -> &[ThunkId] {
        self.thunks_beside.get(&section).map_or(&[], Vec::as_slice)
    }

    /// A thunk.
    pub fn thunk(&self, thunk: ThunkId) -> &Thunk {
        &self.thunks[thunk.at()]
    }

    /// How many thunks there are.
    pub fn thunk_count(&self) -> usize {
        self.thunks.len()
    }

    /// Paddings with too few bytes to align what follows, in what assembler made of them.
    pub fn short_paddings(&self, program: &Program<'_>) -> Vec<Problem> {
        let shapes = self.of_section.iter().enumerate();
        let shapes = shapes.filter_map(|(at, shape)| Some((SectionId::next(at), shape.as_ref()?)));
        let short = shapes.flat_map(|(id, shape)| {
            let short = shape.paddings.iter().filter(|p| p.kept > p.bytes);
            short.map(move |padding| Problem::Malformed {
                place: program.place(id, padding.offset),
                expected: format!(
                    "{} bytes of padding for an alignment of {}, found {}",
                    padding.kept,
                    padding.align(),
                    padding.bytes
                ),
            })
        });
        short.collect()
    }

    /// Copies a section's bytes without what is cut out; padding that stays is made of instructions anew.
    pub fn copy(&self, section: SectionId, data: &[u8], isa: &dyn Isa, out: &mut [u8]) {
        let Some(shape) = &self.of_section[section.at()] else {
            out.copy_from_slice(data);
            return;
        };
        let mut from = 0;
        let ends = shape.cuts.iter().map(|cut| (cut.at, cut.at + cut.bytes));
        for (end, next) in ends.chain([(data.len() as u64, 0)]) {
            let range = Range {
                start: from as usize,
                end: end as usize,
            };
            let to = shape.moved(from) as usize;
            out[to..to + range.len()].copy_from_slice(&data[range]);
            from = next;
        }
        for padding in shape.paddings.iter().filter(|p| p.kept < p.bytes) {
            let start = shape.moved(padding.offset) as usize;
            isa.nops(&mut out[start..start + padding.kept as usize]);
        }
    }
}

/// Where values do not fit.
#[derive(Debug)]
pub struct Misfits {
    /// Sites whose form does not hold its value, by section.
    outgrown: Vec<(SectionId, Vec<usize>)>,
    /// Branches that do not reach their targets, and what shall lead them on.
    out_of_reach: Vec<((SectionId, usize), Lead)>,
}

/// What leads a branch on.
#[derive(Debug)]
enum Lead {
    Over(ThunkId),
    New(Thunk),
}

impl Shape {
    fn add_padding(&mut self, program: &Program<'_>, id: SectionId, at: usize) -> Option<Problem> {
        let section = &program.sections[id.at()];
        let relocation = &section.relocations[at];
        let wrong = |expected: &str| {
            Some(Problem::Malformed {
                place: program.place(id, relocation.offset),
                expected: expected.to_owned(),
            })
        };
        let bytes = u64::try_from(relocation.addend).unwrap_or(u64::MAX);
        let end = relocation.offset.checked_add(bytes);
        if end.is_none_or(|end| end > section.size) {
            return wrong("padding within the section");
        }
        if self
            .paddings
            .last()
            .is_some_and(|last| last.offset + last.bytes > relocation.offset)
        {
            return wrong("paddings that do not overlap");
        }
        let padding = Padding {
            offset: relocation.offset,
            bytes,
            kept: 0,
        };
        self.align = self.align.max(padding.align());
        self.paddings.push(padding);
        None
    }

    fn add_choice(
        &mut self,
        program: &Program<'_>,
        live: &Live,
        id: SectionId,
        at: usize,
        relax: bool,
    ) {
        let section = &program.sections[id.at()];
        let relocation = &section.relocations[at];
        let undefined = live.references[id.at()][at] == Reference::WeakUndefined;
        let forms = forms(program, id, at, relax, undefined);
        let lies_inside = |form: &Form| {
            let start = relocation.offset.checked_add_signed(form.start as i64);
            start.is_some_and(|start| start + form.len as u64 <= section.size)
        };
        if !forms.is_empty() && forms.iter().all(lies_inside) {
            self.choices.push(Choice {
                relocation: at,
                forms,
                chosen: 0,
            });
        }
    }
}

/// What may stand in place of the instructions at a relocation.
fn forms(
    program: &Program<'_>,
    id: SectionId,
    at: usize,
    relax: bool,
    undefined: bool,
) -> &'static [Form] {
    let section = &program.sections[id.at()];
    let relocation = &section.relocations[at];
    let mut marks = section.relocations[at + 1..]
        .iter()
        .take_while(|r| r.offset == relocation.offset);
    let marked = relax && marks.any(|r| r.rule.expression == Expression::Mark && r.rule.raw != 0);
    program.isa(section.slice).forms(&Site {
        rule: relocation.rule,
        code: section.data,
        offset: relocation.offset as usize,
        relocations: &section.relocations,
        addend: relocation.addend,
        undefined,
        relax,
        marked,
        flags: program.objects[section.object.at()].elf.flags,
    })
}

/// The instructions at a relocation give way to ones that do without the next relocation, whatever is asked for.
pub fn swallows_next(program: &Program<'_>, id: SectionId, at: usize) -> bool {
    program.sections[id.at()].kind == SectionKind::Text
        && forms(program, id, at, false, false)
            .iter()
            .any(|form| form.swallows_next)
}
