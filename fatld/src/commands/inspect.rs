//! `fatld inspect IMAGE`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;

use crate::error::Error;
use crate::{image, inspect};

/// Arguments of `fatld inspect`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image
    image: PathBuf,
    /// Print JSON, as docs/inspect.md describes it
    #[arg(long)]
    json: bool,
    /// Show functions by the names that compilers mangled
    #[arg(long)]
    mangled: bool,
}

/// Prints what is in an image.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let map = super::open(&arguments.image)?;
    let file = arguments.image.display().to_string();
    let image = image::read(&file, &map)?;
    let inspection = inspect::inspect(&file, &image);
    let text = if arguments.json {
        serde_json::to_string_pretty(&inspection).expect("the model has only strings as keys")
            + "\n"
    } else {
        let terminal = std::io::stdout().is_terminal();
        let size = terminal_size::terminal_size().filter(|_| terminal);
        let style = inspect::Style {
            width: size.map(|(width, _)| usize::from(width.0)),
            mangled: arguments.mangled,
        };
        inspect::render(&inspection, style)
    };
    crate::say(&text)
}
