//! The ISAs that an image can hold, and what building and running needs to know of each.
//!
//! Everything that differs between ISAs is a field of [`Isa`], with one file per ISA; no other file names one.

mod riscv64;
mod x86_64;

use std::process::ExitStatus;

use crate::error::Error;
use crate::machine::{End, Setup};

/// One ISA: its compiler target and its QEMU machine.
pub struct Isa {
    /// Name in `[package.metadata.fat]`, in `fatld`'s command line and in the image.
    pub name: &'static str,
    /// rustc's target.
    pub target: &'static str,
    /// Address of the slice's `.boot` section.
    pub boot: u64,
    /// The system emulator's program.
    pub qemu: &'static str,
    /// The Debian package that has [`Isa::qemu`] is the first of these that the distribution has.
    pub qemu_packages: &'static [&'static str],
    /// The emulator of a single Linux process of this ISA, for computers of other ISAs.
    pub user_emulator: &'static str,
    /// The Debian package of [`Isa::user_emulator`].
    pub user_packages: &'static [&'static str],
    /// Arguments of its machine, CPU, boot and devices. What all machines have alike is in `machine`.
    pub qemu_arguments: fn(&Setup) -> Vec<String>,
    /// What the emulator's exit status says of the run.
    pub end: fn(ExitStatus) -> End,
}

/// All ISAs known.
pub static ISAS: [&Isa; 2] = [&x86_64::ISA, &riscv64::ISA];

impl Isa {
    /// The ISA of that name.
    pub fn named(name: &str) -> Result<&'static Isa, Error> {
        ISAS.into_iter()
            .find(|isa| isa.name == name)
            .ok_or_else(|| Error::UnknownIsa {
                name: name.to_owned(),
            })
    }

    /// Whether this computer runs its programs without an emulator.
    pub fn is_host(&self) -> bool {
        self.name == std::env::consts::ARCH
    }

    /// The ISA of that rustc target.
    pub fn of_target(target: &str) -> Option<&'static Isa> {
        ISAS.into_iter().find(|isa| isa.target == target)
    }
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
