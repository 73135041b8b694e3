//! What tells a type from others of its side: a hash of everything that its entry says, and of what it refers to.
//!
//! C repeats the types of a header in every unit, so nearly all types that are needed are known already. An entry is
//! therefore only hashed at first ([`Sketch`]), and read into a type if its hash is new. Attributes count by what they say,
//! not by their forms, which compilers choose per unit.
//!
//! A reference to a record or an enumeration with a name counts as that name, whether this unit defines it or only declares
//! it; all other types count with what they consist of. So equal hashes mean equal types only as long as a name means one
//! thing on its side: where it means several, `share` takes apart what refers to it.
//!
//! Invariant: types with equal hashes cannot be told apart by a comparison, names of other types taken as said.

use std::ops::Range;

use gimli::constants as dw;

use crate::abbreviation::{Abbreviation, Next, Role};
use crate::cursor::Cursor;
use crate::error::Error;
use crate::form::{self, Value};
use crate::hash::{Hash, Hasher};
use crate::index::{Index, Reference};
use crate::load::{Loader, qualified};
use crate::model::{DieOffset, Level, Type, Unit};
use crate::shape::{is_type, stands_for_parameter};
use crate::unit::UnitReader;

/// Types without a name within each other deeper than this are not shared.
const MAX_DEPTH: u32 = 64;

/// What kind of type an entry is, as far as its references are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Record,
    Enumeration,
    Array,
    Function,
    /// Depends on the machine.
    Scalar,
    Other,
}

/// What an entry says, hashed.
#[derive(Debug)]
pub(crate) struct Sketch<'a> {
    own: Hasher,
    kind: Kind,
    /// `DW_AT_name`.
    pub(crate) name: Option<&'a str>,
    /// Whether it is only declared.
    pub(crate) is_declaration: bool,
    /// What it refers to, as indexes of the loader's references.
    targets: Range<usize>,
}

impl<'a> Sketch<'a> {
    /// Whether its name, if it has one, stands for it in other types.
    pub(crate) fn is_nominal(&self) -> bool {
        matches!(self.kind, Kind::Record | Kind::Enumeration)
    }

    /// The name that stands for it in other types.
    fn nominal_name(&self) -> Option<&'a str> {
        self.name.filter(|_| self.is_nominal())
    }

    /// What of it is needed at a level, and how much of that.
    pub(crate) fn needs(&self, level: Level) -> Option<(Range<usize>, Level)> {
        match (self.kind, level) {
            // What has a name needs nothing else to be named.
            (Kind::Record, Level::Name) if self.name.is_some() => None,
            (_, Level::Full) => Some((self.targets.clone(), Level::Full)),
            _ => Some((self.targets.clone(), Level::Name)),
        }
    }
}

/// Hashes the entry at `offset`, and adds what it refers to to `targets`; `None` if it is no type.
pub(crate) fn sketch<'a>(
    reader: &UnitReader<'a>,
    index: &Index<'a>,
    offset: DieOffset,
    targets: &mut Vec<Reference>,
) -> Result<Option<Sketch<'a>>, Error> {
    let Some(mut cursor) = reader.entry_at(offset) else {
        return Ok(None);
    };
    let Some(abbreviation) = reader.kind(&mut cursor)? else {
        return Ok(None);
    };
    let tag = abbreviation.tag;
    if !is_type(tag) {
        return Ok(None);
    }
    let first = targets.len();
    let mut artist = Artist {
        reader,
        index,
        offset,
        hasher: Hasher::new(3),
        targets,
    };
    let said = artist.attributes(&mut cursor, abbreviation, Entry::Type)?;
    let kind = match abbreviation.role {
        Role::Record | Role::Enumeration if said.is_elsewhere => Kind::Other,
        Role::Record => Kind::Record,
        Role::Enumeration => Kind::Enumeration,
        Role::Array => Kind::Array,
        _ => match tag {
            dw::DW_TAG_subroutine_type => Kind::Function,
            dw::DW_TAG_base_type
            | dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type => Kind::Scalar,
            _ => Kind::Other,
        },
    };
    if abbreviation.has_children && !matches!(kind, Kind::Scalar | Kind::Other) {
        artist.parts(&mut cursor, kind, stands_for_parameter(said.name))?;
    }
    Ok(Some(Sketch {
        own: artist.hasher,
        kind,
        name: said.name,
        is_declaration: said.is_declaration,
        targets: first..targets.len(),
    }))
}

