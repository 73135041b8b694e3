//! Sections that are not in memory: debug information of one slice, for a file of that slice.
//!
//! Sections of one name are put one behind the other; sections of strings are merged string by string. Their places are
//! planned first; each contribution is then copied and relocated on its own. References to code and data that the output
//! does not have get the values that readers of DWARF skip, as lld gives them: 1 in `.debug_loc` and `.debug_ranges`,
//! where 0 ends a list, all ones in `.debug_names`, and 0 elsewhere.

use std::borrow::Cow;
use std::ops::Range;

use object::elf;
use rayon::prelude::*;

use crate::error::Problem;
use crate::hash::IndexMap;
use crate::ids::{ObjectId, SectionId, SliceId};
use crate::isa::{Expression, Operand, Origin};
use crate::program::{Program, Relocation, Section, SectionKind, SymbolHome, relocations};
use crate::relocate::{Values, store_unchecked, target};
use crate::strings::Strings;
use crate::symtab::Homes;

/// The debug sections of a file, decided but not made.
pub struct Debug<'a, 'd> {
    values: Values<'a, 'd>,
    /// The sections in the order in which the inputs name them.
    pub sections: Vec<DebugSection<'d>>,
    placed: Vec<Placed>,
}

/// A debug section of a file.
pub struct DebugSection<'d> {
    /// Name.
    pub name: &'d str,
    /// `sh_type`, as the first input has it.
    pub kind: elf::SectionType,
    /// Bytes.
    pub size: u64,
    /// Alignment.
    pub align: u64,
    /// It has nothing but merged strings.
    pub is_strings: bool,
    strings: Option<Strings<'d>>,
    /// What stands behind the strings, with offsets.
    contributions: Vec<(SectionId, u64)>,
    parts: Vec<(u64, Part)>,
}

/// What is made at once.
#[derive(Clone, Debug)]
enum Part {
    Strings(usize),
    Contributions(Range<usize>),
}

/// Where an input's section went to.
#[derive(Clone, Copy)]
enum Placed {
    Nowhere,
    At(u64),
    /// The input of merged strings, by the section's index and the input's.
    Merged(u32, u32),
}

/// Bytes of contributions that are worth a part of their own.
const PART: u64 = 64 << 10;

impl<'a, 'd> Debug<'a, 'd> {
    /// No debug sections.
    pub fn none(values: Values<'a, 'd>) -> Self {
        Self {
            values,
            sections: Vec::new(),
            placed: Vec::new(),
        }
    }

    /// Plans the debug sections of the objects of a slice that have a part in the output.
    pub fn plan(
        values: Values<'a, 'd>,
        homes: &Homes,
        slice: SliceId,
    ) -> Result<Self, Vec<Problem>> {
        let program = values.program;
        let mut outputs: IndexMap<&'d str, Gathered> = IndexMap::default();
        let mut problems = Vec::new();
        for id in sections(program, homes, slice) {
            let section = &program.sections[id.at()];
            let kind = program.objects[section.object.at()].elf.sections[section.index].kind;
            let output = outputs.entry(section.name);
            let output = output.or_insert_with(|| Gathered::new(kind));
            match can_merge(program, section) {
                true => output.strings.push(id),
                false => output.others.push(id),
            }
        }
        let mut debug = Self {
            values,
            sections: Vec::new(),
            placed: vec![Placed::Nowhere; program.sections.len()],
        };
        for (name, gathered) in outputs {
            problems.extend(debug.add(name, gathered));
        }
        if problems.is_empty() {
            Ok(debug)
        } else {
            Err(problems)
        }
    }

    fn add(&mut self, name: &'d str, gathered: Gathered) -> Vec<Problem> {
        let program = self.values.program;
        let index = self.sections.len() as u32;
        let mut section = DebugSection {
            name,
            kind: gathered.kind,
            size: 0,
            align: 1,
            is_strings: gathered.others.is_empty() && !gathered.strings.is_empty(),
            strings: None,
            contributions: Vec::with_capacity(gathered.others.len()),
            parts: Vec::new(),
        };
        let mut problems = Vec::new();
        if !gathered.strings.is_empty() {
            let strings = gathered.strings.par_iter();
            let strings: Vec<_> = strings.map(|id| strings_of(program, *id)).collect();
            let mut contents = Vec::with_capacity(strings.len());
            for (input, (id, strings)) in gathered.strings.iter().zip(strings).enumerate() {
                self.placed[id.at()] = Placed::Merged(index, input as u32);
                match strings {
                    Ok(strings) => contents.push(strings),
                    Err(problem) => problems.push(problem),
                }
            }
            let strings = Strings::merge(contents);
            for (part, size) in strings.parts().enumerate() {
                section.parts.push((section.size, Part::Strings(part)));
                section.size += size;
            }
            section.strings = Some(strings);
        }
        for id in gathered.others {
            let input = &program.sections[id.at()];
            section.add(id, input);
            let (_, base) = section.contributions[section.contributions.len() - 1];
            self.placed[id.at()] = Placed::At(base);
        }
        self.sections.push(section);
        problems
    }

