//! A bad wire between the machine and this computer: it loses frames, delays them, and lets some overtake others.
//!
//! The kernel's `netem` does the same where it is configured; this wire is the same everywhere, and which frames it loses
//! depends on their number alone. It carries Ethernet frames between a tap device and the datagrams of QEMU's `-netdev dgram`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use testsuite::damage::Random;
use tun_rs::SyncDevice;

/// What is wrong with a wire.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// How long a frame takes.
    pub delay: Duration,
    /// Of a hundred frames, how many are lost.
    pub lost: usize,
    /// Of a hundred frames, how many take no time, and so overtake others.
    pub early: usize,
}

/// Frames of both directions.
#[derive(Debug, Default)]
pub struct Counts {
    /// That came.
    pub frames: AtomicU64,
    /// That went no further.
    pub lost: AtomicU64,
    /// That overtook others.
    pub early: AtomicU64,
}

/// Frames that are on the way, in one direction.
struct Way {
    faults: Faults,
    random: Random,
    number: u64,
    frames: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    counts: Arc<Counts>,
}

impl Way {
    fn new(faults: Faults, seed: u64, counts: Arc<Counts>) -> Self {
        Self {
            faults,
            random: Random::new(seed, 0),
            number: 0,
            frames: BinaryHeap::new(),
            counts,
        }
    }

    /// A frame that has come.
    fn take(&mut self, frame: &[u8], now: Instant) {
        self.counts.frames.fetch_add(1, Ordering::Relaxed);
        self.number += 1;
        let fate = self.random.below(100);
        let early = self.faults.lost..self.faults.lost + self.faults.early;
        if fate < self.faults.lost || self.frames.len() == WAITING {
            return self.lose();
        }
        let due = match early.contains(&fate) {
            true => {
                self.counts.early.fetch_add(1, Ordering::Relaxed);
                now
            }
            false => now + self.faults.delay,
        };
        let frame = Reverse((due, self.number, frame.to_vec()));
        self.frames.push(frame);
    }

    /// Hands over the frames that arrive by now, until somebody has no room; whether all could be.
    fn arrive(&mut self, now: Instant, mut hand: impl FnMut(&[u8]) -> io::Result<()>) -> bool {
        while let Some(Reverse((due, _, frame))) = self.frames.peek()
            && *due <= now
        {
            match hand(frame) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // Nobody is there yet: as on any wire.
                Err(_) => self.lose(),
            }
            self.frames.pop();
        }
        true
    }

    fn lose(&self) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// When the next frame arrives.
    fn next(&self) -> Option<Instant> {
        self.frames.peek().map(|Reverse((due, _, _))| *due)
    }
}

/// An end of the wire. Neither waits.
trait End: Send + Sync + 'static {
    fn readable(&self) -> BorrowedFd<'_>;
    fn receive(&self, frame: &mut [u8]) -> io::Result<usize>;
    fn send(&self, frame: &[u8]) -> io::Result<()>;
}

impl End for SyncDevice {
    fn readable(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.recv(frame)
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
        SyncDevice::send(self, frame).map(drop)
    }
}

/// The emulator's network device.
struct Emulator {
    own: UnixDatagram,
    emulator: PathBuf,
}

impl End for Emulator {
    fn readable(&self) -> BorrowedFd<'_> {
        self.own.as_fd()
    }

    fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.own.recv(frame)
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.own.send_to(frame, &self.emulator).map(drop)
    }
}

/// The wire, while it exists.
pub struct Wire {
    counts: Arc<Counts>,
    cut: Arc<AtomicBool>,
    ways: Vec<JoinHandle<()>>,
    netdev: String,
}

/// Bytes of a frame at most: no tap device of ours has jumbo frames.
const FRAME: usize = 2048;
/// Frames that are on the way at most, as many as `netem` has by default.
const WAITING: usize = 1000;
/// How long to wait for room at the other end.
const FULL: Duration = Duration::from_micros(200);
/// How long a direction waits before it looks whether the wire was cut.
const LOOK: Duration = Duration::from_millis(50);

