//! The table of all arguments: parser, help text and `docs/command-line.md` are made from it.
//!
//! An argument that asks for nothing, because what it wants holds anyway, stands here with that reason; so does one that
//! is refused although other linkers know it.

use super::draft::Draft;
use super::{Color, ErrorFormat, MapFormat, MissingCode, Strip, Text, help};

/// An argument.
pub(super) struct Flag {
    /// Every spelling, without dashes; the first is the one that the help text shows.
    pub(super) names: &'static [&'static str],
    /// Its value.
    pub(super) value: Value,
    /// What it does; for [`Action::Nothing`] and [`Action::Refuse`] why.
    pub(super) help: &'static str,
    /// What to do when it is met.
    pub(super) action: Action,
}

/// Whether an argument has a value, and what the help text calls it.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// It has none.
    None,
    /// It has one, attached or in the next argument.
    Required(&'static str),
    /// It may have one, attached by `=`.
    Optional(&'static str),
}

/// What to do when an argument is met.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// Note it.
    Set(fn(&mut Draft, &str) -> Result<(), String>),
    /// Print a text instead of linking.
    Print(fn() -> String),
    /// Look its value up in a table of its own.
    Keyword(&'static [Flag]),
    /// Nothing: it asks for what holds anyway.
    Nothing,
    /// Nothing, if it has this value.
    Only(&'static str),
    /// Refuse the command line.
    Refuse,
}

/// Finds an argument by its name without dashes.
pub(super) fn by_name(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.names.contains(&name))
}

const fn flag(
    names: &'static [&'static str],
    value: Value,
    help: &'static str,
    action: Action,
) -> Flag {
    Flag {
        names,
        value,
        help,
        action,
    }
}

/// A switch that is noted.
const fn switch(
    names: &'static [&'static str],
    help: &'static str,
    set: fn(&mut Draft, &str) -> Result<(), String>,
) -> Flag {
    flag(names, Value::None, help, Action::Set(set))
}

/// An argument with a value that is noted.
const fn valued(
    names: &'static [&'static str],
    value: &'static str,
    help: &'static str,
    set: fn(&mut Draft, &str) -> Result<(), String>,
) -> Flag {
    flag(names, Value::Required(value), help, Action::Set(set))
}

/// A switch that asks for what holds anyway.
const fn needless(names: &'static [&'static str], why: &'static str) -> Flag {
    flag(names, Value::None, why, Action::Nothing)
}

/// An argument that is refused.
const fn refused(names: &'static [&'static str], value: Value, why: &'static str) -> Flag {
    flag(names, value, why, Action::Refuse)
}

const STATIC: &str = "every link is static";
const NO_DYNAMIC: &str = "there are no shared libraries in a static link";

