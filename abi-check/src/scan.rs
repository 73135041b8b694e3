//! One unit's types and statics, in one pass over its entries.
//!
//! Entries are read in the order of the file with a stack of what they are nested in. Code is passed over, but not
//! skipped as subtrees: C declares types and statics inside functions. What is not wanted costs the length of its
//! attributes.
//!
//! Invariants: the stack lives on the heap, so no nesting is too deep; `offsets` ascends; every type entry gives
//! exactly one type, if only an opaque one.

use gimli::{Abbreviation, AttributeValue, EntriesRaw, Reader as _, constants as dw};

use crate::attributes::{Attributes, Bound, Slice, UnitReader};
use crate::elf::Elf;
use crate::error::Error;
use crate::location::{self, Placement};
use crate::model::{
    DieOffset, Enumerator, Member, Record, ScannedUnit, Scope, ScopeId, Shape, Static, Type, Unit,
    UnitId, Variant, VariantPart,
};
use crate::shape::{is_type, member_place, shape_of};

/// A declaration chain longer than this is a cycle.
const MAX_ORIGINS: usize = 8;
/// Qualified names are cut off beyond this depth, which no compiler reaches.
const MAX_SCOPES: usize = 128;

/// What the children of an entry belong to; the number is the type's index in the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Nothing,
    Record(usize),
    VariantPart(usize),
    Variant(usize),
    Enumeration(usize),
    Array(usize),
    Function(usize),
}

/// An entry whose children are being read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    scope: ScopeId,
    owner: Owner,
}

/// The unit headers of an object, in order.
pub(crate) fn headers<'a>(elf: &'a Elf<'a>) -> Result<Vec<gimli::UnitHeader<Slice<'a>>>, Error> {
    let info = gimli::DebugInfo::new(&elf.info.bytes, elf.endian);
    let mut units = info.units();
    let mut headers = Vec::new();
    let mut next = 0u64;
    loop {
        let header = units.next().map_err(|source| Error::Dwarf {
            file: elf.file.to_owned(),
            section: elf.info.name,
            offset: next,
            what: "a unit header",
            source,
        })?;
        let Some(header) = header else {
            return Ok(headers);
        };
        next = next.saturating_add(header.length_including_self() as u64);
        if next > u64::from(u32::MAX) {
            return Err(Error::TooLarge {
                what: format!("{}: bytes of .debug_info", elf.file),
                limit: u64::from(u32::MAX),
            });
        }
        headers.push(header);
    }
}

/// Reads one unit. `side` and `object` only label the result.
pub(crate) fn scan<'a>(
    elf: &'a Elf<'a>,
    header: gimli::UnitHeader<Slice<'a>>,
    side: usize,
    object: usize,
) -> Result<ScannedUnit<'a>, Error> {
    let abbreviations = abbreviations(elf, header)?;
    let (reader, unit) = root(elf, header, &abbreviations, side, object)?;
    let mut scan = Scan {
        abbreviations: &abbreviations,
        out: ScannedUnit {
            unit,
            types: Vec::new(),
            statics: Vec::new(),
        },
        variables: Vec::new(),
        frames: Vec::new(),
        reader,
    };
    scan.run()?;
    Ok(scan.out)
}

/// How the entries of a unit are encoded.
pub(crate) fn abbreviations<'a>(
    elf: &'a Elf<'a>,
    header: gimli::UnitHeader<Slice<'a>>,
) -> Result<gimli::Abbreviations, Error> {
    header
        .abbreviations(&gimli::DebugAbbrev::new(&elf.abbrev.bytes, elf.endian))
        .map_err(|source| Error::Dwarf {
            file: elf.file.to_owned(),
            section: elf.abbrev.name,
            offset: header.debug_abbrev_offset().0 as u64,
            what: "abbreviations",
            source,
        })
}

