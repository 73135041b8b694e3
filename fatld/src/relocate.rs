//! Phase 10: values of references, and the bytes that hold them.
//!
//! The value of a relocation is its expression over `S`, `A`, `P`, `G`; the field's rule checks and stores it. All
//! arithmetic is modulo 2^64, as the psABIs define it, before the check takes the value as a signed number.

use crate::error::{Place, Problem};
use crate::functions::Functions;
use crate::gc::{Live, Reference};
use crate::ids::{SectionId, SliceId};
use crate::isa::{Expression, Rule};
use crate::layout::Layout;
use crate::program::{Program, Relocation};

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

impl Values<'_, '_> {
    /// `S` of a reference. A live section refers to live ones only, and those have addresses.
    pub fn symbol(&self, reference: Reference) -> u64 {
        match reference {
            Reference::Nothing | Reference::WeakUndefined => 0,
            Reference::Absolute(value) => value,
            Reference::ImageHeader => self.layout.header,
            Reference::Gate { function, adjust } => self
                .layout
                .gate(self.functions.gate(function))
                .wrapping_add_signed(adjust),
            Reference::Place { section, offset } => self
                .layout
                .address(section)
                .unwrap_or_default()
                .wrapping_add_signed(offset),
        }
    }

    /// Relocates a copy of a live section's bytes.
    pub fn relocate(&self, id: SectionId, bytes: &mut [u8]) -> Vec<Problem> {
        let section = &self.program.sections[id.at()];
        let address = self.layout.address(id).unwrap_or_default();
        let references = &self.live.references[id.at()];
        let mut problems = Vec::new();
        for (relocation, reference) in section.relocations.iter().zip(references) {
            let rule = relocation.rule;
            if rule.expression == Expression::Mark {
                continue;
            }
            let start = relocation.offset as usize;
            let field = &mut bytes[start..start + rule.field.bytes];
            let place = address.wrapping_add(relocation.offset);
            if let Some(make_absolute) = self.absolute_form(rule, *reference) {
                make_absolute(field);
            }
            let value = match rule.expression {
                Expression::LowOfPair => match self.high_part(id, *reference) {
                    Some(value) => value,
                    None => {
                        problems.push(Problem::Malformed {
                            place: self.program.place(id, relocation.offset),
                            expected: format!(
                                "a %pcrel_hi or %got_pcrel_hi at the label of {}",
                                rule.name
                            ),
                        });
                        continue;
                    }
                },
                _ => self.evaluate(section.slice, relocation, *reference, place, field),
            };
            let whole = || {
                (
                    self.program.place(id, relocation.offset),
                    self.name(relocation),
                )
            };
            match store(rule, field, value) {
                Ok(()) => {}
                Err(wrong) => problems.push(wrong.into_problem(rule, value, whole())),
            }
        }
        problems
    }

    fn evaluate(
        &self,
        slice: SliceId,
        relocation: &Relocation,
        reference: Reference,
        place: u64,
        field: &[u8],
    ) -> i128 {
        let value = self
            .symbol(reference)
            .wrapping_add_signed(relocation.addend);
        if self.absolute_form(relocation.rule, reference).is_some() {
            return i128::from(value as i64);
        }
        let old = (relocation.rule.field.read)(field);
        match relocation.rule.expression {
            Expression::Absolute if relocation.rule.field.range.0 < 0 => i128::from(value as i64),
            Expression::Absolute => i128::from(value),
            Expression::Relative => i128::from(value.wrapping_sub(place) as i64),
            Expression::GotRelative => {
                let slot = self
                    .got_slot(slice, reference)
                    .wrapping_add_signed(relocation.addend);
                i128::from(slot.wrapping_sub(place) as i64)
            }
            Expression::Add => old.wrapping_add(i128::from(value)),
            Expression::Subtract => old.wrapping_sub(i128::from(value)),
            Expression::LowOfPair | Expression::Mark => 0,
        }
    }

    /// Zero is out of reach of code at high addresses: a test of a weak symbol that is not there needs an instruction
    /// that loads a number instead of a distance.
    fn absolute_form(&self, rule: &Rule, reference: Reference) -> Option<fn(&mut [u8])> {
        (reference == Reference::WeakUndefined)
            .then_some(rule.absolute_form)
            .flatten()
    }

    fn got_slot(&self, slice: SliceId, reference: Reference) -> u64 {
        let (slots, start) = &self.layout.gots[slice.at()];
        start + slots.get_index_of(&reference).unwrap_or_default() as u64 * 8
    }

    /// The value of the upper part that a low part's label stands at.
    fn high_part(&self, id: SectionId, label: Reference) -> Option<i128> {
        let Reference::Place { section, offset } = label else {
            return None;
        };
        let offset = u64::try_from(offset).ok().filter(|_| section == id)?;
        let section = &self.program.sections[id.at()];
        let first = section.relocations.partition_point(|r| r.offset < offset);
        let at_label = section.relocations[first..]
            .iter()
            .take_while(|r| r.offset == offset);
        let (at, high) = at_label.enumerate().find(|(_, r)| {
            matches!(
                r.rule.expression,
                Expression::Relative | Expression::GotRelative
            ) && r.rule.field.bytes == 4
        })?;
        let reference = self.live.references[id.at()][first + at];
        let place = self.layout.address(id)?.wrapping_add(offset);
        Some(self.evaluate(section.slice, high, reference, place, &[0; 4]))
    }

    fn name(&self, relocation: &Relocation) -> String {
        self.program.symbols[relocation.symbol.at()].name.to_owned()
    }
}

/// Why a value does not go into a field.
enum Wrong {
    Range,
    Multiple,
}

impl Wrong {
    fn into_problem(self, rule: &Rule, value: i128, (place, symbol): (Place, String)) -> Problem {
        match self {
            Self::Range => Problem::Overflow {
                place,
                relocation: rule.name,
                symbol,
                value,
                range: rule.field.range,
            },
            Self::Multiple => Problem::Misaligned {
                place,
                relocation: rule.name,
                symbol,
                value,
                multiple: rule.field.multiple,
            },
        }
    }
}

fn store(rule: &Rule, field: &mut [u8], value: i128) -> Result<(), Wrong> {
    let (low, high) = rule.field.range;
    if !(low..=high).contains(&value) {
        return Err(Wrong::Range);
    }
    if value.rem_euclid(i128::from(rule.field.multiple)) != 0 {
        return Err(Wrong::Multiple);
    }
    (rule.field.write)(field, value);
    Ok(())
}

/// Stores the value of a relocation that stands outside of memory, in debug information, where `P` has no meaning.
pub fn store_unchecked(rule: &Rule, field: &mut [u8], value: u64) {
    let old = (rule.field.read)(field);
    let value = match rule.expression {
        Expression::Add => old.wrapping_add(i128::from(value)),
        Expression::Subtract => old.wrapping_sub(i128::from(value)),
        _ => i128::from(value),
    };
    (rule.field.write)(field, value);
}