/// What must be known of an entry at once.
#[derive(Default)]
struct Said<'a> {
    name: Option<&'a str>,
    is_declaration: bool,
    is_external: bool,
    is_elsewhere: bool,
}

/// What an entry is to the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// The type itself.
    Type,
    /// A part that is of a type.
    Holder,
    /// Another part.
    Part,
}

/// Hashes one type's entry.
struct Artist<'r, 't, 'a> {
    reader: &'r UnitReader<'a>,
    index: &'r Index<'a>,
    offset: DieOffset,
    hasher: Hasher,
    targets: &'t mut Vec<Reference>,
}

impl<'a> Artist<'_, '_, 'a> {
    /// The entries in a type that are part of it; the others are passed over.
    fn parts(
        &mut self,
        cursor: &mut Cursor<'a>,
        kind: Kind,
        with_parameter: bool,
    ) -> Result<(), Error> {
        let mut depth = 1;
        while depth > 0 && !cursor.is_empty() {
            let Some(abbreviation) = self.reader.kind(cursor)? else {
                self.hasher.number(0);
                depth -= 1;
                continue;
            };
            let tag = abbreviation.tag;
            let is_parameter = tag == dw::DW_TAG_template_type_parameter && with_parameter;
            if is_part(abbreviation, kind) || is_parameter {
                let refers = matches!(
                    tag,
                    dw::DW_TAG_member | dw::DW_TAG_inheritance | dw::DW_TAG_formal_parameter
                );
                let entry = match refers || is_parameter {
                    true => Entry::Holder,
                    false => Entry::Part,
                };
                let first = self.targets.len();
                let said = self.attributes(cursor, abbreviation, entry)?;
                if kind == Kind::Record && (said.is_declaration || said.is_external) {
                    // The declaration of a variable.
                    self.targets.truncate(first);
                }
                if abbreviation.has_children
                    && matches!(tag, dw::DW_TAG_variant_part | dw::DW_TAG_variant)
                {
                    depth += 1;
                    continue;
                }
            } else {
                self.reader.skip(cursor, abbreviation)?;
            }
            if abbreviation.has_children {
                self.reader.skip_children(cursor)?;
            }
        }
        Ok(())
    }