/// Reads the unit's own entry: first the bases that its other attributes depend on.
pub(crate) fn root<'a>(
    elf: &'a Elf<'a>,
    header: gimli::UnitHeader<Slice<'a>>,
    abbreviations: &gimli::Abbreviations,
    side: usize,
    object: usize,
) -> Result<(UnitReader<'a>, Unit<'a>), Error> {
    let mut reader = UnitReader {
        elf,
        header,
        str_offsets_base: gimli::DebugStrOffsetsBase(0),
        addr_base: gimli::DebugAddrBase(0),
    };
    let attributes = root_attributes(&reader, abbreviations)?;
    let start = reader.start();
    let mut unit = Unit {
        side,
        object,
        start: start as u32,
        end: start.saturating_add(header.length_including_self() as u64) as u32,
        base: 0,
        offsets: Vec::new(),
        scopes: vec![Scope {
            parent: ScopeId(0),
            name: None,
        }],
        name: "",
        directory: "",
        producer: "",
        address_size: header.address_size(),
        line_table: None,
        skeleton: matches!(header.type_(), gimli::UnitType::Skeleton(_)),
    };
    for (attribute, (from, to)) in &attributes {
        match attribute.value() {
            AttributeValue::DebugStrOffsetsBase(base) => reader.str_offsets_base = base,
            AttributeValue::DebugAddrBase(base) => reader.addr_base = base,
            AttributeValue::DebugLineRef(offset) => unit.line_table = Some(offset.0 as u64),
            _ => continue,
        }
        elf.check(&elf.info, *from, *to)?;
    }
    for (attribute, (from, to)) in &attributes {
        let string = || {
            elf.check(&elf.info, *from, *to)?;
            let string = reader.string(*from, attribute.raw_value())?;
            Ok::<_, Error>(string.unwrap_or(""))
        };
        match attribute.name() {
            dw::DW_AT_name => unit.name = string()?,
            dw::DW_AT_comp_dir => unit.directory = string()?,
            dw::DW_AT_producer => unit.producer = string()?,
            dw::DW_AT_dwo_name | dw::DW_AT_GNU_dwo_name => unit.skeleton = true,
            _ => {}
        }
    }
    Ok((reader, unit))
}

/// An attribute and where it starts and ends in `.debug_info`.
type Placed<'a> = (gimli::Attribute<Slice<'a>>, (u64, u64));

/// All attributes of the unit's own entry.
fn root_attributes<'a>(
    reader: &UnitReader<'a>,
    abbreviations: &gimli::Abbreviations,
) -> Result<Vec<Placed<'a>>, Error> {
    let at = reader.header.root_offset();
    let fail = |source| reader.malformed(at, "the unit's entry", source);
    let mut entries = reader
        .header
        .entries_raw(abbreviations, None)
        .map_err(fail)?;
    let mut result = Vec::new();
    let Some(abbreviation) = entries.read_abbreviation().map_err(fail)? else {
        return Ok(result);
    };
    for spec in abbreviation.attributes() {
        let from = reader
            .start()
            .saturating_add(entries.next_offset().0 as u64);
        let attribute = entries.read_attribute(*spec).map_err(fail)?;
        let to = reader
            .start()
            .saturating_add(entries.next_offset().0 as u64);
        result.push((attribute, (from, to)));
    }
    Ok(result)
}

struct Scan<'r, 'a> {
    reader: UnitReader<'a>,
    abbreviations: &'r gimli::Abbreviations,
    out: ScannedUnit<'a>,
    /// All variables and static members with their scopes, ascending: definitions elsewhere refer to them.
    variables: Vec<(DieOffset, ScopeId)>,
    frames: Vec<Frame>,
}

type Entries<'r, 'a> = EntriesRaw<'r, Slice<'a>>;

