//! Mergeable sections (`SHF_MERGE`), cut into the strings or constants that they are made of.

use object::elf;

use crate::elf::ElfSection;
use crate::error::{Place, Problem};

/// Cuts a mergeable section into its strings or constants.
pub fn split<'d>(file: &str, section: &ElfSection<'d>) -> Result<Vec<(u64, &'d [u8])>, Problem> {
    let width = section.entry_size as usize;
    let bad = |expected: String| Problem::Malformed {
        place: Place {
            file: file.to_owned(),
            section: crate::elf::shown(section.name).to_owned(),
            offset: section.size,
        },
        expected,
    };
    if !section.data.len().is_multiple_of(width) {
        return Err(bad(format!(
            "a size that is a multiple of the entry size {width}"
        )));
    }
    let mut out = Vec::new();
    if !section.flags.contains(elf::SHF_STRINGS) {
        out.extend(
            section
                .data
                .chunks_exact(width)
                .enumerate()
                .map(|(i, piece)| ((i * width) as u64, piece)),
        );
        return Ok(out);
    }
    let (mut start, data) = (0, section.data);
    while start < data.len() {
        let end = data[start..]
            .chunks_exact(width)
            .position(|c| c.iter().all(|b| *b == 0));
        let end = start + (end.ok_or_else(|| bad("a terminated string".to_owned()))? + 1) * width;
        out.push((start as u64, &data[start..end]));
        start = end;
    }
    Ok(out)
}
