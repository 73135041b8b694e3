//! The map: what is where on each ISA, what is shared, and what could not be.
//!
//! One model, made once, and two renderings of it that say the same: text for people, JSON for tools (`docs/map.md`). It is
//! a pure function of the link: files are named without their folders, and every list is in the order of addresses or
//! names.

mod model;
mod text;

use abi_check::Report;

use crate::content::Sources;
use crate::options::MapFormat;
use crate::pair::Pairing;

/// Writes the map.
pub fn render(
    sources: Sources<'_, '_>,
    pairing: &Pairing<'_>,
    report: Option<&Report>,
    format: MapFormat,
) -> String {
    let map = model::collect(sources, pairing, report);
    match format {
        MapFormat::Text => text::render(&map),
        MapFormat::Json => {
            serde_json::to_string_pretty(&map).expect("the model has only strings as keys") + "\n"
        }
    }
}
