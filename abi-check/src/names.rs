//! Names of types: how they are shown, and when two of them mean the same type.
//!
//! rustc numbers closures, coroutines and impl blocks in the order of the source after `cfg`, so one extra closure for
//! one CPU shifts the number of every later one. Names that differ in such numbers only are alike. The hash of a const
//! argument, `{CONST#…}`, is a value and not a number.
//!
//! Invariant: every walk over types here has a budget, so names of cyclic types end.

use std::borrow::Cow;

use crate::index::MAX_SCOPES;
use crate::model::{Graph, RecordKind, Scope, ScopeId, Shape, Target, Type, TypeId, UnitId};

/// How many nested types one comparison or one text looks at.
const BUDGET: u32 = 64;
/// How many aliases stand before a type at most.
pub(crate) const MAX_ALIASES: usize = 64;

/// The name with the numbers of closures, coroutines and impl blocks left out.
pub(crate) fn without_numbers(name: &str) -> Cow<'_, str> {
    let mut result = String::new();
    let mut copied = 0;
    for (start, end) in numbers_in(name) {
        result.push_str(&name[copied..start]);
        copied = end;
    }
    if copied == 0 {
        return Cow::Borrowed(name);
    }
    result.push_str(&name[copied..]);
    Cow::Owned(result)
}

/// The numbers that [`without_numbers`] leaves out, in order.
pub(crate) fn numbers(name: &str) -> Vec<u64> {
    numbers_in(name)
        .filter_map(|(start, end)| name[start..end].parse().ok())
        .collect()
}

/// Byte ranges of the digits in `{word#digits}`.
fn numbers_in(name: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    name.match_indices('#').filter_map(|(hash, _)| {
        let before = &name[..hash];
        let word = &before[before.rfind('{')? + 1..];
        let digits = name[hash + 1..].find('}')?;
        let number = &name[hash + 1..hash + 1 + digits];
        let counted = !word.is_empty()
            && word != "CONST"
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit());
        counted.then_some((hash + 1, hash + 1 + digits))
    })
}

/// Whether two names mean the same.
pub(crate) fn alike(a: &str, b: &str) -> bool {
    a == b || (a.contains('#') && b.contains('#') && without_numbers(a) == without_numbers(b))
}

/// The words that name a number of C, without those that may be left out, sorted: compilers write `short int`, `short`
/// and `int short`.
fn words(name: &str) -> Vec<&str> {
    let mut words: Vec<&str> = name
        .split_ascii_whitespace()
        .map(|word| match word {
            "_Bool" => "bool",
            "_Complex" => "complex",
            "__float128" => "_Float128",
            other => other,
        })
        .collect();
    let has = |words: &[&str], wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    if has(&words, &["short", "long", "signed", "unsigned"]) {
        words.retain(|word| *word != "int");
    }
    if words == ["signed"] {
        words = vec!["int"];
    } else if !has(&words, &["char"]) {
        words.retain(|word| *word != "signed");
    }
    words.sort_unstable();
    words
}

/// What is left of a reference when typedefs and qualifiers are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stripped {
    /// `void`.
    Void,
    /// A type that is no alias.
    Type(TypeId),
    /// The reference leads to no type, or in a circle.
    Nowhere,
}

