//! CPUs as Linux processes: the image that boots on boards, without emulated devices.
//!
//! Each process is started from a program made here, a static ELF of what its ISA sees of the image, which is entered at
//! [`LINUX_ENTRY`] instead of the board's entry. There the runtime puts the shared memory, which holds the same bytes, in
//! the place of what the kernel has loaded. A process of another ISA than this computer's is run by `qemu-user`.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use fat_image::machine::{LINUX_ENTRY, SHARED_START};
use fat_image::{ALL_ISAS, PAGE_SIZE, Region};
use fatld::image::FatImage;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::endian::{LittleEndian as LE, U16, U32, U64};
use object::pod::bytes_of;

use super::process::Program;
use super::processes::Fate;
use super::{Config, End, Machine, anonymous_file};
use crate::error::{Error, NotForLinux};
use crate::isa::Isa;

/// Starts a process for each CPU.
pub(super) fn start(
    machine: &mut Machine,
    config: &Config,
    path: &Path,
    memory: &OwnedFd,
) -> Result<(), Error> {
    let bytes = std::fs::read(path).map_err(crate::files::context("read", path))?;
    let image = read(path, &bytes)?;
    let contents = Contents::of(&image, config.shared).map_err(|why| refused(path, why))?;
    contents.write(memory, 0)?;
    let programs = config.isas.iter().map(|isa| {
        let number = image.isas.iter().position(|own| own.name == isa.name);
        let number = number.ok_or_else(|| {
            let isa = isa.name.to_owned();
            refused(path, NotForLinux::Isa { isa })
        })?;
        let program = program(&image, &contents, number).map_err(|why| refused(path, why))?;
        Ok((number, program.file(&contents)?))
    });
    let programs = programs.collect::<Result<Vec<(usize, OwnedFd)>, Error>>()?;
    for (at, (isa, (number, program))) in config.isas.iter().zip(programs).enumerate() {
        let (console, console_end) =
            UnixStream::pair().map_err(system("make a pair of sockets"))?;
        let group = Group {
            isa,
            number,
            name: path.display().to_string(),
            program,
            memory: memory.try_clone().map_err(system("share the memory"))?,
            console: console_end,
        };
        Arc::new(group).start(machine, at, (config.cpus.of(isa), console))?;
    }
    Ok(())
}

/// The processes of one ISA.
pub(super) struct Group {
    isa: &'static Isa,
    /// The ISA's place in the image.
    pub(super) number: usize,
    /// The image's.
    name: String,
    /// What they are started from.
    program: OwnedFd,
    pub(super) memory: OwnedFd,
    /// The end of the console that they have in common, as the CPUs of a board have.
    console: UnixStream,
}

impl Group {
    /// What to start for the CPU at that place, and the packages that it needs.
    pub(super) fn program(&self, ordinal: u32) -> io::Result<(Program, &'static [&'static str])> {
        let console = || self.console.try_clone().map(OwnedFd::from);
        let (program, memory) = (self.program.try_clone()?, self.memory.try_clone()?);
        let (file, name, arguments, packages) = self.command(ordinal, &program, &memory);
        let program = Program {
            file,
            name,
            arguments,
            stdin: Stdio::from(console()?),
            stdout: Stdio::from(console()?),
            descriptors: vec![program, memory],
        };
        Ok((program, packages))
    }

    /// Starts all.
    fn start(
        self: Arc<Group>,
        machine: &mut Machine,
        at: usize,
        (cpus, console): (u32, UnixStream),
    ) -> Result<(), Error> {
        let mut console = Some(console);
        for ordinal in 0..cpus {
            let program = self.program(ordinal);
            let (program, packages) =
                program.map_err(system("share the memory and the console"))?;
            let group = self.clone();
            let fate = Some(Fate {
                group,
                ordinal,
                before: 0,
            });
            let end = move |status| end(ordinal, status);
            machine.launch(at, program, packages, console.take(), end, fate)?;
        }
        Ok(())
    }

    /// File, name and arguments of a process, and the packages that the file is in.
    fn command(
        &self,
        ordinal: u32,
        program: &OwnedFd,
        memory: &OwnedFd,
    ) -> (String, String, Vec<String>, &'static [&'static str]) {
        let file = format!("/proc/self/fd/{}", program.as_raw_fd());
        // In the order that `fat_image::machine` tells the runtime.
        let mut arguments = vec![
            memory.as_raw_fd().to_string(),
            self.number.to_string(),
            ordinal.to_string(),
        ];
        if self.isa.is_host() {
            return (file, self.name.clone(), arguments, &[]);
        }
        arguments.splice(0..0, ["-0".to_owned(), self.name.clone(), file]);
        let emulator = self.isa.user_emulator.to_owned();
        (
            emulator.clone(),
            emulator,
            arguments,
            self.isa.user_packages,
        )
    }
}