    /// Makes a part of a section, up to where the next one begins.
    pub fn write(&self, section: usize, part: usize, out: &mut [u8]) -> Vec<Problem> {
        let section = &self.sections[section];
        let contributions = match &section.parts[part].1 {
            Part::Strings(part) => {
                let strings = section.strings.as_ref();
                strings.expect("strings have parts").write(*part, out);
                return Vec::new();
            }
            Part::Contributions(range) => &section.contributions[range.clone()],
        };
        let (mut problems, start) = (Vec::new(), section.parts[part].0);
        let mut written = 0;
        for (id, base) in contributions {
            let at = (base - start) as usize;
            out[written..at].fill(0);
            let contents = match contents(self.values.program, *id) {
                Ok(contents) => contents,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            written = at + contents.len();
            let place = &mut out[at..written];
            place.copy_from_slice(&contents);
            problems.extend(self.relocate(*id, *base, place));
        }
        out[written..].fill(0);
        problems
    }

    fn relocate(&self, id: SectionId, base: u64, bytes: &mut [u8]) -> Vec<Problem> {
        let program = self.values.program;
        let section = &program.sections[id.at()];
        let object = &program.objects[section.object.at()];
        let isa = program.isa(section.slice);
        let known = relocations(isa, object.elf, section.index, object.first_symbol);
        let relocations = match known {
            Ok(relocations) => relocations,
            Err(problem) => return vec![problem],
        };
        let mut problems = Vec::new();
        for relocation in relocations {
            let relocation = match relocation {
                Ok(relocation) => relocation,
                Err(problem) => return vec![problem],
            };
            let start = relocation.offset as usize;
            let place = base + relocation.offset;
            let rest = &mut bytes[start..];
            problems.extend(self.apply(id, &relocation, place, rest).err());
        }
        problems
    }

    fn apply(
        &self,
        id: SectionId,
        relocation: &Relocation,
        place: u64,
        rest: &mut [u8],
    ) -> Result<(), Problem> {
        let (section, rule) = (&self.values.program.sections[id.at()], relocation.rule);
        let sum = self.sum(section.object, relocation);
        let value = match (rule.expression, sum) {
            (expression, _) if expression.is_mark() => return Ok(()),
            (Expression::Value(Operand::Symbol, Origin::Zero), Sum::There(value)) => {
                self.check(id, relocation, value)?
            }
            (Expression::Value(Operand::DtpOffset, Origin::Zero), Sum::There(value)) => {
                let offset = self.values.dtp_offset(section.slice, value);
                self.check(id, relocation, offset as u64)?
            }
            (Expression::Value(Operand::Symbol | Operand::DtpOffset, Origin::Zero), _) => {
                tombstone(section.name)
            }
            (Expression::Value(Operand::Symbol, Origin::Place), _) => {
                sum.number().wrapping_sub(place)
            }
            (expression, _) if expression.is_part() => sum.number(),
            _ => {
                return Err(Problem::Unsupported {
                    place: self.values.program.place(id, relocation.offset),
                    what: format!("relocation {} outside of memory", rule.name),
                });
            }
        };
        store_unchecked(rule, rest, value);
        Ok(())
    }

    /// The value, if it fits its field.
    fn check(&self, id: SectionId, relocation: &Relocation, value: u64) -> Result<u64, Problem> {
        let field = &relocation.rule.field;
        let number = match field.range.0 >= 0 || field.bytes == 8 {
            true => i128::from(value),
            false => i128::from(value as i64),
        };
        if field.takes(number) {
            return Ok(value);
        }
        let program = self.values.program;
        Err(Problem::Overflow {
            place: program.place(id, relocation.offset),
            relocation: relocation.rule.name,
            target: target(program, program.sections[id.at()].slice, relocation),
            value: number,
            range: field.range,
            absolute: true,
        })
    }

    /// `S + A` of a relocation of an object.
    fn sum(&self, object: ObjectId, relocation: &Relocation) -> Sum {
        let Values {
            program, layout, ..
        } = self.values;
        let gone = Sum::Gone(relocation.addend as u64);
        let Some(symbol) = program.meaning_of(object, relocation.symbol) else {
            return gone;
        };
        let section = match symbol.home {
            SymbolHome::Section(section) => section,
            SymbolHome::Absolute => {
                return Sum::There(symbol.value.wrapping_add_signed(relocation.addend));
            }
            SymbolHome::Discarded | SymbolHome::Undefined => return gone,
        };
        // What a section's symbol means is told by the addend only.
        let (inside, outside) = match symbol.kind {
            elf::STT_SECTION => (relocation.addend, 0),
            _ => (0, relocation.addend),
        };
        let offset = symbol.value.wrapping_add_signed(inside);
        let place = match self.placed[section.at()] {
            Placed::At(base) => Some(base.wrapping_add(offset)),
            Placed::Merged(at, input) => {
                let strings = self.sections[at as usize].strings.as_ref();
                strings.and_then(|strings| strings.offset(input as usize, offset))
            }
            Placed::Nowhere => {
                let (piece, offset) = program.locate(section, offset as i64);
                let offset = layout.shapes.moved(piece, offset);
                layout
                    .address(piece)
                    .map(|at| at.wrapping_add_signed(offset))
            }
        };
        match place {
            Some(place) => Sum::There(place.wrapping_add_signed(outside)),
            None => Sum::Gone(offset.wrapping_add_signed(outside)),
        }
    }
}

/// `S + A` of a relocation.
#[derive(Clone, Copy)]
enum Sum {
    /// What it means is in the output.
    There(u64),
    /// It is not; its offset in what is missing still gives distances.
    Gone(u64),
}

impl Sum {
    fn number(self) -> u64 {
        let (Self::There(number) | Self::Gone(number)) = self;
        number
    }
}

/// What has one name.
struct Gathered {
    kind: elf::SectionType,
    strings: Vec<SectionId>,
    others: Vec<SectionId>,
}

impl Gathered {
    fn new(kind: elf::SectionType) -> Self {
        Self {
            kind,
            strings: Vec::new(),
            others: Vec::new(),
        }
    }
}

impl DebugSection<'_> {
    /// Offsets of the parts, which fill the section.
    pub fn parts(&self) -> impl Iterator<Item = u64> {
        self.parts.iter().map(|(start, _)| *start)
    }