    /// Attributes of an entry.
    fn attributes(
        &mut self,
        cursor: &mut Cursor<'a>,
        abbreviation: &Abbreviation,
        entry: Entry,
    ) -> Result<Said<'a>, Error> {
        let reader = self.reader;
        let refers = entry != Entry::Part;
        let mut said = Said::default();
        self.hasher.number(abbreviation.tag.0.into());
        let relocations = &reader.units.section.relocations;
        let mut relocation = relocations.next_offset(cursor.at(), &reader.last);
        for step in &abbreviation.telling {
            let start = cursor.at() + step.bytes;
            let fail = |source| reader.malformed(start, "an attribute", source);
            cursor.skip(step.bytes).map_err(fail)?;
            let spec = match step.then {
                Next::Read(spec) => spec,
                Next::Pass(form) => {
                    form::skip(cursor, form, reader.encoding).map_err(fail)?;
                    continue;
                }
                Next::End => break,
            };
            let value =
                form::read(cursor, spec.form, spec.implicit, reader.encoding).map_err(fail)?;
            let end = cursor.at();
            if relocation < start {
                relocation = relocations.next_offset(start, &reader.last);
            }
            // Strings look for themselves.
            if relocation < end && spec.name != dw::DW_AT_name {
                reader.check(start, end)?;
            }
            let name = u64::from(spec.name.0);
            match spec.name {
                // Of what is equal to something known, nothing but the hash is needed.
                dw::DW_AT_name if entry != Entry::Type => {
                    let text = reader.string_bytes(start, end, value)?;
                    self.hasher.number(name);
                    self.hasher.bytes(text.unwrap_or_default());
                }
                dw::DW_AT_name => {
                    said.name = reader.string(start, end, value)?;
                    self.hasher.number(name);
                    self.hasher.name(said.name);
                }
                dw::DW_AT_type | dw::DW_AT_containing_type if refers => {
                    self.hasher.number(name);
                    let to = reader.reference(start, end, value)?;
                    self.targets.push(self.index.reference(to));
                }
                dw::DW_AT_signature if refers => {
                    if let Some(target) = reader.type_unit(value) {
                        said.is_elsewhere = true;
                        self.hasher.number(name);
                        self.targets.push(self.index.reference(target));
                    }
                }
                dw::DW_AT_discr => {
                    let target = reader.reference(start, end, value)?;
                    self.hasher.number(name);
                    self.hasher
                        .number(target.0.wrapping_sub(self.offset.0).into());
                }
                // Refer to something that is no type.
                dw::DW_AT_type | dw::DW_AT_containing_type | dw::DW_AT_signature => {}
                attribute => {
                    let is_set = matches!(value, Value::Flag(true));
                    said.is_declaration |= is_set && attribute == dw::DW_AT_declaration;
                    said.is_external |= is_set && attribute == dw::DW_AT_external;
                    self.value(name, value);
                }
            }
        }
        Ok(said)
    }

    /// A constant, flag or block, by what it means.
    fn value(&mut self, name: u64, value: Value<'a>) {
        let mut add = |class: u64, value| self.hasher.pair(class << 32 | name, value);
        match value {
            Value::Unsigned(value) => add(1, value),
            Value::Signed(value) if value >= 0 => add(1, value as u64),
            Value::Signed(value) => add(2, value as u64),
            Value::Flag(value) => add(3, value.into()),
            Value::Wide(bytes) => {
                add(4, 0);
                self.hasher.bytes(bytes);
            }
            Value::Block(bytes) => {
                add(5, 0);
                self.hasher.bytes(bytes);
            }
            Value::Expression(bytes) => {
                add(6, 0);
                self.hasher.bytes(bytes);
            }
            _ => add(7, 0),
        }
    }
}

/// Whether an entry within a type says something about it.
fn is_part(abbreviation: &Abbreviation, kind: Kind) -> bool {
    let tag = abbreviation.tag;
    match kind {
        Kind::Record if tag == dw::DW_TAG_subprogram => abbreviation.is_virtual(),
        Kind::Record => matches!(
            tag,
            dw::DW_TAG_member
                | dw::DW_TAG_inheritance
                | dw::DW_TAG_variant_part
                | dw::DW_TAG_variant
        ),
        Kind::Enumeration => tag == dw::DW_TAG_enumerator,
        Kind::Array => tag == dw::DW_TAG_generic_subrange || is_type(tag),
        Kind::Function => matches!(
            tag,
            dw::DW_TAG_formal_parameter | dw::DW_TAG_unspecified_parameters
        ),
        Kind::Scalar | Kind::Other => false,
    }
}

/// What scalars of a unit depend on beyond their entries.
fn machine(reader: &UnitReader<'_>, unit: &Unit<'_>) -> Hash {
    let elf = reader.elf;
    let mut hasher = Hasher::new(6);
    hasher.number(elf.machine.e_machine.into());
    hasher.number((elf.endian == gimli::RunTimeEndian::Big).into());
    hasher.number(unit.address_size.into());
    hasher.number(elf.machine.has_own_long_double(unit.producer).into());
    hasher.finish()
}

