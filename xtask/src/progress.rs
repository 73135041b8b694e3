//! Progress: a moving line on a terminal, a line for each finished step everywhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

/// A line on what is being done, in the manner of cargo's.
pub fn say(line: &str) {
    const BOLD: anstyle::Style = anstyle::AnsiColor::Green.on_default().bold();
    anstream::eprintln!("{BOLD}{:>12}{BOLD:#} {line}", "Fat");
}

/// Does something that may take a while, and says so. The value comes with a few words on it.
pub fn step<T, E>(what: &str, work: impl FnOnce() -> Result<(T, String), E>) -> Result<T, E> {
    let spinner = if stderr().is_terminal() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    spinner.set_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    let start = Instant::now();
    let result = work();
    spinner.finish_and_clear();
    if let Ok((_, words)) = &result {
        let separator = if words.is_empty() { "" } else { ", " };
        say(&format!(
            "{what}: {:.2} s{separator}{words}",
            start.elapsed().as_secs_f64()
        ));
    }
    result.map(|(value, _)| value)
}
