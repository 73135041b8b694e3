//! `fatld`: links the objects of several instruction sets into one image with one set of data.
//!
//! [`link`] reads as the table of contents: each phase is a module, takes what the former phases made by shared
//! reference, and returns a result of its own. `docs/design.md` has the rules a fat link obeys, `docs/image.md` the
//! format of what comes out.

pub mod archive;
pub mod classify;
pub mod clusters;
pub mod collect;
pub mod commands;
pub mod content;
pub mod debug;
pub mod elements;
pub mod elf;
pub mod error;
pub mod evidence;
pub mod extract;
pub mod file;
pub mod frames;
pub mod functions;
pub mod gc;
pub mod hash;
pub mod identity;
pub mod ids;
pub mod image;
pub mod inputs;
pub mod inspect;
pub mod isa;
pub mod judge;
pub mod landmark;
pub mod layout;
pub mod map;
pub mod meaning;
pub mod merge;
pub mod names;
pub mod notation;
pub mod options;
pub mod output;
pub mod pair;
pub mod program;
pub mod relax;
pub mod relocate;
pub mod report;
pub mod resolve;
pub mod share;
pub mod source;
pub mod strings;
pub mod symtab;
pub mod table;
pub mod tails;
pub mod time;
pub mod verify;
pub mod write;

use std::ffi::OsString;
use std::io::Write;
use std::mem::ManuallyDrop;

pub use error::{Error, Problem};
use options::{Command, Options};
use rayon::prelude::*;
use resolve::ResolvedSlice;

/// Runs the linker with a command line, program name left out. Prints nothing when it succeeds, unless the command line
/// asks for a text.
pub fn link(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Error> {
    match Command::parse(arguments)? {
        Command::Link(options) => link_image(&options),
        Command::Print(text) => say(&text),
    }
}

/// Prints what the command line asks for; ANSI escapes only on a terminal that wants them.
pub fn say(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader such as `head` has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let reason = error.to_string();
            let file = "standard output".into();
            Err(Problem::Output { file, reason }.into())
        }
        _ => Ok(()),
    }
}

/// Links what the options ask for. No output file is touched unless everything could be made.
pub fn link_image(options: &Options) -> Result<(), Error> {
    link_image_over(options, 0)
}

/// The same, onto files that are full of the byte `background` first: for tests that every byte is written.
pub fn link_image_over(options: &Options, background: u8) -> Result<(), Error> {
    if options.verbose {
        say(&options::version())?;
    }
    let link = || {
        read_and_link(options, background).map_err(|error| error.limited_to(options.error_limit))
    };
    let Some(threads) = options.threads else {
        return link();
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build();
    let pool = pool.map_err(|e| Problem::Usage(format!("--threads={threads}: {e}")))?;
    pool.install(link)
}

fn read_and_link(options: &Options, background: u8) -> Result<(), Error> {
    let mut times = time::Times::start();
    // The files of each slice, taken apart into what they offer.
    let files = inputs::open(&options.slices)?;
    // Never taken apart again: the process ends soon, and millions of small tables are given back at once by its end.
    let inputs = ManuallyDrop::new(inputs::read(&files, options)?);
    times.end("read");
    link_inputs(options, &inputs, background, &mut times)
        .map_err(|error| source::explain(error.limited_to(options.error_limit), &inputs))
}

fn link_inputs<'d>(
    options: &'d Options,
    inputs: &'d [inputs::Inputs<'d>],
    background: u8,
    times: &mut time::Times,
) -> Result<(), Error> {
    // Which objects take part in each slice, and what its names mean.
    let slices = resolve_all(options, inputs)?;
    times.end("resolve");
    let program = ManuallyDrop::new(program::build(&slices)?);
    times.end("tables");
    let refusal = |problems| Error::new(source::declare(&program, problems));
    // What the slices have in common: by name, then by the sections those names tie together.
    let pairing = pair::pair(&program);
    times.end("pair");
    let collections = collect::collect(&program, &pairing).map_err(&refusal)?;
    let clusters = clusters::find(&program, &pairing, &collections).map_err(&refusal)?;
    times.end("tie");
    // What is needed, over all slices.
    let live = ManuallyDrop::new(gc::mark(
        &program,
        &pairing,
        &collections,
        &clusters,
        options,
    )?);
    times.end("mark");
    let functions = functions::build(&program, &pairing, &live);
    let (shared, judged) = rayon::join(
        // What is stored once, and the proof that it may be: bytes and references here, layouts by abi-check.
        || {
            let sharing = share::share(
                &program,
                &pairing,
                &collections,
                &clusters,
                &live,
                &functions,
            )?;
            let inputs = layout::Inputs {
                program: &program,
                pairing: &pairing,
                clusters: &clusters,
                collections: &collections,
                live: &live,
                functions: &functions,
                sharing: &sharing,
            };
            let layout = lay_out(inputs, options);
            Ok((ManuallyDrop::new(sharing), layout))
        },
        || judge::judge(&program, &pairing, &live, &clusters),
    );
    let (sharing, layout) = shared.map_err(&refusal)?;
    let report = judged.map_err(&refusal)?;
    let layout = layout?;
    times.end("prove");
    // The bytes: written straight into the files.
    let values = relocate::Values {
        program: &program,
        live: &live,
        functions: &functions,
        layout: &layout,
    };
    let sources = content::Sources {
        values,
        clusters: &clusters,
        sharing: &sharing,
        collections: &collections,
    };
    let texts = options.map.iter().map(|path| {
        let map = map::render(sources, &pairing, report.as_ref(), options.map_format);
        (path.as_path(), map.into_bytes())
    });
    output::write(sources, &pairing, options, texts.collect(), background)?;
    times.end("write");
    if options.time {
        say(&times.table())
    } else {
        Ok(())
    }
}

/// Gives everything an address. What is then out of reach of its instruction gets a longer one.
fn lay_out(inputs: layout::Inputs<'_, '_>, options: &Options) -> Result<layout::Layout, Error> {
    let layout::Inputs {
        program,
        live,
        functions,
        ..
    } = inputs;
    let mut shapes = relax::Shapes::cheapest(program, live, options.relax).map_err(Error::new)?;
    loop {
        let layout = layout::lay_out(inputs, shapes, options)?;
        let values = relocate::Values {
            program,
            live,
            functions,
            layout: &layout,
        };
        let Some(misfits) = layout.shapes.misfits(values) else {
            error::check(layout.shapes.short_paddings(program))?;
            return Ok(layout);
        };
        shapes = layout.shapes;
        shapes.give_way(program, misfits);
    }
}

fn resolve_all<'d>(
    options: &'d Options,
    inputs: &'d [inputs::Inputs<'d>],
) -> Result<Vec<ResolvedSlice<'d>>, Error> {
    let resolved: Vec<_> = inputs
        .par_iter()
        .map(|inputs| resolve::resolve(inputs, options))
        .collect();
    let (mut slices, mut problems) = (Vec::new(), Vec::new());
    for result in resolved {
        match result {
            Ok(slice) => slices.push(slice),
            Err(more) => problems.extend(more),
        }
    }
    error::check(problems)?;
    if options.trace {
        let objects = slices.iter().flat_map(|slice| &slice.objects);
        let files = objects.filter(|object| !object.elf.is_command_line());
        say(&files
            .map(|object| format!("{}\n", object.elf.file))
            .collect::<String>())?;
    }
    Ok(slices)
}
