//! Relocations: read from the file when they are asked for, in the order of their places.

use object::LittleEndian as LE;
use object::elf;
use object::read::elf::Rela;

use super::{ElfObject, ElfRelocation, malformed};
use crate::error::Problem;

type Entry = elf::Rela64<LE>;

impl ElfObject<'_> {
    /// The relocations of a section, by offset; those of one place in the file's order.
    pub fn relocations(
        &self,
        section: usize,
    ) -> Result<impl ExactSizeIterator<Item = ElfRelocation>, Problem> {
        let entries = self.entries(section)?;
        // Compilers write them in order: only if not, the order is another than the file's.
        let mut order: Vec<u32> = Vec::new();
        if !entries.is_sorted_by_key(|entry| entry.r_offset(LE)) {
            order.extend(0..entries.len() as u32);
            order.sort_by_key(|at| entries[*at as usize].r_offset(LE));
        }
        Ok((0..entries.len()).map(move |at| {
            let entry = &entries[order.get(at).map_or(at, |at| *at as usize)];
            ElfRelocation {
                offset: entry.r_offset(LE),
                kind: entry.r_type(LE, false),
                symbol: entry.r_sym(LE, false) as usize,
                addend: entry.r_addend(LE),
            }
        }))
    }

    /// The entries of a section's relocations: places within the section, symbols that exist.
    fn entries(&self, section: usize) -> Result<&[Entry], Problem> {
        let owner = &self.sections[section];
        let Some(table) = owner.relocations.map(|index| &self.sections[index]) else {
            return Ok(&[]);
        };
        let bad = |at: usize, expected: String| {
            malformed(
                &self.file,
                table.name,
                (at * size_of::<Entry>()) as u64,
                expected,
            )
        };
        let entries: Result<&[Entry], ()> = object::pod::slice_from_all_bytes(table.data);
        let entries = entries.map_err(|()| {
            let whole = table.data.len() / size_of::<Entry>();
            bad(whole, format!("entries of {} bytes", size_of::<Entry>()))
        })?;
        if table.compression.is_some() || u32::try_from(entries.len()).is_err() {
            return Err(bad(
                0,
                "a table of less than 2^32 entries, not compressed".to_owned(),
            ));
        }
        // A place may be the end of the section: some relocations only mark it.
        let end = if owner.kind == elf::SHT_NOBITS {
            None
        } else {
            Some(owner.size)
        };
        let symbols = self.symbol_count();
        for (at, entry) in entries.iter().enumerate() {
            let (offset, symbol) = (entry.r_offset(LE), entry.r_sym(LE, false) as usize);
            if end.is_none_or(|end| offset > end) {
                let (name, size) = (owner.name, owner.size);
                let expected = format!("a place in {name} ({size:#x} bytes), found {offset:#x}");
                return Err(bad(at, expected));
            }
            if symbol >= symbols {
                return Err(bad(at, format!("one of {symbols} symbols, found {symbol}")));
            }
        }
        Ok(entries)
    }
}
