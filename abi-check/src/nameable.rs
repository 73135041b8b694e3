//! What the source may call a type: its language, whether a function encloses it, and who may see it.
//!
//! A comparison needs nothing of this and does not pay for it: the units of the types in question are passed over once
//! more.
//!
//! Invariant: what DWARF does not say is the most open answer; nothing here changes what is proved.

use std::collections::{BTreeMap, BTreeSet};

use gimli::{DwTag, constants as dw};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::abbreviation::Abbreviation;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::form::{self, Value};
use crate::index::own_name;
use crate::model::{DieOffset, Graph, TypeId, UnitId};
use crate::unit::UnitReader;

/// The language that a type is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// C, of any year.
    C,
    /// C++, of any year.
    Cplusplus,
    /// Rust.
    Rust,
    /// Another one.
    #[default]
    Other,
}

/// Who may name a type or a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Everybody, as far as the modules around it allow.
    #[default]
    Public,
    /// `pub(crate)`, `pub(super)` and the like; `protected` in C++.
    Restricted,
    /// The module that it is in; the class in C++.
    Private,
}

/// Where a type stands in its source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Its language.
    pub(crate) language: Language,
    /// Whether a function encloses it.
    pub(crate) is_local: bool,
    /// Whether another type encloses it.
    pub(crate) in_type: bool,
    /// Who may name it.
    pub(crate) access: Access,
}

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Nameable {
    types: FxHashMap<TypeId, Facts>,
    members: FxHashMap<(UnitId, DieOffset), Access>,
}

impl Nameable {
    /// Passes over the units of `ids`.
    pub(crate) fn read(
        graph: &Graph<'_>,
        ids: impl Iterator<Item = TypeId>,
    ) -> Result<Nameable, Error> {
        let mut units: BTreeMap<UnitId, BTreeMap<DieOffset, TypeId>> = BTreeMap::new();
        for id in ids {
            let ty = graph.ty(id);
            units.entry(ty.unit).or_default().insert(ty.offset, id);
        }
        let mut result = Nameable::default();
        for (unit, wanted) in units {
            if let Some(reader) = reader(graph, unit)? {
                Pass::new(&reader, unit, &wanted).run(&mut result)?;
            }
        }
        Ok(result)
    }

    /// Of a type that was asked for.
    pub(crate) fn of(&self, id: TypeId) -> Facts {
        self.types.get(&id).cloned().unwrap_or_default()
    }

    /// Of a member of such a type.
    pub(crate) fn of_member(&self, unit: UnitId, member: DieOffset) -> Access {
        let found = self.members.get(&(unit, member));
        found.copied().unwrap_or_default()
    }
}

fn reader<'a>(graph: &Graph<'a>, id: UnitId) -> Result<Option<UnitReader<'a>>, Error> {
    let unit = graph.unit(id);
    let object = graph.object(unit);
    let Some((part, header)) = object.unit_at(DieOffset(unit.start)) else {
        return Ok(None);
    };
    UnitReader::new(object, part, *header, (unit.side, unit.object)).map(|(reader, _)| Some(reader))
}

/// A namespace, function or type around others.
#[derive(Clone, Copy)]
struct Around<'a> {
    parent: usize,
    tag: DwTag,
    name: Option<&'a str>,
}

/// A pass over one unit.
struct Pass<'p, 'a> {
    reader: &'p UnitReader<'a>,
    unit: UnitId,
    wanted: &'p BTreeMap<DieOffset, TypeId>,
    language: Language,
    around: Vec<Around<'a>>,
    /// Functions by what they are in. rustc puts what is in a function into a namespace of its name.
    functions: FxHashSet<(usize, &'a str)>,
    found: Vec<(TypeId, usize, Access)>,
}

impl<'p, 'a> Pass<'p, 'a> {
    fn new(
        reader: &'p UnitReader<'a>,
        unit: UnitId,
        wanted: &'p BTreeMap<DieOffset, TypeId>,
    ) -> Pass<'p, 'a> {
        let whole = Around {
            parent: 0,
            tag: dw::DW_TAG_compile_unit,
            name: None,
        };
        Pass {
            reader,
            unit,
            wanted,
            language: Language::Other,
            around: vec![whole],
            functions: FxHashSet::default(),
            found: Vec::new(),
        }
    }

    fn run(mut self, to: &mut Nameable) -> Result<(), Error> {
        let mut frames: Vec<usize> = Vec::new();
        let mut cursor = self.reader.entries();
        while !cursor.is_empty() {
            let at = cursor.at();
            let Some(abbreviation) = self.reader.kind(&mut cursor)? else {
                frames.pop();
                continue;
            };
            let outside = frames.last().copied().unwrap_or(0);
            let offset = self.reader.number(at);
            let inside = self.entry(abbreviation, cursor, offset, outside, to)?;
            self.reader.skip(&mut cursor, abbreviation)?;
            if abbreviation.has_children {
                frames.push(inside);
            }
        }
        for (id, parent, access) in std::mem::take(&mut self.found) {
            let facts = self.facts(parent, access);
            to.types.insert(id, facts);
        }
        Ok(())
    }