impl Loader<'_, '_> {
    /// The hash of a type that was met in this round.
    pub(crate) fn hash_of(&mut self, slot: usize) -> Result<Hash, Error> {
        self.hash_within(slot, MAX_DEPTH)
    }

    fn hash_within(&mut self, slot: usize, depth: u32) -> Result<Hash, Error> {
        let met = &mut self.met[slot];
        if let Some(hash) = met.hash {
            return Ok(hash);
        }
        let at = met.at;
        let Some(depth) = depth.checked_sub(1).filter(|_| !met.busy) else {
            return Ok(self.instance(self.index.types[at].0));
        };
        met.busy = true;
        let mut hasher = met.sketch.own;
        let given = met.given;
        let is_scalar = met.sketch.kind == Kind::Scalar;
        let targets = met.sketch.needs(met.level).map_or(0..0, |(all, _)| all);
        let (_, scope) = self.scope(self.index.types[at].1)?;
        hasher.hash(scope);
        hasher.name(given);
        if is_scalar {
            let machine = *self
                .machine
                .get_or_insert_with(|| machine(self.reader, self.unit));
            hasher.hash(machine);
        }
        let own = hasher;
        let mut leads_outside = false;
        for index in targets {
            leads_outside |= self.target(&mut hasher, self.targets[index], depth)?;
        }
        let hash = hasher.finish();
        let met = &mut self.met[slot];
        met.open = leads_outside.then_some(own);
        met.busy = false;
        met.hash = Some(hash);
        Ok(hash)
    }

    /// Tells an entry from all others.
    fn instance(&self, offset: DieOffset) -> Hash {
        let mut hasher = Hasher::new(2);
        hasher.number(self.unit.side as u64);
        hasher.number(self.unit.object as u64);
        hasher.number(offset.0.into());
        hasher.finish()
    }

    /// Adds what a reference leads to, and says whether that is in another unit or leads there without a name.
    fn target(
        &mut self,
        hasher: &mut Hasher,
        reference: Reference,
        depth: u32,
    ) -> Result<bool, Error> {
        let at = match reference {
            Reference::Type(at) => at,
            Reference::Nothing => {
                hasher.number(22);
                return Ok(false);
            }
            Reference::Outside(offset) => {
                hasher.number(21);
                hasher.hash(self.instance(offset));
                return Ok(true);
            }
        };
        if let Some(name) = self.nominal(at)? {
            hasher.number(23);
            hasher.hash(name);
            return Ok(false);
        }
        let (offset, _) = self.index.types[at];
        let (hash, is_open) = match (self.slot(at), self.former(offset)) {
            (Some(slot), _) => {
                let hash = self.hash_within(slot, depth)?;
                (hash, self.met[slot].open.is_some())
            }
            (None, Some(id)) => (self.known.hash(id), self.known.is_open(id)),
            (None, None) => (self.instance(offset), false),
        };
        hasher.number(24);
        hasher.hash(hash);
        Ok(is_open)
    }

    /// The hash of the name that stands for a type, if there is one.
    fn nominal(&mut self, at: usize) -> Result<Option<Hash>, Error> {
        let (offset, scope) = self.index.types[at];
        let slot = self.slot(at);
        let name = match slot.map(|slot| &self.met[slot]) {
            Some(met) if met.nominal.is_some() => return Ok(met.nominal),
            Some(met) => met.sketch.nominal_name(),
            None => self
                .former(offset)
                .and_then(|id| nominal_name(self.known.ty(id))),
        };
        let Some(name) = name else {
            return Ok(None);
        };
        let (_, scope) = self.scope(scope)?;
        let hash = Some(qualified(scope, name));
        if let Some(slot) = slot {
            self.met[slot].nominal = hash;
        }
        Ok(hash)
    }
}

/// The name of a type by which others refer to it, whatever it consists of.
fn nominal_name<'a>(ty: &Type<'a>) -> Option<&'a str> {
    ty.name.filter(|_| ty.shape.is_nominal())
}
