//! Locks without a value: the waiting and the bookkeeping that [`Mutex`](super::Mutex) and [`RwLock`](super::RwLock)
//! share. What a lock's word may become is in [`word`](super::word).

use core::panic::Location;
use core::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use super::held::{Locker, unwinding, with_locker};
use super::word::{MOST_CPUS, Word};
use crate::atomic::{AtomicU64, const_fn};
use crate::cpu::{self, Cpu};
use crate::critical::Section;
use crate::{arch, health};

const _: () = assert!(cpu::MAX as u32 <= MOST_CPUS);

/// A lock's word, and what is done with it.
pub(crate) struct RawLock {
    word: AtomicU64,
}

impl RawLock {
    const_fn! {
        pub(crate) fn new() -> RawLock {
            RawLock { word: AtomicU64::new(0) }
        }
    }

    /// Waits until this CPU has it for writing.
    #[track_caller]
    pub(crate) fn write(&self) -> Exclusive<'_> {
        let section = Section::enter();
        let place = Location::caller();
        with_locker(|locker| {
            self.refuse_second(&locker, place, false);
            locker.held.push(self, place);
            let asked = self.change(Word::FREE, Acquire, |word| {
                Some(word.write_asked(locker.cpu))
            });
            let mut word = asked.unwrap_or_else(|word| word);
            let mut patience = Patience::new();
            while word.writer() != Some(locker.cpu) {
                patience.relax();
                word = Word(self.word.load(Acquire));
            }
        });
        self.exclusive(section)
    }

    /// Has it for writing, if it is free.
    #[track_caller]
    pub(crate) fn try_write(&self) -> Option<Exclusive<'_>> {
        let section = Section::enter();
        let place = Location::caller();
        let got = self.attempt(place, |word, cpu| word.write_granted(cpu));
        got.then(|| self.exclusive(section))
    }

    /// Waits until this CPU has it for reading.
    #[track_caller]
    pub(crate) fn read(&self) -> Shared<'_> {
        let section = Section::enter();
        let place = Location::caller();
        with_locker(|locker| {
            self.refuse_second(&locker, place, true);
            let has_it = locker.held.count_of(self) > 0;
            locker.held.push(self, place);
            if has_it {
                return;
            }
            let asked = self.change(Word::FREE, Acquire, |word| {
                Some(word.read_asked(locker.cpu))
            });
            let mut word = asked.unwrap_or_else(|word| word);
            let mut patience = Patience::new();
            while !word.has_reader(locker.cpu) {
                patience.relax();
                word = Word(self.word.load(Acquire));
            }
        });
        Shared {
            lock: self,
            _section: section,
        }
    }

    /// Has it for reading, if nobody writes or waits to write.
    #[track_caller]
    pub(crate) fn try_read(&self) -> Option<Shared<'_>> {
        let section = Section::enter();
        let place = Location::caller();
        let got = self.attempt(place, |word, cpu| match word.has_reader(cpu) {
            true => Some(word),
            false => word.read_granted(cpu),
        });
        got.then_some(Shared {
            lock: self,
            _section: section,
        })
    }

    /// Who had it for writing and failed.
    pub(crate) fn failed(&self) -> Option<Cpu> {
        let failed = Word(self.word.load(Relaxed)).failed()?;
        Some(cpu_of(failed))
    }

    /// Its value is to be trusted again.
    pub(crate) fn clear_failed(&self) {
        let _ = self.change(Word::FREE, Relaxed, |word| Some(word.with_failed(None)));
    }

    /// Takes it from `cpu`. Whether that wrote; `None` if it did not have it.
    pub(crate) fn take_from(&self, cpu: u32) -> Option<bool> {
        let mut had = None;
        let _ = self.change(Word::FREE, Release, |word| {
            let wrote = word.writer() == Some(cpu);
            had = (wrote || word.has_reader(cpu)).then_some(wrote);
            Some(word.without(cpu))
        });
        had
    }

    fn attempt(
        &self,
        place: &'static Location<'static>,
        change: impl Fn(Word, u32) -> Option<Word>,
    ) -> bool {
        with_locker(|locker| {
            locker.held.push(self, place);
            let got = self
                .change(Word::FREE, Acquire, |word| change(word, locker.cpu))
                .is_ok();
            if !got {
                locker.held.remove(self);
            }
            got
        })
    }

    /// Changes the word as `change` says; the new word, or the one that it refused. The word is `likely` for most callers:
    /// guessing saves a load, and on most machines a second trip of the cache line.
    fn change(
        &self,
        likely: Word,
        order: Ordering,
        mut change: impl FnMut(Word) -> Option<Word>,
    ) -> Result<Word, Word> {
        let mut before = likely;
        let mut seen = false;
        loop {
            let Some(after) = change(before) else {
                if seen {
                    return Err(before);
                }
                (before, seen) = (Word(self.word.load(Relaxed)), true);
                continue;
            };
            let exchanged = self
                .word
                .compare_exchange_weak(before.0, after.0, order, Relaxed);
            match exchanged {
                Ok(_) => return Ok(after),
                Err(now) => (before, seen) = (Word(now), true),
            }
        }
    }

    /// # Panics
    /// If waiting could never end.
    fn refuse_second(&self, locker: &Locker, place: &Location, reads: bool) {
        if locker.held.count_of(self) == 0 {
            return;
        }
        if reads && Word(self.word.load(Relaxed)).has_reader(locker.cpu) {
            return;
        }
        match locker.held.place_of(self) {
            Some(taken) => {
                panic!("deadlock: this CPU waits at {place} for a lock that it holds since {taken}")
            }
            None => panic!("deadlock: this CPU waits at {place} for a lock that it holds"),
        }
    }

    fn exclusive(&self, section: Section) -> Exclusive<'_> {
        Exclusive {
            lock: self,
            unwound: unwinding(),
            _section: section,
        }
    }
}

