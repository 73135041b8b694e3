//! A bar on the terminal while a long comparison reads its files.
//!
//! Invariant: it goes to standard error, only if that is a terminal, and nothing of it stays.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use abi_check::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter comparisons show nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// A bar that shows up when it is worth it.
pub(crate) struct Bar {
    start: Instant,
    shown: OnceLock<ProgressBar>,
}

impl Bar {
    /// Not to be seen yet.
    pub(crate) fn new() -> Bar {
        Bar {
            start: Instant::now(),
            shown: OnceLock::new(),
        }
    }

    /// Shows how far reading is, if it takes long.
    pub(crate) fn show(&self, progress: Progress) {
        if self.start.elapsed() < PATIENCE {
            return;
        }
        let bar = self.shown.get_or_init(|| {
            // Hides itself unless standard error is a terminal.
            let target = ProgressDrawTarget::stderr();
            let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes} of types");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(Some(progress.total), target).with_style(style)
        });
        bar.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.shown.get() {
            bar.finish_and_clear();
        }
    }
}
