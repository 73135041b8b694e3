//! Real objects of every machine of the table. What each compiler says of its own layouts is in the same object: as
//! constants of `sizeof`, `_Alignof` and `offsetof`, and as bit-fields that it filled itself.
//!
//! The compilers are Debian's `gcc-TRIPLE`; a machine whose compiler is missing fails its test.

mod support;

use abi_check::{Field, Kind, Layout, Report, Verdict};
use object::{Object, ObjectSection, ObjectSymbol};
use support::{Scratch, cc, compare, sides, summary};

struct Machine {
    name: &'static str,
    compiler: &'static str,
    flags: &'static [&'static str],
    big: bool,
}

const fn machine(name: &'static str, compiler: &'static str) -> Machine {
    Machine {
        name,
        compiler,
        flags: &[],
        big: false,
    }
}

const X86_64: Machine = machine("x86_64", "x86_64-linux-gnu-gcc");
const I686: Machine = machine("i686", "i686-linux-gnu-gcc");
const AARCH64: Machine = machine("aarch64", "aarch64-linux-gnu-gcc");
const ARM: Machine = machine("arm", "arm-linux-gnueabihf-gcc");
const RISCV64: Machine = machine("riscv64", "riscv64-linux-gnu-gcc");
const RISCV32: Machine = Machine {
    flags: &["-march=rv32imac", "-mabi=ilp32"],
    ..machine("riscv32", "riscv64-linux-gnu-gcc")
};
const S390X: Machine = Machine {
    big: true,
    ..machine("s390x", "s390x-linux-gnu-gcc")
};
const POWERPC64: Machine = Machine {
    big: true,
    ..machine("powerpc64", "powerpc64-linux-gnu-gcc")
};
const ALL: [Machine; 8] = [
    X86_64, I686, AARCH64, ARM, RISCV64, RISCV32, S390X, POWERPC64,
];

impl Machine {
    fn compile(&self, test: &str, source: &str) -> Vec<u8> {
        let scratch = Scratch::new(&format!("{test}-{}", self.name));
        cc(self.compiler, &scratch, self.name, source, self.flags)
    }
}

/// The report on a source compiled for two machines.
fn between(test: &str, a: &Machine, b: &Machine, source: &str) -> Report {
    let objects = [a, b].map(|machine| machine.compile(test, source));
    compare(&[&objects[0], &objects[1]])
}

/// Bytes of a constant that has a symbol.
fn constant(object: &[u8], name: &str) -> Vec<u8> {
    let file = object::File::parse(object).expect("an object");
    let symbol = file
        .symbol_by_name(name)
        .expect("the compiler kept the constant");
    let index = symbol.section_index().expect("it is in a section");
    let section = file.section_by_index(index).expect("the section");
    let start = symbol.address() as usize;
    let data = section.data().expect("the section has data");
    data[start..start + symbol.size() as usize].to_vec()
}

const NATIVE: &str = "
    enum small { ONE = 1, TWO };
    enum wide { BIG = 0x123456789aLL };
    struct scalars { char c; short s; int i; long l; long long q; char *p; _Bool b; float f; char z; };
    struct doubles { char a; double d; char b; long double l; char c; };
    struct one_double { double d; double e; };
    struct one_long_long { long long q[2]; };
    struct complexes { char a; float _Complex f; char b; double _Complex d; char c; long double _Complex l; };
    struct inner { char c; short s; };
    struct outer { char c; struct inner n[3]; enum small e; char d; enum wide w; void (*call)(int); };
    struct __attribute__((packed)) tight { char c; double d; long l; };
    struct raised { char c; _Alignas(32) int i; char d; };
    union either { char c[5]; long long q; double d; };
    struct holder { char c; union either e; };
    struct two { int a, b; }; struct three { char a[3]; }; struct four { int a[4]; };
    struct atomics { char a; _Atomic long long q; char b; _Atomic struct two t; char c; _Atomic struct three u; char d;
        _Atomic struct four f; char e; _Atomic double g; };
    struct sole_atomic { _Atomic long long q; };
    struct sole_atomic_structure { _Atomic struct two t; };
    struct wide_atomic { _Atomic struct four f; };
    struct atomic_and_more { _Atomic long long q; char c; };
    struct of_sole { char c; struct sole_atomic s; struct sole_atomic_structure t; };
    struct sole_array { _Atomic long long q[1]; };
    struct of_sole_array { char c; struct sole_array s; };
    struct raised_alone { _Alignas(8) char d[8]; };
    struct of_raised_alone { char c; struct raised_alone d; };";