    /// Looks at one entry and says what its children are in.
    fn entry(
        &mut self,
        abbreviation: &Abbreviation,
        cursor: Cursor<'a>,
        offset: DieOffset,
        outside: usize,
        to: &mut Nameable,
    ) -> Result<usize, Error> {
        let tag = abbreviation.tag;
        if matches!(
            tag,
            dw::DW_TAG_compile_unit | dw::DW_TAG_partial_unit | dw::DW_TAG_type_unit
        ) {
            let found = number(self.reader, cursor, abbreviation, dw::DW_AT_language)?;
            self.language = found.map_or(Language::Other, language);
            return Ok(outside);
        }
        let class = self.around[outside].tag == dw::DW_TAG_class_type;
        if let Some(id) = self.wanted.get(&offset) {
            let access = self.access(abbreviation, cursor, class)?;
            self.found.push((*id, outside, access));
        } else if tag == dw::DW_TAG_member {
            let access = self.access(abbreviation, cursor, class)?;
            if access != Access::Public {
                to.members.insert((self.unit, offset), access);
            }
        }
        let is_named = matches!(
            tag,
            dw::DW_TAG_namespace | dw::DW_TAG_module | dw::DW_TAG_subprogram
        );
        let is_around = is_named
            || matches!(
                tag,
                dw::DW_TAG_structure_type
                    | dw::DW_TAG_class_type
                    | dw::DW_TAG_union_type
                    | dw::DW_TAG_inlined_subroutine
                    | dw::DW_TAG_lexical_block
            );
        if !is_around {
            return Ok(outside);
        }
        let name = match is_named {
            true => own_name(self.reader, offset)?,
            false => None,
        };
        if let (dw::DW_TAG_subprogram, Some(name)) = (tag, name) {
            let plain = name.split('<').next().unwrap_or(name);
            self.functions.insert((outside, plain));
        }
        if !abbreviation.has_children {
            return Ok(outside);
        }
        self.around.push(Around {
            parent: outside,
            tag,
            name,
        });
        Ok(self.around.len() - 1)
    }

    fn access(
        &self,
        abbreviation: &Abbreviation,
        cursor: Cursor<'a>,
        class: bool,
    ) -> Result<Access, Error> {
        if !abbreviation.has(dw::DW_AT_accessibility) {
            return Ok(match class {
                true => Access::Private,
                false => Access::Public,
            });
        }
        let found = number(self.reader, cursor, abbreviation, dw::DW_AT_accessibility)?;
        Ok(
            match found
                .and_then(|value| u8::try_from(value).ok())
                .map(gimli::DwAccess)
            {
                Some(dw::DW_ACCESS_private) => Access::Private,
                Some(dw::DW_ACCESS_protected) => Access::Restricted,
                _ => Access::Public,
            },
        )
    }

    fn facts(&self, parent: usize, access: Access) -> Facts {
        let is_record = |tag| {
            matches!(
                tag,
                dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type
            )
        };
        let mut facts = Facts {
            language: self.language,
            is_local: false,
            in_type: is_record(self.around[parent].tag),
            access,
        };
        let mut at = parent;
        while at != 0 {
            let around = self.around[at];
            let is_namespace = matches!(around.tag, dw::DW_TAG_namespace | dw::DW_TAG_module);
            let of_function = around
                .name
                .is_some_and(|name| self.functions.contains(&(around.parent, name)));
            let of_rust = is_namespace && self.language == Language::Rust && of_function;
            facts.is_local |= of_rust || !(is_namespace || is_record(around.tag));
            at = around.parent;
        }
        facts
    }
}

/// The value of an attribute that is a number.
fn number<'a>(
    reader: &UnitReader<'a>,
    mut cursor: Cursor<'a>,
    abbreviation: &Abbreviation,
    name: gimli::DwAt,
) -> Result<Option<u64>, Error> {
    for spec in &abbreviation.specs {
        let from = cursor.at();
        let value = form::read(&mut cursor, spec.form, spec.implicit, reader.encoding)
            .map_err(|source| reader.malformed(from, "an attribute", source))?;
        if spec.name == name {
            return Ok(match value {
                Value::Unsigned(value) => Some(value),
                Value::Signed(value) => u64::try_from(value).ok(),
                _ => None,
            });
        }
    }
    Ok(None)
}

fn language(code: u64) -> Language {
    let code = u16::try_from(code).map_or(gimli::DwLang(0), gimli::DwLang);
    match code {
        dw::DW_LANG_C | dw::DW_LANG_C89 | dw::DW_LANG_C99 | dw::DW_LANG_C11 | dw::DW_LANG_C17 => {
            Language::C
        }
        dw::DW_LANG_C_plus_plus
        | dw::DW_LANG_C_plus_plus_03
        | dw::DW_LANG_C_plus_plus_11
        | dw::DW_LANG_C_plus_plus_14
        | dw::DW_LANG_C_plus_plus_17
        | dw::DW_LANG_C_plus_plus_20 => Language::Cplusplus,
        dw::DW_LANG_Rust => Language::Rust,
        _ => Language::Other,
    }
}

/// The crates that units of Rust are of, but for those of the standard library.
pub(crate) fn crates(graph: &Graph<'_>) -> BTreeSet<String> {
    const STANDARD: [&str; 5] = ["core", "alloc", "std", "compiler_builtins", "panic_unwind"];
    let of = |name: &str| {
        let (_, unit) = name.rsplit_once("/@/")?;
        unit.split('.').next().map(str::to_owned)
    };
    graph
        .units
        .iter()
        .filter(|unit| unit.is_rust && !unit.directory.starts_with("/rustc/"))
        .filter_map(|unit| of(unit.name))
        .filter(|name| !STANDARD.contains(&name.as_str()))
        .collect()
}
