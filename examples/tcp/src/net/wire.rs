//! For tests: two stacks at the ends of a wire that may lose frames, and the connecting side.

use super::backlog::Backlog;
use super::driver::{self, NetDevice};
use super::frame::{Buffer, Frame};
use super::placement::Place;
use super::poller;
use super::socket::Stream;
use super::{Address, Net};
use crate::rt::{self, Cpu, Mutex, Notify};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::sync::atomic::{AtomicU16, Ordering::Relaxed};
use core::task::Poll;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;
use smoltcp::wire::Ipv4Address;

/// Frames in flight in one direction.
#[derive(Default)]
struct Direction {
    frames: Mutex<VecDeque<Vec<u8>>>,
    arrived: Notify,
    sent: AtomicU16,
    /// Every so many frames, one is lost.
    loss: Option<u16>,
    /// Each frame comes twice.
    twice: bool,
}

struct End {
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
    receiving: Vec<Buffer>,
    sent: Vec<Buffer>,
}

impl NetDevice for End {
    fn acknowledge(&mut self) {}

    fn interrupt(&mut self) -> impl Future<Output = ()> + Send {
        self.incoming.arrived.notified()
    }

    fn receive(&mut self) -> Option<Frame> {
        // Without a buffer, the frame waits.
        let bytes = match self.receiving.is_empty() {
            true => None,
            false => self.incoming.frames.lock().pop_front(),
        }?;
        let buffer = self.receiving.pop()?;
        let mut frame = Frame::new(buffer, bytes.len());
        frame.bytes_mut().copy_from_slice(&bytes);
        Some(frame)
    }

    fn offer(&mut self, buffer: Buffer) -> Result<(), Buffer> {
        if self.receiving.len() == 20 {
            return Err(buffer);
        }
        self.receiving.push(buffer);
        Ok(())
    }

    fn send(&mut self, frame: Frame) -> Result<(), Frame> {
        // A device has room for some frames only.
        if self.outgoing.frames.lock().len() >= 20 {
            return Err(frame);
        }
        let number = self.outgoing.sent.fetch_add(1, Relaxed);
        if self
            .outgoing
            .loss
            .is_none_or(|loss| number % loss != loss - 1)
        {
            let mut frames = self.outgoing.frames.lock();
            for _ in 0..1 + usize::from(self.outgoing.twice) {
                frames.push_back(frame.bytes().into());
            }
            drop(frames);
            self.outgoing.arrived.notify();
        }
        self.sent.push(frame.buffer);
        Ok(())
    }

    fn sent(&mut self) -> Option<Buffer> {
        self.sent.pop()
    }
}

/// A server's stack and a client's, both driven.
pub(crate) fn pair(loss: Option<u16>, backlog: Backlog) -> (&'static Net, &'static Net) {
    connected(loss, false, backlog)
}

/// The same, over a wire that brings every frame twice.
pub(crate) fn pair_of_twice(backlog: Backlog) -> (&'static Net, &'static Net) {
    connected(None, true, backlog)
}

fn connected(loss: Option<u16>, twice: bool, backlog: Backlog) -> (&'static Net, &'static Net) {
    let direction = || {
        Arc::new(Direction {
            loss,
            twice,
            ..Direction::default()
        })
    };
    let (up, down) = (direction(), direction());
    let stack = |host: u8, incoming: &Arc<Direction>, outgoing: &Arc<Direction>| {
        let end = End {
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
            receiving: Vec::new(),
            sent: Vec::new(),
        };
        let address = Address {
            mac: [2, 0, 0, 0, 0, host],
            ip: [10, 0, 2, host],
            prefix: 24,
            gateway: [10, 0, 2, 2],
            seed: u64::from(host),
        };
        let net = Net::new(address, backlog, Place::On(Cpu::current()));
        rt::host::spawn(poller::run(net));
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
