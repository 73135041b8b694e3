//! The machine that an image runs on: one QEMU process per ISA, one memory, doorbells between them.
//!
//! All processes map one anonymous file as memory at [`fat_image::machine::SHARED_START`], and each has private memory
//! below it. They start stopped, because QEMU writes the image into memory at reset and the last one to do so would
//! overwrite what the first has changed; when all are ready, all go on.
//!
//! Nothing has a name in the file system: memory, consoles, monitors and doorbells are descriptors that the processes
//! inherit. A machine therefore leaves nothing behind, however its owner ends.

pub mod doorbell;
mod process;
pub mod qmp;
mod state;

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fat_image::machine::{SHARED_SIZE, SHARED_START};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use crate::error::{Error, QmpError};
use crate::isa::{ISAS, Isa};
use process::Process;
use state::{Shared, State};

/// Bytes of private memory of each CPU: what q35 can have below the shared memory, and virt, whose memory starts at
/// 2 GiB, must have to reach it.
const PRIVATE: u64 = SHARED_START - (2 << 30);
/// Interrupt vectors of each doorbell.
const VECTORS: usize = 1;
/// How long an emulator may take to be ready, and to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the others may go on when one CPU has ended.
const GRACE: Duration = Duration::from_secs(2);

/// A TCP port of this computer that leads to a port of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port on 127.0.0.1.
    pub host: u16,
    /// Port of the machine.
    pub guest: u16,
}

impl FromStr for Forward {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Forward, Self::Err> {
        let port = |text: &str| text.parse().ok().filter(|port: &u16| *port != 0);
        text.split_once(':')
            .and_then(|(host, guest)| {
                Some(Forward {
                    host: port(host)?,
                    guest: port(guest)?,
                })
            })
            .ok_or("expected HOSTPORT:GUESTPORT, two numbers from 1 to 65535")
    }
}

/// What machine to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The image.
    pub image: PathBuf,
    /// A CPU for each; the first one's doorbell has id 0.
    pub isas: Vec<&'static Isa>,
    /// Bytes of shared memory.
    pub shared: u64,
    /// Ports that lead to the machine.
    pub forwards: Vec<Forward>,
}

impl Config {
    /// The usual machine, for an image of all ISAs.
    pub fn new(image: impl Into<PathBuf>) -> Config {
        Config {
            image: image.into(),
            isas: ISAS.into(),
            shared: SHARED_SIZE,
            forwards: Vec::new(),
        }
    }
}

/// What an ISA's QEMU arguments are made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The image's path.
    pub image: String,
    /// Bytes of private memory.
    pub private: u64,
    /// Ports that lead to the machine.
    pub forwards: Vec<Forward>,
}

/// How a CPU came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program ended the machine, and well.
    Success,
    /// The program ended the machine with an error.
    Failure {
        /// Its code.
        code: i32,
    },
    /// The machine was reset, as by a fault within a fault.
    Reset,
    /// The emulator ended in a way that no program has asked for.
    Emulator {
        /// Its status.
        status: ExitStatus,
    },
    /// It was ended from outside.
    Killed,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Success => f.write_str("ended well"),
            End::Failure { code } => write!(f, "ended with code {code}"),
            End::Reset => f.write_str("was reset"),
            End::Emulator { status } => write!(f, "lost its emulator ({status})"),
            End::Killed => f.write_str("was stopped"),
        }
    }
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The program, on the CPU's serial console.
    Console,
    /// The emulator, on its standard error.
    Emulator,
}

/// A line, as it is delivered.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Name of the CPU's ISA.
    pub cpu: &'static str,
    /// Who wrote it.
    pub source: Source,
    /// The line without its end.
    pub text: &'a str,
}

impl fmt::Display for Line<'_> {
    /// The line after its CPU's name, which the runtime may have written already.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = format!("[{}] ", self.cpu);
        let text = self.text.strip_prefix(&prefix).unwrap_or(self.text);
        let mark = if self.source == Source::Console {
            '|'
        } else {
            '!'
        };
        write!(f, "{:>7} {mark} {text}", self.cpu)
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The end of each CPU, in the order in which they came.
    pub ends: Vec<(&'static str, End)>,
    /// The time given was over.
    pub timed_out: bool,
}

