//! What the corpus declares: headers full of types, the same for every unit and side that includes them.
//!
//! Types of a header refer to types of it and of the core headers, which every unit includes, so that a unit's set of
//! headers is closed. Records hold earlier types by value, and any by pointer, as C's do.
//!
//! Invariant: a model depends on its seed only. With `changed`, it differs in [`CHANGES`] types, which no other type holds,
//! so that a comparison has exactly so many findings.

use crate::bench::source::Random;

/// Headers of a model.
pub const HEADERS: usize = 40;
/// Headers that every unit includes.
pub const CORE: usize = 6;
/// Types of a header.
const TYPES: usize = 60;
/// Types that differ in a changed model.
pub const CHANGES: usize = 8;

/// Base types: name, bytes, encoding.
pub const BASES: [(&str, u64, gimli::DwAte); 9] = [
    ("_Bool", 1, gimli::DW_ATE_boolean),
    ("signed char", 1, gimli::DW_ATE_signed_char),
    ("unsigned char", 1, gimli::DW_ATE_unsigned_char),
    ("short unsigned int", 2, gimli::DW_ATE_unsigned),
    ("int", 4, gimli::DW_ATE_signed),
    ("unsigned int", 4, gimli::DW_ATE_unsigned),
    ("long int", 8, gimli::DW_ATE_signed),
    ("long unsigned int", 8, gimli::DW_ATE_unsigned),
    ("double", 8, gimli::DW_ATE_float),
];
const INT: usize = 4;
const LONG_UNSIGNED: usize = 7;
const DOUBLE: usize = 8;

/// A type with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// Its header.
    pub header: usize,
    /// Which one of it.
    pub at: usize,
}

/// What a field, a parameter or a variable is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ref {
    /// Index of [`BASES`].
    Base(usize),
    /// A type of a header.
    Named(Named),
    /// A pointer to it.
    Pointer(Box<Ref>),
    /// It, constant.
    Const(Box<Ref>),
    /// So many of it.
    Array(Box<Ref>, u64),
    /// A function that takes these and returns `int`.
    Function(Vec<Ref>),
}

/// A field and what it is of.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ref,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// A struct.
    Struct(Vec<Field>),
    /// A union.
    Union(Vec<Field>),
    /// An enumeration: names and values.
    Enumeration(Vec<(String, u64)>),
    /// A typedef.
    Alias(Ref),
}

/// A type of a header.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// What it is.
    pub meaning: Meaning,
    /// Bytes.
    pub size: u64,
    /// Bytes of its alignment.
    pub alignment: u64,
}

/// All headers.
pub struct Model {
    headers: Vec<Vec<Definition>>,
}

impl Model {
    /// The headers of a seed.
    pub fn new(seed: u64, changed: bool) -> Model {
        let mut random = Random::new(seed);
        let mut model = Model {
            headers: Vec::new(),
        };
        for header in 0..HEADERS {
            model.headers.push(Vec::new());
            for at in 0..TYPES {
                let meaning = model.meaning(&mut random, Named { header, at });
                model.push(format!("h{header:02}_type_{at:02}"), meaning);
            }
        }
        for change in 0..CHANGES {
            let meaning = changing(change, changed);
            let definition = model.definition(changing_name(change), meaning);
            model.headers[header_of(change)].push(definition);
        }
        model
    }

    /// The types of a header.
    pub fn header(&self, header: usize) -> &[Definition] {
        &self.headers[header]
    }

    /// A type of a header.
    pub fn get(&self, named: Named) -> &Definition {
        &self.headers[named.header][named.at]
    }

    fn push(&mut self, name: String, meaning: Meaning) {
        let definition = self.definition(name, meaning);
        if let Some(header) = self.headers.last_mut() {
            header.push(definition);
        }
    }

    fn definition(&self, name: String, meaning: Meaning) -> Definition {
        let (size, alignment) = match &meaning {
            Meaning::Struct(fields) => {
                let (_, end, alignment) = self.offsets(fields);
                (end.next_multiple_of(alignment), alignment)
            }
            Meaning::Union(fields) => {
                let sizes = fields.iter().map(|field| self.size(&field.ty));
                let most = sizes.fold((0, 1), |a, b| (a.0.max(b.0), a.1.max(b.1)));
                (most.0.next_multiple_of(most.1), most.1)
            }
            Meaning::Enumeration(_) => (4, 4),
            Meaning::Alias(ty) => self.size(ty),
        };
        Definition {
            name,
            meaning,
            size,
            alignment,
        }
    }

    /// Where the fields of a struct lie, where the last one ends, and what the struct is aligned to.
    pub fn offsets(&self, fields: &[Field]) -> (Vec<u64>, u64, u64) {
        let (mut end, mut most) = (0_u64, 1);
        let offsets = fields.iter().map(|field| {
            let (size, alignment) = self.size(&field.ty);
            let offset = end.next_multiple_of(alignment);
            end = offset + size;
            most = alignment.max(most);
            offset
        });
        let offsets = offsets.collect();
        (offsets, end, most)
    }

    /// Bytes of a type and of its alignment.
    pub fn size(&self, ty: &Ref) -> (u64, u64) {
        match ty {
            Ref::Base(base) => (BASES[*base].1, BASES[*base].1),
            Ref::Named(named) => {
                let definition = self.get(*named);
                (definition.size, definition.alignment)
            }
            Ref::Pointer(_) => (8, 8),
            Ref::Const(inner) => self.size(inner),
            Ref::Array(element, number) => {
                let (size, alignment) = self.size(element);
                (size * number, alignment)
            }
            Ref::Function(_) => (1, 1),
        }
    }

