//! The link of one image: `fatld`'s command line, and whether there is anything to do.
//!
//! A link is left out if it would read the same files by the same command line with the same linker as the one that
//! wrote what is there. Files are the same if path, size and time of change are.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fat_image::machine::{BOOT_SECTION, LINUX_ENTRY, SHARED_START};
use serde::{Deserialize, Serialize};

use crate::build::Image;
use crate::error::Error;
use crate::files;
use crate::plan::Plan;
use crate::record::Record;

/// Symbol where each ISA's program starts.
const ENTRY: &str = "_start";

/// A file as it was found.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    path: PathBuf,
    size: u64,
    /// Nanoseconds from 1970.
    changed: u128,
}

/// All that a link depends on, and what it left.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    arguments: Vec<String>,
    inputs: Vec<Seen>,
    outputs: Vec<Seen>,
}

/// `fatld`'s arguments for an image.
pub(crate) fn command_line(
    plan: &Plan,
    slices: &[(&str, &Record)],
    image: &Image,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-o".into(), image.image.clone().into()];
    for (isa, record) in slices {
        arguments.extend(["--slice".into(), isa.into()]);
        arguments.extend(record.inputs.iter().map(OsString::from));
    }
    for (isa, view) in &image.views {
        let mut value = OsString::from(format!("{isa}="));
        value.push(view);
        arguments.extend(["--view".into(), value]);
    }
    arguments.extend([
        "-Map".into(),
        image.map.clone().into(),
        "-e".into(),
        ENTRY.into(),
        // Nothing in the image leads there: it is entered by who starts it.
        "-u".into(),
        LINUX_ENTRY.into(),
    ]);
    arguments.extend(["--image-base".into(), format!("{SHARED_START:#x}").into()]);
    for isa in &plan.isas {
        arguments.push(
            format!(
                "--section-start={BOOT_SECTION}.{}={:#x}",
                isa.name, isa.boot
            )
            .into(),
        );
    }
    arguments
}

/// Links, if there is anything to do.
pub(crate) fn link(
    arguments: &[OsString],
    slices: &[(&str, &Record)],
    image: &Image,
) -> Result<(), Error> {
    let linker = std::env::current_exe().map_err(|source| Error::System {
        doing: "find our own program",
        source,
    })?;
    let inputs = seen(
        slices
            .iter()
            .flat_map(|(_, record)| &record.inputs)
            .chain([&linker]),
    )?;
    let words: Vec<String> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let outputs = || {
        seen(
            [&image.image, &image.map]
                .into_iter()
                .chain(image.views.iter().map(|(_, view)| view)),
        )
    };

    let path = image.image.with_extension("link.json");
    let last: Option<Fingerprint> = files::read_json(&path).ok();
    if last.is_some_and(|last| {
        last.arguments == words
            && last.inputs == inputs
            && outputs().is_ok_and(|outputs| outputs == last.outputs)
    }) {
        return Ok(());
    }

    if let Some(dir) = image.image.parent() {
        fs::create_dir_all(dir).map_err(files::context("make", dir))?;
    }
    if path.exists() {
        fs::remove_file(&path).map_err(files::context("remove", &path))?;
    }
    fatld::link(arguments.iter().cloned()).map_err(|source| Error::Link {
        image: image.image.clone(),
        source,
    })?;
    files::write_json(
        &path,
        &Fingerprint {
            arguments: words,
            inputs,
            outputs: outputs()?,
        },
    )
}

fn seen<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<Vec<Seen>, Error> {
    paths.into_iter().map(|path| Seen::of(path)).collect()
}

impl Seen {
    fn of(path: &Path) -> Result<Seen, Error> {
        let metadata = fs::metadata(path).map_err(files::context("read", path))?;
        let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let changed = changed
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos());
        Ok(Seen {
            path: path.to_owned(),
            size: metadata.len(),
            changed,
        })
    }
}