/// All arguments, in the order of the help text.
pub(super) static FLAGS: &[Flag] = &[
    valued(
        &["o", "output"],
        "FILE",
        "write the image to FILE",
        Draft::set_output,
    ),
    valued(
        &["slice"],
        "ISA",
        "the inputs that follow are of this ISA; without it, all inputs are of the first object's ISA",
        Draft::begin_slice,
    ),
    valued(
        &["view"],
        "ISA=FILE",
        "also write an ELF of one ISA, with its symbols and DWARF",
        Draft::add_view,
    ),
    valued(&["Map"], "FILE", "also write a map", Draft::set_map),
    valued(
        &["map-format"],
        "text|json",
        "write the map for people, or as docs/map.md describes it [text]",
        |draft, value| {
            draft.map_format = choice(
                value,
                &[("text", MapFormat::Text), ("json", MapFormat::Json)],
            )?;
            Ok(())
        },
    ),
    valued(
        &["e", "entry"],
        "SYMBOL",
        "entry of every slice [_start]",
        Draft::set_entry,
    ),
    valued(
        &["image-base"],
        "ADDRESS",
        "address of the image [0x100000000, with one slice 0x200000]",
        Draft::set_image_base,
    ),
    valued(
        &["section-start"],
        "NAME=ADDRESS",
        "address of an output section",
        Draft::add_section_start,
    ),
    valued(
        &["missing-code"],
        "error|trap",
        "what to do if a function whose address is taken has no code for an ISA [error]",
        |draft, value| {
            draft.missing_code = choice(
                value,
                &[("error", MissingCode::Error), ("trap", MissingCode::Trap)],
            )?;
            Ok(())
        },
    ),
    valued(
        &["text"],
        "separate|aliased",
        "each ISA's functions at addresses of their own, or all at the same, without gates [separate]",
        |draft, value| {
            draft.text = choice(
                value,
                &[("separate", Text::Separate), ("aliased", Text::Aliased)],
            )?;
            Ok(())
        },
    ),
    switch(
        &["gc-sections"],
        "leave out what nothing needs [on, with one slice off]",
        |draft, _| draft.set(|d| d.gc_sections = Some(true)),
    ),
    switch(
        &["no-gc-sections"],
        "keep what nothing needs",
        |draft, _| draft.set(|d| d.gc_sections = Some(false)),
    ),
    switch(
        &["relax"],
        "shorten instruction sequences where the psABI allows it [on]",
        |draft, _| draft.set(|d| d.no_relax = false),
    ),
    switch(
        &["no-relax"],
        "leave instruction sequences as they are",
        |draft, _| draft.set(|d| d.no_relax = true),
    ),
    switch(
        &["eh-frame-hdr"],
        "write .eh_frame_hdr, a table of the frames for binary search",
        |draft, _| draft.set(|d| d.eh_frame_header = true),
    ),
    switch(&["no-eh-frame-hdr"], "write none [this]", |draft, _| {
        draft.set(|d| d.eh_frame_header = false)
    }),
    switch(
        &["s", "strip-all"],
        "leave out symbols and debug information",
        |draft, _| draft.set(|d| d.strip = Strip::All),
    ),
    switch(
        &["S", "strip-debug"],
        "leave out debug information",
        |draft, _| draft.set(|d| d.strip = d.strip.max(Strip::Debug)),
    ),
    valued(
        &["L", "library-path"],
        "FOLDER",
        "look for libraries of this slice in FOLDER; before the first --slice: of all slices",
        Draft::add_library_path,
    ),
    valued(
        &["l", "library"],
        "NAME",
        "link libNAME.a from a library folder; :FILE links FILE from there",
        Draft::add_library,
    ),
    switch(
        &["whole-archive"],
        "take in all members of the archives that follow in this slice",
        |draft, _| draft.set_whole_archive(true),
    ),
    switch(
        &["no-whole-archive"],
        "take in what is needed of the archives that follow [this]",
        |draft, _| draft.set_whole_archive(false),
    ),
    switch(
        &["start-lib"],
        "the objects up to --end-lib are taken in as an archive's members are",
        |draft, _| draft.start_lib(),
    ),
    switch(&["end-lib"], "end of --start-lib", |draft, _| {
        draft.end_lib()
    }),
    switch(
        &["start-group", "("],
        "begin a group; archives are searched regardless of their order, in groups or not",
        |draft, _| draft.start_group(),
    ),
    switch(&["end-group", ")"], "end of --start-group", |draft, _| {
        draft.end_group()
    }),
    valued(
        &["u", "undefined"],
        "SYMBOL",
        "SYMBOL is needed: take in the archive member that defines it, and keep it",
        |draft, value| {
            draft.undefined.push(symbol(value)?);
            Ok(())
        },
    ),
    valued(
        &["defsym"],
        "SYMBOL=VALUE",
        "define SYMBOL in every slice, as a number or as another symbol",
        Draft::add_definition,
    ),
    valued(
        &["m"],
        "EMULATION",
        "the ISA of the inputs, by the name that ld has for it; checked against --slice",
        Draft::set_emulation,
    ),
    flag(
        &["z"],
        Value::Required("KEYWORD"),
        "what ld's documentation lists under this keyword, see below",
        Action::Keyword(KEYWORDS),
    ),
    switch(&["time"], "print what each phase takes", |draft, _| {
        draft.set(|d| d.time = true)
    }),
    switch(
        &["t", "trace"],
        "print the files and archive members that take part",
        |draft, _| draft.set(|d| d.trace = true),
    ),
    valued(
        &["threads"],
        "N",
        "use N threads [as many as there are CPUs]",
        Draft::set_threads,
    ),
    valued(
        &["error-limit"],
        "N",
        "show N errors, 0 for all [20]",
        Draft::set_error_limit,
    ),
    valued(
        &["color"],
        "auto|always|never",
        "colours in messages [auto: if a terminal reads them and NO_COLOR is not set, or if CLICOLOR_FORCE is]",
        |draft, value| {
            draft.presentation.color = color(value)?;
            Ok(())
        },
    ),
    flag(
        &["color-diagnostics"],
        Value::Optional("auto|always|never"),
        "lld's spelling of --color",
        Action::Set(|draft, value| {
            draft.presentation.color = if value.is_empty() {
                Color::Always
            } else {
                color(value)?
            };
            Ok(())
        }),
    ),
    switch(&["no-color-diagnostics"], "no colours", |draft, _| {
        draft.set(|d| d.presentation.color = Color::Never)
    }),
    valued(
        &["error-format"],
        "human|json",
        "messages for people, or one JSON object per line [human]",
        |draft, value| {
            draft.presentation.error_format = choice(
                value,
                &[("human", ErrorFormat::Human), ("json", ErrorFormat::Json)],
            )?;
            Ok(())
        },
    ),
    flag(
        &["help"],
        Value::None,
        "print this",
        Action::Print(help::text),
    ),
    flag(
        &["version", "V"],
        Value::None,
        "print the version",
        Action::Print(help::version),
    ),
    switch(
        &["v"],
        "print the version, then link if there are inputs",
        |draft, _| draft.set(|d| d.verbose = true),
    ),
    // What asks for nothing.
    needless(&["static", "Bstatic", "dn", "non_shared"], STATIC),
    needless(
        &["no-pie", "no-pic-executable"],
        "every output has a fixed address",
    ),
    needless(
        &["Bdynamic", "dy", "call_shared"],
        "libraries are looked for as archives only",
    ),
    needless(&["as-needed", "no-as-needed"], NO_DYNAMIC),
    needless(
        &[
            "no-dynamic-linker",
            "no-allow-shlib-undefined",
            "allow-shlib-undefined",
        ],
        NO_DYNAMIC,
    ),
    needless(&["export-dynamic", "E", "no-export-dynamic"], NO_DYNAMIC),
    needless(
        &["nostdlib"],
        "no library folder is looked into unless -L names it",
    ),
    needless(&["no-undefined"], "an undefined symbol is an error anyway"),
    needless(
        &["fatal-warnings", "no-fatal-warnings"],
        "there are no warnings: what is wrong is an error",
    ),
    needless(
        &["no-warnings", "w"],
        "there are no warnings: what is wrong is an error",
    ),
    flag(
        &["O"],
        Value::Required("0|1|2"),
        "the output does not depend on it: it is as small as it can be made quickly",
        Action::Set(|_, value| choice(value, &[("0", ()), ("1", ()), ("2", ()), ("3", ())])),
    ),
    flag(
        &["build-id"],
        Value::Optional("none"),
        "no build id is written; any other kind is refused",
        Action::Only("none"),
    ),
    // What other linkers know, and this one refuses.
    refused(
        &["pie", "pic-executable"],
        Value::None,
        "position-independent executables are not supported",
    ),
    refused(
        &["static-pie"],
        Value::None,
        "position-independent executables are not supported",
    ),
    refused(
        &["shared", "Bshareable"],
        Value::None,
        "shared libraries are not supported",
    ),
    refused(
        &["r", "relocatable"],
        Value::None,
        "relocatable output is not supported",
    ),
    refused(
        &["T", "script"],
        Value::Required("FILE"),
        "linker scripts are not supported",
    ),
    refused(
        &["dynamic-linker", "I"],
        Value::Required("FILE"),
        "every link is static",
    ),
    refused(
        &["hash-style"],
        Value::Required("STYLE"),
        "there is no dynamic symbol table",
    ),
    refused(
        &["emit-relocs", "q"],
        Value::None,
        "relocations in the output are not supported",
    ),
    refused(
        &["wrap"],
        Value::Required("SYMBOL"),
        "wrapping of symbols is not supported",
    ),
    refused(
        &["icf"],
        Value::Required("KIND"),
        "equal functions are not folded: their addresses would be equal",
    ),
    refused(
        &["unresolved-symbols"],
        Value::Required("KIND"),
        "an undefined symbol is always an error",
    ),
    refused(
        &["allow-multiple-definition"],
        Value::None,
        "two definitions of a symbol are always an error",
    ),
];

