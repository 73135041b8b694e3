//! The note `.note.fat`, and the tables that it points to.

use fat_image::{
    ALL_ISAS, FUNCTIONS_SECTION, GATE_SIZE, Header, Isa as IsaRecord, MAGIC, NOTE_HEADER,
    NOTE_NAME, NOTE_SECTION, NOTE_TYPE, PAGE_SIZE, Region, Symbol as SymbolRecord, VERSION,
};
use zerocopy::FromBytes;

use super::file::Parts;
use super::{Function, ImageIsa, ImageSection, malformed};
use crate::error::Problem;

/// Most ISAs: more is damage.
const MAX_ISAS: u32 = 64;

/// What the note says.
pub(super) struct Note<'d> {
    pub header: Header,
    pub isas: Vec<ImageIsa<'d>>,
    pub regions: Vec<Region>,
    pub arrays: Vec<Vec<u64>>,
}

struct Reader<'a, 'd> {
    file: &'a str,
    sections: &'a [ImageSection<'d>],
}

/// Reads the note and its tables.
pub(super) fn read<'d>(file: &str, parts: &Parts<'d>) -> Result<Note<'d>, Problem> {
    let reader = Reader {
        file,
        sections: &parts.sections,
    };
    let (header, records, regions) = reader.descriptor()?;
    let mut isas: Vec<ImageIsa<'d>> = Vec::new();
    for (at, record) in records.into_iter().enumerate() {
        let isa = reader.isa(at, record)?;
        if isas.iter().any(|other| other.name == isa.name) {
            return Err(reader.bad_record(at, format!("one record of {}", isa.name)));
        }
        isas.push(isa);
    }
    let arrays = reader.arrays(&header)?;
    Ok(Note {
        header,
        isas,
        regions,
        arrays,
    })
}

