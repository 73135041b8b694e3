//! CPUs on emulated boards: one QEMU process per ISA, with private memory below the shared memory, and doorbells.
//!
//! They start stopped, because QEMU writes the image into memory at reset and the last one to do so would overwrite what
//! the first has changed; when all are ready, all go on.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fat_image::machine::{DOORBELL_VECTORS, SHARED_START};

use super::process::Program;
use super::{Config, Forward, Machine, doorbell, qmp};
use crate::error::{Error, QmpError};
use crate::isa::Isa;

/// Bytes of private memory of each CPU: what q35 can have below the shared memory, and virt, whose memory starts at
/// 2 GiB, must have to reach it.
const PRIVATE: u64 = SHARED_START - (2 << 30);
/// How long an emulator may take to be ready, and to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an ISA's QEMU arguments are made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The image's path.
    pub image: String,
    /// Bytes of private memory.
    pub private: u64,
    /// Ports that lead to the machine.
    pub forwards: Vec<Forward>,
    /// What its network device is connected to, if not to a network of its own.
    pub netdev: Option<String>,
    /// Number of its CPUs.
    pub cpus: u32,
}

/// Starts the emulators of all ISAs and lets them go.
pub(super) fn start(
    machine: &mut Machine,
    config: &Config,
    image: &Path,
    memory: &OwnedFd,
) -> Result<(), Error> {
    let setup = Setup {
        image: image
            .to_str()
            .ok_or_else(|| Error::NotUtf8 {
                path: image.to_owned(),
            })?
            .to_owned(),
        private: PRIVATE,
        forwards: config.forwards.clone(),
        netdev: config.netdev.clone(),
        cpus: 1,
    };
    let server = doorbell::Server::new(DOORBELL_VECTORS).map_err(system("make the doorbells"))?;
    let doorbells = Arc::new(Mutex::new(server));
    let mut monitors = Vec::new();
    for (cpu, isa) in config.isas.iter().enumerate() {
        let setup = Setup {
            cpus: config.cpus.of(isa),
            ..setup.clone()
        };
        let monitor = start_cpu(machine, cpu, isa, &setup, config.shared, memory, &doorbells)?;
        monitors.push(monitor);
    }
    for (cpu, monitor) in monitors.into_iter().enumerate() {
        let ready = qmp::Client::new(monitor, PATIENCE).and_then(|mut client| {
            client.expect_prelaunch()?;
            Ok(client)
        });
        let client = ready.map_err(|reason| not_ready(machine, cpu, reason))?;
        machine.monitors.push(client);
    }
    for cpu in 0..machine.monitors.len() {
        match machine.monitors[cpu].execute("cont") {
            // A short program may have ended before the answer; how, is found out by waiting for it.
            Ok(_) | Err(QmpError::Closed) => {}
            Err(reason) => return Err(not_ready(machine, cpu, reason)),
        }
    }
    Ok(())
}

/// Starts the emulator of one ISA, stopped, and returns its monitor's connection.
fn start_cpu(
    machine: &mut Machine,
    cpu: usize,
    isa: &'static Isa,
    setup: &Setup,
    shared: u64,
    memory: &OwnedFd,
    doorbells: &Arc<Mutex<doorbell::Server>>,
) -> Result<UnixStream, Error> {
    let pair = || UnixStream::pair().map_err(system("make a pair of sockets"));
    let (monitor, monitor_end) = pair()?;
    let (console, console_end) = pair()?;
    let doorbell = lock(doorbells)
        .join()
        .map_err(system("connect the doorbell"))?;
    let memory = memory
        .try_clone()
        .map_err(system("share the shared memory"))?;
    let descriptors = vec![
        memory,
        monitor_end.into(),
        console_end.into(),
        doorbell.into(),
    ];
    let program = Program {
        file: isa.qemu.to_owned(),
        name: isa.qemu.to_owned(),
        arguments: arguments(isa, setup, shared, &descriptors),
        stdin: Stdio::null(),
        stdout: Stdio::null(),
        descriptors,
    };
    let doorbells = doorbells.clone();
    let end = move |status: ExitStatus| {
        lock(&doorbells).leave(cpu);
        (isa.end)(status)
    };
    let packages = isa.qemu_packages;
    // It has all CPUs of its ISA, and its devices.
    let fate = None;
    machine.launch(cpu, program, packages, Some(console), end, fate)?;
    Ok(monitor)
}

fn lock(doorbells: &Mutex<doorbell::Server>) -> std::sync::MutexGuard<'_, doorbell::Server> {
    doorbells.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of an emulator that is not there yet or no more, with what it said.
fn not_ready(machine: &mut Machine, cpu: usize, reason: QmpError) -> Error {
    machine.end();
    let state = machine.core.shared.state();
    let cpu = &state.cpus[cpu];
    Error::Emulator {
        cpu: cpu.isa.name,
        reason,
        stderr: cpu.stderr.iter().cloned().collect(),
    }
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { doing, source }
}

/// QEMU's arguments. Multi-threaded TCG, on every machine with more than one possible CPU, because only then are
/// atomic instructions atomic towards the other process. NUMA nodes come before what an ISA says of them.
fn arguments(isa: &Isa, setup: &Setup, shared: u64, descriptors: &[OwnedFd]) -> Vec<String> {
    let [memory, monitor, console, doorbell] =
        [0, 1, 2, 3].map(|at: usize| descriptors[at].as_raw_fd());
    let mut arguments: Vec<String> = format!(
        "-nodefaults -display none -no-reboot -S -accel tcg,thread=multi -m {}M \
         -object memory-backend-ram,id=private,size={} \
         -object memory-backend-file,id=shared,share=on,size={shared},mem-path=/proc/self/fd/{memory} \
         -numa node,nodeid=0,memdev=private -numa node,nodeid=1,memdev=shared \
         -chardev socket,id=monitor,fd={monitor} -mon chardev=monitor,mode=control \
         -chardev socket,id=console,fd={console} -serial chardev:console \
         -chardev socket,id=doorbell,fd={doorbell} -device ivshmem-doorbell,chardev=doorbell,vectors={DOORBELL_VECTORS}",
        (setup.private + shared) >> 20,
        setup.private,
    )
    .split_whitespace()
    .map(str::to_owned)
    .collect();
    arguments.extend((isa.qemu_arguments)(setup));
    arguments
}
