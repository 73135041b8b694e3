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
    user_emulator: "qemu-riscv64",
    user_packages: &["qemu-user"],
    qemu_arguments,
    end,
};

/// The image comes by the generic loader because `-kernel` takes only an ELF whose `e_machine` is RISC-V; a comma in its path
/// is doubled, as in every QEMU option. virt wants a
/// present hart per NUMA node, so there is one more than CPUs, which the runtime lets forward interrupts; all but the first
/// are in the second node, for QEMU 7.2 connects the second node's interrupt controller wrongly if that node's first hart
/// is not hart 1. `sstc=on` refuses a QEMU without the
/// supervisor's timer compare register.
fn qemu_arguments(setup: &Setup) -> Vec<String> {
    let harts = setup.cpus + 1;
    let mut arguments: Vec<String> = [
        "-machine",
        "virt",
        "-cpu",
        "rv64,sstc=on",
        "-smp",
        &format!("{harts},cores={harts}"),
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
    for hart in 0..harts {
        let node = hart.min(1);
        arguments.push("-numa".to_owned());
        arguments.push(format!("cpu,node-id={node},core-id={hart}"));
    }
    arguments.extend(["-netdev".to_owned(), network(setup)]);
    arguments
}

/// What the device is connected to: what the caller says, or QEMU's own network with ports of this computer.
fn network(setup: &Setup) -> String {
    let mut network = format!("{},id=n0", setup.netdev.as_deref().unwrap_or("user"));
    for forward in &setup.forwards {
        network += &format!(
            ",hostfwd=tcp:127.0.0.1:{}-10.0.2.15:{}",
            forward.host, forward.guest
        );
    }
    network
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

    fn setup() -> Setup {
        Setup {
            image: "image".to_owned(),
            private: 1 << 26,
            forwards: Vec::new(),
            netdev: None,
            cpus: 1,
        }
    }

    #[test]
    fn the_network_is_qemus_own_with_ports_or_what_the_caller_says() {
        let forwards = vec!["8080:80".parse().expect("two ports")];
        let own = Setup {
            forwards,
            ..setup()
        };
        let ports = "user,id=n0,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:80";
        assert_eq!(network(&own), ports);
        let netdev = Some("tap,ifname=t,script=no,downscript=no".to_owned());
        let tap = Setup { netdev, ..setup() };
        assert_eq!(network(&tap), "tap,ifname=t,script=no,downscript=no,id=n0");
    }

    #[test]
    fn status_zero_is_success() {
        assert_eq!(end(ExitStatus::from_raw(0)), End::Success);
        assert_eq!(end(ExitStatus::from_raw(5 << 8)), End::Failure { code: 5 });
        assert!(matches!(end(ExitStatus::from_raw(9)), End::Emulator { .. }));
    }
}
