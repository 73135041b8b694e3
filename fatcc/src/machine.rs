//! The machine that an image runs on: processes that share one memory.
//!
//! The CPUs of an ISA are those of an emulated board (`board`) or Linux processes (`user`); what is here is the same for
//! both: processes, their consoles, and their ends. All processes map one anonymous file as memory at
//! [`fat_image::machine::SHARED_START`].
//!
//! Nothing has a name in the file system: memory, programs, consoles, monitors and doorbells are descriptors that the
//! processes inherit. A machine therefore leaves nothing behind, however its owner ends.

mod board;
mod command_line;
pub mod cpus;
pub mod doorbell;
mod outcome;
mod process;
mod processes;
pub mod qmp;
mod state;
mod user;

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fat_image::machine::SHARED_SIZE;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use crate::error::Error;
use crate::isa::{ISAS, Isa};
use cpus::Cpus;
use process::{Process, Program};
use processes::Fate;
use state::{Shared, State};

pub use board::Setup;
pub use outcome::{End, Line, NotSeen, Outcome, Source};

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

/// What stands for a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A board that QEMU emulates, with devices.
    Board,
    /// A Linux process, without devices.
    User,
}

/// What machine to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The image.
    pub image: PathBuf,
    /// What the CPUs are.
    pub platform: Platform,
    /// An emulator for each, or a group of processes, in the order of the image; the first emulator's doorbell has id 0.
    pub isas: Vec<&'static Isa>,
    /// How many CPUs each has.
    pub cpus: Cpus,
    /// Bytes of shared memory.
    pub shared: u64,
    /// Ports that lead to the machine, if it has devices.
    pub forwards: Vec<Forward>,
    /// What its network device is connected to, in the words of QEMU's `-netdev` without `id`, such as
    /// `tap,ifname=tap0,script=no,downscript=no`; a network of its own that reaches the world through this computer, if
    /// `None`.
    pub netdev: Option<String>,
    /// Words for the program, which finds `NAME=VALUE` by `fatcc_rt::boot::parameter`.
    pub command_line: Vec<String>,
}

impl Config {
    /// The usual machine, for an image of all ISAs.
    pub fn new(image: impl Into<PathBuf>) -> Config {
        Config {
            image: image.into(),
            platform: Platform::Board,
            isas: ISAS.into(),
            cpus: Cpus::default(),
            shared: SHARED_SIZE,
            forwards: Vec::new(),
            netdev: None,
            command_line: Vec::new(),
        }
    }
}

