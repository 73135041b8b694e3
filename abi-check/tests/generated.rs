//! Every type of a generated C file, on every machine of the table: the compiler's own `sizeof`, `_Alignof` and `offsetof`,
//! which it leaves in the object as a table, are the witness.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use object::{Object, ObjectSection, ObjectSymbol};
use support::{Scratch, cc, sides};

/// Compiler, flags, and whether numbers begin with their highest byte.
const MACHINES: [(&str, &[&str], bool); 8] = [
    ("x86_64-linux-gnu-gcc", &[], false),
    ("i686-linux-gnu-gcc", &[], false),
    ("aarch64-linux-gnu-gcc", &[], false),
    ("arm-linux-gnueabihf-gcc", &[], false),
    ("riscv64-linux-gnu-gcc", &[], false),
    (
        "riscv64-linux-gnu-gcc",
        &["-march=rv32imac", "-mabi=ilp32"],
        false,
    ),
    ("s390x-linux-gnu-gcc", &[], true),
    ("powerpc64-linux-gnu-gcc", &[], true),
];

const BASES: [&str; 18] = [
    "char",
    "signed char",
    "unsigned short",
    "int",
    "long",
    "long long",
    "float",
    "double",
    "long double",
    "_Bool",
    "void *",
    "float _Complex",
    "double _Complex",
    "_Atomic int",
    "_Atomic long long",
    "const char *",
    "enum small",
    "enum wide",
];

const PRELUDE: &str = "enum small { ONE = 1, MINUS = -1 }; enum wide { BIG = 0x123456789aLL };\n";

/// Types of the file.
const TYPES: usize = 300;

/// A sequence of numbers that depends on nothing but its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // The multiplier of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A struct or union: what declares it, and the names of its members.
struct Generated {
    name: String,
    declaration: String,
    members: Vec<String>,
}

/// Structs and unions with members of all kinds. A packed one begins so that it shows: that a record whose members lie at
/// their natural places is packed, DWARF does not tell.
fn generate(seed: u64) -> Vec<Generated> {
    let mut random = Random(seed);
    let mut all: Vec<Generated> = Vec::new();
    for number in 0..TYPES {
        let is_packed = random.below(10) == 0;
        let keyword = match !is_packed && random.below(4) == 0 {
            true => "union",
            false => "struct",
        };
        let name = format!("{keyword} type_{number}");
        let (mut declaration, mut members) = (format!("{name} {{ "), Vec::new());
        if is_packed {
            declaration.push_str("char first; long long second; ");
            members.extend(["first".to_owned(), "second".to_owned()]);
        }
        for at in 0..1 + random.below(8) {
            let earlier = number > 0 && random.below(4) == 0;
            let ty = match earlier {
                true => all[random.below(number)].name.clone(),
                false => BASES[random.below(BASES.len())].to_owned(),
            };
            let aligned = match !is_packed && random.below(12) == 0 {
                true => " __attribute__((aligned(16)))",
                false => "",
            };
            let (star, array) = match random.below(8) {
                0 => ("", format!("[{}]", 1 + random.below(5))),
                1 => ("", "[2][3]".to_owned()),
                2 => ("*", String::new()),
                _ => ("", String::new()),
            };
            let _ = write!(declaration, "{ty} {star}m{at}{array}{aligned}; ");
            members.push(format!("m{at}"));
        }
        let attribute = match random.below(10) {
            _ if is_packed => " __attribute__((packed))",
            0 => " __attribute__((aligned(32)))",
            _ => "",
        };
        let _ = writeln!(declaration, "}}{attribute};");
        all.push(Generated {
            name,
            declaration,
            members,
        });
    }
    all
}

/// The declarations, a variable of each type, and the witness.
fn source(types: &[Generated]) -> String {
    let mut text = PRELUDE.to_owned();
    let mut entries = String::new();
    for (
        number,
        Generated {
            name,
            declaration,
            members,
        },
    ) in types.iter().enumerate()
    {
        let _ = writeln!(text, "{declaration}{name} of_{number};");
        let _ = write!(entries, "sizeof({name}), _Alignof({name}),");
        for member in members {
            let _ = write!(
                entries,
                "__builtin_offsetof({name}, {member}), sizeof((({name} *)0)->{member}),"
            );
        }
    }
    let _ = writeln!(
        text,
        "const unsigned long long witness[] = {{ {entries} }};"
    );
    text
}

/// The numbers of the witness.
fn witness(object: &[u8], is_big: bool) -> Vec<u64> {
    let file = object::File::parse(object).expect("an object");
    let symbol = file.symbol_by_name("witness").expect("the constant");
    let section = symbol.section_index().expect("it is in a section");
    let section = file.section_by_index(section).expect("the section");
    let start = symbol.address() as usize;
    let data = section.data().expect("the section has data");
    let data = &data[start..start + symbol.size() as usize];
    let number = |bytes: &[u8; 8]| match is_big {
        true => u64::from_be_bytes(*bytes),
        false => u64::from_le_bytes(*bytes),
    };
    data.as_chunks().0.iter().map(number).collect()
}

#[test]
fn every_generated_type_is_laid_out_as_each_compiler_says() {
    let types = generate(20_261_123);
    let source = source(&types);
    for (number, (compiler, flags, is_big)) in MACHINES.into_iter().enumerate() {
        let scratch = Scratch::new(&format!("generated-{number}"));
        let object = cc(compiler, &scratch, "a", &source, flags);
        let layouts = abi_check::layouts(&sides(&[&object])[0]).expect("the object can be read");
        let layouts: BTreeMap<&str, _> = layouts.iter().map(|l| (l.name.as_str(), l)).collect();
        let mut said = witness(&object, is_big).into_iter();
        let mut next = || said.next();
        let bytes = |bits: Option<u64>| bits.map(|bits| bits / 8);
        for Generated {
            name,
            members,
            declaration,
        } in &types
        {
            let bare = name.split(' ').next_back().expect("a name");
            let layout = layouts.get(bare).unwrap_or_else(|| panic!("no {name}"));
            let place = format!("{compiler} {flags:?}: {declaration}");
            assert_eq!(layout.size, next(), "size: {place}");
            assert_eq!(layout.alignment, next(), "alignment: {place}");
            assert_eq!(layout.fields.len(), members.len(), "members: {place}");
            for (field, member) in layout.fields.iter().zip(members) {
                assert_eq!(&field.name, member, "{place}");
                assert_eq!(
                    bytes(field.bit_offset),
                    next(),
                    "offset of {member}: {place}"
                );
                assert_eq!(bytes(field.bit_size), next(), "size of {member}: {place}");
            }
        }
        assert_eq!(next(), None, "{compiler}");
    }
}