/// Types of [`NATIVE`] and their members.
const MEMBERS: &[(&str, &[&str])] = &[
    ("scalars", &["c", "s", "i", "l", "q", "p", "b", "f", "z"]),
    ("doubles", &["a", "d", "b", "l", "c"]),
    ("one_double", &["d", "e"]),
    ("one_long_long", &["q"]),
    ("complexes", &["a", "f", "b", "d", "c", "l"]),
    ("inner", &["c", "s"]),
    ("outer", &["c", "n", "e", "d", "w", "call"]),
    ("tight", &["c", "d", "l"]),
    ("raised", &["c", "i", "d"]),
    ("holder", &["c", "e"]),
    (
        "atomics",
        &["a", "q", "b", "t", "c", "u", "d", "f", "e", "g"],
    ),
    ("sole_atomic", &["q"]),
    ("sole_atomic_structure", &["t"]),
    ("wide_atomic", &["f"]),
    ("atomic_and_more", &["q", "c"]),
    ("of_sole", &["c", "s", "t"]),
    ("sole_array", &["q"]),
    ("of_sole_array", &["c", "s"]),
    ("raised_alone", &["d"]),
    ("of_raised_alone", &["c", "d"]),
];

fn named<'l>(layouts: &'l [Layout], name: &str) -> &'l Layout {
    layouts
        .iter()
        .find(|layout| layout.name == name)
        .unwrap_or_else(|| panic!("no type {name}"))
}

fn field<'l>(layout: &'l Layout, name: &str) -> &'l Field {
    layout
        .fields
        .iter()
        .find(|field| field.name == name)
        .unwrap_or_else(|| panic!("no field {name} in {}", layout.name))
}

#[test]
fn every_compiler_says_the_same_of_sizes_alignments_and_places() {
    let mut entries = String::new();
    let mut variables = String::new();
    for (ty, members) in MEMBERS {
        entries += &format!("sizeof(struct {ty}), _Alignof(struct {ty}),");
        variables += &format!("struct {ty} of_{ty};");
        for member in *members {
            entries += &format!("__builtin_offsetof(struct {ty}, {member}),");
            entries += &format!("sizeof(((struct {ty} *)0)->{member}),");
        }
    }
    let source = format!("{NATIVE} {variables} const unsigned oracle[] = {{ {entries} }};");
    for machine in &ALL {
        let object = machine.compile("oracle", &source);
        let bytes = constant(&object, "oracle");
        let mut numbers = bytes.as_chunks().0.iter().map(|bytes| match machine.big {
            true => u64::from(u32::from_be_bytes(*bytes)),
            false => u64::from(u32::from_le_bytes(*bytes)),
        });
        let mut next = || numbers.next();
        let layouts = abi_check::layouts(&sides(&[&object])[0]).expect("the object can be read");
        for (ty, members) in MEMBERS {
            let layout = named(&layouts, ty);
            let place = format!("{}: {ty}", machine.name);
            assert_eq!(layout.size, next(), "size of {place}");
            assert_eq!(layout.alignment, next(), "alignment of {place}");
            for member in *members {
                let field = field(layout, member);
                let bytes = |bits: Option<u64>| bits.map(|bits| bits / 8);
                assert_eq!(
                    bytes(field.bit_offset),
                    next(),
                    "offset of {place}.{member}"
                );
                assert_eq!(bytes(field.bit_size), next(), "size of {place}.{member}");
            }
        }
        assert_eq!(next(), None, "{}", machine.name);
    }
}

