//! Response files: `@FILE` stands for the arguments in a file. They nest to a fixed depth.

use std::ffi::OsString;
use std::path::Path;

use super::usage;
use crate::error::{Error, unreadable};

/// Response files may name response files, but not without end.
const MAX_DEPTH: u32 = 8;

/// Adds an argument, or those of the response file that it names, to `out`.
pub(super) fn expand(argument: OsString, out: &mut Vec<OsString>) -> Result<(), Error> {
    expand_at(argument, out, 0)
}

fn expand_at(argument: OsString, out: &mut Vec<OsString>, depth: u32) -> Result<(), Error> {
    let Some(path) = argument.to_str().and_then(|a| a.strip_prefix('@')) else {
        out.push(argument);
        return Ok(());
    };
    if depth == MAX_DEPTH {
        return Err(usage(format!(
            "response files nest more than {MAX_DEPTH} deep at {path}"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(Path::new(path), &e))?;
    split(&text)
        .into_iter()
        .try_for_each(|word| expand_at(word.into(), out, depth + 1))
}

/// Splits as GNU tools do: white space separates, quotes and backslashes protect.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut inside) = (Vec::new(), String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => {
                word.extend(chars.next());
                inside = true;
            }
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => (quote, inside) = (Some(c), true),
            (c, None) if c.is_whitespace() => {
                if std::mem::take(&mut inside) {
                    words.push(std::mem::take(&mut word));
                }
            }
            (c, _) => {
                word.push(c);
                inside = true;
            }
        }
    }
    if inside {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_files_split_as_gnu_tools_do() {
        assert_eq!(
            split("a 'b c'\n\"d\\\"e\" f\\ g ''"),
            ["a", "b c", "d\"e", "f g", ""]
        );
    }
}
