//! CPUs that die, and those that stop answering.
//!
//! Who wants the others to go on without them calls [`watch`]. A CPU is then declared [offline](State::Offline)
//!
//! - if it panics outside of a task or call: it says so itself;
//! - if it is a Linux process that has died: `cargo fat run` knows that first, and says so in the shared memory;
//! - if it does not answer: every CPU watches the next one that is online, rings its doorbell and expects its heart to
//!   beat, which it does in the handler of that interrupt, between polls of tasks, and while it waits for a lock.
//!
//! What it had is settled in two steps. Whoever finds out takes its locks back at once and poisons what it may have left
//! half written: a CPU that waits for such a lock finds out too, and that needs no lock. The rest needs some, so it is left to
//! a moment in which the heir holds none: its tasks are lost, timers that it kept are given up. Should the heir die, another
//! CPU inherits that too, and begins anew: every step may be done twice.
//!
//! Who has died can be started again and joins the others, see [`restart`]; what it had is lost. Should a CPU
//! have been stopped only for a while (by a debugger, say), it stops when it sees what was said of it.

use core::fmt;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::time::Duration;

use fat_image::machine::Processes;

use crate::atomic::{AtomicU64, shared_static};
use crate::cpu::{Cpu, State};
use crate::sync::held::{self, Mark};
use crate::{arch, console, doorbell, heap, println, task};

shared_static! {
    /// Nanoseconds without a heart beat after which a CPU is offline; 0: nobody watches.
    static LIMIT: AtomicU64 = AtomicU64::new(0);
}

/// Rings within the limit.
const RINGS: u64 = 8;
/// Nanoseconds after which a CPU that sleeps looks for what the runner says: it does not ring.
const NEWS: u64 = 50_000_000;

/// Watches over all CPUs from now on: one that does not answer for `limit` is declared offline.
///
/// On boards even a CPU that runs one task for a long time answers, by an interrupt. A Linux process has none: `limit` must
/// be longer than any task runs there without awaiting something.
pub fn watch(limit: Duration) {
    let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
    LIMIT.store(limit, Relaxed);
    processes().watched.store(1, Relaxed);
    Cpu::all().for_each(doorbell::wake);
}

/// Why a CPU is not started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRestarted {
    /// It is online, or about to be, or what it left is not settled yet.
    NotOffline,
    /// It is on a board to which no doorbell leads from this one.
    Unreachable,
}

impl fmt::Display for NotRestarted {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            NotRestarted::NotOffline => "the CPU is not offline, or not settled yet",
            NotRestarted::Unreachable => "no doorbell leads to the CPU",
        })
    }
}

impl core::error::Error for NotRestarted {}

/// Has `cpu`, which has died, started again, whatever it does: what stands still or hangs on a board is interrupted in a way that
/// it cannot keep out, and of a process what is left is killed. Some time later it is online, and does what it is given: `main` is
/// not called again. What it had is lost all the same, and so is the [stack](crate::attempt) that it was on.
///
/// # Errors
/// If it is not offline, or cannot be reached.
pub fn restart(cpu: Cpu) -> Result<(), NotRestarted> {
    // One of those who want it.
    if !cpu.begin_to_join() {
        return Err(NotRestarted::NotOffline);
    }
    cpu.record().starts_anew.store(1, SeqCst);
    if arch::restart(cpu) {
        return Ok(());
    }
    cpu.record().starts_anew.store(0, SeqCst);
    cpu.settled();
    Err(NotRestarted::Unreachable)
}

/// What the runner says of processes, and is told.
#[cfg(target_os = "none")]
pub(crate) fn processes() -> &'static Processes {
    // SAFETY: the runner has put zeros there, and all bytes are good; both sides use it as atomics.
    unsafe { &*(Processes::ADDRESS as *const Processes) }
}

#[cfg(not(target_os = "none"))]
fn processes() -> &'static Processes {
    static NONE: Processes = Processes::none();
    &NONE
}

/// The own heart beats.
pub(crate) fn beat() {
    let beats = &Cpu::current().record().beats;
    beats.store(beats.load(Relaxed).wrapping_add(1), Relaxed);
}

/// Before a run on the host, where statics outlive it.
#[cfg(not(target_os = "none"))]
pub(crate) fn reset() {
    LIMIT.store(0, Relaxed);
}

/// Nanoseconds that a CPU may sleep without a look.
pub(crate) fn longest_sleep() -> Option<u64> {
    match LIMIT.load(Relaxed) {
        0 => None,
        limit => Some((limit / RINGS).min(NEWS)),
    }
}

/// What a CPU knows of the one that it watches. Own.
pub(crate) struct Watch {
    /// Its index, plus one.
    watched: AtomicU64,
    /// Its heart beats when they changed last.
    beats: AtomicU64,
    /// Clock when they changed last.
    since: AtomicU64,
    /// Clock when it was rung last.
    rung: AtomicU64,
}

impl Watch {
    crate::atomic::const_fn! {
        pub(crate) fn new() -> Watch {
            Watch {
                watched: AtomicU64::new(0),
                beats: AtomicU64::new(0),
                since: AtomicU64::new(0),
                rung: AtomicU64::new(0),
            }
        }
    }
}

/// Beats, looks at the others, and settles what is this CPU's to settle. It holds no lock. Often called: it does little
/// if little time has gone by.
pub(crate) fn look() {
    look_while_locked();
    if LIMIT.load(Relaxed) != 0 {
        settle_all();
    }
}