impl<'r, 'a> Scan<'r, 'a> {
    fn run(&mut self) -> Result<(), Error> {
        let header = self.reader.header;
        let at = header.root_offset();
        let mut entries = header
            .entries_raw(self.abbreviations, None)
            .map_err(|source| self.reader.malformed(at, "entries", source))?;
        // Definitions of what is declared elsewhere; named once all scopes are known.
        let mut completions = Vec::new();
        while !entries.is_empty() {
            let at = entries.next_offset();
            let abbreviation = entries
                .read_abbreviation()
                .map_err(|source| self.reader.malformed(at, "an entry", source))?;
            let Some(abbreviation) = abbreviation else {
                self.frames.pop();
                continue;
            };
            let offset = DieOffset(self.reader.start().saturating_add(at.0 as u64) as u32);
            let frame = self.entry(&mut entries, abbreviation, offset, &mut completions)?;
            if abbreviation.has_children() {
                self.frames.push(frame);
            }
        }
        for (attributes, placement, scope) in completions {
            self.complete(attributes, placement, scope)?;
        }
        Ok(())
    }

    /// Reads one entry and says what its children are in.
    fn entry(
        &mut self,
        entries: &mut Entries<'r, 'a>,
        abbreviation: &Abbreviation,
        offset: DieOffset,
        completions: &mut Vec<(Attributes<'a>, Placement, ScopeId)>,
    ) -> Result<Frame, Error> {
        let here = self.frames.last().copied().unwrap_or(Frame {
            scope: ScopeId(0),
            owner: Owner::Nothing,
        });
        let inside = Frame {
            scope: here.scope,
            owner: Owner::Nothing,
        };
        match (abbreviation.tag(), here.owner) {
            (dw::DW_TAG_namespace | dw::DW_TAG_module | dw::DW_TAG_subprogram, _)
                if abbreviation.has_children() =>
            {
                let name = self.reader.attributes(entries, abbreviation)?.name;
                Ok(Frame {
                    scope: self.scope(here.scope, name),
                    owner: Owner::Nothing,
                })
            }
            (dw::DW_TAG_variable, _) => {
                self.variables.push((offset, here.scope));
                self.variable(entries, abbreviation, here.scope, completions)?;
                Ok(inside)
            }
            (dw::DW_TAG_member | dw::DW_TAG_inheritance, _) => {
                let attributes = self.reader.attributes(entries, abbreviation)?;
                if attributes.declaration || attributes.external {
                    self.variables.push((offset, here.scope));
                } else {
                    self.member(here.owner, abbreviation.tag(), offset, attributes);
                }
                Ok(inside)
            }
            (dw::DW_TAG_subrange_type, Owner::Array(_)) => self.part(entries, abbreviation, here),
            (tag, owner) if is_type(tag) => {
                let attributes = self.reader.attributes(entries, abbreviation)?;
                if let Owner::Array(index) = owner {
                    self.make_opaque(index, "an array that is indexed by a type");
                }
                Ok(self.type_entry(tag, offset, here.scope, attributes))
            }
            _ => self.part(entries, abbreviation, here),
        }
    }

    /// Reads an entry that is part of the type around it, or passes over it.
    fn part(
        &mut self,
        entries: &mut Entries<'r, 'a>,
        abbreviation: &Abbreviation,
        here: Frame,
    ) -> Result<Frame, Error> {
        let inside = Frame {
            scope: here.scope,
            owner: Owner::Nothing,
        };
        match (abbreviation.tag(), here.owner) {
            (dw::DW_TAG_variant_part | dw::DW_TAG_variant, _) => {
                let attributes = self.reader.attributes(entries, abbreviation)?;
                let owner = self.variant_entry(here.owner, abbreviation.tag(), &attributes)?;
                Ok(Frame {
                    scope: here.scope,
                    owner,
                })
            }
            (dw::DW_TAG_enumerator, Owner::Enumeration(index)) => {
                let attributes = self.reader.attributes(entries, abbreviation)?;
                self.enumerator(index, &attributes);
                Ok(inside)
            }
            (dw::DW_TAG_subrange_type, Owner::Array(index)) => {
                let attributes = self.reader.attributes(entries, abbreviation)?;
                self.dimension(index, &attributes);
                Ok(inside)
            }
            (dw::DW_TAG_generic_subrange, Owner::Array(index)) => {
                self.skip(entries, abbreviation)?;
                self.make_opaque(index, "an array of unknown rank");
                Ok(inside)
            }
            (dw::DW_TAG_formal_parameter, Owner::Function(index)) => {
                let attributes = self.reader.attributes(entries, abbreviation)?;
                if let Some(Shape::Function { parameters, .. }) = self.shape(index) {
                    parameters.push(attributes.target);
                }
                Ok(inside)
            }
            (dw::DW_TAG_unspecified_parameters, Owner::Function(index)) => {
                self.skip(entries, abbreviation)?;
                if let Some(Shape::Function { variadic, .. }) = self.shape(index) {
                    *variadic = true;
                }
                Ok(inside)
            }
            _ => {
                self.skip(entries, abbreviation)?;
                Ok(inside)
            }
        }
    }

    fn skip(
        &self,
        entries: &mut Entries<'r, 'a>,
        abbreviation: &Abbreviation,
    ) -> Result<(), Error> {
        let at = entries.next_offset();
        entries
            .skip_attributes(abbreviation.attributes())
            .map_err(|source| self.reader.malformed(at, "attributes", source))
    }

    fn scope(&mut self, parent: ScopeId, name: Option<&'a str>) -> ScopeId {
        let scopes = &mut self.out.unit.scopes;
        scopes.push(Scope { parent, name });
        ScopeId(scopes.len() as u32 - 1)
    }

    fn shape(&mut self, index: usize) -> Option<&mut Shape<'a>> {
        self.out.types.get_mut(index).map(|ty| &mut ty.shape)
    }

