//! The form for people: a title and lines behind `>>>`, coloured if the terminal is to show it.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::words::{self, Line, Message};
use crate::error::Error;

/// Styles of the parts of a message. The default has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Palette {
    severity: Style,
    title: Style,
    gutter: Style,
    mark: Style,
    advice: Style,
}

impl Palette {
    /// For a terminal.
    pub fn terminal() -> Self {
        Self {
            severity: AnsiColor::Red.on_default().bold(),
            title: Style::new().bold(),
            gutter: AnsiColor::Blue.on_default().bold(),
            mark: AnsiColor::Red.on_default().bold(),
            advice: AnsiColor::Green.on_default(),
        }
    }
}

/// All that is shown of a refusal, without a line break at its end. As in lld's output, an empty line follows a message
/// of several lines.
pub fn text(error: &Error, palette: &Palette) -> String {
    let (shown, more) = error.shown();
    let mut out = String::new();
    let mut several_lines = false;
    let messages = shown
        .iter()
        .map(|problem| words::message(problem, error.evidence()));
    for message in messages.chain((more > 0).then(|| words::too_many(more))) {
        if !out.is_empty() {
            out.push_str(if several_lines { "\n\n" } else { "\n" });
        }
        several_lines = message.report.is_some() || !message.lines.is_empty();
        out.push_str(&render(&message, palette));
    }
    out
}

/// One message.
pub fn render(message: &Message, palette: &Palette) -> String {
    if let Some(report) = &message.report {
        return report.trim_end().to_owned();
    }
    let paint = |style: Style, text: &str| format!("{style}{text}{style:#}");
    let mut out = paint(palette.severity, "error:");
    let _ = write!(out, " {}", paint(palette.title, &message.title));
    for line in &message.lines {
        let shown = match line {
            Line::Fact(text) => text.clone(),
            Line::Marks(text) => paint(palette.mark, text),
            Line::Advice(text) => paint(palette.advice, text),
        };
        let _ = write!(out, "\n{} {shown}", paint(palette.gutter, ">>>"));
    }
    out
}
