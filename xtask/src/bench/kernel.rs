//! The objects of a kernel of any size: a few units are compiled, then copied under other names.
//!
//! Compiling thousands of units takes an hour; copying them takes a second. All names of a unit begin with a prefix of
//! one width, `u0003_` for unit 3, so copy 42 is the compiled object with those bytes replaced by `u4203_`, wherever they
//! stand: symbols, sections' names, messages, DWARF's strings. Nothing else in an object looks like that. Each copy so has
//! functions, variables, types and messages of its own, while the header's types and some messages are common to all, as
//! in a real kernel. `n0003_` stands for unit 3 of the next copy: all copies are needed because one leads to the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember};
use sha2::{Digest, Sha256};

use super::source::{self, FIRST_MEMBER, HEADER, UNITS};
use crate::error::Error;

/// Copies have numbers of two digits.
pub const MAX_SIZE: i64 = 100;

/// Flags of all compilers: what a kernel's build gives, and rustc's choice of DWARF.
const FLAGS: &[&str] = &[
    "-O2",
    "-g",
    "-gdwarf-4",
    "-gno-statement-frontiers",
    "-gno-variable-location-views",
    "-ffreestanding",
    "-funsigned-char",
    "-fpie",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector",
    "-fno-lto",
];

/// What a compiler and a linker must be told about an ISA.
struct Target {
    isa: &'static str,
    /// Like rustc's objects, riscv64's are not made for relaxation.
    flags: &'static [&'static str],
    /// What `ld` calls it.
    emulation: &'static str,
}

const TARGETS: [Target; 3] = [
    Target {
        isa: "x86_64",
        flags: &["-mcmodel=small", "-mno-red-zone"],
        emulation: "elf_x86_64",
    },
    Target {
        isa: "riscv64",
        flags: &[
            "-mcmodel=medany",
            "-mno-relax",
            "-march=rv64gc",
            "-mabi=lp64d",
        ],
        emulation: "elf64lriscv",
    },
    Target {
        isa: "aarch64",
        flags: &["-mcmodel=small", "-mno-outline-atomics"],
        emulation: "aarch64linux",
    },
];

fn target(isa: &str) -> Result<&'static Target, Error> {
    let known = TARGETS.iter().find(|target| target.isa == isa);
    known.ok_or_else(|| Error::UnknownIsa {
        isa: isa.to_owned(),
    })
}

/// Compiled units of the ISAs.
pub struct Units {
    isas: Vec<(String, Vec<Vec<u8>>, Vec<u8>)>,
    key: String,
}

/// A kernel in files.
pub struct Kernel {
    /// How many copies of the units.
    pub size: u32,
    /// Where outputs go.
    pub folder: PathBuf,
    /// Its slices.
    pub slices: Vec<Slice>,
}

/// A kernel's slice.
pub struct Slice {
    /// Its ISA.
    pub isa: String,
    /// What `-m` of other linkers calls it.
    pub emulation: &'static str,
    /// A response file that names all inputs.
    pub inputs: PathBuf,
    /// Bytes of all inputs.
    pub bytes: u64,
}

impl Kernel {
    /// Bytes of all inputs of all slices.
    pub fn bytes(&self) -> u64 {
        self.slices.iter().map(|slice| slice.bytes).sum()
    }
}

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::System { doing, source }
}

/// Cargo's target folder: this program stands in one of its folders.
pub fn target_folder() -> Result<PathBuf, Error> {
    let program = std::env::current_exe().map_err(failed("find this program"))?;
    let target = program.ancestors().nth(2);
    target.map(Path::to_owned).ok_or(Error::NoTarget {
        program: program.clone(),
    })
}

/// Where everything is generated.
pub fn folder() -> Result<PathBuf, Error> {
    let folder = target_folder()?.join("bench/link");
    fs::create_dir_all(&folder).map_err(failed("make the folder of the benchmark"))?;
    Ok(folder)
}

/// Compiles the units for each ISA, unless that was done before.
pub fn compile(folder: &Path, isas: &[String]) -> Result<Units, Error> {
    let mut texts = vec![(HEADER.to_owned(), source::header())];
    texts.push(("main.c".to_owned(), source::main_unit()));
    texts
        .extend((0..UNITS).map(|unit| (format!("{}.c", source::prefix(unit)), source::unit(unit))));
    let mut hash = Sha256::new();
    for (name, text) in &texts {
        hash.update(name);
        hash.update(text);
    }
    hash.update(format!(
        "{FLAGS:?}{:?}",
        TARGETS.each_ref().map(|target| target.flags)
    ));
    let digits: Vec<_> = hash
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let key = digits.concat();
    let sources = folder.join(&key);
    fs::create_dir_all(&sources).map_err(failed("make the folder of the benchmark"))?;
    for (name, text) in &texts {
        fs::write(sources.join(name), text).map_err(failed("write the benchmark's sources"))?;
    }
    let mut units = Units {
        isas: Vec::new(),
        key,
    };
    for isa in isas {
        let own = (0..UNITS).map(|unit| compile_unit(&sources, isa, &source::prefix(unit)));
        let own = own.collect::<Result<Vec<_>, _>>()?;
        let main = compile_unit(&sources, isa, "main")?;
        units.isas.push((isa.clone(), own, main));
    }
    Ok(units)
}