impl Outcome {
    /// Whether the first CPU to end has ended well, and no other one badly in the time it was given then.
    pub fn success(&self) -> bool {
        let first = self
            .ends
            .first()
            .is_some_and(|(_, end)| *end == End::Success);
        first
            && self
                .ends
                .iter()
                .all(|(_, end)| matches!(end, End::Success | End::Killed))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.timed_out {
            f.write_str("time is over: ")?;
        }
        let ends: Vec<String> = self
            .ends
            .iter()
            .map(|(cpu, end)| format!("{cpu} {end}"))
            .collect();
        f.write_str(&ends.join(", "))
    }
}

/// Why a line was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSeen {
    /// A CPU ended before.
    #[error("{cpu} {end} before that")]
    Ended {
        /// Which one, the first.
        cpu: &'static str,
        /// How.
        end: End,
    },
    /// Somebody stopped the machine.
    #[error("the machine was stopped before that")]
    Stopped,
    /// It took too long.
    #[error("it did not come within {} s", limit.as_secs())]
    TimedOut {
        /// The time given.
        limit: Duration,
    },
}

/// What every thread of a machine, and a [`Stopper`], can reach.
struct Core {
    shared: Shared,
    doorbells: Mutex<doorbell::Server>,
    processes: Mutex<Vec<Process>>,
    killed: AtomicBool,
}

impl Core {
    /// Ends all processes at once.
    fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        for process in self
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            process.kill();
        }
    }
}

/// Stops a machine from another thread.
#[derive(Clone)]
pub struct Stopper {
    core: Arc<Core>,
}

impl Stopper {
    /// Ends all CPUs at once; who waits for the machine goes on.
    pub fn stop(&self) {
        self.core.shared.stop();
        self.core.kill();
    }
}

/// A running machine. Dropping it ends it.
pub struct Machine {
    core: Arc<Core>,
    threads: Vec<JoinHandle<()>>,
    /// Open connections to the monitors; an emulator whose monitor goes away says so on its standard error.
    monitors: Vec<qmp::Client>,
}

