//! What a lock is: one word that says who has it, who waits for it, and whether its value is to be trusted.
//!
//! ```text
//!   bit 0       16            32            48        54          60
//!       readers  waiting_readers  waiting_writers  writer + 1  failed + 1
//! ```
//!
//! A bit of a set, and a number, is a CPU. Everything that happens to a lock is one exchange of this word, so a CPU may
//! stop between any two instructions and the word still says what it had: that is why a lock can be taken back from a
//! CPU that died. A lock is never free while somebody waits; whoever releases it names the next owner:
//!
//! - after a writer all waiting readers, else the next waiting writer, in turn by number;
//! - after the last reader the next waiting writer.
//!
//! A reader waits if a writer has the lock or waits for it. So readers and writers alternate while both wait, and nobody
//! waits longer than for all others once.

/// Most CPUs that can use a lock: the width of the sets.
pub(crate) const MOST_CPUS: u32 = 16;

const SET: u64 = (1 << MOST_CPUS) - 1;
const NUMBER: u64 = 63;
const WAITING_READERS: u32 = 16;
const WAITING_WRITERS: u32 = 32;
const WRITER: u32 = 48;
const FAILED: u32 = 54;

/// See the module's description.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// Nobody has it, nobody waits.
    pub(crate) const FREE: Word = Word(0);

    fn field(self, shift: u32, mask: u64) -> u64 {
        self.0 >> shift & mask
    }

    fn with(self, shift: u32, mask: u64, value: u64) -> Word {
        Word(self.0 & !(mask << shift) | value << shift)
    }

    fn number(self, shift: u32) -> Option<u32> {
        (self.field(shift, NUMBER) as u32).checked_sub(1)
    }

    pub(crate) fn has_reader(self, cpu: u32) -> bool {
        self.0 >> cpu & 1 != 0
    }

    pub(crate) fn writer(self) -> Option<u32> {
        self.number(WRITER)
    }

    /// Who had it for writing, and failed.
    pub(crate) fn failed(self) -> Option<u32> {
        self.number(FAILED)
    }

    pub(crate) fn with_failed(self, cpu: Option<u32>) -> Word {
        self.with(FAILED, NUMBER, cpu.map_or(0, |cpu| u64::from(cpu) + 1))
    }

    fn with_writer(self, cpu: Option<u32>) -> Word {
        self.with(WRITER, NUMBER, cpu.map_or(0, |cpu| u64::from(cpu) + 1))
    }

    /// After `cpu` has asked to write: it has the lock, or waits.
    pub(crate) fn write_asked(self, cpu: u32) -> Word {
        match self.write_granted(cpu) {
            Some(word) => word,
            None => Word(self.0 | 1 << (WAITING_WRITERS + cpu)),
        }
    }

    /// After `cpu` has got the lock for writing, if that is possible now.
    pub(crate) fn write_granted(self, cpu: u32) -> Option<Word> {
        let free = self.writer().is_none() && self.field(0, SET) == 0;
        free.then(|| self.with_writer(Some(cpu)))
    }

    /// After `cpu` has asked to read: it has the lock, or waits.
    pub(crate) fn read_asked(self, cpu: u32) -> Word {
        match self.read_granted(cpu) {
            Some(word) => word,
            None => Word(self.0 | 1 << (WAITING_READERS + cpu)),
        }
    }

    /// After `cpu` has got the lock for reading, if that is possible now.
    pub(crate) fn read_granted(self, cpu: u32) -> Option<Word> {
        let free = self.writer().is_none() && self.field(WAITING_WRITERS, SET) == 0;
        free.then_some(Word(self.0 | 1 << cpu))
    }

    /// After `cpu`, which reads, has released it.
    pub(crate) fn read_released(self, cpu: u32) -> Word {
        Word(self.0 & !(1 << cpu)).handed_over(cpu, false)
    }

    /// After `cpu`, which writes, has released it.
    pub(crate) fn write_released(self, cpu: u32) -> Word {
        self.with_writer(None).handed_over(cpu, true)
    }

    /// After `cpu` has been taken out of it, whatever it was in it.
    pub(crate) fn without(self, cpu: u32) -> Word {
        let bits = 1 << cpu | 1 << (WAITING_READERS + cpu) | 1 << (WAITING_WRITERS + cpu);
        let wrote = self.writer() == Some(cpu);
        let mut word = Word(self.0 & !bits);
        if wrote {
            word = word.with_writer(None).with_failed(Some(cpu));
        }
        word.handed_over(cpu, wrote)
    }

    /// Gives the lock, if it can be had, to those who are next after `cpu`.
    fn handed_over(self, cpu: u32, readers_first: bool) -> Word {
        if self.writer().is_some() {
            return self;
        }
        let readers = self.field(WAITING_READERS, SET);
        let writers = self.field(WAITING_WRITERS, SET);
        if readers != 0 && (readers_first || writers == 0) {
            return Word(self.with(WAITING_READERS, SET, 0).0 | readers);
        }
        if writers == 0 || self.field(0, SET) != 0 {
            return self;
        }
        let later = writers & (SET << (cpu + 1));
        let next = if later == 0 { writers } else { later }.trailing_zeros();
        let rest = self.with(WAITING_WRITERS, SET, writers & !(1 << next));
        rest.with_writer(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const FREE: Word = Word::FREE;

    #[test]
    fn writers_follow_each_other_in_turn() {
        let mut word = FREE.write_asked(2);
        for cpu in [1, 15, 3, 0] {
            word = word.write_asked(cpu);
        }
        let mut order = Vec::new();
        while let Some(writer) = word.writer() {
            order.push(writer);
            word = word.write_released(writer);
        }
        assert_eq!(order, [2, 3, 15, 0, 1]);
        assert!(word == FREE);
    }

    #[test]
    fn readers_and_writers_alternate() {
        let word = FREE.read_asked(0).write_asked(1).read_asked(2);
        assert!(!word.has_reader(2), "it waits behind the writer");
        let word = word.read_released(0);
        assert_eq!(word.writer(), Some(1));
        let word = word.write_asked(3).write_released(1);
        assert!(word.has_reader(2) && word.writer().is_none());
        assert_eq!(word.read_released(2).writer(), Some(3));
    }

    #[test]
    fn a_writer_that_fails_hands_over_and_is_remembered() {
        let word = FREE.write_asked(1).write_asked(0).without(1);
        assert_eq!((word.writer(), word.failed()), (Some(0), Some(1)));
        let word = word.write_released(0);
        assert_eq!((word.writer(), word.failed()), (None, Some(1)));
        assert!(word.with_failed(None) == FREE);
    }

    #[test]
    fn readers_that_waited_for_a_dead_waiter_go_on() {
        let word = FREE.read_asked(0).write_asked(1).read_asked(2).without(1);
        assert!(word.has_reader(0) && word.has_reader(2) && word.failed().is_none());
    }

    /// All sequences of a few steps by three CPUs: somebody has the lock while somebody waits, and never a writer with
    /// another.
    #[test]
    fn the_lock_is_never_idle_while_somebody_waits() {
        let (mut seen, mut open) = (std::collections::HashSet::from([0]), Vec::from([FREE]));
        while let Some(word) = open.pop() {
            let (readers, waiting) = (word.field(0, SET), word.0 >> 16 & 0xffff_ffff);
            assert!(word.writer().is_none() || readers == 0);
            assert!(waiting == 0 || word.writer().is_some() || readers != 0);
            for cpu in 0..3 {
                let waits = (waiting | waiting >> 16) >> cpu & 1 != 0;
                let mut next = Vec::from([word.without(cpu).with_failed(None)]);
                if word.has_reader(cpu) {
                    next.push(word.read_released(cpu));
                } else if word.writer() == Some(cpu) {
                    next.push(word.write_released(cpu));
                } else if !waits {
                    next.extend([word.read_asked(cpu), word.write_asked(cpu)]);
                }
                open.extend(next.into_iter().filter(|word| seen.insert(word.0)));
            }
        }
        assert!(seen.len() > 50);
    }
}