impl Graph<'_> {
    /// Looks through aliases.
    pub(crate) fn strip(&self, mut unit: UnitId, mut target: Target) -> Stripped {
        for _ in 0..MAX_ALIASES {
            let Some(offset) = target else {
                return Stripped::Void;
            };
            let Some(id) = self.resolve(unit, offset) else {
                return Stripped::Nowhere;
            };
            match &self.ty(id).shape {
                Shape::Alias { target: next, .. } => {
                    unit = self.ty(id).unit;
                    target = *next;
                }
                _ => return Stripped::Type(id),
            }
        }
        Stripped::Nowhere
    }

    /// Whether two types mean the same by their names; what has no name is compared by its structure.
    pub(crate) fn names_alike(&self, a: TypeId, b: TypeId) -> bool {
        self.alike_within(a, b, &mut { BUDGET })
    }

    fn alike_within(&self, a: TypeId, b: TypeId, budget: &mut u32) -> bool {
        if a == b || *budget == 0 {
            return true;
        }
        *budget -= 1;
        let (left, right) = (self.ty(a), self.ty(b));
        match (self.given_name(a), self.given_name(b)) {
            (Some(x), Some(y)) => {
                let scopes = |id| enclosing(&self.scopes, self.ty(id).scope);
                let (mut xs, mut ys) = (scopes(a), scopes(b));
                let numbers = || {
                    let is_base = |ty: &Type<'_>| matches!(ty.shape, Shape::Base { .. });
                    is_base(left) && is_base(right) && words(x) == words(y)
                };
                (alike(x, y) || numbers())
                    && loop {
                        match (xs.next(), ys.next()) {
                            (None, None) => break true,
                            (Some(x), Some(y)) if alike(x, y) => {}
                            _ => break false,
                        }
                    }
            }
            (None, None) => match (&left.shape, &right.shape) {
                (
                    Shape::Array {
                        element: x,
                        dimensions: n,
                        ..
                    },
                    Shape::Array {
                        element: y,
                        dimensions: m,
                        ..
                    },
                ) => n == m && self.targets_alike((left.unit, *x), (right.unit, *y), budget),
                (Shape::Pointer { target: x, .. }, Shape::Pointer { target: y, .. }) => {
                    self.targets_alike((left.unit, *x), (right.unit, *y), budget)
                }
                (
                    Shape::Function {
                        result: x,
                        parameters: xs,
                        variadic: v,
                    },
                    Shape::Function {
                        result: y,
                        parameters: ys,
                        variadic: w,
                    },
                ) => {
                    v == w
                        && xs.len() == ys.len()
                        && std::iter::once((x, y))
                            .chain(xs.iter().zip(ys))
                            .all(|(x, y)| {
                                self.targets_alike((left.unit, *x), (right.unit, *y), budget)
                            })
                }
                (x, y) => std::mem::discriminant(x) == std::mem::discriminant(y),
            },
            _ => false,
        }
    }

    fn targets_alike(&self, a: (UnitId, Target), b: (UnitId, Target), budget: &mut u32) -> bool {
        match (self.strip(a.0, a.1), self.strip(b.0, b.1)) {
            (Stripped::Type(a), Stripped::Type(b)) => self.alike_within(a, b, budget),
            (a, b) => a == b,
        }
    }

    /// The name that messages use.
    pub(crate) fn type_name(&self, id: TypeId) -> String {
        let mut text = String::new();
        self.write_name(id, &mut text, &mut { BUDGET });
        text
    }

    /// The name that messages use for what a reference leads to.
    pub(crate) fn target_name(&self, unit: UnitId, target: Target) -> String {
        let mut text = String::new();
        self.write_target(unit, target, &mut text, &mut { BUDGET });
        text
    }

    fn write_name(&self, id: TypeId, text: &mut String, budget: &mut u32) {
        if *budget == 0 {
            return text.push('…');
        }
        *budget -= 1;
        let ty = self.ty(id);
        if let Some(name) = self.given_name(id) {
            return text.push_str(&qualified(&self.scopes, ty.scope, name));
        }
        match &ty.shape {
            Shape::Array {
                element,
                dimensions,
                ..
            } => {
                text.push('[');
                self.write_target(ty.unit, *element, text, budget);
                for dimension in dimensions {
                    match dimension {
                        Some(count) => text.push_str(&format!("; {count}")),
                        None => text.push_str("; ?"),
                    }
                }
                text.push(']');
            }
            Shape::Pointer { target, .. } => {
                text.push('*');
                self.write_target(ty.unit, *target, text, budget);
            }
            Shape::Function {
                result,
                parameters,
                variadic,
            } => {
                text.push_str("fn(");
                for (index, parameter) in parameters.iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { ", " });
                    self.write_target(ty.unit, *parameter, text, budget);
                }
                text.push_str(if *variadic { ", ...) -> " } else { ") -> " });
                self.write_target(ty.unit, *result, text, budget);
            }
            Shape::Alias { target, .. } => self.write_target(ty.unit, *target, text, budget),
            Shape::Record(record) if record.kind == RecordKind::Union => {
                text.push_str("(anonymous union)")
            }
            Shape::Record(_) => text.push_str("(anonymous struct)"),
            Shape::Enumeration { .. } => text.push_str("(anonymous enum)"),
            Shape::Base { .. } | Shape::Unspecified | Shape::Opaque(_) => {
                text.push_str("(unnamed)")
            }
        }
    }

    fn write_target(&self, unit: UnitId, target: Target, text: &mut String, budget: &mut u32) {
        match self.strip(unit, target) {
            Stripped::Void => text.push_str("void"),
            Stripped::Nowhere => text.push_str("(unknown)"),
            Stripped::Type(id) => self.write_name(id, text, budget),
        }
    }
}

/// `name` with the names of its scopes before it.
fn qualified(scopes: &[Scope<'_>], scope: ScopeId, name: &str) -> String {
    let mut parts = vec![name];
    parts.extend(enclosing(scopes, scope));
    parts.reverse();
    parts.join("::")
}

/// Names of a scope and those around it, innermost first.
pub(crate) fn enclosing<'s, 'a>(
    scopes: &'s [Scope<'a>],
    mut scope: ScopeId,
) -> impl Iterator<Item = &'a str> + use<'s, 'a> {
    std::iter::from_fn(move || {
        // A parent always comes before its child, so this ends.
        let found = (scope != ScopeId(0)).then(|| &scopes[scope.0 as usize])?;
        scope = found.parent;
        Some(found.name)
    })
    .take(MAX_SCOPES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_closures_and_impls_do_not_count() {
        assert!(alike(
            "a::{impl#0}::f::{closure_env#1}<u8>",
            "a::{impl#3}::f::{closure_env#0}<u8>"
        ));
        assert!(!alike("a::{impl#0}::f", "a::{impl#0}::g"));
        assert_eq!(numbers("{impl#12}::{closure#3}"), [12, 3]);
    }

    #[test]
    fn words_that_c_may_leave_out_do_not_count() {
        for (a, b) in [
            ("short int", "short"),
            ("long unsigned int", "unsigned long"),
            ("unsigned int", "unsigned"),
            ("signed int", "int"),
            ("signed", "int"),
            ("_Bool", "bool"),
            ("__int128 unsigned", "unsigned __int128"),
        ] {
            assert_eq!(words(a), words(b), "{a}, {b}");
        }
        for (a, b) in [
            ("signed char", "char"),
            ("unsigned char", "char"),
            ("long int", "int"),
            ("long long int", "long int"),
            ("long double", "double"),
        ] {
            assert_ne!(words(a), words(b), "{a}, {b}");
        }
    }

    #[test]
    fn const_arguments_do_count() {
        assert!(!alike("T<{CONST#12}>", "T<{CONST#13}>"));
        assert!(!alike("T<{CONST#d0}>", "T<{CONST#d1}>"));
    }
}
