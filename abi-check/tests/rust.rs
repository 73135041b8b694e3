//! Real output of rustc, compiled twice for the host; a `cfg` makes the difference that must be found.

mod support;

use abi_check::{CodePointers, Kind, PanicStrategy, Report, Selection, Verdict, compare_selected};
use support::{Scratch, compare, rustc, sides, summary};

/// What every source of this file begins with.
const PRELUDE: &str = "
use std::cell::UnsafeCell;
pub struct Shared<T>(UnsafeCell<T>);
unsafe impl<T> Sync for Shared<T> {}
impl<T> Shared<T> { pub const fn new(value: T) -> Self { Shared(UnsafeCell::new(value)) } }
";

/// Compiles `source` without and with `cfg(b)`, and compares.
fn flip(name: &str, source: &str) -> Report {
    let scratch = Scratch::new(name);
    let source = format!("{PRELUDE}{source}");
    let (a, _) = rustc(&scratch, "a", &source, &[]);
    let (b, _) = rustc(&scratch, "b", &source, &["--cfg=b"]);
    let report = compare(&[&a, &b]);
    let same = compare(&[&a, &a]);
    assert_eq!(same.verdict(), Verdict::Equal, "{same}");
    assert!(same.findings.is_empty(), "{same}");
    report
}

#[test]
fn a_field_of_another_size_is_reported_where_it_is_declared() {
    let report = flip(
        "field_type",
        "pub struct Inner { pub flag: bool, #[cfg(not(b))] pub count: u64, #[cfg(b)] pub count: u32 }
         pub struct Stats { pub inner: Inner, pub name: &'static str }
         #[unsafe(no_mangle)] pub static STATS: Shared<Option<Stats>> = Shared::new(None);",
    );
    assert_eq!(
        summary(&report),
        [(Kind::FieldType, "app::Inner", "count")],
        "{report}"
    );
    let finding = &report.findings[0];
    assert_eq!(
        finding.reached[0].path,
        "app::STATS.__0.value.Some.__0.inner.count"
    );
    assert_eq!(
        finding.sides[0]
            .place
            .as_ref()
            .map(|place| (place.file.as_str(), place.line)),
        Some(("app.rs", 6))
    );
    assert!(
        finding.also_affects.contains(&"app::Stats".to_owned()),
        "{report}"
    );
}

#[test]
fn fields_of_a_c_struct_in_another_order_are_at_other_places() {
    let report = flip(
        "order",
        "#[cfg(not(b))] #[repr(C)] pub struct S { pub a: u32, pub c: u32 }
         #[cfg(b)] #[repr(C)] pub struct S { pub c: u32, pub a: u32 }
         #[unsafe(no_mangle)] pub static X: Shared<S> = Shared::new(S { a: 1, c: 2 });",
    );
    assert_eq!(
        summary(&report),
        [(Kind::FieldOffset, "app::S", "a")],
        "{report}"
    );
}

#[test]
fn alignment_is_compared_and_explains_the_size() {
    let report = flip(
        "alignment",
        "#[cfg_attr(b, repr(align(128)))] #[cfg_attr(not(b), repr(align(64)))] pub struct Pad(pub u8);
         #[unsafe(no_mangle)] pub static X: Shared<[Pad; 2]> = Shared::new([Pad(1), Pad(2)]);",
    );
    assert_eq!(
        summary(&report),
        [(Kind::Alignment, "app::Pad", "")],
        "{report}"
    );
}

#[test]
fn a_discriminant_of_another_value_is_found() {
    let report = flip(
        "discriminant",
        "#[repr(u8)] pub enum E { A(u32) = 1, B(u64) = if cfg!(b) { 3 } else { 2 } }
         #[unsafe(no_mangle)] pub static X: Shared<E> = Shared::new(E::A(1));",
    );
    assert_eq!(
        summary(&report),
        [(Kind::Discriminant, "app::E", "B")],
        "{report}"
    );
}

#[test]
fn enumerators_of_a_fieldless_enum_are_found() {
    let report = flip(
        "enumerator",
        "#[repr(i8)] pub enum E { A = -3, B = if cfg!(b) { 7 } else { 5 } }
         #[unsafe(no_mangle)] pub static X: Shared<E> = Shared::new(E::A);",
    );
    assert_eq!(
        summary(&report),
        [(Kind::Enumerator, "app::E", "B")],
        "{report}"
    );
}

#[test]
fn an_added_variant_is_found_and_nothing_that_follows_from_it() {
    let report = flip(
        "variant",
        "pub enum E { A(u8), B(u32), C, #[cfg(b)] D(u64) }
         #[unsafe(no_mangle)] pub static X: Shared<Option<E>> = Shared::new(None);",
    );
    assert_eq!(
        summary(&report),
        [(Kind::Variant, "app::E", "D")],
        "{report}"
    );
}

#[test]
fn a_niche_that_moves_is_found_even_if_nothing_else_does() {
    let report = flip(
        "niche",
        "#[cfg(not(b))] #[repr(C)] pub struct S { pub a: bool, pub c: u8 }
         #[cfg(b)] #[repr(C)] pub struct S { pub a: u8, pub c: bool }
         #[unsafe(no_mangle)] pub static X: Shared<Option<S>> = Shared::new(None);",
    );
    let kinds = summary(&report);
    assert_eq!(
        kinds,
        [
            (Kind::BaseEncoding, "app::S", "a"),
            (Kind::BaseEncoding, "app::S", "c")
        ],
        "{report}"
    );
}

#[test]
fn the_bits_of_a_128_bit_discriminant_are_compared() {
    let report = flip(
        "wide",
        "#[repr(u128)] pub enum E { A(u8) = 1, B(u8) = if cfg!(b) { 1 << 127 } else { 1 << 126 } }
         #[unsafe(no_mangle)] pub static X: Shared<E> = Shared::new(E::A(1));",
    );
    assert_eq!(
        summary(&report),
        [(Kind::Discriminant, "app::E", "B")],
        "{report}"
    );
}

#[test]
fn a_coroutine_with_one_more_await_is_found_through_its_vtable() {
    let report = flip(
        "coroutine",
        "pub async fn task(x: u32) -> u32 { let y = x + 1; nap().await; #[cfg(b)] nap().await; y }
         async fn nap() {}
         pub fn make() -> Box<dyn std::future::Future<Output = u32>> { Box::new(task(3)) }",
    );
    assert_eq!(
        summary(&report),
        [(Kind::Variant, "app::task::{async_fn_env#0}", "4")],
        "{report}"
    );
}

#[test]
fn what_a_coroutine_keeps_over_an_await_is_compared() {
    let report = flip(
        "saved",
        "pub async fn task() -> u32 { #[cfg(not(b))] let y = 1u32; #[cfg(b)] let y = 1u64; nap(&y).await; y as u32 }
         async fn nap<T>(_: &T) {}
         pub fn make() -> Box<dyn std::future::Future<Output = u32>> { Box::new(task()) }",
    );
    assert_eq!(report.verdict(), Verdict::Mismatch, "{report}");
    let found = summary(&report);
    assert!(
        found.contains(&(
            Kind::FieldType,
            "app::task::{async_fn_env#0}::Suspend0",
            "y"
        )),
        "{report}"
    );
}

#[test]
fn what_grows_in_one_state_of_a_coroutine_is_one_finding() {
    let report = flip(
        "state",
        "pub async fn task(x: u32) -> u32 {
             #[cfg(not(b))] let y = [1u8; 4]; #[cfg(b)] let y = [1u8; 64];
             nap(&y[..]).await; y[0] as u32 + x
         }
         async fn nap(_: &[u8]) {}
         #[used] pub static START: &(dyn Fn() + Sync) = &|| { let _: Box<dyn Future<Output = u32>> = Box::new(task(1)); };",
    );
    assert_eq!(
        summary(&report),
        [(
            Kind::ArrayLength,
            "app::task::{async_fn_env#0}::Suspend0",
            "y"
        )],
        "{report}"
    );
}

