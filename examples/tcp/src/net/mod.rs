//! TCP for both CPUs: one smoltcp interface and one set of sockets, in shared memory, under one lock.
//!
//! - [`socket`]: listeners and streams for tasks on any CPU; they work on the sockets themselves and leave their wakers
//!   there
//! - [`backlog`]: what keeps a port listening
//! - [`poller`]: the task that is TCP, on whichever CPU [`placement`] says; it alone calls smoltcp's `poll_*`, which wakes
//!   those wakers
//! - [`port`]: queues of [`frame`]s between it and
//! - [`driver`]: the task on the CPU that has the device
//! - `device`: the virtio network device
//! - [`checksum`]: what smoltcp leaves to its device, on any CPU
//! - [`flows`]: what is known of each connection beyond its socket
//!
//! Invariant: the lock is held for a bounded amount of work (one copy of at most [`socket::COPY`] bytes, or
//! [`poller::BATCH`] frames), never over an await.

pub mod backlog;
pub mod checksum;
#[cfg(target_os = "none")]
pub mod device;
pub mod driver;
pub mod flows;
pub mod frame;
pub mod placement;
pub mod poller;
pub mod port;
pub mod socket;
#[cfg(test)]
pub(crate) mod wire;

use crate::rt::{Mutex, Notify};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use backlog::Backlog;
use core::time::Duration;
use flows::{Flows, Segment};
use placement::{Place, Placement};
use port::{Link, Port};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{Socket, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};

/// Bytes of a socket's buffer, in each direction.
const BUFFER: usize = 64 * 1024;
/// A peer that sends nothing at all for this long is gone. Longer than what the server grants an idle client: it ends
/// only what the server no longer looks at, like the wait for the acknowledgement of a FIN.
const SILENCE: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(120);

/// Address of the interface.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its address.
    pub ip: [u8; 4],
    /// Bits of the network's part of it.
    pub prefix: u8,
    /// Router for everything else.
    pub gateway: [u8; 4],
    /// What initial sequence numbers are made from.
    pub seed: u64,
}

/// The interface with its sockets.
struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    backlog: Backlog,
    /// Sockets in TIME-WAIT that may be made to listen, those that rest longest first.
    resting: VecDeque<SocketHandle>,
    flows: Flows,
}

impl Stack {
    /// A task of this CPU has accepted the connection of a socket, which no longer listens.
    fn accepted(&mut self, handle: SocketHandle) {
        self.keep_listening(0);
        self.flows.accepted(self.sockets.get(handle));
    }

    /// Counts segments that were sent.
    fn count(&mut self, segments: &[Segment]) {
        self.flows.sent(segments);
        if self.flows.len() > 2 * self.sockets.iter().count() {
            let sockets = self.sockets.iter();
            self.flows
                .prune(sockets.map(|(_, Socket::Tcp(socket))| socket));
        }
    }
}

/// The stack, and the way to tell TCP of work.
pub struct Net {
    stack: Mutex<Stack>,
    /// Something is to be sent, a window has opened, frames have arrived, or TCP is wanted elsewhere.
    work: Notify,
    /// Where TCP and the driver meet.
    port: &'static Port,
    /// Where TCP is wanted.
    placement: Placement,
}

impl Net {
    /// An interface whose listeners are for `backlog`, with TCP at `place`. It lives as long as the machine.
    pub fn new(address: Address, backlog: Backlog, place: Place) -> &'static Net {
        let port: &'static Port = Box::leak(Box::new(Port::new()));
        let mut config = Config::new(EthernetAddress(address.mac).into());
        config.random_seed = address.seed;
        let mut interface = Interface::new(config, &mut Link::new(port), instant(crate::rt::now()));
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(Ipv4Address::from(address.ip).into(), address.prefix);
            addresses
                .push(own)
                .expect("an interface has room for one address");
        });
        interface
            .routes_mut()
            .add_default_ipv4_route(Ipv4Address::from(address.gateway))
            .expect("a routing table has room for one route");
        let stack = Stack {
            interface,
            sockets: SocketSet::new(Vec::new()),
            backlog,
            resting: VecDeque::new(),
            flows: Flows::default(),
        };
        Box::leak(Box::new(Net {
            stack: Mutex::new(stack),
            work: Notify::new(),
            port,
            placement: Placement::new(place),
        }))
    }

    /// Where TCP is wanted.
    pub fn place(&self) -> Place {
        self.placement.get()
    }

    /// Moves TCP, with all open connections.
    pub fn move_to(&self, place: Place) {
        self.placement.set(place);
        self.work.notify();
    }

    /// Adds a closed socket.
    fn add(&self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        // Head and body of a response are written one after the other; Nagle's algorithm would hold back the second.
        socket.set_nagle_enabled(false);
        socket.set_congestion_control(tcp::CongestionControl::Reno);
        socket.set_timeout(Some(SILENCE));
        self.stack.lock().sockets.add(socket)
    }

    /// Works on one socket.
    fn with<R>(
        &self,
        handle: SocketHandle,
        work: impl FnOnce(&mut tcp::Socket<'static>) -> R,
    ) -> R {
        work(self.stack.lock().sockets.get_mut(handle))
    }
}

/// The runtime's clock as smoltcp wants it.
fn instant(time: Duration) -> Instant {
    Instant::from_micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}
