//! A client of HTTP/1.1, no more than the demo's check needs: one connection, requests one after another, bodies by
//! length, in chunks or up to the end (RFC 9112).
//!
//! It shares no code with the server it tests. Every wait has a limit, every size a bound.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Time for a connection, and for the next piece of an answer to come.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Longest line of a head.
const LONGEST_LINE: u64 = 8 << 10;
/// Most fields of a head.
const MOST_FIELDS: usize = 100;
/// Largest body.
const LARGEST_BODY: u64 = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The connection failed.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The connection ended within an answer.
    #[error("the connection ended where {expected} was expected")]
    Closed {
        /// What should have come.
        expected: &'static str,
    },
    /// The answer is not HTTP.
    #[error("`{seen}` came where {expected} was expected")]
    Malformed {
        /// What should have come.
        expected: &'static str,
        /// What came.
        seen: String,
    },
    /// The answer is larger than any that is expected here.
    #[error("{what} is too large")]
    TooLarge {
        /// What.
        what: &'static str,
    },
}

fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> HttpError {
    move |source| match source.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            let words = format!("nothing came for {} s", LIMIT.as_secs());
            HttpError::Io {
                doing,
                source: io::Error::new(ErrorKind::TimedOut, words),
            }
        }
        _ => HttpError::Io { doing, source },
    }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// Body, whole.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a field, whose name is given in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection.
pub struct Connection {
    reader: BufReader<TcpStream>,
    host: SocketAddr,
}

impl Connection {
    /// Opens a connection.
    pub fn open(address: SocketAddr) -> Result<Connection, HttpError> {
        let stream = TcpStream::connect_timeout(&address, LIMIT).map_err(io_error("connecting"))?;
        let set = |stream: &TcpStream| {
            stream.set_read_timeout(Some(LIMIT))?;
            stream.set_write_timeout(Some(LIMIT))?;
            stream.set_nodelay(true)
        };
        set(&stream).map_err(io_error("setting up the connection"))?;
        Ok(Connection {
            reader: BufReader::new(stream),
            host: address,
        })
    }

    /// Sends bytes, whatever they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.reader
            .get_mut()
            .write_all(bytes)
            .map_err(io_error("sending"))
    }

    /// Sends a request without body.
    pub fn send_get(&mut self, path: &str) -> Result<(), HttpError> {
        self.send_bytes(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host).as_bytes())
    }

    /// Reads the next answer.
    pub fn receive(&mut self) -> Result<Response, HttpError> {
        read_response(&mut self.reader)
    }

    /// One request without body and its answer.
    pub fn get(&mut self, path: &str) -> Result<Response, HttpError> {
        self.send_get(path)?;
        self.receive()
    }

    /// One request with a body and its answer, which is read while the body is sent.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Result<Response, HttpError> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        let mut writer = self
            .reader
            .get_ref()
            .try_clone()
            .map_err(io_error("sending"))?;
        std::thread::scope(|scope| {
            let sending = scope.spawn(move || {
                writer
                    .write_all(head.as_bytes())
                    .and_then(|()| writer.write_all(body))
            });
            let response = self.receive()?;
            // An answer may be whole before the request is; then the server did not want to read more.
            let sent = sending
                .join()
                .unwrap_or_else(|_| Err(ErrorKind::Other.into()));
            sent.map_err(io_error("sending")).map(|()| response)
        })
    }
}

/// A line without its end. All lines end in CR LF.
fn read_line(stream: &mut impl BufRead, expected: &'static str) -> Result<String, HttpError> {
    let mut bytes = Vec::new();
    stream
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut bytes)
        .map_err(io_error("receiving"))?;
    if bytes.is_empty() {
        return Err(HttpError::Closed { expected });
    }
    match bytes
        .strip_suffix(b"\r\n")
        .map(|line| String::from_utf8(line.to_vec()))
    {
        Some(Ok(line)) => Ok(line),
        None if bytes.len() as u64 == LONGEST_LINE => Err(HttpError::TooLarge { what: expected }),
        None if !bytes.ends_with(b"\n") => Err(HttpError::Closed { expected }),
        _ => Err(HttpError::Malformed {
            expected,
            seen: String::from_utf8_lossy(&bytes).into_owned(),
        }),
    }
}

/// Exactly `length` bytes.
fn read_exactly(
    stream: &mut impl BufRead,
    length: u64,
    body: &mut Vec<u8>,
) -> Result<(), HttpError> {
    if body.len() as u64 + length > LARGEST_BODY {
        return Err(HttpError::TooLarge { what: "the body" });
    }
    let count = stream
        .take(length)
        .read_to_end(body)
        .map_err(io_error("receiving"))?;
    if count as u64 == length {
        Ok(())
    } else {
        Err(HttpError::Closed {
            expected: "more of the body",
        })
    }
}

