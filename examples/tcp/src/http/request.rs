//! A request's head: found in the bytes that have arrived so far, parsed by `httparse`, then judged.
//!
//! Invariant: the outcome is a function of the bytes, not of their arrival. A head is parsed when its last line is
//! there or the buffer is full; parsing earlier, for a quick refusal, can only find an error that parsing later finds
//! as well, because `httparse` reads from the front and stops at its first error.

use super::body::Framing;
use super::{MAX_FIELDS, MAX_HEAD, Method, Refusal, Version};
use alloc::string::String;
use alloc::vec::Vec;

/// What a server must know of a request before it reads the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its method.
    pub method: Method,
    /// Path of the target, without query.
    pub path: String,
    /// Query of the target; empty if there is none.
    pub query: String,
    /// Its version.
    pub version: Version,
    /// Where its body ends.
    pub framing: Framing,
    /// Whether the client keeps the connection for further requests.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Bytes received and not yet used, at most [`MAX_HEAD`], and how much of them has been looked at.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Bytes already searched for the end of a line.
    searched: usize,
    /// Bytes at the latest early parse.
    parsed: usize,
}

impl Buffer {
    /// Room for more bytes.
    pub fn room(&self) -> usize {
        MAX_HEAD - self.bytes.len()
    }

    /// Whether there are unused bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Unused bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes as many bytes as there is room for; returns how many.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        self.bytes.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Drops the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.searched = 0;
        self.parsed = 0;
    }

    /// Takes the head at the front, if all of it is there.
    pub fn take_head(&mut self) -> Result<Option<Head>, Refusal> {
        if !self.worth_parsing() {
            return Ok(None);
        }
        self.parsed = self.bytes.len();
        match parse(&self.bytes)? {
            Some((head, length)) => {
                self.consume(length);
                Ok(Some(head))
            }
            None if self.room() > 0 => Ok(None),
            None if self.bytes.contains(&b'\n') => Err(Refusal::LargeHeader),
            None => Err(Refusal::LongTarget),
        }
    }

    /// Whether parsing may tell something new: a line has ended, the buffer is full, or the bytes have doubled since
    /// the last time (so that garbage without lines is refused early, at no more than the cost of a second pass).
    fn worth_parsing(&mut self) -> bool {
        let line_ended = self.bytes[self.searched..].contains(&b'\n');
        self.searched = self.bytes.len();
        line_ended || self.room() == 0 || self.bytes.len() >= self.parsed * 2
    }
}

/// Parses a head at the front of `bytes`; with its length, or `None` if its end is not there yet.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::Version) => return Err(Refusal::Version),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::LargeHeader),
        Err(_) => return Err(Refusal::Syntax),
    };
    if has_bare_lf(&bytes[..length]) {
        return Err(Refusal::BareLf);
    }
    let version = if request.version == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    };
    let method = method(request.method.unwrap_or_default())?;
    let target = target(request.path.unwrap_or_default())?;
    let head = judge(method, target, version, request.headers)?;
    Ok(Some((head, length)))
}

fn has_bare_lf(head: &[u8]) -> bool {
    head.first() == Some(&b'\n')
        || head
            .windows(2)
            .any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

fn method(name: &str) -> Result<Method, Refusal> {
    match name {
        "GET" => Ok(Method::Get),
        "HEAD" => Ok(Method::Head),
        "POST" => Ok(Method::Post),
        "PUT" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH" => Ok(Method::Other),
        _ => Err(Refusal::UnknownMethod),
    }
}

/// Path and query of a target in origin-form, absolute-form, asterisk-form or authority-form (RFC 9112, 3.2).
fn target(target: &str) -> Result<(String, String), Refusal> {
    let path = if target.starts_with('/') || target == "*" {
        target
    } else if let Some((scheme, rest)) = target.split_once("://") {
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(Refusal::Syntax);
        }
        rest.find(['/', '?']).map_or("/", |start| &rest[start..])
    } else if target.contains(':') {
        target
    } else {
        return Err(Refusal::Syntax);
    };
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let (path, rest) = path.split_at(end);
    let query = rest.strip_prefix('?').unwrap_or_default();
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let path = if path.is_empty() { "/" } else { path };
    Ok((path.into(), query.into()))
}

/// Applies the rules that hold between fields.
fn judge(
    method: Method,
    (path, query): (String, String),
    version: Version,
    fields: &[httparse::Header<'_>],
) -> Result<Head, Refusal> {
    let mut hosts = 0;
    let mut length = None;
    let mut coding = None;
    let mut close = false;
    let mut keep = false;
    let mut expects_continue = false;
    for field in fields {
        let value = trim(field.value);
        if field.name.eq_ignore_ascii_case("host") {
            hosts += 1;
        } else if field.name.eq_ignore_ascii_case("content-length") {
            if length.replace(number(value)?).is_some() {
                return Err(Refusal::ContentLength);
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if coding.replace(value).is_some() {
                return Err(Refusal::AmbiguousLength);
            }
        } else if field.name.eq_ignore_ascii_case("connection") {
            for option in value.split(|byte| *byte == b',').map(trim) {
                close |= option.eq_ignore_ascii_case(b"close");
                keep |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if field.name.eq_ignore_ascii_case("expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Refusal::Expectation);
            }
            // A 1.0 client cannot understand an interim response (RFC 9110, 10.1.1).
            expects_continue = version == Version::Http11;
        }
    }
    if hosts > 1 || (hosts == 0 && version == Version::Http11) {
        return Err(Refusal::Host);
    }
    let framing = match (coding, length) {
        (Some(_), Some(_)) => return Err(Refusal::AmbiguousLength),
        (Some(_), None) if version == Version::Http10 => return Err(Refusal::AmbiguousLength),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
        (Some(_), None) => return Err(Refusal::TransferCoding),
        (None, length) => Framing::Length(length.unwrap_or(0)),
    };
    let keep_alive = !close && (version == Version::Http11 || keep);
    Ok(Head {
        method,
        path,
        query,
        version,
        framing,
        keep_alive,
        expects_continue,
    })
}

fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

/// A decimal number of digits only: no sign, no list, no white space inside.
fn number(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() {
        return Err(Refusal::ContentLength);
    }
    value.iter().try_fold(0u64, |number, byte| {
        let digit = char::from(*byte)
            .to_digit(10)
            .ok_or(Refusal::ContentLength)?;
        number
            .checked_mul(10)
            .and_then(|ten| ten.checked_add(u64::from(digit)))
            .ok_or(Refusal::ContentLength)
    })
}
