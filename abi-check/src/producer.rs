//! `DW_AT_producer`: the compiler, and those of its flags that change layouts or what bytes mean.
//!
//! gcc writes all flags there, clang only with `-grecord-gcc-switches`, rustc none: that a flag is absent here does not
//! mean that it was not given.
//!
//! Invariant: a flag that only chooses a CPU (`-march`, `-mtune`) is never among those that are returned.

/// Flags that change layouts or meanings, whole.
const WHOLE: [&str; 14] = [
    "-fshort-enums",
    "-fno-short-enums",
    "-fshort-wchar",
    "-fno-short-wchar",
    "-fsigned-char",
    "-funsigned-char",
    "-fno-signed-char",
    "-fno-unsigned-char",
    "-fsigned-bitfields",
    "-funsigned-bitfields",
    "-fpack-struct",
    "-mms-bitfields",
    "-malign-double",
    "-mno-align-double",
];

/// Flags that do so, by what they begin with.
///
/// gcc writes `-mabi=lp64`, `-mlittle-endian` and the like for some targets although nobody gave them; what those change
/// shows in the sizes and byte orders that are compared.
const BEGINNINGS: [&str; 12] = [
    "-fpack-struct=",
    "-fabi-version=",
    "-mabi=ibmlongdouble",
    "-mabi=ieeelongdouble",
    "-mabi=ilp32",
    "-mlong-double-",
    "-mlong32",
    "-mlong64",
    "-mstructure-size-boundary=",
    "-mx32",
    "-m32",
    "-mdouble=",
];

/// The compiler with its version, and its flags of interest, sorted and without repeats.
pub(crate) fn split(producer: &str) -> (&str, Vec<String>) {
    let Some(at) = producer.find(" -") else {
        return (producer, Vec::new());
    };
    let (compiler, flags) = producer.split_at(at);
    let matters = |flag: &&str| {
        WHOLE.contains(flag)
            || BEGINNINGS
                .iter()
                .any(|beginning| flag.starts_with(beginning))
    };
    let mut found: Vec<String> = flags
        .split_whitespace()
        .filter(matters)
        .map(str::to_owned)
        .collect();
    found.sort_unstable();
    found.dedup();
    (compiler, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_touch_layouts_are_kept_and_others_are_not() {
        let (compiler, flags) = split(
            "GNU C17 12.2.0 -mtune=generic -march=x86-64 -mlong-double-128 -g -fshort-enums -fpack-struct=4 -g",
        );
        assert_eq!(compiler, "GNU C17 12.2.0");
        assert_eq!(
            flags,
            ["-fpack-struct=4", "-fshort-enums", "-mlong-double-128"]
        );
    }

    #[test]
    fn a_producer_without_flags_is_a_compiler() {
        let producer = "clang LLVM (rustc version 1.95.0)";
        assert_eq!(split(producer), (producer, Vec::new()));
        assert_eq!(split(""), ("", Vec::new()));
    }
}
