//! What is known of a command line while it is read, and what that adds up to at its end.
//!
//! What an argument says of inputs (`--whole-archive`, `--start-lib`, groups, `-L`) holds for the slice it stands in and
//! ends with it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::flags::{number, symbol};
use super::{
    Input, InputName, MapFormat, MissingCode, Options, Presentation, SliceOptions, Strip,
    SymbolValue, Text, help,
};
use crate::error::DEFAULT_LIMIT;
use crate::ids::SliceId;
use crate::isa::{self, Isa};

/// Where an image of several ISAs begins: above all memory that belongs to one of them.
const FAT_BASE: u64 = 0x1_0000_0000;
/// Where an image of one ISA begins, as with lld.
const PLAIN_BASE: u64 = 0x20_0000;

/// Arguments that were read.
pub(super) struct Draft {
    output: Option<PathBuf>,
    slices: Vec<SliceOptions>,
    /// A slice was begun by `--slice`; otherwise all inputs are in one.
    explicit: bool,
    common_paths: Vec<PathBuf>,
    position: Position,
    views: Vec<(String, PathBuf)>,
    map: Option<PathBuf>,
    entry: Option<String>,
    pub(super) undefined: Vec<String>,
    definitions: Vec<(String, SymbolValue)>,
    image_base: Option<u64>,
    section_starts: Vec<(String, u64)>,
    pub(super) missing_code: MissingCode,
    pub(super) map_format: MapFormat,
    pub(super) text: Text,
    pub(super) gc_sections: Option<bool>,
    pub(super) no_relax: bool,
    pub(super) eh_frame_header: bool,
    pub(super) strip: Strip,
    pub(super) trace: bool,
    pub(super) time: bool,
    pub(super) verbose: bool,
    threads: Option<NonZeroUsize>,
    error_limit: usize,
    pub(super) presentation: Presentation,
}

/// What holds for the inputs that follow, within a slice.
#[derive(Default)]
struct Position {
    whole_archive: bool,
    in_lib: bool,
    in_group: bool,
}

impl Position {
    /// What was begun has ended.
    fn check_ended(&self) -> Result<(), String> {
        match self {
            Self { in_lib: true, .. } => Err("--start-lib: --end-lib is missing".to_owned()),
            Self { in_group: true, .. } => Err("--start-group: --end-group is missing".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            output: None,
            slices: Vec::new(),
            explicit: false,
            common_paths: Vec::new(),
            position: Position::default(),
            views: Vec::new(),
            map: None,
            entry: None,
            undefined: Vec::new(),
            definitions: Vec::new(),
            image_base: None,
            section_starts: Vec::new(),
            missing_code: MissingCode::Error,
            map_format: MapFormat::default(),
            text: Text::default(),
            gc_sections: None,
            no_relax: false,
            eh_frame_header: false,
            strip: Strip::default(),
            trace: false,
            time: false,
            verbose: false,
            threads: None,
            error_limit: DEFAULT_LIMIT,
            presentation: Presentation::default(),
        }
    }
}

impl Draft {
    /// Notes something that cannot fail.
    pub(super) fn set(&mut self, change: impl FnOnce(&mut Self)) -> Result<(), String> {
        change(self);
        Ok(())
    }

    pub(super) fn set_output(&mut self, value: &str) -> Result<(), String> {
        self.set(|draft| draft.output = Some(value.into()))
    }

    pub(super) fn set_map(&mut self, value: &str) -> Result<(), String> {
        self.set(|draft| draft.map = Some(value.into()))
    }

    pub(super) fn set_entry(&mut self, value: &str) -> Result<(), String> {
        self.entry = Some(symbol(value)?);
        Ok(())
    }

    pub(super) fn set_image_base(&mut self, value: &str) -> Result<(), String> {
        self.image_base = Some(page(value)?);
        Ok(())
    }

    pub(super) fn add_section_start(&mut self, value: &str) -> Result<(), String> {
        let (name, start) = assignment(value)?;
        self.section_starts.push((name.to_owned(), page(start)?));
        Ok(())
    }

    pub(super) fn add_view(&mut self, value: &str) -> Result<(), String> {
        let (isa, path) = assignment(value)?;
        self.views.push((isa.to_owned(), path.into()));
        Ok(())
    }

