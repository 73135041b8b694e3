//! HTTP/1.1 (RFC 9110, RFC 9112) without I/O: byte slices in, values out.
//!
//! - [`request`]: a request's head, found in a growing buffer and judged; the grammar is `httparse`'s, the rules that
//!   the grammar leaves to a server (framing, `Host`, versions, limits) are here
//! - [`body`]: where a request's body ends: by length, by chunks
//! - [`response`]: heads of responses
//!
//! Invariant: nothing here allocates by a number that the peer sent, and the outcome does not depend on how the bytes
//! of a request were cut into segments.

pub mod body;
pub mod request;
pub mod response;
#[cfg(test)]
mod tests;

use core::fmt;

/// Bytes of a request line and its header fields together; more is refused.
pub const MAX_HEAD: usize = 8 * 1024;
/// Header fields of one request; more are refused.
pub const MAX_FIELDS: usize = 64;

/// Methods the server knows. It allows a resource's own ones and answers 405 to the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// One of RFC 9110's and RFC 5789's other methods, which no resource here allows.
    Other,
}

/// The two versions served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closed after the response unless asked otherwise, no chunks.
    Http10,
    /// HTTP/1.1
    Http11,
}

/// Why a request is refused. After any of these the connection closes: where the next request would start is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the grammar of a request.
    Syntax,
    /// A line that ends in LF alone; accepting it is what request smuggling lives on.
    BareLf,
    /// No `Host`, or several (RFC 9112, 3.2).
    Host,
    /// A `Content-Length` that is not one decimal number of 64 bits.
    ContentLength,
    /// `Content-Length` and `Transfer-Encoding` together, or the latter in HTTP/1.0 (RFC 9112, 6.1).
    AmbiguousLength,
    /// A transfer coding other than `chunked`.
    TransferCoding,
    /// A chunk that does not follow the grammar, or a chunk header beyond the limit.
    Chunk,
    /// A request line beyond [`MAX_HEAD`].
    LongTarget,
    /// Header fields beyond [`MAX_HEAD`] or [`MAX_FIELDS`].
    LargeHeader,
    /// A method that no RFC names.
    UnknownMethod,
    /// A version other than 1.0 and 1.1.
    Version,
    /// An expectation other than `100-continue`.
    Expectation,
    /// The request did not arrive in time.
    Timeout,
}

impl Refusal {
    /// Status to answer with.
    pub fn status(self) -> Status {
        match self {
            Refusal::Syntax
            | Refusal::BareLf
            | Refusal::Host
            | Refusal::ContentLength
            | Refusal::AmbiguousLength
            | Refusal::Chunk => Status::BAD_REQUEST,
            Refusal::TransferCoding | Refusal::UnknownMethod => Status::NOT_IMPLEMENTED,
            Refusal::LongTarget => Status::URI_TOO_LONG,
            Refusal::LargeHeader => Status::HEADER_FIELDS_TOO_LARGE,
            Refusal::Version => Status::VERSION_NOT_SUPPORTED,
            Refusal::Expectation => Status::EXPECTATION_FAILED,
            Refusal::Timeout => Status::REQUEST_TIMEOUT,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Syntax => "the request is not HTTP",
            Refusal::BareLf => "a line ends in LF without CR",
            Refusal::Host => "there must be exactly one Host field",
            Refusal::ContentLength => "Content-Length must be one decimal number",
            Refusal::AmbiguousLength => "the length of the body is ambiguous",
            Refusal::TransferCoding => "the only transfer coding is chunked",
            Refusal::Chunk => "the chunked body is malformed",
            Refusal::LongTarget => "the request target is too long",
            Refusal::LargeHeader => "the header fields are too large",
            Refusal::UnknownMethod => "the method is unknown",
            Refusal::Version => "the versions served are HTTP/1.0 and HTTP/1.1",
            Refusal::Expectation => "the only expectation is 100-continue",
            Refusal::Timeout => "the request took too long",
        })
    }
}

/// A status code with its reason phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

impl Status {
    /// 200
    pub const OK: Status = Status(200, "OK");
    /// 400
    pub const BAD_REQUEST: Status = Status(400, "Bad Request");
    /// 404
    pub const NOT_FOUND: Status = Status(404, "Not Found");
    /// 405
    pub const METHOD_NOT_ALLOWED: Status = Status(405, "Method Not Allowed");
    /// 408
    pub const REQUEST_TIMEOUT: Status = Status(408, "Request Timeout");
    /// 414
    pub const URI_TOO_LONG: Status = Status(414, "URI Too Long");
    /// 417
    pub const EXPECTATION_FAILED: Status = Status(417, "Expectation Failed");
    /// 431
    pub const HEADER_FIELDS_TOO_LARGE: Status = Status(431, "Request Header Fields Too Large");
    /// 501
    pub const NOT_IMPLEMENTED: Status = Status(501, "Not Implemented");
    /// 505
    pub const VERSION_NOT_SUPPORTED: Status = Status(505, "HTTP Version Not Supported");
}