impl Machine {
    /// Starts a machine and lets all its CPUs go. `on_line` gets every line of consoles and emulators, from threads of
    /// the machine, one at a time.
    pub fn start(
        config: &Config,
        on_line: impl FnMut(&Line<'_>) + Send + 'static,
    ) -> Result<Machine, Error> {
        const STEP: u64 = 2 << 20;
        if config.shared < SHARED_SIZE || !config.shared.is_multiple_of(STEP) {
            return Err(Error::Memory {
                what: "shared memory",
                value: config.shared >> 20,
                least: SHARED_SIZE >> 20,
            });
        }
        let image = config
            .image
            .canonicalize()
            .map_err(crate::files::context("find", &config.image))?;
        let setup = Setup {
            image: image
                .to_str()
                .ok_or_else(|| Error::NotUtf8 {
                    path: image.clone(),
                })?
                .to_owned(),
            private: PRIVATE,
            forwards: config.forwards.clone(),
        };
        let system = |doing| move |source: io::Error| Error::System { doing, source };
        let memory = shared_memory(config.shared).map_err(system("make the shared memory"))?;
        let server = doorbell::Server::new(VECTORS).map_err(system("make the doorbells"))?;
        let core = Arc::new(Core {
            shared: Shared::new(&config.isas, Box::new(on_line)),
            doorbells: Mutex::new(server),
            processes: Mutex::new(Vec::new()),
            killed: AtomicBool::new(false),
        });
        // From here on, an error drops it and so ends what has been started.
        let mut machine = Machine {
            core,
            threads: Vec::new(),
            monitors: Vec::new(),
        };
        let mut monitors = Vec::new();
        for (cpu, isa) in config.isas.iter().enumerate() {
            monitors.push(machine.start_cpu(cpu, isa, &setup, config.shared, &memory)?);
        }
        for (cpu, monitor) in monitors.into_iter().enumerate() {
            let ready = qmp::Client::new(monitor, PATIENCE).and_then(|mut client| {
                client.expect_prelaunch()?;
                Ok(client)
            });
            let client = ready.map_err(|reason| machine.not_ready(cpu, reason))?;
            machine.monitors.push(client);
        }
        for cpu in 0..machine.monitors.len() {
            match machine.monitors[cpu].execute("cont") {
                // A short program may have ended before the answer; how, is found out by waiting for it.
                Ok(_) | Err(QmpError::Closed) => {}
                Err(reason) => return Err(machine.not_ready(cpu, reason)),
            }
        }
        Ok(machine)
    }

    /// Starts the emulator of one CPU, stopped, and returns its monitor's connection.
    fn start_cpu(
        &mut self,
        cpu: usize,
        isa: &'static Isa,
        setup: &Setup,
        shared: u64,
        memory: &OwnedFd,
    ) -> Result<UnixStream, Error> {
        let system = |doing| move |source: io::Error| Error::System { doing, source };
        let pair = || UnixStream::pair().map_err(system("make a pair of sockets"));
        let (monitor, monitor_end) = pair()?;
        let (console, console_end) = pair()?;
        let doorbell = self
            .core
            .doorbells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
        let arguments = arguments(isa, setup, shared, &descriptors);

        let core = self.core.clone();
        let on_end = move |status: ExitStatus| {
            core.doorbells
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .leave(cpu);
            let killed = core.killed.load(Ordering::SeqCst) && status.code().is_none();
            core.shared.end(cpu, status, killed);
        };
        let started = process::start(isa.qemu, arguments, descriptors, on_end).map_err(
            |source| match source.kind() {
                io::ErrorKind::NotFound => Error::Missing {
                    program: isa.qemu,
                    packages: isa.qemu_packages,
                },
                _ => Error::Start {
                    program: isa.qemu.into(),
                    source,
                },
            },
        )?;
        self.core
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(started.process);
        self.threads.push(started.waiter);
        self.read(cpu, Source::Console, console)?;
        self.read(cpu, Source::Emulator, started.stderr)?;
        Ok(monitor)
    }

    /// Delivers the lines of a stream from a thread of its own.
    fn read(
        &mut self,
        cpu: usize,
        source: Source,
        stream: impl io::Read + Send + 'static,
    ) -> Result<(), Error> {
        let core = self.core.clone();
        let thread = thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || core.shared.read(cpu, source, stream))
            .map_err(|source| Error::System {
                doing: "start a thread",
                source,
            })?;
        self.threads.push(thread);
        Ok(())
    }

    /// The error of an emulator that is not there yet or no more, with what it said.
    fn not_ready(&mut self, cpu: usize, reason: QmpError) -> Error {
        self.end();
        let state = self.core.shared.state();
        let cpu = &state.cpus[cpu];
        Error::Emulator {
            cpu: cpu.isa.name,
            reason,
            stderr: cpu.stderr.iter().cloned().collect(),
        }
    }

    /// Waits for the end of the run: that of one CPU, and then shortly for the others, which are stopped if they do
    /// not end by themselves. With a limit, all are stopped when it is over.
    pub fn wait(mut self, limit: Option<Duration>) -> Outcome {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let over = |state: &State| (state.stopped || !state.ended.is_empty()).then_some(());
        let timed_out = self.core.shared.wait_until(deadline, over).is_none();
        if !timed_out {
            let all = |state: &State| {
                (state.stopped || state.ended.len() == state.cpus.len()).then_some(())
            };
            let _ = self
                .core
                .shared
                .wait_until(Some(Instant::now() + GRACE), all);
        }
        self.end();
        let state = self.core.shared.state();
        let end = |cpu: &usize| {
            let cpu = &state.cpus[*cpu];
            cpu.end.map(|end| (cpu.isa.name, end))
        };
        Outcome {
            ends: state.ended.iter().filter_map(end).collect(),
            timed_out,
        }
    }

