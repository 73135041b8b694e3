//! Phase 12: the files, image, views and what else is written.
//!
//! What each file is made of is planned first. Then all files are filled in one parallel pass, every piece of work
//! straight into bytes of its own; what a view has in memory is the image's, so it is made once and copied. When all is
//! well, the files get their names.

use std::path::Path;

use fat_image::Region;
use rayon::prelude::*;

use crate::content::Sources;
use crate::debug::Debug;
use crate::error::{Error, Problem, check};
use crate::file::{self, Identity, Loaded, Parts, Plan, Work};
use crate::hash::HashSet;
use crate::ids::SliceId;
use crate::layout::{Item, OutputSection};
use crate::options::{Options, Strip};
use crate::pair::Pairing;
use crate::program::Program;
use crate::relocate::Values;
use crate::symtab::{Homes, Scope, Table};
use crate::write::Pending;

/// What a file is made of, besides the sections in memory.
struct Contents<'a, 'd> {
    /// Slice whose ISA and entry the file has.
    slice: SliceId,
    loaded: Vec<Loaded>,
    debug: Debug<'a, 'd>,
    comment: Vec<u8>,
    /// Symbols, unless they are left out.
    symbols: Option<Table<'a, 'd>>,
}

impl Contents<'_, '_> {
    fn plan(&self, values: Values<'_, '_>) -> Plan {
        let program = values.program;
        let entry = values.live.entries[self.slice.at()];
        let entry = values.layout.symbol_address(program, entry);
        let frame_header = |section: &OutputSection| {
            let mut items = section.items.iter();
            items.any(|item| item.0 == Item::FrameHeader(self.slice))
        };
        let sections = &values.layout.sections;
        file::plan(&Parts {
            identity: Identity {
                machine: program.isa(self.slice).machine(),
                flags: program.slices[self.slice.at()].flags,
                entry: entry.unwrap_or_default(),
            },
            layout: sections,
            frame_header: sections.iter().position(frame_header),
            loaded: &self.loaded,
            debug: &self.debug.sections,
            comment: &self.comment,
            symbols: self.symbols.as_ref().map(Table::extent),
        })
    }
}

