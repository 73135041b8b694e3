//! The contract between the linker and the runtime, image version 1.
//!
//! `fatld` writes these structures, `fatcc-rt` and every other reader of an image read them; both use the definitions
//! of this crate, so that there is one place where the layout can change. All numbers are little-endian 64-bit ELF
//! data, naturally aligned; every address is a virtual address unless its name says `phys`. `docs/image.md` describes
//! the same for readers who do not use Rust.
//!
//! The note's descriptor is [`Header`], followed by [`Header::isa_count`] times [`Isa`], followed by
//! [`Header::region_count`] times [`Region`]. The linker defines the symbol [`IMAGE_SYMBOL`] at its first byte.
#![no_std]
#![forbid(unsafe_code)]

pub mod machine;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Section and ELF note that hold the [`Header`].
pub const NOTE_SECTION: &str = ".note.fat";
/// `n_name` of the note, with its terminating NUL.
pub const NOTE_NAME: &[u8; 4] = b"FAT\0";
/// `n_type` of the note.
pub const NOTE_TYPE: u32 = 1;
/// Section of the function arrays: [`Header::function_count`] arrays of [`Header::isa_count`] `u64` addresses, in the
/// order of the ISAs.
pub const FUNCTIONS_SECTION: &str = ".fat.functions";
/// Input sections of this name, or of one that goes on behind a dot, hold function arrays of the program's own: addresses of
/// functions stand there in groups of [`Header::isa_count`] that name one function, and the linker makes of each the code
/// of the ISA in its place.
pub const ARRAYS_SECTION: &str = ".fat.arrays";
/// Symbol that the linker defines, in every slice, at the first byte of the [`Header`].
pub const IMAGE_SYMBOL: &str = "__fat_image";
/// First bytes of the [`Header`].
pub const MAGIC: [u8; 8] = *b"FATIMAGE";
/// Version of the layout in this crate.
pub const VERSION: u32 = 1;
/// Bytes from one gate to the next. Gate `i` is at `Header::gates + i * GATE_SIZE` and jumps through array `i`.
pub const GATE_SIZE: u64 = 16;
/// Granule of everything that page tables tell apart.
pub const PAGE_SIZE: u64 = 4096;
/// Value of [`Region::isa`] for memory that all ISAs use alike.
pub const ALL_ISAS: u32 = u32::MAX;

/// Bytes of the ELF note before its descriptor: three words and the name.
pub const NOTE_HEADER: u64 = 16;

/// First part of the note's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`].
    pub version: u32,
    /// Number of [`Isa`] records that follow.
    pub isa_count: u32,
    /// Number of [`Region`] records that follow those.
    pub region_count: u32,
    /// [`GATE_SIZE`].
    pub gate_size: u32,
    /// Address of the first gate, the same on every ISA.
    pub gates: u64,
    /// Address of the first function array.
    pub functions: u64,
    /// Number of function arrays, and of gates.
    pub function_count: u64,
    /// First byte of the image's regions, boot regions (those with an address of their own) left out.
    pub image_start: u64,
    /// First byte after them, a multiple of [`PAGE_SIZE`]: memory from here on is free.
    pub image_end: u64,
}

/// One ISA of the image. The first record is the first element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Isa {
    /// Name, padded with NUL.
    pub name: [u8; 16],
    /// `e_machine` of its objects.
    pub machine: u32,
    /// `e_flags` of its objects.
    pub flags: u32,
    /// Address of its entry symbol.
    pub entry: u64,
    /// Physical address of its gates; page tables map it at [`Header::gates`].
    pub gates_phys: u64,
    /// Address of its [`Symbol`] table, sorted by address.
    pub symbols: u64,
    /// Number of its symbols.
    pub symbol_count: u64,
    /// Address of the names of its symbols, UTF-8 with a terminating NUL each.
    pub names: u64,
    /// Bytes of names.
    pub names_size: u64,
}

impl Isa {
    /// Its name without padding.
    pub fn name(&self) -> &str {
        let end = self
            .name
            .iter()
            .position(|b| *b == 0)
            .unwrap_or(self.name.len());
        core::str::from_utf8(&self.name[..end]).unwrap_or("?")
    }
}

/// Memory with one set of permissions: what a page table needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Region {
    /// First byte, a multiple of [`PAGE_SIZE`].
    pub start: u64,
    /// Bytes, a multiple of [`PAGE_SIZE`].
    pub size: u64,
    /// Physical address of the first byte.
    pub phys: u64,
    /// Index of the ISA whose code or private data it holds, or [`ALL_ISAS`]. Other ISAs may read (and, if it is
    /// writable, write) a private region but never execute it.
    pub isa: u32,
    /// [`Region::READ`], [`Region::WRITE`], [`Region::EXECUTE`], [`Region::GATES`], [`Region::BOOT`].
    pub flags: u32,
}

impl Region {
    /// May be executed, by [`Region::isa`] only.
    pub const EXECUTE: u32 = 1;
    /// May be written.
    pub const WRITE: u32 = 2;
    /// May be read.
    pub const READ: u32 = 4;
    /// Gates of one ISA: only that ISA maps this region; all have the same [`Region::start`].
    pub const GATES: u32 = 8;
    /// Placed at a fixed address for the time before page tables; outside `image_start..image_end`.
    pub const BOOT: u32 = 16;
}

/// A function of one ISA, for backtraces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Symbol {
    /// Its first byte.
    pub address: u64,
    /// Bytes, or zero if unknown.
    pub size: u32,
    /// Offset of its (mangled) name in [`Isa::names`].
    pub name: u32,
}
