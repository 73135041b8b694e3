//! What is known of a running machine: lines, ends, and who waits for them.
//!
//! Threads that read consoles and wait for processes write here; everyone else waits on one condition variable, which
//! is signalled after every change.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{End, Line, Source};
use crate::isa::Isa;

/// Lines kept of each console, for error reports and for those who come late.
const KEPT: usize = 200;
/// Longest line; a longer one is delivered in pieces.
const LONGEST: u64 = 16 << 10;

/// Receiver of lines.
type Listener = Box<dyn FnMut(&Line<'_>) + Send>;

/// Shared by the owner of a machine and its threads.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    listener: Mutex<Listener>,
}

/// The state itself.
pub(super) struct State {
    pub(super) cpus: Vec<Cpu>,
    /// Processes that have not ended.
    pub(super) running: usize,
    /// CPUs in the order of their ends.
    pub(super) ended: Vec<usize>,
    /// Processes without which the others have gone on, by the numbers of their ISAs.
    pub(super) lost: Vec<(usize, End)>,
    /// Somebody wants the machine to end.
    pub(super) stopped: bool,
}

/// State of one CPU.
pub(super) struct Cpu {
    pub(super) isa: &'static Isa,
    pub(super) console: VecDeque<String>,
    pub(super) stderr: VecDeque<String>,
    pub(super) end: Option<End>,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked left a whole state: every change is a single push or assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(isas: &[&'static Isa], listener: Listener) -> Shared {
        let cpu = |isa: &&'static Isa| Cpu {
            isa,
            console: VecDeque::new(),
            stderr: VecDeque::new(),
            end: None,
        };
        let state = State {
            cpus: isas.iter().map(cpu).collect(),
            running: 0,
            ended: Vec::new(),
            lost: Vec::new(),
            stopped: false,
        };
        Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            listener: Mutex::new(listener),
        }
    }

    /// The state as it is now.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits until `done` gives something, or the time has come.
    pub(super) fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        mut done: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(value) = done(&state) {
                return Some(value);
            }
            // Without a deadline it wakes once an hour for nothing.
            let left = deadline.map_or(Duration::from_secs(3600), |at| {
                at.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return None;
            }
            (state, _) = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that the machine is to end.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Notes the end of a process. An ISA with several ends with its first one, unless another one ends badly behind it.
    /// If there are others, and they go on without it or have come to an end meanwhile, that is no end of the ISA, and the
    /// result is true.
    pub(super) fn end(&self, cpu: usize, end: End, others_go_on: impl FnOnce() -> bool) -> bool {
        let mut state = self.state();
        state.running -= 1;
        let others = state.running > 0 || !state.ended.is_empty();
        if others && others_go_on() {
            state.lost.push((cpu, end));
            drop(state);
            self.changed.notify_all();
            self.say(cpu, &format!("{end}: the others go on"));
            return true;
        }
        let known = state.cpus[cpu].end;
        if known.is_none() {
            state.ended.push(cpu);
        }
        let worse = known == Some(End::Success) && end != End::Killed;
        if known.is_none() || worse {
            state.cpus[cpu].end = Some(end);
        }
        drop(state);
        self.changed.notify_all();
        false
    }

    /// Notes that a process could not be started in the place of one that has ended.
    pub(super) fn not_started(&self, cpu: usize, error: &io::Error) {
        self.state().running -= 1;
        self.say(cpu, &format!("a CPU cannot be started again: {error}"));
        self.changed.notify_all();
    }

    fn say(&self, cpu: usize, text: &str) {
        let cpu = self.state().cpus[cpu].isa.name;
        let source = Source::Runner;
        lock(&self.listener)(&Line { cpu, source, text });
    }

    /// Notes and delivers every line of a stream, to its end.
    pub(super) fn read(&self, cpu: usize, source: Source, stream: impl Read) {
        let isa = self.state().cpus[cpu].isa;
        let mut stream = BufReader::new(stream);
        // A stream that breaks is at its end: its process has died.
        while let Ok(Some(text)) = read_line(&mut stream) {
            lock(&self.listener)(&Line {
                cpu: isa.name,
                source,
                text: &text,
            });
            let mut state = self.state();
            let kept = match source {
                Source::Console => &mut state.cpus[cpu].console,
                Source::Emulator | Source::Runner => &mut state.cpus[cpu].stderr,
            };
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(text);
            drop(state);
            self.changed.notify_all();
        }
    }
}

