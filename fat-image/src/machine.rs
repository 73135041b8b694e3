//! The machine that `cargo fat run` assembles and the runtime boots on: what both must know of it.
//!
//! Two QEMU processes, q35 for x86_64 and virt for riscv64, see one file as memory at [`SHARED_START`], and each an
//! `ivshmem-doorbell` device whose server is `fatcc`. Below the shared memory each has 2 GiB of its own, at 0 on x86_64
//! and at 0x8000_0000 on riscv64.

/// Physical and virtual address of the shared memory, on every CPU.
pub const SHARED_START: u64 = 0x1_0000_0000;
/// Bytes of shared memory.
pub const SHARED_SIZE: u64 = 256 << 20;
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