/// Waits for a lock, whose holder may be dead.
struct Patience {
    looks: u32,
}

impl Patience {
    /// Looks at the lock between two looks at the others.
    const LOOKS: u32 = 1 << 10;

    fn new() -> Patience {
        Patience { looks: 0 }
    }

    fn relax(&mut self) {
        arch::relax();
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(Patience::LOOKS) {
            health::look_while_locked();
        }
    }
}

/// The CPU of a number in a word. On the host, threads that are no CPUs have numbers too; they count as the first.
fn cpu_of(number: u32) -> Cpu {
    Cpu::from_index(match number as usize {
        index if index < cpu::MAX => index,
        _ => 0,
    })
}

/// Having one means that nobody else has the lock, and that this CPU takes no interrupts.
pub(crate) struct Exclusive<'a> {
    lock: &'a RawLock,
    /// It was taken while a panic unwound already.
    unwound: bool,
    // Dropped after `drop` below has unlocked.
    _section: Section,
}

impl Exclusive<'_> {
    pub(crate) fn failed(&self) -> Option<Cpu> {
        self.lock.failed()
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        let fails = unwinding() && !self.unwound;
        with_locker(|locker| {
            let likely = Word::FREE.write_asked(locker.cpu);
            let _ = self.lock.change(likely, Release, |word| {
                let failed = if fails {
                    Some(locker.cpu)
                } else {
                    word.failed()
                };
                Some(word.with_failed(failed).write_released(locker.cpu))
            });
            locker.held.remove(self.lock);
        });
    }
}

/// Having one means that nobody writes, and that this CPU takes no interrupts.
pub(crate) struct Shared<'a> {
    lock: &'a RawLock,
    _section: Section,
}

impl Shared<'_> {
    pub(crate) fn failed(&self) -> Option<Cpu> {
        self.lock.failed()
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        with_locker(|locker| {
            // What this CPU reads more than once it releases with the last one.
            if locker.held.count_of(self.lock) == 1 {
                let released = |word: Word| Some(word.read_released(locker.cpu));
                let likely = Word::FREE.read_asked(locker.cpu);
                let _ = self.lock.change(likely, Release, released);
            }
            locker.held.remove(self.lock);
        });
    }
}