    fn add(&mut self, id: SectionId, input: &Section<'_>) {
        let base = self.size.next_multiple_of(input.align);
        let at = self.contributions.len();
        match self.parts.last_mut() {
            Some((start, Part::Contributions(range))) if base - *start < PART => {
                range.end = at + 1;
            }
            // A part begins where the one before ends: padding belongs to what stands behind it.
            _ => self
                .parts
                .push((self.size, Part::Contributions(at..at + 1))),
        }
        self.contributions.push((id, base));
        self.align = self.align.max(input.align);
        let in_file = if input.data.is_empty() { 0 } else { input.size };
        self.size = base + in_file;
    }
}

/// Debug sections of objects that have a part in the output. What is said of code that is nowhere can be left out.
fn sections<'p>(
    program: &'p Program<'_>,
    homes: &'p Homes,
    slice: SliceId,
) -> impl Iterator<Item = SectionId> + 'p {
    let objects = program.objects.iter().enumerate();
    let used =
        objects.filter(move |(at, object)| object.slice == slice && homes.has(ObjectId::next(*at)));
    let sections = used.flat_map(|(_, object)| object.sections.iter().flatten().copied());
    sections.filter(|id| program.sections[id.at()].kind == SectionKind::Debug)
}

/// What an input section holds.
fn contents<'d>(program: &Program<'d>, id: SectionId) -> Result<Cow<'d, [u8]>, Problem> {
    let section = &program.sections[id.at()];
    let elf = program.objects[section.object.at()].elf;
    elf.sections[section.index].contents(&elf.file)
}

/// It is a section of strings that can be merged.
fn can_merge(program: &Program<'_>, section: &Section<'_>) -> bool {
    let elf = program.objects[section.object.at()].elf;
    let input = &elf.sections[section.index];
    input.flags.contains(elf::SHF_MERGE | elf::SHF_STRINGS)
        && input.entry_size == 1
        && input.relocations.is_none()
        && u32::try_from(input.size).is_ok()
}

fn strings_of<'d>(program: &Program<'d>, id: SectionId) -> Result<Cow<'d, [u8]>, Problem> {
    let strings = contents(program, id)?;
    match strings.last() {
        Some(0) | None => Ok(strings),
        Some(_) => Err(Problem::Malformed {
            place: program.place(id, strings.len() as u64),
            expected: "a terminated string".to_owned(),
        }),
    }
}

/// What stands for an address that is not in the output: see LLVM's `InputSection::relocateNonAlloc`.
fn tombstone(section: &str) -> u64 {
    match section {
        ".debug_loc" | ".debug_ranges" => 1,
        ".debug_names" => u64::MAX,
        _ => 0,
    }
}