const ALIGNED: &str = "segments are aligned to pages of 4096 bytes";

/// What `-z` knows.
static KEYWORDS: &[Flag] = &[
    needless(&["noexecstack"], "no output asks for an executable stack"),
    needless(
        &["relro", "norelro"],
        "without a dynamic linker nothing is read-only only after a while",
    ),
    needless(
        &["now", "lazy"],
        "without a dynamic linker every reference is resolved",
    ),
    needless(&["text"], "no output has relocations for its text"),
    needless(&["defs"], "an undefined symbol is an error anyway"),
    needless(&["nognustack"], "no output asks for an executable stack"),
    needless(&["separate-code"], "code has segments of its own"),
    needless(
        &["origin", "nodelete", "nodlopen", "interpose", "nocopyreloc"],
        NO_DYNAMIC,
    ),
    flag(
        &["max-page-size"],
        Value::Required("4096"),
        ALIGNED,
        Action::Set(page_size),
    ),
    flag(
        &["common-page-size"],
        Value::Required("4096"),
        ALIGNED,
        Action::Set(page_size),
    ),
    refused(
        &["execstack"],
        Value::None,
        "an executable stack is not supported",
    ),
    refused(
        &["notext"],
        Value::None,
        "relocations in text are not supported",
    ),
    refused(
        &["undefs"],
        Value::None,
        "an undefined symbol is always an error",
    ),
    refused(
        &["muldefs"],
        Value::None,
        "two definitions of a symbol are always an error",
    ),
];

fn page_size(_: &mut Draft, value: &str) -> Result<(), String> {
    match number(value)? {
        fat_image::PAGE_SIZE => Ok(()),
        other => Err(format!(
            "only {} is supported, found {other}",
            fat_image::PAGE_SIZE
        )),
    }
}

fn color(value: &str) -> Result<Color, String> {
    choice(
        value,
        &[
            ("auto", Color::Auto),
            ("always", Color::Always),
            ("never", Color::Never),
        ],
    )
}

/// The meaning of one of several words.
fn choice<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        format!("expected {}, found '{value}'", words.join(" or "))
    })
}

/// A number, decimal or with `0x`.
pub(super) fn number(value: &str) -> Result<u64, String> {
    let hexadecimal = value
        .strip_prefix("0x")
        .or_else(|| value.strip_prefix("0X"));
    let parsed = match hexadecimal {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        None if !value.starts_with('+') => value.parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| format!("expected a number, found '{value}'"))
}

/// A symbol's name.
pub(super) fn symbol(value: &str) -> Result<String, String> {
    if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("expected a symbol, found '{value}'"));
    }
    Ok(value.to_owned())
}
