//! A witness that this project did not write: rustc's own account of its layouts.

mod support;

use std::collections::BTreeMap;

use std::path::{Path, PathBuf};
use std::process::Command;

use abi_check::{Field, Layout};
use support::{Scratch, rustc, sides};

const SOURCE: &str = r#"
pub struct Plain { pub a: u8, pub b: u64, pub c: u16, pub d: [u32; 3] }
#[repr(C)] pub struct Ordered { pub a: u8, pub b: u64, pub c: u16 }
#[repr(C, packed)] pub struct Packed { pub a: u8, pub b: u64 }
#[repr(align(64))] pub struct Aligned { pub a: u8 }
pub struct Nested { pub plain: Plain, pub flag: bool, pub wide: u128, pub text: &'static str }
pub enum Data { Unit, Tuple(u8, u32), Struct { x: u64, y: u16 } }
pub enum Niche { Some(&'static u8), None }
#[repr(u8)] pub enum Small { A = 1, B = 200 }
#[repr(C, u16)] pub enum Tagged { A(u32), B(u8) }
pub union Either { pub a: u64, pub b: [u8; 12] }
pub struct Zero;
pub struct Generic<T> { pub t: T, pub n: u8 }
macro_rules! keep { ($($name:ident: $ty:ty),*) => { $(#[unsafe(no_mangle)] pub fn $name(_: &$ty) -> usize { size_of::<$ty>() })* } }
keep!(k1: Plain, k2: Ordered, k3: Packed, k4: Aligned, k5: Nested, k6: Data, k7: Niche, k8: Small, k9: Tagged, k10: Either,
      k11: Zero, k12: Generic<u64>, k13: Generic<[u16; 5]>);
"#;

/// What `-Zprint-type-sizes` says of one type.
#[derive(Debug, Default)]
struct Witness {
    size: u64,
    alignment: u64,
    /// Offset and size of each field, by name; of fields in variants, by `variant.field`.
    fields: BTreeMap<String, (u64, u64)>,
}

/// Reads the output. Fields come in the order of their places, with paddings between them; offsets are written only
/// where that does not give them.
fn parse(text: &str) -> BTreeMap<String, Witness> {
    let number = |part: &str| {
        part.trim()
            .split(' ')
            .next()
            .and_then(|digits| digits.parse::<u64>().ok())
    };
    let mut all = BTreeMap::new();
    let mut current = String::new();
    let mut variant = None;
    let mut tag = 0;
    let mut next = 0;
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("print-type-size") else {
            continue;
        };
        let rest = rest.trim();
        if let Some(rest) = rest.strip_prefix("type: `") {
            let (name, facts) = rest.split_once("`: ").expect("a type has facts");
            let (size, alignment) = facts
                .split_once(", alignment: ")
                .expect("a type has an alignment");
            current = name.to_owned();
            (variant, tag, next) = (None, 0, 0);
            let witness = Witness {
                size: number(size).expect("a size"),
                alignment: number(alignment).expect("an alignment"),
                ..Witness::default()
            };
            all.insert(current.clone(), witness);
        } else if let Some(rest) = rest.strip_prefix("discriminant: ") {
            tag = number(rest).expect("a size");
            next = tag;
        } else if let Some(rest) = rest.strip_prefix("variant `") {
            variant = rest.split_once('`').map(|(name, _)| name.to_owned());
            next = tag;
        } else if let Some(rest) = rest.strip_prefix("padding: ") {
            next += number(rest).expect("a size");
        } else if let Some(rest) = rest.strip_prefix("field `.") {
            let (name, facts) = rest.split_once("`: ").expect("a field has facts");
            let size = number(facts).expect("a size");
            let offset = facts
                .split_once("offset: ")
                .and_then(|(_, offset)| number(offset))
                .unwrap_or(next);
            // Tuple fields are `.0` here and `__0` in DWARF.
            let name = if name.as_bytes()[0].is_ascii_digit() {
                format!("__{name}")
            } else {
                name.to_owned()
            };
            let key = variant
                .as_ref()
                .map_or(name.clone(), |variant: &String| format!("{variant}.{name}"));
            let witness: &mut Witness = all.get_mut(&current).expect("a field follows its type");
            witness.fields.insert(key, (offset, size));
            next = offset + size;
        }
    }
    all
}

fn ours(layout: &Layout) -> BTreeMap<String, (u64, u64)> {
    let place = |field: &Field| {
        (
            field.bit_offset.expect("a place") / 8,
            field.bit_size.expect("a size") / 8,
        )
    };
    let plain = layout
        .fields
        .iter()
        .map(|field| (field.name.clone(), place(field)));
    let variants = layout.variants.iter().flat_map(|variant| {
        variant
            .fields
            .iter()
            .map(move |field| (format!("{}.{}", variant.name, field.name), place(field)))
    });
    plain.chain(variants).collect()
}

/// Each of these stands alone, so its own line of the witness tells whether its layout differs.
const SHUFFLED: &str = r#"
pub struct A { pub a: u8, pub b: u32, pub c: u16, pub d: u64, pub e: u8 }
pub struct B { pub a: u8, pub b: u8 }
pub struct C(pub u16, pub u8, pub u32);
pub enum D { X(u8, u32, u16), Y { a: u64, b: u8 }, Z }
pub struct E { pub text: &'static str, pub flag: bool, pub n: u32 }
#[repr(C)] pub struct F { pub a: u8, pub b: u32, pub c: u16 }
pub struct S<T>(pub Option<T>); unsafe impl<T> Sync for S<T> {}
macro_rules! share { ($($name:ident: $ty:ty),*) => { $(#[unsafe(no_mangle)] pub static $name: S<$ty> = S(None);)* } }
share!(OF_A: A, OF_B: B, OF_C: C, OF_D: D, OF_E: E, OF_F: F);
"#;

#[test]
fn of_layouts_that_rustc_shuffles_exactly_the_changed_ones_are_found() {
    let scratch = Scratch::new("shuffle");
    let build = |seed: u32| {
        let seed = format!("-Zlayout-seed={seed}");
        let flags = ["-Zrandomize-layout", &seed, "-Zprint-type-sizes"];
        let (object, printed) = rustc(&scratch, "a", SHUFFLED, &flags);
        (object, parse(&printed))
    };
    let builds: Vec<_> = (1..=8).map(build).collect();
    let (mut equal, mut different) = (0, 0);
    for (a, of_a) in &builds {
        for (b, of_b) in &builds {
            for name in ["A", "B", "C", "D", "E", "F"] {
                let root = format!("app::OF_{name}");
                let report = support::compare_if(&[a, b], &|candidate| candidate.name == root);
                let same = |key: &str| {
                    let facts = |all: &BTreeMap<String, Witness>| {
                        all.get(key)
                            .map(|w| (w.size, w.alignment, w.fields.clone()))
                    };
                    facts(of_a).is_some() && facts(of_a) == facts(of_b)
                };
                let option = format!("std::option::Option<{name}>");
                let expected = match same(name) && same(&option) {
                    true => abi_check::Verdict::Equal,
                    false => abi_check::Verdict::Mismatch,
                };
                assert_eq!(report.verdict(), expected, "{name}: {report}");
                match expected {
                    abi_check::Verdict::Equal => equal += 1,
                    _ => different += 1,
                }
            }
        }
    }
    assert!(
        equal > 100 && different > 50,
        "{equal} equal, {different} different"
    );
}

#[test]
fn rustc_says_the_same_of_sizes_alignments_and_places() {
    let scratch = Scratch::new("oracle");
    let (object, printed) = rustc(&scratch, "a", SOURCE, &["-Zprint-type-sizes"]);
    let layouts = abi_check::layouts(&sides(&[&object])[0]).expect("the object can be read");
    let witnesses = parse(&printed);
    let mut fields = 0;
    let mut types = 0;
    for layout in &layouts {
        let Some(name) = layout.name.strip_prefix("app::") else {
            continue;
        };
        let Some(witness) = witnesses.get(name) else {
            continue;
        };
        types += 1;
        assert_eq!(layout.size, Some(witness.size), "{name}");
        assert_eq!(layout.alignment, Some(witness.alignment), "{name}");
        for (field, place) in ours(layout) {
            // Places of a union's fields are not printed in a way that can be told from a struct's.
            if name != "Either" {
                assert_eq!(witness.fields.get(&field), Some(&place), "{name}.{field}");
                fields += 1;
            }
        }
    }
    assert!(
        types >= 12 && fields >= 25,
        "only {types} types with {fields} fields were compared:\n{printed}"
    );
}

/// A source that the toolchain has of its own libraries.
fn core_source() -> PathBuf {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--print", "sysroot"])
        .output()
        .expect("rustc runs");
    let sysroot = String::from_utf8(output.stdout).expect("a path");
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs");
    assert!(source.is_file(), "rustup component add rust-src");
    source
}

/// `core` for a target, and what rustc says of its types.
fn core_of(target: &str) -> (Vec<u8>, BTreeMap<String, Witness>) {
    let scratch = Scratch::new(&format!("core-{target}"));
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["--edition=2024", "--crate-name=core", "--crate-type=lib"])
        .args(["--emit=obj=core.o", "-Cdebuginfo=2", "-Ccodegen-units=1"])
        .args(["-Awarnings", "-Zprint-type-sizes", "--target", target])
        .arg(core_source())
        .current_dir(scratch.path())
        .output()
        .expect("rustc runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let object = std::fs::read(scratch.path().join("core.o")).expect("an object");
    (object, parse(&String::from_utf8_lossy(&output.stdout)))
}

/// A type's name as rustc prints it in its own crate, of the name in DWARF.
fn printed(name: &str) -> String {
    name.replace("core::", "")
}

/// The name without lifetimes, which DWARF has not.
fn without_lifetimes(name: &str) -> String {
    ["<'_>", "'_, ", "'_ ", "'static "]
        .iter()
        .fold(name.to_owned(), |name, lifetime| name.replace(lifetime, ""))
}

#[test]
fn rustc_says_the_same_of_all_types_of_core_on_two_targets() {
    for target in ["x86_64-unknown-none", "riscv32imac-unknown-none-elf"] {
        let (object, witnesses) = core_of(target);
        let mut by_name: BTreeMap<String, Vec<&Witness>> = BTreeMap::new();
        for (name, witness) in &witnesses {
            let name = without_lifetimes(name);
            by_name.entry(name).or_default().push(witness);
        }
        let layouts = abi_check::layouts(&sides(&[&object])[0]).expect("the object can be read");
        let (mut types, mut fields, mut wrong) = (0, 0, Vec::new());
        for layout in &layouts {
            // Of what has one name and several lifetimes, all layouts are one.
            let Some([witness, ..]) = by_name.get(&printed(&layout.name)).map(Vec::as_slice) else {
                continue;
            };
            types += 1;
            if (layout.size, layout.alignment) != (Some(witness.size), Some(witness.alignment)) {
                wrong.push(format!("{}: {layout:?}, not {witness:?}", layout.name));
            }
            // Places of a union's fields are not printed in a way that can be told from a struct's.
            let is_union = layout.fields.len() > 1
                && layout
                    .fields
                    .iter()
                    .all(|field| field.bit_offset == Some(0))
                && layout
                    .fields
                    .iter()
                    .filter(|field| field.bit_size != Some(0))
                    .count()
                    > 1;
            if is_union {
                continue;
            }
            for (field, place) in ours(layout) {
                let Some(said) = witness.fields.get(&field) else {
                    continue;
                };
                fields += 1;
                // An unsized tail begins where what has a size ends; here it is one element.
                let is_tail = *said == (witness.size, 0) && said.0 == place.0;
                if *said != place && !is_tail {
                    wrong.push(format!("{}.{field}: {place:?}, not {said:?}", layout.name));
                }
            }
        }
        assert!(wrong.is_empty(), "{target}:\n{}", wrong.join("\n"));
        assert!(
            types > 500 && fields > 700,
            "{target}: of {} types of rustc only {types} with {fields} fields were compared",
            witnesses.len()
        );
    }
}