/// As [`look`], for a CPU that may hold locks: it settles nothing but locks.
pub(crate) fn look_while_locked() {
    let limit = LIMIT.load(Relaxed);
    if limit == 0 {
        return;
    }
    beat();
    let own = Cpu::current();
    #[cfg(target_os = "none")]
    if own.state() == State::Offline {
        arch::stop();
    }
    Cpu::all()
        .filter(|cpu| cpu.state() != State::Offline && has_died(*cpu))
        .for_each(|cpu| declare_offline(cpu, "has died"));
    let Some(next) = next_online(own) else {
        return;
    };
    let (watch, now) = (&own.record().watch, arch::clock());
    let beats = next.record().beats.load(Relaxed);
    let same = watch.watched.load(Relaxed) == next.index() as u64 + 1;
    if !same || watch.beats.load(Relaxed) != beats {
        watch.watched.store(next.index() as u64 + 1, Relaxed);
        watch.beats.store(beats, Relaxed);
        watch.since.store(now, Relaxed);
    } else if now.wrapping_sub(watch.since.load(Relaxed)) > limit {
        declare_offline(next, "does not answer");
        return;
    }
    if now.wrapping_sub(watch.rung.load(Relaxed)) > limit / RINGS {
        watch.rung.store(now, Relaxed);
        doorbell::ring(next);
    }
}

/// Whether the process that was `cpu` is no more.
fn has_died(cpu: Cpu) -> bool {
    let (number, processes) = (number(cpu), processes());
    let died = processes.died[number].load(Relaxed);
    died.wrapping_sub(processes.wanted[number].load(Relaxed)) == 1
}

/// Its place in [`Processes`].
pub(crate) fn number(cpu: Cpu) -> usize {
    Processes::number(cpu.isa_index(), cpu.ordinal())
}

fn next_online(own: Cpu) -> Option<Cpu> {
    let count = Cpu::all().count();
    let others = (1..count).map(|step| Cpu::from_index((own.index() + step) % count));
    others.into_iter().find(|cpu| cpu.is_online())
}

/// Goes on without `cpu`, which will never run again. This CPU may hold locks, and wait for one.
fn declare_offline(cpu: Cpu, why: &str) {
    let own = Cpu::current();
    if !cpu.go_offline(own) {
        return;
    }
    console::give_up(cpu);
    println!("{cpu} {why}: it is offline from now on");
    held::abandon(cpu, Mark::ALL, |lock| println!("{lock}"));
}

/// Takes this CPU, which has failed and holds whatever locks, out of the run. False if the run cannot go on without it:
/// nobody watches, or there is no other. It neither locks nor allocates.
#[cfg(target_os = "none")]
pub(crate) fn resign() -> bool {
    let own = Cpu::current();
    let heir = next_online(own).filter(|_| LIMIT.load(Relaxed) != 0);
    let Some(heir) = heir.filter(|heir| own.go_offline(*heir)) else {
        return own.state() == State::Offline;
    };
    println!("{own} has failed: it is offline from now on");
    held::abandon(own, Mark::ALL, |lock| println!("{lock}"));
    console::give_up(own);
    doorbell::ring(heir);
    true
}

/// Settles what this CPU has inherited, and what others had who are dead too.
fn settle_all() {
    let own = Cpu::current();
    for cpu in Cpu::all() {
        let Some(heir) = cpu.heir() else { continue };
        let orphaned = heir.state() == State::Offline && cpu.inherit(heir, own);
        if heir == own || orphaned {
            settle(cpu);
        }
    }
}

/// Settles what `cpu` has left behind it, but for its locks. May be done twice.
fn settle(cpu: Cpu) {
    // Its heir may have died in the middle of this, or it has resigned by itself.
    held::abandon(cpu, Mark::ALL, |lock| println!("{lock}"));
    console::give_up(cpu);
    heap::settle(cpu);
    cpu.record().timers.fire_all();
    task::settle(cpu);
    cpu.settled();
    Cpu::all()
        .filter(|other| other.is_online())
        .for_each(doorbell::wake);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::sync::atomic::AtomicBool;
    use core::sync::atomic::Ordering::SeqCst;

    use super::*;
    use crate::arch::run_cpus;
    use crate::call::{CallError, call_on};
    use crate::task::JoinError;

    #[test]
    fn a_cpu_that_stops_answering_takes_nothing_along() {
        static OVER: AtomicBool = AtomicBool::new(false);
        run_cpus(3, |cpu| {
            let dead = Cpu::from_index(2);
            if cpu == dead {
                while !OVER.load(SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return;
            }
            if cpu.index() == 0 {
                watch(Duration::from_secs(1));
                task::spawn(async move {
                    let lost = task::spawn_on(dead, core::future::pending::<()>());
                    let again = task::spawn_restartable(dead, || async { Cpu::current() });
                    assert_eq!(lost.await, Err(JoinError::Lost(dead)));
                    assert_eq!(dead.state(), State::Offline);
                    assert_ne!(again.await.unwrap(), dead);
                    assert_eq!(call_on(dead, || ()), Err(CallError::Offline(dead)));
                    let late = task::spawn_on(dead, async {});
                    assert_eq!(late.await, Err(JoinError::Lost(dead)));
                    OVER.store(true, SeqCst);
                });
            }
        });
        assert!(OVER.load(SeqCst));
    }
}