/// Writes the image, the views and further texts. Files are filled with `background` first: no byte of it is left.
pub fn write(
    sources: Sources<'_, '_>,
    pairing: &Pairing<'_>,
    options: &Options,
    texts: Vec<(&Path, Vec<u8>)>,
    background: u8,
) -> Result<(), Error> {
    let homes = Homes::find(sources);
    let (mut contents, mut plans, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for (path, scope) in scopes(options) {
        let content = gather(sources, pairing, &homes, (scope, options.strip))?;
        let plan = content.plan(sources.values);
        if plan.names_overflow {
            return Err(Problem::Output {
                file: path.to_owned(),
                reason: "the names of its symbols take more than 4 GiB".to_owned(),
            }
            .into());
        }
        let mut file = Pending::new(path, plan.size, true)?;
        if background != 0 {
            file.bytes_mut().fill(background);
        }
        contents.push(content);
        plans.push(plan);
        files.push(file);
    }
    fill(sources, &contents, &plans, &mut files)?;
    for (path, text) in texts {
        files.push(Pending::made(path, text)?);
    }
    files.into_iter().try_for_each(Pending::publish)
}

/// The files to write. The first one has all of memory: the image, or the only slice's view in its place.
fn scopes(options: &Options) -> Vec<(&Path, Scope)> {
    let first = match options.slices.len() {
        1 => Scope::Slice(SliceId(0)),
        _ => Scope::Image,
    };
    let views = options.views.iter();
    let views = views.map(|(slice, path)| (path.as_path(), Scope::Slice(*slice)));
    let mut scopes = vec![(options.output.as_path(), first)];
    scopes.extend(views);
    scopes
}

fn gather<'a, 'd>(
    sources: Sources<'a, 'd>,
    pairing: &'a Pairing<'d>,
    homes: &'a Homes,
    (scope, strip): (Scope, Strip),
) -> Result<Contents<'a, 'd>, Error> {
    let values = sources.values;
    let (slice, has_debug) = match scope {
        Scope::Image => (SliceId(0), false),
        Scope::Slice(slice) => (slice, strip == Strip::Nothing),
    };
    let debug = match has_debug {
        true => Debug::plan(values, homes, slice).map_err(Error::new)?,
        false => Debug::none(values),
    };
    let has_symbols = strip != Strip::All;
    Ok(Contents {
        slice,
        loaded: loaded(sources, scope),
        debug,
        comment: comment(values.program, scope),
        symbols: has_symbols.then(|| Table::plan(sources, pairing, homes, scope)),
    })
}

/// The sections in memory that a file has: in a view the own gates only, and the others' text is not executable.
fn loaded(sources: Sources<'_, '_>, scope: Scope) -> Vec<Loaded> {
    let (program, layout) = (sources.values.program, sources.values.layout);
    let sections = layout.sections.iter().enumerate();
    let loaded = sections.filter_map(|(index, section)| {
        let (mut name, mut flags) = (section.name.clone(), section.flags);
        if let Scope::Slice(slice) = scope {
            let suffix = format!(".{}", program.isa(slice).name());
            if let Some(stem) = name.strip_suffix(&suffix) {
                name.truncate(stem.len());
            }
            if section.slice.is_some_and(|other| other != slice) {
                if flags & Region::GATES != 0 {
                    return None;
                }
                flags &= !Region::EXECUTE;
            }
        }
        Some(Loaded { index, name, flags })
    });
    loaded.collect()
}

/// What compilers and assemblers say of themselves, each text once, and the linker's own.
fn comment(program: &Program<'_>, scope: Scope) -> Vec<u8> {
    let objects = program.objects.iter().filter(|object| match scope {
        Scope::Image => true,
        Scope::Slice(slice) => object.slice == slice,
    });
    let sections = objects.flat_map(|object| &object.elf.sections);
    let comments = sections.filter(|section| section.name == ".comment");
    let texts = comments.flat_map(|section| section.data.split(|byte| *byte == 0));
    let own = concat!("Linker: fatld ", env!("CARGO_PKG_VERSION"));
    let texts = texts
        .filter(|text| !text.is_empty())
        .chain([own.as_bytes()]);
    // As readers of this section expect it, it begins with an empty string.
    let (mut seen, mut bytes) = (HashSet::default(), vec![0]);
    for text in texts.filter(|text| seen.insert(*text)) {
        bytes.extend_from_slice(text);
        bytes.push(0);
    }
    bytes
}

/// Bytes of a file, and what makes them.
struct Piece<'f, 'w> {
    file: usize,
    out: &'f mut [u8],
    work: &'w Work,
}

/// Makes every byte of every file.
fn fill(
    sources: Sources<'_, '_>,
    contents: &[Contents<'_, '_>],
    plans: &[Plan],
    files: &mut [Pending],
) -> Result<(), Error> {
    let Some((first, others)) = files.split_first_mut() else {
        return Ok(());
    };
    let (mut pieces, mut copies) = (Vec::new(), Vec::new());
    plans[0].cut(first.bytes_mut(), |out, work| {
        pieces.push(Piece { file: 0, out, work });
    });
    for (at, file) in others.iter_mut().enumerate() {
        let file_index = at + 1;
        plans[file_index].cut(file.bytes_mut(), |out, work| match work {
            Work::Items(section, items) => {
                let offset = sources.values.layout.sections[*section].start_of(items.start);
                let place = plans[0].places[*section].map(|start| (start + offset) as usize);
                copies.push((out, place.expect("the first file has all of memory")));
            }
            _ => pieces.push(Piece {
                file: file_index,
                out,
                work,
            }),
        });
    }
    let make = |piece: Piece<'_, '_>| {
        let headers = &plans[piece.file].headers;
        make(sources, &contents[piece.file], headers, piece)
    };
    check(pieces.into_par_iter().flat_map_iter(make).collect())?;
    let made = first.bytes();
    copies
        .into_par_iter()
        .for_each(|(out, from)| out.copy_from_slice(&made[from..from + out.len()]));
    Ok(())
}

fn make(
    sources: Sources<'_, '_>,
    contents: &Contents<'_, '_>,
    headers: &[u16],
    piece: Piece<'_, '_>,
) -> Vec<Problem> {
    let out = piece.out;
    match piece.work {
        Work::Bytes(bytes) => out.copy_from_slice(bytes),
        Work::Items(section, items) => {
            let section = &sources.values.layout.sections[*section];
            return sources.fill(section, items.clone(), out);
        }
        Work::Debug(section, part) => return contents.debug.write(*section, *part, out),
        Work::Symbols(chunk) => {
            let symbols = contents.symbols.iter();
            symbols.for_each(|table| table.write(*chunk, headers, out));
        }
        Work::Names(chunk) => {
            let symbols = contents.symbols.iter();
            symbols.for_each(|table| table.write_names(*chunk, out));
        }
    }
    Vec::new()
}