/// The status of a status line.
fn status(line: &str) -> Option<u16> {
    let rest = line
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| line.strip_prefix("HTTP/1.0 "))?;
    let code = rest.split(' ').next()?;
    if code.len() == 3 {
        code.parse().ok()
    } else {
        None
    }
}

/// Reads one final answer to a request that is not HEAD. Interim answers (100 Continue) are passed over.
pub fn read_response(stream: &mut impl BufRead) -> Result<Response, HttpError> {
    loop {
        let response = read_one(stream)?;
        if response.status >= 200 {
            return Ok(response);
        }
    }
}

fn read_one(stream: &mut impl BufRead) -> Result<Response, HttpError> {
    let line = read_line(stream, "a status line")?;
    let status = status(&line).ok_or(HttpError::Malformed {
        expected: "a status line",
        seen: line,
    })?;
    let mut response = Response {
        status,
        fields: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let line = read_line(stream, "a field")?;
        if line.is_empty() {
            break;
        }
        if response.fields.len() == MOST_FIELDS {
            return Err(HttpError::TooLarge { what: "the head" });
        }
        match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                response
                    .fields
                    .push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => {
                return Err(HttpError::Malformed {
                    expected: "a field",
                    seen: line,
                });
            }
        }
    }
    if status < 200 || status == 204 || status == 304 {
        return Ok(response);
    }
    let mut body = Vec::new();
    if response
        .field("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        read_chunks(stream, &mut body)?;
    } else if let Some(length) = response.field("content-length") {
        let malformed = || HttpError::Malformed {
            expected: "a length",
            seen: length.to_owned(),
        };
        read_exactly(stream, length.parse().map_err(|_| malformed())?, &mut body)?;
    } else {
        stream
            .take(LARGEST_BODY)
            .read_to_end(&mut body)
            .map_err(io_error("receiving"))?;
    }
    response.body = body;
    Ok(response)
}

/// Chunks up to the last, and the trailer.
fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<(), HttpError> {
    loop {
        let line = read_line(stream, "a chunk's size")?;
        let size = line.split(';').next().unwrap_or("").trim();
        let malformed = || HttpError::Malformed {
            expected: "a chunk's size",
            seen: line.clone(),
        };
        let size = u64::from_str_radix(size, 16).map_err(|_| malformed())?;
        if size == 0 {
            break;
        }
        read_exactly(stream, size, body)?;
        let end = read_line(stream, "the end of a chunk")?;
        if !end.is_empty() {
            return Err(HttpError::Malformed {
                expected: "the end of a chunk",
                seen: end,
            });
        }
    }
    for _ in 0..MOST_FIELDS {
        if read_line(stream, "the end of the trailer")?.is_empty() {
            return Ok(());
        }
    }
    Err(HttpError::TooLarge {
        what: "the trailer",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Result<Response, HttpError> {
        read_response(&mut bytes.as_bytes())
    }

    #[test]
    fn bodies_end_by_length_by_chunks_or_with_the_connection() {
        let length = read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP").unwrap();
        assert_eq!((length.status, length.body.as_slice()), (200, &b"abc"[..]));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: t\r\n\r\n";
        assert_eq!(read(chunks).unwrap().body, b"abc0123456789");
        assert_eq!(
            read("HTTP/1.0 400 Bad\r\nA: b\r\n\r\nrest").unwrap().body,
            b"rest"
        );
        assert_eq!(
            read("HTTP/1.1 204 No Content\r\n\r\nrest").unwrap().body,
            b""
        );
    }

    #[test]
    fn answers_follow_each_other_on_a_connection() {
        let mut bytes: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:1\r\n\r\naHTTP/1.1 404 \r\n\
            Content-Length: 0\r\n\r\n";
        let first = read_response(&mut bytes).unwrap();
        assert_eq!((first.status, first.body.as_slice()), (200, &b"a"[..]));
        assert_eq!(read_response(&mut bytes).unwrap().status, 404);
        assert!(matches!(
            read_response(&mut bytes),
            Err(HttpError::Closed { .. })
        ));
    }

    #[test]
    fn incomplete_answers_are_errors() {
        let whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for end in 0..whole.len() {
            assert!(
                matches!(read(&whole[..end]), Err(HttpError::Closed { .. })),
                "{:?}",
                &whole[..end]
            );
        }
        assert!(read(whole).is_ok());
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        for bytes in [
            "SSH-2.0\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            assert!(
                matches!(read(bytes), Err(HttpError::Malformed { .. })),
                "{bytes}"
            );
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let line = format!(
            "HTTP/1.1 200 OK\r\nA: {}",
            "a".repeat(LONGEST_LINE as usize)
        );
        let fields = format!(
            "HTTP/1.1 200 OK\r\n{}\r\n",
            "A: b\r\n".repeat(MOST_FIELDS + 1)
        );
        let body = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            LARGEST_BODY + 1
        );
        for bytes in [line, fields, body] {
            assert!(matches!(read(&bytes), Err(HttpError::TooLarge { .. })));
        }
    }
}
