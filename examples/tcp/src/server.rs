//! The HTTP server: one task for each listener, which serves one connection after the other.
//!
//! Invariant: nothing a client sends ends a task. A refused request is answered and its connection closed; a broken
//! connection is dropped; every wait has a limit, so that no client keeps a listener from the others.

use crate::echo;
use crate::http::body::Decoder;
use crate::http::request::{Buffer, Head};
use crate::http::response::{self, Length, Response};
use crate::http::{Method, Refusal, Status};
use crate::net::checksum;
use crate::net::placement::Place;
use crate::net::socket::{Error, Listener, Stream};
use crate::report::Report;
use crate::routes::Route;
use crate::rt;
use crate::stats::{self, STATS};
use crate::stream::ByteStream;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// How long a connection may be idle. QEMU's user network lets one connection wait at a time, the next one tries again
/// after a second: a client that opens many takes half a minute until it uses the first.
const IDLE: Duration = Duration::from_secs(60);
/// How long a head may take, and a piece of a body in either direction.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// What is left of both for idle connections and unfinished heads while listeners are short.
const HURRY: Duration = Duration::from_secs(2);
/// How long a client has for its own FIN after ours.
const LINGER: Duration = Duration::from_secs(5);
/// Bytes of a body nobody asked for that are read to keep the connection.
const UNWANTED_BODY: usize = 64 * 1024;

/// What does not change while the server runs.
#[derive(Debug)]
pub struct Site {
    /// Outcome of the self-test.
    pub selftest: Report,
}

/// Why a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The request is refused, and nothing of a response is sent yet.
    Refused(Refusal),
    /// There is nobody to answer, or a response has begun and cannot go on.
    Broken,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

impl From<Error> for End {
    fn from(_: Error) -> End {
        End::Broken
    }
}

/// Serves what `listener` accepts, forever.
pub async fn serve(mut listener: Listener, site: &'static Site) {
    loop {
        let stream = listener.accept().await;
        STATS.connections.add(1);
        STATS.open.add(1);
        Connection {
            stream,
            buffer: Buffer::default(),
        }
        .run(site)
        .await;
        STATS.open.decrement();
    }
}

/// A connection and what has arrived on it but is not used yet.
pub(crate) struct Connection<'a> {
    pub(crate) stream: Stream<'a>,
    pub(crate) buffer: Buffer,
}

