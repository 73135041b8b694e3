//! The process that links mutants, many in a row: what ends it ends one mutant.
//!
//! It has a folder of its own with a copy of all fixtures, damages one file, does the fixture's work, puts the file back,
//! and writes a line for each mutant. Its memory is limited.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use abi_check::{ObjectFile, Selection, Side};
use fatld::Problem;
use fatld::error::Place;
use fatld::options::Command;
use rustix::process::{Resource, Rlimit, setrlimit};
use testsuite::damage::{Random, Sound};

use super::Outcome;
use super::fixtures::{self, Fixture, RESPONSE, RESPONSE_WORDS, Work};
use crate::error::Error;

/// Which mutants, and where.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder with the fixtures, for this process alone
    #[arg(long)]
    folder: std::path::PathBuf,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    first: u64,
    #[arg(long)]
    mutants: u64,
}

/// Bytes of address space: a small multiple of what the fixtures take.
const MEMORY: u64 = 2 << 30;

/// What the panic said that is being caught.
static SAID: Mutex<String> = Mutex::new(String::new());

/// Links mutants until all are done.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let system = |doing| move |source| Error::System { doing, source };
    std::env::set_current_dir(&arguments.folder).map_err(system("enter the folder"))?;
    limit(Resource::As, MEMORY).map_err(system("limit the memory"))?;
    limit(Resource::Core, 0).map_err(system("limit core files"))?;
    std::panic::set_hook(Box::new(|info| {
        let said = info.to_string().replace('\n', " ");
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            eprintln!("{trace}");
        }
        *SAID.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = said;
    }));
    let fixtures = fixtures::all();
    let files = Files::default();
    for mutant in arguments.first..arguments.first + arguments.mutants {
        let mut random = Random::new(arguments.seed, mutant);
        let fixture = random.one_of(&fixtures);
        let victim = random.one_of(&fixture.victims);
        let sound = files.sound(victim).map_err(system("read a fixture"))?;
        let damaged = sound.damaged(&mut random);
        std::fs::write(victim, damaged).map_err(system("write a mutant"))?;
        let (outcome, said) = judge(fixture, victim);
        std::fs::write(victim, sound.bytes()).map_err(system("write a fixture"))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{mutant} {} {}: {said}", outcome.word(), fixture.name)
            .and_then(|()| out.flush())
            .map_err(system("report a mutant"))?;
    }
    Ok(())
}

fn limit(resource: Resource, bytes: u64) -> std::io::Result<()> {
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    Ok(setrlimit(resource, limit)?)
}

/// The fixtures' files as they were, read when they are first damaged.
#[derive(Default)]
struct Files(RefCell<HashMap<String, std::rc::Rc<Sound>>>);

impl Files {
    fn sound(&self, name: &str) -> std::io::Result<std::rc::Rc<Sound>> {
        if let Some(sound) = self.0.borrow().get(name) {
            return Ok(sound.clone());
        }
        let bytes = std::fs::read(name)?;
        let sound = std::rc::Rc::new(if name == RESPONSE {
            Sound::text(bytes, RESPONSE_WORDS)
        } else {
            Sound::binary(bytes)
        });
        self.0.borrow_mut().insert(name.to_owned(), sound.clone());
        Ok(sound)
    }
}

