//! The port's listening sockets, as far as it takes to look at all of them.
//!
//! smoltcp has no queue of connections to come: a SYN needs a socket in LISTEN, and is answered with RST if there is
//! none. Two things keep that from clients. Sockets that rest in TIME-WAIT are made to listen when listeners run short
//! (a new connection may end TIME-WAIT: RFC 9293, 3.6.1). And without a listener, [`Gate`] drops the SYN as a full
//! queue would: the client sends it again.
//!
//! Invariant: a socket is in `resting` only while its [`Listener`](super::socket::Listener) waits for it to leave
//! TIME-WAIT. Only those are made to listen by others; any other socket belongs to its listener.

use super::Stack;
use core::cell::Cell;
use smoltcp::iface::SocketHandle;
use smoltcp::phy::{Device, DeviceCapabilities, RxToken};
use smoltcp::socket::{Socket, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket};

/// What the listeners share.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    /// Their port.
    pub port: u16,
    /// With fewer than this many listening, TIME-WAIT is cut short; with fewer than half of it, so is the server's
    /// patience.
    pub reserve: usize,
}

impl Stack {
    /// How many sockets listen.
    fn listening(&self) -> usize {
        let sockets = self.sockets.iter().map(|(_, Socket::Tcp(socket))| socket);
        sockets.filter(|socket| socket.is_listening()).count()
    }

    /// Whether so few sockets listen that a connection which does nothing should end.
    pub(super) fn is_short(&self) -> bool {
        self.listening() < self.backlog.reserve / 2
    }

    /// If fewer sockets listen than the reserve, or than the `refused` clients that will be back, makes those do so that
    /// have rested longest.
    pub(super) fn keep_listening(&mut self, refused: usize) {
        let mut missing = self
            .backlog
            .reserve
            .max(refused)
            .saturating_sub(self.listening());
        while missing > 0
            && let Some(handle) = self.resting.pop_front()
        {
            let socket = self.sockets.get_mut::<tcp::Socket>(handle);
            if socket.listen(self.backlog.port).is_ok() {
                missing -= 1;
            }
        }
    }

    /// Lets others make a socket in TIME-WAIT listen.
    pub(super) fn rest(&mut self, handle: SocketHandle) {
        self.resting.push_back(handle);
        self.keep_listening(0);
    }

    /// Ends that. Whether nobody has made the socket listen.
    pub(super) fn take_back(&mut self, handle: SocketHandle) -> bool {
        let place = self.resting.iter().position(|resting| *resting == handle);
        place.and_then(|place| self.resting.remove(place)).is_some()
    }

    /// `device`, without the SYNs for which there is no listener.
    pub(super) fn gate<'a, D: Device>(&self, device: &'a mut D) -> Gate<'a, D> {
        Gate {
            device,
            port: self.backlog.port,
            listening: Cell::new(self.listening()),
            refused: Cell::new(0),
        }
    }
}

/// A device for one round of the driver.
pub(super) struct Gate<'a, D> {
    device: &'a mut D,
    port: u16,
    /// Sockets that listen now, as far as this round has seen.
    listening: Cell<usize>,
    refused: Cell<usize>,
}

impl<D> Gate<'_, D> {
    /// How many SYNs it has dropped.
    pub(super) fn refused(&self) -> usize {
        self.refused.get()
    }
}

impl<D: Device> Device for Gate<'_, D> {
    type RxToken<'a>
        = Gated<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = D::TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (token, reply) = self.device.receive(now)?;
        Some((
            Gated {
                token,
                port: self.port,
                listening: &self.listening,
                refused: &self.refused,
            },
            reply,
        ))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        self.device.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A frame behind a [`Gate`].
pub(super) struct Gated<'a, T> {
    token: T,
    port: u16,
    listening: &'a Cell<usize>,
    refused: &'a Cell<usize>,
}

impl<T: RxToken> RxToken for Gated<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        self.token.consume(|frame| {
            if !opens(frame, self.port) {
                return f(frame);
            }
            match self.listening.get().checked_sub(1) {
                Some(left) => {
                    self.listening.set(left);
                    f(frame)
                }
                // An empty frame is ignored.
                None => {
                    self.refused.set(self.refused.get() + 1);
                    f(&[])
                }
            }
        })
    }
}

/// Whether `frame` asks for a connection to `port`.
fn opens(frame: &[u8], port: u16) -> bool {
    let segment = || {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if frame.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
        if packet.next_header() != IpProtocol::Tcp {
            return None;
        }
        let segment = TcpPacket::new_checked(packet.payload()).ok()?;
        Some(segment.syn() && !segment.ack() && segment.dst_port() == port)
    };
    segment().unwrap_or(false)
}
