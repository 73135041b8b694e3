//! Phase 10: values of references, and the bytes that hold them.
//!
//! The value of a relocation is its expression over `S`, `A`, `P` and the GOT; the field's rule checks and stores it. All
//! arithmetic is modulo 2^64, as the psABIs define it, before the check takes the value as a signed number. Where
//! [`crate::relax`] has put other instructions, their form's expression and field take the place of the rule's.

use object::elf::STT_SECTION;

use crate::error::{Place, Problem, Target};
use crate::functions::Functions;
use crate::gc::{Live, Reference};
use crate::ids::{GateId, SectionId, SliceId, ThunkId};
use crate::isa::{Expression, Field, Form, Operand, Origin, Rule, Slot};
use crate::layout::Layout;
use crate::program::{Program, Relocation, SymbolHome};

/// The tables that give a reference its value.
#[derive(Clone, Copy)]
pub struct Values<'a, 'd> {
    /// Tables.
    pub program: &'a Program<'d>,
    /// References of live sections.
    pub live: &'a Live,
    /// Function arrays.
    pub functions: &'a Functions,
    /// Addresses.
    pub layout: &'a Layout,
}

/// A relocation with what it refers to and what stands at its place.
#[derive(Clone, Copy)]
struct Site<'a> {
    section: SectionId,
    /// Its index.
    at: usize,
    relocation: &'a Relocation,
    reference: Reference,
    form: Option<&'static Form>,
    /// Thunk that leads the branch on.
    thunk: Option<ThunkId>,
}

impl Site<'_> {
    fn expression(&self) -> Expression {
        self.form
            .map_or(self.relocation.rule.expression, |form| form.expression)
    }

    fn field(&self) -> &'static Field {
        self.form
            .map_or(&self.relocation.rule.field, |form| &form.field)
    }

    fn addend(&self) -> i64 {
        let shift = self.form.map_or(0, |form| form.addend);
        self.relocation.addend.wrapping_add(shift)
    }

    /// Offset of the field in the input section.
    fn field_at(&self) -> u64 {
        let shift = self.form.map_or(0, |form| form.field_at as i64);
        self.relocation.offset.wrapping_add_signed(shift)
    }
}

const PAGE: u64 = 0xfff;

impl Values<'_, '_> {
    /// `S` of a reference. A live section refers to live ones only, and those have addresses.
    pub fn symbol(&self, reference: Reference) -> u64 {
        match reference {
            Reference::Nothing | Reference::WeakUndefined => 0,
            Reference::Absolute(value) => value,
            Reference::ImageHeader => self.layout.header,
            Reference::Bound(collection, end, slice) => self.layout.bound(collection, end, slice),
            Reference::Landmark(landmark, slice) => self.layout.landmark(landmark, slice),
            Reference::Gate { function, adjust } => self
                .layout
                .gate(self.functions.gate(function))
                .wrapping_add_signed(adjust),
            Reference::Element {
                function,
                slice,
                adjust,
            } => self
                .element(self.functions.gate(function), slice)
                .wrapping_add_signed(adjust),
            Reference::Place { section, offset } => self.place(section, offset),
        }
    }

    /// An element of a function array: the address of the ISA's code, or of a trap.
    pub fn element(&self, gate: GateId, slice: SliceId) -> u64 {
        let code = self.functions.arrays[gate.at()].elements[slice.at()];
        match code {
            Some(code) => self.layout.symbol_address(self.program, code),
            None => self.layout.traps.get(&(slice, gate)).copied(),
        }
        .unwrap_or_default()
    }

    /// Address of a place of a section, whose offset may lie outside of it.
    fn place(&self, section: SectionId, offset: i64) -> u64 {
        self.layout
            .address(section)
            .unwrap_or_default()
            .wrapping_add_signed(self.layout.shapes.moved(section, offset))
    }

    /// `S + A`. A section's symbol means nothing without its addend: what the sum means may have moved on its own.
    fn sum(&self, site: &Site<'_>) -> u64 {
        let symbol = site.relocation.symbol;
        match site.reference {
            Reference::Place { section, offset }
                if self.program.symbol(symbol).kind == STT_SECTION =>
            {
                self.place(section, offset.wrapping_add(site.addend()))
            }
            reference => self.symbol(reference).wrapping_add_signed(site.addend()),
        }
    }