/// What a fixture's work was refused with.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// By the linker.
    #[error(transparent)]
    Link(#[from] fatld::Error),
    /// By what compares types.
    #[error(transparent)]
    Compare(#[from] abi_check::Error),
}

/// Does a fixture's work, and says how it ended and, unless all is well, what was said.
fn judge(fixture: &Fixture, victim: &str) -> (Outcome, String) {
    let done = catch_unwind(AssertUnwindSafe(|| {
        work(fixture).map_err(|refusal| {
            let said = refusal.to_string();
            let placed = match &refusal {
                Refusal::Link(error) => {
                    let placed = |problem: &Problem| is_placed(problem, fixture, victim);
                    error.problems().iter().all(placed)
                }
                Refusal::Compare(_) => names_file_and_place(&said, fixture),
            };
            (placed, said.replace('\n', " "))
        })
    }));
    match done {
        Ok(Ok(())) => (Outcome::Accepted, String::new()),
        Ok(Err((true, said))) => (Outcome::Refused, said),
        Ok(Err((false, said))) => (Outcome::Unplaced, said),
        Err(_) => {
            let said = SAID.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            (Outcome::Crashed, said.clone())
        }
    }
}

/// Does a fixture's work in the current folder.
pub fn work(fixture: &Fixture) -> Result<(), Refusal> {
    match fixture.work {
        Work::Link => Ok(link(&fixture.arguments, "out")?),
        Work::Inspect => Ok(inspect(&fixture.arguments[0])?),
        Work::Compare => Ok(compare(&fixture.arguments)?),
    }
}

/// Links files into a file. The output comes last, so that no response file moves it elsewhere.
pub fn link(arguments: &[String], output: &str) -> Result<(), fatld::Error> {
    let words = arguments.iter().map(OsString::from);
    match Command::parse(words.chain(["-o".into(), output.into()]))? {
        Command::Link(options) => fatld::link_image(&options),
        // A text: nothing was linked, and nobody wants to read it.
        Command::Print(_) => Ok(()),
    }
}

/// Compares all that the files define with itself, and asks each where its debug information is.
fn compare(files: &[String]) -> Result<(), abi_check::Error> {
    let read = |name: &String| (name.clone(), std::fs::read(name).unwrap_or_default());
    let files: Vec<(String, Vec<u8>)> = files.iter().map(read).collect();
    let objects: Vec<ObjectFile<'_>> = files
        .iter()
        .map(|(name, data)| ObjectFile {
            name: name.clone(),
            data,
        })
        .collect();
    for object in &objects {
        for elsewhere in abi_check::elsewhere(object)? {
            for other in &objects {
                std::hint::black_box(elsewhere.check(other)?);
            }
        }
    }
    let side = |name: &str| Side {
        name: name.to_owned(),
        objects: objects.clone(),
    };
    let everything = Selection {
        statics: &|_| true,
        types: Some(&|_| true),
        code_pointers: abi_check::CodePointers::Refused,
        lints: &[],
        progress: None,
    };
    let report = abi_check::compare_selected(&[side("a"), side("b")], everything)?;
    std::hint::black_box(report);
    Ok(())
}

fn inspect(file: &str) -> Result<(), fatld::Error> {
    let bytes =
        std::fs::read(file).map_err(|error| fatld::error::unreadable(Path::new(file), &error))?;
    let image = fatld::image::read(file, &bytes)?;
    let shown = fatld::inspect::inspect(file, &image);
    std::hint::black_box(fatld::inspect::render(
        &shown,
        fatld::inspect::Style::default(),
    ));
    for isa in 0..image.isas.len() {
        let made = fatld::extract::extract(&image, isa);
        if !made.names_overflow() {
            made.write(&mut vec![0; made.size() as usize]);
        }
    }
    Ok(())
}

/// The message begins with one of the files, and says more than that.
fn names_file_and_place(said: &str, fixture: &Fixture) -> bool {
    let words = |file: &String| said.strip_prefix(file.as_str())?.strip_prefix(": ");
    fixture
        .arguments
        .iter()
        .filter_map(words)
        .any(|words| !words.is_empty())
}

/// A refusal says where it is wrong and what should be there.
fn is_placed(problem: &Problem, fixture: &Fixture, victim: &str) -> bool {
    let is_input = |file: &str| {
        let path = file.split('(').next().unwrap_or_default();
        fixture.victims.iter().chain(&fixture.arguments).any(|f| f == path)
            || (victim == RESPONSE && Path::new(path).exists())
            // Members of a thin archive.
            || path.ends_with(".o") && Path::new(path).exists()
    };
    let named = |place: &Place| {
        let is_command_line = place.file == fatld::elf::COMMAND_LINE;
        is_command_line || is_input(&place.file) && !place.section.is_empty()
    };
    match problem {
        Problem::Usage(said) => victim == RESPONSE && !said.is_empty(),
        Problem::Read { reason, .. } => !reason.is_empty(),
        Problem::NoLibrary { file, .. } => victim == RESPONSE && !file.is_empty(),
        Problem::Malformed { place, expected } => named(place) && !expected.is_empty(),
        Problem::Unsupported { place, what } => named(place) && !what.is_empty(),
        Problem::Overflow { place, .. } | Problem::Misaligned { place, .. } => named(place),
        Problem::Undefined { references, .. } => {
            // Without references it is the command line that needs it.
            references.iter().all(named)
        }
        Problem::Duplicate { definitions, .. } => definitions.iter().all(|d| named(&d.place)),
        Problem::Mismatch { sides, .. } => {
            sides.len() > 1 && sides.iter().all(|side| is_input(&side.file))
        }
        Problem::Layout(said) => !said.is_empty(),
        Problem::MissingCode { taken_by, .. } => {
            !taken_by.is_empty() && taken_by.iter().all(|(_, place)| named(place))
        }
        // The output is where it was: what is wrong is an input, which should have been named.
        Problem::Output { .. } => false,
    }
}
