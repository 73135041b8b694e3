//! `POST /echo`: sends the body back while it arrives.
//!
//! Many clients write all of a body before they read anything. Sockets between them and us hold a few hundred
//! kilobytes; beyond that both sides would wait for each other. So reading goes on while the client does not read, and
//! what cannot be sent waits in a queue.
//!
//! Invariant: the queues of all connections together hold at most [`ALL_QUEUES`] bytes and [`SMALL`] for each
//! connection, whatever `Content-Length` says.

use crate::http::Refusal;
use crate::http::Status;
use crate::http::body::{Decoder, Framing};
use crate::http::request::Head;
use crate::http::response::{Length, Response};
use crate::net::socket::{COPY, Stream};
use crate::rt;
use crate::server::{Connection, End, PATIENCE};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use core::task::{Context, Poll};

/// A queue may always grow to this.
const SMALL: usize = 64 * 1024;
/// Beyond that, it may grow to this,
const LARGE: usize = 16 * 1024 * 1024;
/// while all together are smaller than this.
const ALL_QUEUES: usize = 64 * 1024 * 1024;
/// What a piece in a queue costs beyond its bytes, about.
const OVERHEAD: usize = 64;

/// Bytes in all queues.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// Pieces of the response, in order.
#[derive(Default)]
struct Queue {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that are sent.
    sent: usize,
    /// What its pieces cost.
    cost: usize,
}

impl Queue {
    fn push(&mut self, piece: Vec<u8>) {
        let cost = piece.capacity() + OVERHEAD;
        self.cost += cost;
        QUEUED.fetch_add(cost, Relaxed);
        self.pieces.push_back(piece);
    }

    fn may_grow(&self) -> bool {
        self.cost < SMALL || (self.cost < LARGE && QUEUED.load(Relaxed) < ALL_QUEUES)
    }

    /// Moves bytes from the front of the queue into `room`.
    fn fill(&mut self, room: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < room.len()
            && let Some(piece) = self.pieces.front()
        {
            let count = (piece.len() - self.sent).min(room.len() - filled);
            room[filled..filled + count].copy_from_slice(&piece[self.sent..self.sent + count]);
            filled += count;
            self.sent += count;
            if self.sent == piece.len() {
                let cost = piece.capacity() + OVERHEAD;
                self.cost -= cost;
                QUEUED.fetch_sub(cost, Relaxed);
                self.pieces.pop_front();
                self.sent = 0;
            }
        }
        filled
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        QUEUED.fetch_sub(self.cost, Relaxed);
    }
}

/// An exchange in progress.
struct Echo {
    decoder: Decoder,
    queue: Queue,
    /// Head of the response until it is queued: not before the first bytes of the body were found good, so that a body
    /// which starts badly is refused.
    head: Option<Vec<u8>>,
    chunked: bool,
    /// Whether anything of the response has been sent.
    begun: bool,
    /// Whether the client has closed before the end of the body.
    truncated: bool,
}

/// Reads the body of `head`'s request and sends it back.
pub(crate) async fn answer(connection: &mut Connection<'_>, head: &Head) -> Result<(), End> {
    let mut echo = Echo::new(head);
    if head.expects_continue && !echo.decoder.is_done() && connection.buffer.is_empty() {
        connection
            .stream
            .send_all(PATIENCE, b"HTTP/1.1 100 Continue\r\n\r\n")
            .await?;
    }
    let outcome = echo.run(connection).await;
    match outcome {
        Err(End::Refused(_)) if echo.begun => Err(End::Broken),
        outcome => outcome,
    }
}

impl Echo {
    fn new(head: &Head) -> Echo {
        let length = match head.framing {
            Framing::Length(length) => Length::Known(length),
            Framing::Chunked => Length::Chunked,
        };
        let response = Response {
            status: Status::OK,
            content_type: "application/octet-stream",
            length,
            keep_alive: head.keep_alive,
            allow: None,
        };
        Echo {
            decoder: Decoder::new(head.framing),
            queue: Queue::default(),
            head: Some(response.head().into_bytes()),
            chunked: head.framing == Framing::Chunked,
            begun: false,
            truncated: false,
        }
    }

    async fn run(&mut self, connection: &mut Connection<'_>) -> Result<(), End> {
        if self.decoder.is_done() {
            self.enqueue(&[], 0)?;
        } else if !connection.buffer.is_empty() {
            let used = self.enqueue(connection.buffer.bytes(), connection.buffer.bytes().len())?;
            connection.buffer.consume(used);
        }
        while !self.decoder.is_done() || !self.queue.pieces.is_empty() {
            let step = poll_fn(|cx| self.poll_step(cx, &mut connection.stream));
            match rt::with_timeout(PATIENCE, step).await {
                Ok(result) => result?,
                Err(_) if self.begun => return Err(End::Broken),
                Err(_) => return Err(End::Refused(Refusal::Timeout)),
            }
            if self.truncated {
                return Err(End::Broken);
            }
        }
        Ok(())
    }

    /// Sends and receives what is possible at once; pending if that is nothing.
    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream<'_>,
    ) -> Poll<Result<(), End>> {
        let mut step = Poll::Pending;
        if !self.queue.pieces.is_empty() {
            let queue = &mut self.queue;
            let wanted = queue.cost.saturating_sub(OVERHEAD).min(COPY);
            match stream.poll_send(cx, wanted, |room| queue.fill(room)) {
                Poll::Ready(Ok(_)) => {
                    self.begun = true;
                    step = Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {}
            }
        }
        if !self.decoder.is_done() && self.queue.may_grow() {
            let received =
                stream.poll_receive(cx, |bytes| match self.enqueue(bytes, bytes.len()) {
                    Ok(used) => (used, Ok(())),
                    Err(refusal) => (bytes.len(), Err(refusal)),
                });
            match received {
                Poll::Ready(Ok(Some(Ok(())))) => step = Poll::Ready(Ok(())),
                Poll::Ready(Ok(Some(Err(refusal)))) => return Poll::Ready(Err(refusal.into())),
                Poll::Ready(Ok(None)) => {
                    self.truncated = true;
                    step = Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {}
            }
        }
        step
    }

    /// Takes what belongs to the body out of `input` and queues the response to it. Returns how much it took.
    fn enqueue(&mut self, input: &[u8], capacity: usize) -> Result<usize, Refusal> {
        let mut payload = Vec::with_capacity(capacity + 2);
        let used = self.decoder.collect(input, &mut payload)?;
        if let Some(head) = self.head.take() {
            self.queue.push(head);
        }
        if !payload.is_empty() {
            if self.chunked {
                self.queue
                    .push(format!("{:x}\r\n", payload.len()).into_bytes());
                payload.extend_from_slice(b"\r\n");
            }
            self.queue.push(payload);
        }
        if self.chunked && self.decoder.is_done() {
            self.queue.push(b"0\r\n\r\n".to_vec());
        }
        Ok(used)
    }
}
