//! For tests: two stacks at the ends of a wire that may lose frames, and the connecting side.

use super::backlog::Backlog;
use super::driver::{self, NetDevice};
use super::socket::Stream;
use super::{Address, Net};
use crate::rt::{self, Mutex, Notify};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::sync::atomic::{AtomicU16, Ordering::Relaxed};
use core::task::Poll;
use smoltcp::iface::SocketHandle;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Address;

/// Frames in flight in one direction.
#[derive(Default)]
struct Direction {
    frames: Mutex<VecDeque<Vec<u8>>>,
    arrived: Notify,
    sent: AtomicU16,
    /// Every so many frames, one is lost.
    loss: Option<u16>,
}

struct End {
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
}

impl Device for End {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Outgoing;

    fn receive(&mut self, _: Instant) -> Option<(Frame, Outgoing)> {
        let frame = self.incoming.frames.lock().pop_front()?;
        Some((Frame(frame), Outgoing(self.outgoing.clone())))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing> {
        // A device has room for some frames only.
        (self.outgoing.frames.lock().len() < 20).then(|| Outgoing(self.outgoing.clone()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

impl NetDevice for End {
    fn acknowledge(&mut self) {}

    fn interrupt(&mut self) -> impl Future<Output = ()> + Send {
        self.incoming.arrived.notified()
    }
}

struct Frame(Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Outgoing(Arc<Direction>);

impl TxToken for Outgoing {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        let number = self.0.sent.fetch_add(1, Relaxed);
        if self.0.loss.is_none_or(|loss| number % loss != loss - 1) {
            self.0.frames.lock().push_back(frame);
            self.0.arrived.notify();
        }
        result
    }
}

/// A server's stack and a client's, both driven.
pub(crate) fn pair(loss: Option<u16>, backlog: Backlog) -> (&'static Net, &'static Net) {
    let direction = || {
        Arc::new(Direction {
            loss,
            ..Direction::default()
        })
    };
    let (up, down) = (direction(), direction());
    let stack = |host: u8, incoming: &Arc<Direction>, outgoing: &Arc<Direction>| {
        let mut end = End {
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
        };
        let address = Address {
            mac: [2, 0, 0, 0, 0, host],
            ip: [10, 0, 2, host],
            prefix: 24,
            gateway: [10, 0, 2, 2],
            seed: u64::from(host),
        };
        let net = Net::new(&mut end, address, backlog);
        rt::host::spawn(driver::run(net, end));
        net
    };
    (stack(15, &up, &down), stack(2, &down, &up))
}

/// Connects to the server of a [`pair`]; `None` if it refuses.
pub(crate) async fn connect(net: &'static Net) -> Option<Stream<'static>> {
    static PORT: AtomicU16 = AtomicU16::new(50_000);
    let handle = net.add();
    let port = PORT.fetch_add(1, Relaxed);
    open(net, handle, port);
    net.work.notify();
    let state = poll_fn(|cx| {
        net.with(handle, |socket| match socket.state() {
            State::SynSent => {
                socket.register_recv_waker(cx.waker());
                Poll::Pending
            }
            state => Poll::Ready(state),
        })
    })
    .await;
    (state != State::Closed).then_some(Stream {
        net,
        handle,
        listener: core::marker::PhantomData,
    })
}

fn open(net: &Net, handle: SocketHandle, port: u16) {
    let mut stack = net.stack.lock();
    let server = (Ipv4Address::new(10, 0, 2, 15), stack.backlog.port);
    let super::Stack {
        interface, sockets, ..
    } = &mut *stack;
    let socket = sockets.get_mut::<smoltcp::socket::tcp::Socket>(handle);
    socket
        .connect(interface.context(), server, port)
        .expect("the addresses are good");
}

/// Resets a connection.
pub(crate) fn abort(stream: Stream<'_>) {
    stream.net.with(stream.handle, |socket| socket.abort());
    stream.net.work.notify();
}

/// States of the sockets of a stack.
pub(crate) fn states(net: &Net) -> Vec<State> {
    let stack = net.stack.lock();
    let smoltcp_states = stack.sockets.iter().map(|(_, socket)| match socket {
        smoltcp::socket::Socket::Tcp(socket) => socket.state(),
    });
    smoltcp_states.collect()
}
