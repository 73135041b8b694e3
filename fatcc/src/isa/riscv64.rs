//! riscv64: QEMU's virt, without firmware, ended by `sifive_test`. This machine has the network device.

use std::process::ExitStatus;

use fat_image::machine::RISCV64_BOOT;

use super::Isa;
use crate::machine::{End, Setup};

pub(super) static ISA: Isa = Isa {
    name: "riscv64",
    target: "riscv64imac-unknown-none-elf",
    boot: RISCV64_BOOT,
    qemu: "qemu-system-riscv64",
    qemu_packages: &["qemu-system-riscv", "qemu-system-misc"],
    qemu_arguments,
    end,
};

/// The image comes by the generic loader because `-kernel` takes only an ELF whose `e_machine` is RISC-V; a comma in its path
/// is doubled, as in every QEMU option. virt wants a
/// present hart per NUMA node, so there are two; the runtime parks hart 1. `sstc=on` refuses a QEMU without the
/// supervisor's timer compare register.
fn qemu_arguments(setup: &Setup) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "-machine",
        "virt",
        "-cpu",
        "rv64,sstc=on",
        "-smp",
        "2",
        "-bios",
        "none",
        "-device",
        &format!("loader,file={}", setup.image.replace(',', ",,")),
        "-global",
        "virtio-mmio.force-legacy=false",
        "-device",
        "virtio-net-device,netdev=n0",
    ]
    .map(str::to_owned)
    .into();
    let mut network = "user,id=n0".to_owned();
    for forward in &setup.forwards {
        network += &format!(
            ",hostfwd=tcp:127.0.0.1:{}-10.0.2.15:{}",
            forward.host, forward.guest
        );
    }
    arguments.extend(["-netdev".to_owned(), network]);
    arguments
}

/// `sifive_test` ends QEMU with the code it was given, 0 for a pass.
fn end(status: ExitStatus) -> End {
    match status.code() {
        Some(0) => End::Success,
        Some(code) => End::Failure { code },
        None => End::Emulator { status },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn status_zero_is_success() {
        assert_eq!(end(ExitStatus::from_raw(0)), End::Success);
        assert_eq!(end(ExitStatus::from_raw(5 << 8)), End::Failure { code: 5 });
        assert!(matches!(end(ExitStatus::from_raw(9)), End::Emulator { .. }));
    }
}