impl<'d> Reader<'_, 'd> {
    fn bad(&self, offset: u64, expected: impl Into<String>) -> Problem {
        malformed(self.file, NOTE_SECTION, offset, expected)
    }

    fn bad_record(&self, isa: usize, expected: impl Into<String>) -> Problem {
        let records = NOTE_HEADER as usize + size_of::<Header>();
        self.bad((records + isa * size_of::<IsaRecord>()) as u64, expected)
    }

    fn section(&self, name: &str) -> Result<&ImageSection<'d>, Problem> {
        let found = self.sections.iter().find(|s| s.name == name);
        found.ok_or_else(|| {
            malformed(
                self.file,
                "section header table",
                0,
                format!("a section {name} in memory, as every fat image has"),
            )
        })
    }

    /// The note's descriptor: header, ISAs, regions.
    fn descriptor(&self) -> Result<(Header, Vec<IsaRecord>, Vec<Region>), Problem> {
        let data = self.section(NOTE_SECTION)?.data;
        let word = |at: usize| Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?));
        let name = data.get(12..16);
        let descriptor = data.get(NOTE_HEADER as usize..).unwrap_or_default();
        if word(0) != Some(NOTE_NAME.len() as u32)
            || word(8) != Some(NOTE_TYPE)
            || name != Some(NOTE_NAME.as_slice())
        {
            return Err(self.bad(0, format!("a note of type {NOTE_TYPE} with the name FAT")));
        }
        if word(4) != u32::try_from(descriptor.len()).ok() {
            return Err(self.bad(4, format!("a descriptor of {:#x} bytes", descriptor.len())));
        }
        let too_short = |what: &str| self.bad(4, format!("a descriptor that has room for {what}"));
        let (header, rest) =
            Header::read_from_prefix(descriptor).map_err(|_| too_short("its header"))?;
        self.check_header(&header)?;
        let records = |count: u32, size: usize, what| {
            let bytes = (count as usize).checked_mul(size);
            bytes.ok_or_else(|| too_short(what))
        };
        let isas = records(header.isa_count, size_of::<IsaRecord>(), "its ISAs")?;
        let (isas, rest) = rest
            .split_at_checked(isas)
            .ok_or_else(|| too_short("its ISAs"))?;
        let regions = records(header.region_count, size_of::<Region>(), "its regions")?;
        let regions = rest
            .get(..regions)
            .ok_or_else(|| too_short("its regions"))?;
        let regions: Vec<Region> = table(regions);
        let first = descriptor.len() - rest.len() + NOTE_HEADER as usize;
        for (at, region) in regions.iter().enumerate() {
            self.check_region((first + at * size_of::<Region>()) as u64, region, &header)?;
        }
        Ok((header, table(isas), regions))
    }

    fn check_header(&self, header: &Header) -> Result<(), Problem> {
        let field = |at: u64, expected: String| Err(self.bad(NOTE_HEADER + at, expected));
        if header.magic != MAGIC {
            return field(0, "FATIMAGE".to_owned());
        }
        if header.version != VERSION {
            return field(8, format!("version {VERSION}, found {}", header.version));
        }
        if !(1..=MAX_ISAS).contains(&header.isa_count) {
            return field(
                12,
                format!("1 to {MAX_ISAS} ISAs, found {}", header.isa_count),
            );
        }
        if u64::from(header.gate_size) != GATE_SIZE {
            return field(
                20,
                format!("gates of {GATE_SIZE} bytes, found {}", header.gate_size),
            );
        }
        if header.image_end < header.image_start {
            return field(
                56,
                format!("an end behind the start {:#x}", header.image_start),
            );
        }
        let gates = header.function_count.checked_mul(GATE_SIZE);
        if gates.and_then(|g| header.gates.checked_add(g)).is_none() {
            return field(24, "gates within the address space".to_owned());
        }
        Ok(())
    }

    fn check_region(&self, at: u64, region: &Region, header: &Header) -> Result<(), Problem> {
        let Region {
            start, size, phys, ..
        } = *region;
        if [start, size, phys].iter().any(|a| a % PAGE_SIZE != 0)
            || start.checked_add(size).is_none()
            || phys.checked_add(size).is_none()
        {
            return Err(self.bad(
                at,
                format!("a region of whole pages, found {size:#x} bytes at {start:#x}, physical {phys:#x}"),
            ));
        }
        if region.isa != ALL_ISAS && region.isa >= header.isa_count {
            return Err(self.bad(
                at + 24,
                format!("one of {} ISAs, found {}", header.isa_count, region.isa),
            ));
        }
        Ok(())
    }

    fn isa(&self, at: usize, record: IsaRecord) -> Result<ImageIsa<'d>, Problem> {
        let name = self.name(at)?;
        if u16::try_from(record.machine).is_err() {
            return Err(self.bad_record(at, format!("an e_machine, found {}", record.machine)));
        }
        // A view keeps the note, but only its own ISA's tables under these names.
        let table_name = format!(".fat.symbols.{name}");
        let symbols = self.sections.iter().find(|s| s.name == table_name);
        let symbols = symbols.ok_or_else(|| {
            malformed(
                self.file,
                "section header table",
                0,
                format!("a section {table_name}: this is no fat image but a view of one"),
            )
        })?;
        let names = self.section(&format!(".fat.names.{name}"))?;
        let functions = self.functions(&record, symbols, names)?;
        Ok(ImageIsa {
            name,
            record,
            functions,
        })
    }

    /// Name of an ISA, which borrows from the file.
    fn name(&self, at: usize) -> Result<&'d str, Problem> {
        let data = self.section(NOTE_SECTION)?.data;
        let start = NOTE_HEADER as usize + size_of::<Header>() + at * size_of::<IsaRecord>();
        let field = &data[start..start + 16];
        let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
        let name = str::from_utf8(&field[..end]).ok();
        let plain = |name: &&str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        name.filter(plain)
            .ok_or_else(|| self.bad_record(at, "the name of an ISA"))
    }

    fn functions(
        &self,
        record: &IsaRecord,
        symbols: &ImageSection<'d>,
        names: &ImageSection<'d>,
    ) -> Result<Vec<Function<'d>>, Problem> {
        let bad = |section: &ImageSection<'d>, at: u64, expected: String| {
            Err(malformed(self.file, section.name, at, expected))
        };
        if record.symbols != symbols.address {
            return bad(symbols, 0, format!("the address {:#x}", record.symbols));
        }
        if (record.names, record.names_size) != (names.address, names.data.len() as u64) {
            return bad(
                names,
                0,
                format!("{:#x} bytes at {:#x}", record.names_size, record.names),
            );
        }
        if names.data.last().is_some_and(|last| *last != 0) {
            return bad(names, record.names_size, "a NUL at the end".to_owned());
        }
        const SIZE: u64 = size_of::<SymbolRecord>() as u64;
        if record.symbol_count.checked_mul(SIZE) != Some(symbols.data.len() as u64) {
            return bad(
                symbols,
                0,
                format!("{} records of {SIZE} bytes", record.symbol_count),
            );
        }
        let mut functions: Vec<Function<'d>> = Vec::new();
        for (at, record) in table::<SymbolRecord>(symbols.data).into_iter().enumerate() {
            let place = at as u64 * SIZE;
            if functions.last().is_some_and(|f| f.address > record.address) {
                return bad(symbols, place, "addresses in order".to_owned());
            }
            let name = names.data.get(record.name as usize..);
            let name = name.and_then(|rest| rest.split(|b| *b == 0).next());
            let Some(name) = name.and_then(|name| str::from_utf8(name).ok()) else {
                return bad(symbols, place + 12, "offset of a name in UTF-8".to_owned());
            };
            functions.push(Function {
                address: record.address,
                size: u64::from(record.size),
                name,
            });
        }
        Ok(functions)
    }

    fn arrays(&self, header: &Header) -> Result<Vec<Vec<u64>>, Problem> {
        // With all ISAs' text at the same addresses there are neither gates nor arrays.
        if header.functions == 0 {
            return Ok(Vec::new());
        }
        let section = self.section(FUNCTIONS_SECTION)?;
        let bad = |expected: String| Err(malformed(self.file, FUNCTIONS_SECTION, 0, expected));
        if section.address != header.functions {
            return bad(format!("the address {:#x}", header.functions));
        }
        let width = u64::from(header.isa_count) * 8;
        if header.function_count.checked_mul(width) != Some(section.data.len() as u64) {
            return bad(format!("{} arrays of {width} bytes", header.function_count));
        }
        let arrays = section.data.chunks_exact(width as usize).map(|array| {
            let (elements, _) = array.as_chunks();
            elements.iter().map(|e| u64::from_le_bytes(*e)).collect()
        });
        Ok(arrays.collect())
    }
}

/// Records that may stand at any address.
fn table<T: FromBytes>(bytes: &[u8]) -> Vec<T> {
    let records = bytes.chunks_exact(size_of::<T>());
    records
        .filter_map(|record| T::read_from_bytes(record).ok())
        .collect()
}