    fn record(&mut self, index: usize) -> Option<&mut Record<'a>> {
        match self.shape(index) {
            Some(Shape::Record(record)) => Some(record),
            _ => None,
        }
    }

    fn make_opaque(&mut self, index: usize, what: &'static str) {
        if let Some(shape) = self.shape(index) {
            *shape = Shape::Opaque(what);
        }
    }

    fn type_entry(
        &mut self,
        tag: gimli::DwTag,
        offset: DieOffset,
        scope: ScopeId,
        attributes: Attributes<'a>,
    ) -> Frame {
        let index = self.out.types.len();
        let shape = shape_of(tag, &attributes);
        let owner = match &shape {
            Shape::Record(_) => Owner::Record(index),
            Shape::Enumeration { .. } => Owner::Enumeration(index),
            Shape::Array { .. } => Owner::Array(index),
            Shape::Function { .. } => Owner::Function(index),
            _ => Owner::Nothing,
        };
        self.out.unit.offsets.push(offset);
        self.out.types.push(Type {
            unit: UnitId::default(),
            name: attributes.name,
            scope,
            size: attributes.byte_size,
            alignment: attributes.alignment,
            declared: attributes.declared,
            shape,
        });
        match owner {
            Owner::Record(_) => Frame {
                scope: self.scope(scope, attributes.name),
                owner,
            },
            _ => Frame { scope, owner },
        }
    }

    fn member(
        &mut self,
        owner: Owner,
        tag: gimli::DwTag,
        offset: DieOffset,
        attributes: Attributes<'a>,
    ) {
        let (place, computed) = member_place(&attributes);
        let member = Member {
            offset,
            name: attributes
                .name
                .or((tag == dw::DW_TAG_inheritance).then_some("<base>")),
            target: attributes.target,
            place,
            bit_size: attributes.bit_size,
            alignment: attributes.alignment,
            declared: attributes.declared,
        };
        let (Owner::Record(index) | Owner::VariantPart(index) | Owner::Variant(index)) = owner
        else {
            return;
        };
        let Some(record) = self.record(index) else {
            return;
        };
        if computed {
            record.opaque = Some("a member at an offset that is computed at run time");
        }
        let part = record.variant_parts.last_mut();
        match owner {
            Owner::Record(_) => record.members.push(member),
            Owner::VariantPart(_) => part.map(|part| part.members.push(member)).unwrap_or(()),
            _ => part
                .and_then(|part| part.variants.last_mut())
                .map(|variant| variant.members.push(member))
                .unwrap_or(()),
        }
    }

    /// A variant part or a variant, and what its children are in.
    fn variant_entry(
        &mut self,
        owner: Owner,
        tag: gimli::DwTag,
        attributes: &Attributes<'a>,
    ) -> Result<Owner, Error> {
        let discriminant = attributes.discriminant;
        match (tag, owner) {
            (dw::DW_TAG_variant_part, Owner::Record(index)) => {
                if let Some(record) = self.record(index) {
                    record.variant_parts.push(VariantPart {
                        discriminant,
                        ..VariantPart::default()
                    });
                }
                Ok(Owner::VariantPart(index))
            }
            (dw::DW_TAG_variant_part, Owner::Variant(index)) => {
                if let Some(record) = self.record(index) {
                    record.opaque = Some("a variant part within a variant");
                }
                Ok(Owner::Nothing)
            }
            (dw::DW_TAG_variant, Owner::VariantPart(index)) => {
                self.variant(index, attributes)?;
                Ok(Owner::Variant(index))
            }
            _ => Ok(Owner::Nothing),
        }
    }

    fn variant(&mut self, index: usize, attributes: &Attributes<'a>) -> Result<(), Error> {
        let mut values: Vec<(u128, u128)> = attributes
            .value
            .map(|value| (value, value))
            .into_iter()
            .collect();
        if let Some(list) = attributes.value_list {
            values.extend(self.discriminant_list(list)?);
        }
        if let Some(part) = self
            .record(index)
            .and_then(|record| record.variant_parts.last_mut())
        {
            part.variants.push(Variant {
                values,
                members: Vec::new(),
                declared: attributes.declared,
            });
        }
        Ok(())
    }

    /// DWARF 5, section 5.7.10: labels and ranges.
    fn discriminant_list(&self, list: Slice<'a>) -> Result<Vec<(u128, u128)>, Error> {
        let at = list.offset_from(Slice::new(
            &self.reader.elf.info.bytes,
            self.reader.elf.endian,
        ));
        let at = gimli::UnitOffset((at as u64).saturating_sub(self.reader.start()) as usize);
        let fail = |source| self.reader.malformed(at, "a list of discriminants", source);
        let mut rest = list;
        let mut values = Vec::new();
        while !rest.is_empty() {
            let kind = gimli::DwDsc(rest.read_u8().map_err(fail)?);
            let low = rest.read_uleb128().map_err(fail)?;
            let high = if kind == gimli::DW_DSC_range {
                rest.read_uleb128().map_err(fail)?
            } else {
                low
            };
            values.push((low.into(), high.into()));
        }
        Ok(values)
    }

    fn enumerator(&mut self, index: usize, attributes: &Attributes<'a>) {
        let (Some(name), Some(value)) = (attributes.name, attributes.value) else {
            return self.make_opaque(index, "an enumerator whose value is wider than 128 bits");
        };
        if let Some(Shape::Enumeration { enumerators, .. }) = self.shape(index) {
            enumerators.push(Enumerator { name, value });
        }
    }

    fn dimension(&mut self, index: usize, attributes: &Attributes<'a>) {
        let constant = |bound| match bound {
            Some(Bound::Constant(value)) => Some(value),
            _ => None,
        };
        let lower = constant(attributes.lower_bound).unwrap_or(0);
        let count = match (attributes.count, attributes.upper_bound) {
            (Some(count), _) => constant(Some(count)),
            // -1, in whatever width it was written, is an array of no elements.
            (None, Some(Bound::Constant(upper))) if is_minus_one(upper) => Some(0),
            (None, upper) => constant(upper)
                .and_then(|upper| upper.checked_sub(lower))
                .and_then(|last| last.checked_add(1)),
        };
        if let Some(Shape::Array { dimensions, .. }) = self.shape(index) {
            dimensions.push(count.and_then(|count| u64::try_from(count).ok()));
        }
    }

    fn variable(
        &mut self,
        entries: &mut Entries<'r, 'a>,
        abbreviation: &Abbreviation,
        scope: ScopeId,
        completions: &mut Vec<(Attributes<'a>, Placement, ScopeId)>,
    ) -> Result<(), Error> {
        let has_expression = abbreviation.attributes().iter().any(|spec| {
            spec.name() == dw::DW_AT_location
                && !matches!(
                    spec.form(),
                    dw::DW_FORM_sec_offset | dw::DW_FORM_loclistx | dw::DW_FORM_data4
                )
        });
        if !has_expression {
            return self.skip(entries, abbreviation);
        }
        let attributes = self.reader.attributes(entries, abbreviation)?;
        let Some(expression) = attributes.location else {
            return Ok(());
        };
        if !location::may_be_static(&expression) {
            return Ok(());
        }
        let placement = self.reader.placement(&expression)?;
        match (placement, attributes.origin) {
            (Placement::NotStatic, _) => {}
            (_, None) => self.add_static(&attributes, placement, scope),
            (_, Some(_)) => completions.push((attributes, placement, scope)),
        }
        Ok(())
    }

    /// A definition takes what it lacks from its declaration, above all the scope.
    fn complete(
        &mut self,
        mut attributes: Attributes<'a>,
        placement: Placement,
        mut scope: ScopeId,
    ) -> Result<(), Error> {
        for _ in 0..MAX_ORIGINS {
            let Some(origin) = attributes.origin.take() else {
                break;
            };
            let Ok(index) = self
                .variables
                .binary_search_by_key(&origin, |(offset, _)| *offset)
            else {
                break;
            };
            scope = self.variables[index].1;
            let at =
                gimli::UnitOffset(u64::from(origin.0).saturating_sub(self.reader.start()) as usize);
            let fail = |source| {
                self.reader
                    .malformed(at, "the declaration of a variable", source)
            };
            let mut entries = self
                .reader
                .header
                .entries_raw(self.abbreviations, Some(at))
                .map_err(fail)?;
            let Some(abbreviation) = entries.read_abbreviation().map_err(fail)? else {
                break;
            };
            let declaration = self.reader.attributes(&mut entries, abbreviation)?;
            attributes.name = attributes.name.or(declaration.name);
            attributes.linkage_name = attributes.linkage_name.or(declaration.linkage_name);
            attributes.target = attributes.target.or(declaration.target);
            if attributes.declared.line == 0 {
                attributes.declared = declaration.declared;
            }
            attributes.origin = declaration.origin;
        }
        self.add_static(&attributes, placement, scope);
        Ok(())
    }

    fn add_static(&mut self, attributes: &Attributes<'a>, placement: Placement, scope: ScopeId) {
        let Some(name) = attributes.name.or(attributes.linkage_name) else {
            return;
        };
        self.out.statics.push(Static {
            unit: UnitId::default(),
            name: qualified(&self.out.unit.scopes, scope, name),
            linkage_name: attributes.linkage_name,
            target: attributes.target,
            location: match placement {
                Placement::At(location) => Some(location),
                _ => None,
            },
            declared: attributes.declared,
        });
    }
}

/// `name` with the names of its scopes before it.
pub(crate) fn qualified(scopes: &[Scope<'_>], scope: ScopeId, name: &str) -> String {
    let mut parts = vec![name];
    parts.extend(enclosing(scopes, scope));
    parts.reverse();
    parts.join("::")
}

/// Names of a scope and those around it, innermost first; scopes without a name are left out.
pub(crate) fn enclosing<'s, 'a>(
    scopes: &'s [Scope<'a>],
    scope: ScopeId,
) -> impl Iterator<Item = &'a str> + use<'s, 'a> {
    let mut next = Some(scope);
    std::iter::from_fn(move || {
        let id = next?;
        let scope = scopes.get(id.0 as usize)?;
        // A parent always comes before its child, so this ends.
        next = (scope.parent.0 < id.0).then_some(scope.parent);
        Some(scope.name)
    })
    .take(MAX_SCOPES)
    .flatten()
}

fn is_minus_one(value: u128) -> bool {
    value == u128::MAX || value == u128::from(u64::MAX) || value == u128::from(u32::MAX)
}