#[test]
fn bit_fields_are_where_every_compiler_put_their_bits() {
    const FIELDS: &[&str] = &["a", "b", "c", "d", "e", "f"];
    let declaration = "struct bits { unsigned a : 3; unsigned b : 7; unsigned char c : 5; unsigned long long d : 33;
        unsigned short e; unsigned f : 1; }; struct bits variable;";
    let constants: String = FIELDS
        .iter()
        .map(|name| format!("const struct bits only_{name} = {{ .{name} = -1 }};"))
        .collect();
    for machine in &ALL {
        for dwarf in ["-gdwarf-3", "-gdwarf-4", "-gdwarf-5"] {
            let scratch = Scratch::new(&format!("bits-{}{dwarf}", machine.name));
            let flags = [machine.flags, &[dwarf, "-gstrict-dwarf"]].concat();
            let source = format!("{declaration} {constants}");
            let object = cc(machine.compiler, &scratch, "a", &source, &flags);
            let layouts = abi_check::layouts(&sides(&[&object])[0]).expect("it can be read");
            for name in FIELDS {
                let bytes = constant(&object, &format!("only_{name}"));
                let set: Vec<u64> = (0..8 * bytes.len())
                    .filter(|bit| {
                        let shift = if machine.big { 7 - bit % 8 } else { bit % 8 };
                        bytes[bit / 8] >> shift & 1 == 1
                    })
                    .map(|bit| bit as u64)
                    .collect();
                let field = field(named(&layouts, "bits"), name);
                let start = field.bit_offset.expect("a place");
                let expected: Vec<u64> = (start..start + field.bit_size.expect("a size")).collect();
                assert_eq!(set, expected, "{} {dwarf} {name}", machine.name);
            }
        }
    }
}

/// Nothing in it depends on the machine, but the byte order.
const FIXED: &str = "
    typedef __UINT8_TYPE__ u8; typedef __UINT16_TYPE__ u16; typedef __UINT32_TYPE__ u32; typedef __INT64_TYPE__ i64;
    enum color { RED, GREEN = 7 };
    struct point { u32 x, y; float z; enum color color; };
    struct message { _Alignas(8) i64 time; u8 kind; signed char level; u16 length; struct point at[3]; _Alignas(8) double d;
                     union { u32 word; u8 bytes[4]; } raw; } _Alignas(16) message;
    u16 table[4][5];";

#[test]
fn fixed_widths_with_explicit_alignment_are_equal_on_all_machines_of_one_byte_order() {
    let first = |machine: &Machine| if machine.big { S390X } else { X86_64 };
    for machine in &ALL {
        let report = between("fixed", &first(machine), machine, FIXED);
        assert_eq!(
            report.verdict(),
            Verdict::Equal,
            "{}: {report}",
            machine.name
        );
        assert_eq!(report.compared_roots, 2, "{}: {report}", machine.name);
    }
}

#[test]
fn all_machines_of_one_byte_order_are_compared_at_once() {
    let objects = [&X86_64, &ARM, &RISCV32].map(|machine| machine.compile("at_once", FIXED));
    let report = compare(&[&objects[0], &objects[1], &objects[2]]);
    assert_eq!(report.verdict(), Verdict::Equal, "{report}");
    assert_eq!(report.compared_roots, 2, "{report}");
}

#[test]
fn compressed_sections_are_read_in_both_classes_and_byte_orders() {
    // Compression that gains nothing is left out, so there must be something to gain.
    let members: String = (0..200).map(|at| format!("u32 member_{at};")).collect();
    let source = format!("{FIXED} struct long_one {{ {members} }} long_one;");
    for machine in &ALL {
        let plain = machine.compile("compress_plain", &source);
        let scratch = Scratch::new(&format!("compress-{}", machine.name));
        let flags = [machine.flags, &["-gz=zlib"]].concat();
        let small = cc(machine.compiler, &scratch, "a", &source, &flags);
        assert!(small.len() < plain.len(), "{}", machine.name);
        let report = compare(&[&plain, &small]);
        assert_eq!(
            report.verdict(),
            Verdict::Equal,
            "{}: {report}",
            machine.name
        );
        assert_eq!(report.compared_roots, 3, "{}: {report}", machine.name);
    }
}