/// What every thread of a machine, and a [`Stopper`], can reach.
struct Core {
    shared: Shared,
    processes: Mutex<Vec<Process>>,
    killed: AtomicBool,
    /// What leads to the console of each ISA that has been started.
    keyboards: Mutex<Vec<(&'static str, UnixStream)>>,
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

/// Types at the consoles of a machine.
#[derive(Clone)]
pub struct Keyboard {
    core: Arc<Core>,
}

impl Keyboard {
    /// Types a line at the console of an ISA: that which the line begins with, as `riscv64: words`, else the first one.
    /// It waits while the machine does not take what was typed before.
    pub fn type_line(&self, line: &str) -> io::Result<()> {
        let (console, words) = {
            let keyboards = lock(&self.core.keyboards);
            let named = line.split_once(':').and_then(|(name, words)| {
                let named = keyboards.iter().find(|(isa, _)| *isa == name);
                named.map(|(_, console)| (console, words.trim_start()))
            });
            let first = keyboards.first().map(|(_, console)| (console, line));
            let (console, words) = named.or(first).ok_or(io::ErrorKind::NotConnected)?;
            (console.try_clone()?, words.to_owned())
        };
        (&console).write_all(format!("{words}\n").as_bytes())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        config.cpus.check(&config.isas)?;
        let command_line = command_line::bytes(&config.command_line)?;
        let image = config
            .image
            .canonicalize()
            .map_err(crate::files::context("find", &config.image))?;
        let memory = anonymous_file(config.shared).map_err(|source| Error::System {
            doing: "make the shared memory",
            source,
        })?;
        let told = config.cpus.tell(&config.isas, &memory);
        let told = told.and_then(|()| command_line::tell(&command_line, &memory));
        told.map_err(|source| Error::System {
            doing: "write to the shared memory",
            source,
        })?;
        let core = Arc::new(Core {
            shared: Shared::new(&config.isas, Box::new(on_line)),
            processes: Mutex::new(Vec::new()),
            killed: AtomicBool::new(false),
            keyboards: Mutex::new(Vec::new()),
        });
        // From here on, an error drops it and so ends what has been started.
        let mut machine = Machine {
            core,
            threads: Vec::new(),
            monitors: Vec::new(),
        };
        match config.platform {
            Platform::Board => board::start(&mut machine, config, &image, &memory)?,
            Platform::User => user::start(&mut machine, config, &image, &memory)?,
        }
        Ok(machine)
    }

    /// Starts a process of the ISA with number `cpu`, which comes in one of `packages`. `end` says what its exit status
    /// means, `fate` what comes behind that if the run goes on; without one, it does not.
    fn launch(
        &mut self,
        cpu: usize,
        program: Program,
        packages: &'static [&'static str],
        console: Option<UnixStream>,
        end: impl Fn(ExitStatus) -> End + Send + 'static,
        fate: Option<Fate>,
    ) -> Result<(), Error> {
        let core = self.core.clone();
        let unwanted = fate.clone().map(|fate| move || fate.is_unwanted());
        let on_end = move |status| core.attend(cpu, status, end, fate);
        self.core.shared.state().running += 1;
        let file = program.file.clone();
        let started =
            process::start(program, unwanted, on_end).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound if !packages.is_empty() => Error::Missing {
                    program: file,
                    packages,
                },
                _ => Error::Start {
                    program: file.into(),
                    source,
                },
            })?;
        self.core
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(started.process);
        self.threads.push(started.waiter);
        if let Some(console) = console {
            self.add_keyboard(cpu, &console)?;
            self.read(cpu, Source::Console, console)?;
        }
        self.read(cpu, Source::Emulator, started.stderr)
    }

    fn add_keyboard(&mut self, cpu: usize, console: &UnixStream) -> Result<(), Error> {
        let console = console.try_clone().map_err(|source| Error::System {
            doing: "share a console",
            source,
        })?;
        let isa = self.core.shared.state().cpus[cpu].isa.name;
        lock(&self.core.keyboards).push((isa, console));
        Ok(())
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

    /// Waits for the end of the run: that of one CPU, and then shortly for the others, which are stopped if they do
    /// not end by themselves. With a limit, all are stopped when it is over.
    pub fn wait(mut self, limit: Option<Duration>) -> Outcome {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let over = |state: &State| (state.stopped || !state.ended.is_empty()).then_some(());
        let timed_out = self.core.shared.wait_until(deadline, over).is_none();
        if !timed_out {
            let all = |state: &State| (state.stopped || state.running == 0).then_some(());
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
        let lost = |(cpu, end): &(usize, End)| (state.cpus[*cpu].isa.name, *end);
        Outcome {
            lost: state.lost.iter().map(lost).collect(),
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

    /// What types at the consoles of this machine, from any thread.
    pub fn keyboard(&self) -> Keyboard {
        Keyboard {
            core: self.core.clone(),
        }
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

/// A file without a name. It may be executed, even where Linux is set up so that this has to be said.
fn anonymous_file(size: u64) -> io::Result<OwnedFd> {
    let create = |flags| memfd_create("fat-image", MemfdFlags::CLOEXEC | flags);
    // Before Linux 6.3 there was no such flag, and no need of it.
    let file = create(MemfdFlags::EXEC).or_else(|_| create(MemfdFlags::empty()))?;
    ftruncate(&file, size)?;
    Ok(file)
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
