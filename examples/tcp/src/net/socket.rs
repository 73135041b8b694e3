//! Listeners and streams: what a task on any CPU sees of a socket.
//!
//! A [`Listener`] is one socket; a backlog of N is N of them. The life of its socket:
//!
//! ```text
//!   accept ──► LISTEN ──► SYN-RECEIVED ──► ESTABLISHED ──► Stream
//!     ▲                                                      │ shut: our FIN; bytes of the peer are dropped until its FIN
//!     └─── end_last ◄── CLOSED, or TIME-WAIT if listeners ◄──┘ abort: RST, after a time-out
//!                       run short
//! ```
//!
//! Invariant: every operation looks at the socket and leaves its waker there under one lock, so no event is lost
//! between the two; [`Net::work`] is notified after each change that lets TCP send.

use super::{BUFFER, Net};
use crate::rt::{self, Elapsed};
use crate::stats::{Counter, STATS};
use core::future::poll_fn;
use core::marker::PhantomData;
use core::task::{Context, Poll};
use core::time::Duration;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, Socket, State};

/// Bytes copied into or out of a socket before the lock is given up.
pub const COPY: usize = 16 * 1024;
/// A writer with much to write waits for this much room, so that it is not woken for each segment acknowledged.
const ROOM: usize = BUFFER / 4;

/// Why an operation on a stream failed. The stream is of no use afterwards but to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The peer reset the connection or is gone.
    Reset,
    /// The peer did nothing for the time it had.
    Timeout,
}

impl From<Elapsed> for Error {
    fn from(_: Elapsed) -> Error {
        Error::Timeout
    }
}

/// One socket of the backlog.
pub struct Listener {
    net: &'static Net,
    handle: SocketHandle,
}

impl Listener {
    /// A further socket of the backlog, listening from now on.
    pub fn new(net: &'static Net) -> Listener {
        let handle = net.add();
        let listener = Listener { net, handle };
        listener.listen();
        listener
    }

    /// Listens, if the socket is closed.
    fn listen(&self) {
        let mut stack = self.net.stack.lock();
        let port = stack.backlog.port;
        // It fails for a socket that is open, which then needs nothing, and for port 0, where no connection comes.
        let _ = stack.sockets.get_mut::<Socket>(self.handle).listen(port);
    }

    /// Waits for a connection. It is over when the stream is dropped, whatever state it is in.
    pub async fn accept(&mut self) -> Stream<'_> {
        self.end_last().await;
        loop {
            let state = self
                .left(|state| matches!(state, State::Listen | State::SynReceived))
                .await;
            self.net.stack.lock().accepted(self.handle);
            if state != State::Closed {
                return Stream {
                    net: self.net,
                    handle: self.handle,
                    listener: PhantomData,
                };
            }
            self.reset_sent().await;
            self.listen();
        }
    }

    /// Brings the socket back to LISTEN from where the last connection left it.
    async fn end_last(&self) {
        loop {
            match self.net.with(self.handle, |socket| socket.state()) {
                State::Listen => return,
                State::Closed => {
                    self.reset_sent().await;
                    self.listen();
                    // From here on TCP, on another CPU perhaps, may have given it a new connection already.
                    return;
                }
                State::TimeWait => {
                    self.net.stack.lock().rest(self.handle);
                    self.left(|state| state == State::TimeWait).await;
                    if !self.net.stack.lock().take_back(self.handle) {
                        // It was made to listen; a new connection may even be there, or have been there.
                        return;
                    }
                }
                _ => self.net.with(self.handle, Socket::abort),
            }
        }
    }

    /// Waits until the socket is in none of `states`; returns its state.
    async fn left(&self, states: impl Fn(State) -> bool) -> State {
        poll_fn(|cx| {
            self.net.with(self.handle, |socket| {
                let state = socket.state();
                if states(state) {
                    socket.register_recv_waker(cx.waker());
                    return Poll::Pending;
                }
                Poll::Ready(state)
            })
        })
        .await
    }

    /// Until the RST of an aborted connection, if there is one to send, has left.
    async fn reset_sent(&self) {
        let gone = poll_fn(|cx| {
            self.net.with(self.handle, |socket| {
                if socket.state() != State::Closed || socket.remote_endpoint().is_none() {
                    return Poll::Ready(());
                }
                socket.register_send_waker(cx.waker());
                Poll::Pending
            })
        });
        self.net.work.notify();
        // Without an answer to ARP the segment never leaves.
        let _ = rt::with_timeout(Duration::from_secs(1), gone).await;
    }
}