fn compile_unit(sources: &Path, isa: &str, unit: &str) -> Result<Vec<u8>, Error> {
    let object = sources.join(format!("{unit}.{isa}.o"));
    if let Ok(bytes) = fs::read(&object) {
        return Ok(bytes);
    }
    let compiler = format!("{isa}-linux-gnu-gcc");
    let made = sources.join(format!("{unit}.{isa}.making"));
    let output = Command::new(&compiler)
        .current_dir(sources)
        .args(FLAGS)
        .args(target(isa)?.flags)
        .arg(format!("-ffile-prefix-map={}=.", sources.display()))
        .args(["-c", &format!("{unit}.c"), "-o"])
        .arg(&made)
        .output()
        .map_err(|source| Error::Start {
            program: compiler.clone(),
            source,
        })?;
    if !output.status.success() {
        return Err(Error::Tool {
            program: compiler,
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    fs::rename(&made, &object).map_err(failed("rename an object"))?;
    fs::read(&object).map_err(failed("read an object"))
}

/// Writes the objects and archives of a kernel, unless that was done before.
pub fn generate(folder: &Path, units: &Units, size: u32) -> Result<Kernel, Error> {
    let folder = folder.join(&units.key).join(format!("size-{size}"));
    let mut slices = Vec::new();
    for (isa, objects, main) in &units.isas {
        let own = folder.join(isa);
        let (inputs, stamp) = (own.join("inputs"), own.join("bytes"));
        let known = fs::read_to_string(&stamp)
            .ok()
            .and_then(|text| text.parse().ok());
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                fs::create_dir_all(&own).map_err(failed("make the folder of the benchmark"))?;
                let bytes = write_slice(&own, &inputs, objects, main, size)?;
                fs::write(&stamp, bytes.to_string()).map_err(failed("write an object"))?;
                bytes
            }
        };
        slices.push(Slice {
            isa: isa.clone(),
            emulation: target(isa)?.emulation,
            inputs,
            bytes,
        });
    }
    Ok(Kernel {
        size,
        folder,
        slices,
    })
}

fn write_slice(
    folder: &Path,
    inputs: &Path,
    units: &[Vec<u8>],
    main: &[u8],
    size: u32,
) -> Result<u64, Error> {
    let (mut names, mut total) = (String::new(), 0);
    let mut write = |name: String, bytes: &[u8]| {
        let path = folder.join(name);
        names += &format!("{}\n", path.display());
        total += bytes.len() as u64;
        fs::write(path, bytes).map_err(failed("write an object"))
    };
    write("main.o".to_owned(), main)?;
    for copy in 0..size {
        let renamed: Vec<_> = units.iter().map(|unit| rename(unit, copy, size)).collect();
        let named = |unit: usize| {
            format!(
                "{}.o",
                source::prefix(unit).replacen("00", &format!("{copy:02}"), 1)
            )
        };
        for (unit, bytes) in renamed.iter().enumerate().take(FIRST_MEMBER) {
            write(named(unit), bytes)?;
        }
        let members = renamed.into_iter().enumerate().skip(FIRST_MEMBER);
        let members: Vec<_> = members
            .map(|(unit, bytes)| NewArchiveMember::new(bytes, &DEFAULT_OBJECT_READER, named(unit)))
            .collect();
        let mut archive = std::io::Cursor::new(Vec::new());
        ar_archive_writer::write_archive_to_stream(
            &mut archive,
            &members,
            ArchiveKind::Gnu,
            false,
            None,
        )
        .map_err(failed("make an archive"))?;
        write(format!("lib{copy:02}.a"), archive.get_ref())?;
    }
    fs::write(inputs, names).map_err(failed("write the list of objects"))?;
    Ok(total)
}

/// A unit under the names of a copy: `u00NN_` is its own, `n00NN_` the next copy's.
fn rename(unit: &[u8], copy: u32, size: u32) -> Vec<u8> {
    let digits = |copy: u32| [b'0' + (copy / 10) as u8, b'0' + (copy % 10) as u8];
    let (own, next) = (digits(copy), digits((copy + 1) % size));
    let mut out = unit.to_vec();
    for at in 0..unit.len().saturating_sub(5) {
        if let [
            kind @ (b'u' | b'n'),
            b'0',
            b'0',
            b'0'..=b'9',
            b'0'..=b'9',
            b'_',
        ] = &unit[at..at + 6]
        {
            out[at] = b'u';
            out[at + 1..at + 3].copy_from_slice(if *kind == b'u' { &own } else { &next });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_names_of_its_own_and_leads_to_the_next() {
        let unit = b"\0u0003_open\0n0001_entry_0 in u0003_, u00x3_";
        assert_eq!(
            rename(unit, 42, 100),
            b"\0u4203_open\0u4301_entry_0 in u4203_, u00x3_"
        );
        assert_eq!(rename(b"n0001_", 99, 100), b"u0001_");
        assert_eq!(rename(b"n0001_u00", 0, 1), b"u0001_u00");
    }
}