    /// Copies a live section's bytes to where they go, and relocates them.
    pub fn relocate(&self, id: SectionId, out: &mut [u8]) -> Vec<Problem> {
        let section = &self.program.sections[id.at()];
        self.layout
            .shapes
            .copy(id, section.data, self.program.isa(section.slice), out);
        let mut problems = Vec::new();
        let mut swallowed = false;
        for (at, relocation) in section.relocations.iter().enumerate() {
            // What is swallowed comes behind the marks of the instruction that swallows it.
            if relocation.rule.expression.is_mark() {
                continue;
            }
            if std::mem::take(&mut swallowed) {
                continue;
            }
            let site = self.site(id, at);
            swallowed = match site.expression() {
                Expression::Difference => true,
                _ => site.form.is_some_and(|form| form.swallows_next),
            };
            problems.extend(self.apply(&site, out).err());
        }
        problems
    }

    fn site(&self, section: SectionId, at: usize) -> Site<'_> {
        Site {
            section,
            at,
            relocation: &self.program.sections[section.at()].relocations[at],
            reference: self.live.references[section.at()][at],
            form: self.layout.shapes.form(section, at),
            thunk: self.layout.shapes.thunk_of(section, at),
        }
    }

    /// `S + A` of a section's relocation.
    pub fn target(&self, section: SectionId, relocation: usize) -> u64 {
        self.sum(&self.site(section, relocation))
    }

    /// The value of a relocation fits what stands at its place, as far as that is known before there are bytes.
    pub fn fits(&self, section: SectionId, relocation: usize) -> bool {
        self.fits_at(&self.site(section, relocation))
    }

    /// It would fit if the branch were led over a thunk.
    pub fn fits_over(&self, section: SectionId, relocation: usize, thunk: ThunkId) -> bool {
        let mut site = self.site(section, relocation);
        site.thunk = Some(thunk);
        self.fits_at(&site)
    }

    fn fits_at(&self, site: &Site<'_>) -> bool {
        let value = self.evaluate(site, site.field(), &[0; 8]);
        value.map_or(true, |value| site.field().takes(value))
    }

    /// Writes a thunk at its address. `None` if it does not reach its target either.
    pub fn write_thunk(&self, thunk: ThunkId, out: &mut [u8]) -> Option<()> {
        let (section, at) = self.layout.shapes.thunk(thunk).branch;
        let slice = self.program.sections[section.at()].slice;
        let kind = self.program.isa(slice).thunk()?;
        let target = self.target(section, at);
        (kind.write)(out, self.layout.thunk(thunk), target).then_some(())
    }

    /// The rewriting of instructions and the field of one relocation.
    fn apply(&self, site: &Site<'_>, out: &mut [u8]) -> Result<(), Problem> {
        let moved = |offset: u64| self.layout.shapes.moved(site.section, offset as i64) as usize;
        let problem_at = || self.program.place(site.section, site.relocation.offset);
        if let Some(form) = site.form {
            let start = moved(
                site.relocation
                    .offset
                    .wrapping_add_signed(form.start as i64),
            );
            let original = &self.program.sections[site.section.at()].data;
            let from = site
                .relocation
                .offset
                .wrapping_add_signed(form.start as i64) as usize;
            let mut instructions = original[from..from + form.len].to_vec();
            (form.rewrite)(&mut instructions);
            let kept = form.len - form.cut;
            out[start..start + kept].copy_from_slice(&instructions[..kept]);
        }
        let rest = &mut out[moved(site.field_at())..];
        let field = site.field().at(rest).ok_or_else(|| Problem::Malformed {
            place: problem_at(),
            expected: format!(
                "a field for {} within the section",
                site.relocation.rule.name
            ),
        })?;
        let bytes = &mut rest[..field.bytes];
        if let Some(rewrite) = self.rewrite_of_low(site) {
            rewrite(bytes);
        }
        let value = self
            .evaluate(site, &field, bytes)
            .map_err(|expected| Problem::Malformed {
                place: problem_at(),
                expected: format!("{expected} {}", site.relocation.rule.name),
            })?;
        store(&field, bytes, value).map_err(|wrong| {
            // A low part names a label: what the high part there refers to is meant.
            let high = match site.expression() {
                Expression::LowOfPair => self.high_part(site.section, site.reference),
                _ => None,
            };
            let slice = self.program.sections[site.section.at()].slice;
            let meant = high.as_ref().unwrap_or(site);
            let target = target(self.program, slice, meant.relocation);
            wrong.into_problem(site, &field, value, (problem_at(), target))
        })
    }

    /// The value of a relocation whose field holds `bytes`, or what is missing for it.
    fn evaluate(&self, site: &Site<'_>, field: &Field, bytes: &[u8]) -> Result<i128, &'static str> {
        let old = || (field.read)(bytes);
        Ok(match site.expression() {
            Expression::Value(operand, origin) => self.value(site, operand, origin),
            Expression::Add => old().wrapping_add(i128::from(self.sum(site))),
            Expression::Subtract => old().wrapping_sub(i128::from(self.sum(site))),
            Expression::Set => i128::from(self.sum(site)),
            Expression::Difference => {
                let end = self.end_of_difference(site);
                let end = end.ok_or("what is to be subtracted behind")?;
                i128::from(self.sum(site)) - i128::from(self.sum(&end))
            }
            Expression::LowOfPair => {
                let high = self.high_part(site.section, site.reference);
                let high = high.ok_or("a %pcrel_hi or %got_pcrel_hi at the label of")?;
                match high.expression() {
                    Expression::Value(operand, origin) => self.value(&high, operand, origin),
                    _ => 0,
                }
            }
            Expression::Instructions => return Err("the psABI's instructions for"),
            Expression::Mark | Expression::Align => 0,
        })
    }

    /// The other relocation of a [`Expression::Difference`].
    fn end_of_difference(&self, site: &Site<'_>) -> Option<Site<'_>> {
        let relocations = &self.program.sections[site.section.at()].relocations;
        let next = relocations.get(site.at + 1)?;
        let belongs =
            next.offset == site.relocation.offset && next.rule.expression == Expression::Subtract;
        belongs.then(|| self.site(site.section, site.at + 1))
    }

    /// What the upper part's form makes of the instruction of a low part.
    fn rewrite_of_low(&self, site: &Site<'_>) -> Option<fn(&mut [u8])> {
        if site.relocation.rule.expression != Expression::LowOfPair {
            return None;
        }
        self.high_part(site.section, site.reference)?.form?.low
    }

    fn value(&self, site: &Site<'_>, operand: Operand, origin: Origin) -> i128 {
        let addend = site.addend();
        let slice = self.program.sections[site.section.at()].slice;
        let x = match operand {
            Operand::Symbol => match site.thunk {
                Some(thunk) => self.layout.thunk(thunk),
                None => self.sum(site),
            },
            Operand::Slot(kind) => self
                .slot(slice, kind, site.reference)
                .wrapping_add_signed(addend),
            Operand::Got => self.layout.got(slice).wrapping_add_signed(addend),
            Operand::Size => self.size(site).wrapping_add_signed(addend),
            // As lld: a weak variable that nothing defines is at the thread pointer.
            Operand::TpOffset | Operand::DtpOffset
                if site.reference == Reference::WeakUndefined =>
            {
                addend as u64
            }
            Operand::TpOffset => self.tp_offset(slice, self.sum(site)) as u64,
            Operand::DtpOffset => self.dtp_offset(slice, self.sum(site)) as u64,
        };
        let place = || self.place(site.section, site.field_at() as i64);
        match origin {
            // An unsigned field takes an address as it is.
            Origin::Zero if site.field().range.0 >= 0 || site.field().bytes == 8 => i128::from(x),
            Origin::Zero => i128::from(x as i64),
            Origin::Place => i128::from(x.wrapping_sub(place()) as i64),
            Origin::Page => i128::from((x & !PAGE).wrapping_sub(place() & !PAGE) as i64),
            Origin::Got => i128::from(x.wrapping_sub(self.layout.got(slice)) as i64),
            Origin::GotPage => i128::from(x.wrapping_sub(self.layout.got(slice) & !PAGE) as i64),
        }
    }

    fn size(&self, site: &Site<'_>) -> u64 {
        let definition = self.program.definition(site.relocation.symbol);
        definition.map_or(0, |symbol| self.layout.symbol_size(self.program, symbol))
    }

    /// Distance of an address in the TLS segment from the thread pointer.
    fn tp_offset(&self, slice: SliceId, address: u64) -> i64 {
        let tls = &self.layout.tls;
        let offset = address.wrapping_sub(tls.address) as i64;
        self.program
            .isa(slice)
            .tp_offset(offset, tls.size, tls.align)
    }

    /// Offset of an address in the TLS segment, as the psABI biases it.
    pub fn dtp_offset(&self, slice: SliceId, address: u64) -> i64 {
        let offset = address.wrapping_sub(self.layout.tls.address) as i64;
        offset.wrapping_sub(self.program.isa(slice).dtp_bias())
    }

    fn slot(&self, slice: SliceId, kind: Slot, reference: Reference) -> u64 {
        self.layout.slot(slice, kind, reference).unwrap_or_default()
    }

    /// The words of a slot of the GOT.
    pub fn slot_words(&self, slice: SliceId, kind: Slot, reference: Reference) -> [u64; 2] {
        const MODULE: u64 = 1;
        let address = self.symbol(reference);
        match kind {
            Slot::Address => [address, 0],
            Slot::TpOffset if reference == Reference::WeakUndefined => [0, 0],
            Slot::TpOffset => [self.tp_offset(slice, address) as u64, 0],
            Slot::TlsIndex => [MODULE, self.dtp_offset(slice, address) as u64],
            Slot::TlsModule => {
                let segment = self.layout.tls.address;
                let thread_pointer = segment.wrapping_add_signed(-self.tp_offset(slice, segment));
                [MODULE, self.dtp_offset(slice, thread_pointer) as u64]
            }
        }
    }

    /// The upper part that a low part's label stands at.
    fn high_part(&self, id: SectionId, label: Reference) -> Option<Site<'_>> {
        let Reference::Place { section, offset } = label else {
            return None;
        };
        let offset = u64::try_from(offset).ok().filter(|_| section == id)?;
        let relocations = &self.program.sections[id.at()].relocations;
        let first = relocations.partition_point(|r| r.offset < offset);
        let at_label = relocations[first..]
            .iter()
            .take_while(|r| r.offset == offset);
        let (at, _) = at_label.enumerate().find(|(_, r)| {
            let upper = matches!(
                r.rule.expression,
                Expression::Value(_, Origin::Place) | Expression::Value(Operand::TpOffset, _)
            );
            upper && r.rule.field.bytes == 4
        })?;
        Some(self.site(id, first + at))
    }
}