impl Connection<'_> {
    async fn run(mut self, site: &Site) {
        let end = loop {
            match self.exchange(site).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(end) => break Err(end),
            }
        };
        match end {
            Ok(()) => {}
            Err(End::Refused(refusal)) => {
                STATS.refused.add(1);
                let answer = response::refusal(refusal);
                if self
                    .stream
                    .send_all(PATIENCE, answer.as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
            Err(End::Broken) => return,
        }
        self.stream.shut(LINGER).await;
    }

    /// One request and its response. Whether the connection goes on.
    async fn exchange(&mut self, site: &Site) -> Result<bool, End> {
        let Some(head) = self.head().await? else {
            return Ok(false);
        };
        STATS.requests.add(1);
        let route = Route::of(&head.path);
        if route == Route::Echo && head.method == Method::Post {
            echo::answer(self, &head).await?;
            return Ok(head.keep_alive);
        }
        let keep_alive = self.skip_body(&head).await? && head.keep_alive;
        self.answer(&head, route, keep_alive, site).await?;
        Ok(keep_alive)
    }

    /// The next head; `None` if the client has closed, or was idle for too long.
    async fn head(&mut self) -> Result<Option<Head>, End> {
        let mut start = rt::now();
        loop {
            if let Some(head) = self.buffer.take_head()? {
                return Ok(Some(head));
            }
            let buffer = &mut self.buffer;
            let idle = buffer.is_empty();
            match self
                .stream
                .receive(HURRY, |bytes| (buffer.push(bytes), ()))
                .await
            {
                // The time for a head counts from its first byte.
                Ok(Some(())) if idle => start = rt::now(),
                Ok(Some(())) | Err(Error::Timeout) => {}
                Ok(None) => return Ok(None),
                Err(Error::Reset) => return Err(End::Broken),
            }
            let waited = rt::now().saturating_sub(start);
            let limit = if self.buffer.is_empty() {
                IDLE
            } else {
                PATIENCE
            };
            if waited >= limit || (waited >= HURRY && self.stream.listeners_are_short()) {
                // What has just come may be all of it.
                return match self.buffer.take_head()? {
                    None if !self.buffer.is_empty() => Err(End::Refused(Refusal::Timeout)),
                    head => Ok(head),
                };
            }
        }
    }

    /// Reads a body that the resource has no use for. Whether all of it was read: if not, the connection has to end.
    async fn skip_body(&mut self, head: &Head) -> Result<bool, End> {
        let mut decoder = Decoder::new(head.framing);
        if decoder.is_done() {
            return Ok(true);
        }
        if head.expects_continue {
            return Ok(false);
        }
        let mut skipped = 0;
        let mut piece = Vec::new();
        while !decoder.is_done() && skipped < UNWANTED_BODY {
            piece.clear();
            if !self.body_piece(&mut decoder, &mut piece).await? {
                return Err(End::Broken);
            }
            skipped += piece.len();
        }
        Ok(decoder.is_done())
    }

    /// Appends payload of a body that is not done to `piece`, first from the buffer. `false` if the client closed.
    async fn body_piece(
        &mut self,
        decoder: &mut Decoder,
        piece: &mut Vec<u8>,
    ) -> Result<bool, End> {
        if !self.buffer.is_empty() {
            let used = decoder.collect(self.buffer.bytes(), piece)?;
            self.buffer.consume(used);
            return Ok(true);
        }
        let received = self
            .stream
            .receive(PATIENCE, |bytes| match decoder.collect(bytes, piece) {
                Ok(used) => (used, Ok(())),
                Err(refusal) => (bytes.len(), Err(refusal)),
            })
            .await?;
        received.transpose()?.map_or(Ok(false), |()| Ok(true))
    }

    async fn answer(
        &mut self,
        head: &Head,
        route: Route,
        keep_alive: bool,
        site: &Site,
    ) -> Result<(), End> {
        if !route.allows(head.method) {
            return self.refuse_method(head, route, keep_alive).await;
        }
        match route {
            Route::Page => {
                self.document(
                    head,
                    "text/html; charset=utf-8",
                    include_str!("page.html"),
                    keep_alive,
                )
                .await
            }
            Route::Stats => {
                self.document(head, "application/json", &STATS.json(), keep_alive)
                    .await
            }
            Route::SelfTest => {
                self.document(head, "application/json", &site.selftest.json(), keep_alive)
                    .await
            }
            Route::Bytes(count) => self.bytes(head, count, keep_alive).await,
            Route::Connections => {
                let list = stats::connections(&self.stream.net().connections());
                self.document(head, "application/json", &list, keep_alive)
                    .await
            }
            Route::Place => self.place(head, keep_alive).await,
            Route::Echo | Route::Missing => {
                self.text(
                    head,
                    Status::NOT_FOUND,
                    "there is nothing here\n",
                    keep_alive,
                )
                .await
            }
            Route::BadNumber => {
                self.text(
                    head,
                    Status::BAD_REQUEST,
                    "the number of bytes must fit 32 bits\n",
                    keep_alive,
                )
                .await
            }
        }
    }

    /// Moves TCP, or its checksums, to where the query says.
    async fn place(&mut self, head: &Head, keep_alive: bool) -> Result<(), End> {
        let mut fields = head
            .query
            .split('&')
            .filter_map(|field| field.split_once('='));
        let moved = fields.find_map(|(what, name)| match what {
            "tcp" => Some(Place::named(name).map(|place| {
                self.stream.net().move_to(place);
                (what, place.name())
            })),
            "checksum" => Some(checksum::place(name).then_some((what, name))),
            _ => None,
        });
        match moved.flatten() {
            Some((what, name)) => {
                let said = format!("{{\"{what}\": \"{name}\"}}\n");
                self.document(head, "application/json", &said, keep_alive)
                    .await
            }
            None => {
                let said = format!(
                    "the query must be tcp= and one of {}, or checksum= and one of {}\n",
                    Place::names(),
                    checksum::places()
                );
                self.text(head, Status::BAD_REQUEST, &said, keep_alive)
                    .await
            }
        }
    }

    async fn document(
        &mut self,
        head: &Head,
        content_type: &str,
        body: &str,
        keep_alive: bool,
    ) -> Result<(), End> {
        let length = Length::Known(body.len() as u64);
        let response = Response {
            status: Status::OK,
            content_type,
            length,
            keep_alive,
            allow: None,
        };
        self.send(head, response, body).await
    }

    async fn text(
        &mut self,
        head: &Head,
        status: Status,
        body: &str,
        keep_alive: bool,
    ) -> Result<(), End> {
        let length = Length::Known(body.len() as u64);
        let response = Response {
            status,
            content_type: "text/plain; charset=utf-8",
            length,
            keep_alive,
            allow: None,
        };
        self.send(head, response, body).await
    }

    async fn refuse_method(
        &mut self,
        head: &Head,
        route: Route,
        keep_alive: bool,
    ) -> Result<(), End> {
        let body = "the method is not allowed here\n";
        let response = Response {
            status: Status::METHOD_NOT_ALLOWED,
            content_type: "text/plain; charset=utf-8",
            length: Length::Known(body.len() as u64),
            keep_alive,
            allow: Some(route.allow()),
        };
        self.send(head, response, body).await
    }

    /// Sends head and body in one go; without the body if the request was `HEAD`.
    async fn send(&mut self, head: &Head, response: Response<'_>, body: &str) -> Result<(), End> {
        let mut message: String = response.head();
        if head.method != Method::Head {
            message.push_str(body);
        }
        Ok(self.stream.send_all(PATIENCE, message.as_bytes()).await?)
    }

    /// The first `count` bytes of the stream, made in the socket's buffer.
    async fn bytes(&mut self, head: &Head, count: u32, keep_alive: bool) -> Result<(), End> {
        let response = Response {
            status: Status::OK,
            content_type: "application/octet-stream",
            length: Length::Known(u64::from(count)),
            keep_alive,
            allow: None,
        };
        self.stream
            .send_all(PATIENCE, response.head().as_bytes())
            .await?;
        let mut left = if head.method == Method::Head {
            0
        } else {
            count as usize
        };
        let mut source = ByteStream::default();
        while left > 0 {
            let sent = self
                .stream
                .send_with(PATIENCE, left, |room| {
                    let piece = room.len().min(left);
                    source.fill(&mut room[..piece]);
                    piece
                })
                .await?;
            left -= sent;
        }
        Ok(())
    }
}