#[test]
fn code_pointers_are_findings_where_they_are_refused() {
    let scratch = Scratch::new("code");
    let source = format!(
        "{PRELUDE}
         pub trait Act: Sync {{ fn act(&self); }}
         impl Act for u8 {{ fn act(&self) {{}} }}
         pub struct Hooks {{ pub number: u32, pub hook: Option<fn(u32)>, pub act: &'static dyn Act }}
         #[unsafe(no_mangle)] pub static HOOKS: Shared<Hooks> = Shared::new(Hooks {{ number: 1, hook: None, act: &7u8 }});
         #[unsafe(no_mangle)] pub static PLAIN: fn(u8) = plain; fn plain(_: u8) {{}}"
    );
    let (object, _) = rustc(&scratch, "a", &source, &[]);
    let of = |code_pointers| {
        let selection = Selection {
            statics: &|_| true,
            types: None,
            code_pointers,
            lints: &[],
            progress: None,
        };
        compare_selected(&sides(&[&object, &object]), selection).expect("the object can be read")
    };
    let refused = of(CodePointers::Refused);
    assert_eq!(refused.verdict(), Verdict::Mismatch, "{refused}");
    assert_eq!(
        summary(&refused),
        [
            (Kind::CodePointer, "", "app::PLAIN"),
            (Kind::CodePointer, "app::Hooks", "act"),
            (
                Kind::CodePointer,
                "core::option::Option<fn(u32)>::Some",
                "__0"
            ),
        ],
        "{refused}"
    );
    let allowed = of(CodePointers::Allowed);
    assert_eq!(allowed.verdict(), Verdict::Equal, "{allowed}");
    assert_eq!(allowed.code_pointers, 3);
}

#[test]
fn closures_behind_dyn_are_compared_and_their_numbers_are_not() {
    let source = |extra: &str| {
        format!(
            "pub fn make(n: u32) -> (Box<dyn Fn() -> u64>, Box<dyn Fn() -> u64>) {{
                 #[cfg(b)] let _first = || 1u8;
                 let m = n as {extra};
                 (Box::new(move || m as u64), Box::new(move || (n + 1) as u64))
             }}"
        )
    };
    let shifted = flip("shifted", &source("u32"));
    assert_eq!(shifted.verdict(), Verdict::Equal, "{shifted}");
    assert!(shifted.compared_roots >= 2, "{shifted}");
    let other = flip(
        "captured",
        &source("Width").replace(
            "pub fn",
            "#[cfg(b)] type Width = u16; #[cfg(not(b))] type Width = u32; pub fn",
        ),
    );
    assert_eq!(
        summary(&other),
        [(Kind::FieldType, "app::make::{closure_env#0}", "m")],
        "{other}"
    );
}

