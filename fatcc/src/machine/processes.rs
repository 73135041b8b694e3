//! What becomes of a run when one of its Linux processes dies.
//!
//! The program decides: it says in the shared memory whether its CPUs watch each other. If they do, they are told there
//! which process has died, and the run goes on. If they do not, nobody would notice, and the run ends. Later they may ask
//! there for another process in its place.

use std::io;
use std::mem::offset_of;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fat_image::machine::{Processes, SHARED_START};

use super::process::{self, Program};
use super::state::State;
use super::user::Group;
use super::{Core, End, Source, lock};

/// What the CPUs and the runner tell each other of one process.
#[derive(Clone)]
pub(super) struct Fate {
    pub(super) group: Arc<Group>,
    /// The CPU's place among those of its ISA.
    pub(super) ordinal: u32,
    /// How many processes were this CPU before; wraps.
    pub(super) before: u8,
}

impl Fate {
    /// Whether the run goes on behind this end of the process; if so, the CPUs know of it.
    pub(super) fn others_go_on(&self, end: End) -> bool {
        let watched = || self.read(offset_of!(Processes, watched));
        let died = matches!(end, End::Died { .. });
        died && watched().is_some_and(|watched| watched != 0) && self.note_death()
    }

    /// Whether the CPUs want another process in its place.
    pub(super) fn is_unwanted(&self) -> bool {
        self.read(offset_of!(Processes, wanted) + self.number())
            .is_some_and(|wanted| wanted != self.before)
    }

    /// The program of the process that the CPUs want in its place, if they do.
    fn again(&mut self) -> Option<io::Result<Program>> {
        self.is_unwanted().then(|| {
            self.before = self.before.wrapping_add(1);
            let (program, _) = self.group.program(self.ordinal)?;
            Ok(program)
        })
    }

    fn number(&self) -> usize {
        Processes::number(self.group.number, self.ordinal as usize)
    }

    fn read(&self, offset: usize) -> Option<u8> {
        let mut byte = [0];
        let read = rustix::io::pread(&self.group.memory, &mut byte, at(offset));
        (read == Ok(1)).then_some(byte[0])
    }

    fn note_death(&self) -> bool {
        let offset = at(offset_of!(Processes, died) + self.number());
        rustix::io::pwrite(&self.group.memory, &[self.before.wrapping_add(1)], offset) == Ok(1)
    }
}

/// How often the runner looks whether the CPUs want another process for a CPU that has died.
const LOOK: Duration = Duration::from_millis(10);

impl Core {
    /// Notes the end of a process, in the thread that has started it. If the others go on, it stays there and starts it again
    /// when they want that.
    pub(super) fn attend(
        self: Arc<Core>,
        cpu: usize,
        status: ExitStatus,
        end: impl Fn(ExitStatus) -> End + Send + 'static,
        fate: Option<Fate>,
    ) {
        let killed = self.killed.load(Ordering::SeqCst) && status.code().is_none();
        let how = if killed { End::Killed } else { end(status) };
        let Some(mut fate) = fate else {
            self.shared.end(cpu, how, || false);
            return;
        };
        if !self.shared.end(cpu, how, || fate.others_go_on(how)) {
            return;
        }
        let over = |state: &State| {
            let over = state.stopped || state.running == 0 || !state.ended.is_empty();
            over.then_some(())
        };
        while !self.killed.load(Ordering::SeqCst) {
            if let Some(program) = fate.again() {
                return self.start_again(cpu, program, end, fate);
            }
            let soon = Some(Instant::now() + LOOK);
            if self.shared.wait_until(soon, over).is_some() {
                return;
            }
        }
    }

    fn start_again(
        self: Arc<Core>,
        cpu: usize,
        program: io::Result<Program>,
        end: impl Fn(ExitStatus) -> End + Send + 'static,
        fate: Fate,
    ) {
        self.shared.state().running += 1;
        let core = self.clone();
        let unwanted = fate.clone();
        let unwanted = move || unwanted.is_unwanted();
        let on_end = move |status| core.attend(cpu, status, end, Some(fate));
        match program.and_then(|program| process::start(program, Some(unwanted), on_end)) {
            Ok(started) => {
                let mut processes = lock(&self.processes);
                if self.killed.load(Ordering::SeqCst) {
                    started.process.kill();
                }
                processes.push(started.process);
                drop(processes);
                self.shared.read(cpu, Source::Emulator, started.stderr);
                // It can only have panicked in the listener of lines, and has shown that.
                let _ = started.waiter.join();
            }
            Err(error) => self.shared.not_started(cpu, &error),
        }
    }
}

/// The place in the shared memory's file of what is at `offset` in [`Processes`].
fn at(offset: usize) -> u64 {
    Processes::ADDRESS - SHARED_START + offset as u64
}
