//! Refusals for people and for programs: the only place of the linker that makes text of problems.
//!
//! `words.rs` says what each kind of problem is called, in lld's grammar (`error: undefined symbol: f`,
//! `>>> referenced by …`), which editors and people know; `human.rs` and `json.rs` are the two forms it takes.

mod human;
mod json;
mod names;
mod words;

use std::io::Write;

use anstream::{AutoStream, ColorChoice};

use crate::error::Error;
use crate::options::{Color, ErrorFormat, Presentation};

pub use human::{Palette, text};
pub use names::{demangle, demangled};

/// Writes a refusal on stderr. There is nobody to tell if that fails.
pub fn print(error: &Error, presentation: Presentation) {
    let stderr = std::io::stderr();
    let said = match presentation.error_format {
        ErrorFormat::Json => json::lines(error),
        ErrorFormat::Human => {
            let colored = match presentation.color {
                Color::Always => true,
                Color::Never => false,
                // Looks at the terminal and at NO_COLOR, CLICOLOR and CLICOLOR_FORCE.
                Color::Auto => AutoStream::choice(&stderr) != ColorChoice::Never,
            };
            let palette = if colored {
                Palette::terminal()
            } else {
                Palette::default()
            };
            text(error, &palette) + "\n"
        }
    };
    let _ = stderr.lock().write_all(said.as_bytes());
}
