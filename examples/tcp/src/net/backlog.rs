//! The port's listening sockets, as far as it takes to look at all of them.
//!
//! smoltcp has no queue of connections to come: a SYN needs a socket in LISTEN, and is answered with RST if there is
//! none. Two things keep that from clients. Sockets that rest in TIME-WAIT are made to listen when listeners run short
//! (a new connection may end TIME-WAIT: RFC 9293, 3.6.1). And without a listener, [`Gate`] drops the SYN as a full
//! queue would: the client sends it again.
//!
//! Nor does smoltcp look whether a SYN belongs to a connection that there is already: its client sends it again when our
//! SYN-ACK was lost, and the next listener would make a second connection with the same ends of it, which resets the
//! first. [`Gate`] drops those too. The first connection's socket sends its SYN-ACK again by itself.
//!
//! Invariant: a socket is in `resting` only while its [`Listener`](super::socket::Listener) waits for it to leave
//! TIME-WAIT. Only those are made to listen by others; any other socket belongs to its listener.

use super::Stack;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::{Device, DeviceCapabilities, RxToken};
use smoltcp::socket::Socket;
use smoltcp::socket::tcp::{self, State};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpEndpoint, IpProtocol, Ipv4Packet, TcpPacket,
};

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

    /// Who has a connection that a SYN must not touch. One in TIME-WAIT may be followed by the next.
    fn peers(&self) -> Vec<IpEndpoint> {
        let sockets = self.sockets.iter().map(|(_, Socket::Tcp(socket))| socket);
        let open = sockets.filter(|socket| socket.state() != State::TimeWait);
        open.filter_map(tcp::Socket::remote_endpoint).collect()
    }

    /// `device`, without the SYNs that no listener is to get, if `asked`: if a request may be among what it has received.
    pub(super) fn gate<'a, D: Device>(&self, device: &'a mut D, asked: bool) -> Gate<'a, D> {
        let open = if asked { self.peers() } else { Vec::new() };
        Gate {
            device,
            requests: Requests {
                port: self.backlog.port,
                listening: Cell::new(self.listening()),
                open: RefCell::new(open),
                refused: Cell::new(0),
            },
        }
    }
}

/// A device for one round of the driver.
pub(super) struct Gate<'a, D> {
    device: &'a mut D,
    requests: Requests,
}

/// What decides on a request to connect.
struct Requests {
    port: u16,
    /// Sockets that listen now, as far as this round has seen.
    listening: Cell<usize>,
    /// Who has a connection, or gets one in this round.
    open: RefCell<Vec<IpEndpoint>>,
    /// How many found no listener.
    refused: Cell<usize>,
}

impl Requests {
    /// Whether a listener may get this frame, or it asks for no connection.
    fn admit(&self, frame: &[u8]) -> bool {
        let Some(client) = asks(frame, self.port) else {
            return true;
        };
        let mut open = self.open.borrow_mut();
        if open.contains(&client) {
            return false;
        }
        let Some(left) = self.listening.get().checked_sub(1) else {
            self.refused.set(self.refused.get() + 1);
            return false;
        };
        self.listening.set(left);
        open.push(client);
        true
    }
}

impl<D> Gate<'_, D> {
    /// How many requests have found no listener.
    pub(super) fn refused(&self) -> usize {
        self.requests.refused.get()
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
        let requests = &self.requests;
        Some((Gated { token, requests }, reply))
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
    requests: &'a Requests,
}

impl<T: RxToken> RxToken for Gated<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        self.token.consume(|frame| {
            // An empty frame is ignored.
            f(if self.requests.admit(frame) {
                frame
            } else {
                &[]
            })
        })
    }
}

/// The client, if `frame` asks for a connection to `port`.
pub(super) fn asks(frame: &[u8], port: u16) -> Option<IpEndpoint> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    if packet.next_header() != IpProtocol::Tcp {
        return None;
    }
    let segment = TcpPacket::new_checked(packet.payload()).ok()?;
    let asks = segment.syn() && !segment.ack() && segment.dst_port() == port;
    asks.then(|| IpEndpoint::new(packet.src_addr().into(), segment.src_port()))
}
