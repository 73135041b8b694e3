//! x86_64: QEMU's q35, entered through the PVH note of the image, ended by `isa-debug-exit`.

use std::process::ExitStatus;

use fat_image::machine::{X86_64_BOOT, X86_64_EXIT_PORT, X86_64_EXIT_SUCCESS};

use super::Isa;
use crate::machine::{End, Setup};

pub(super) static ISA: Isa = Isa {
    name: "x86_64",
    target: "x86_64-unknown-none",
    boot: X86_64_BOOT,
    qemu: "qemu-system-x86_64",
    qemu_packages: &["qemu-system-x86"],
    user_emulator: "qemu-x86_64",
    user_packages: &["qemu-user"],
    qemu_arguments,
    end,
};

/// Memory at 4 GiB is node 1, the shared memory, because all of node 0 lies below: `max-ram-below-4g` is its size.
/// If there is one CPU, a second one is possible (`maxcpus`) but absent: with one possible CPU, QEMU leaves out what makes its atomic
/// instructions atomic towards the other process.
fn qemu_arguments(setup: &Setup) -> Vec<String> {
    let private = setup.private >> 20;
    let (cpus, possible) = (setup.cpus, setup.cpus.max(2));
    let mut arguments: Vec<String> = [
        "-machine".to_owned(),
        format!("q35,max-ram-below-4g={private}M"),
        "-cpu".to_owned(),
        "max".to_owned(),
        "-smp".to_owned(),
        format!("{cpus},sockets={possible},maxcpus={possible}"),
        "-kernel".to_owned(),
        setup.image.clone(),
        "-device".to_owned(),
        format!("isa-debug-exit,iobase={X86_64_EXIT_PORT:#x},iosize=1"),
    ]
    .into();
    for socket in 0..possible {
        arguments.push("-numa".to_owned());
        arguments.push(format!("cpu,node-id=0,socket-id={socket}"));
    }
    arguments
}

/// `isa-debug-exit` makes `value << 1 | 1` of what is written to it, so that 0 never is a program's doing: it is a
/// reset, such as a triple fault.
fn end(status: ExitStatus) -> End {
    const SUCCESS: i32 = ((X86_64_EXIT_SUCCESS as i32) << 1) | 1;
    match status.code() {
        Some(SUCCESS) => End::Success,
        Some(0) => End::Reset,
        Some(code) if code & 1 == 1 => End::Failure { code: code >> 1 },
        _ => End::Emulator { status },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn only_the_success_value_is_success() {
        let end_of = |code: i32| end(ExitStatus::from_raw(code << 8));
        assert_eq!(end_of(0x21), End::Success);
        assert_eq!(end_of(0), End::Reset);
        assert_eq!(end_of(3), End::Failure { code: 1 });
        assert!(matches!(end_of(2), End::Emulator { .. }));
        assert!(matches!(end(ExitStatus::from_raw(9)), End::Emulator { .. }));
    }
}
