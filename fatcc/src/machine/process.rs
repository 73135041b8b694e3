//! One process of a machine: started with descriptors to inherit, ended by a signal, waited for by a thread of its own.
//!
//! It has its process group, so that Ctrl-C in a terminal reaches only its owner. The kernel kills it when the thread
//! that started it ends; that thread does nothing but wait for it, and so lives exactly as long as it or its owner.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, getppid, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, setrlimit,
};

/// A process, alive or not.
pub(super) struct Process {
    /// Names it and never another one, even after its number is in use again.
    handle: OwnedFd,
}

/// A process that has just been started.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) stderr: ChildStderr,
    /// Ends when the process has ended and `on_end` is done.
    pub(super) waiter: JoinHandle<()>,
}

/// A program to start.
pub(super) struct Program {
    /// Its file, or a name to look for.
    pub(super) file: String,
    /// How it is called in lists of processes.
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) stdin: Stdio,
    pub(super) stdout: Stdio,
    /// What it inherits, under their numbers.
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Starts a program. Its descriptors are closed here when it is running. It is killed if `unwanted`, which is asked from time
/// to time, becomes true. `on_end` is called from another thread when it has ended.
pub(super) fn start(
    program: Program,
    unwanted: Option<impl Fn() -> bool + Send + 'static>,
    on_end: impl FnOnce(ExitStatus) + Send + 'static,
) -> io::Result<Started> {
    let Program {
        file,
        name,
        arguments,
        stdin,
        stdout,
        descriptors,
    } = program;
    let mut command = Command::new(&file);
    command
        .arg0(name)
        .args(arguments)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .process_group(0);
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let owner = getpid();
    // SAFETY: `inherit` makes a few system calls and neither allocates nor locks, as is demanded of a child of a
    // process with several threads; `descriptors` lives in the closure below until the child has been started, so the
    // numbers are open.
    unsafe { command.pre_exec(move || inherit(&numbers, owner)) };

    let (sender, receiver) = mpsc::channel();
    let waiter = thread::Builder::new().name(file).spawn(move || {
        let spawned = command.spawn();
        // It holds the other end of the console.
        drop(command);
        drop(descriptors);
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return drop(sender.send(Err(error))),
        };
        let handle =
            pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(io::Error::from);
        let handles = handle.and_then(|handle| Ok((handle.try_clone()?, handle)));
        let own = match (handles, child.stderr.take()) {
            (Ok((own, handle)), Some(stderr)) => {
                let _ = sender.send(Ok((Process { handle }, stderr)));
                Process { handle: own }
            }
            (handles, _) => {
                let _ = child.kill();
                let _ = child.wait();
                let error = handles
                    .err()
                    .unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
                return drop(sender.send(Err(error)));
            }
        };
        if let Some(unwanted) = unwanted {
            while !own.ends_soon() && !unwanted() {}
            own.kill();
        }
        // Only a process that is no child of ours cannot be waited for; a lost one counts as killed.
        let status = child
            .wait()
            .unwrap_or_else(|_| ExitStatus::from_raw(Signal::KILL.as_raw()));
        on_end(status);
    })?;
    match receiver
        .recv()
        .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    {
        Ok((process, stderr)) => Ok(Started {
            process,
            stderr,
            waiter,
        }),
        Err(error) => {
            let _ = waiter.join();
            Err(error)
        }
    }
}

/// Runs in the child, before the program.
fn inherit(numbers: &[RawFd], owner: Pid) -> io::Result<()> {
    for number in numbers {
        // SAFETY: the numbers are of descriptors that the owner keeps open until this child has been started.
        let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
        fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A process that dies by a signal leaves no file behind.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    // Without this, an owner that died just now would leave a child that nobody ends.
    if getppid() == Some(owner) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(3))
    }
}

/// How often is asked whether a process is unwanted.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

impl Process {
    /// Waits for its end for a while; whether it has ended.
    fn ends_soon(&self) -> bool {
        let mut ended = [PollFd::new(&self.handle, PollFlags::IN)];
        // A wait that a signal cuts short is one of another length.
        poll(&mut ended, Some(&LOOK)) == Ok(1)
    }

    /// Ends it at once, if it has not ended yet.
    pub(super) fn kill(&self) {
        // It fails only for a process that has ended.
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
    }
}