/// A connection. Dropping it frees the listener, which aborts what [`Stream::shut`] has not ended.
pub struct Stream<'a> {
    pub(super) net: &'static Net,
    pub(super) handle: SocketHandle,
    pub(super) listener: PhantomData<&'a mut Listener>,
}

impl Stream<'_> {
    /// What it is a connection of.
    pub fn net(&self) -> &'static Net {
        self.net
    }

    /// Whether listeners are short: a connection that does nothing should end.
    pub fn listeners_are_short(&self) -> bool {
        self.net.stack.lock().is_short()
    }

    /// Gives `take` the received bytes that lie in one piece, at most [`COPY`]; it returns how many it used and
    /// anything else. `None` at the end of the stream. Until then, leaves the waker.
    pub fn poll_receive<R>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Poll<Result<Option<R>, Error>> {
        let (result, window_opens) = self.net.with(self.handle, |socket| {
            if !socket.can_recv() && socket.may_recv() {
                socket.register_recv_waker(cx.waker());
                return (Poll::Pending, false);
            }
            let was_full = socket.recv_queue() > BUFFER / 2;
            let result =
                socket.recv(|bytes| take(&bytes[..bytes.len().min(COPY)]).counted(&STATS.bytes_in));
            (Poll::Ready(result), was_full)
        });
        if window_opens {
            self.net.work.notify();
        }
        result.map(|result| match result {
            Ok(result) => Ok(Some(result)),
            Err(RecvError::Finished) => Ok(None),
            Err(RecvError::InvalidState) => Err(Error::Reset),
        })
    }

    /// Has `fill` write into the socket's own buffer and return how many bytes it wrote. It is called when there is
    /// room for `wanted` bytes or for a quarter of the buffer, with at most [`COPY`] bytes. Until then, leaves the
    /// waker.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Poll<Result<usize, Error>> {
        let result = self.net.with(self.handle, |socket| {
            let room = BUFFER - socket.send_queue();
            if socket.may_send() && room < wanted.clamp(1, ROOM) {
                socket.register_send_waker(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(socket.send(|bytes| {
                let length = bytes.len().min(COPY);
                let written = fill(&mut bytes[..length]);
                (written, written).counted(&STATS.bytes_out)
            }))
        });
        if result.is_ready() {
            self.net.work.notify();
        }
        result.map(|sent| sent.map_err(|_| Error::Reset))
    }

    /// As [`Stream::poll_receive`], for at most `limit`.
    pub async fn receive<R>(
        &mut self,
        limit: Duration,
        mut take: impl FnMut(&[u8]) -> (usize, R),
    ) -> Result<Option<R>, Error> {
        rt::with_timeout(limit, poll_fn(|cx| self.poll_receive(cx, &mut take))).await?
    }

    /// As [`Stream::poll_send`], for at most `limit`.
    pub async fn send_with(
        &mut self,
        limit: Duration,
        wanted: usize,
        mut fill: impl FnMut(&mut [u8]) -> usize,
    ) -> Result<usize, Error> {
        rt::with_timeout(limit, poll_fn(|cx| self.poll_send(cx, wanted, &mut fill))).await?
    }

    /// Sends all of `bytes`. `limit` holds for each piece.
    pub async fn send_all(&mut self, limit: Duration, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let sent = self
                .send_with(limit, bytes.len(), |room| {
                    let count = room.len().min(bytes.len());
                    room[..count].copy_from_slice(&bytes[..count]);
                    count
                })
                .await?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Ends the connection: sends what is written and a FIN, then drops what the peer still sends until its own FIN, so
    /// that no RST overtakes the response. The peer has `limit` for that.
    pub async fn shut(mut self, limit: Duration) {
        self.net.with(self.handle, Socket::close);
        self.net.work.notify();
        let rest = async {
            while let Ok(Some(())) = self.receive(limit, |bytes| (bytes.len(), ())).await {}
            poll_fn(|cx| {
                self.net.with(self.handle, |socket| match socket.state() {
                    State::Closed | State::TimeWait => Poll::Ready(()),
                    _ => {
                        socket.register_recv_waker(cx.waker());
                        Poll::Pending
                    }
                })
            })
            .await;
        };
        let _ = rt::with_timeout(limit, rest).await;
    }
}

/// Adds the bytes of a copy to a counter.
trait Counted {
    fn counted(self, counter: &Counter) -> Self;
}

impl<R> Counted for (usize, R) {
    fn counted(self, counter: &Counter) -> Self {
        counter.add(self.0 as u64);
        self
    }
}
