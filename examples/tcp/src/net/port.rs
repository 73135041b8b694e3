//! Between the driver, which stays with its device, and TCP, which may run on any CPU: queues of frames in shared memory.
//!
//! ```text
//!   device ──► received ──► TCP ──► sending ──► device
//!      ▲                     │                    │
//!      └────── spare ◄───────┴──── spare ◄────────┘
//! ```
//!
//! Invariants: no queue grows beyond its limit, so that a spare buffer is left when all are full; the lock is held while
//! frames change hands, never while one is looked at.

use super::checksum::{Way, checksum};
use super::flows::Segment;
use super::frame::{self, Buffer, Frame, LONGEST};
use crate::rt::{Mutex, Notify};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::RefCell;
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// Frames that may wait for TCP, and for the device.
pub const WAITING: usize = 128;
/// Buffers that a device may have to receive into, and to send.
pub const RING: usize = 256;
/// Frames, and buffers to send in, that TCP keeps at hand.
const AT_HAND: usize = 64;

/// The queues.
pub struct Port {
    queues: Mutex<Queues>,
    /// There is something to send, or nothing to send in: the driver is to look.
    pub queued: Notify,
}

/// What waits.
#[derive(Default)]
pub struct Queues {
    /// For TCP.
    pub received: VecDeque<Frame>,
    /// For the device.
    pub sending: VecDeque<Frame>,
    /// For either.
    pub spare: Vec<Buffer>,
}

impl Port {
    /// With all buffers that there will ever be.
    pub fn new() -> Port {
        let all = 2 * (RING + WAITING + AT_HAND) + 1;
        Port {
            queues: Mutex::new(Queues {
                spare: (0..all).map(|_| frame::buffer()).collect(),
                ..Queues::default()
            }),
            queued: Notify::new(),
        }
    }

    /// Works on the queues.
    pub fn with<R>(&self, work: impl FnOnce(&mut Queues) -> R) -> R {
        work(&mut self.queues.lock())
    }
}

impl Default for Port {
    fn default() -> Port {
        Port::new()
    }
}

/// TCP's end of a [`Port`], a device to smoltcp. Between [`Link::take`] and [`Link::give`] it needs no lock.
pub struct Link {
    port: &'static Port,
    incoming: VecDeque<Frame>,
    outgoing: RefCell<Outgoing>,
    /// Frames that the port has room for.
    room: usize,
}

/// What tokens put in and take out.
#[derive(Default)]
struct Outgoing {
    frames: Vec<Frame>,
    spare: Vec<Buffer>,
    segments: Vec<Segment>,
}

impl Link {
    /// An end that has taken nothing yet.
    pub fn new(port: &'static Port) -> Link {
        Link {
            port,
            incoming: VecDeque::new(),
            outgoing: RefCell::default(),
            room: 0,
        }
    }

    /// Takes what has been received, and buffers to send in. The caller holds no lock.
    pub fn take(&mut self) {
        let own = self.outgoing.get_mut();
        let before = self.incoming.len();
        let wanted = AT_HAND.saturating_sub(own.spare.len());
        self.room = self.port.with(|queues| {
            let free = AT_HAND.saturating_sub(self.incoming.len());
            let frames = queues.received.len().min(free);
            self.incoming.extend(queues.received.drain(..frames));
            let rest = queues.spare.len().saturating_sub(wanted);
            own.spare.extend(queues.spare.drain(rest..));
            WAITING.saturating_sub(queues.sending.len())
        });
        if self.incoming.len() > before {
            checksum(&mut self.incoming.make_contiguous()[before..], Way::In);
        }
    }

    /// What was received and is not processed yet.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.incoming.iter().map(Frame::bytes)
    }

    /// The TCP segments among what is to be sent, those that were not asked for yet.
    pub fn segments(&mut self) -> Vec<Segment> {
        core::mem::take(&mut self.outgoing.get_mut().segments)
    }

    /// Gives what is to be sent, and buffers that are not needed. The caller holds no lock.
    pub fn give(&mut self) {
        let own = self.outgoing.get_mut();
        if !own.frames.is_empty() {
            checksum(&mut own.frames, Way::Out);
        }
        let is_short = own.spare.is_empty();
        let has_sent = !own.frames.is_empty();
        let kept = own.spare.len().min(AT_HAND);
        self.port.with(|queues| {
            queues.sending.extend(own.frames.drain(..));
            queues.spare.extend(own.spare.drain(kept..));
        });
        if has_sent || is_short {
            self.port.queued.notify();
        }
    }

    /// Whether frames that were taken wait.
    pub fn has_more(&self) -> bool {
        !self.incoming.is_empty()
    }

    fn can_send(&mut self) -> bool {
        let own = self.outgoing.get_mut();
        !own.spare.is_empty() && own.frames.len() < self.room
    }
}

/// A received frame.
pub struct RxToken<'a> {
    outgoing: &'a RefCell<Outgoing>,
    frame: Frame,
}

impl smoltcp::phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(self.frame.bytes());
        self.outgoing.borrow_mut().spare.push(self.frame.buffer);
        result
    }
}

/// Leave to send a frame.
pub struct TxToken<'a>(&'a RefCell<Outgoing>);

impl smoltcp::phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let spare = self.0.borrow_mut().spare.pop();
        let mut frame = Frame::new(spare.unwrap_or_else(frame::buffer), length);
        let result = f(frame.bytes_mut());
        let mut own = self.0.borrow_mut();
        own.segments.extend(Segment::of(frame.bytes()));
        own.frames.push(frame);
        result
    }
}

impl Device for Link {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        // A frame may have to be answered.
        if !self.can_send() {
            return None;
        }
        let frame = self.incoming.pop_front()?;
        let outgoing = &self.outgoing;
        Some((RxToken { outgoing, frame }, TxToken(outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        self.can_send().then_some(TxToken(&self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = LONGEST;
        capabilities.checksum.tcp = Checksum::None;
        capabilities
    }
}
