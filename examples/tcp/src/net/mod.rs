//! TCP for both CPUs: one smoltcp interface and one set of sockets, in shared memory, under one lock.
//!
//! - [`socket`]: listeners and streams for tasks on any CPU; they work on the sockets themselves and leave their wakers
//!   there
//! - [`backlog`]: what keeps a port listening
//! - [`driver`]: the task on the CPU that has the device; it alone calls smoltcp's `poll_*`, which wakes those wakers
//! - `device`: the virtio network device
//!
//! Invariant: the lock is held for a bounded amount of work (one copy of at most [`socket::COPY`] bytes, or
//! [`driver::BATCH`] frames), never over an await.

pub mod backlog;
#[cfg(target_os = "none")]
pub mod device;
pub mod driver;
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
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::tcp;
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
}

/// The stack, and the way to tell its driver of work.
pub struct Net {
    stack: Mutex<Stack>,
    /// Something is to be sent, or a window has opened.
    work: Notify,
}

impl Net {
    /// An interface on `device` whose listeners are for `backlog`. It lives as long as the machine.
    pub fn new(device: &mut impl Device, address: Address, backlog: Backlog) -> &'static Net {
        let mut config = Config::new(EthernetAddress(address.mac).into());
        config.random_seed = address.seed;
        let mut interface = Interface::new(config, device, instant(crate::rt::now()));
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
        };
        Box::leak(Box::new(Net {
            stack: Mutex::new(stack),
            work: Notify::new(),
        }))
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