/// A Linux process ends by its own status, or by a signal.
fn end(ordinal: u32, status: ExitStatus) -> End {
    match status.code() {
        Some(0) => End::Success,
        Some(code) => End::Failure { code },
        None => End::Died { ordinal, status },
    }
}

fn read<'d>(path: &Path, bytes: &'d [u8]) -> Result<FatImage<'d>, Error> {
    fatld::image::read(&path.display().to_string(), bytes).map_err(|problem| Error::Image {
        path: path.to_owned(),
        source: problem.into(),
    })
}

fn refused(path: &Path, why: NotForLinux) -> Error {
    Error::NotForLinux {
        path: path.to_owned(),
        why,
    }
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { doing, source }
}

/// What the shared memory holds at the start.
struct Contents<'d> {
    /// Bytes of the image, whose first is the memory's.
    size: u64,
    /// Offset and bytes of each piece; between them are zeros.
    pieces: Vec<(u64, &'d [u8])>,
}

impl<'d> Contents<'d> {
    fn of(image: &FatImage<'d>, memory: u64) -> Result<Contents<'d>, NotForLinux> {
        let header = &image.header;
        let size = header.image_end.wrapping_sub(SHARED_START);
        if header.image_start != SHARED_START || size >= memory {
            return Err(NotForLinux::Place {
                start: header.image_start,
                end: header.image_end,
            });
        }
        let in_memory = image
            .sections
            .iter()
            .filter(|section| section.flags & Region::BOOT == 0 && !section.data.is_empty());
        let pieces = in_memory.map(|section| {
            let offset = section.phys.wrapping_sub(SHARED_START);
            let end = offset.checked_add(section.data.len() as u64);
            if end.is_none_or(|end| end > size) {
                return Err(NotForLinux::Section {
                    name: section.name.to_owned(),
                    address: section.phys,
                });
            }
            Ok((offset, section.data))
        });
        let pieces = pieces.collect::<Result<_, _>>()?;
        Ok(Contents { size, pieces })
    }

    /// Writes them to a file of zeros.
    fn write(&self, file: &OwnedFd, start: u64) -> Result<(), Error> {
        let write = || {
            let file = File::from(file.try_clone()?);
            self.pieces
                .iter()
                .try_for_each(|(offset, bytes)| file.write_all_at(bytes, start + offset))
        };
        write().map_err(system("write the shared memory"))
    }
}

/// The ELF file that one ISA's process is started from: headers, then the contents from the next page on.
struct Headers(Vec<u8>);

impl Headers {
    fn file(&self, contents: &Contents) -> Result<OwnedFd, Error> {
        let start = (self.0.len() as u64).next_multiple_of(PAGE_SIZE);
        let make = || {
            let file = anonymous_file(start + contents.size)?;
            File::from(file.try_clone()?).write_all_at(&self.0, 0)?;
            Ok(file)
        };
        let file = make().map_err(system("make a program"))?;
        contents.write(&file, start)?;
        Ok(file)
    }
}

/// A segment for every region that the ISA sees.
fn program(image: &FatImage, contents: &Contents, number: usize) -> Result<Headers, NotForLinux> {
    let own = &image.isas[number];
    let name = || own.name.to_owned();
    let entry = own.functions.iter().find(|f| f.name == LINUX_ENTRY);
    let entry = entry.ok_or_else(|| NotForLinux::Entry { isa: name() })?;

    let sees = |region: &&Region| {
        let foreign = region.isa != number as u32 && region.isa != ALL_ISAS;
        region.flags & Region::BOOT == 0 && !(foreign && region.flags & Region::GATES != 0)
    };
    let mut regions: Vec<&Region> = image.regions.iter().filter(sees).collect();
    regions.sort_by_key(|region| region.start);
    let count = regions.len() as u16 + 1;
    let size = size_of::<FileHeader64<LE>>() + count as usize * size_of::<ProgramHeader64<LE>>();
    let first = (size as u64).next_multiple_of(PAGE_SIZE);

    let mut bytes = bytes_of(&file_header(
        own.record.machine,
        own.record.flags,
        entry.address,
        count,
    ))
    .to_vec();
    for region in regions {
        let offset = region.phys.wrapping_sub(SHARED_START);
        if offset
            .checked_add(region.size)
            .is_none_or(|end| end > contents.size)
        {
            return Err(NotForLinux::Place {
                start: region.phys,
                end: region.phys.wrapping_add(region.size),
            });
        }
        let flags = permissions(region, number as u32);
        let place = (first + offset, region.start, region.size);
        bytes.extend(bytes_of(&program_header(
            elf::PT_LOAD,
            flags,
            place,
            PAGE_SIZE,
        )));
    }
    // Without this, some kernels make all data executable.
    let stack = program_header(elf::PT_GNU_STACK, elf::PF_R | elf::PF_W, (0, 0, 0), 16);
    bytes.extend(bytes_of(&stack));
    Ok(Headers(bytes))
}

/// Only the own text is executable.
fn permissions(region: &Region, isa: u32) -> elf::ProgramFlags {
    let has = |flag| region.flags & flag != 0;
    let mut flags = elf::PF_R;
    if has(Region::WRITE) {
        flags |= elf::PF_W;
    }
    if has(Region::EXECUTE) && region.isa == isa {
        flags |= elf::PF_X;
    }
    flags
}

fn file_header(machine: u32, flags: u32, entry: u64, segments: u16) -> FileHeader64<LE> {
    let size = size_of::<FileHeader64<LE>>() as u16;
    FileHeader64 {
        e_ident: elf::Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LE, elf::ET_EXEC),
        e_machine: U16::new(LE, elf::Machine(machine as u16)),
        e_version: U32::new(LE, elf::EV_CURRENT.0.into()),
        e_entry: U64::new(LE, entry),
        e_phoff: U64::new(LE, size.into()),
        e_shoff: U64::new(LE, 0),
        e_flags: U32::new(LE, elf::FileFlags(flags)),
        e_ehsize: U16::new(LE, size),
        e_phentsize: U16::new(LE, size_of::<ProgramHeader64<LE>>() as u16),
        e_phnum: U16::new(LE, segments),
        e_shentsize: U16::new(LE, 0),
        e_shnum: U16::new(LE, 0),
        e_shstrndx: U16::new(LE, elf::SymbolSection(0)),
    }
}

/// `place` is offset, address and size.
fn program_header(
    kind: elf::ProgramType,
    flags: elf::ProgramFlags,
    place: (u64, u64, u64),
    align: u64,
) -> ProgramHeader64<LE> {
    let (offset, address, size) = place;
    ProgramHeader64 {
        p_type: U32::new(LE, kind),
        p_flags: U32::new(LE, flags),
        p_offset: U64::new(LE, offset),
        p_vaddr: U64::new(LE, address),
        p_paddr: U64::new(LE, address),
        p_filesz: U64::new(LE, size),
        p_memsz: U64::new(LE, size),
        p_align: U64::new(LE, align),
    }
}