/// The next line, without its end, or `None` at the end of the stream. Bytes that are not UTF-8 are replaced.
fn read_line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if stream.take(LONGEST).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    while let Some(b'\n' | b'\r') = bytes.last() {
        bytes.pop();
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::isa::ISAS;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut stream = bytes;
        std::iter::from_fn(|| read_line(&mut stream).unwrap()).collect()
    }

    #[test]
    fn lines_end_at_any_line_end_and_at_the_end() {
        assert_eq!(lines(b"one\r\ntwo\n\nthree"), ["one", "two", "", "three"]);
        assert_eq!(lines(b"\xff\n"), ["\u{fffd}"]);
    }

    #[test]
    fn long_lines_come_in_pieces() {
        let long = vec![b'a'; LONGEST as usize + 5];
        assert_eq!(
            lines(&long).iter().map(String::len).collect::<Vec<_>>(),
            [LONGEST as usize, 5]
        );
    }

    #[test]
    fn lines_are_delivered_with_their_cpu_and_the_last_are_kept() {
        let (sender, receiver) = mpsc::channel();
        let listener =
            move |line: &Line<'_>| sender.send(format!("{} {}", line.cpu, line.text)).unwrap();
        let shared = Shared::new(&ISAS, Box::new(listener));
        let text: String = (0..KEPT + 10).map(|number| format!("{number}\n")).collect();
        shared.read(1, Source::Console, text.as_bytes());
        assert_eq!(receiver.recv().unwrap(), "riscv64 0");
        let state = shared.state();
        assert_eq!(
            (
                state.cpus[1].console.len(),
                state.cpus[1].console[0].as_str()
            ),
            (KEPT, "10")
        );
        assert!(state.cpus[0].console.is_empty() && state.cpus[1].stderr.is_empty());
    }

    #[test]
    fn a_bad_end_counts_more_than_a_good_one_before() {
        let shared = Shared::new(&ISAS, Box::new(|_| ()));
        let failure = End::Failure { code: 1 };
        shared.state().running = 5;
        for (cpu, end, known) in [
            (1, End::Success, End::Success),
            (1, End::Killed, End::Success),
            (1, failure, failure),
            (1, End::Success, failure),
            (0, End::Killed, End::Killed),
        ] {
            shared.end(cpu, end, || false);
            assert_eq!(shared.state().cpus[cpu].end, Some(known));
        }
        let state = shared.state();
        assert_eq!((state.running, &state.ended), (0, &vec![1, 0]));
    }

    #[test]
    fn a_lost_process_is_no_end_unless_it_is_the_last() {
        let (sender, receiver) = mpsc::channel();
        let listener = move |line: &Line<'_>| sender.send(line.to_string()).unwrap();
        let shared = Shared::new(&ISAS, Box::new(listener));
        shared.state().running = 2;
        let failure = End::Failure { code: 1 };
        shared.end(1, failure, || true);
        let said = receiver.recv().unwrap();
        assert_eq!(said, "riscv64 ! ended with code 1: the others go on");
        assert_eq!(shared.state().lost, [(1, failure)]);
        assert!(shared.state().ended.is_empty() && shared.state().cpus[1].end.is_none());
        shared.end(0, failure, || true);
        assert_eq!(shared.state().ended, [0]);
    }

    #[test]
    fn a_lost_process_may_be_noticed_behind_the_end_of_the_others() {
        let shared = Shared::new(&ISAS, Box::new(|_| ()));
        shared.state().running = 2;
        let failure = End::Failure { code: 1 };
        assert!(!shared.end(0, End::Success, || false));
        assert!(shared.end(1, failure, || true));
        let state = shared.state();
        assert_eq!((&state.ended, &state.lost), (&vec![0], &vec![(1, failure)]));
    }

    #[test]
    fn waiting_ends_by_a_change_or_by_time() {
        let shared = Arc::new(Shared::new(&ISAS, Box::new(|_| ())));
        let stopped = |state: &State| state.stopped.then_some(());
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(shared.wait_until(Some(soon), stopped), None);
        let other = shared.clone();
        let stopper = thread::spawn(move || other.stop());
        assert_eq!(shared.wait_until(None, stopped), Some(()));
        stopper.join().unwrap();
    }
}