    /// Waits for a console line with `words` in it, of any CPU, and returns it.
    pub fn wait_for_line(&self, words: &str, limit: Duration) -> Result<String, NotSeen> {
        let seen = |state: &State| {
            let mut lines = state.cpus.iter().flat_map(|cpu| &cpu.console);
            if let Some(line) = lines.find(|line| line.contains(words)) {
                return Some(Ok(line.clone()));
            }
            if state.stopped {
                return Some(Err(NotSeen::Stopped));
            }
            let cpu = &state.cpus[*state.ended.first()?];
            cpu.end.map(|end| {
                Err(NotSeen::Ended {
                    cpu: cpu.isa.name,
                    end,
                })
            })
        };
        self.core
            .shared
            .wait_until(Some(Instant::now() + limit), seen)
            .unwrap_or(Err(NotSeen::TimedOut { limit }))
    }

    /// The last lines of each console.
    pub fn last_lines(&self, count: usize) -> Vec<(&'static str, Vec<String>)> {
        let last = |cpu: &state::Cpu| {
            let skipped = cpu.console.len().saturating_sub(count);
            (
                cpu.isa.name,
                cpu.console.iter().skip(skipped).cloned().collect(),
            )
        };
        self.core.shared.state().cpus.iter().map(last).collect()
    }

    /// Something that stops this machine from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            core: self.core.clone(),
        }
    }

    /// Ends all processes and threads.
    fn end(&mut self) {
        self.core.kill();
        for thread in self.threads.drain(..) {
            // A thread can only have panicked in the listener of lines, and has shown that.
            let _ = thread.join();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}

/// Memory without a name.
fn shared_memory(size: u64) -> io::Result<OwnedFd> {
    let memory = memfd_create("fat-image", MemfdFlags::CLOEXEC)?;
    ftruncate(&memory, size)?;
    Ok(memory)
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
         -chardev socket,id=doorbell,fd={doorbell} -device ivshmem-doorbell,chardev=doorbell,vectors={VECTORS}",
        (setup.private + shared) >> 20,
        setup.private,
    )
    .split_whitespace()
    .map(str::to_owned)
    .collect();
    arguments.extend((isa.qemu_arguments)(setup));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_two_ports() {
        assert_eq!(
            "8080:80".parse(),
            Ok(Forward {
                host: 8080,
                guest: 80
            })
        );
        for wrong in ["8080", "8080:", ":80", "0:80", "8080:65536", "a:b"] {
            assert!(wrong.parse::<Forward>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_are_shown_with_their_cpu_once() {
        let shown = |source, text| {
            Line {
                cpu: "riscv64",
                source,
                text,
            }
            .to_string()
        };
        assert_eq!(shown(Source::Console, "hello"), "riscv64 | hello");
        assert_eq!(shown(Source::Console, "[riscv64] hello"), "riscv64 | hello");
        assert_eq!(
            shown(Source::Console, "[x86_64] hello"),
            "riscv64 | [x86_64] hello"
        );
        assert_eq!(shown(Source::Emulator, "warning"), "riscv64 ! warning");
    }

    #[test]
    fn a_run_succeeds_by_its_first_end() {
        let outcome = |ends: &[End]| Outcome {
            ends: ends.iter().map(|end| ("cpu", *end)).collect(),
            timed_out: false,
        };
        let failure = End::Failure { code: 1 };
        assert!(outcome(&[End::Success, End::Success]).success());
        assert!(outcome(&[End::Success, End::Killed]).success());
        assert!(!outcome(&[End::Killed, End::Success]).success());
        assert!(!outcome(&[End::Success, failure]).success());
        assert!(!outcome(&[failure, End::Success]).success());
        assert!(!outcome(&[End::Reset, End::Killed]).success());
        assert!(!outcome(&[]).success());
    }

    #[test]
    fn too_little_memory_is_refused() {
        let config = Config {
            shared: SHARED_SIZE - (2 << 20),
            ..Config::new("/dev/null")
        };
        assert!(matches!(
            Machine::start(&config, |_| ()),
            Err(Error::Memory { .. })
        ));
    }
}