/// What a relocation of a slice refers to, for people: they know functions and variables, not sections and labels.
pub fn target(program: &Program<'_>, slice: SliceId, relocation: &Relocation) -> Target {
    let symbol = program.symbol(relocation.symbol);
    let definition = program.definition(relocation.symbol);
    let place = definition.and_then(|id| {
        let definition = program.symbol(id);
        let SymbolHome::Section(section) = definition.home else {
            return None;
        };
        let mut at = definition.value;
        if symbol.kind == STT_SECTION {
            let bias = program.isa(slice).pc_bias(relocation.rule);
            at = at.checked_add_signed(relocation.addend.saturating_add(bias))?;
        }
        Some(program.place(section, at))
    });
    Target {
        symbol: symbol.is_named().then(|| symbol.name().to_owned()),
        place,
    }
}

/// Why a value does not go into a field.
enum Wrong {
    Range,
    Multiple,
}

impl Wrong {
    fn into_problem(
        self,
        site: &Site<'_>,
        field: &Field,
        value: i128,
        (place, target): (Place, Target),
    ) -> Problem {
        let relocation = site.relocation.rule.name;
        match self {
            Self::Range => Problem::Overflow {
                place,
                relocation,
                target,
                value,
                range: field.range,
                absolute: matches!(site.expression(), Expression::Value(_, Origin::Zero)),
            },
            Self::Multiple => Problem::Misaligned {
                place,
                relocation,
                target,
                value,
                multiple: field.multiple,
            },
        }
    }
}