    pub(super) fn set_threads(&mut self, value: &str) -> Result<(), String> {
        let threads = usize::try_from(number(value)?)
            .ok()
            .and_then(NonZeroUsize::new);
        self.threads = Some(threads.ok_or("expected at least one thread")?);
        Ok(())
    }

    pub(super) fn set_error_limit(&mut self, value: &str) -> Result<(), String> {
        self.error_limit = usize::try_from(number(value)?).unwrap_or(usize::MAX);
        Ok(())
    }

    pub(super) fn add_definition(&mut self, value: &str) -> Result<(), String> {
        let (name, value) = assignment(value)?;
        let is_number = value.starts_with(|c: char| c.is_ascii_digit());
        let value = if is_number {
            SymbolValue::Absolute(number(value)?)
        } else if value.contains([
            '+', '-', '*', '/', '(', ')', '&', '|', '<', '>', '~', '!', '?',
        ]) {
            return Err(format!("expected a number or a symbol, found '{value}'"));
        } else {
            SymbolValue::Symbol(symbol(value)?)
        };
        self.definitions.push((symbol(name)?, value));
        Ok(())
    }

    pub(super) fn begin_slice(&mut self, value: &str) -> Result<(), String> {
        if !self.explicit {
            if let Some(before) = self.slices.pop() {
                return Err(before_first(&before));
            }
            self.explicit = true;
        }
        std::mem::take(&mut self.position).check_ended()?;
        let isa = known_isa(value)?;
        if self
            .slices
            .iter()
            .any(|s| s.isa.is_some_and(|i| i.name() == value))
        {
            return Err(format!("{value} is given twice"));
        }
        self.slices.push(SliceOptions {
            isa: Some(isa),
            ..SliceOptions::default()
        });
        Ok(())
    }

    /// The slice whose inputs are being read.
    fn slice(&mut self) -> &mut SliceOptions {
        if self.slices.is_empty() {
            self.slices.push(SliceOptions::default());
        }
        self.slices.last_mut().expect("not empty")
    }

    pub(super) fn add_input(&mut self, name: InputName) -> Result<(), String> {
        let Position {
            whole_archive,
            in_lib,
            ..
        } = self.position;
        self.slice().inputs.push(Input {
            name,
            whole_archive,
            lazy: in_lib,
        });
        Ok(())
    }

    pub(super) fn add_library(&mut self, value: &str) -> Result<(), String> {
        self.add_input(InputName::Library(value.to_owned()))
    }

    pub(super) fn add_library_path(&mut self, value: &str) -> Result<(), String> {
        let paths = match self.slices.last_mut() {
            Some(slice) if self.explicit => &mut slice.library_paths,
            _ => &mut self.common_paths,
        };
        paths.push(value.into());
        Ok(())
    }

    pub(super) fn set_whole_archive(&mut self, whole: bool) -> Result<(), String> {
        self.set(|draft| draft.position.whole_archive = whole)
    }

    pub(super) fn start_lib(&mut self) -> Result<(), String> {
        if self.position.in_group {
            return Err("may not stand in a group".to_owned());
        }
        begin(&mut self.position.in_lib, "--end-lib")
    }

    pub(super) fn end_lib(&mut self) -> Result<(), String> {
        end(&mut self.position.in_lib, "--start-lib")
    }

    pub(super) fn start_group(&mut self) -> Result<(), String> {
        begin(&mut self.position.in_group, "--end-group")
    }

    pub(super) fn end_group(&mut self) -> Result<(), String> {
        end(&mut self.position.in_group, "--start-group")
    }

    pub(super) fn set_emulation(&mut self, value: &str) -> Result<(), String> {
        let isa = isa::ALL
            .iter()
            .copied()
            .find(|isa| isa.emulations().contains(&value));
        let isa = isa.ok_or_else(|| {
            let known: Vec<_> = isa::ALL
                .iter()
                .flat_map(|isa| isa.emulations())
                .copied()
                .collect();
            format!("expected {}, found '{value}'", known.join(" or "))
        })?;
        let slice = self.slice();
        match slice.isa.replace(isa) {
            Some(other) if other.name() != isa.name() => Err(format!(
                "{value} is {}, but the slice is {}",
                isa.name(),
                other.name()
            )),
            _ => Ok(()),
        }
    }