#[test]
fn types_of_other_names_and_the_same_layout_are_a_warning() {
    let report = flip(
        "renamed",
        "pub struct A { pub n: u32 } pub struct B { pub n: u32 }
         #[cfg(not(b))] type T = A; #[cfg(b)] type T = B;
         pub struct S { pub t: T }
         #[unsafe(no_mangle)] pub static X: Shared<S> = Shared::new(S { t: T { n: 1 } });",
    );
    let found = summary(&report);
    assert!(
        found.iter().all(|(kind, ..)| *kind == Kind::DifferentType),
        "{report}"
    );
    assert!(
        found.contains(&(Kind::DifferentType, "app::S", "t")),
        "{report}"
    );
    assert_eq!(report.verdict(), Verdict::Equal);
}

#[test]
fn statics_inside_functions_are_found() {
    let report = flip(
        "local",
        "pub fn count() -> u32 {
             #[cfg(not(b))] static LOCAL: Shared<u32> = Shared::new(1);
             #[cfg(b)] static LOCAL: Shared<u64> = Shared::new(1);
             unsafe { *LOCAL.0.get() += 1; *LOCAL.0.get() as u32 }
         }",
    );
    assert_eq!(report.verdict(), Verdict::Mismatch, "{report}");
    assert_eq!(
        report.findings[0].reached[0].root, "app::count::LOCAL",
        "{report}"
    );
}

