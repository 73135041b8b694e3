//! The form for programs: one JSON object per line, as `docs/errors.md` describes it.

use serde_json::{Map, Value, json};

use super::human::{Palette, render};
use super::names::demangled;
use super::words::{self, Line, Message};
use crate::error::{Error, Place, Problem, Role, SliceView, SourceLine};
use crate::evidence::{Evidence, Likeness, Suggestion};

/// Version of the objects' form: a change that a reader of the old one could misread gives a new number.
const SCHEMA: u32 = 1;

/// One line per problem that is shown, and one that counts the others.
pub fn lines(error: &Error) -> String {
    let (shown, more) = error.shown();
    let mut out = String::new();
    for problem in shown {
        let message = words::message(problem, error.evidence());
        let mut object = common(problem.code(), &message);
        describe(&mut object, problem, error.evidence());
        out += &Value::Object(object).to_string();
        out.push('\n');
    }
    if more > 0 {
        let mut object = common("too-many-errors", &words::too_many(more));
        object.insert("more".to_owned(), more.into());
        out += &Value::Object(object).to_string();
        out.push('\n');
    }
    out
}

/// What every object has.
fn common(code: &str, message: &Message) -> Map<String, Value> {
    let notes = message.lines.iter().filter_map(|line| match line {
        Line::Advice(text) => Some(Value::from(text.as_str())),
        _ => None,
    });
    let fields = [
        ("schema", SCHEMA.into()),
        ("severity", "error".into()),
        ("code", code.into()),
        ("message", message.title.as_str().into()),
        ("symbol", Value::Null),
        ("isa", Value::Null),
        ("places", Value::Array(Vec::new())),
        ("notes", notes.collect()),
        ("rendered", render(message, &Palette::default()).into()),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

fn describe(object: &mut Map<String, Value>, problem: &Problem, evidence: &Evidence) {
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    if let Some(symbol) = problem.symbol() {
        set("symbol", symbol.into());
        if let Some(name) = demangled(symbol) {
            set("demangled", name.into());
        }
    }
    if let Some(isa) = problem.isa() {
        set("isa", isa.into());
    }
    if let (Some(symbol), Some(isa)) = (problem.symbol(), problem.isa()) {
        let suggestions = evidence.suggestions(symbol, isa).iter().map(suggestion);
        set("suggestions", suggestions.collect());
    }
    let places = problem.places().into_iter();
    let mut places: Vec<_> = places.map(|(role, at)| place(role, at, evidence)).collect();
    match problem {
        Problem::Mismatch { sides, what, .. } => {
            set("differs", (*what).into());
            places.extend(sides.iter().map(side));
        }
        Problem::Overflow {
            relocation,
            value,
            range,
            absolute,
            ..
        } => {
            set("absolute", (*absolute).into());
            set("relocation", (*relocation).into());
            set("value", integer(*value));
            set("range", json!([integer(range.0), integer(range.1)]));
        }
        Problem::Misaligned {
            relocation,
            value,
            multiple,
            ..
        } => {
            set("relocation", (*relocation).into());
            set("value", integer(*value));
            set("multiple", (*multiple).into());
        }
        Problem::Read { file, .. } | Problem::Output { file, .. } => {
            let file = file.display().to_string();
            places.push(json!({"role": role_name(Role::Wrong), "file": file}));
        }
        _ => {}
    }
    set("places", places.into());
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Wrong => "wrong",
        Role::Reference => "reference",
        Role::Definition => "definition",
    }
}

fn place(role: Role, place: &Place, evidence: &Evidence) -> Value {
    let around = evidence.of(place);
    let (file, member) = place.file_and_member();
    json!({
        "role": role_name(role),
        "isa": around.isa,
        "file": file,
        "member": member,
        "section": place.section,
        "offset": place.offset,
        "part_of": around.part_of.as_ref().map(|c| c.name()),
        "source": around.source.as_ref().map(source),
    })
}

fn suggestion(suggestion: &Suggestion) -> Value {
    match suggestion {
        Suggestion::OtherSlice { isa, file } => {
            json!({"kind": "other-slice", "isa": isa, "file": file})
        }
        Suggestion::Alike {
            likeness,
            name,
            file,
        } => {
            let kind = match likeness {
                Likeness::Local => "local",
                Likeness::Unmangled => "unmangled",
                Likeness::Mangled => "mangled",
                Likeness::OtherBuild => "other-build",
                Likeness::Spelling => "spelling",
            };
            json!({"kind": kind, "symbol": name, "file": file})
        }
    }
}

fn side(side: &SliceView) -> Value {
    json!({
        "role": "side",
        "isa": side.isa,
        "file": side.file,
        "value": side.value,
        "source": side.source.as_ref().map(source),
    })
}

fn source(line: &SourceLine) -> Value {
    json!({"file": line.file, "line": line.line})
}

/// Numbers that JSON's readers may not hold exactly are never in range of a field, but may be a value.
fn integer(value: i128) -> Value {
    match i64::try_from(value) {
        Ok(value) => value.into(),
        Err(_) => value.to_string().into(),
    }
}
