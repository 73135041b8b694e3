//! What is refused, in which words and at which ones; what the attribute makes is compiled and called by `fatcc-rt`.

use proc_macro2::TokenStream;

use super::expand;

/// The words that errors are at, and what they say.
fn refused(arguments: &str, function: &str) -> Vec<(String, String)> {
    let tokens = |text: &str| text.parse::<TokenStream>().expect("tokens");
    let Err(error) = expand(tokens(arguments), tokens(function)) else {
        panic!("{function} was accepted")
    };
    let each = error.into_iter().map(|error| {
        let at = error.span().source_text().unwrap_or_default();
        (at, error.to_string())
    });
    each.collect()
}

#[track_caller]
fn is_refused(function: &str, at: &str, why: &str) {
    let errors = refused("", function);
    let [(place, message)] = &errors[..] else {
        panic!("{errors:?}")
    };
    assert_eq!(place, at);
    assert!(message.contains(why), "{message}");
}

#[test]
fn functions_that_are_many_or_run_elsewhere_are_refused() {
    is_refused("const fn f() {}", "const", "may run before there is a CPU");
    is_refused("async fn f() {}", "async", "await `task::switch_to` in it");
    is_refused("fn f<T: Send>(t: T) {}", "T: Send", "it is many functions");
    is_refused(
        "fn f<const N: usize>() {}",
        "const N: usize",
        "it is many functions",
    );
    is_refused(
        "unsafe extern \"C\" fn f(n: u32, ...) {}",
        "...",
        "variable arguments",
    );
    is_refused("fn f() -> ! { loop {} }", "!", "would wait for ever");
}

#[test]
fn arguments_that_cannot_be_passed_on_are_refused() {
    is_refused(
        "fn f(&mut self) {}",
        "&mut self",
        "a method cannot be placed",
    );
    is_refused(
        "fn f(f: &impl Fn()) {}",
        "impl Fn()",
        "makes the function generic",
    );
    is_refused(
        "fn f(#[cfg(unix)] n: u32) {}",
        "#[cfg(unix)]",
        "has no attributes",
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    let errors = refused("", "async fn f<T>(n: impl Fn()) -> ! {}");
    let places: Vec<&str> = errors.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(places, ["async", "T", "impl Fn()", "!"]);
}

#[test]
fn what_is_no_function_is_refused() {
    is_refused(
        "struct S;",
        "struct",
        "only a function can be placed: expected `fn`",
    );
}

#[test]
fn the_attribute_has_no_arguments() {
    let errors = refused("riscv64", "fn f() {}");
    assert_eq!(errors[0].0, "riscv64");
    assert!(
        errors[0].1.contains("the boot parameter `place=`"),
        "{errors:?}"
    );
}