impl Wire {
    /// Between a device and the emulator that will be started; sockets for that are in `folder`.
    pub fn new(tap: SyncDevice, folder: &Path, faults: Faults) -> io::Result<Wire> {
        let (own, emulator) = (folder.join("wire"), folder.join("emulator"));
        let netdev = format!(
            "dgram,local.type=unix,local.path={},remote.type=unix,remote.path={}",
            emulator.display(),
            own.display()
        );
        let own = UnixDatagram::bind(&own)?;
        own.set_nonblocking(true)?;
        tap.set_nonblocking(true)?;
        let ends: [Arc<dyn End>; 2] = [Arc::new(tap), Arc::new(Emulator { own, emulator })];
        let counts = Arc::new(Counts::default());
        let cut = Arc::new(AtomicBool::new(false));
        let ways = (0..2).map(|from| {
            let way = Way::new(faults, from as u64, counts.clone());
            let (from, to) = (ends[from].clone(), ends[1 - from].clone());
            let cut = cut.clone();
            std::thread::spawn(move || carry(way, &*from, &*to, &cut))
        });
        Ok(Wire {
            ways: ways.collect(),
            counts,
            cut,
            netdev,
        })
    }

    /// What the emulator's device is connected to.
    pub fn netdev(&self) -> &str {
        &self.netdev
    }

    /// What has been carried.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut.store(true, Ordering::Relaxed);
        for way in self.ways.drain(..) {
            let _ = way.join();
        }
    }
}

/// Carries frames in one direction until the wire is cut.
fn carry(mut way: Way, from: &dyn End, to: &dyn End, cut: &AtomicBool) {
    let mut frame = [0; FRAME];
    let mut has_room = true;
    while !cut.load(Ordering::Relaxed) {
        let now = Instant::now();
        let wait = match has_room {
            true => way
                .next()
                .map_or(LOOK, |due| due.saturating_duration_since(now).min(LOOK)),
            false => FULL,
        };
        let mut polled = [PollFd::from_borrowed_fd(from.readable(), PollFlags::IN)];
        // Whatever it says, what follows looks itself.
        let _ = poll(&mut polled, Timespec::try_from(wait).ok().as_ref());
        let now = Instant::now();
        while let Ok(length) = from.receive(&mut frame) {
            way.take(&frame[..length], now);
        }
        has_room = way.arrive(now, |frame| to.send(frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(way: &mut Way, now: Instant, seen: &mut Vec<u8>) {
        let all = way.arrive(now, |frame| {
            seen.extend(frame);
            Ok(())
        });
        assert!(all, "there is room");
    }

    fn carried(faults: Faults) -> (Vec<u8>, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        let mut way = Way::new(faults, 1, counts.clone());
        let start = Instant::now();
        let mut seen = Vec::new();
        for number in 0..200 {
            let now = start + Duration::from_millis(number.into());
            way.take(&[number], now);
            arrive(&mut way, now, &mut seen);
        }
        let end = start + Duration::from_secs(1);
        arrive(&mut way, end, &mut seen);
        (seen, counts)
    }

    #[test]
    fn a_good_wire_carries_all_in_their_order() {
        let (seen, _) = carried(Faults {
            delay: Duration::from_millis(5),
            lost: 0,
            early: 0,
        });
        assert_eq!(seen, (0..200).collect::<Vec<u8>>());
    }

    #[test]
    fn what_has_no_room_waits() {
        let counts = Arc::new(Counts::default());
        let faults = Faults {
            delay: Duration::ZERO,
            lost: 0,
            early: 0,
        };
        let mut way = Way::new(faults, 1, counts);
        let now = Instant::now();
        way.take(b"frame", now);
        assert!(!way.arrive(now, |_| Err(io::ErrorKind::WouldBlock.into())));
        let mut seen = Vec::new();
        arrive(&mut way, now, &mut seen);
        assert_eq!(seen, b"frame");
    }

    #[test]
    fn a_bad_one_loses_some_and_lets_some_overtake() {
        let (seen, counts) = carried(Faults {
            delay: Duration::from_millis(5),
            lost: 10,
            early: 10,
        });
        let lost = counts.lost.load(Ordering::Relaxed);
        assert_eq!(seen.len() as u64 + lost, 200);
        assert!((5..50).contains(&lost), "{lost} lost");
        let overtaken = seen.windows(2).filter(|pair| pair[0] > pair[1]).count();
        let early = counts.early.load(Ordering::Relaxed);
        assert!((5..50).contains(&early), "{early} early");
        assert!(overtaken > 0 && overtaken as u64 <= early);
    }
}
