//! The machine that `cargo fat run` assembles and the runtime boots on: what both must know of it.
//!
//! Two QEMU processes, q35 for x86_64 and virt for riscv64, see one file as memory at [`SHARED_START`], and each an
//! `ivshmem-doorbell` device whose server is `fatcc`. Below the shared memory each has 2 GiB of its own, at 0 on x86_64
//! and at 0x8000_0000 on riscv64.
//!
//! `cargo fat run --user` starts the same image as Linux processes. Each is entered at [`LINUX_ENTRY`], and its arguments
//! behind the program's name are three decimal numbers: the descriptor of the shared memory, whose first byte is the one at
//! [`SHARED_START`], the place of the ISA in the image, and the CPU's place among those of its ISA.

use core::sync::atomic::{AtomicU8, AtomicU32};

/// Physical and virtual address of the shared memory, on every CPU.
pub const SHARED_START: u64 = 0x1_0000_0000;
/// Bytes of shared memory.
pub const SHARED_SIZE: u64 = 256 << 20;
/// Function, in every slice, where a Linux process of that ISA starts.
pub const LINUX_ENTRY: &str = "__fat_linux_start";
/// Section whose code runs before page tables are set.
pub const BOOT_SECTION: &str = ".boot";
/// Address of [`BOOT_SECTION`] of the x86_64 slice. PVH enters it in 32-bit protected mode.
pub const X86_64_BOOT: u64 = 0x10_0000;
/// Address of [`BOOT_SECTION`] of the riscv64 slice: the reset vector jumps to its first byte, in M-mode.
pub const RISCV64_BOOT: u64 = 0x8000_0000;
/// I/O port of x86_64's `isa-debug-exit`: writing `s` ends QEMU with status `s << 1 | 1`.
pub const X86_64_EXIT_PORT: u16 = 0xf4;
/// Exit status written there for a run that ended well; QEMU cannot end with 0 by this device.
pub const X86_64_EXIT_SUCCESS: u8 = 0x10;
/// PCI vendor and device of `ivshmem-doorbell`.
pub const IVSHMEM_ID: (u16, u16) = (0x1af4, 0x1110);

/// Most CPUs that a machine can have, of all ISAs together.
pub const CPUS: usize = 8;
/// Most ISAs that a machine can have.
pub const ISAS: usize = 4;
/// Interrupt vectors of each doorbell device: one for each CPU that its machine can have, then one for each again by which
/// others start it anew, whatever it does.
pub const DOORBELL_VECTORS: usize = 2 * CPUS;

/// What the runner tells the runtime: it lies at [`Parameters::ADDRESS`] before any CPU starts, and nobody changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Parameters {
    /// [`Parameters::MAGIC`]; anything else means that there is no runner, and a CPU per ISA.
    pub magic: u64,
    /// Number of CPUs of each ISA, in the order of the image's ISAs; 0 behind the last.
    pub cpus: [u32; ISAS],
}

impl Parameters {
    /// Where they lie: in the last page of the shared memory.
    pub const ADDRESS: u64 = SHARED_START + SHARED_SIZE - crate::PAGE_SIZE;
    /// "FATPARAM" as a little-endian word.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"FATPARAM");

    /// Parameters of a machine with so many CPUs of each ISA.
    pub const fn new(cpus: [u32; ISAS]) -> Parameters {
        Parameters {
            magic: Parameters::MAGIC,
            cpus,
        }
    }
}

/// What the runner and the runtime tell each other of the Linux processes that are CPUs; behind [`Parameters`] in the
/// same page. All zero at the start, and on boards for ever.
#[repr(C)]
pub struct Processes {
    /// Set by the runtime: should a process die, the others go on without it, and the run with them. 0: its death ends
    /// the run.
    pub watched: AtomicU32,
    /// By ISA and place among its CPUs, see [`Processes::number`]. Written by the runner: how many processes that were this
    /// CPU have died while the others went on.
    pub died: [AtomicU8; ISAS * CPUS],
    /// Written by the runtime: how often another process was to be started for this CPU. The runner kills what is left of
    /// those before. Both numbers wrap.
    pub wanted: [AtomicU8; ISAS * CPUS],
}

impl Processes {
    /// Where they lie.
    pub const ADDRESS: u64 = Parameters::ADDRESS + size_of::<Parameters>() as u64;
    /// No process has died, and none is wanted.
    pub const fn none() -> Processes {
        Processes {
            watched: AtomicU32::new(0),
            died: [const { AtomicU8::new(0) }; _],
            wanted: [const { AtomicU8::new(0) }; _],
        }
    }

    /// The place in [`Processes::died`] and [`Processes::wanted`] of a CPU, by the ISA's place in the image and its own in the
    /// ISA.
    pub const fn number(isa: usize, ordinal: usize) -> usize {
        isa * CPUS + ordinal
    }
}

/// The image's command line: words that the runner's user has for the program, behind [`Parameters`] and [`Processes`] in
/// the same page. They are there if [`Parameters::magic`] is right, and nobody changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CommandLine {
    /// Bytes in use.
    pub size: u64,
    /// The words, UTF-8, with a NUL behind each.
    pub bytes: [u8; CommandLine::ROOM],
}

impl CommandLine {
    /// Where it lies.
    pub const ADDRESS: u64 = Parameters::ADDRESS + 128;
    /// Most bytes of all words together, with the NUL behind each.
    pub const ROOM: usize = crate::PAGE_SIZE as usize - 128 - size_of::<u64>();
}

const _: () = assert!(Processes::ADDRESS + size_of::<Processes>() as u64 <= CommandLine::ADDRESS);
const _: () =
    assert!(CommandLine::ADDRESS + size_of::<CommandLine>() as u64 == SHARED_START + SHARED_SIZE);

/// Addresses of the stacks of all CPUs: the end of the shared memory, in slots of [`STACK_SIZE`]. The lowest page of
/// each is not mapped; the last slot is no stack, but has [`Parameters`] and [`CommandLine`] at its end.
pub const STACKS_START: u64 = SHARED_START + SHARED_SIZE - STACKS_SIZE;
/// Bytes of all stacks. Their start is a multiple of it.
pub const STACKS_SIZE: u64 = 32 << 20;
/// Bytes of a stack, with its page that is not mapped.
pub const STACK_SIZE: u64 = 256 << 10;
/// Number of stacks.
pub const STACKS: usize = (STACKS_SIZE / STACK_SIZE) as usize - 1;

const _: () = assert!(STACKS_START.is_multiple_of(STACKS_SIZE));
