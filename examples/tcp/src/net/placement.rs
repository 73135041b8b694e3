//! Where TCP runs: on one of the CPUs, or, to test the others' assumptions, on another one at every poll.
//!
//! What moves is one task: it calls `switch_to` between two rounds, when it holds no lock and smoltcp is in no call. The
//! sockets, their buffers and the frames under way stay where they are, in shared memory.

use crate::rt::{self, Cpu};
use crate::stats::STATS;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Stands for [`Place::EveryPoll`].
const EVERY_POLL: u32 = u32::MAX;

/// Where TCP is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this CPU.
    On(Cpu),
    /// On the next CPU at every poll.
    EveryPoll,
}

impl Place {
    /// The place with a name: that of an instruction set, which stands for its first CPU, or `every-poll`.
    pub fn named(name: &str) -> Option<Place> {
        match name {
            "every-poll" => Some(Place::EveryPoll),
            isa => Cpu::of_isa(isa).map(Place::On),
        }
    }

    /// The names of all places, for people.
    pub fn names() -> String {
        let names: Vec<&str> = Cpu::all().map(|cpu| cpu.isa()).collect();
        format!("{}, every-poll", names.join(", "))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Place::On(cpu) => cpu.isa(),
            Place::EveryPoll => "every-poll",
        }
    }
}

/// The place that was asked for last.
pub struct Placement(AtomicU32);

impl Placement {
    /// This one.
    pub fn new(place: Place) -> Placement {
        Placement(AtomicU32::new(number(place)))
    }

    /// The place.
    pub fn get(&self) -> Place {
        let index = self.0.load(Relaxed);
        let cpu = Cpu::all().find(|cpu| cpu.index() as u32 == index);
        cpu.map_or(Place::EveryPoll, Place::On)
    }

    pub(super) fn set(&self, place: Place) {
        self.0.store(number(place), Relaxed);
    }

    /// Moves the task that calls this to where it is wanted.
    pub(super) async fn settle(&self) {
        let here = Cpu::current();
        let to = match self.get() {
            Place::On(cpu) => cpu,
            Place::EveryPoll => {
                let behind = Cpu::all().find(|cpu| cpu.index() > here.index());
                behind.or_else(|| Cpu::all().next()).unwrap_or(here)
            }
        };
        if to != here {
            STATS.moves.add(1);
            rt::switch_to(to).await;
        }
    }
}

fn number(place: Place) -> u32 {
    match place {
        Place::On(cpu) => cpu.index() as u32,
        Place::EveryPoll => EVERY_POLL,
    }
}
