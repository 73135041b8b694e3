//! Heads of responses.
//!
//! Invariant: every response tells where its body ends, so that a kept connection stays in step. There is no `Date`:
//! the machine has no clock of day (RFC 9110, 6.6.1).

use super::{Refusal, Status};
use alloc::format;
use alloc::string::String;
use core::fmt::Write;

/// How the end of a response's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// That many bytes.
    Known(u64),
    /// Chunks.
    Chunked,
}

/// What the head of a response says.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// Its status.
    pub status: Status,
    /// Media type of its body.
    pub content_type: &'a str,
    /// End of its body.
    pub length: Length,
    /// Whether the connection stays open afterwards.
    pub keep_alive: bool,
    /// Methods for `Allow`, if that field is due.
    pub allow: Option<&'a str>,
}

impl Response<'_> {
    /// The head, up to and with the empty line.
    pub fn head(&self) -> String {
        let Status(code, reason) = self.status;
        let mut head = format!("HTTP/1.1 {code} {reason}\r\nServer: fatcc\r\n");
        // Writing to a string does not fail.
        let _ = write!(
            head,
            "Content-Type: {}\r\nCache-Control: no-store\r\n",
            self.content_type
        );
        if let Some(methods) = self.allow {
            let _ = write!(head, "Allow: {methods}\r\n");
        }
        let _ = match self.length {
            Length::Known(length) => write!(head, "Content-Length: {length}\r\n"),
            Length::Chunked => write!(head, "Transfer-Encoding: chunked\r\n"),
        };
        head.push_str(if self.keep_alive {
            "Connection: keep-alive\r\n\r\n"
        } else {
            "Connection: close\r\n\r\n"
        });
        head
    }
}

/// The whole response to a refused request.
pub fn refusal(refusal: Refusal) -> String {
    let body = format!("{refusal}\n");
    let response = Response {
        status: refusal.status(),
        content_type: "text/plain; charset=utf-8",
        length: Length::Known(body.len() as u64),
        keep_alive: false,
        allow: None,
    };
    response.head() + &body
}