#[test]
fn what_only_a_pointer_reaches_is_compared() {
    let report = flip(
        "pointee",
        "pub struct Node { pub next: Option<&'static Node>, #[cfg(b)] pub a: u8, #[cfg(not(b))] pub a: i8 }
         #[unsafe(no_mangle)] pub static HEAD: Shared<Option<&'static Node>> = Shared::new(None);
         pub fn touch(node: &Node) -> u8 { node.a as u8 }",
    );
    assert_eq!(
        summary(&report),
        [(Kind::BaseEncoding, "app::Node", "a")],
        "{report}"
    );
}

#[test]
fn a_static_of_one_side_is_unproved() {
    let report = flip(
        "one_sided",
        "#[unsafe(no_mangle)] pub static BOTH: Shared<u8> = Shared::new(1);
         #[cfg(b)] #[unsafe(no_mangle)] pub static ONE: Shared<u8> = Shared::new(1);",
    );
    assert_eq!(report.verdict(), Verdict::Unproved, "{report}");
    assert_eq!(report.unproved[0].subject, "app::ONE");
    assert_eq!(report.unproved[0].sides, [1]);
}

#[test]
fn nothing_selected_is_no_proof() {
    let scratch = Scratch::new("nothing");
    let (a, _) = rustc(
        &scratch,
        "a",
        "#[unsafe(no_mangle)] pub static X: u8 = 1;",
        &[],
    );
    let report = support::compare_if(&[&a, &a], &|_| false);
    assert_eq!(report.verdict(), Verdict::NothingCompared);
    assert!(
        report.to_string().contains("error: nothing was compared"),
        "{report}"
    );
}

#[test]
fn what_a_panic_does_is_told_where_code_shows_it() {
    let source = "pub fn f(g: fn()) -> usize { let v = vec![1u8]; g(); v.len() }
        #[unsafe(no_mangle)] pub static X: u32 = 1;";
    let scratch = Scratch::new("panic");
    let (unwind, _) = rustc(&scratch, "a", source, &["-Cpanic=unwind"]);
    let (abort, _) = rustc(&scratch, "b", source, &["-Cpanic=abort"]);
    let report = compare(&[&unwind, &abort]);
    assert_eq!(report.panics, [Some(PanicStrategy::Unwind), None]);
    assert!(
        report.to_string().contains("(1 unit), panic=unwind\n"),
        "{report}"
    );
}

#[test]
fn dwarf_5_gives_the_same_answers() {
    let scratch = Scratch::new("dwarf5");
    let source = format!(
        "{PRELUDE} pub struct S {{ pub a: u8, #[cfg(b)] pub c: u16, #[cfg(not(b))] pub c: u32 }}
         pub static X: Shared<Option<S>> = Shared::new(None);
         pub fn touch() -> usize {{ X.0.get() as usize }}"
    );
    let (a, _) = rustc(&scratch, "a", &source, &["-Cdwarf-version=5"]);
    let (b, _) = rustc(&scratch, "b", &source, &["-Cdwarf-version=5", "--cfg=b"]);
    let (old, _) = rustc(&scratch, "old", &source, &["-Cdwarf-version=4"]);
    let report = compare(&[&a, &b]);
    assert_eq!(
        summary(&report),
        [(Kind::FieldType, "app::S", "c")],
        "{report}"
    );
    assert_eq!(compare(&[&a, &old]).verdict(), Verdict::Equal);
    let seen = std::sync::Mutex::new(Vec::new());
    support::compare_if(&[&a, &old], &|root| {
        seen.lock()
            .expect("no panic")
            .push((root.name.to_owned(), root.location.is_some()));
        true
    });
    let seen = seen.into_inner().expect("no panic");
    assert_eq!(
        seen.iter()
            .filter(|(name, placed)| name == "app::X" && *placed)
            .count(),
        2,
        "{seen:?}"
    );
}
