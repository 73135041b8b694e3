//! What `fatld inspect` shows of an image: one model, and two renderings of it.
//!
//! The model has every fact, in the order of the image; `text` leaves out what a person does not look for.
//! `docs/inspect.md` documents the JSON form.

mod model;
mod text;

pub use model::{Inspection, inspect};
pub use text::{Style, render};