impl Field {
    /// The value goes into the field.
    pub fn takes(&self, value: i128) -> bool {
        check(self, value).is_ok()
    }
}

fn check(field: &Field, value: i128) -> Result<(), Wrong> {
    let (low, high) = field.range;
    if !(low..=high).contains(&value) {
        return Err(Wrong::Range);
    }
    // A division of 128 bits takes longer than all the rest.
    if field.multiple > 1 && value.rem_euclid(i128::from(field.multiple)) != 0 {
        return Err(Wrong::Multiple);
    }
    Ok(())
}

fn store(field: &Field, bytes: &mut [u8], value: i128) -> Result<(), Wrong> {
    check(field, value)?;
    (field.write)(bytes, value);
    Ok(())
}

/// Stores the value of a relocation that stands outside of memory, in debug information, where `P` has no meaning.
/// `bytes` begin with its field.
pub fn store_unchecked(rule: &Rule, bytes: &mut [u8], value: u64) {
    let Some(field) = rule.field.at(bytes) else {
        return;
    };
    let bytes = &mut bytes[..field.bytes];
    let value = match rule.expression {
        Expression::Add => (field.read)(bytes).wrapping_add(i128::from(value)),
        Expression::Subtract => (field.read)(bytes).wrapping_sub(i128::from(value)),
        _ => i128::from(value),
    };
    (field.write)(bytes, value);
}