    fn meaning(&self, random: &mut Random, own: Named) -> Meaning {
        match random.below(20) {
            0 | 1 => {
                let values = 0..4 + random.below(20) as u64;
                let name = |value| format!("H{:02}_{:02}_VALUE_{value}", own.header, own.at);
                Meaning::Enumeration(values.map(|value| (name(value), value)).collect())
            }
            2 => Meaning::Union(self.fields(random, own, 2, 3)),
            3..=5 => Meaning::Alias(self.reference(random, own, own.at)),
            _ => Meaning::Struct(self.fields(random, own, 3, 14)),
        }
    }

    fn fields(&self, random: &mut Random, own: Named, least: usize, more: usize) -> Vec<Field> {
        let number = least + random.below(more);
        let field = |at| Field {
            name: format!("{}_{at}", NAMES[random.below(NAMES.len())]),
            ty: self.reference(random, own, TYPES),
        };
        (0..number).map(field).collect()
    }

    /// A type that may be used in the definition of `own`; pointers in it lead to types before `end`, or to the core's.
    /// A typedef can name what follows it as little as it can name itself: every cycle goes through a record.
    fn reference(&self, random: &mut Random, own: Named, end: usize) -> Ref {
        match random.below(16) {
            0..=6 => Ref::Base(random.below(BASES.len())),
            7..=9 => self.pointer(random, own, end),
            10 => Ref::Pointer(Box::new(Ref::Const(Box::new(Ref::Base(2))))),
            11 => {
                let takes = (0..1 + random.below(3)).map(|_| self.pointer(random, own, end));
                Ref::Pointer(Box::new(Ref::Function(takes.collect())))
            }
            12 => {
                let element = Ref::Base(random.below(BASES.len()));
                Ref::Array(Box::new(element), 1 + random.below(16) as u64)
            }
            _ => self.by_value(random, own),
        }
    }

    /// A pointer to a type before `end`, if there is one.
    fn pointer(&self, random: &mut Random, own: Named, end: usize) -> Ref {
        let to = target(random, own, end);
        Ref::Pointer(Box::new(match end == TYPES || is_earlier(to, own) {
            true => Ref::Named(to),
            false => Ref::Base(INT),
        }))
    }

    /// An earlier type, if there is one that is not too large.
    fn by_value(&self, random: &mut Random, own: Named) -> Ref {
        let to = target(random, own, own.at);
        match is_earlier(to, own) && self.get(to).size <= 256 {
            true => Ref::Named(to),
            false => Ref::Base(INT),
        }
    }
}

/// A type of the own header or of one that every unit includes.
fn target(random: &mut Random, own: Named, end: usize) -> Named {
    let core = random.below(CORE.min(own.header + 1));
    match end > 0 && (own.header == 0 || random.below(2) == 0) {
        true => Named {
            header: own.header,
            at: random.below(end),
        },
        false if core < own.header => Named {
            header: core,
            at: random.below(TYPES),
        },
        false => own,
    }
}

fn is_earlier(ty: Named, than: Named) -> bool {
    ty.header < than.header || ty.at < than.at
}

/// The header that a type which may differ is in.
pub fn header_of(change: usize) -> usize {
    change * 5
}

/// Its name.
pub fn changing_name(change: usize) -> String {
    format!("h{:02}_changing_{change}", header_of(change))
}

/// A type that may differ: enumerators, the order of fields, a field's type, an array's length.
fn changing(change: usize, changed: bool) -> Meaning {
    let field = |name: &str, ty| Field {
        name: name.to_owned(),
        ty,
    };
    let long = || Ref::Base(LONG_UNSIGNED);
    let field_type = if changed && change % 4 == 2 {
        Ref::Base(DOUBLE)
    } else {
        long()
    };
    let length = if changed && change % 4 == 3 { 6 } else { 4 };
    let mut fields = vec![
        field("first", long()),
        field("second", field_type),
        field("last", Ref::Array(Box::new(Ref::Base(INT)), length)),
    ];
    if change.is_multiple_of(4) {
        let value = if changed { 5 } else { 1 };
        return Meaning::Enumeration(vec![
            (format!("CHANGING_{change}_ZERO"), 0),
            (format!("CHANGING_{change}_ONE"), value),
        ]);
    }
    if changed && change % 4 == 1 {
        fields.swap(0, 1);
    }
    Meaning::Struct(fields)
}

const NAMES: [&str; 14] = [
    "count", "flags", "next", "owner", "state", "lock", "node", "size", "ops", "private", "parent",
    "index", "refs", "id",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_model_differs_in_the_types_that_say_so() {
        let (plain, changed) = (Model::new(7, false), Model::new(7, true));
        let text = |model: &Model, header: usize| -> Vec<String> {
            let all = model.header(header).iter();
            all.map(|definition| format!("{definition:?}")).collect()
        };
        let mut differing = Vec::new();
        for header in 0..HEADERS {
            let (one, other) = (text(&plain, header), text(&changed, header));
            assert_eq!(one.len(), other.len());
            for (at, _) in one
                .iter()
                .zip(&other)
                .enumerate()
                .filter(|(_, (a, b))| a != b)
            {
                differing.push(plain.get(Named { header, at }).name.clone());
            }
        }
        let expected: Vec<_> = (0..CHANGES).map(changing_name).collect();
        assert_eq!(differing, expected);
    }
}