#[test]
fn another_byte_order_is_one_finding() {
    for machine in [&S390X, &POWERPC64] {
        let report = between("order", &X86_64, machine, FIXED);
        assert_eq!(summary(&report), [(Kind::ByteOrder, "", "")], "{report}");
        assert_eq!(Kind::ByteOrder.id(), "AC0014");
    }
}

#[test]
fn char_is_signed_on_x86_only() {
    for machine in &ALL {
        let report = between("char", &X86_64, machine, "struct s { char c; } s;");
        let found = summary(&report).contains(&(Kind::BaseEncoding, "char", ""));
        let signed = ["x86_64", "i686"].contains(&machine.name);
        assert_eq!(found, !signed, "{}: {report}", machine.name);
    }
}

#[test]
fn long_has_another_size_on_32_bits() {
    for (machine, differs) in [
        (&ARM, true),
        (&RISCV32, true),
        (&I686, true),
        (&AARCH64, false),
    ] {
        let report = between("long", &X86_64, machine, "struct s { int i; long l; } s;");
        let found = summary(&report).contains(&(Kind::Size, "long int", ""));
        assert_eq!(found, differs, "{}: {report}", machine.name);
    }
}

#[test]
fn pointers_have_another_width_on_32_bits() {
    for (machine, differs) in [
        (&ARM, true),
        (&RISCV32, true),
        (&I686, true),
        (&RISCV64, false),
    ] {
        let report = between("pointer", &X86_64, machine, "struct s { int *p; } s;");
        let found = summary(&report)
            .iter()
            .any(|(kind, ..)| *kind == Kind::PointerWidth);
        assert_eq!(found, differs, "{}: {report}", machine.name);
    }
}

#[test]
fn the_i386_aligns_a_double_in_a_struct_to_4() {
    let source = "struct s { int i; double d; } s; struct t { double d; int i, j; } t;";
    let report = between("double", &X86_64, &I686, source);
    let found = summary(&report);
    // In the second one places and size are the same: only where such a struct may lie differs.
    let expected = [(Kind::Alignment, "s", ""), (Kind::Alignment, "t", "")];
    assert_eq!(found, expected, "{report}");
    let report = between("double", &X86_64, &ARM, source);
    assert_eq!(report.verdict(), Verdict::Equal, "{report}");
}

#[test]
fn who_points_to_a_number_relies_on_its_alignment() {
    let source = "long long *p;";
    let report = between("pointee", &I686, &ARM, source);
    let kinds: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Alignment], "{report}");
}

#[test]
fn long_double_has_five_formats() {
    let source = "long double value;";
    let found = |a: &Machine, b: &Machine| {
        let report = between("long_double", a, b, source);
        let kinds: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
        (kinds, format!("{report}"))
    };
    for (a, b) in [
        (&X86_64, &AARCH64),
        (&X86_64, &RISCV64),
        (&X86_64, &RISCV32),
    ] {
        let (kinds, text) = found(a, b);
        assert_eq!(kinds, [Kind::FloatFormat], "{text}");
    }
    for (a, b) in [(&AARCH64, &RISCV64), (&RISCV64, &RISCV32)] {
        let (kinds, text) = found(a, b);
        assert_eq!(kinds, [], "{text}");
    }
    let (kinds, text) = found(&AARCH64, &ARM);
    assert_eq!(kinds, [Kind::FloatFormat], "{text}");
    // The same 80 bits in 16 and in 12 bytes.
    let (kinds, text) = found(&X86_64, &I686);
    assert_eq!(kinds, [Kind::Size], "{text}");
    let (kinds, text) = found(&S390X, &POWERPC64);
    assert_eq!(kinds, [Kind::FloatFormat], "{text}");
    assert!(text.contains("IBM double-double"), "{text}");
}

#[test]
fn an_alignment_that_the_psabi_leaves_open_is_unproved() {
    let source = "typedef int v4 __attribute__((vector_size(16))); v4 vector;";
    let report = between("vector", &S390X, &S390X, source);
    assert_eq!(report.verdict(), Verdict::Unproved, "{report}");
    let report = between("vector", &X86_64, &AARCH64, source);
    assert_eq!(report.verdict(), Verdict::Equal, "{report}");
}