    /// The version, if nothing but that was asked for.
    pub(super) fn only_version(&self) -> Option<String> {
        let nothing = self.slices.iter().all(|slice| slice.inputs.is_empty());
        (self.verbose && nothing).then(help::version)
    }

    /// Checks what only the whole command line tells.
    pub(super) fn finish(mut self) -> Result<Options, String> {
        let output = self.output.ok_or("no output: -o FILE is missing")?;
        if self.slices.is_empty() {
            return Err("no inputs".to_owned());
        }
        if let Some(empty) = self.slices.iter().find(|s| s.inputs.is_empty()) {
            return Err(match empty.isa.filter(|_| self.explicit) {
                Some(isa) => format!("--slice {}: no inputs", isa.name()),
                None => "no inputs".to_owned(),
            });
        }
        self.position.check_ended()?;
        for slice in &mut self.slices {
            slice
                .library_paths
                .extend(self.common_paths.iter().cloned());
        }
        let slices = &self.slices;
        let views = self.views.into_iter().map(|(isa, path)| {
            let slice = slices
                .iter()
                .position(|s| s.isa.is_some_and(|i| i.name() == isa));
            slice
                .map(|s| (SliceId::next(s), path))
                .ok_or_else(|| format!("--view {isa}: there is no such slice"))
        });
        let views = views.collect::<Result<_, _>>()?;
        let plain = self.slices.len() == 1;
        Ok(Options {
            output,
            views,
            slices: self.slices,
            map: self.map,
            entry: self.entry.unwrap_or_else(|| "_start".to_owned()),
            undefined: self.undefined,
            definitions: self.definitions,
            image_base: self
                .image_base
                .unwrap_or(if plain { PLAIN_BASE } else { FAT_BASE }),
            section_starts: self.section_starts,
            missing_code: self.missing_code,
            map_format: self.map_format,
            text: self.text,
            gc_sections: self.gc_sections.unwrap_or(!plain),
            relax: !self.no_relax,
            eh_frame_header: self.eh_frame_header,
            strip: self.strip,
            trace: self.trace,
            time: self.time,
            verbose: self.verbose,
            threads: self.threads,
            error_limit: self.error_limit,
            presentation: self.presentation,
        })
    }
}

fn before_first(slice: &SliceOptions) -> String {
    match slice.inputs.first().map(|input| &input.name) {
        Some(InputName::Path(path)) => {
            format!("input {} stands before the first --slice", path.display())
        }
        Some(InputName::Library(name)) => format!("-l {name} stands before the first --slice"),
        None => "-m stands before the first --slice".to_owned(),
    }
}

fn begin(inside: &mut bool, end: &str) -> Result<(), String> {
    match std::mem::replace(inside, true) {
        true => Err(format!("{end} is missing before it")),
        false => Ok(()),
    }
}

fn end(inside: &mut bool, begin: &str) -> Result<(), String> {
    match std::mem::replace(inside, false) {
        true => Ok(()),
        false => Err(format!("{begin} is missing before it")),
    }
}

fn known_isa(name: &str) -> Result<&'static dyn Isa, String> {
    isa::by_name(name).ok_or_else(|| {
        let known: Vec<_> = isa::ALL.iter().map(|i| i.name()).collect();
        format!("unknown ISA '{name}', known are {}", known.join(", "))
    })
}

fn assignment(value: &str) -> Result<(&str, &str), String> {
    value
        .split_once('=')
        .ok_or_else(|| format!("expected NAME=VALUE, found '{value}'"))
}

/// An address at which a page begins.
/// No address space of the ISAs reaches this far (57 bits), and layout adds to addresses without fear of overflow.
const MAX_ADDRESS: u64 = 1 << 57;

fn page(value: &str) -> Result<u64, String> {
    match number(value).map_err(|_| format!("expected an address, found '{value}'"))? {
        address if address % fat_image::PAGE_SIZE != 0 => Err(format!(
            "address {address:#x} is not a multiple of {:#x}",
            fat_image::PAGE_SIZE
        )),
        // Above it there is no room for what follows.
        address if address >= MAX_ADDRESS => Err(format!(
            "address {address:#x} is not below {MAX_ADDRESS:#x}"
        )),
        address => Ok(address),
    }
}
